//! What happened to one thing (a file, a directory, an extension, a word): counts, and counts that fade.

use serde::{Deserialize, Serialize};

/// Seconds in a day.
pub(super) const DAY: i64 = 86_400;
/// After this time a change or a rollback of a thing counts half.
pub(super) const HALF_LIFE: i64 = 180 * DAY;
/// The same for the repository as a whole, whose rate moves more slowly.
pub(super) const BASE_HALF_LIFE: i64 = 365 * DAY;
/// How many changes' worth of evidence the repository's rate is against that of one thing.
const STRENGTH: f64 = 20.0;

/// Changes and failures of one thing, as sums that fade with time and as plain counts.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    at: i64,
    faded_changes: f64,
    faded_failures: f64,
    /// All changes.
    pub(super) changes: u32,
    /// All failures.
    pub(super) failures: u32,
}

/// Sums as they have faded at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faded {
    pub(super) changes: f64,
    pub(super) failures: f64,
}

impl Record {
    /// One more change.
    pub(super) fn change(&mut self, at: i64, half_life: i64) {
        self.fade(at, half_life);
        self.faded_changes += 1.0;
        self.changes = self.changes.saturating_add(1);
    }

    /// An earlier change turned out to be a failure.
    pub(super) fn failure(&mut self, at: i64, half_life: i64) {
        self.fade(at, half_life);
        self.faded_failures += 1.0;
        self.failures = self.failures.saturating_add(1);
    }

    /// The sums at an instant.
    pub(super) fn faded(&self, at: i64, half_life: i64) -> Faded {
        let left = left(at - self.at, half_life);
        Faded { changes: self.faded_changes * left, failures: self.faded_failures * left }
    }

    /// ln(rate / base), the rate shrunk to the base.
    pub(super) fn log_rate(&self, at: i64, base: f64) -> f64 {
        let Faded { changes, failures } = self.faded(at, HALF_LIFE);
        ((failures + STRENGTH * base) / (changes + STRENGTH) / base).ln()
    }

    /// Clocks differ: what comes from before the last entry counts as coming with it.
    fn fade(&mut self, at: i64, half_life: i64) {
        let left = left(at - self.at, half_life);
        self.faded_changes *= left;
        self.faded_failures *= left;
        self.at = self.at.max(at);
    }
}

/// What is left of 1 after a time.
fn left(seconds: i64, half_life: i64) -> f64 {
    if seconds <= 0 { 1.0 } else { (-(seconds as f64) / half_life as f64).exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_fade_and_counts_do_not() {
        let mut record = Record::default();
        record.change(1_000, HALF_LIFE);
        record.change(1_000 + HALF_LIFE, HALF_LIFE);
        record.failure(1_000 + HALF_LIFE, HALF_LIFE);
        // A clock that runs behind changes nothing of what was.
        record.change(0, HALF_LIFE);
        let now = record.faded(1_000 + 2 * HALF_LIFE, HALF_LIFE);
        assert_eq!((now.changes, now.failures), (1.25, 0.5));
        assert_eq!((record.changes, record.failures), (3, 1));
    }

    #[test]
    fn rates_are_shrunk_to_the_base() {
        let mut record = Record::default();
        assert_eq!(record.log_rate(0, 0.02), 0.0);
        for _ in 0..20 {
            record.change(0, HALF_LIFE);
        }
        assert_eq!(record.log_rate(0, 0.02), 0.5_f64.ln());
        record.failure(0, HALF_LIFE);
        assert!((record.log_rate(0, 0.02) - (1.4 / 40.0 / 0.02_f64).ln()).abs() < 1e-12);
    }
}
