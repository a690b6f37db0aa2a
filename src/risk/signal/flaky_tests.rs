//! Flaky tests: how far a green run can be trusted.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::risk::{diff::View, facts::Source, runtime::is_few};

pub(super) static SIGNAL: Signal = Signal {
    id: "flaky_tests",
    label: "flaky tests",
    unit: Unit::Ratio,
    why: "Tests that fail at random teach people to merge past them.",
    terms: &[Term {
        id: "flaky_tests.above_10_percent",
        transform: "1 when over 10 % of at least 20 runs of a pipeline in 14 days had a flaky test",
    }],
    measure,
};

const MANY: f64 = 0.10;

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let rate = finite(runtime.flaky_rate.clone()?, Source::Datadog)?;
    let few = runtime.flaky.as_ref().is_some_and(|one| is_few(one.runs));
    let mut evidence: Vec<Evidence> = runtime
        .flaky
        .iter()
        .map(|pipeline| Evidence::Health(Health::Flaky { pipeline: pipeline.clone(), few }))
        .collect();
    if !runtime.flaky_suites.is_empty() {
        evidence.push(Evidence::Health(Health::Suites(runtime.flaky_suites.clone())));
    }
    Measure::single(rate, flag(!few && rate > MANY), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Facts, FlakyPipeline, Runtime},
        stories::{healthy, pull_request},
    };

    #[test]
    fn a_rate_counts_from_twenty_runs_on() {
        let check = |runs: u64, flaky_runs: u64, expected: f64| {
            let flaky = Some(FlakyPipeline { pipeline: "ci".into(), runs, flaky_runs });
            let runtime = Ok(Runtime { flaky, flaky_rate: Ok(flaky_runs as f64 / runs as f64), ..healthy() });
            let facts = Facts { runtime, ..pull_request("x", Vec::new()) };
            assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms, [expected], "{flaky_runs} of {runs}");
        };
        check(1, 1, 0.0);
        check(19, 19, 0.0);
        check(20, 2, 0.0);
        check(20, 3, 1.0);
    }
}
