//! File type defects: how often earlier changes to files with these extensions were rolled back.

use super::{Reading, Signal, Term, Thing, Unit, rolled_back};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "file_type_defects",
    label: "failures of these file types",
    unit: Unit::Times,
    why: "Some kinds of files fail more often in a repository than others, such as its build files.",
    terms: &[Term {
        id: "file_type_defects.rate",
        transform: "mean over the extensions of the touched files of ln(share of changes rolled back / the repository's share), each shrunk to it with the weight of 20 changes, half-life 180 days",
    }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    Ok(rolled_back(history.extensions, history.worst_extension.as_ref(), Thing::FileType))
}
