//! Repository defects: whether this repository's changes fail more often these days.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "repository_defects",
    label: "rollbacks this week",
    unit: Unit::Count,
    why: "Rollbacks come in bursts: what made the last change fail may still be there.",
    terms: &[Term {
        id: "repository_defects.recent",
        transform: "ln(1 + rollbacks in the last 7 days) - ln(1 + those that are usual for as many changes as landed in them)",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let rollbacks = history.rollbacks_7d;
    // The usual rate is no news: 30 is the typical change of this repository.
    let usual = history.base_rate.clamp(0.0, 1.0) * history.changes_7d as f64;
    Measure::single(
        rollbacks as f64,
        ln1p(rollbacks) - usual.ln_1p(),
        vec![Evidence::RollbacksOfLate { rollbacks, usual }],
    )
}
