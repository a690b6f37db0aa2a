//! Revert: whether the change takes back an earlier one, and whether its patch proves that.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, flag};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "revert",
    label: "revert",
    unit: Unit::Flag,
    why: "An exact inverse brings back a state that ran before; a title alone promises nothing.",
    terms: &[
        Term { id: "revert.proven", transform: "1 when the patch is the exact inverse of what it says it undoes" },
        Term { id: "revert.claimed", transform: "1 when it says that it undoes something and that is not proven" },
    ],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let Some(revert) = view.facts.change.revert.as_ref().map_err(Clone::clone)? else {
        return Ok(Measure { value: 0.0, terms: vec![0.0, 0.0], evidence: Vec::new() });
    };
    let proven = revert.proven == Ok(true);
    let evidence = vec![Evidence::Undoes { of: revert.of.clone(), proven }];
    Ok(Measure { value: 1.0, terms: vec![flag(proven), flag(!proven)], evidence })
}
