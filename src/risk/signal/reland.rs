//! Re-land: whether the change brings back what was taken out.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::{diff::View, revert};

pub(super) static SIGNAL: Signal = Signal {
    id: "reland",
    label: "re-land",
    unit: Unit::Flag,
    why: "What was rolled back once comes back with the reason for it, unless somebody found that.",
    terms: &[Term {
        id: "reland.claimed",
        transform: "1 when the title takes back a revert or says that it lands again",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let again = revert::brings_back(&view.facts.change.title);
    Measure::single(flag(again), flag(again), again.then_some(Evidence::Relands).into_iter().collect())
}
