//! What a search costs: counts that add up exactly, and floating-point operations by two conventions.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Tokens that one model worked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prefixes sent.
    pub requests: u64,
    /// Tokens of those prefixes.
    pub prompt: u64,
    /// Of them, tokens that this request did not have to compute: another one did.
    pub cached: u64,
    /// Tokens drawn, duplicates included.
    pub generated: u64,
    /// Tokens run through the model: each counted once, for the request that needed it first.
    pub computed: u64,
    /// Sum over the computed tokens of how many tokens each attended to.
    pub attended: u64,
    /// Requests whose tokens were counted or guessed on this side because the server did not tell all of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub estimated: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            prompt: self.prompt + other.prompt,
            cached: self.cached + other.cached,
            generated: self.generated + other.generated,
            computed: self.computed + other.computed,
            attended: self.attended + other.attended,
            estimated: self.estimated + other.estimated,
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

/// The shape of a model, as far as cost depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCost {
    /// Parameters, embeddings included (as papers count them).
    pub parameters: u64,
    /// Decoder layers.
    pub layers: u64,
    /// Query heads × head size.
    pub attention_width: u64,
}

impl ModelCost {
    /// The paper's convention (arXiv 2502.06703, Table 4): `2 · parameters · generated tokens`; prompt, attention and
    /// verifier are free.
    pub fn paper_flops(&self, usage: &Usage) -> f64 {
        2.0 * self.parameters as f64 * usage.generated as f64
    }

    /// Everything computed: `2 · parameters` for every token run through the model, and for attention
    /// `4 · layers · width` for every pair of a token and one it attends to. Tokens found in the cache cost nothing.
    pub fn full_flops(&self, usage: &Usage) -> f64 {
        2.0 * self.parameters as f64 * usage.computed as f64
            + 4.0 * (self.layers * self.attention_width) as f64 * usage.attended as f64
    }
}
