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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{facts::Checks, stories::pull_request};

    #[test]
    fn failed_and_pending_are_flags() {
        let check = |failed: usize, pending: usize, expected: [f64; 2]| {
            let names = |count: usize| (0..count).map(|n| format!("check {n}")).collect();
            let mut facts = pull_request("x", Vec::new());
            facts.checks = Ok(Checks { failed: names(failed), pending: names(pending), passed: 3 });
            let measure = (SIGNAL.measure)(&View::of(&facts)).unwrap();
            assert_eq!((measure.terms, measure.value), (expected.to_vec(), failed as f64));
        };
        check(0, 0, [0.0, 0.0]);
        check(3, 0, [1.0, 0.0]);
        check(0, 2, [0.0, 1.0]);
        check(1, 1, [1.0, 1.0]);
    }
}
