//! Error budget: what the target service has left to spend.

use super::{Evidence, Health, Measure, Reading, Signal, Term, Unit, finite, flag};
use crate::risk::{diff::View, facts::Source};

pub(super) static SIGNAL: Signal = Signal {
    id: "error_budget",
    label: "error budget left",
    unit: Unit::Ratio,
    why: "With the budget spent, every further failure breaks the promise to the users.",
    terms: &[Term { id: "error_budget.exhausted", transform: "1 when nothing of the budget is left" }],
    measure,
};

fn measure(view: &View<'_>) -> Reading {
    let runtime = view.facts.runtime.as_ref().map_err(Clone::clone)?;
    let left = finite(runtime.budget_left.clone()?, Source::Datadog)?;
    let least = runtime.slos.iter().find(|slo| slo.budget_left.as_ref().ok() == Some(&left));
    let evidence = least.map(|slo| Evidence::Health(Health::Budget(Box::new(slo.clone()))));
    Measure::single(left, flag(left <= 0.0), evidence.into_iter().collect())
}
