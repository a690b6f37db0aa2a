//! Precision and recall at each threshold.

use crate::{
    outcome::{
        evaluate::{Estimate, wilson},
        recalibrate::Assessed,
    },
    risk::Model,
};

/// Scores that are tried as thresholds.
pub const THRESHOLDS: [u8; 6] = [40, 50, 60, 70, 80, 90];

/// What lies at or above a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caught {
    /// Changes at or above it.
    pub above: u64,
    /// Failures among these, each as far as it is sure.
    pub failed_above: f64,
    /// All failures, likewise.
    pub failed: f64,
}

impl Caught {
    /// Of scores and how much of a failure each change was, 0-1.
    pub fn at(threshold: u8, changes: impl Iterator<Item = (u8, f64)>) -> Self {
        let start = Self { above: 0, failed_above: 0.0, failed: 0.0 };
        changes.fold(start, |sum, (score, failed)| Self {
            above: sum.above + u64::from(score >= threshold),
            failed_above: sum.failed_above + f64::from(score >= threshold) * failed,
            failed: sum.failed + failed,
        })
    }

    /// Share of what lies above it that failed, 0-1, with Wilson's 95 % interval; none of nothing.
    pub fn precision(&self) -> Option<Estimate> {
        share(self.failed_above, self.above as f64)
    }

    /// Share of the failures that lies above it, 0-1, with Wilson's 95 % interval; none of none.
    pub fn recall(&self) -> Option<Estimate> {
        share(self.failed_above, self.failed)
    }
}

fn share(found: f64, of: f64) -> Option<Estimate> {
    let (low, high) = wilson(found, of);
    (of > 0.0).then(|| Estimate { value: found / of, low, high })
}

/// Both at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AtThreshold {
    /// The score from which on a change is above it.
    pub threshold: u8,
    /// By the champion's scores.
    pub champion: Caught,
    /// By the challenger's.
    pub challenger: Caught,
}

/// Compares two models at all thresholds, on changes whose outcome is known at `now`.
pub(super) fn compare(rows: &[&Assessed], champion: &Model, challenger: &Model, now: i64) -> Vec<AtThreshold> {
    let scored = |model: &Model| -> Vec<(u8, f64)> {
        rows.iter().filter_map(|row| Some((row.score_by(model), row.outcome(now)?))).collect()
    };
    let (before, after) = (scored(champion), scored(challenger));
    let at = |threshold| AtThreshold {
        threshold,
        champion: Caught::at(threshold, before.iter().copied()),
        challenger: Caught::at(threshold, after.iter().copied()),
    };
    THRESHOLDS.map(at).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_at_the_threshold_is_above_it() {
        let changes = [(69, 1.0), (70, 1.0), (70, 0.0), (90, 0.0)];
        let caught = Caught::at(70, changes.into_iter());
        assert_eq!(caught, Caught { above: 3, failed_above: 1.0, failed: 2.0 });
        let precision = caught.precision().unwrap();
        // Wilson's interval of 1 of 3.
        assert!((precision.low - 0.0615).abs() < 1e-4 && (precision.high - 0.7923).abs() < 1e-4, "{precision:?}");
        assert_eq!(caught.recall().map(|recall| recall.value), Some(0.5));
        let none = Caught::at(91, changes.into_iter());
        assert_eq!((none.precision(), none.recall().map(|recall| recall.value)), (None, Some(0.0)));
    }
}
