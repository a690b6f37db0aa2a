//! What of a model may move: one column for each weight, its bounds, and what rows hold for it.

use std::f64::consts::LN_2;

use crate::{
    outcome::{
        fit::Sign,
        training::{FLAG_LIMIT, TIED, fitted_sign},
    },
    risk::Model,
};

/// One step moves what a term adds across its usual range, from its 10th to its 90th percentile and at least a unit, by
/// no more than this: twice the odds, fifteen points.
const STEP_MAX: f64 = LN_2;

/// Points that a repository's policy states for its own paths: they are what it says.
const STATED: &str = "sensitive_paths.policy";

/// A weight that outcomes may move.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Places of its terms in a row with their means: its own, then those that weigh the same.
    places: Vec<(usize, f64)>,
    /// The champion's weight for a unit.
    pub(super) weight: f64,
    /// The least weight that one step may lead to.
    pub(super) low: f64,
    /// The greatest.
    pub(super) high: f64,
    sign: Sign,
}

impl Column {
    /// How far a row's terms are from their means; none where none of them is known.
    pub(super) fn deviation(&self, terms: &[f64]) -> Option<f64> {
        let known = self.places.iter().map(|(place, mean)| terms[*place] - mean).filter(|x| x.is_finite());
        known.reduce(|sum, x| sum + x)
    }

    /// The weight that another model gives it.
    pub(super) fn weight_in(&self, model: &Model) -> f64 {
        let own = self.places.first().and_then(|(place, _)| model.terms().get(*place));
        own.map_or(model.base_rate.weight, |weight| weight.weight)
    }

    /// A number, within the sign that is known of the weight.
    pub(super) fn signed(&self, number: f64) -> f64 {
        let (low, high) = self.sign.bounds();
        number.clamp(low, high)
    }

    /// Whether the weight is that of the term at `place`.
    pub(super) fn weighs(&self, place: usize) -> bool {
        self.places.iter().any(|(own, _)| *own == place)
    }
}

/// The columns of a model; the last one is the repository's own share of rollbacks.
pub(super) fn columns(champion: &Model) -> Vec<Column> {
    let terms = champion.terms();
    let place_of = |id: &str| terms.iter().position(|weight| weight.id == id);
    let mut columns = Vec::with_capacity(terms.len() + 1);
    for (place, weight) in terms.iter().enumerate() {
        if weight.id == STATED || TIED.iter().any(|(tied, _)| *tied == weight.id) {
            continue;
        }
        let tied = TIED.iter().filter(|(_, to)| *to == weight.id).filter_map(|(tied, _)| place_of(tied));
        let places = std::iter::once(place).chain(tied).map(|place| (place, terms[place].mean)).collect();
        let sign = sign_of(&weight.id);
        let (low, high) = bounds(sign, weight.weight, (weight.p90 - weight.p10).max(1.0));
        let limit = if weight.id.starts_with("change_kind.") { FLAG_LIMIT } else { f64::INFINITY };
        let (low, high) = (low.max(-limit).min(weight.weight), high.min(limit).max(weight.weight));
        columns.push(Column { places, weight: weight.weight, low, high, sign });
    }
    let share = champion.base_rate;
    let sign = Sign::Raises;
    let (low, high) = bounds(sign, share.weight, 1.0);
    columns.push(Column { places: vec![(terms.len(), share.mean)], weight: share.weight, low, high, sign });
    columns
}

/// Where the weight of a term may stand. What is known from the literature for those that histories tell; else the sign of
/// the documented prior, if it claims one.
fn sign_of(id: &str) -> Sign {
    let documented = || {
        let prior = Model::baseline().terms().iter().find(|weight| weight.id == id).map_or(0.0, |prior| prior.weight);
        match prior {
            0.0 => Sign::Either,
            prior if prior > 0.0 => Sign::Raises,
            _ => Sign::Lowers,
        }
    };
    fitted_sign(id).unwrap_or_else(documented)
}

/// A champion that is outside already may stay and come nearer.
fn bounds(sign: Sign, weight: f64, range: f64) -> (f64, f64) {
    let (low, high) = sign.bounds();
    let step = STEP_MAX / range;
    ((weight - step).max(low).min(weight), (weight + step).min(high).max(weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_keep_their_sign_and_the_length_of_a_step() {
        let model = Model::baseline();
        let columns = columns(model);
        // One more for the share, one less for what the policy states.
        assert_eq!(columns.len(), model.terms().len() - TIED.len());
        let column = |id: &str| {
            let place = model.terms().iter().position(|weight| weight.id == id).unwrap();
            (columns.iter().find(|column| column.weighs(place)).unwrap(), &model.terms()[place])
        };
        let (added, weight) = column("churn.added");
        // From 0 to 5.0752 is its usual range; it never lowers the risk.
        assert_eq!((added.low, added.high), (0.0, weight.weight + LN_2 / (weight.p90 - weight.p10)));
        // Lines of a series weigh as its own.
        assert_eq!(column("series.added").0.places, added.places);
        let (reviewed, weight) = column("burn_rate.above_2x");
        assert_eq!((reviewed.low, reviewed.high), ((weight.weight - LN_2).max(0.0), weight.weight + LN_2));
        assert!(columns.iter().all(|column| column.low <= column.weight && column.weight <= column.high));
    }

    #[test]
    fn what_is_unknown_deviates_by_nothing() {
        let model = Model::baseline();
        let place = |id: &str| model.terms().iter().position(|weight| weight.id == id).unwrap();
        let (own, tied) = (place("churn.added"), place("series.added"));
        let column = columns(model).into_iter().find(|column| column.weighs(own)).unwrap();
        let mut terms = vec![f64::NAN; model.terms().len() + 2];
        assert_eq!(column.deviation(&terms), None);
        terms[own] = model.terms()[own].mean + 2.0;
        assert_eq!(column.deviation(&terms), Some(2.0));
        terms[tied] = model.terms()[tied].mean + 0.5;
        assert_eq!(column.deviation(&terms), Some(2.5));
    }
}
