//! Checks: what continuous integration says of the head commit.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "checks",
    label: "checks on the head",
    unit: Unit::Count,
    why: "A failing or unfinished check is a known gap.",
    terms: &[
        Term { id: "checks.failed", transform: "1 when a check failed" },
        Term { id: "checks.pending", transform: "1 when a check is not finished" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let checks = view.facts.checks.as_ref().map_err(Clone::clone)?;
    let mut evidence = Vec::new();
    if !checks.failed.is_empty() {
        evidence.push(Evidence::ChecksFailed(checks.failed.clone()));
    }
    if !checks.pending.is_empty() {
        evidence.push(Evidence::ChecksPending(checks.pending.clone()));
    }
    let terms = vec![flag(!checks.failed.is_empty()), flag(!checks.pending.is_empty())];
    Ok(Measure { value: checks.failed.len() as f64, terms, evidence })
}
