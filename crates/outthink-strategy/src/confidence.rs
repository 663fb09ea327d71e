//! How sure one may be of an answer: what was predicted before the search, and in the end how many of its draws agree and how a
//! verifier rewards it.
//!
//! A logistic regression makes one score of both; isotonic regression (pool adjacent violators) corrects the chance that the
//! score stands for, on scores of problems that the regression has not seen.

use outthink_core::Isotonic;
use serde::{Deserialize, Serialize};

use crate::linear::{Linear, logistic, logit};

/// Rows that a step of the isotonic curve rests on, at least.
const STEP: usize = 20;

/// A calibrated confidence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confidence {
    /// Intercept, and the weights of [`inputs`].
    weights: Vec<f64>,
    /// Scores, ascending, and the chance at each.
    curve: Isotonic,
}

/// One that was predicted and came to its end.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The chance that was predicted.
    pub said: f64,
    /// Did the search go step by step? Its draws begin alike, so that they agree more easily.
    pub stepwise: bool,
    /// Draws with the answer that was taken.
    pub votes: f64,
    /// Draws with an answer.
    pub all: f64,
    /// The reward of the best solution with the answer that was taken; none without a verifier.
    pub reward: Option<f64>,
}

/// The logits of the predicted chance, of the share of votes, which few votes leave near one half, of the latter once more for a
/// search step by step, and of the reward.
fn inputs(own: &Ended) -> Vec<f64> {
    let share = logit((own.votes + 1.0) / (own.all + 2.0));
    let stepwise = if own.stepwise { share } else { 0.0 };
    let reward = own.reward.map_or(0.0, logit);
    vec![logit(own.said), share, stepwise, reward]
}

impl Confidence {
    /// Fits it: `right` is 1 or 0, `folds` the fold of each row, numbered from 0.
    pub fn fit(ended: &[Ended], right: &[f64], folds: &[usize]) -> Self {
        let rows: Vec<Vec<f64>> = ended.iter().map(inputs).collect();
        let mut pairs = Vec::with_capacity(rows.len());
        for fold in 0..folds.iter().max().map_or(0, |most| most + 1) {
            let part = |held: bool| -> (Vec<Vec<f64>>, Vec<f64>) {
                let own = (0..rows.len()).filter(|&row| (folds[row] == fold) == held);
                own.map(|row| (rows[row].clone(), right[row])).unzip()
            };
            let (others, rights) = part(false);
            let linear = Linear::fit_logistic(&others, &rights);
            let (held, rights) = part(true);
            pairs.extend(held.iter().map(|row| linear.at(row)).zip(rights));
        }
        Self {
            weights: Linear::fit_logistic(&rows, right).0,
            curve: isotonic(pairs),
        }
    }

    /// The chance that the answer is right.
    pub fn at(&self, ended: &Ended) -> f64 {
        let linear = Linear(self.weights.clone());
        let score = linear.at(&inputs(ended));
        self.curve.apply(score)
    }

    /// The one chance that it has for every problem alike, if it tells none apart.
    pub(crate) fn average(&self) -> Option<f64> {
        match self.curve.knots[..] {
            [(_, chance)] => Some(chance),
            _ => None,
        }
    }

    /// To as many digits as are written.
    pub fn rounded(self, digits: fn(f64) -> f64) -> Self {
        let knots = self.curve.knots.into_iter();
        Self {
            weights: self.weights.into_iter().map(digits).collect(),
            curve: Isotonic {
                knots: knots
                    .map(|(score, chance)| (digits(score), digits(chance)))
                    .collect(),
            },
        }
    }

    /// Is it one that can have been fitted?
    pub(crate) fn is_sound(&self) -> bool {
        let knots = &self.curve.knots;
        let sound =
            |(score, chance): &(f64, f64)| score.is_finite() && (0.0..=1.0).contains(chance);
        self.weights.len() == 5
            && self.weights.iter().all(|weight| weight.is_finite())
            && !knots.is_empty()
            && knots.iter().all(sound)
            && knots
                .windows(2)
                .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1)
    }
}

/// The rising curve through steps of at least [`STEP`] pairs, equal scores together. Each is pulled towards the regression's own
/// chance as by another [`STEP`] pairs: so few say little against it, and nothing is ever certain.
fn isotonic(mut pairs: Vec<(f64, f64)>) -> Isotonic {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut steps, mut from) = (Vec::new(), 0);
    for to in 1..=pairs.len() {
        let whole = to - from >= STEP && pairs.get(to).is_none_or(|next| next.0 > pairs[to - 1].0);
        if whole || to == pairs.len() {
            let step = &pairs[from..to];
            let count = step.len() as f64;
            let score = step.iter().map(|pair| pair.0).sum::<f64>() / count;
            let right: f64 = step.iter().map(|pair| pair.1).sum();
            let pull = STEP as f64;
            let chance = (right + pull * logistic(score)) / (count + pull);
            steps.push((score, chance));
            from = to;
        }
    }
    Isotonic::fit(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};

    proptest! {
        #[test]
        fn the_curve_rises_and_is_never_certain(pairs in prop::collection::vec((-3.0..3.0f64, prop::bool::ANY), 1..200)) {
            let pairs: Vec<(f64, f64)> = pairs.into_iter().map(|(s, r)| (s, f64::from(u8::from(r)))).collect();
            let Isotonic { knots } = isotonic(pairs.clone());
            prop_assert!(knots.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1));
            prop_assert!(knots.iter().all(|knot| knot.1 > 0.0 && knot.1 < 1.0));
            prop_assert!(!knots.is_empty() && knots.len() <= pairs.len() / STEP + 1);
        }
    }

    /// Votes of which the share that agree is how likely the answer is right, and a prediction that knows nothing.
    fn voted(count: usize, seed: u64) -> (Vec<Ended>, Vec<f64>) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let one = |_| {
            let share: f64 = rng.random_range(0.3..1.0);
            let ended = Ended {
                said: 0.7,
                stepwise: false,
                votes: (64.0 * share).round(),
                all: 64.0,
                reward: None,
            };
            (ended, f64::from(u8::from(rng.random_bool(share.powi(2)))))
        };
        (0..count).map(one).unzip()
    }

    #[test]
    fn agreement_tells_more_than_a_prediction_that_knows_nothing() {
        let (ended, right) = voted(1000, 1);
        let folds: Vec<usize> = (0..1000).map(|row| row % 5).collect();
        let confidence = Confidence::fit(&ended, &right, &folds);
        assert!(confidence.is_sound());
        let (unseen, came) = voted(2000, 2);
        let brier = |of: &dyn Fn(&Ended) -> f64| {
            let squares = unseen
                .iter()
                .zip(&came)
                .map(|(own, came)| (of(own) - came).powi(2));
            squares.sum::<f64>() / 2000.0
        };
        let mean = came.iter().sum::<f64>() / 2000.0;
        let (with, without) = (brier(&|own| confidence.at(own)), brier(&|_| mean));
        let best = brier(&|own| (own.votes / 64.0).powi(2));
        assert!(
            with < without - 0.03 && with < best + 0.01,
            "{with} {without} {best}"
        );
    }
}
