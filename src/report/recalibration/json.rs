//! The record of the scores as JSON, `mergecast.record/1`. A share is `{found, of, share}`, where `share` is
//! `{value, low, high}` with its 95 % interval, or null of too few; rates are 0-1, times RFC 3339 in UTC.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::because;
use crate::{
    outcome::{
        evaluate::{self, Bin},
        recalibrate::{
            Caught,
            record::{self, Record, SHARE_MIN, Worthy},
        },
    },
    report::backtest::words::instant,
};

/// The name and version of this shape.
pub const SCHEMA: &str = "mergecast.record/1";

/// A record as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document {
    schema: &'static str,
    model: String,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    threshold: u8,
    /// Whether enough outcomes are known to say anything.
    enough: bool,
    counts: Counts,
    followed: Share,
    followed_below: Share,
    overrides: Overrides,
    calibration: Option<Calibration>,
    drift: Vec<Window>,
    thresholds: Vec<Threshold>,
    distribution: Vec<Bar>,
    worth: Vec<Worth>,
    /// Which model was in force, in the order of time.
    versions: Vec<Version>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Version {
    at: DateTime<Utc>,
    activated: bool,
    version: String,
    before: String,
    by: String,
    /// Points that terms add across their usual range, after less before.
    shifts: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Counts {
    assessed: u64,
    failed: f64,
    clean: f64,
    censored: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Share {
    found: f64,
    of: f64,
    share: Option<Estimate>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Estimate {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Overrides {
    right: Share,
    not_known: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Calibration {
    stated: f64,
    observed: f64,
    brier: Estimate,
    log_loss: Estimate,
    ece: f64,
    ece_by_chance: f64,
    reliability: Vec<Reliability>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Reliability {
    changes: f64,
    failed: f64,
    stated: f64,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Window {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    changes: u64,
    expected: f64,
    failed: f64,
    level_z: f64,
    spread_z: f64,
    alarm: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Threshold {
    from: u8,
    precision: Share,
    recall: Share,
    held: u64,
    in_vain: Share,
    added_h: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Bar {
    from: u8,
    clean: f64,
    failed: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Worth {
    signal: &'static str,
    changes: u64,
    points: f64,
    gain: Estimate,
    verdict: &'static str,
}

/// The record. `model` is the version in force.
pub fn render(record: &Record, model: &str, versions: &[super::Version]) -> Document {
    let counts = &record.counts;
    let censored = counts.censored.iter().map(|(why, changes)| (because(*why).0, *changes));
    let bar = |(bin, (clean, failed)): (u8, &(f64, f64))| Bar {
        from: bin * 10,
        clean: summed(*clean),
        failed: summed(*failed),
    };
    Document {
        schema: SCHEMA,
        model: model.to_owned(),
        since: instant(record.asked.since),
        until: instant(record.asked.now),
        threshold: record.asked.threshold,
        enough: counts.known() >= SHARE_MIN,
        counts: Counts {
            assessed: counts.assessed,
            failed: summed(counts.failed),
            clean: summed(counts.clean),
            censored: censored.collect(),
        },
        followed: share(record.followed),
        followed_below: share(record.followed_below),
        overrides: Overrides { right: share(record.overrides), not_known: record.overrides_open },
        calibration: record.calibration.as_ref().map(calibration),
        drift: record.drift.windows.iter().map(window).collect(),
        thresholds: record.thresholds.iter().zip(&record.enforcing).map(threshold).collect(),
        distribution: (0..).zip(&record.distribution).map(bar).collect(),
        worth: record.worth.iter().map(worth).collect(),
        versions: versions.iter().map(version).collect(),
    }
}

fn version(one: &super::Version) -> Version {
    Version {
        at: instant(one.at),
        activated: one.activated,
        version: one.version.clone(),
        before: one.before.clone(),
        by: one.by.clone(),
        shifts: one.shifts.iter().cloned().collect(),
    }
}

fn share(part: record::Share) -> Share {
    Share { found: summed(part.found), of: summed(part.of), share: part.share.map(estimate) }
}

/// A sum of certainties, which are whole percents, without the noise of adding them.
fn summed(sum: f64) -> f64 {
    (sum * 1_000.0).round() / 1_000.0
}

fn estimate(evaluate::Estimate { value, low, high }: evaluate::Estimate) -> Estimate {
    Estimate { value, low, high }
}

fn calibration(found: &evaluate::Calibration) -> Calibration {
    let reliability = |bin: &Bin| Reliability {
        changes: bin.changes,
        failed: bin.failed,
        stated: bin.stated,
        low: bin.low,
        high: bin.high,
    };
    Calibration {
        stated: found.stated,
        observed: found.observed,
        brier: estimate(found.brier),
        log_loss: estimate(found.log_loss),
        ece: found.ece,
        ece_by_chance: found.noise_floor.mean,
        reliability: found.reliability.iter().map(reliability).collect(),
    }
}

fn window(window: &record::Window) -> Window {
    Window {
        from: instant(window.from),
        until: instant(window.until),
        changes: window.changes,
        expected: window.expected,
        failed: window.failed,
        level_z: window.level_z,
        spread_z: window.spread_z,
        alarm: window.alarms(),
    }
}

fn threshold(((from, caught), gate): (&(u8, Caught), &record::Enforcing)) -> Threshold {
    Threshold {
        from: *from,
        precision: share(record::Share::new(caught.failed_above, caught.above as f64)),
        recall: share(record::Share::new(caught.failed_above, caught.failed)),
        held: gate.held,
        in_vain: share(gate.in_vain),
        added_h: gate.added_h,
    }
}

fn worth(one: &record::Worth) -> Worth {
    Worth {
        signal: one.signal,
        changes: one.known,
        points: one.points,
        gain: estimate(one.gain),
        verdict: match one.worthy() {
            Worthy::Earned => "earned",
            Worthy::Unclear => "unclear",
            Worthy::Misled => "misled",
        },
    }
}
