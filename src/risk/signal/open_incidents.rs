//! Open incidents: whether the target service is in trouble right now.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "open_incidents",
    label: "open incidents",
    unit: Unit::Count,
    why: "A change during an incident muddles the search for its cause.",
    terms: &[Term { id: "open_incidents.open", transform: "1 while an incident of high severity is open" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let open = runtime.open_incidents.clone()?;
    let (count, any) = (open.len() as f64, flag(!open.is_empty()));
    let evidence = if open.is_empty() { Vec::new() } else { vec![Evidence::Incidents(open)] };
    Measure::single(count, any, evidence)
}
