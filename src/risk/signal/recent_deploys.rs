//! Recent deployments: whether an earlier change is still proving itself.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::risk::{diff::View, facts::Source};

pub(super) static SIGNAL: Signal = Signal {
    id: "recent_deploys",
    label: "time since the last deployment",
    unit: Unit::Hours,
    why: "Two unproven changes at once hide which of them broke something.",
    terms: &[Term { id: "recent_deploys.baking", transform: "1 within 2 h after a deployment of the service" }],
    measure,
};

/// How long a deployment is watched before it counts as proven.
pub(in crate::risk) const BAKING_HOURS: f64 = 2.0;

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let hours = finite(runtime.hours_since_deployment.clone()?, Source::Datadog)?.max(0.0);
    let deployed = runtime.deployed.iter().cloned().map(|one| Evidence::Health(Health::Deployed(one)));
    Measure::single(hours, flag(hours < BAKING_HOURS), deployed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::risk::{
        facts::{Facts, Runtime, Unknown},
        signal::{burn_rate, error_budget, flaky_tests, open_incidents},
        stories::{healthy, pull_request},
    };

    /// Terms of the five signals that watch a service, `-` for unknown.
    fn terms(runtime: Runtime) -> String {
        let facts = Facts { runtime: Ok(runtime), ..pull_request("x", Vec::new()) };
        let signals =
            [&burn_rate::SIGNAL, &error_budget::SIGNAL, &open_incidents::SIGNAL, &flaky_tests::SIGNAL, &SIGNAL];
        let show = |signal: &Signal| (signal.measure)(&View::of(&facts)).map_or("-".into(), |m| m.terms[0].to_string());
        signals.map(show).concat()
    }

    #[test]
    fn a_service_is_watched_at_its_thresholds() {
        assert_eq!(terms(healthy()), "00000");
        assert_eq!(terms(Runtime { burn_rate: Ok(2.0), ..healthy() }), "00000");
        assert_eq!(terms(Runtime { burn_rate: Ok(2.01), ..healthy() }), "10000");
        assert_eq!(terms(Runtime { budget_left: Ok(0.0), ..healthy() }), "01000");
        assert_eq!(terms(Runtime { budget_left: Ok(-3.0), ..healthy() }), "01000");
        assert_eq!(terms(Runtime { open_incidents: Ok(vec!["INC-1".into()]), ..healthy() }), "00100");
        assert_eq!(terms(Runtime { flaky_rate: Ok(0.1), ..healthy() }), "00000");
        assert_eq!(terms(Runtime { flaky_rate: Ok(0.11), ..healthy() }), "00010");
        assert_eq!(terms(Runtime { hours_since_deployment: Ok(1.9), ..healthy() }), "00001");
        assert_eq!(terms(Runtime { hours_since_deployment: Ok(2.0), ..healthy() }), "00000");
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        let gone = || Err(Unknown::not_connected(Source::Datadog));
        assert_eq!(terms(Runtime { burn_rate: Ok(f64::NAN), budget_left: Ok(f64::INFINITY), ..healthy() }), "--000");
        assert_eq!(terms(Runtime { flaky_rate: gone(), hours_since_deployment: gone(), ..healthy() }), "000--");
        assert_eq!(
            terms(Runtime { open_incidents: Err(Unknown::not_connected(Source::Datadog)), ..healthy() }),
            "00-00"
        );
    }
}
