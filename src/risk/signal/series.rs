//! Series: what the same author has landed in the last day in the same part of the system, counted with this change.
//! A large change does not get safer by being made in pieces.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "series",
    label: "part of a series",
    unit: Unit::Count,
    why: "Several changes to one place in a day are one change for whoever has to find what broke.",
    terms: &[
        Term {
            id: "series.added",
            transform: "how much larger churn.added is when the lines of the author's changes to the same part in the last 24 hours are added",
        },
        Term { id: "series.deleted", transform: "the same for churn.deleted" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let (series, diff) = (history.series, view.diff());
    let larger = |own: u64, others: u64| ln1p(own.saturating_add(others)) - ln1p(own);
    let terms = vec![larger(diff.added, series.added), larger(diff.deleted, series.deleted)];
    let evidence = (series.changes > 0).then_some(Evidence::Series(series)).into_iter().collect();
    Ok(Measure { value: series.changes as f64, terms, evidence })
}
