//! A verifier behind a monotone map of its rewards.

use futures::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};

use crate::{Judgement, ModelError, Prefix, Verifier};

/// A verifier behind its map: whoever asks for rewards gets shares of right steps.
pub struct Calibrated<V> {
    /// The verifier as it is.
    pub verifier: V,
    /// What its rewards become.
    pub map: Isotonic,
}

impl<V: Verifier> Verifier for Calibrated<V> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let mut judgements = self.verifier.score(prefixes).await?;
            let rewards = judgements.iter_mut().flat_map(|judged| &mut judged.rewards);
            // What is no reward stays as it is, for the caller to refuse: the map would make a sound number of it.
            for reward in rewards.filter(|reward| (0.0..=1.0).contains(*reward)) {
                *reward = self.map.apply(*reward);
            }
            Ok(judgements)
        }
        .boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        self.verifier.reads(prefix)
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        self.verifier.at_hand(prefix)
    }
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

    /// Says what is wrong with a map from elsewhere: it must map [0, 1] into itself, with ascending knots.
    pub fn check(&self) -> Result<(), String> {
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
