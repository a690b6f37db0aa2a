//! Logistic regression with a Gaussian prior, by Newton's method: small, dense and deterministic.

/// Columns are cut at this many standard deviations, so that no single change decides.
const CUT_SD: f64 = 5.0;
/// Newton's method needs some eight steps here; it stops by itself.
const STEPS_MAX: usize = 50;
const ENOUGH: f64 = 1e-9;

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Logistic<const K: usize> {
    mean: [f64; K],
    deviation: [f64; K],
    /// Log-odds for a standard deviation.
    weights: [f64; K],
    intercept: f64,
}

impl<const K: usize> Logistic<K> {
    /// Fits rows with their outcomes. Each weight of a standardised column has a normal prior around 0 with standard
    /// deviation 1; the intercept has none. None unless some failed and some did not.
    pub(super) fn fit(rows: &[[f64; K]], failed: &[bool]) -> Option<Self> {
        if !(failed.contains(&true) && failed.contains(&false)) {
            return None;
        }
        let count = rows.len() as f64;
        let mean: [f64; K] = std::array::from_fn(|k| rows.iter().map(|row| row[k]).sum::<f64>() / count);
        let variance = |k: usize| rows.iter().map(|row| (row[k] - mean[k]).powi(2)).sum::<f64>() / count;
        // A column that never varies is worth nothing; dividing by 1 leaves it at 0.
        let deviation = std::array::from_fn(|k| Some(variance(k).sqrt()).filter(|d| *d > 1e-12).unwrap_or(1.0));
        let base = failed.iter().filter(|failed| **failed).count() as f64 / count;
        let intercept = (base / (1.0 - base)).ln();
        let mut model = Self { mean, deviation, weights: [0.0; K], intercept };
        let rows: Vec<[f64; K]> = rows.iter().map(|row| model.standard(row)).collect();
        let mut loss = model.loss(&rows, failed);
        for _ in 0..STEPS_MAX {
            let step = model.newton(&rows, failed)?;
            let Some((next, lower)) = model.descend(&step, loss, &rows, failed) else { break };
            let gained = loss - lower;
            (model, loss) = (next, lower);
            if gained < ENOUGH {
                break;
            }
        }
        Some(model)
    }

    /// Probability of failing, 0-1.
    pub(super) fn probability(&self, row: &[f64; K]) -> f64 {
        sigmoid(self.log_odds(&self.standard(row)))
    }

    fn standard(&self, row: &[f64; K]) -> [f64; K] {
        std::array::from_fn(|k| ((row[k] - self.mean[k]) / self.deviation[k]).clamp(-CUT_SD, CUT_SD))
    }

    fn log_odds(&self, standard: &[f64; K]) -> f64 {
        self.intercept + self.weights.iter().zip(standard).map(|(weight, x)| weight * x).sum::<f64>()
    }

    /// Negative log of the posterior density, up to a constant.
    fn loss(&self, rows: &[[f64; K]], failed: &[bool]) -> f64 {
        let prior = self.weights.iter().map(|weight| weight * weight).sum::<f64>() / 2.0;
        let of = |(row, failed): (&[f64; K], &bool)| {
            let log_odds = self.log_odds(row);
            softplus(if *failed { -log_odds } else { log_odds })
        };
        prior + rows.iter().zip(failed).map(of).sum::<f64>()
    }

    /// The step of Newton's method: intercept first, then the weights.
    fn newton(&self, rows: &[[f64; K]], failed: &[bool]) -> Option<Vec<f64>> {
        let size = K + 1;
        let mut system = vec![vec![0.0; size + 1]; size];
        for (row, failed) in rows.iter().zip(failed) {
            let probability = sigmoid(self.log_odds(row));
            let (curvature, residual) = (probability * (1.0 - probability), f64::from(*failed) - probability);
            let x = |place: usize| if place == 0 { 1.0 } else { row[place - 1] };
            for (i, equation) in system.iter_mut().enumerate() {
                for (j, cell) in equation.iter_mut().enumerate().take(size) {
                    *cell += curvature * x(i) * x(j);
                }
                equation[size] += residual * x(i);
            }
        }
        for (k, weight) in self.weights.iter().enumerate() {
            system[k + 1][k + 1] += 1.0;
            system[k + 1][size] -= weight;
        }
        solve(system)
    }

    /// The longest of the step, its half, its quarter and so on that lowers the loss.
    fn descend(&self, step: &[f64], loss: f64, rows: &[[f64; K]], failed: &[bool]) -> Option<(Self, f64)> {
        (0..30).map(|halvings| 0.5_f64.powi(halvings)).find_map(|part| {
            let mut next = self.clone();
            next.intercept += part * step[0];
            next.weights.iter_mut().zip(&step[1..]).for_each(|(weight, step)| *weight += part * step);
            let lower = next.loss(rows, failed);
            (lower < loss).then_some((next, lower))
        })
    }
}

/// Solves a system of equations, each with its right side at the end, by elimination with pivots.
fn solve(mut system: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = system.len();
    for column in 0..size {
        let pivot = (column..size).max_by(|a, b| system[*a][column].abs().total_cmp(&system[*b][column].abs()))?;
        system.swap(column, pivot);
        let (done, rest) = system.split_at_mut(column + 1);
        let lead = &done[column];
        if lead[column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for equation in rest {
            let factor = equation[column] / lead[column];
            equation.iter_mut().zip(lead).skip(column).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solution = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| system[row][column] * solution[column]).sum();
        solution[row] = (system[row][size] - known) / system[row][row];
    }
    Some(solution)
}

fn sigmoid(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// ln(1 + e^x) without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 changes at each of 0 and 1, of which 100 and 300 failed: the odds ratio is known.
    fn two_groups() -> (Vec<[f64; 2]>, Vec<bool>) {
        let row =
            |place: usize| ([f64::from(place >= 1_000), 7.0], place % 1_000 < if place < 1_000 { 100 } else { 300 });
        (0..2_000).map(row).unzip()
    }

    #[test]
    fn finds_the_odds_that_are_there() {
        let (rows, failed) = two_groups();
        let model = Logistic::fit(&rows, &failed).unwrap();
        let check = |row: [f64; 2], expected: f64| {
            let found = model.probability(&row);
            assert!((found - expected).abs() < 0.002, "{found} is not {expected}");
        };
        check([0.0, 7.0], 0.1);
        check([1.0, 7.0], 0.3);
        // The column that never varies has no weight.
        assert_eq!(model.weights[1], 0.0);
        assert!(
            model.newton(&rows.iter().map(|row| model.standard(row)).collect::<Vec<_>>(), &failed).unwrap()[0].abs()
                < 1e-4
        );
    }

    #[test]
    fn the_prior_holds_what_separates_perfectly() {
        let rows: Vec<[f64; 1]> = (0..20).map(|place| [f64::from(place)]).collect();
        let failed: Vec<bool> = (0..20).map(|place| place >= 10).collect();
        let model = Logistic::fit(&rows, &failed).unwrap();
        assert!((1.0..4.0).contains(&model.weights[0]), "{model:?}");
        assert_eq!(Logistic::fit(&rows, &[true; 20]), None);
    }
}
