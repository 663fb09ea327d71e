//! Several verifiers as one: with which weights, from what is stored of them.
//!
//! What counts is how a verifier ranks the solutions *of one problem*: selection can use nothing else. So both ways look at
//! differences within problems only.
//!
//! - **With labels**: the conditional logistic regression of a right solution against a wrong one of the same problem: over all such
//!   pairs, each problem with the same weight, the probability that the right one is right is `σ(w · (x − y))`, with the log-odds of
//!   the last rewards as `x` and `y`.
//! - **Without labels**: one factor explains what the verifiers have in common, for what else could they agree on? Log-odds, centred
//!   within problems, are `a · z + noise`, with noises that have nothing in common. Then the covariance of verifiers `j` and `k` is
//!   `a_j a_k`, which three verifiers determine (as for the unknown abilities of annotators: Parisi, Strino, Nadler and Kluger 2014,
//!   *PNAS* 111), and the best weights are `a / noise variance` (Bartlett 1937). Two verifiers do not determine
//!   it: they are standardised and count alike. A bias that verifiers share, such as one for length, is a common factor, too, and
//!   no such method can tell.

use outthink_core::log_odds;

/// One over the variance of a weight before anything is seen: what a single problem says moves it little, hundreds determine it.
const PRIOR: f64 = 1.0;
/// Newton steps; a convex problem of a few weights needs far fewer.
const STEPS: usize = 100;
/// The least share of a verifier's variance that counts as noise: none is perfect.
const NOISE: f64 = 0.05;
/// Where only two verifiers agree at all, their product alone is known: of all that fit, the smallest loadings are taken, which are
/// equal ones.
const SHRINK: f64 = 0.02;
/// Sweeps over the loadings; a handful of verifiers settles in fewer.
const SWEEPS: usize = 2000;

/// A solution of a problem: what each verifier says of it, and whether it is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Rated {
    /// Which problem.
    pub problem: usize,
    /// Each verifier's last reward, in [0, 1].
    pub rewards: Vec<f64>,
    /// Is its answer right? Not looked at without labels.
    pub right: bool,
}

/// Weights and bias.
pub type Weights = (Vec<f64>, f64);

/// The samples by problem, those of a problem together.
fn by_problem(samples: &[Rated]) -> Vec<Vec<&Rated>> {
    let mut groups: std::collections::BTreeMap<usize, Vec<&Rated>> = Default::default();
    for sample in samples {
        groups.entry(sample.problem).or_default().push(sample);
    }
    groups.into_values().collect()
}

fn features(sample: &Rated) -> Vec<f64> {
    sample
        .rewards
        .iter()
        .map(|&reward| log_odds(reward))
        .collect()
}

/// Weights by which right solutions rank above wrong ones of their problem, and the bias by which the mean reward is the share of
/// right solutions. None where no problem has both, or no verifier ranks right ones higher.
pub fn with_labels(samples: &[Rated]) -> Option<Weights> {
    let width = samples.first()?.rewards.len();
    let mut pairs: Vec<PairOf> = Vec::new();
    for group in by_problem(samples) {
        let (right, wrong): (Vec<&Rated>, Vec<&Rated>) =
            group.into_iter().partition(|own| own.right);
        let share = 1.0 / (right.len() * wrong.len()).max(1) as f64;
        let wrong: Vec<Vec<f64>> = wrong.into_iter().map(features).collect();
        for right in right.into_iter().map(features) {
            let differ = |wrong: &Vec<f64>| right.iter().zip(wrong).map(|(a, b)| a - b).collect();
            pairs.extend(wrong.iter().map(|wrong| (differ(wrong), share)));
        }
    }
    if pairs.is_empty() {
        return None;
    }
    // A verifier that ranks wrong solutions higher, given the others, is left out: it does so on these problems, and a search would go
    // where it misleads.
    let mut kept: Vec<usize> = (0..width).collect();
    loop {
        let own = ranking(&pairs, &kept)?;
        let lowest = (0..kept.len()).min_by(|&a, &b| own[a].total_cmp(&own[b]))?;
        if own[lowest] < 0.0 {
            kept.remove(lowest);
            continue;
        }
        let mut weights = vec![0.0; width];
        for (place, weight) in kept.into_iter().zip(own) {
            weights[place] = weight;
        }
        let bias = bias(samples, &weights);
        return Some((weights, bias));
    }
}

/// A right solution's log-odds minus those of a wrong one of its problem, and the pair's share of the problem's pairs.
type PairOf = (Vec<f64>, f64);

/// The weights of some verifiers that minimise `Σ share · ln(1 + e^(−w·d)) + PRIOR · |w|² / 2`, by Newton's steps.
fn ranking(pairs: &[PairOf], kept: &[usize]) -> Option<Vec<f64>> {
    let width = kept.len();
    let mut weights = vec![0.0; width];
    for _ in 0..STEPS {
        let mut gradient: Vec<f64> = weights.iter().map(|weight| PRIOR * weight).collect();
        let mut curvature = vec![vec![0.0; width]; width];
        for (place, row) in curvature.iter_mut().enumerate() {
            row[place] = PRIOR;
        }
        for (difference, share) in pairs {
            let difference: Vec<f64> = kept.iter().map(|&place| difference[place]).collect();
            let lost = 1.0 / (1.0 + dot(&weights, &difference).exp());
            for (j, a) in difference.iter().enumerate() {
                gradient[j] -= share * lost * a;
                for (k, b) in difference.iter().enumerate() {
                    curvature[j][k] += share * lost * (1.0 - lost) * a * b;
                }
            }
        }
        let step = solved(curvature, &gradient)?;
        let longest = step
            .iter()
            .fold(0.0f64, |longest, own| longest.max(own.abs()));
        // Far from the optimum a whole step may overshoot; the direction is right.
        let scale = (1.0 / longest).min(1.0);
        for (weight, step) in weights.iter_mut().zip(&step) {
            *weight -= scale * step;
        }
        if longest < 1e-9 {
            break;
        }
    }
    Some(weights)
}

/// Weights from what the verifiers agree on; the log-odds spread within problems as those of the mean verifier do.
pub fn without_labels(samples: &[Rated]) -> Option<Weights> {
    let width = samples.first()?.rewards.len();
    let mut covariance = vec![vec![0.0; width]; width];
    let mut freedom = 0.0;
    for group in by_problem(samples) {
        let all: Vec<Vec<f64>> = group.iter().map(|own| features(own)).collect();
        let mean: Vec<f64> = (0..width)
            .map(|k| all.iter().map(|own| own[k]).sum::<f64>() / all.len() as f64)
            .collect();
        freedom += all.len() as f64 - 1.0;
        for own in &all {
            for j in 0..width {
                for k in 0..width {
                    covariance[j][k] += (own[j] - mean[j]) * (own[k] - mean[k]);
                }
            }
        }
    }
    if freedom < 1.0 {
        return None;
    }
    for cell in covariance.iter_mut().flatten() {
        *cell /= freedom;
    }
    let spread: Vec<f64> = (0..width).map(|k| covariance[k][k].sqrt()).collect();
    let telling: Vec<usize> = (0..width).filter(|&k| spread[k] > 0.0).collect();
    if telling.is_empty() {
        return None;
    }
    let mut weights = vec![0.0; width];
    match telling.len() {
        0..=2 => {
            for &k in &telling {
                weights[k] = 1.0 / spread[k];
            }
        }
        _ => {
            let row = |&j: &usize| {
                let cell = |&k: &usize| covariance[j][k] / (spread[j] * spread[k]);
                telling.iter().map(cell).collect()
            };
            let correlation: Vec<Vec<f64>> = telling.iter().map(row).collect();
            for (&k, loading) in telling.iter().zip(loadings(&correlation)) {
                weights[k] = loading / (1.0 - loading * loading) / spread[k];
            }
        }
    }
    if weights.iter().all(|weight| *weight == 0.0) {
        return None;
    }
    let combined: f64 = (0..width)
        .map(|j| weights[j] * dot(&covariance[j], &weights))
        .sum();
    // Two that contradict each other leave nothing of each other.
    let apart: f64 = (0..width)
        .map(|k| weights[k] * weights[k] * covariance[k][k])
        .sum();
    if combined <= NOISE * apart {
        return None;
    }
    let usual = telling.iter().map(|&k| spread[k]).sum::<f64>() / telling.len() as f64;
    let scale = usual / combined.sqrt();
    Some((
        weights.into_iter().map(|weight| weight * scale).collect(),
        0.0,
    ))
}

/// The loadings of correlated verifiers on one common factor: those whose products come nearest to the correlations off the diagonal,
/// by least squares in one loading after another (MINRES: Harman and Jones 1966, *Psychometrika* 31). None is below 0: a verifier
/// that contradicts the others has no weight.
fn loadings(correlation: &[Vec<f64>]) -> Vec<f64> {
    let width = correlation.len();
    let mut loadings = vec![0.5; width];
    for _ in 0..SWEEPS {
        for k in 0..width {
            let others = || (0..width).filter(move |&j| j != k);
            let along: f64 = others().map(|j| correlation[k][j] * loadings[j]).sum();
            let squares: f64 = others().map(|j| loadings[j] * loadings[j]).sum();
            loadings[k] = (along / (squares + SHRINK)).clamp(0.0, (1.0 - NOISE).sqrt());
        }
    }
    loadings
}

/// The bias under which the mean reward is the share of right solutions: it rises with the bias, so it is halved in.
fn bias(samples: &[Rated], weights: &[f64]) -> f64 {
    let sums: Vec<f64> = samples
        .iter()
        .map(|own| dot(weights, &features(own)))
        .collect();
    let right = samples.iter().filter(|own| own.right).count() as f64;
    let (mut low, mut high) = (-50.0, 50.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        let expected: f64 = sums
            .iter()
            .map(|sum| 1.0 / (1.0 + (-(middle + sum)).exp()))
            .sum();
        if expected < right {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The solution of a small symmetric system, by elimination with the largest pivot.
fn solved(mut rows: Vec<Vec<f64>>, right: &[f64]) -> Option<Vec<f64>> {
    let width = right.len();
    let mut right = right.to_vec();
    for column in 0..width {
        let pivot = (column..width)
            .max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()))?;
        rows.swap(column, pivot);
        right.swap(column, pivot);
        let above = rows[column].clone();
        if above[column] == 0.0 || !above[column].is_finite() {
            return None;
        }
        for row in column + 1..width {
            let factor = rows[row][column] / above[column];
            for (own, above) in rows[row].iter_mut().zip(&above) {
                *own -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    for column in (0..width).rev() {
        let rest: f64 = (column + 1..width)
            .map(|k| rows[column][k] * right[k])
            .sum();
        right[column] = (right[column] - rest) / rows[column][column];
    }
    Some(right)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn reward(log_odds: f64) -> f64 {
        1.0 / (1.0 + (-log_odds).exp())
    }

    /// Witnesses whose log-odds are `ability · (±1) + noise`, and a difficulty that all see and that says nothing of a problem's own.
    fn witnesses(abilities: &[f64], noises: &[f64], problems: usize) -> Vec<Rated> {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut samples = Vec::new();
        for problem in 0..problems {
            let difficulty = 2.0 * normal();
            for _ in 0..16 {
                let right = normal() > 0.3;
                let truth = if right { 1.0 } else { -1.0 };
                let each = abilities.iter().zip(noises);
                let said = each.map(|(ability, noise)| {
                    reward(ability * truth + noise * normal() + difficulty)
                });
                samples.push(Rated {
                    problem,
                    rewards: said.collect(),
                    right,
                });
            }
        }
        samples
    }

    fn ratio(weights: &[f64], a: usize, b: usize) -> f64 {
        weights[a] / weights[b]
    }

    #[test]
    fn labels_give_each_witness_the_weight_of_its_evidence() {
        // Two Gaussians ±a of variance s² have log-odds of 2a/s² a unit: 2 · 0.8, 2 · 0.8 / 4, and nothing.
        let samples = witnesses(&[0.8, 0.8, 0.0], &[1.0, 2.0, 1.0], 1500);
        let (weights, bias) = with_labels(&samples).unwrap();
        assert!((weights[0] - 1.6).abs() < 0.1, "{weights:?}");
        assert!((weights[1] - 0.4).abs() < 0.05, "{weights:?}");
        // Difficulty is common to all solutions of a problem: it cancels, and a witness of nothing else weighs nothing.
        assert!(weights[2].abs() < 0.05, "{weights:?}");
        let combined = |own: &Rated| reward(bias + dot(&weights, &features(own)));
        let mean = samples.iter().map(combined).sum::<f64>() / samples.len() as f64;
        let share = samples.iter().filter(|own| own.right).count() as f64 / samples.len() as f64;
        assert!((mean - share).abs() < 1e-6);
    }

    #[test]
    fn a_verifier_that_misleads_has_no_weight() {
        let samples = witnesses(&[0.8, -0.5], &[1.0, 1.0], 300);
        let (weights, _) = with_labels(&samples).unwrap();
        assert!(weights[0] > 1.0 && weights[1] == 0.0, "{weights:?}");
        let samples = witnesses(&[-0.5], &[1.0], 300);
        assert_eq!(with_labels(&samples), None);
    }

    #[test]
    fn agreement_alone_ranks_the_witnesses_as_labels_would() {
        let samples = witnesses(&[0.8, 0.8, 0.4, 0.0], &[1.0, 2.0, 1.0, 1.0], 3000);
        let (weights, _) = without_labels(&samples).unwrap();
        assert!(
            (ratio(&weights, 0, 1) / 4.0 - 1.0).abs() < 0.25,
            "{weights:?}"
        );
        assert!(
            (ratio(&weights, 0, 2) / 2.0 - 1.0).abs() < 0.25,
            "{weights:?}"
        );
        assert!(weights[3] < 0.15 * weights[2], "{weights:?}");
    }

    #[test]
    fn two_witnesses_without_labels_count_alike_on_their_own_scales() {
        let samples = witnesses(&[1.0, 3.0], &[0.5, 1.5], 400);
        let (weights, bias) = without_labels(&samples).unwrap();
        assert!((ratio(&weights, 0, 1) - 3.0).abs() < 0.2, "{weights:?}");
        assert_eq!(bias, 0.0);
    }

    #[test]
    fn where_nothing_can_be_told_nothing_is() {
        let one = |right| Rated {
            problem: 0,
            rewards: vec![0.5, 0.7],
            right,
        };
        assert_eq!(with_labels(&[]), None);
        assert_eq!(with_labels(&[one(true), one(true)]), None);
        assert_eq!(without_labels(&[one(true)]), None);
        // Two contradict each other.
        let contrary = |reward: f64| Rated {
            problem: 0,
            rewards: vec![reward, 1.0 - reward],
            right: false,
        };
        assert_eq!(without_labels(&[contrary(0.2), contrary(0.7)]), None);
        // No verifier ever tells two solutions apart.
        assert_eq!(without_labels(&[one(true), one(false)]), None);
    }

    #[test]
    fn perfect_separation_has_finite_weights() {
        let samples: Vec<Rated> = (0..40)
            .map(|place| Rated {
                problem: place / 2,
                rewards: vec![if place % 2 == 0 { 1.0 } else { 0.0 }, 0.5],
                right: place % 2 == 0,
            })
            .collect();
        let (weights, bias) = with_labels(&samples).unwrap();
        assert!(weights[0] > 0.0 && weights.iter().all(|own| own.is_finite()) && bias.is_finite());
    }
}
