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
    /// Failures among these.
    pub failed_above: u64,
    /// All failures.
    pub failed: u64,
}

impl Caught {
    /// Of scores and whether each change failed.
    pub fn at(threshold: u8, changes: impl Iterator<Item = (u8, bool)>) -> Self {
        let start = Self { above: 0, failed_above: 0, failed: 0 };
        changes.fold(start, |sum, (score, failed)| Self {
            above: sum.above + u64::from(score >= threshold),
            failed_above: sum.failed_above + u64::from(score >= threshold && failed),
            failed: sum.failed + u64::from(failed),
        })
    }

    /// Share of what lies above it that failed, 0-1, with Wilson's 95 % interval; none of nothing.
    pub fn precision(&self) -> Option<Estimate> {
        share(self.failed_above, self.above)
    }

    /// Share of the failures that lies above it, 0-1, with Wilson's 95 % interval; none of none.
    pub fn recall(&self) -> Option<Estimate> {
        share(self.failed_above, self.failed)
    }
}

fn share(found: u64, of: u64) -> Option<Estimate> {
    let (low, high) = wilson(found as f64, of as f64);
    (of > 0).then(|| Estimate { value: found as f64 / of as f64, low, high })
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
    let scored = |model: &Model| -> Vec<(u8, bool)> {
        rows.iter().filter_map(|row| Some((row.score_by(model), row.outcome(now)? >= 0.5))).collect()
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
        let changes = [(69, true), (70, true), (70, false), (90, false)];
        let caught = Caught::at(70, changes.into_iter());
        assert_eq!(caught, Caught { above: 3, failed_above: 1, failed: 2 });
        let precision = caught.precision().unwrap();
        // Wilson's interval of 1 of 3.
        assert!((precision.low - 0.0615).abs() < 1e-4 && (precision.high - 0.7923).abs() < 1e-4, "{precision:?}");
        assert_eq!(caught.recall().map(|recall| recall.value), Some(0.5));
        let none = Caught::at(91, changes.into_iter());
        assert_eq!((none.precision(), none.recall().map(|recall| recall.value)), (None, Some(0.0)));
    }
}
