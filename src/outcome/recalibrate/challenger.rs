//! A challenger: the champion's weights, moved by outcomes as far as these and one step allow.
//!
//! A Gaussian prior, weights held to their sign and to the length of a step, recent outcomes counting more (a power prior,
//! Ibrahim and Chen 2000). How far weights may stray from the prior is told by the sample itself: where outcomes show
//! nothing new, they stay.

use chrono::DateTime;

use super::{
    Assessed,
    columns::{Column, columns},
    platt::LEVEL_SD,
};
use crate::{
    outcome::{
        fit::{Belief, Examples, Maximum, Spread, Standardised},
        training::{rounded, thousands},
    },
    risk::{Model, ModelError, Weight},
};

/// Fewer ripe changes teach nothing.
pub const CHANGES_MIN: u64 = 200;
/// Fewer failures among them, or fewer changes that did not fail, teach nothing.
pub const FAILED_MIN: u64 = 30;

/// Standard deviations of a weight around the prior's that are held possible, each as likely as the others, in log-odds for
/// a standard deviation of its term: from next to nothing to as far as a step goes.
const STRENGTHS: [f64; 5] = [0.02, 0.05, 0.1, 0.15, 0.2];
/// Past the likeliest strength the evidence only falls: a strength whose logarithm lies so far below it counts for nothing,
/// nor does a looser one.
const NEGLIGIBLE: f64 = 10.0;
/// After so long an outcome counts half: accuracy decays within a year (McIntosh and Kamei, TSE 2018). Seconds.
const HALF_LIFE_S: f64 = 365.0 * 24.0 * 60.0 * 60.0;
/// 97.5th percentile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Too few outcomes to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{changes} outcomes are known, {failed} of them failures; it takes {CHANGES_MIN} and {FAILED_MIN}")]
pub struct TooFew {
    /// Changes whose outcome is known.
    pub changes: u64,
    /// Those that failed.
    pub failed: u64,
}

/// Why there is no challenger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChallenger {
    /// Too few outcomes.
    #[error(transparent)]
    TooFew(#[from] TooFew),
    /// A fitted number cannot be: the input is absurd.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// A model that outcomes have moved.
#[derive(Clone, Debug, PartialEq)]
pub struct Challenger {
    /// The model.
    pub model: Model,
    /// Outcomes that it was fitted on.
    pub changes: u64,
    /// Failures among them; doubtful ones count in part.
    pub failed: f64,
    /// Standard deviation of the prior that the sample speaks for, log-odds for a standard deviation of a term.
    pub strength: f64,
    /// Each weight that outcomes could move, the one that matters most first.
    pub moved: Vec<Moved>,
}

/// A weight before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Moved {
    /// The term, or `base_rate` for the repository's own share of rollbacks.
    pub id: String,
    /// The champion's, log-odds for a unit.
    pub from: f64,
    /// The challenger's.
    pub to: f64,
    /// 95 % interval (Laplace's approximation, over all strengths of the prior, within the sign that is known).
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Standard deviation of the term in the sample.
    pub spread: f64,
    /// Changes in which it was known and not at its mean.
    pub known: u64,
    /// Failures among them.
    pub failed: f64,
    /// Share of the certainty about the weight that comes from outcomes, 0-1; the rest is the prior's.
    pub informed: f64,
}

/// The model in force, and the one that it descends from.
///
/// The prior is centred on the latter, which has not seen these outcomes. Were it centred on a champion that they have
/// moved already, each outcome would count again with each version, until nothing of the prior is left. The step is
/// measured from the champion.
#[derive(Clone, Copy, Debug)]
pub struct Lineage<'m> {
    /// What was known before any outcome of this installation.
    pub prior: &'m Model,
    /// What is in force now, from which one step is taken.
    pub champion: &'m Model,
}

impl<'m> Lineage<'m> {
    /// Of a model that no outcome has moved yet.
    pub fn first(model: &'m Model) -> Self {
        Self { prior: model, champion: model }
    }

    /// Until when the champion has learned from outcomes, unix seconds; none if it never has.
    pub(super) fn learned_until(self) -> Option<i64> {
        (self.champion.version != self.prior.version).then(|| self.champion.fitted_at.timestamp())
    }

    /// Whether the champion has not learned from a change, whose outcome may be known by now.
    pub(super) fn unseen(self, row: &Assessed) -> bool {
        self.learned_until().is_none_or(|seen| row.known_at.is_some_and(|at| at > seen))
    }

    /// The prior's log-odds with every term at the champion's mean.
    fn intercept(self) -> f64 {
        let Self { prior, champion } = self;
        let shift = |((before, now), weight): ((f64, f64), f64)| weight * (now - before);
        let terms = prior.terms().iter().zip(champion.terms());
        let terms = terms.map(|(before, now)| shift(((before.mean, now.mean), before.weight)));
        let rate = shift(((prior.base_rate.mean, champion.base_rate.mean), prior.base_rate.weight));
        prior.intercept + terms.sum::<f64>() + rate
    }
}

/// Outcomes as the solver takes them.
struct Sample {
    examples: Examples,
    spreads: Vec<Spread>,
    /// The columns that differ from row to row.
    columns: Vec<Column>,
    changes: u64,
    failed: f64,
}

/// What is believed of the weights after the outcomes were seen, in log-odds for a standard deviation; the intercept first.
struct Posterior {
    at: Vec<f64>,
    sd: Vec<f64>,
    /// Standard deviation of the prior.
    strength: f64,
}

impl Posterior {
    /// Mean and standard deviation of the mixture of what each of [`STRENGTHS`] leads to.
    fn of(found: &[Maximum]) -> Self {
        let likeliest = found.iter().map(|one| one.log_evidence).fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = found.iter().map(|one| (one.log_evidence - likeliest).exp()).collect();
        let sum: f64 = shares.iter().sum();
        let mixed = |of: &dyn Fn(usize) -> f64| -> f64 {
            shares.iter().enumerate().map(|(place, share)| share / sum * of(place)).sum()
        };
        let width = found.first().map_or(0, |one| one.at.len());
        let at: Vec<f64> = (0..width).map(|index| mixed(&|place| found[place].at[index])).collect();
        let variance = |index: usize| {
            mixed(&|place| found[place].sd[index].powi(2) + (found[place].at[index] - at[index]).powi(2))
        };
        let sd = (0..width).map(|index| variance(index).sqrt()).collect();
        Self { sd, at, strength: mixed(&|place| STRENGTHS[place].powi(2)).sqrt() }
    }
}

/// Fits a challenger on what is known at `now` (unix seconds). `version` is what it will be called.
///
/// # Errors
/// Too few outcomes are known, or they are absurd.
pub fn challenge(
    rows: &[&Assessed],
    lineage: Lineage<'_>,
    now: i64,
    version: &str,
) -> Result<Challenger, NoChallenger> {
    let known: Vec<(&Assessed, f64)> = rows.iter().filter_map(|row| Some((*row, row.outcome(now)?))).collect();
    let failed = known.iter().map(|(_, failed)| failed).sum::<f64>().floor() as u64;
    let changes = known.len() as u64;
    if changes < CHANGES_MIN || failed.min(changes - failed) < FAILED_MIN {
        return Err(TooFew { changes, failed }.into());
    }
    let champion = lineage.champion;
    let sample = Sample::of(&known, champion, now);
    let found = sample.averaged(lineage);
    let mut model = champion.clone();
    let mut level = found.at[0];
    let mut terms = champion.terms().to_vec();
    for (index, column) in sample.columns.iter().enumerate() {
        let to = rounded(found.at[index + 1] / sample.spreads[index].sd);
        level -= to * sample.spreads[index].mean;
        if column.weighs(terms.len()) {
            model.base_rate.weight = to;
        }
        for (_, weight) in terms.iter_mut().enumerate().filter(|(place, _)| column.weighs(*place)) {
            sample.set(weight, to, champion);
        }
    }
    model.intercept = rounded(level);
    let at = DateTime::from_timestamp(now, 0).unwrap_or_default();
    Ok(Challenger {
        model: model.with(version.to_owned(), at, terms)?,
        changes: sample.changes,
        failed: sample.failed,
        strength: found.strength,
        moved: sample.moved(champion, &found, &known),
    })
}

impl Sample {
    fn of(known: &[(&Assessed, f64)], champion: &Model, now: i64) -> Self {
        let differs = |column: &Column| {
            let mut values = known.iter().filter_map(|(row, _)| column.deviation(&row.terms));
            values.next().is_some_and(|first| values.any(|value| value != first))
        };
        let columns: Vec<Column> = columns(champion).into_iter().filter(differs).collect();
        let mut examples = Examples { width: columns.len(), ..Examples::default() };
        for (row, failed) in known {
            let age = now.saturating_sub(row.known_at.unwrap_or(now)) as f64;
            let recency = (-age / HALF_LIFE_S).exp2();
            let parts = [(true, failed * recency), (false, (1.0 - failed) * recency)];
            for (failed, count) in parts.into_iter().filter(|(_, count)| *count > 0.0) {
                let deviations = columns.iter().map(|column| column.deviation(&row.terms).unwrap_or(f64::NAN));
                examples.push_weighted(deviations, failed, count);
            }
        }
        let mut spreads = examples.spreads();
        // What is unknown adds nothing to a score: it deviates by nothing, and not by as much as the sample on average.
        for value in examples.terms.iter_mut().filter(|value| !value.is_finite()) {
            *value = 0.0;
        }
        for (index, spread) in spreads.iter_mut().enumerate() {
            let column = examples.terms.iter().skip(index).step_by(examples.width);
            spread.mean = column.sum::<f64>() / examples.failed.len() as f64;
        }
        let failed = known.iter().map(|(_, failed)| failed).sum();
        Self { examples, spreads, columns, changes: known.len() as u64, failed }
    }

    /// What is held before the outcomes are seen.
    fn beliefs(&self, lineage: Lineage<'_>, strength: f64) -> Vec<Belief> {
        let means = self.columns.iter().zip(&self.spreads);
        let intercept = Belief {
            mean: means
                .fold(lineage.intercept(), |sum, (column, spread)| sum + column.weight_in(lineage.prior) * spread.mean),
            precision: LEVEL_SD.powi(-2),
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        };
        let weights = self.columns.iter().zip(&self.spreads).map(|(column, spread)| Belief {
            mean: column.weight_in(lineage.prior) * spread.sd,
            precision: strength.powi(-2),
            low: column.low * spread.sd,
            high: column.high * spread.sd,
        });
        std::iter::once(intercept).chain(weights).collect()
    }

    /// The weights, averaged over how far they may stray from the prior, each strength counting by how likely it makes the
    /// outcomes (MacKay 1992). One strength alone, be it the likeliest, would claim to know what the sample leaves open,
    /// and its intervals would be too narrow.
    fn averaged(&self, lineage: Lineage<'_>) -> Posterior {
        let rows = Standardised::of(&self.examples, &self.spreads);
        let mut found: Vec<Maximum> = Vec::with_capacity(STRENGTHS.len());
        for strength in STRENGTHS {
            let beliefs = self.beliefs(lineage, strength);
            let start: Vec<f64> = match found.last() {
                Some(nearer) => nearer.at.clone(),
                None => beliefs.iter().map(|belief| belief.mean.clamp(belief.low, belief.high)).collect(),
            };
            found.push(rows.maximum(&beliefs, &start));
            let likeliest = found.iter().map(|one| one.log_evidence).fold(f64::NEG_INFINITY, f64::max);
            if found.last().is_some_and(|last| last.log_evidence < likeliest - NEGLIGIBLE) {
                break;
            }
        }
        Posterior::of(&found)
    }

    fn set(&self, weight: &mut Weight, to: f64, champion: &Model) {
        if weight.weight != to {
            weight.source = format!(
                "{} in {}; moved by {} outcomes, about {} of them failures; mean and percentiles as there",
                weight.weight,
                champion.version,
                thousands(usize::try_from(self.changes).unwrap_or(usize::MAX)),
                self.failed.round(),
            );
            weight.weight = to;
        }
    }

    fn moved(&self, champion: &Model, found: &Posterior, known: &[(&Assessed, f64)]) -> Vec<Moved> {
        let terms = champion.terms();
        let moved = |(index, column): (usize, &Column)| {
            let spread = self.spreads[index].sd;
            let (at, sd) = (found.at[index + 1] / spread, found.sd[index + 1] / spread);
            let own = terms.iter().enumerate().find(|(place, _)| column.weighs(*place));
            let told = known.iter().filter(|(row, _)| column.deviation(&row.terms).is_some_and(|x| x != 0.0));
            let (changes, failed) = told.fold((0, 0.0), |(changes, sum), (_, failed)| (changes + 1, sum + failed));
            Moved {
                id: own.map_or("base_rate", |(_, weight)| &weight.id).to_owned(),
                from: column.weight,
                to: rounded(at),
                low: column.signed(at - Z * sd),
                high: column.signed(at + Z * sd),
                spread,
                known: changes,
                failed,
                informed: (1.0 - (found.sd[index + 1] / found.strength).powi(2)).clamp(0.0, 1.0),
            }
        };
        let mut all: Vec<Moved> = self.columns.iter().enumerate().map(moved).collect();
        let size = |moved: &Moved| ((moved.to - moved.from) * moved.spread).abs();
        all.sort_by(|a, b| size(b).total_cmp(&size(a)));
        all
    }
}
