//! Dependency update.
use super::{Measure, Reading, Signal, Term, Unit};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "dependency_update",
    label: "dependency update",
    unit: Unit::Count,
    why: "Versions that move bring others' changes in; how far they move says more than the lines it takes.",
    terms: &[
        Term { id: "dependency_update.major", transform: "1 when the largest step breaks compatibility" },
        Term { id: "dependency_update.minor", transform: "1 when the largest step adds to it" },
        Term { id: "dependency_update.patch", transform: "1 when the largest step repairs" },
        Term { id: "dependency_update.lock_only", transform: "1 when only lock files change and no step is known" },
        Term { id: "dependency_update.development", transform: "1 when all that moves is for development only" },
    ],
    measure,
};

fn measure(_: &View<'_>) -> Reading {
    Ok(Measure { value: 0.0, terms: vec![0.0; 5], evidence: Vec::new() })
}
