//! The history of which model was in force, with what each version changed.

use super::{super::backtest::words::Table, none};
use crate::report::{
    backtest::words::{date, shown},
    sentences::figures::decimal,
};

/// Terms that are named; the rest is counted.
const NAMED: usize = 3;

/// A version that was put in force, or taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// When, unix seconds.
    pub at: i64,
    /// It was put in force, not come back to.
    pub activated: bool,
    /// What was in force from then on. Untrusted.
    pub version: String,
    /// What was before. Untrusted.
    pub before: String,
    /// Who did it, as the ledger has it. Untrusted.
    pub by: String,
    /// Terms whose points changed, by how much across their usual range, the largest first.
    pub shifts: Vec<(String, f64)>,
}

pub(super) const VERSIONS: &str = "Points: what a term adds from its 10th to its 90th percentile (at least one unit), after less before. \
                                   Earlier scores stay as they were made.";

pub(super) fn table(versions: &[Version]) -> Table {
    let row = |one: &Version| {
        let what = if one.activated { "put in force" } else { "come back to" };
        vec![
            date(one.at),
            shown(&one.version),
            what.to_owned(),
            shown(&one.before),
            shown(&one.by),
            changed(&one.shifts),
        ]
    };
    let head = ["On", "Version", "Was", "In place of", "By", "What changed"].map(str::to_owned).into();
    Table { head, rows: versions.iter().map(row).collect() }
}

fn changed(shifts: &[(String, f64)]) -> String {
    let signed = |points: f64| format!("{}{}", if points < 0.0 { "−" } else { "+" }, decimal(points.abs()));
    let mut named: Vec<String> =
        shifts.iter().take(NAMED).map(|(id, points)| format!("{} {}", shown(id), signed(*points))).collect();
    match shifts.len().saturating_sub(NAMED) {
        0 if named.is_empty() => return none(),
        0 => {}
        more => named.push(format!("{more} more")),
    }
    named.join(", ")
}
