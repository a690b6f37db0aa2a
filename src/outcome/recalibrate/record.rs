//! How right scores have been, as numbers: what followed high scores, how stated rates held, which signals earned their
//! points, which overrides turned out right, what enforcing would have cost and caught, and whether rates drift.
//!
//! A share of fewer than [`SHARE_MIN`] changes is not stated. Changes without an outcome are counted and take no part.

mod drift;
mod worth;

pub use drift::{ALARM_Z, Drift, Window};
pub use worth::{Worth, Worthy};

use std::collections::BTreeMap;

use super::{Assessed, Censored, Evidence, Label, Platt, THRESHOLDS, judge::Caught};
use crate::{
    outcome::evaluate::{Calibration, Estimate, calibration, wilson},
    risk::Model,
};

/// Fewer changes say nothing of a share.
pub const SHARE_MIN: u64 = 20;
/// An SLO breach or an incident follows a change if it begins within this time after the deployment. Seconds.
pub const FOLLOWS_WITHIN_S: i64 = 4 * 60 * 60;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Changes assessed from this instant on, unix seconds.
    pub since: i64,
    /// Outcomes as known at this instant.
    pub now: i64,
    /// "High" is a score from here on.
    pub threshold: u8,
}

/// A share of changes, or that there are too few to state one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Those that count; a doubtful failure in part.
    pub found: f64,
    /// Of so many.
    pub of: f64,
    /// The share, 0-1, with Wilson's 95 % interval; none of fewer than [`SHARE_MIN`].
    pub share: Option<Estimate>,
}

impl Share {
    /// `found` of `of`, with its share if that is enough.
    pub fn new(found: f64, of: f64) -> Self {
        let (low, high) = wilson(found, of);
        let share = (of >= SHARE_MIN as f64).then(|| Estimate { value: found / of, low, high });
        Self { found, of, share }
    }
}

/// Assessed changes by what became of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// All: the sum of those below.
    pub assessed: u64,
    /// Failed; a doubtful failure counts as far as it is sure, and as clean for the rest.
    pub failed: f64,
    /// Clean.
    pub clean: f64,
    /// Without an outcome, by the reason.
    pub censored: BTreeMap<Censored, u64>,
}

impl Counts {
    /// Changes whose outcome is known.
    pub fn known(&self) -> u64 {
        (self.failed + self.clean).round() as u64
    }
}

/// What a gate at a threshold would have done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enforcing {
    /// The score from which on changes are held.
    pub threshold: u8,
    /// Changes that would have been held, whatever became of them.
    pub held: u64,
    /// Failures that would have been held before, of all failures.
    pub caught: Share,
    /// Held changes that did not fail, of those held whose outcome is known.
    pub in_vain: Share,
    /// Hours that it would have added, by how long changes were really held on average; none while none was.
    pub added_h: Option<f64>,
}

/// How right scores have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What was asked for.
    pub asked: Asked,
    /// All changes since then.
    pub counts: Counts,
    /// Of the changes from the threshold on whose deployment was told of, those that an SLO breach or an incident followed.
    pub followed: Share,
    /// The same of those below it.
    pub followed_below: Share,
    /// How stated rates held; none where too few failed.
    pub calibration: Option<Calibration>,
    /// Precision and recall by threshold.
    pub thresholds: Vec<(u8, Caught)>,
    /// Clean and failed changes in each ten points of the scale; the last one holds 100 too.
    pub distribution: [(f64, f64); 10],
    /// Signals, the one worth most first.
    pub worth: Vec<Worth>,
    /// Overrides that turned out right, of those whose outcome is known.
    pub overrides: Share,
    /// Overrides whose outcome is not known.
    pub overrides_open: u64,
    /// What a gate would have done, by threshold.
    pub enforcing: Vec<Enforcing>,
    /// Whether rates drift.
    pub drift: Drift,
}

/// A change whose outcome is known.
struct Known<'r> {
    row: &'r Assessed,
    /// 0-1.
    outcome: f64,
}

impl Known<'_> {
    /// Whether an incident or SLO burn followed its deployment; which of the changes in it is to blame is another question.
    fn followed(&self) -> bool {
        match self.row.label {
            Label::Failed(failure) => {
                matches!(failure.by, Evidence::Incident | Evidence::SloBurn) && failure.after_s <= FOLLOWS_WITHIN_S
            }
            Label::Clean | Label::Censored(_) => false,
        }
    }
}

/// Reads the record of the scores. `model` and `platt` are in force now: which signals earned their points is told of them.
pub fn record(rows: &[Assessed], model: &Model, platt: Platt, asked: Asked) -> Record {
    let asked_for: Vec<&Assessed> = rows.iter().filter(|row| (asked.since..asked.now).contains(&row.at)).collect();
    let known = asked_for.iter().filter_map(|row| Some(Known { row, outcome: row.outcome(asked.now)? }));
    let known: Vec<Known<'_>> = known.collect();
    let share = |counts: &dyn Fn(&Known<'_>) -> f64, of: &dyn Fn(&Known<'_>) -> bool| {
        let of = || known.iter().filter(|one| of(one));
        Share::new(of().map(counts).sum(), of().count() as f64)
    };
    let followed = |one: &Known<'_>| f64::from(one.followed());
    let high = |one: &Known<'_>| one.row.score >= asked.threshold;
    let scored = || known.iter().map(|one| (one.row.score, one.outcome));
    let overridden = asked_for.iter().filter(|row| row.overridden);
    let open = overridden.filter(|row| row.outcome(asked.now).is_none()).count() as u64;
    Record {
        asked,
        counts: counts(&asked_for, asked.now),
        followed: share(&followed, &|one| high(one) && one.row.deployed),
        followed_below: share(&followed, &|one| !high(one) && one.row.deployed),
        calibration: calibrated(&known),
        thresholds: THRESHOLDS.map(|threshold| (threshold, Caught::at(threshold, scored()))).into(),
        distribution: distribution(&known),
        worth: worth::worth(&known, model, platt),
        overrides: share(&|one| 1.0 - one.outcome, &|one| one.row.overridden),
        overrides_open: open,
        enforcing: THRESHOLDS.map(|threshold| enforcing(threshold, &asked_for, &known)).into(),
        drift: drift::drift(&known),
    }
}

/// Whether the rates that were stated since an instant drift, as far as is known at `now`; both in unix seconds.
pub fn drift_of(rows: &[Assessed], since: i64, now: i64) -> Drift {
    let asked_for = rows.iter().filter(|row| (since..now).contains(&row.at));
    let known: Vec<Known<'_>> = asked_for.filter_map(|row| Some(Known { row, outcome: row.outcome(now)? })).collect();
    drift::drift(&known)
}

fn counts(rows: &[&Assessed], now: i64) -> Counts {
    let mut counts = Counts { assessed: rows.len() as u64, ..Counts::default() };
    for row in rows {
        match (row.outcome(now), row.label) {
            (Some(failed), _) => {
                counts.failed += failed;
                counts.clean += 1.0 - failed;
            }
            (None, Label::Censored(why)) => *counts.censored.entry(why).or_default() += 1,
            // Known, but not yet at that instant.
            (None, Label::Failed(_) | Label::Clean) => *counts.censored.entry(Censored::Unripe).or_default() += 1,
        }
    }
    counts
}

fn calibrated(known: &[Known<'_>]) -> Option<Calibration> {
    calibration(known.iter().map(|one| (one.row.stated, one.outcome)))
}

fn distribution(known: &[Known<'_>]) -> [(f64, f64); 10] {
    let mut bins = [(0.0, 0.0); 10];
    for one in known {
        let bin = &mut bins[usize::from(one.row.score.min(99) / 10)];
        bin.0 += 1.0 - one.outcome;
        bin.1 += one.outcome;
    }
    bins
}

fn enforcing(threshold: u8, rows: &[&Assessed], known: &[Known<'_>]) -> Enforcing {
    let held = rows.iter().filter(|row| row.score >= threshold).count() as u64;
    let caught = Caught::at(threshold, known.iter().map(|one| (one.row.score, one.outcome)));
    let really: Vec<u64> = rows.iter().filter_map(|row| row.held_s).collect();
    let mean_h = |really: &[u64]| really.iter().sum::<u64>() as f64 / really.len() as f64 / 3_600.0;
    Enforcing {
        threshold,
        held,
        caught: Share::new(caught.failed_above, caught.failed),
        in_vain: Share::new(caught.above as f64 - caught.failed_above, caught.above as f64),
        added_h: (!really.is_empty()).then(|| mean_h(&really) * held as f64),
    }
}

#[cfg(test)]
mod tests;
