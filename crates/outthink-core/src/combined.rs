//! Several verifiers as one.

use futures::future::{BoxFuture, FutureExt, try_join_all};
use serde::{Deserialize, Serialize};

use crate::{Judgement, ModelCost, ModelError, Prefix, Usage, Verifier};

/// Rewards nearer to 0 or 1 than this count as this: no single verifier is so sure that the others have no say.
const SURE: f64 = 1e-6;

/// The log-odds of a reward, within ±13.8.
pub fn log_odds(reward: f64) -> f64 {
    let reward = reward.clamp(SURE, 1.0 - SURE);
    (reward / (1.0 - reward)).ln()
}

/// Weights of several verifiers, as a file holds them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combination {
    /// What they were fitted on.
    #[serde(default)]
    pub fitted_on: String,
    /// Added to the weighted log-odds, in nats.
    pub bias: f64,
    /// The verifiers.
    pub verifiers: Vec<Weighted>,
}

impl Combination {
    /// Says what is wrong with a combination from elsewhere: it has verifiers, and its weights are numbers.
    pub fn check(&self) -> Result<(), String> {
        if self.verifiers.is_empty() {
            return Err("it names no verifiers".into());
        }
        let odd = self.verifiers.iter().find(|own| !own.weight.is_finite());
        match odd {
            Some(Weighted { model, weight }) => Err(format!("the weight of {model} is {weight}")),
            None if !self.bias.is_finite() => Err(format!("its bias is {}", self.bias)),
            None => Ok(()),
        }
    }
}

/// A verifier of a combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weighted {
    /// A model, as `--verifier` takes it.
    pub model: String,
    /// The weight of its log-odds.
    pub weight: f64,
}

/// Several verifiers as one: the log-odds of its reward are the weighted sum of theirs, plus a bias.
///
/// With weights of 1 and no bias this is naive Bayes at even odds: each verifier is a witness of its own. Weights below 1 discount
/// what the witnesses have in common.
pub struct Combined<V> {
    members: Vec<(V, f64)>,
    bias: f64,
}

impl<V> Combined<V> {
    /// Verifiers with their weights, and the bias, in nats of log-odds.
    pub fn new(members: Vec<(V, f64)>, bias: f64) -> Self {
        Self { members, bias }
    }

    /// The verifiers.
    pub fn members(&self) -> impl Iterator<Item = &V> {
        self.members.iter().map(|(member, _)| member)
    }

    /// Weights in the members' order, and the bias.
    pub fn weights(&self) -> (Vec<f64>, f64) {
        let weights = self.members.iter().map(|(_, weight)| *weight);
        (weights.collect(), self.bias)
    }

    /// The reward of one step, from each member's.
    pub fn reward(&self, rewards: impl IntoIterator<Item = f64>) -> f64 {
        let weighed = self.members.iter().zip(rewards);
        let sum: f64 = weighed
            .map(|((_, weight), reward)| weight * log_odds(reward))
            .sum();
        1.0 / (1.0 + (-(self.bias + sum)).exp())
    }
}

/// The shape of all together: each token is read by every one. The larger attention stands for both, layers are stacked.
pub fn combined_cost(members: impl IntoIterator<Item = ModelCost>) -> ModelCost {
    let mut sum = ModelCost::FREE;
    for cost in members {
        sum.active = match (sum.active, cost.active) {
            (None, None) => None,
            _ => Some(sum.used() + cost.used()),
        };
        sum.parameters += cost.parameters;
        sum.layers += cost.layers;
        sum.attention_width = sum.attention_width.max(cost.attention_width);
    }
    sum
}

impl<V: Verifier> Verifier for Combined<V> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let asked = self
                .members
                .iter()
                .map(|(member, _)| member.score(prefixes.clone()));
            let judged = try_join_all(asked).await?;
            let mut combined = Vec::with_capacity(prefixes.len());
            for (place, prefix) in prefixes.iter().enumerate() {
                let mut own: Vec<&Judgement> = Vec::with_capacity(judged.len());
                for judgements in &judged {
                    let judgement = judgements.get(place).filter(|own| {
                        // What is no reward is for the caller to refuse: a sum would make a sound number of it.
                        let unit = own
                            .rewards
                            .iter()
                            .all(|reward| (0.0..=1.0).contains(reward));
                        unit && own.rewards.len() == prefix.steps.len()
                    });
                    own.push(
                        judgement.ok_or(
                            "a verifier of several gave no reward from 0 to 1 for each step",
                        )?,
                    );
                }
                let rewards = (0..prefix.steps.len())
                    .map(|step| self.reward(own.iter().map(|own| own.rewards[step])));
                combined.push(Judgement {
                    rewards: rewards.collect(),
                    usage: own.iter().map(|own| own.usage).fold(Usage::default(), most),
                });
            }
            Ok(combined)
        }
        .boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        self.members.first()?.0.reads(prefix)
    }
}

/// The shape of several models is that of one that does the work of all on each token, so the tokens are those of the one that
/// reads most.
fn most(a: Usage, b: Usage) -> Usage {
    if b.computed > a.computed { b } else { a }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::sync::Arc;

    use futures::executor::block_on;
    use futures::future::ready;
    use proptest::prelude::*;

    use super::*;
    use crate::{Problem, Step};

    struct Says(Vec<f64>, u64);

    impl Verifier for Says {
        fn score(
            &self,
            prefixes: Vec<Prefix>,
        ) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
            let usage = Usage {
                computed: self.1,
                ..Usage::default()
            };
            let judge = |_| Judgement {
                rewards: self.0.clone(),
                usage,
            };
            ready(Ok(prefixes.into_iter().map(judge).collect())).boxed()
        }
    }

    fn two_steps() -> Prefix {
        Prefix {
            problem: Arc::new(Problem::new("?")),
            steps: ["a", "b"].map(|text| Arc::new(Step::written(text))).into(),
            complete: true,
        }
    }

    #[test]
    fn witnesses_at_even_odds_multiply_their_odds() {
        let both = Combined::new(
            vec![
                (Says(vec![0.75, 0.5], 7), 1.0),
                (Says(vec![0.75, 0.2], 9), 1.0),
            ],
            0.0,
        );
        let judged = block_on(both.score(vec![two_steps()])).unwrap();
        // Odds of 3 · 3 = 9, and of 1 · 1/4.
        assert!((judged[0].rewards[0] - 0.9).abs() < 1e-12);
        assert!((judged[0].rewards[1] - 0.2).abs() < 1e-12);
        assert_eq!(judged[0].usage.computed, 9);
    }

    #[test]
    fn what_is_no_reward_is_an_error_whatever_the_others_say() {
        for odd in [vec![0.5], vec![0.5, f64::NAN], vec![0.5, 1.5]] {
            let both = Combined::new(
                vec![(Says(vec![0.5, 0.5], 0), 1.0), (Says(odd, 0), 0.0)],
                0.0,
            );
            assert!(block_on(both.score(vec![two_steps()])).is_err());
        }
    }

    #[test]
    fn the_cost_is_that_of_reading_with_all() {
        let dense = ModelCost {
            parameters: 10,
            layers: 2,
            attention_width: 4,
            active: None,
        };
        let mixture = ModelCost {
            parameters: 30,
            layers: 3,
            attention_width: 2,
            active: Some(5),
        };
        let both = combined_cost([dense, mixture]);
        assert_eq!(
            (
                both.parameters,
                both.used(),
                both.layers,
                both.attention_width
            ),
            (40, 15, 5, 4)
        );
        assert_eq!(combined_cost([dense, dense]).used(), 20);
    }

    proptest! {
        #[test]
        fn a_combined_reward_is_a_reward_and_rises_with_each(
            rewards in prop::collection::vec(0.0..=1.0f64, 1..5),
            weights in prop::collection::vec(0.0..4.0f64, 5),
            bias in -4.0..4.0f64,
            higher in 0usize..5,
        ) {
            let members: Vec<(Says, f64)> = rewards.iter().zip(weights).map(|(_, weight)| (Says(Vec::new(), 0), weight)).collect();
            let all = Combined::new(members, bias);
            let reward = all.reward(rewards.iter().copied());
            prop_assert!((0.0..=1.0).contains(&reward));
            let mut more = rewards.clone();
            let place = higher % more.len();
            more[place] = 1.0;
            prop_assert!(all.reward(more) >= reward);
        }
    }
}
