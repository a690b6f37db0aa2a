//! Champion against challenger, on changes that the challenger was not fitted on: both as they would have stood at an
//! origin in time, on the changes that were assessed after it. Four origins show whether it holds over time; the fifth, the
//! latest, decides. What is proposed is the challenger fitted on all that is known now.

mod flips;
mod thresholds;

pub use flips::{FlipTo, Flipped};
pub use thresholds::{AtThreshold, Caught, THRESHOLDS};

use super::{Assessed, Challenger, Lineage, NoChallenger, Platt, challenge, log_odds};
use crate::{
    outcome::{
        chance::{bootstrap, estimate},
        evaluate::{Estimate, calibration_error, roc_auc},
        fit::surprise,
    },
    risk::Model,
};

/// Fewer failures in the hold-out decide nothing: draws of less tell little of how far chance reaches.
pub const HOLDOUT_FAILED_MIN: u64 = 20;
/// A challenger may rank worse than the champion by so much ROC AUC: less than can be told from the sample. A better log
/// loss is not bought with a worse order of changes, which is what people see.
pub const RANKING_TOLERANCE: f64 = 0.005;

/// Where origins lie, as tenths of the changes whose outcome is known, in order of time; each but the last is judged up to
/// the next.
const ORIGINS: [usize; 5] = [4, 5, 6, 7, 8];

/// How rates hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Mean of −ln of the probability that was given to what happened.
    pub log_loss: f64,
    /// Mean squared difference between probability and outcome (Brier 1950).
    pub brier: f64,
    /// Expected calibration error over ten bins of equal count.
    pub ece: f64,
    /// Area under the ROC curve of the scores; none unless some failed and some did not.
    pub roc_auc: Option<f64>,
}

/// Both on the changes that were assessed between two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// From the origin on, unix seconds.
    pub from: i64,
    /// Before this instant.
    pub until: i64,
    /// Outcomes that were known at the origin.
    pub trained: u64,
    /// Changes that are judged.
    pub changes: u64,
    /// Failures among them.
    pub failed: u64,
    /// The champion, its rates corrected as they would have been.
    pub champion: Losses,
    /// The challenger, likewise.
    pub challenger: Losses,
    /// The challenger's log loss less the champion's, with the 95 % interval over paired draws: where all of it lies below
    /// 0, the challenger is better beyond noise.
    pub difference: Estimate,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better beyond noise: it is proposed.
    Proposed,
    /// The hold-out has too few failures, or changes that did not fail, to decide.
    TooFew,
    /// Its log loss on the hold-out is not lower beyond noise.
    NotBetter,
    /// Its log loss is lower, but it ranks worse.
    RanksWorse,
}

impl Verdict {
    /// In a word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::TooFew => "too_few",
            Self::NotBetter => "not_better",
            Self::RanksWorse => "ranks_worse",
        }
    }
}

/// A challenger and how it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// Fitted on all that is known now.
    pub challenger: Challenger,
    /// How its rates are corrected.
    pub platt: Platt,
    /// At earlier origins, in order of time; those at which too little was known are left out.
    pub folds: Vec<Fold>,
    /// The latest part, which decides; none where too little was known before it.
    pub holdout: Option<Fold>,
    /// Precision and recall of both on the hold-out, by threshold.
    pub thresholds: Vec<AtThreshold>,
    /// Changes of the latest part whose level the proposal would change, the largest difference first.
    pub flipped: Vec<Flipped>,
    /// What came of it.
    pub verdict: Verdict,
}

/// A model with its rates corrected.
struct Contestant<'m> {
    model: &'m Model,
    platt: Platt,
}

/// Fits a challenger on what is known at `now` (unix seconds) and judges it. `version` is what it will be called.
///
/// # Errors
/// Too few outcomes are known to fit one.
pub fn judge(rows: &[Assessed], lineage: Lineage<'_>, now: i64, version: &str) -> Result<Judgement, NoChallenger> {
    let mut rows: Vec<&Assessed> = rows.iter().collect();
    rows.sort_by_key(|row| row.at);
    let known: Vec<&Assessed> = rows.iter().copied().filter(|row| row.outcome(now).is_some()).collect();
    let challenger = challenge(&known, lineage, now, version)?;
    let instant = |tenth: usize| known.get(known.len() * tenth / 10).map_or(now, |row| row.at);
    let mut folds = Vec::new();
    for (tenth, next) in ORIGINS.into_iter().zip(ORIGINS.into_iter().skip(1)) {
        folds.extend(contest(&known, lineage, now, instant(tenth)..instant(next)).map(|contest| contest.fold));
    }
    let latest = instant(ORIGINS[ORIGINS.len() - 1])..now;
    let held_out = contest(&known, lineage, now, latest.clone());
    let thresholds = held_out.as_ref().map(|contest| {
        let tested = tested(&known, &latest, lineage);
        thresholds::compare(&tested, lineage.champion, &contest.challenger, now)
    });
    let holdout = held_out.map(|contest| contest.fold);
    let recent: Vec<&Assessed> = rows.iter().copied().filter(|row| latest.contains(&row.at)).collect();
    Ok(Judgement {
        platt: platt_at(&known, &challenger.model, now),
        flipped: flips::flipped(&recent, lineage.champion, &challenger.model, now),
        verdict: verdict(holdout.as_ref()),
        thresholds: thresholds.unwrap_or_default(),
        challenger,
        folds,
        holdout,
    })
}

/// Whether a hold-out speaks for the challenger.
pub(super) fn verdict(holdout: Option<&Fold>) -> Verdict {
    let Some(fold) = holdout else { return Verdict::TooFew };
    if fold.failed.min(fold.changes - fold.failed) < HOLDOUT_FAILED_MIN {
        return Verdict::TooFew;
    }
    let worse = fold.champion.roc_auc.zip(fold.challenger.roc_auc).map(|(before, after)| before - after);
    if fold.difference.high >= 0.0 {
        Verdict::NotBetter
    } else if worse.is_none_or(|worse| worse > RANKING_TOLERANCE) {
        Verdict::RanksWorse
    } else {
        Verdict::Proposed
    }
}

/// A fold and the challenger that was fitted for it.
pub(super) struct Contest {
    pub(super) fold: Fold,
    pub(super) challenger: Model,
}

/// Both on changes that were assessed within a span; none where too little was known at its beginning, or nothing is
/// known of the span.
pub(super) fn contest(
    known: &[&Assessed],
    lineage: Lineage<'_>,
    now: i64,
    span: std::ops::Range<i64>,
) -> Option<Contest> {
    let taught: Vec<&Assessed> = known.iter().copied().filter(|row| row.outcome(span.start).is_some()).collect();
    let challenger = challenge(&taught, lineage, span.start, "challenger").ok()?.model;
    let tested = tested(known, &span, lineage);
    if tested.is_empty() {
        return None;
    }
    let outcomes: Vec<f64> = tested.iter().filter_map(|row| row.outcome(now)).collect();
    debug_assert_eq!(outcomes.len(), tested.len(), "what is known now is known");
    let of = |model| Contestant { model, platt: platt_at(&taught, model, span.start) };
    let (champion, new) = (of(lineage.champion), of(&challenger));
    let surprises = |one: &Contestant<'_>| -> Vec<f64> {
        tested.iter().zip(&outcomes).map(|(row, failed)| one.surprise(row, *failed)).collect()
    };
    let (before, after) = (surprises(&champion), surprises(&new));
    let fold = Fold {
        from: span.start,
        until: span.end,
        trained: taught.len() as u64,
        changes: tested.len() as u64,
        failed: outcomes.iter().filter(|failed| **failed >= 0.5).count() as u64,
        champion: champion.losses(&tested, &outcomes, mean(&before)),
        challenger: new.losses(&tested, &outcomes, mean(&after)),
        difference: paired(&before, &after),
    };
    Some(Contest { fold, challenger })
}

/// Changes that neither model was fitted on. A champion that learned from some of them would win by having seen the
/// answers, and stay long after it has become stale.
fn tested<'r>(known: &[&'r Assessed], span: &std::ops::Range<i64>, lineage: Lineage<'_>) -> Vec<&'r Assessed> {
    let unseen = |row: &Assessed| lineage.learned_until().is_none_or(|seen| row.known_at.is_some_and(|at| at > seen));
    known.iter().copied().filter(|row| span.contains(&row.at) && unseen(row)).collect()
}

/// The correction of a model's rates by outcomes that are known at an instant.
pub(super) fn platt_at(known: &[&Assessed], model: &Model, now: i64) -> Platt {
    let mut known: Vec<(&Assessed, f64)> = known.iter().filter_map(|row| Some((*row, row.outcome(now)?))).collect();
    known.sort_by_key(|(row, _)| row.known_at);
    Platt::of(&known.into_iter().map(|(row, failed)| (log_odds(model, &row.terms), failed)).collect::<Vec<_>>())
}

impl Contestant<'_> {
    fn log_odds(&self, row: &Assessed) -> f64 {
        self.platt.log_odds(log_odds(self.model, &row.terms))
    }

    /// −ln of the probability given to what happened; a doubtful failure is both in part.
    fn surprise(&self, row: &Assessed, failed: f64) -> f64 {
        let log_odds = self.log_odds(row);
        failed * surprise(log_odds, true) + (1.0 - failed) * surprise(log_odds, false)
    }

    fn losses(&self, rows: &[&Assessed], outcomes: &[f64], log_loss: f64) -> Losses {
        let rates: Vec<f64> = rows.iter().map(|row| super::sigmoid(self.log_odds(row))).collect();
        let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.score_by(self.model))).collect();
        let failed: Vec<bool> = outcomes.iter().map(|failed| *failed >= 0.5).collect();
        let squares = rates.iter().zip(outcomes).map(|(rate, y)| y * (1.0 - rate).powi(2) + (1.0 - y) * rate.powi(2));
        Losses {
            log_loss,
            brier: squares.sum::<f64>() / rows.len() as f64,
            ece: calibration_error(&rates, &failed).unwrap_or_default(),
            roc_auc: roc_auc(&scores, &failed),
        }
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The mean of `after` less that of `before`, over the same draws of both.
fn paired(before: &[f64], after: &[f64]) -> Estimate {
    let differences: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    let draws = bootstrap(differences.len(), |drawn| {
        let sum: f64 = drawn.iter().zip(&differences).map(|(times, x)| f64::from(*times) * x).sum();
        sum / differences.len() as f64
    });
    estimate(mean(&differences), draws.into_iter())
}
