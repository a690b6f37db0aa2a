//! Co-change: files that usually change with the touched ones and are not touched.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "co_change",
    label: "usual companions missing",
    unit: Unit::Count,
    why: "Where two files have always changed together, changing one alone may be half a change.",
    terms: &[Term {
        id: "co_change.missing",
        transform: "ln(1 + untouched files that changed in 60 % or more, and 4 or more, of the last 20 changes to a touched file)",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let missing = history.missing.len() as u64;
    let evidence = history.missing.iter().cloned().map(Evidence::CoChange).collect();
    Measure::single(missing as f64, ln1p(missing), evidence)
}
