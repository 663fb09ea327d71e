//! What a policy tells of each token that it drew.

use serde::{Deserialize, Serialize};

use crate::Step;

/// Statistics of a step's tokens, each list one value a token or, where not every token's is known, empty. In nats, to three
/// digits after the point: what weighs samples by them needs no more, and stores keep millions.
///
/// ```
/// let stats = outthink_core::TokenStats::of(2, vec![-0.1, -2.30259], vec![0.5]);
/// assert_eq!(stats.logprobs, [-0.1, -2.303]);
/// assert!(stats.entropies.is_empty(), "one of two is unknown");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenStats {
    /// Log-probability of the token drawn, before temperature and truncation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f32>,
    /// Entropy of the distribution that it was drawn from, before temperature and truncation. A server that tells the likeliest
    /// tokens only gives that of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entropies: Vec<f32>,
}

impl TokenStats {
    /// Of so many tokens.
    pub fn of(tokens: usize, logprobs: Vec<f32>, entropies: Vec<f32>) -> Self {
        let rounded = |values: Vec<f32>| match values.len() == tokens {
            true => values.into_iter().map(rounded).collect(),
            false => Vec::new(),
        };
        Self {
            logprobs: rounded(logprobs),
            entropies: rounded(entropies),
        }
    }

    /// Of all tokens of a solution's steps.
    pub fn joined<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Self {
        let (mut all, mut tokens) = (Self::default(), 0);
        for step in steps {
            all.append([tokens, step.tokens.len()], step.stats.clone());
            tokens += step.tokens.len();
        }
        all
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.logprobs.is_empty() && self.entropies.is_empty()
    }

    /// Goes on with those of the tokens that follow; `tokens` are how many there are before and after.
    pub(crate) fn append(&mut self, tokens: [usize; 2], next: Self) {
        for (own, next) in [
            (&mut self.logprobs, next.logprobs),
            (&mut self.entropies, next.entropies),
        ] {
            match [own.len(), next.len()] == tokens {
                true => own.extend(next),
                false => own.clear(),
            }
        }
    }
}

fn rounded(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_value_for_every_token_or_none() {
        let mut stats = TokenStats::of(1, vec![-0.5], vec![0.25]);
        stats.append([1, 2], TokenStats::of(2, vec![-1.0, -1.5], vec![0.5]));
        assert_eq!(stats.logprobs, [-0.5, -1.0, -1.5]);
        assert_eq!(stats.entropies, Vec::<f32>::new());
        stats.append([3, 0], TokenStats::default());
        assert_eq!(stats.logprobs.len(), 3, "nothing followed");
    }
}
