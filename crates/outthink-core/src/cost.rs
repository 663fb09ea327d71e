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

/// Work of one model that costs something; a mean or an expectation need not be whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Expected {
    /// Tokens drawn.
    pub generated: f64,
    /// Tokens run through the model.
    pub computed: f64,
    /// Pairs of a computed token and one that it attends to.
    pub attended: f64,
}

impl From<Usage> for Expected {
    fn from(usage: Usage) -> Self {
        Self {
            generated: usage.generated as f64,
            computed: usage.computed as f64,
            attended: usage.attended as f64,
        }
    }
}

impl AddAssign for Expected {
    fn add_assign(&mut self, other: Self) {
        self.generated += other.generated;
        self.computed += other.computed;
        self.attended += other.attended;
    }
}

impl Expected {
    /// A fraction of it.
    pub fn scaled(self, by: f64) -> Self {
        Self {
            generated: self.generated * by,
            computed: self.computed * by,
            attended: self.attended * by,
        }
    }
}

/// The shape of a model, as far as cost depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCost {
    /// Parameters, embeddings included (as papers count them).
    pub parameters: u64,
    /// Decoder layers.
    pub layers: u64,
    /// Query heads × head size.
    pub attention_width: u64,
    /// Parameters that one token uses, where they are fewer than all: a mixture of experts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
}

impl ModelCost {
    /// What is no model, such as an exact checker, computes nothing.
    pub const FREE: Self = Self::of_size(0);

    /// A dense model of which no more than its size is known: what attention costs is left out.
    pub const fn of_size(parameters: u64) -> Self {
        Self {
            parameters,
            layers: 0,
            attention_width: 0,
            active: None,
        }
    }

    /// Parameters that one token uses: all, or those of a mixture of experts that are active.
    pub fn used(&self) -> u64 {
        self.active.unwrap_or(self.parameters)
    }

    /// The paper's convention (arXiv 2502.06703, Table 4): `2 · parameters · generated tokens`; prompt, attention and
    /// verifier are free.
    pub fn paper_flops(&self, work: impl Into<Expected>) -> f64 {
        2.0 * self.used() as f64 * work.into().generated
    }

    /// Everything computed: `2 · parameters` for every token run through the model, and for attention
    /// `4 · layers · width` for every pair of a token and one it attends to. Tokens found in the cache cost nothing.
    pub fn full_flops(&self, work: impl Into<Expected>) -> f64 {
        let work = work.into();
        2.0 * self.used() as f64 * work.computed
            + 4.0 * (self.layers * self.attention_width) as f64 * work.attended
    }
}

/// Floating-point operations of a search by both conventions; none where a model that counts is of unknown shape.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flops {
    /// See [`ModelCost::paper_flops`].
    pub paper: Option<f64>,
    /// See [`ModelCost::full_flops`]: the policy's and every verifier's.
    pub full: Option<f64>,
}

impl Flops {
    /// The policy's shape and work, and those of each verifier that was asked.
    pub fn of<W: Into<Expected>>(
        policy: (Option<ModelCost>, W),
        verifiers: impl IntoIterator<Item = (Option<ModelCost>, W)>,
    ) -> Self {
        let (shape, drawn) = (policy.0, policy.1.into());
        let mut full = shape.map(|shape| shape.full_flops(drawn));
        for (shape, read) in verifiers {
            let read = shape.map(|shape| shape.full_flops(read));
            full = full.zip(read).map(|(sum, read)| sum + read);
        }
        Self {
            paper: shape.map(|shape| shape.paper_flops(drawn)),
            full,
        }
    }
}

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spending {
    /// What the policy worked through.
    pub policy: Usage,
    /// What all verifiers worked through.
    pub verifier: Usage,
    /// See [`Flops::paper`].
    pub flops_paper: Option<f64>,
    /// See [`Flops::full`].
    pub flops_full: Option<f64>,
}

impl Spending {
    /// The policy's shape and usage, and those of each verifier that was asked.
    pub fn of(
        policy: (Option<ModelCost>, Usage),
        verifiers: impl IntoIterator<Item = (Option<ModelCost>, Usage)>,
    ) -> Self {
        let verifiers: Vec<(Option<ModelCost>, Usage)> = verifiers.into_iter().collect();
        let verifier = verifiers.iter().map(|(_, usage)| *usage).sum();
        let drawn = policy.1;
        let Flops { paper, full } = Flops::of(policy, verifiers);
        Self {
            policy: drawn,
            verifier,
            flops_paper: paper,
            flops_full: full,
        }
    }
}
