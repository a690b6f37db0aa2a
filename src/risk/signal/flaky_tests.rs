//! Flaky tests: how far a green run can be trusted.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::risk::{diff::View, facts::Source};

pub(super) static SIGNAL: Signal = Signal {
    id: "flaky_tests",
    label: "flaky tests",
    unit: Unit::Ratio,
    why: "Tests that fail at random teach people to merge past them.",
    terms: &[Term {
        id: "flaky_tests.above_10_percent",
        transform: "1 when over 10 % of the test runs of the last 14 days had a flaky test",
    }],
    measure,
};

const MANY: f64 = 0.10;

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let rate = finite(runtime.flaky_rate.clone()?, Source::Datadog)?;
    let mut evidence: Vec<Evidence> =
        runtime.flaky.iter().cloned().map(|one| Evidence::Health(Health::Flaky(one))).collect();
    if !runtime.flaky_suites.is_empty() {
        evidence.push(Evidence::Health(Health::Suites(runtime.flaky_suites.clone())));
    }
    Measure::single(rate, flag(rate > MANY), evidence)
}
