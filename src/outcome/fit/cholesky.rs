//! Cholesky's decomposition of a positive definite matrix: with a prior, the curvature is one.

/// The lower triangle `L` of some rows and columns of a matrix `L·Lᵀ`.
pub(super) struct Cholesky<'a> {
    lower: Vec<f64>,
    chosen: &'a [usize],
}

impl<'a> Cholesky<'a> {
    /// Decomposes the rows and columns of `chosen`; of the matrix the upper triangle is read, row by row.
    pub(super) fn of(matrix: &[f64], chosen: &'a [usize], width: usize) -> Self {
        let n = chosen.len();
        let entry = |i: usize, j: usize| matrix[chosen[i.min(j)] * width + chosen[i.max(j)]];
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
                let rest = entry(i, j) - sum;
                lower[i * n + j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / lower[j * n + j] };
            }
        }
        Self { lower, chosen }
    }

    /// Solves for the chosen entries of a vector.
    pub(super) fn solve(&self, vector: &[f64]) -> Vec<f64> {
        let (n, lower) = (self.chosen.len(), &self.lower);
        let mut solved: Vec<f64> = self.chosen.iter().map(|index| vector[*index]).collect();
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

    /// Natural logarithm of the determinant.
    pub(super) fn log_determinant(&self) -> f64 {
        let n = self.chosen.len();
        (0..n).map(|i| 2.0 * self.lower[i * n + i].ln()).sum()
    }

    /// The diagonal of the inverse: column by column of the inverted lower triangle, squared and added up.
    pub(super) fn inverse_diagonal(&self) -> Vec<f64> {
        let (n, lower) = (self.chosen.len(), &self.lower);
        let mut column = vec![0.0; n];
        (0..n)
            .map(|j| {
                column[j] = 1.0 / lower[j * n + j];
                for i in j + 1..n {
                    let sum: f64 = (j..i).map(|k| lower[i * n + k] * column[k]).sum();
                    column[i] = -sum / lower[i * n + i];
                }
                column[j..].iter().map(|x| x * x).sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_and_inverts_what_is_chosen() {
        // Row and column 1 are left out; what remains is [[4, 2], [2, 3]] with determinant 8.
        let matrix = [4.0, 9.0, 2.0, f64::NAN, 9.0, 9.0, f64::NAN, f64::NAN, 3.0];
        let found = Cholesky::of(&matrix, &[0, 2], 3);
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} is not {expected:?}");
        };
        near(found.solve(&[8.0, f64::NAN, 8.0]), [1.0, 2.0]);
        near(found.inverse_diagonal(), [0.375, 0.5]);
        assert!((found.log_determinant() - 8.0_f64.ln()).abs() < 1e-12);
    }
}
