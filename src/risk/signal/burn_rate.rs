//! Burn rate: how fast the target service spends its error budget.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::{
    risk::{
        diff::View,
        facts::{Runtime, SloCounts, Source},
    },
    slo::FAST,
};

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

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let rate = finite(runtime.burn_rate.clone()?, Source::Datadog)?;
    Measure::single(rate, flag(rate > FAST), evidence(runtime, rate))
}

/// The SLO that burns most, unless something else was put in its place, and how many others there are.
fn evidence(runtime: &Runtime, rate: f64) -> Vec<Evidence> {
    let rates = || runtime.slos.iter().map(|slo| slo.burn.as_ref().ok().map(|burn| burn.highest.rate));
    let worst = runtime.slos.first().filter(|_| rates().next().flatten() == Some(rate));
    let Some(worst) = worst else { return vec![Evidence::Burn { rate }] };
    let mut evidence = vec![Evidence::Health(Health::Burn(Box::new(worst.clone())))];
    let SloCounts { total, fast, unread } = runtime.slo_counts.unwrap_or_else(|| SloCounts {
        total: runtime.slos.len() as u64,
        fast: rates().flatten().filter(|rate| *rate > FAST).count() as u64,
        unread: rates().filter(Option::is_none).count() as u64,
    });
    if total > 1 {
        let fast = fast.saturating_sub(u64::from(rate > FAST));
        evidence.push(Evidence::Health(Health::OtherSlos { fast, of: total - 1, unread }));
    }
    evidence
}
