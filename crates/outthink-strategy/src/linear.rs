//! Ridge regressions, logistic and linear: what a candidate's chance of being right and its cost are, given the features.

use serde::{Deserialize, Serialize};

/// How strongly weights are drawn to zero, in rows' worth of evidence.
const RIDGE: f64 = 4.0;
/// Standard deviations from the mean beyond which hardly anything was ever seen.
const FAR: f64 = 4.0;
/// Newton steps after which a fit is as good as it gets; it takes about six.
const STEPS: usize = 60;

/// Features brought to mean 0 and standard deviation 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The means.
    pub means: Vec<f64>,
    /// The standard deviations; 1 for a feature that never changes.
    pub deviations: Vec<f64>,
}

impl Scale {
    /// That of these rows.
    pub fn of(rows: &[Vec<f64>]) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let count = rows.len().max(1) as f64;
        let mean = |of: &dyn Fn(&Vec<f64>) -> f64| rows.iter().map(of).sum::<f64>() / count;
        let means: Vec<f64> = (0..width).map(|k| mean(&|row| row[k])).collect();
        let deviations = (0..width).map(|k| {
            let deviation = mean(&|row| (row[k] - means[k]).powi(2)).sqrt();
            if deviation > 1e-12 { deviation } else { 1.0 }
        });
        let deviations = deviations.collect();
        Self { means, deviations }
    }

    /// A feature that lies farther out than rows are kept.
    pub fn outlier(&self, row: &[f64]) -> Option<usize> {
        let scaled = row.iter().zip(self.means.iter().zip(&self.deviations));
        let far = |(value, (mean, deviation)): (&f64, (&f64, &f64))| {
            (value - mean).abs() > FAR * deviation
        };
        scaled.into_iter().position(far)
    }

    /// A row on this scale, kept within four deviations: what lies farther out was hardly ever seen.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        let scaled = row.iter().zip(self.means.iter().zip(&self.deviations));
        scaled
            .map(|(value, (mean, deviation))| ((value - mean) / deviation).clamp(-FAR, FAR))
            .collect()
    }
}

/// A linear form: the intercept and a weight a feature.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Linear(pub Vec<f64>);

impl Linear {
    /// Its value.
    pub fn at(&self, row: &[f64]) -> f64 {
        let [intercept, weights @ ..] = self.0.as_slice() else {
            return 0.0;
        };
        intercept + weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>()
    }

    /// The least squares fit with a ridge on all but the intercept.
    pub fn fit(rows: &[Vec<f64>], targets: &[f64]) -> Self {
        let weights = vec![1.0; rows.len()];
        let (mut matrix, mut right) = normal(rows, &weights, targets);
        matrix[0][0] += 1e-9;
        for (k, line) in matrix.iter_mut().enumerate().skip(1) {
            line[k] += RIDGE;
        }
        solve(&mut matrix, &mut right);
        Self(right)
    }

    /// The maximum of the penalised likelihood of chances in [0, 1], by Newton's steps (iteratively reweighted least
    /// squares), each halved until it helps. One pseudo-observation of one half keeps it finite where all are right.
    pub fn fit_logistic(rows: &[Vec<f64>], chances: &[f64]) -> Self {
        let width = rows.first().map_or(0, Vec::len) + 1;
        let mut at = Self(vec![0.0; width]);
        let mut loss = at.loss(rows, chances);
        for _ in 0..STEPS {
            let gradient = at.gradient(rows, chances);
            let weights: Vec<f64> = rows
                .iter()
                .map(|row| logistic(at.at(row)))
                .map(|p| p * (1.0 - p))
                .collect();
            let (mut matrix, _) = normal(rows, &weights, chances);
            let own = logistic(at.0[0]);
            matrix[0][0] += own * (1.0 - own) + 1e-12;
            for (k, line) in matrix.iter_mut().enumerate().skip(1) {
                line[k] += RIDGE;
            }
            let mut step = gradient.clone();
            solve(&mut matrix, &mut step);
            let mut length = 1.0;
            let improved = loop {
                let moved = at.0.iter().zip(&step).map(|(w, s)| w - length * s);
                let next = Self(moved.collect());
                let next_loss = next.loss(rows, chances);
                if next_loss < loss {
                    (at, loss) = (next, next_loss);
                    break true;
                }
                length /= 2.0;
                if length < 1e-6 {
                    break false;
                }
            };
            if !improved || gradient.iter().all(|slope| slope.abs() < 1e-9) {
                break;
            }
        }
        at
    }

    fn loss(&self, rows: &[Vec<f64>], chances: &[f64]) -> f64 {
        let one = |logit: f64, chance: f64| softplus(logit) - chance * logit;
        let data = rows.iter().zip(chances);
        let data: f64 = data.map(|(row, chance)| one(self.at(row), *chance)).sum();
        let squares = self.0.iter().skip(1).map(|weight| weight * weight);
        data + one(self.0[0], 0.5) + RIDGE / 2.0 * squares.sum::<f64>()
    }

    fn gradient(&self, rows: &[Vec<f64>], chances: &[f64]) -> Vec<f64> {
        let mut gradient: Vec<f64> = self.0.iter().map(|weight| RIDGE * weight).collect();
        gradient[0] = logistic(self.0[0]) - 0.5;
        for (row, chance) in rows.iter().zip(chances) {
            let error = logistic(self.at(row)) - chance;
            gradient[0] += error;
            for (slope, x) in gradient[1..].iter_mut().zip(row) {
                *slope += error * x;
            }
        }
        gradient
    }
}

/// The logistic function.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The logit of a chance, which is kept off 0 and 1.
pub fn logit(chance: f64) -> f64 {
    let chance = chance.clamp(1e-4, 1.0 - 1e-4);
    (chance / (1.0 - chance)).ln()
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `XᵀWX` and `XᵀWy` with a column of ones first.
fn normal(rows: &[Vec<f64>], weights: &[f64], targets: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let width = rows.first().map_or(0, Vec::len) + 1;
    let (mut matrix, mut right) = (vec![vec![0.0; width]; width], vec![0.0; width]);
    let mut full = vec![1.0; width];
    for ((row, &weight), &target) in rows.iter().zip(weights).zip(targets) {
        full[1..].copy_from_slice(row);
        for i in 0..width {
            let scaled = weight * full[i];
            right[i] += scaled * target;
            for (cell, x) in matrix[i].iter_mut().zip(&full) {
                *cell += scaled * x;
            }
        }
    }
    (matrix, right)
}

/// Solves `matrix · x = right` in place by Cholesky's factors; the matrix is positive definite for the ridge.
fn solve(matrix: &mut [Vec<f64>], right: &mut [f64]) {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i][k] * matrix[j][k]).sum();
            let rest = matrix[i][j] - dot;
            matrix[i][j] = if i == j {
                rest.max(1e-300).sqrt()
            } else {
                rest / matrix[j][j]
            };
        }
    }
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| matrix[i][k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i][i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| matrix[k][i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i][i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn at_the_logistic_optimum_the_gradient_is_zero(
            data in prop::collection::vec((prop::array::uniform3(-3.0..3.0f64), 0.0..=1.0f64), 2..60),
        ) {
            let (rows, chances): (Vec<Vec<f64>>, Vec<f64>) =
                data.into_iter().map(|(row, chance)| (row.to_vec(), chance)).unzip();
            let fit = Linear::fit_logistic(&rows, &chances);
            for slope in fit.gradient(&rows, &chances) {
                // A loss tells two points apart down to about the square root of its rounding.
                prop_assert!(slope.abs() < 1e-5, "{slope}");
            }
        }
    }

    #[test]
    fn chances_that_are_all_one_stay_finite() {
        let rows = vec![vec![0.5, 1.0]; 50];
        let fit = Linear::fit_logistic(&rows, &[1.0; 50]);
        let chance = logistic(fit.at(&rows[0]));
        assert!(chance > 0.95 && chance < 1.0, "{chance}");
    }

    #[test]
    fn a_line_is_found() {
        let rows: Vec<Vec<f64>> = (0..4000).map(|k| vec![f64::from(k % 40) - 19.5]).collect();
        let targets: Vec<f64> = rows.iter().map(|row| 3.0 + 2.0 * row[0]).collect();
        let fit = Linear::fit(&rows, &targets);
        assert!((fit.at(&[10.0]) - 23.0).abs() < 1e-3, "{fit:?}");
    }
}
