//! Readings and model -> score. The sum runs over whole millionths of a point, so that it is exact, the same on every
//! machine, and never falls when a single contribution rises.

use std::{borrow::Borrow, cmp::Reverse, f64::consts::LN_2};

use super::{
    assessment::{Contribution, Exemption, Floor, Range},
    floors::{self, Exemptions},
    model::{Model, Weight},
    policy::Policy,
    signal::{Reading, SIGNALS, Signal},
};

/// Points for twice the odds.
const POINTS_PER_DOUBLING: f64 = 15.0;
/// Millionths of a point in a point.
const MILLION: i64 = 1_000_000;
/// Points beyond which one signal adds or takes off nothing more: the length of the scale. Only absurd input gets there.
const SIGNAL_LIMIT: f64 = 100.0;
/// Signals of the trouble that a service is in. They add nothing to a change that is the way back.
const TROUBLE: [&str; 4] = ["burn_rate", "error_budget", "open_incidents", "recent_deploys"];

/// A score and what it is made of.
pub(super) struct Scored {
    /// 0-100, floors included.
    pub(super) score: u8,
    /// The scores that the unknown readings allow.
    pub(super) range: Range,
    /// Whole points by signal, in the order of `SIGNALS`.
    pub(super) points: Vec<i32>,
    /// Why points of a signal do not count, in the same order.
    pub(super) exempt: Vec<Option<Exemption>>,
    /// Points cut off because the sum left the scale.
    pub(super) clamped: i32,
    /// Floors that are switched on and triggered.
    pub(super) floors: Vec<Floor>,
}

/// Scores readings, which are in the order of `SIGNALS`. `exempt` is why floors do not apply.
pub(super) fn score(model: &Model, policy: &Policy, readings: &[impl Borrow<Reading>], exempt: Exemptions) -> Scored {
    let mut exact: Vec<Bounds> =
        model.by_signal().zip(readings).map(|(weights, reading)| bounds(weights, reading.borrow())).collect();
    let exempted = relieve(&mut exact, floors::relieved(readings, exempt));
    let points = whole_points(&exact.iter().map(|bounds| bounds.mean).collect::<Vec<_>>());
    let sum = model.base + points.iter().sum::<i32>();
    let before_floors = on_scale(sum);
    let floors = floors::triggered(&policy.floors, readings, before_floors, exempt);
    let lift = floors::lift(&floors);
    let end = |of: fn(&Bounds) -> i64| on_scale(model.base + rounded(exact.iter().map(of).sum())).max(lift);
    let high = end(|bounds| bounds.high).max(floors::possible(&policy.floors, readings, exempt));
    Scored {
        score: before_floors.max(lift),
        range: Range { low: end(|bounds| bounds.low), high },
        points,
        exempt: exempted,
        clamped: i32::from(before_floors) - sum,
        floors,
    }
}

/// The score, without floors, of terms in the order of the model's; one that is no number counts as its mean.
pub(super) fn of_terms(model: &Model, terms: &[f64]) -> u8 {
    let mut terms = terms.iter();
    let of_signal =
        |weights: &[Weight]| millionths(weights.iter().zip(terms.by_ref()).map(|(weight, &x)| points(weight, x)).sum());
    on_scale(model.base + rounded(model.by_signal().map(of_signal).sum()))
}

/// Takes the points of a service's trouble away where there is a reason to, and says from which signals it took any.
fn relieve(exact: &mut [Bounds], why: Option<Exemption>) -> Vec<Option<Exemption>> {
    let take = |(signal, bounds): (&&Signal, &mut Bounds)| {
        let why = why.filter(|_| TROUBLE.contains(&signal.id))?;
        let taken = std::mem::replace(bounds, Bounds { low: 0, mean: 0, high: 0 });
        (taken.mean != 0).then_some(why)
    };
    SIGNALS.iter().zip(exact).map(take).collect()
}

/// Readings with their points, in the order of `SIGNALS`.
pub(super) fn contributions(
    points: Vec<i32>,
    exempt: Vec<Option<Exemption>>,
    readings: Vec<Reading>,
) -> Vec<Contribution> {
    debug_assert_eq!((points.len(), readings.len()), (SIGNALS.len(), SIGNALS.len()), "one reading for each signal");
    let rows = SIGNALS.iter().zip(points).zip(exempt).zip(readings);
    rows.map(|(((signal, points), exempt_because), reading)| Contribution { signal, points, reading, exempt_because })
        .collect()
}

/// What one reading adds, in millionths of a point; the three differ only while it is unknown.
struct Bounds {
    low: i64,
    mean: i64,
    high: i64,
}

fn bounds(weights: &[Weight], reading: &Reading) -> Bounds {
    match reading {
        Ok(measure) => {
            debug_assert_eq!(weights.len(), measure.terms.len(), "a signal gives a number for each of its terms");
            let sum = weights.iter().zip(&measure.terms).map(|(weight, &x)| points(weight, x)).sum();
            let known = millionths(sum);
            Bounds { low: known, mean: known, high: known }
        }
        Err(_) => {
            // The mean of a rare flag lies outside its percentiles; the range still holds it.
            let end = |choose: fn(f64, f64) -> f64| -> i64 {
                millionths(weights.iter().map(|w| choose(choose(points(w, w.p10), points(w, w.p90)), 0.0)).sum())
            };
            Bounds { low: end(f64::min), mean: 0, high: end(f64::max) }
        }
    }
}

/// Points of one term. What is not a number is read as the mean: it can only come from a policy that was not checked.
fn points(weight: &Weight, x: f64) -> f64 {
    let points = POINTS_PER_DOUBLING * weight.weight * (x - weight.mean) / LN_2;
    if points.is_nan() { 0.0 } else { points.clamp(-SIGNAL_LIMIT, SIGNAL_LIMIT) }
}

#[expect(clippy::cast_possible_truncation, reason = "the limit keeps it below 10^8")]
fn millionths(points: f64) -> i64 {
    (points.clamp(-SIGNAL_LIMIT, SIGNAL_LIMIT) * MILLION as f64).round() as i64
}

/// Rounds by the largest remainder: each number is cut to the whole point below it, and the points that the rounded
/// sum has more go to those that lost most; among equals to the signal that comes first in `SIGNALS`.
fn whole_points(exact: &[i64]) -> Vec<i32> {
    let mut whole: Vec<i32> = exact.iter().map(|&points| narrow(points.div_euclid(MILLION))).collect();
    let missing = rounded(exact.iter().sum()) - whole.iter().sum::<i32>();
    let mut by_loss: Vec<usize> = (0..exact.len()).collect();
    by_loss.sort_by_key(|&index| Reverse(exact[index].rem_euclid(MILLION)));
    let lucky = usize::try_from(missing).expect("the rounded sum is never below the sum of the parts cut down");
    by_loss.iter().take(lucky).for_each(|&index| whole[index] += 1);
    whole
}

/// Nearest whole number of points, halves upward.
fn rounded(millionths: i64) -> i32 {
    narrow((millionths + MILLION / 2).div_euclid(MILLION))
}

fn narrow(points: i64) -> i32 {
    i32::try_from(points).expect("every signal is limited to the length of the scale")
}

/// The nearest score on the scale 0-100.
fn on_scale(sum: i32) -> u8 {
    u8::try_from(sum.clamp(0, 100)).expect("clamped to 0-100")
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::risk::{
        facts::{Source, Unknown},
        signal::Measure,
    };

    fn reading(terms: Option<Vec<f64>>) -> Reading {
        let terms = terms.ok_or(Unknown::not_connected(Source::History))?;
        Ok(Measure { value: 0.0, terms, evidence: Vec::new() })
    }

    fn any_readings() -> impl Strategy<Value = Vec<Reading>> {
        let term = || prop_oneof![4 => 0.0..3.0f64, 2 => prop_oneof![Just(0.0), Just(1.0)], 1 => any::<f64>()];
        let of = |count: usize| option::weighted(0.7, vec(term(), count)).prop_map(reading);
        SIGNALS.iter().map(|signal| of(signal.terms.len())).collect::<Vec<_>>()
    }

    fn at_means() -> Vec<Reading> {
        let means = |weights: &[Weight]| reading(Some(weights.iter().map(|weight| weight.mean).collect()));
        Model::baseline().by_signal().map(means).collect()
    }

    proptest! {
        #[test]
        fn adds_up_and_stays_in_range(readings in any_readings()) {
            let scored = score(Model::baseline(), &Policy::default(), &readings, Exemptions::default());
            let before = Model::baseline().base + scored.points.iter().sum::<i32>() + scored.clamped;
            let lift = scored.floors.iter().filter(|floor| floor.applied).map(|floor| floor.at_least).max();
            prop_assert_eq!(i32::from(scored.score), before.max(i32::from(lift.unwrap_or(0))));
            prop_assert!(scored.range.low <= scored.score && scored.score <= scored.range.high && scored.range.high <= 100);
            for (reading, points) in readings.iter().zip(&scored.points) {
                prop_assert!(reading.is_ok() || *points == 0);
            }
        }

        #[test]
        fn unknown_counts_as_the_mean(readings in any_readings()) {
            let known: Vec<Reading> = readings.iter().zip(at_means()).map(|(reading, mean)| reading.clone().or(mean)).collect();
            let by_default = |readings: &[Reading]| score(Model::baseline(), &Policy::default(), readings, Exemptions::default());
            prop_assert_eq!(by_default(&readings).points, by_default(&known).points);
        }

        #[test]
        fn terms_alone_score_the_same(readings in any_readings()) {
            let scored = score(Model::baseline(), &Policy::default(), &readings, Exemptions::default());
            // What does not count in a way back is read as its mean.
            let all = SIGNALS.iter().zip(&readings).zip(&scored.exempt);
            let terms = all.flat_map(|((signal, reading), exempt)| match reading {
                Ok(measure) if exempt.is_none() => measure.terms.clone(),
                Ok(_) | Err(_) => vec![f64::NAN; signal.terms.len()],
            });
            let before = Model::baseline().base + scored.points.iter().sum::<i32>() + scored.clamped;
            prop_assert_eq!(i32::from(of_terms(Model::baseline(), &terms.collect::<Vec<_>>())), before);
        }

        #[test]
        fn whole_points_are_next_to_the_exact_ones(exact in vec(-100 * MILLION..=100 * MILLION, 0..40)) {
            let whole = whole_points(&exact);
            prop_assert_eq!(whole.iter().sum::<i32>(), rounded(exact.iter().sum()));
            for (whole, exact) in whole.iter().zip(exact) {
                prop_assert!((i64::from(*whole) * MILLION - exact).abs() < MILLION);
            }
        }
    }

    #[test]
    fn a_typical_change_scores_the_base() {
        let scored = score(Model::baseline(), &Policy::default(), &at_means(), Exemptions::default());
        assert_eq!((scored.score, scored.range), (30, Range { low: 30, high: 30 }));
    }

    #[test]
    fn largest_remainders_win_and_ties_go_to_the_first() {
        let check = |tenths: &[i64], expected: &[i32]| {
            let exact: Vec<i64> = tenths.iter().map(|tenth| tenth * MILLION / 10).collect();
            assert_eq!(whole_points(&exact), expected, "{tenths:?}");
        };
        check(&[], &[]);
        check(&[14, 18], &[1, 2]);
        check(&[15, 15], &[2, 1]);
        check(&[-15, -15], &[-1, -2]);
        check(&[4, 0, 4, 4, 4], &[1, 0, 1, 0, 0]);
        check(&[5], &[1]);
        check(&[-5], &[0]);
        check(&[-4, 4], &[0, 0]);
    }

    #[test]
    fn absurd_terms_do_not_carry_the_score_off() {
        for absurd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX] {
            let mut readings = at_means();
            for reading in readings.iter_mut().flatten() {
                reading.terms.fill(absurd);
            }
            let scored = score(Model::baseline(), &Policy::default(), &readings, Exemptions::default());
            assert!(scored.points.iter().all(|points| points.abs() <= 100), "{absurd}");
        }
    }
}
