//! Learning from outcomes: a challenger from what became of assessed changes ([`challenge`]), its judgement on changes that it
//! was not fitted on ([`judge`]), and rates that follow the outcomes ([`Platt`]).
//!
//! Weights move a little from the champion's, on ripe outcomes only, and nothing is claimed from few. No clock and no chance:
//! `now` comes from the caller, and draws are seeded.

mod challenger;
mod columns;
mod judge;
mod label;
mod platt;
#[cfg(test)]
mod properties;
pub mod record;
pub mod replay;
#[cfg(test)]
pub(crate) mod simulation;
mod succession;

pub use challenger::{CHANGES_MIN, Challenger, FAILED_MIN, Lineage, Moved, NoChallenger, TooFew, challenge};
pub use judge::{
    AtThreshold, Caught, Comparison, DECIDING_FAILED_MIN, FlipTo, Flipped, Fold, Judgement, Losses, RANKING_TOLERANCE,
    RENEWED_AFTER_DAYS, THRESHOLDS, Trial, Verdict, judge,
};
pub use label::{Censored, Evidence, Failure, Fate, Label};
pub use platt::{LATEST, Platt};
pub use succession::{Turn, succession};

use super::training;
use crate::risk::{Model, Offset, Weight, assessment::Assessment, facts::Facts, score_of_terms};

/// An assessment at merge and what became of the change.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessed {
    /// Which assessment.
    pub id: String,
    /// When it was made, unix seconds.
    pub at: i64,
    /// When its outcome is known, whatever it is; unix seconds. None if it never will be.
    pub known_at: Option<i64>,
    /// What the model saw: [`terms_of`] its facts.
    pub terms: Box<[f64]>,
    /// The score as it was shown, floors included, 0-100.
    pub score: u8,
    /// The score that floors lifted it to at least; 0 where there was none.
    pub floor: u8,
    /// The rate that was stated, 0-1; none where none was.
    pub stated: Option<f64>,
    /// What became of it.
    pub label: Label,
    /// Its deployment was told of, with incidents and SLOs watched; else nothing but its merge is known.
    pub deployed: bool,
    /// Somebody overrode the verdict.
    pub overridden: bool,
    /// For how long the gate held it, seconds; none where it did not.
    pub held_s: Option<u64>,
}

impl Assessed {
    /// How much of a failure it was, 0-1, if that is known at `now` (unix seconds).
    pub fn outcome(&self, now: i64) -> Option<f64> {
        self.known_at.filter(|known| *known <= now).and_then(|_| self.label.failed())
    }

    /// What another model would have scored, floors included.
    pub fn score_by(&self, model: &Model) -> u8 {
        score_of_terms(model, &self.terms).max(self.floor)
    }
}

/// What a model sees of a change: a number for each of its terms, then the logarithms of the repository's own shares of
/// rollbacks and fixes. Not a number where something is unknown.
pub fn terms_of(facts: &Facts) -> Box<[f64]> {
    training::terms_of(facts).into()
}

/// The same, read off an assessment of the facts, for the price of copying it. Terms whose points were taken away for a
/// reason count as unknown: no model gives points for them.
pub fn terms_of_assessment(assessment: &Assessment, facts: &Facts) -> Box<[f64]> {
    let mut terms = Vec::with_capacity(training::terms_of_model() + 2);
    for row in &assessment.contributions {
        match &row.reading {
            Ok(measure) if row.exempt_because.is_none() => terms.extend(&measure.terms),
            Ok(_) | Err(_) => terms.extend(row.signal.terms.iter().map(|_| f64::NAN)),
        }
    }
    terms.extend(training::shares_of(facts));
    terms.into()
}

/// What another model scores, floors included, for the price of adding up: the readings are those that the assessment has
/// made.
pub fn shadow_score(model: &Model, assessment: &Assessment, facts: &Facts) -> u8 {
    score_of_terms(model, &terms_of_assessment(assessment, facts)).max(assessment.lift())
}

/// Log-odds of being rolled back, from [`terms_of`].
pub fn log_odds(model: &Model, terms: &[f64]) -> f64 {
    sum(model, terms, (model.intercept, model.base_rate, 0), |weight| weight.weight)
}

/// Log-odds of needing a fix or being rolled back, from [`terms_of`].
pub fn fix_log_odds(model: &Model, terms: &[f64]) -> f64 {
    sum(model, terms, (model.fix.intercept, model.fix.fix_rate, 1), |weight| weight.fix_weight)
}

/// `offset` is the intercept, and which of the shares behind the terms moves it.
fn sum(model: &Model, terms: &[f64], (intercept, share, place): (f64, Offset, usize), of: fn(&Weight) -> f64) -> f64 {
    let (own, shares) = terms.split_at(model.terms().len());
    let add = |weight: f64, x: f64, mean: f64| if x.is_finite() { weight * (x - mean) } else { 0.0 };
    let start = intercept + shares.get(place).map_or(0.0, |x| add(share.weight, *x, share.mean));
    model.terms().iter().zip(own).fold(start, |sum, (weight, x)| sum + add(of(weight), *x, weight.mean))
}

/// What another model changes: points that a term adds across its usual range (10th to 90th percentile, at least a unit),
/// after less before, the largest first. Terms that weigh what they weighed are left out.
pub fn shifts(before: &Model, after: &Model) -> Vec<(String, f64)> {
    let pairs = before.terms().iter().zip(after.terms());
    let shift = |(before, after): (&Weight, &Weight)| {
        let points = 15.0 * (after.weight - before.weight) * (after.p90 - after.p10).max(1.0) / std::f64::consts::LN_2;
        (points != 0.0).then(|| (after.id.clone(), points))
    };
    let mut shifts: Vec<(String, f64)> = pairs.filter_map(shift).collect();
    shifts.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    shifts
}

/// The correction of a model's rates by what is known at `now` (unix seconds).
pub fn rates(rows: &[Assessed], model: &Model, now: i64) -> Platt {
    judge::platt_at(&rows.iter().collect::<Vec<_>>(), model, now)
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}
