//! Open incidents: whether the target service is in trouble right now.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "open_incidents",
    label: "open incidents",
    unit: Unit::Count,
    why: "A change during an incident muddles the search for its cause.",
    terms: &[Term { id: "open_incidents.open", transform: "1 while an incident of SEV-2 or worse is active" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let open = runtime.open_incidents.clone()?;
    let (count, any) = (open.len() as f64, flag(!open.is_empty()));
    let told = runtime.incidents.iter().cloned().map(|one| Evidence::Health(Health::Incident(one)));
    let evidence = match (runtime.incidents.is_empty(), open.is_empty()) {
        (true, true) => Vec::new(),
        (true, false) => vec![Evidence::Incidents(open)],
        (false, _) => told.collect(),
    };
    Measure::single(count, any, evidence)
}
