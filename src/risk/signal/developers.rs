//! Developers: how many people have changed the touched files, and how many besides the author do so these days.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, ln1p};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "developers",
    label: "many hands",
    unit: Unit::Count,
    why: "Files that many people change hold assumptions that no one of them knows all of.",
    terms: &[
        Term { id: "developers.before", transform: "ln(1 + people who have changed any touched file before)" },
        Term {
            id: "developers.now",
            transform: "ln(1 + people besides the author who have changed one in the last 14 days)",
        },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    if let Some(unknown) = history.without_author() {
        return Err(unknown);
    }
    let (people, others) = (history.developers, history.others_14d);
    let evidence = vec![Evidence::Developers { people, others_14d: others }];
    Ok(Measure { value: people as f64, terms: vec![ln1p(people), ln1p(others)], evidence })
}
