//! Burn rate: how fast the target service spends its error budget.

use super::{Evidence, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::risk::{diff::View, facts::Source};

pub(super) static SIGNAL: Signal = Signal {
    id: "burn_rate",
    label: "SLO burn rate",
    unit: Unit::Times,
    why: "A service that is already failing its users has no room for another surprise.",
    terms: &[Term {
        id: "burn_rate.above_2x",
        transform: "1 when any 2 h of the last 48 h burned the budget at more than twice its pace",
    }],
    measure,
};

/// At this pace a budget of 30 days is spent in 15.
const FAST: f64 = 2.0;

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let rate = finite(runtime.burn_rate.clone()?, Source::Datadog)?;
    Measure::single(rate, flag(rate > FAST), vec![Evidence::Burn { rate }])
}
