//! What a unit costs by itself, at every number of draws.
//!
//! What a model reports depends on what else it had computed: a search finds the question in the cache because another
//! one asked it before. Here each token of the unit's own tree counts once, whoever computed it. A token that `c` of `M`
//! draws share is needed by `n` of them, taken at random, with probability `1 - C(M-c, n) / C(M, n)`; so one pool tells
//! the expected cost of every smaller one.

use std::collections::BTreeMap;

use outthink_core::{Expected, SharedTokens, Usage};
use serde::{Deserialize, Serialize};

use crate::estimate::binomial::Factorials;

/// The cost of a unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// How many draws it had: a pool's samples, a search's budget.
    pub draws: u64,
    /// What the policy worked through.
    pub policy: Work,
    /// What the verifier worked through.
    pub verifier: Work,
}

/// What one model works through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Tokens drawn, duplicates included.
    pub generated: u64,
    /// `(c, tokens, attended)`: tokens that `c` draws share, and how many tokens they attend to together.
    pub shared: Vec<(u64, u64, u64)>,
}

impl Spent {
    /// Policy's and verifier's work for `n` of the draws, taken at random.
    pub fn at(&self, n: u64, factorials: &Factorials) -> (Expected, Expected) {
        let work = |work: &Work| {
            let n = n.min(self.draws);
            let mut expected = Expected {
                generated: work.generated as f64 * n as f64 / self.draws.max(1) as f64,
                ..Expected::default()
            };
            for &(sharers, tokens, attended) in &work.shared {
                let needed = 1.0 - factorials.none_of(self.draws, sharers.min(self.draws), n);
                expected.computed += needed * tokens as f64;
                expected.attended += needed * attended as f64;
            }
            expected
        };
        (work(&self.policy), work(&self.verifier))
    }
}

impl Work {
    /// The work of computing each token once after a beginning of `prompt` tokens, which all `draws` share.
    pub fn shared(tokens: &SharedTokens, prompt: u64, draws: u64, generated: u64) -> Self {
        let mut shares: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        if prompt > 0 {
            shares.insert(draws, (prompt, prompt * (prompt + 1) / 2));
        }
        // What was at hand for all who read it costs nothing.
        for token in tokens.tokens().iter().filter(|token| token.samples > 0) {
            let share = shares.entry(token.samples.min(draws)).or_default();
            share.0 += 1;
            share.1 += prompt + token.depth;
        }
        Self {
            generated,
            shared: shares
                .into_iter()
                .map(|(sharers, (tokens, attended))| (sharers, tokens, attended))
                .collect(),
        }
    }

    /// As a model reports it, where its tokens are not known: each draw's own, but for the prompt, which all share.
    pub fn reported(usage: &Usage, draws: u64, prompt: u64) -> Self {
        let prompt = prompt.min(usage.computed);
        let rest = usage.computed - prompt;
        let own = |tokens: u64| {
            (usage.attended as f64 * tokens as f64 / usage.computed.max(1) as f64) as u64
        };
        let shared = [(draws, prompt, own(prompt)), (1, rest, own(rest))];
        Self {
            generated: usage.generated,
            shared: shared.into_iter().filter(|share| share.1 > 0).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_cost_of_a_subset_is_its_average_over_all_subsets() {
        let draws: [&[u32]; 4] = [&[1, 2, 3], &[1, 2, 4], &[1, 2, 3], &[5]];
        let work = |chosen: &[usize]| {
            let mut tokens = SharedTokens::default();
            for &draw in chosen {
                tokens.insert(draws[draw].iter().copied(), 1);
            }
            let work = Work::shared(&tokens, 2, chosen.len() as u64, 0);
            let sum = |part: fn(&(u64, u64, u64)) -> u64| work.shared.iter().map(part).sum::<u64>();
            (sum(|share| share.1) as f64, sum(|share| share.2) as f64)
        };
        let mut whole = SharedTokens::default();
        for draw in draws {
            whole.insert(draw.iter().copied(), 1);
        }
        let spent = Spent {
            draws: 4,
            policy: Work::shared(&whole, 2, 4, 10),
            verifier: Work::default(),
        };
        let pairs = [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]];
        let mean = |part: fn((f64, f64)) -> f64| {
            pairs.iter().map(|pair| part(work(pair))).sum::<f64>() / 6.0
        };
        let (expected, _) = spent.at(2, &Factorials::to(4));
        assert!((expected.computed - mean(|work| work.0)).abs() < 1e-9);
        assert!((expected.attended - mean(|work| work.1)).abs() < 1e-9);
        assert!((expected.generated - 5.0).abs() < 1e-9);
        let (whole, _) = spent.at(4, &Factorials::to(4));
        assert!((whole.computed - work(&[0, 1, 2, 3]).0).abs() < 1e-9);
    }
}
