//! Repository defects: whether this repository's changes fail more often these days.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "repository_defects",
    label: "rollbacks this week",
    unit: Unit::Count,
    why: "Rollbacks come in bursts: what made the last change fail may still be there.",
    terms: &[Term { id: "repository_defects.recent", transform: "ln(1 + rollbacks in the last 7 days)" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let rollbacks = history.rollbacks_7d;
    Measure::single(rollbacks as f64, ln1p(rollbacks), vec![Evidence::RollbacksOfLate { rollbacks }])
}
