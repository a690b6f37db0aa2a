//! Recent deployments: whether an earlier change is still proving itself.

use super::{Measure, Reading, Signal, Term, Unit, finite, flag};
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
const BAKING_HOURS: f64 = 2.0;

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let hours = finite(runtime.hours_since_deployment.clone()?, Source::Datadog)?.max(0.0);
    Measure::single(hours, flag(hours < BAKING_HOURS), Vec::new())
}
