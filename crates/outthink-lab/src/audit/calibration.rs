//! Does a reward of 0.8 mean right in 80 of 100? And a monotone map after which it does.

use serde::{Deserialize, Serialize};

use super::Audit;
use super::resample::{Measured, Sums};

/// Equally wide bins of rewards.
const BINS: usize = 10;

/// Steps of similar reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// How many.
    pub steps: usize,
    /// Their mean reward.
    pub reward: f64,
    /// Share of them that are right.
    pub right: f64,
}

/// How far rewards are from the share of right steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error over ten bins.
    pub ece: Measured,
    /// The same under the isotonic map, fitted on the other half of the problems.
    pub ece_isotonic: Option<Measured>,
    /// Bins that hold steps, by reward.
    pub reliability: Vec<Reliability>,
    /// The map.
    pub isotonic: Isotonic,
}

/// A monotone map of rewards: a step function's levels, joined by straight lines between their centres.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// Rewards with the share of right steps there, both ascending.
    pub knots: Vec<(f64, f64)>,
}

impl Isotonic {
    /// The least-squares monotone fit, by pool-adjacent-violators (Ayer and others 1955).
    pub fn fit(points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let mut points: Vec<(f64, f64)> = points.into_iter().collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let knots = pool(&points)
            .into_iter()
            .map(|block| (block.x / block.count, block.y / block.count))
            .collect();
        Self { knots }
    }

    /// What is wrong with a map from elsewhere.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.knots.is_empty() {
            return Err("its map has no knots".into());
        }
        let unit = |value: &f64| (0.0..=1.0).contains(value);
        if let Some((reward, share)) = self.knots.iter().find(|(x, y)| !unit(x) || !unit(y)) {
            return Err(format!("the knot ({reward}, {share}) is not within [0, 1]"));
        }
        let falls = |pair: &[(f64, f64)]| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1;
        match self.knots.windows(2).find(|pair| falls(pair)) {
            Some(pair) => Err(format!(
                "its knots {:?} and {:?} do not ascend",
                pair[0], pair[1]
            )),
            None => Ok(()),
        }
    }

    /// The value at a reward; flat beyond the ends, and the reward itself without any knot.
    pub fn apply(&self, reward: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.0 < reward);
        let (before, next) = (
            after
                .checked_sub(1)
                .and_then(|before| self.knots.get(before)),
            self.knots.get(after),
        );
        match (before, next) {
            (Some(&(x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (reward - x0) / (x1 - x0),
            (Some(&(_, y)), None) | (None, Some(&(_, y))) => y,
            (None, None) => reward,
        }
    }
}

#[derive(Clone, Copy)]
struct Block {
    x: f64,
    y: f64,
    count: f64,
}

/// Blocks of the monotone fit of sorted points, ascending in x and y.
fn pool(points: &[(f64, f64)]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = 0;
    while at < points.len() {
        // equal rewards have one value
        let x = points[at].0;
        let same = points[at..].iter().take_while(|point| point.0 == x);
        let mut block = Block {
            x: 0.0,
            y: 0.0,
            count: 0.0,
        };
        for point in same {
            block.x += point.0;
            block.y += point.1;
            block.count += 1.0;
            at += 1;
        }
        while let Some(last) = blocks.last()
            && last.y / last.count >= block.y / block.count
        {
            block.x += last.x;
            block.y += last.y;
            block.count += last.count;
            blocks.pop();
        }
        blocks.push(block);
    }
    blocks
}

fn bin(reward: f64) -> usize {
    ((reward * BINS as f64) as usize).min(BINS - 1)
}

fn error(sums: &[f64]) -> f64 {
    let count: f64 = sums.chunks_exact(3).map(|bin| bin[0]).sum();
    let gaps: f64 = sums
        .chunks_exact(3)
        .map(|bin| (bin[1] - bin[2]).abs())
        .sum();
    gaps / count
}

impl Audit {
    /// Steps, rewards and right steps by bin.
    fn binned<'a>(
        &self,
        kept: impl Iterator<Item = &'a super::Kept>,
        map: impl Fn(f64) -> f64,
    ) -> Sums {
        self.sums(kept, 3 * BINS, |scored, sums| {
            for (step, &reward) in scored.rewards.iter().enumerate().take(scored.labelled()) {
                let reward = map(reward);
                let place = 3 * bin(reward);
                sums[place] += 1.0;
                sums[place + 1] += reward;
                sums[place + 2] += f64::from(u8::from(scored.right(step)));
            }
        })
    }

    pub(super) fn calibrate(&self) -> Option<Calibration> {
        let points = self.choosing().flat_map(|kept| {
            let scored = &kept.scored;
            (0..scored.labelled()).map(|step| {
                (
                    scored.rewards[step],
                    f64::from(u8::from(scored.right(step))),
                )
            })
        });
        let isotonic = Isotonic::fit(points);
        let sums = self.binned(self.reporting(), |reward| reward);
        let after = self.binned(self.reporting(), |reward| isotonic.apply(reward));
        let reliability = sums
            .total()
            .chunks_exact(3)
            .filter(|bin| bin[0] > 0.0)
            .map(|bin| Reliability {
                steps: bin[0] as usize,
                reward: bin[1] / bin[0],
                right: bin[2] / bin[0],
            })
            .collect();
        Some(Calibration {
            ece: sums.measure(error)?,
            ece_isotonic: after.measure(error),
            reliability,
            isotonic,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The least squares of all monotone functions on a grid of eighths, by brute force.
    fn brute(ys: &[f64], from: usize) -> f64 {
        match ys.split_first() {
            None => 0.0,
            Some((y, rest)) => (from..=840)
                .step_by(70)
                .map(|level| (y - level as f64 / 840.0).powi(2) + brute(rest, level))
                .fold(f64::INFINITY, f64::min),
        }
    }

    proptest! {
        #[test]
        fn the_isotonic_fit_is_monotone_and_no_monotone_function_is_closer(
            labels in prop::collection::vec(any::<bool>(), 1..=4),
        ) {
            // blocks of up to four labels have means among the twelfths
            let ys: Vec<f64> = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
            let points: Vec<(f64, f64)> = ys.iter().enumerate().map(|(x, &y)| (x as f64, y)).collect();
            let blocks = pool(&points);
            let fitted: Vec<f64> = blocks
                .iter()
                .flat_map(|block| vec![block.y / block.count; block.count as usize])
                .collect();
            prop_assert!(fitted.is_sorted());
            let squares: f64 = ys.iter().zip(&fitted).map(|(y, fit)| (y - fit).powi(2)).sum();
            prop_assert!((squares - brute(&ys, 0)).abs() < 1e-9, "{squares} {}", brute(&ys, 0));
        }
    }

    #[test]
    fn equal_rewards_are_pooled_and_the_map_is_flat_beyond_its_ends() {
        let map = Isotonic::fit([(0.25, 0.0), (0.75, 1.0), (0.75, 0.0), (0.875, 1.0)]);
        assert_eq!(map.knots, [(0.25, 0.0), (0.75, 0.5), (0.875, 1.0)]);
        assert_eq!(
            [0.0, 0.5, 0.75, 1.0].map(|reward| map.apply(reward)),
            [0.0, 0.25, 0.5, 1.0]
        );
    }
}
