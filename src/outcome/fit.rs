//! Weights from outcomes: logistic regression with a Gaussian prior at zero, weights held to the sign that is known.
//!
//! Newton's method on the penalised log-likelihood; a weight that would leave its side of zero stays at zero as long as
//! the gradient pushes it out (projected Newton, Bertsekas 1982). The same input gives the same bytes: there is no chance
//! in it, and sums run in the order of the input.

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

/// Changes with known outcomes, row by row.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    /// Terms in a row.
    pub width: usize,
    /// Terms of all rows, one row after the other; not a number where a term is unknown.
    pub terms: Vec<f64>,
    /// Whether the change of each row failed.
    pub failed: Vec<bool>,
    /// How much each row counts; 1 on average.
    pub weights: Vec<f64>,
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
    let width = examples.width + 1;
    let failures = examples.failed.iter().filter(|failed| **failed).count() as f64;
    let share = ((failures + 0.5) / (examples.failed.len() as f64 + 1.0)).clamp(1e-6, 1.0 - 1e-6);
    let mut at = vec![0.0; width];
    at[0] = (share / (1.0 - share)).ln();
    let mut steps = 0;
    while steps < STEPS_MAX {
        steps += 1;
        let (gradient, curvature) = derivatives(&rows, examples, &at, precision);
        let free: Vec<usize> = (0..width).filter(|index| is_free(*index, signs, &at, &gradient)).collect();
        let step = solve(&curvature, &gradient, &free, width);
        let mut moved: f64 = 0.0;
        for (index, step) in free.into_iter().zip(step) {
            let next = held(index, signs, at[index] - step);
            moved = moved.max((next - at[index]).abs());
            at[index] = next;
        }
        if moved < CONVERGED {
            break;
        }
    }
    let per_unit = |(weight, spread): (&f64, &Spread)| if spread.sd > 0.0 { weight / spread.sd } else { 0.0 };
    Fit { intercept: at[0], weights: at[1..].iter().zip(spreads).map(per_unit).collect(), steps }
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
fn derivatives(rows: &[f64], examples: &Examples, at: &[f64], precision: f64) -> (Vec<f64>, Vec<f64>) {
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
    // The share of failures is not held near anything.
    for index in 1..width {
        gradient[index] += precision * at[index];
        curvature[index * width + index] += precision;
    }
    (gradient, curvature)
}

/// Whether a weight may move: not one that stands at zero and would be pushed over it.
fn is_free(index: usize, signs: &[Sign], at: &[f64], gradient: &[f64]) -> bool {
    let Some(sign) = index.checked_sub(1).map(|term| signs[term]) else { return true };
    match sign {
        Sign::Either => true,
        Sign::None => false,
        Sign::Raises => at[index] > 0.0 || gradient[index] < 0.0,
        Sign::Lowers => at[index] < 0.0 || gradient[index] > 0.0,
    }
}

fn held(index: usize, signs: &[Sign], weight: f64) -> f64 {
    match index.checked_sub(1).map(|term| signs[term]) {
        Some(Sign::Raises) => weight.max(0.0),
        Some(Sign::Lowers) => weight.min(0.0),
        Some(Sign::Either | Sign::None) | None => weight,
    }
}

/// Solves the rows and columns of `free` by Cholesky's decomposition: with the prior the curvature is positive definite.
fn solve(curvature: &[f64], gradient: &[f64], free: &[usize], width: usize) -> Vec<f64> {
    let n = free.len();
    let entry = |i: usize, j: usize| curvature[free[i.min(j)] * width + free[i.max(j)]];
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = entry(i, j) - sum;
            lower[i * n + j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / lower[j * n + j] };
        }
    }
    let mut solved: Vec<f64> = free.iter().map(|index| gradient[*index]).collect();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| lower[i * n + k] * solved[k]).sum();
        solved[i] = (solved[i] - sum) / lower[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| lower[k * n + i] * solved[k]).sum();
        solved[i] = (solved[i] - sum) / lower[i * n + i];
    }
    solved
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
