//! Prior defects: how many earlier changes to the touched files were rolled back.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, share};
use crate::risk::diff::View;

pub(super) static SIGNAL: Signal = Signal {
    id: "prior_defects",
    label: "earlier failures here",
    unit: Unit::Ratio,
    why: "Files whose changes were rolled back before are the best predictor of the next rollback.",
    terms: &[Term {
        id: "prior_defects.rate",
        transform: "ln of the rolled back share of earlier changes over the usual 1.35 %, shrunk to it with the weight of 20 changes",
    }],
    measure,
};

/// Share of changes that are rolled back within 30 days, median of fourteen public repositories.
const BASE: f64 = 0.0135;
/// How many changes' worth of evidence the base rate has.
const STRENGTH: f64 = 20.0;

fn measure(view: &View<'_>) -> Reading {
    let history = view.facts.history.as_ref().map_err(Clone::clone)?;
    let rolled_back = history.rolled_back.min(history.changes);
    let rate = (rolled_back as f64 + STRENGTH * BASE) / (history.changes as f64 + STRENGTH);
    let evidence = vec![Evidence::EarlierChanges { changes: history.changes, rolled_back }];
    Measure::single(share(rolled_back, history.changes), (rate / BASE).ln(), evidence)
}
