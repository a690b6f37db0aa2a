//! Churn: how many lines change, without those that say nothing about risk.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "churn",
    label: "size",
    unit: Unit::Lines,
    why: "Larger changes hold more mistakes and are reviewed less thoroughly.",
    terms: &[
        Term { id: "churn.added", transform: "ln(1 + effective added lines outside tests and docs)" },
        Term { id: "churn.deleted", transform: "ln(1 + effective deleted lines outside tests and docs)" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    if let Some(unknown) = view.unread() {
        return Err(unknown);
    }
    let diff = view.diff();
    let (added, deleted) = view.counted().fold((0_u64, 0_u64), |(added, deleted), (_, scan)| {
        (added.saturating_add(scan.added), deleted.saturating_add(scan.deleted))
    });
    let mut evidence = vec![Evidence::Lines { added, deleted, discounted: diff.discounted }];
    // What was given is a lower bound: it counts for what it is, and the report says that there is more.
    evidence.extend(view.partly());
    let value = added.saturating_add(deleted) as f64;
    Ok(Measure { value, terms: vec![ln1p(diff.added), ln1p(diff.deleted)], evidence })
}
