//! Weights from outcomes: logistic regression with a Gaussian prior, weights held to the sign that is known.
//!
//! Newton's method on the penalised log-likelihood, each step halved until it leads upwards; a weight that would leave what it is
//! held to stays at the bound as long as the gradient pushes it out (projected Newton, Bertsekas 1982). The same input gives the same bytes: there is no chance
//! in it, and sums run in the order of the input.

mod cholesky;

use cholesky::Cholesky;

/// Which way a term may move the odds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// More of it never lowers the risk.
    Raises,
    /// More of it never raises the risk.
    Lowers,
    /// The data decide.
    Either,
    /// It is not fitted: its weight stays 0.
    None,
}

impl Sign {
    /// The least and the greatest weight.
    pub(super) fn bounds(self) -> (f64, f64) {
        match self {
            Self::Raises => (0.0, f64::INFINITY),
            Self::Lowers => (f64::NEG_INFINITY, 0.0),
            Self::Either => (f64::NEG_INFINITY, f64::INFINITY),
            Self::None => (0.0, 0.0),
        }
    }
}

/// Changes with known outcomes, row by row.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// Terms in a row.
    pub width: usize,
    /// Terms of all rows, one row after the other; not a number where a term is unknown.
    pub terms: Vec<f64>,
    /// Whether the change of each row failed.
    pub failed: Vec<bool>,
    /// How much each row counts, above 0.
    pub weights: Vec<f64>,
}

/// What is held of a weight before any outcome is seen, in log-odds for a standard deviation of its term.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Belief {
    /// Mean of the Gaussian prior.
    pub(super) mean: f64,
    /// One over its variance; 0 holds the weight near nothing.
    pub(super) precision: f64,
    /// The least that the weight may be.
    pub(super) low: f64,
    /// The greatest.
    pub(super) high: f64,
}

/// Weights at which likelihood times prior is greatest, in log-odds for a standard deviation; the intercept first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Maximum {
    pub(super) at: Vec<f64>,
    /// Standard deviation of each weight after the outcomes are seen (Laplace's approximation, bounds left aside).
    pub(super) sd: Vec<f64>,
    /// Log of how likely the outcomes are under the prior (Laplace's approximation), less what does not depend on it.
    pub(super) log_evidence: f64,
}

/// How one term is spread over the examples in which it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean; 0 where it is never known.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// Tenth percentile.
    pub p10: f64,
    /// Ninetieth percentile.
    pub p90: f64,
}

/// Weights as log-odds for each unit of a term above its mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Log-odds that a change with every term at its mean fails.
    pub intercept: f64,
    /// One for each term.
    pub weights: Vec<f64>,
    /// Newton steps until nothing moved.
    pub steps: usize,
}

/// Steps after which it is given up; a dozen are usual.
const STEPS_MAX: usize = 100;
/// Far from the maximum, where the curvature is small, a whole step may lead past it and away; so often it is halved.
const HALVINGS_MAX: u32 = 40;
/// A step in which no weight moves by more has converged (log-odds for a standard deviation).
const CONVERGED: f64 = 1e-9;

impl Examples {
    /// Adds a row.
    pub fn push(&mut self, terms: impl IntoIterator<Item = f64>, failed: bool) {
        self.terms.extend(terms);
        self.failed.push(failed);
        self.weights.push(1.0);
        debug_assert_eq!(self.terms.len(), self.width * self.failed.len(), "every row has the same terms");
    }

    /// Adds a row that counts as `weight` rows.
    pub(super) fn push_weighted(&mut self, terms: impl IntoIterator<Item = f64>, failed: bool, weight: f64) {
        self.push(terms, failed);
        if let Some(last) = self.weights.last_mut() {
            *last = weight;
        }
    }

    /// Lets groups of rows, each of which ends before its number, count the same, however many rows they have.
    pub fn weigh_alike(&mut self, ends: &[usize]) {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let groups: Vec<_> = starts.zip(ends).map(|(start, end)| start..*end).filter(|rows| !rows.is_empty()).collect();
        for rows in &groups {
            let weight = self.failed.len() as f64 / (groups.len() * rows.len()) as f64;
            self.weights[rows.clone()].fill(weight);
        }
    }

    /// How each term is spread.
    pub fn spreads(&self) -> Vec<Spread> {
        (0..self.width).map(|term| self.spread(term)).collect()
    }

    fn spread(&self, term: usize) -> Spread {
        let column = self.terms.iter().skip(term).step_by(self.width).copied();
        let mut known: Vec<f64> = column.filter(|x| x.is_finite()).collect();
        if known.is_empty() {
            return Spread { mean: 0.0, sd: 0.0, p10: 0.0, p90: 0.0 };
        }
        let count = known.len() as f64;
        let mean = known.iter().sum::<f64>() / count;
        let sd = (known.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
        known.sort_unstable_by(f64::total_cmp);
        let at = |tenths: usize| known[(known.len() - 1) * tenths / 10];
        Spread { mean, sd, p10: at(1), p90: at(9) }
    }
}

/// Fits weights. `precision` is that of the prior for a standard deviation of a term: 500 says that a weight of a standard
/// deviation is 0.045 or less in two of three cases.
pub fn fit(examples: &Examples, spreads: &[Spread], signs: &[Sign], precision: f64) -> Fit {
    let rows = standardised(examples, spreads);
    let failures = examples.failed.iter().filter(|failed| **failed).count() as f64;
    let share = ((failures + 0.5) / (examples.failed.len() as f64 + 1.0)).clamp(1e-6, 1.0 - 1e-6);
    // The share of failures is not held near anything.
    let mut beliefs = vec![Belief::none()];
    beliefs.extend(signs.iter().map(|sign| {
        let (low, high) = sign.bounds();
        Belief { mean: 0.0, precision, low, high }
    }));
    let mut at = vec![0.0; examples.width + 1];
    at[0] = (share / (1.0 - share)).ln();
    let steps = climb(&rows, examples, &beliefs, &mut at).steps;
    let per_unit = |(weight, spread): (&f64, &Spread)| if spread.sd > 0.0 { weight / spread.sd } else { 0.0 };
    Fit { intercept: at[0], weights: at[1..].iter().zip(spreads).map(per_unit).collect(), steps }
}

/// Rows with their terms as standard deviations, ready to be fitted several times.
pub(super) struct Standardised<'e> {
    examples: &'e Examples,
    rows: Vec<f64>,
}

impl<'e> Standardised<'e> {
    pub(super) fn of(examples: &'e Examples, spreads: &[Spread]) -> Self {
        Self { rows: standardised(examples, spreads), examples }
    }

    /// Finds the most likely weights, from `start` on. `beliefs` begins with that of the intercept; each has a precision
    /// above 0, so that there is one maximum.
    pub(super) fn maximum(&self, beliefs: &[Belief], start: &[f64]) -> Maximum {
        let Self { examples, rows } = self;
        let mut at: Vec<f64> = start.to_vec();
        let Climbed { free, .. } = climb(rows, examples, beliefs, &mut at);
        let (_, curvature) = derivatives(rows, examples, &at, beliefs);
        let all: Vec<usize> = (0..at.len()).collect();
        let variances = Cholesky::of(&curvature, &all, at.len()).inverse_diagonal();
        let prior: f64 = free.iter().map(|index| beliefs[*index].precision.ln()).sum();
        let posterior = Cholesky::of(&curvature, &free, at.len()).log_determinant();
        let log_evidence = penalised(rows, examples, &at, beliefs) + 0.5 * (prior - posterior);
        Maximum { sd: variances.into_iter().map(f64::sqrt).collect(), at, log_evidence }
    }
}

impl Belief {
    /// Nothing is held.
    fn none() -> Self {
        Self { mean: 0.0, precision: 0.0, low: f64::NEG_INFINITY, high: f64::INFINITY }
    }

    /// Whether a weight may move: not one that stands at a bound and would be pushed over it.
    fn frees(self, at: f64, gradient: f64) -> bool {
        (at > self.low || gradient < 0.0) && (at < self.high || gradient > 0.0)
    }
}

/// How a climb ended.
struct Climbed {
    steps: usize,
    /// Weights that did not stand at a bound.
    free: Vec<usize>,
}

/// Newton steps from `at` until nothing moves.
fn climb(rows: &[f64], examples: &Examples, beliefs: &[Belief], at: &mut [f64]) -> Climbed {
    let width = at.len();
    let mut climbed = Climbed { steps: 0, free: Vec::new() };
    let mut height = penalised(rows, examples, at, beliefs);
    while climbed.steps < STEPS_MAX {
        climbed.steps += 1;
        let (gradient, curvature) = derivatives(rows, examples, at, beliefs);
        climbed.free = (0..width).filter(|index| beliefs[*index].frees(at[*index], gradient[*index])).collect();
        let step = Cholesky::of(&curvature, &climbed.free, width).solve(&gradient);
        // What rounding alone takes away is no way down.
        let least = height - 1e-9 * (1.0 + height.abs());
        let tries = (0..HALVINGS_MAX).map(|halvings| {
            let mut next = at.to_vec();
            for (index, step) in climbed.free.iter().zip(&step) {
                let to = at[*index] - step * 0.5_f64.powi(halvings.cast_signed());
                next[*index] = to.clamp(beliefs[*index].low, beliefs[*index].high);
            }
            (penalised(rows, examples, &next, beliefs), next)
        });
        let Some((higher, next)) = tries.into_iter().find(|(height, _)| *height >= least) else { break };
        let moved = at.iter().zip(&next).map(|(before, after)| (after - before).abs()).fold(0.0, f64::max);
        at.copy_from_slice(&next);
        height = higher;
        if moved < CONVERGED {
            break;
        }
    }
    climbed
}

/// Terms as standard deviations from their mean, a one before each row; what is unknown is at the mean.
fn standardised(examples: &Examples, spreads: &[Spread]) -> Vec<f64> {
    let mut rows = Vec::with_capacity((examples.width + 1) * examples.failed.len());
    for row in examples.terms.chunks_exact(examples.width.max(1)) {
        rows.push(1.0);
        rows.extend(
            row.iter()
                .zip(spreads)
                .map(|(x, spread)| if x.is_finite() && spread.sd > 0.0 { (x - spread.mean) / spread.sd } else { 0.0 }),
        );
    }
    rows
}

/// Gradient and curvature (upper triangle, row by row) of the penalised negative log-likelihood.
fn derivatives(rows: &[f64], examples: &Examples, at: &[f64], beliefs: &[Belief]) -> (Vec<f64>, Vec<f64>) {
    let width = at.len();
    let (mut gradient, mut curvature) = (vec![0.0; width], vec![0.0; width * width]);
    let outcomes = examples.failed.iter().zip(&examples.weights);
    for (row, (failed, weight)) in rows.chunks_exact(width).zip(outcomes) {
        let log_odds: f64 = row.iter().zip(at).map(|(x, slope)| x * slope).sum();
        let probability = 1.0 / (1.0 + (-log_odds).exp());
        let error = weight * (probability - f64::from(u8::from(*failed)));
        let bend = weight * probability * (1.0 - probability);
        for (i, x) in row.iter().enumerate() {
            gradient[i] += error * x;
            let scaled = bend * x;
            if scaled != 0.0 {
                let line = &mut curvature[i * width + i..(i + 1) * width];
                line.iter_mut().zip(&row[i..]).for_each(|(sum, y)| *sum += scaled * y);
            }
        }
    }
    for (index, belief) in beliefs.iter().enumerate() {
        gradient[index] += belief.precision * (at[index] - belief.mean);
        curvature[index * width + index] += belief.precision;
    }
    (gradient, curvature)
}

/// Log-likelihood of the outcomes and, but for what is the same everywhere, the log of the prior.
fn penalised(rows: &[f64], examples: &Examples, at: &[f64], beliefs: &[Belief]) -> f64 {
    let strain = |(at, belief): (&f64, &Belief)| belief.precision * (at - belief.mean).powi(2);
    log_likelihood(rows, examples, at) - 0.5 * at.iter().zip(beliefs).map(strain).sum::<f64>()
}

/// Log-likelihood of the outcomes, without the prior.
fn log_likelihood(rows: &[f64], examples: &Examples, at: &[f64]) -> f64 {
    let outcomes = examples.failed.iter().zip(&examples.weights);
    let rows = rows.chunks_exact(at.len()).zip(outcomes);
    rows.map(|(row, (failed, weight))| {
        let log_odds: f64 = row.iter().zip(at).map(|(x, slope)| x * slope).sum();
        -weight * surprise(log_odds, *failed)
    })
    .sum()
}

/// −ln of the probability that log-odds gave to what happened; exact also where it is nearly 0 or 1.
pub(super) fn surprise(log_odds: f64, failed: bool) -> f64 {
    let against = if failed { -log_odds } else { log_odds };
    against.max(0.0) + (-against.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two terms; the first doubles the odds for each unit, the second does nothing.
    fn examples() -> Examples {
        let mut examples = Examples { width: 2, ..Examples::default() };
        for (x, failures) in [(0.0, 100), (1.0, 182), (2.0, 308)] {
            for row in 0..1000 {
                examples.push([x, f64::from(row % 2)], row < failures);
            }
        }
        examples
    }

    fn check(signs: [Sign; 2], precision: f64, expected: [f64; 2]) {
        let examples = examples();
        let fit = fit(&examples, &examples.spreads(), &signs, precision);
        for (weight, expected) in fit.weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 0.01, "{:?} is not {expected}", fit.weights);
        }
    }

    #[test]
    fn weights_are_found_and_held_to_their_sign() {
        check([Sign::Either, Sign::Either], 0.001, [2.0_f64.ln(), 0.0]);
        check([Sign::Raises, Sign::Raises], 0.001, [2.0_f64.ln(), 0.0]);
        check([Sign::Lowers, Sign::Either], 0.001, [0.0, 0.0]);
        check([Sign::Either, Sign::Either], 1e9, [0.0, 0.0]);
    }

    #[test]
    fn at_the_weights_found_expected_failures_are_the_observed() {
        let examples = examples();
        let spreads = examples.spreads();
        let fit = fit(&examples, &spreads, &[Sign::Either; 2], 0.001);
        let expected: f64 = examples
            .terms
            .chunks(2)
            .map(|row| {
                let log_odds = fit.intercept
                    + row.iter().zip(&fit.weights).zip(&spreads).map(|((x, w), s)| w * (x - s.mean)).sum::<f64>();
                1.0 / (1.0 + (-log_odds).exp())
            })
            .sum();
        assert!((expected - 590.0).abs() < 1e-3, "{expected}");
    }

    /// From where a whole step leads past the maximum and away from it for good.
    #[test]
    fn the_maximum_is_found_from_afar() {
        let examples = examples();
        let rows = Standardised::of(&examples, &examples.spreads());
        let beliefs = [0.25, 4.0, 4.0].map(|precision| Belief { precision, ..Belief::none() });
        let near = rows.maximum(&beliefs, &[-1.4, 0.6, 0.0]);
        for start in [-6.0, -20.0, 5.0, 30.0] {
            let found = rows.maximum(&beliefs, &[start, 0.0, 0.0]);
            let apart = found.at.iter().zip(&near.at).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-6, "from {start}: {:?} is not {:?}", found.at, near.at);
        }
    }

    #[test]
    fn groups_count_the_same_however_large() {
        let mut examples = examples();
        let large = examples.failed.len();
        (0..30).for_each(|row| examples.push([f64::from(row % 3), 0.0], true));
        examples.weigh_alike(&[large, large, large + 30]);
        let weight = |rows: std::ops::Range<usize>| examples.weights[rows].iter().sum::<f64>();
        assert!((weight(0..large) - weight(large..large + 30)).abs() < 1e-6);
        assert!((weight(0..large + 30) - 3_030.0).abs() < 1e-6);
    }

    #[test]
    fn what_is_unknown_counts_as_the_mean() {
        let mut examples = examples();
        examples.push([f64::NAN, f64::NAN], false);
        let spreads = examples.spreads();
        assert_eq!((spreads[0].mean, spreads[0].p10, spreads[0].p90), (1.0, 0.0, 2.0));
        let fit = fit(&examples, &spreads, &[Sign::Either; 2], 0.001);
        assert!(fit.steps < 12 && fit.weights.iter().all(|weight| weight.is_finite()), "{fit:?}");
        let none = Examples { width: 2, ..Examples::default() };
        let nothing = super::fit(&none, &none.spreads(), &[Sign::Either; 2], 1.0);
        assert!(nothing.weights.iter().all(|weight| *weight == 0.0), "{nothing:?}");
    }
}
