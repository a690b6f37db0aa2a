//! Change fail rate: how often deployments of the target service failed of late (one of the DORA metrics).

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, flag, share};
use crate::risk::{
    diff::View,
    runtime::{fails_often, is_few},
};

pub(super) static SIGNAL: Signal = Signal {
    id: "change_fail_rate",
    label: "change fail rate of the service",
    unit: Unit::Ratio,
    why: "A service whose deployments keep failing is fragile, whoever changes it.",
    terms: &[Term {
        id: "change_fail_rate.above_15_percent",
        transform: "1 when over 15 % of at least 20 deployments in 90 days were followed by an incident within a day",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let rate = runtime.change_fail_rate.clone()?;
    let (failed, often, few) = (share(rate.failed, rate.deployments), fails_often(&rate), is_few(rate.deployments));
    let evidence = vec![Evidence::Health(Health::ChangeFailRate { rate, few })];
    Measure::single(failed, flag(often), evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{ChangeFailRate, Facts, Runtime},
        stories::{healthy, pull_request},
    };

    #[test]
    fn a_rate_counts_from_twenty_deployments_on() {
        let check = |deployments: u64, failed: u64, expected: f64| {
            let change_fail_rate = Ok(ChangeFailRate { service: "pay".into(), deployments, failed });
            let runtime = Ok(Runtime { change_fail_rate, ..healthy() });
            let facts = Facts { runtime, ..pull_request("x", Vec::new()) };
            assert_eq!((SIGNAL.measure)(&View::of(&facts)).unwrap().terms, [expected], "{failed} of {deployments}");
        };
        check(20, 3, 0.0);
        check(20, 4, 1.0);
        check(19, 19, 0.0);
        check(0, 0, 0.0);
        check(400, 61, 1.0);
    }
}
