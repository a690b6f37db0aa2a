//! Schema change.
use super::{Measure, Reading, Signal, Term, Unit};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "schema_change",
    label: "schema change",
    unit: Unit::Count,
    why: "Dropped data does not come back, and a lock on a busy table stops the service.",
    terms: &[
        Term {
            id: "schema_change.destructive",
            transform: "1 when a statement destroys data or breaks code that runs against the old schema",
        },
        Term { id: "schema_change.locking", transform: "1 when a statement holds a lock that blocks writers" },
        Term { id: "schema_change.any", transform: "1 when a migration changes" },
    ],
    measure,
};

fn measure(_: &View<'_>) -> Reading {
    Ok(Measure { value: 0.0, terms: vec![0.0; 3], evidence: Vec::new() })
}
