//! Whether outcomes make a better model: challengers as they would have stood at five origins in time, each judged on the
//! changes that were assessed between it and the next (rolling-origin evaluation, Tashman 2000), against the model that no
//! outcome has moved. A champion that has learned would be judged by outcomes that it has seen, so that it would stay long
//! after it has become stale; it is compared where it has not seen them. What is proposed is fitted on all that is known now.

mod contest;
mod flips;
mod thresholds;

pub use flips::{FlipTo, Flipped};
pub use thresholds::{AtThreshold, Caught, THRESHOLDS};

use super::{Assessed, Challenger, Lineage, NoChallenger, Platt, challenge, log_odds};
use crate::{outcome::evaluate::Estimate, risk::Model};
use contest::{Contest, contests};

/// Fewer failures decide nothing: draws of less tell little of how far chance reaches.
pub const DECIDING_FAILED_MIN: u64 = 20;
/// A challenger may rank worse by so much ROC AUC: less than can be told from the sample. A better log loss is not bought
/// with a worse order of changes, which is what people see.
pub const RANKING_TOLERANCE: f64 = 0.005;
/// Days for which a model that was learned stands before it is renewed: long enough that nobody is asked every month, and
/// well within the year in which such models decay (McIntosh and Kamei, TSE 2018).
pub const RENEWED_AFTER_DAYS: i64 = 90;

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

/// A part of the time: the prior and the challenger as they would have stood at its beginning.
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
    /// The model that no outcome has moved, its rates corrected as they would have been.
    pub prior: Losses,
    /// The challenger, likewise.
    pub challenger: Losses,
    /// The challenger's log loss less the prior's, with the 95 % interval over paired draws.
    pub difference: Estimate,
}

/// One model against another, on changes that neither was fitted on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Changes that are judged.
    pub changes: u64,
    /// Failures among them.
    pub failed: u64,
    /// The log loss of the one less that of the other, with the 95 % interval over paired draws: where all of it lies
    /// below 0, the one is better beyond noise.
    pub difference: Estimate,
    /// ROC AUC of the one less that of the other; none unless some failed and some did not.
    pub roc_auc: Option<f64>,
}

/// What a judgement rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trial {
    /// The parts in order of time; those at whose origin too little was known are left out.
    pub folds: Vec<Fold>,
    /// The challenger against the prior, over all parts; none without any.
    pub learning: Option<Comparison>,
    /// The challenger against a champion that has learned, over the parts that began afterwards; none without any.
    pub renewal: Option<Comparison>,
    /// Such a champion against the prior, over all that it has not learned from; none of nothing.
    pub standing: Option<Comparison>,
    /// Such a champion stands until then before it is renewed, unix seconds.
    pub renewed_from: Option<i64>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Better beyond noise: it is proposed.
    Proposed,
    /// Too few failures, or changes that did not fail, to decide.
    TooFew,
    /// Its log loss is not lower beyond noise, or not lower on the latest part, or not lower than the champion's.
    NotBetter,
    /// Its log loss is lower, but it ranks worse.
    RanksWorse,
    /// The champion has learned not long ago.
    TooSoon,
    /// The champion has learned, and on what it has not seen it is no better than the model that no outcome has moved: the
    /// way back is advised.
    Back,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Proposed, Self::TooFew, Self::NotBetter, Self::RanksWorse, Self::TooSoon, Self::Back];

    /// In a word, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::TooFew => "too_few",
            Self::NotBetter => "not_better",
            Self::RanksWorse => "ranks_worse",
            Self::TooSoon => "too_soon",
            Self::Back => "back",
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
    /// How the challengers of earlier instants did.
    pub trial: Trial,
    /// Precision and recall of champion and challenger on the latest part, by threshold.
    pub thresholds: Vec<AtThreshold>,
    /// Mean score of the changes of the latest part by the champion and by the challenger; none of no change.
    pub mean_score: Option<(f64, f64)>,
    /// Changes of the latest part whose level the proposal would change, the largest difference first.
    pub flipped: Vec<Flipped>,
    /// What came of it.
    pub verdict: Verdict,
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
    let contests = contests(&known, lineage, now);
    let trial = Trial::of(&contests, &known, lineage, now);
    let latest = contests.last().filter(|contest| contest.fold.until == now);
    let thresholds = latest.map(|contest| {
        let unseen = known.iter().copied().filter(|row| row.at >= contest.fold.from && lineage.unseen(row));
        thresholds::compare(&unseen.collect::<Vec<_>>(), lineage.champion, &contest.challenger, now)
    });
    let from = contest::latest_from(&known, now);
    let recent: Vec<&Assessed> = rows.iter().copied().filter(|row| row.at >= from).collect();
    let mean =
        |model: &Model| recent.iter().map(|row| f64::from(row.score_by(model))).sum::<f64>() / recent.len() as f64;
    Ok(Judgement {
        mean_score: (!recent.is_empty()).then(|| (mean(lineage.champion), mean(&challenger.model))),
        platt: platt_at(&known, &challenger.model, now),
        flipped: flips::flipped(&recent, lineage.champion, &challenger.model, now),
        verdict: trial.verdict(now),
        thresholds: thresholds.unwrap_or_default(),
        challenger,
        trial,
    })
}

/// The verdict alone, on changes whose outcome is known at `now`, in the order of their assessment.
pub(super) fn verdict(known: &[&Assessed], lineage: Lineage<'_>, now: i64) -> Verdict {
    Trial::of(&contests(known, lineage, now), known, lineage, now).verdict(now)
}

impl Trial {
    fn of(contests: &[Contest], known: &[&Assessed], lineage: Lineage<'_>, now: i64) -> Self {
        let learned_until = lineage.learned_until();
        let afterwards = |contest: &&Contest| learned_until.is_some_and(|seen| contest.fold.from >= seen);
        let renewed_after = |learned: i64| learned.saturating_add(RENEWED_AFTER_DAYS * 24 * 60 * 60);
        Self {
            folds: contests.iter().map(|contest| contest.fold.clone()).collect(),
            learning: contest::over_prior(contests.iter()),
            renewal: contest::over_champion(contests.iter().filter(afterwards)),
            standing: learned_until.and_then(|seen| contest::standing(known, lineage, seen, now)),
            renewed_from: learned_until.map(renewed_after),
        }
    }

    /// What it speaks for at `now` (unix seconds).
    fn verdict(&self, now: i64) -> Verdict {
        if self.standing.is_some_and(|standing| standing.decides() && standing.difference.value >= 0.0) {
            // A champion that is no better than the prior has nothing to hold against a challenger that is.
            let found = self.of_challenger(None, now);
            return if found == Verdict::Proposed { found } else { Verdict::Back };
        }
        if self.renewed_from.is_some_and(|from| now < from) {
            return Verdict::TooSoon;
        }
        // Where too little is known since the champion learned, the challenger is the same fit of later outcomes.
        self.of_challenger(self.renewal.filter(Comparison::decides), now)
    }

    fn of_challenger(&self, renewal: Option<Comparison>, now: i64) -> Verdict {
        let Some(learning) = self.learning.filter(Comparison::decides) else { return Verdict::TooFew };
        let latest = self.folds.last().is_some_and(|fold| fold.until == now && fold.difference.value < 0.0);
        if learning.difference.high >= 0.0 || !latest || renewal.is_some_and(|found| found.difference.value >= 0.0) {
            Verdict::NotBetter
        } else if [Some(learning), renewal].into_iter().flatten().any(|found| found.ranks_worse()) {
            Verdict::RanksWorse
        } else {
            Verdict::Proposed
        }
    }
}

impl Comparison {
    /// Whether it holds enough of both kinds.
    fn decides(&self) -> bool {
        self.failed.min(self.changes - self.failed) >= DECIDING_FAILED_MIN
    }

    fn ranks_worse(self) -> bool {
        self.roc_auc.is_none_or(|more| more < -RANKING_TOLERANCE)
    }
}

/// The correction of a model's rates by outcomes that are known at an instant.
pub(super) fn platt_at(known: &[&Assessed], model: &Model, now: i64) -> Platt {
    let mut known: Vec<(&Assessed, f64)> = known.iter().filter_map(|row| Some((*row, row.outcome(now)?))).collect();
    known.sort_by_key(|(row, _)| row.known_at);
    Platt::of(&known.into_iter().map(|(row, failed)| (log_odds(model, &row.terms), failed)).collect::<Vec<_>>())
}
