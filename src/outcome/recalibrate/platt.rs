//! Rates that follow the outcomes: Platt's scaling, held near leaving everything as it is.
//!
//! log-odds' = log-odds + shift + (slope − 1)·(log-odds − center), with shift ~ N(0, 3²) and slope ~ N(1, 0.25²), fitted on
//! the latest ripe changes (Platt 1999; the prior is what keeps few outcomes from making it worse). It keeps every order, so
//! that no score changes by it.

use serde::{Deserialize, Serialize};

use super::sigmoid;
use crate::outcome::fit::{Belief, Examples, Spread, Standardised};

/// Changes that it is fitted on, the latest ripe ones.
pub const LATEST: usize = 3_000;
/// Standard deviation of the level, log-odds: how often changes fail differs between installations by orders of magnitude and
/// says nothing of the weights. Held closer, weights would have to make up for it, and a challenger that is right in nothing
/// but the level would look better than a prior whose level is held back.
pub(super) const LEVEL_SD: f64 = 3.0;
/// Standard deviation of the slope.
const SLOPE_SD: f64 = 0.25;

/// How stated rates are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platt {
    /// Added to the log-odds.
    pub shift: f64,
    /// What log-odds are stretched by, at least 0.
    pub slope: f64,
    /// Log-odds that stretching leaves where they are.
    pub center: f64,
}

impl Platt {
    /// Leaves everything as it is.
    pub const IDENTITY: Self = Self { shift: 0.0, slope: 1.0, center: 0.0 };

    /// Fits it on changes in the order in which their outcomes became known: log-odds, and how much of a failure each
    /// was, 0-1. The last [`LATEST`] are looked at; of none nothing is corrected. A handful decides the level: who judges by
    /// it asks for enough outcomes first.
    pub fn of(known: &[(f64, f64)]) -> Self {
        let latest = &known[known.len().saturating_sub(LATEST)..];
        if latest.is_empty() {
            return Self::IDENTITY;
        }
        let center = latest.iter().map(|(log_odds, _)| log_odds).sum::<f64>() / latest.len() as f64;
        let mut examples = Examples { width: 1, ..Examples::default() };
        for (log_odds, failed) in latest {
            let parts = [(true, *failed), (false, 1.0 - failed)];
            for (failed, count) in parts.into_iter().filter(|(_, count)| *count > 0.0) {
                examples.push_weighted([log_odds - center], failed, count);
            }
        }
        let belief = |mean: f64, sd: f64, low| Belief { mean, precision: sd.powi(-2), low, high: f64::INFINITY };
        let beliefs = [belief(center, LEVEL_SD, f64::NEG_INFINITY), belief(1.0, SLOPE_SD, 0.0)];
        let as_they_are = [Spread { mean: 0.0, sd: 1.0, p10: 0.0, p90: 0.0 }];
        let found = Standardised::of(&examples, &as_they_are).maximum(&beliefs, &[center, 1.0]);
        Self { shift: found.at[0] - center, slope: found.at[1], center }
    }

    /// Corrects log-odds.
    pub fn log_odds(self, log_odds: f64) -> f64 {
        log_odds + self.shift + (self.slope - 1.0) * (log_odds - self.center)
    }

    /// The rate for log-odds, 0-1.
    pub fn probability(self, log_odds: f64) -> f64 {
        sigmoid(self.log_odds(log_odds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `failed` of a hundred at each of the log-odds, `times` times.
    fn check(at: &[(f64, u32)], times: usize, expected: (f64, f64)) {
        let hundred = |&(log_odds, failed): &(f64, u32)| {
            (0..100).map(move |place: u32| (log_odds, f64::from(u8::from(place < failed))))
        };
        let known: Vec<(f64, f64)> = std::iter::repeat_n(at, times).flatten().flat_map(hundred).collect();
        let found = Platt::of(&known);
        let near = |found: f64, expected: f64| (found - expected).abs() < 0.03;
        assert!(near(found.shift, expected.0) && near(found.slope, expected.1), "{found:?} is not {expected:?}");
    }

    #[test]
    fn the_level_follows_outcomes_and_the_slope_many_of_them() {
        let (low, middle) = (f64::ln(0.1 / 0.9), 0.0);
        // As stated: nothing to correct.
        check(&[(low, 10), (middle, 50)], 15, (0.0, 1.0));
        // Twice the odds everywhere: log-odds 0.69 higher.
        check(&[(low, 18), (middle, 67)], 15, (0.70, 1.0));
        // Half of what was stated between them: stretched by a half.
        check(&[(low / 2.0, 10), (-low / 2.0, 90)], 15, (0.0, 1.95));
        // The same in a fifteenth of the changes: it is not believed so soon.
        check(&[(low / 2.0, 10), (-low / 2.0, 90)], 1, (0.0, 1.59));
        // One in two fails where one in a hundred was stated: nearly as often is said.
        let rare = f64::ln(0.01 / 0.99);
        let known: Vec<(f64, f64)> = (0..300).map(|place| (rare, f64::from(place % 2))).collect();
        let rate = Platt::of(&known).probability(rare);
        assert!((0.49..0.5).contains(&rate), "{rate}");
        assert_eq!(Platt::of(&[]), Platt::IDENTITY);
    }

    #[test]
    fn the_latest_count_and_a_doubtful_failure_counts_in_part() {
        let mut known = vec![(0.0, 1.0); 5_000];
        known.extend(vec![(0.0, 0.5); LATEST]);
        let found = Platt::of(&known);
        assert!(found.shift.abs() < 1e-9, "{found:?}");
        assert!((found.probability(0.0) - 0.5).abs() < 1e-9);
    }
}
