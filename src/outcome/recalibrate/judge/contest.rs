//! Models side by side on the changes of one part of the time, as they would have stood at its beginning.

use super::{Comparison, Fold, Losses, platt_at};
use crate::{
    outcome::{
        chance::{bootstrap, estimate},
        evaluate::{Estimate, calibration_error, roc_auc},
        fit::surprise,
        recalibrate::{Assessed, CHANGES_MIN, Lineage, Platt, challenge, log_odds, sigmoid},
    },
    risk::Model,
};

/// Where origins lie, as tenths of the changes whose outcome is known, in order of time; each part ends at the next, and the
/// last one now.
const ORIGINS: [usize; 5] = [4, 5, 6, 7, 8];

/// A part of the time.
pub(super) struct Contest {
    pub(super) fold: Fold,
    /// As it would have been fitted at the beginning.
    pub(super) challenger: Model,
    outcomes: Vec<f64>,
    prior: Standing,
    champion: Standing,
    new: Standing,
}

/// How one model did, change by change.
#[derive(Default)]
struct Standing {
    surprises: Vec<f64>,
    scores: Vec<f64>,
}

/// A model with its rates corrected.
struct Contestant<'m> {
    model: &'m Model,
    platt: Platt,
}

/// The beginning of the latest part, unix seconds.
pub(super) fn latest_from(known: &[&Assessed], now: i64) -> i64 {
    instant(known, ORIGINS[ORIGINS.len() - 1], now)
}

fn instant(known: &[&Assessed], tenth: usize, now: i64) -> i64 {
    known.get(known.len() * tenth / 10).map_or(now, |row| row.at)
}

/// All parts that can be judged, of changes whose outcome is known at `now`, in the order of their assessment.
pub(super) fn contests(known: &[&Assessed], lineage: Lineage<'_>, now: i64) -> Vec<Contest> {
    let from = ORIGINS.into_iter().map(|tenth| instant(known, tenth, now));
    let until = from.clone().skip(1).chain(std::iter::once(now));
    from.zip(until).filter_map(|(from, until)| contest(known, lineage, now, from..until)).collect()
}

/// None where too little was known at the beginning, or nothing is known of the part.
fn contest(known: &[&Assessed], lineage: Lineage<'_>, now: i64, span: std::ops::Range<i64>) -> Option<Contest> {
    let taught: Vec<&Assessed> = known.iter().copied().filter(|row| row.outcome(span.start).is_some()).collect();
    // A champion that has learned since then would pull it towards what only became known later.
    let then = match lineage.learned_until() {
        Some(seen) if seen > span.start => Lineage::first(lineage.prior),
        Some(_) | None => lineage,
    };
    let challenger = challenge(&taught, then, span.start, "challenger").ok()?.model;
    let rows: Vec<&Assessed> = known.iter().copied().filter(|row| span.contains(&row.at)).collect();
    if rows.is_empty() {
        return None;
    }
    let outcomes: Vec<f64> = rows.iter().filter_map(|row| row.outcome(now)).collect();
    let of = |model| Contestant { model, platt: platt_at(&taught, model, span.start) };
    let (before, after) = (of(lineage.prior), of(&challenger));
    let (prior, new) = (before.standing(&rows, &outcomes), after.standing(&rows, &outcomes));
    let champion = match lineage.learned_until() {
        Some(_) => of(lineage.champion).standing(&rows, &outcomes),
        None => Standing::default(),
    };
    let fold = Fold {
        from: span.start,
        until: span.end,
        trained: taught.len() as u64,
        changes: rows.len() as u64,
        failed: failures(&outcomes),
        prior: before.losses(&rows, &outcomes, &prior),
        challenger: after.losses(&rows, &outcomes, &new),
        difference: paired(&new.surprises, &prior.surprises),
    };
    Some(Contest { fold, challenger, outcomes, prior, champion, new })
}

/// The challengers of several parts against the prior.
pub(super) fn over_prior<'c>(contests: impl Iterator<Item = &'c Contest> + Clone) -> Option<Comparison> {
    over(contests, |contest| &contest.prior)
}

/// The same against the champion.
pub(super) fn over_champion<'c>(contests: impl Iterator<Item = &'c Contest> + Clone) -> Option<Comparison> {
    over(contests, |contest| &contest.champion)
}

fn over<'c>(
    contests: impl Iterator<Item = &'c Contest> + Clone,
    other: fn(&Contest) -> &Standing,
) -> Option<Comparison> {
    let outcomes: Vec<f64> = contests.clone().flat_map(|contest| contest.outcomes.iter().copied()).collect();
    let one = Standing::joined(contests.clone().map(|contest| &contest.new));
    let other = Standing::joined(contests.map(other));
    compared(&outcomes, &one, &other)
}

/// A champion that learned until `seen` against the prior, on what became known afterwards.
pub(super) fn standing(known: &[&Assessed], lineage: Lineage<'_>, seen: i64, now: i64) -> Option<Comparison> {
    let rows: Vec<&Assessed> = known.iter().copied().filter(|row| lineage.unseen(row)).collect();
    let taught: Vec<&Assessed> = known.iter().copied().filter(|row| row.outcome(seen).is_some()).collect();
    if (taught.len() as u64) < CHANGES_MIN {
        // Of one repository, or of facts that were forgotten: too few to correct rates by.
        return None;
    }
    let outcomes: Vec<f64> = rows.iter().filter_map(|row| row.outcome(now)).collect();
    let of = |model| Contestant { model, platt: platt_at(&taught, model, seen) }.standing(&rows, &outcomes);
    compared(&outcomes, &of(lineage.champion), &of(lineage.prior))
}

fn compared(outcomes: &[f64], one: &Standing, other: &Standing) -> Option<Comparison> {
    if outcomes.is_empty() {
        return None;
    }
    let auc = |standing: &Standing| roc_auc(&standing.scores, outcomes);
    Some(Comparison {
        changes: outcomes.len() as u64,
        failed: failures(outcomes),
        difference: paired(&one.surprises, &other.surprises),
        roc_auc: auc(one).zip(auc(other)).map(|(one, other)| one - other),
    })
}

impl Standing {
    fn joined<'s>(parts: impl Iterator<Item = &'s Self>) -> Self {
        parts.fold(Self::default(), |mut all, part| {
            all.surprises.extend(&part.surprises);
            all.scores.extend(&part.scores);
            all
        })
    }
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

    fn standing(&self, rows: &[&Assessed], outcomes: &[f64]) -> Standing {
        Standing {
            surprises: rows.iter().zip(outcomes).map(|(row, failed)| self.surprise(row, *failed)).collect(),
            scores: rows.iter().map(|row| f64::from(row.score_by(self.model))).collect(),
        }
    }

    fn losses(&self, rows: &[&Assessed], outcomes: &[f64], standing: &Standing) -> Losses {
        let rates: Vec<f64> = rows.iter().map(|row| sigmoid(self.log_odds(row))).collect();
        let squares = rates.iter().zip(outcomes).map(|(rate, y)| y * (1.0 - rate).powi(2) + (1.0 - y) * rate.powi(2));
        Losses {
            log_loss: mean(&standing.surprises),
            brier: squares.sum::<f64>() / rows.len() as f64,
            ece: calibration_error(&rates, outcomes).unwrap_or_default(),
            roc_auc: roc_auc(&standing.scores, outcomes),
        }
    }
}

/// Whole failures, doubtful ones added up as far as each is sure.
fn failures(outcomes: &[f64]) -> u64 {
    outcomes.iter().sum::<f64>().floor() as u64
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The mean of `one` less that of `other`, over the same draws of both.
fn paired(one: &[f64], other: &[f64]) -> Estimate {
    let differences: Vec<f64> = one.iter().zip(other).map(|(one, other)| one - other).collect();
    let draws = bootstrap(differences.len(), |drawn| {
        let sum: f64 = drawn.iter().zip(&differences).map(|(times, x)| f64::from(*times) * x).sum();
        sum / differences.len() as f64
    });
    estimate(mean(&differences), draws.into_iter())
}
