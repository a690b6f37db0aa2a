//! The burn rate of an SLO in a window: its average and its highest, by several ways that check one another.

use serde::{Deserialize, Serialize};

use super::{
    Burn, History, Parts, Target, Unmeasured, budget_left, burn_of_budget_left, burn_of_sli, events_needed,
    events_spent_by_one, timeline,
};

/// Burn rates that differ by less are the same: providers keep an SLI with some seven digits, and a target of 99.999 %
/// turns the last of them into some hundredths of a burn rate.
const SAME_WITHIN: f64 = 0.05;
/// The same, as a share of the larger one, for events that arrived between two answers.
const SAME_WITHIN_SHARE: f64 = 0.02;

/// What was measured of an SLO in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Over the whole window, by the provider's SLI, which knows of corrections.
    pub average: Burn,
    /// In whichever 2 h burned most. Where the parts do not add up to the SLI this is the average, the least that it can be.
    pub highest: Burn,
    /// The first way of reckoning that comes to something else.
    pub disagreement: Option<Disagreement>,
    /// Whether the parts tell of the shape of the burn: there are some, and they add up to the SLI.
    pub shaped: bool,
}

/// Two ways of reckoning the same burn rate come to different results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// By the provider's SLI.
    pub by_sli: f64,
    /// By the other way.
    pub otherwise: f64,
    /// Which way that is.
    pub way: Way,
}

/// A way to a burn rate besides the SLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From what the provider says is left of the budget.
    BudgetLeft,
    /// From the events or states that the SLI is made of.
    Parts,
}

/// Measures the burn rates of a history.
///
/// # Errors
/// Why there is nothing to measure, which is never a burn rate of 0.
pub fn measure(history: &History, target: Target) -> Result<Measured, Unmeasured> {
    let sli = history.sli.and_then(|sli| burn_of_sli(sli, target)).ok_or(Unmeasured::NoData)?;
    let counts = timeline::counts(history);
    if let Parts::Events(_) = history.parts {
        let needed = events_needed(target);
        if counts.total > 0.0 && counts.total < needed {
            return Err(Unmeasured::LowTraffic { events: counts.total, needed });
        }
    }
    let average = Burn { rate: sli, over: history.window };
    let by_left = history.budget_left.and_then(burn_of_budget_left).map(|burn| (Way::BudgetLeft, burn));
    let by_parts = counts.burn(target).map(|burn| (Way::Parts, burn));
    let differs =
        |(way, otherwise): (Way, f64)| (!agree(sli, otherwise)).then_some(Disagreement { by_sli: sli, otherwise, way });
    let disagreement = by_parts.and_then(differs).or_else(|| by_left.and_then(differs));
    let parts_fit = by_parts.is_some() && disagreement.is_none_or(|one| one.way != Way::Parts);
    let highest = if parts_fit { timeline::highest(history, target) } else { None };
    let highest = highest.filter(|highest| highest.rate >= average.rate).unwrap_or(average);
    Ok(Measured { average, highest, disagreement, shaped: parts_fit })
}

/// What is left of the budget of a timeframe, from its history: at most 1, negative when overspent.
///
/// # Errors
/// Why there is nothing to tell, which is never a budget that is spent.
pub fn left_of(history: &History, target: Target) -> Result<f64, Unmeasured> {
    let sli = history.sli.filter(|sli| sli.is_finite()).ok_or(Unmeasured::NoData)?;
    if let Parts::Events(_) = history.parts {
        let (events, needed) = (timeline::counts(history).total, events_spent_by_one(target));
        if events > 0.0 && events <= needed {
            return Err(Unmeasured::LowTraffic { events, needed });
        }
    }
    let told = history.budget_left.filter(|left| left.is_finite()).map(|percent| percent / 100.0);
    told.or_else(|| budget_left(sli, target)).ok_or(Unmeasured::NoData)
}

/// Whether two burn rates are the same within what separates two ways of reckoning: 0.05, or 2 % of the larger.
pub fn agree(one: f64, other: f64) -> bool {
    (one - other).abs() <= SAME_WITHIN.max(SAME_WITHIN_SHARE * one.max(other))
}
