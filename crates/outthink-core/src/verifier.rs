//! The model that scores each step: a process reward model (PRM).

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::{ModelError, Problem, Step, Usage};

/// A request: score a solution, or the beginning of one.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// What is asked.
    pub problem: Arc<Problem>,
    /// The steps so far: at least one, none of them blank.
    pub steps: Vec<Arc<Step>>,
    /// Does the last step end the answer?
    pub complete: bool,
}

/// What a verifier says of one prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// One reward in [0, 1] a step.
    pub rewards: Vec<f64>,
    /// What it cost.
    pub usage: Usage,
}

/// A process reward model.
pub trait Verifier: Send + Sync {
    /// One judgement a prefix, in order. A reply that cannot be trusted is an error, never a score.
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>>;

    /// The token ids that it reads for a prefix, so that a search can count each of them once; none where they are unknown. A
    /// verifier that wraps another hands this on.
    fn reads(&self, _prefix: &Prefix) -> Option<Vec<u32>> {
        None
    }

    /// How many tokens at the beginning of [`Self::reads`] the policy has computed by the time they are read: none, but for a
    /// verifier on the policy's own engine. A search does not count these again.
    fn at_hand(&self, _prefix: &Prefix) -> usize {
        0
    }
}

impl<V: Verifier + ?Sized> Verifier for &V {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        (**self).score(prefixes)
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        (**self).reads(prefix)
    }
    fn at_hand(&self, prefix: &Prefix) -> usize {
        (**self).at_hand(prefix)
    }
}
