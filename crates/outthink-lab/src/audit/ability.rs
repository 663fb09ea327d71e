//! Does a verifier that judges steps better search better? Accuracy with test-time scaling against F1 over the verifiers of a
//! study, with the curve `Y = a ln X + b` (arXiv 2502.06703, Figure 6).

use outthink_core::AnyMethod;
use serde::Serialize;

use super::Measured;
use crate::analysis::Analysis;
use crate::estimate::interval::Interval;

/// The verifiers under one policy and method, at the study's largest budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ability {
    /// Whose solutions.
    pub policy: String,
    /// How they were drawn; the last reward's vote chooses.
    pub method: AnyMethod,
    /// N.
    pub budget: usize,
    /// The verifiers.
    pub points: Vec<AbilityPoint>,
    /// The curve through them; none for fewer than two, or where all judge alike.
    pub fit: Option<Fit>,
}

/// A verifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AbilityPoint {
    /// Its name.
    pub verifier: String,
    /// How it judges steps.
    pub f1: Measured,
    /// Share of right answers with it.
    pub accuracy: Measured,
}

/// The least-squares curve `Y = slope · ln X + offset`, both in per cent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Points a unit of ln X.
    pub slope: f64,
    /// Y at X = 1 %.
    pub offset: f64,
    /// How many verifiers it is fitted to.
    pub n: usize,
    /// The slope's 95 % interval by Student's t over verifiers; none for fewer than five, whose interval says nothing.
    pub interval: Option<Interval>,
}

/// The 97.5th percentile of Student's t with 3, 4, … degrees of freedom.
const T: [f64; 18] = [
    3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086,
];

impl Fit {
    /// Through points (X, Y) in per cent; those at X = 0 have no logarithm and are left out.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let points: Vec<(f64, f64)> = points
            .iter()
            .filter(|point| point.0 > 0.0)
            .map(|point| (point.0.ln(), point.1))
            .collect();
        let n = points.len();
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n as f64;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if n < 2 || spread < 1e-12 {
            return None;
        }
        let together: f64 = points
            .iter()
            .map(|point| (point.0 - x) * (point.1 - y))
            .sum();
        let slope = together / spread;
        let offset = y - slope * x;
        let interval = (n >= 5).then(|| {
            let left: f64 = points
                .iter()
                .map(|point| (point.1 - offset - slope * point.0).powi(2))
                .sum();
            let error = (left / (n - 2) as f64 / spread).sqrt();
            let t = T.get(n - 5).copied().unwrap_or(2.086);
            Interval {
                low: slope - t * error,
                high: slope + t * error,
            }
        });
        Some(Self {
            slope,
            offset,
            n,
            interval,
        })
    }

    /// Y at X, in per cent.
    pub fn at(&self, x: f64) -> f64 {
        self.slope * x.ln() + self.offset
    }
}

impl Analysis {
    /// Every policy and method of the study over the verifiers whose F1 is known, by their index. A calibrated verifier beside
    /// the bare one is no second verifier.
    pub fn ability(&self, known: &[(usize, Measured)]) -> Vec<Ability> {
        let budget = self.largest();
        let own = |(verifier, _): &&(usize, Measured)| self.bare_twin(*verifier).is_none();
        let known: Vec<&(usize, Measured)> = known.iter().filter(own).collect();
        let mut found = Vec::new();
        for policy in self.by_size() {
            for method in self.study.compared_methods() {
                if !method.needs_verifier() {
                    continue;
                }
                let point = |&&(verifier, f1): &&(usize, Measured)| {
                    let entry = self.entry(&self.key(policy, Some(verifier), method, budget))?;
                    Some(AbilityPoint {
                        verifier: self.verifier_name(verifier),
                        f1,
                        accuracy: Measured {
                            value: entry.accuracy,
                            interval: entry.interval,
                        },
                    })
                };
                let points: Vec<AbilityPoint> = known.iter().filter_map(point).collect();
                if points.is_empty() {
                    continue;
                }
                let shares = points.iter();
                let shares: Vec<(f64, f64)> = shares
                    .map(|point| (100.0 * point.f1.value, 100.0 * point.accuracy.value))
                    .collect();
                found.push(Ability {
                    policy: self.policy_name(policy),
                    method,
                    budget,
                    points,
                    fit: Fit::through(&shares),
                });
            }
        }
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_fit_is_exact_on_its_own_curve_and_says_how_sure_it_is_only_from_five_on() {
        let curve = |x: f64| (x, 7.66 * x.ln() + 44.31);
        let fit = Fit::through(&[20.0, 60.0].map(curve)).unwrap();
        assert!((fit.slope - 7.66).abs() < 1e-9 && (fit.at(40.0) - curve(40.0).1).abs() < 1e-9);
        assert_eq!((fit.n, fit.interval), (2, None));
        assert_eq!(Fit::through(&[(50.0, 1.0), (50.0, 2.0)]), None);
        assert_eq!(Fit::through(&[(0.0, 1.0), (50.0, 2.0)]), None);
    }

    #[test]
    fn the_slope_has_the_interval_that_is_worked_out_by_hand() {
        // ln X = 0, 1, 2, 3, 4; Y = 1, 3, 2, 5, 4: slope 0.8, residuals -0.4, 0.8, -1, 1.2, -0.6, squares 3.6 over 3 and 10
        let points: Vec<(f64, f64)> = [1.0, 3.0, 2.0, 5.0, 4.0]
            .iter()
            .zip(0..)
            .map(|(y, x)| (f64::from(x).exp(), *y))
            .collect();
        let fit = Fit::through(&points).unwrap();
        let half = 3.182 * (3.6f64 / 3.0 / 10.0).sqrt();
        let interval = fit.interval.unwrap();
        assert!((fit.slope - 0.8).abs() < 1e-9, "{fit:?}");
        assert!((interval.high - 0.8 - half).abs() < 1e-9, "{fit:?}");
    }
}
