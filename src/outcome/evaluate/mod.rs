//! How well scores rank and how well probabilities hold, over changes whose outcome is known.
//!
//! Every measure comes with an interval from a seeded bootstrap over changes; the same input gives the same figures.
//! It judges numbers and does not know where they come from.

mod calibration;
mod effort;
mod ranking;
mod ties;

pub use calibration::{Bin, Calibration, NoiseFloor, calibration, wilson};
pub use effort::Effort;
pub use ranking::{Ranking, SHARES, Top, gain};

use super::chance;
use crate::risk::FAILURES_MIN;
use effort::Walk;
use ties::Ties;

/// One change with what was said of it and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// Higher is riskier, on any scale from 0.
    pub score: f64,
    /// Probability of failing that was stated, 0-1.
    pub probability: Option<f64>,
    /// Lines added and deleted: what it costs to look at it.
    pub lines: u64,
    /// Whether it failed.
    pub failed: bool,
}

/// A measure and the 95 % interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Measured on the changes as they are.
    pub value: f64,
    /// 2.5th percentile over draws of as many changes with replacement.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// All measures of one score over one set of changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// How many changes.
    pub changes: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How well the score ranks; none unless at least 5 failed and 5 did not.
    pub ranking: Option<Ranking<Estimate>>,
    /// How much is found for little reading; none where there is no ranking or no line.
    pub effort: Option<Effort<Estimate>>,
    /// How well the probabilities hold, over the changes that have one; none unless at least 5 of these failed and 5
    /// did not.
    pub calibration: Option<Calibration>,
}

impl Evaluation {
    /// Share of the changes that failed, 0-1; 0 of none.
    pub fn base_rate(&self) -> f64 {
        if self.changes == 0 { 0.0 } else { self.failed as f64 / self.changes as f64 }
    }
}

/// How much higher the ROC AUC of one score is than that of another over the same changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference; above 0 where the first ranks better.
    pub auc: Estimate,
    /// Share of the draws in which the first ranks better, 0-1; equal draws count half.
    pub better: f64,
}

/// Measures a score over changes whose outcome is known.
pub fn evaluate(examples: &[Example]) -> Evaluation {
    let failed = examples.iter().filter(|example| example.failed).count();
    let scores: Vec<f64> = examples.iter().map(|example| example.score).collect();
    let outcomes: Vec<bool> = examples.iter().map(|example| example.failed).collect();
    Evaluation {
        changes: examples.len() as u64,
        failed: failed as u64,
        ranking: rank(&scores, &outcomes),
        effort: Walk::of(examples).filter(|_| can_be_judged(&outcomes)).map(|walk| {
            let draws = chance::bootstrap(examples.len(), |drawn| walk.measure(Some(drawn)));
            Effort::estimated(walk.measure(None), &draws)
        }),
        calibration: calibration(examples.iter().map(|one| (one.probability, f64::from(one.failed)))),
    }
}

/// Whether there are so many of both outcomes that a figure over them says something: one more failure would turn any
/// that stands on fewer.
fn can_be_judged<F: Copy + Into<f64>>(failed: &[F]) -> bool {
    let failures: f64 = failed.iter().map(|failed| (*failed).into()).sum();
    failures.min(failed.len() as f64 - failures) >= FAILURES_MIN as f64
}

/// How well scores rank changes. None unless at least 5 failed and 5 did not.
///
/// # Panics
/// If there is not one score for each outcome.
pub fn rank(scores: &[f64], failed: &[bool]) -> Option<Ranking<Estimate>> {
    assert_eq!(scores.len(), failed.len(), "one score for each outcome");
    if !can_be_judged(failed) {
        return None;
    }
    let ties = Ties::descending(scores, failed);
    let draws = chance::bootstrap(scores.len(), |drawn| Ranking::of(&ties.drawn(drawn)));
    Some(Ranking::estimated(Ranking::of(&ties.all()), &draws))
}

/// Area under the ROC curve alone, as in [`Ranking`]; a change may be a failure in part, 0-1. None unless some failed and some
/// did not.
///
/// # Panics
/// If there is not one score for each outcome.
pub fn roc_auc<F: Copy + Into<f64>>(scores: &[f64], failed: &[F]) -> Option<f64> {
    assert_eq!(scores.len(), failed.len(), "one score for each outcome");
    Some(ranking::roc_auc(&Ties::descending(scores, failed).all())).filter(|area| area.is_finite())
}

/// Expected calibration error alone, as in [`Calibration`], 0-1; a change may be a failure in part. None of no changes.
///
/// # Panics
/// If there is not one probability for each outcome.
pub fn calibration_error<F: Copy + Into<f64>>(probabilities: &[f64], failed: &[F]) -> Option<f64> {
    assert_eq!(probabilities.len(), failed.len(), "one probability for each outcome");
    (!failed.is_empty()).then(|| calibration::error(&Ties::descending(probabilities, failed)))
}

/// Compares how two scores rank the same changes, on the same draws of them. None unless at least 5 failed and 5 did not.
///
/// # Panics
/// If there is not one score of each kind for each outcome.
pub fn difference(first: &[f64], second: &[f64], failed: &[bool]) -> Option<Difference> {
    assert!(first.len() == failed.len() && second.len() == failed.len(), "one score of each kind for each outcome");
    if !can_be_judged(failed) {
        return None;
    }
    let (first, second) = (Ties::descending(first, failed), Ties::descending(second, failed));
    let value = ranking::roc_auc(&first.all()) - ranking::roc_auc(&second.all());
    let draws = chance::bootstrap(failed.len(), |drawn| {
        ranking::roc_auc(&first.drawn(drawn)) - ranking::roc_auc(&second.drawn(drawn))
    });
    let draws: Vec<f64> = draws.into_iter().filter(|draw| draw.is_finite()).collect();
    let won = |draw: &f64| if *draw == 0.0 { 0.5 } else { f64::from(*draw > 0.0) };
    let better = draws.iter().map(won).sum::<f64>() / draws.len().max(1) as f64;
    Some(Difference { auc: chance::estimate(value, draws.into_iter()), better })
}

#[cfg(test)]
mod tests;
