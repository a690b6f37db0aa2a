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
    outcome::evaluate::{Calibration, Estimate, Example, calibration, wilson},
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
    /// Those that count.
    pub found: u64,
    /// Of so many.
    pub of: u64,
    /// The share, 0-1, with Wilson's 95 % interval; none of fewer than [`SHARE_MIN`].
    pub share: Option<Estimate>,
}

impl Share {
    /// `found` of `of`, with its share if that is enough.
    pub fn new(found: u64, of: u64) -> Self {
        let (low, high) = wilson(found as f64, of as f64);
        let share = (of >= SHARE_MIN).then(|| Estimate { value: found as f64 / of as f64, low, high });
        Self { found, of, share }
    }
}

/// Assessed changes by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All: the sum of those below.
    pub assessed: u64,
    /// Failed; a doubtful failure counts if it is as likely as not.
    pub failed: u64,
    /// Clean.
    pub clean: u64,
    /// Without an outcome, by the reason.
    pub censored: BTreeMap<Censored, u64>,
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
    pub distribution: [(u64, u64); 10],
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
    fn failed(&self) -> bool {
        self.outcome >= 0.5
    }

    fn followed(&self) -> bool {
        let within = |label| match label {
            Label::Failed(failure) => {
                matches!(failure.by, Evidence::Incident | Evidence::SloBurn) && failure.after_s <= FOLLOWS_WITHIN_S
            }
            Label::Clean | Label::Censored(_) => false,
        };
        self.failed() && within(self.row.label)
    }
}

/// Reads the record of the scores. `model` and `platt` are in force now: which signals earned their points is told of them.
pub fn record(rows: &[Assessed], model: &Model, platt: Platt, asked: Asked) -> Record {
    let asked_for: Vec<&Assessed> = rows.iter().filter(|row| (asked.since..asked.now).contains(&row.at)).collect();
    let known = asked_for.iter().filter_map(|row| Some(Known { row, outcome: row.outcome(asked.now)? }));
    let known: Vec<Known<'_>> = known.collect();
    let share = |counts: &dyn Fn(&Known<'_>) -> bool, of: &dyn Fn(&Known<'_>) -> bool| {
        let of = || known.iter().filter(|one| of(one));
        Share::new(of().filter(|one| counts(one)).count() as u64, of().count() as u64)
    };
    let high = |one: &Known<'_>| one.row.score >= asked.threshold;
    let scored = || known.iter().map(|one| (one.row.score, one.failed()));
    let overridden = asked_for.iter().filter(|row| row.overridden);
    let open = overridden.filter(|row| row.outcome(asked.now).is_none()).count() as u64;
    Record {
        asked,
        counts: counts(&asked_for, asked.now),
        followed: share(&|one| one.followed(), &|one| high(one) && one.row.deployed),
        followed_below: share(&|one| one.followed(), &|one| !high(one) && one.row.deployed),
        calibration: calibrated(&known),
        thresholds: THRESHOLDS.map(|threshold| (threshold, Caught::at(threshold, scored()))).into(),
        distribution: distribution(&known),
        worth: worth::worth(&known, model, platt),
        overrides: share(&|one| !one.failed(), &|one| one.row.overridden),
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
            (Some(failed), _) if failed >= 0.5 => counts.failed += 1,
            (Some(_), _) => counts.clean += 1,
            (None, Label::Censored(why)) => *counts.censored.entry(why).or_default() += 1,
            // Known, but not yet at that instant.
            (None, Label::Failed(_) | Label::Clean) => *counts.censored.entry(Censored::Unripe).or_default() += 1,
        }
    }
    counts
}

fn calibrated(known: &[Known<'_>]) -> Option<Calibration> {
    let example = |one: &Known<'_>| Example {
        score: f64::from(one.row.score),
        probability: one.row.stated,
        lines: 0,
        failed: one.failed(),
    };
    calibration(&known.iter().map(example).collect::<Vec<_>>())
}

fn distribution(known: &[Known<'_>]) -> [(u64, u64); 10] {
    let mut bins = [(0, 0); 10];
    for one in known {
        let bin = &mut bins[usize::from(one.row.score.min(99) / 10)];
        *if one.failed() { &mut bin.1 } else { &mut bin.0 } += 1;
    }
    bins
}

fn enforcing(threshold: u8, rows: &[&Assessed], known: &[Known<'_>]) -> Enforcing {
    let held = rows.iter().filter(|row| row.score >= threshold).count() as u64;
    let caught = Caught::at(threshold, known.iter().map(|one| (one.row.score, one.failed())));
    let really: Vec<u64> = rows.iter().filter_map(|row| row.held_s).collect();
    let mean_h = |really: &[u64]| really.iter().sum::<u64>() as f64 / really.len() as f64 / 3_600.0;
    Enforcing {
        threshold,
        held,
        caught: Share::new(caught.failed_above, caught.failed),
        in_vain: Share::new(caught.above - caught.failed_above, caught.above),
        added_h: (!really.is_empty()).then(|| mean_h(&really) * held as f64),
    }
}

#[cfg(test)]
mod tests;
