//! Whether stated rates drift away from what happens.

use super::Known;

/// Failures that are expected in a window, so that it can say something.
const EXPECTED: f64 = 15.0;
/// In a window whose rates are right, a statistic this far from 0 comes up by chance 3 times in 1,000.
pub const ALARM_Z: f64 = 3.0;

/// Changes of one time, in order of assessment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// When the first was assessed, unix seconds.
    pub from: i64,
    /// When the last was.
    pub until: i64,
    /// How many changes.
    pub changes: u64,
    /// Failures that the stated rates expect.
    pub expected: f64,
    /// Failures.
    pub failed: f64,
    /// Failures more than expected, in standard deviations: whether rates are too low or too high as a whole.
    pub level_z: f64,
    /// Spiegelhalter's statistic (1986): whether the Brier score is worse than right rates would have it, in standard
    /// deviations.
    pub spread_z: f64,
}

impl Window {
    /// Whether rates are off by more than chance.
    pub fn alarms(&self) -> bool {
        self.level_z.abs() >= ALARM_Z || self.spread_z.abs() >= ALARM_Z
    }
}

/// Stated rates over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// Windows in order of time, each with about as many expected failures. Changes after the last full one wait for the
    /// next.
    pub windows: Vec<Window>,
}

impl Drift {
    /// Whether the latest window is off by more than chance; none while there is no window.
    pub fn alarm(&self) -> Option<bool> {
        self.windows.last().map(Window::alarms)
    }
}

/// Sums over the changes of a window.
#[derive(Default)]
struct Sums {
    changes: u64,
    expected: f64,
    failed: f64,
    variance: f64,
    spread: f64,
    spread_variance: f64,
}

/// Cuts known changes with a stated rate into windows.
pub(super) fn drift(known: &[Known<'_>]) -> Drift {
    let mut stated: Vec<(i64, f64, f64)> =
        known.iter().filter_map(|one| Some((one.row.at, one.row.stated?, one.outcome))).collect();
    stated.sort_by_key(|(at, ..)| *at);
    let (mut windows, mut sums, mut from) = (Vec::new(), Sums::default(), None);
    for (at, rate, failed) in stated {
        let from_at = *from.get_or_insert(at);
        sums.add(rate, failed);
        if sums.expected >= EXPECTED {
            windows.push(sums.window(from_at, at));
            (sums, from) = (Sums::default(), None);
        }
    }
    Drift { windows }
}

impl Sums {
    fn add(&mut self, rate: f64, failed: f64) {
        let variance = rate * (1.0 - rate);
        let lean = 1.0 - 2.0 * rate;
        self.changes += 1;
        self.expected += rate;
        self.failed += failed;
        self.variance += variance;
        self.spread += (failed - rate) * lean;
        self.spread_variance += variance * lean * lean;
    }

    fn window(&self, from: i64, until: i64) -> Window {
        let z = |sum: f64, variance: f64| if variance > 0.0 { sum / variance.sqrt() } else { 0.0 };
        Window {
            from,
            until,
            changes: self.changes,
            expected: self.expected,
            failed: self.failed,
            level_z: z(self.failed - self.expected, self.variance),
            spread_z: z(self.spread, self.spread_variance),
        }
    }
}
