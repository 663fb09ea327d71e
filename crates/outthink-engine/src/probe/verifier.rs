//! A probe as a verifier, on the policy's own engine.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelCost, ModelError, Prefix, Probe, Verifier};

use super::StateReader;
use crate::engine::EngineCounts;
use crate::{EmbeddedPolicy, Error, ProbeFileError};

/// A head on the hidden states of a policy. It reads the tree of tokens that the policy has computed, so that a reward costs no more
/// than the head's own multiplications where the state is there.
pub struct ProbeVerifier {
    reader: StateReader,
    probe: Probe,
}

impl ProbeVerifier {
    /// A probe on the engine of its policy. That it is its policy is for the caller to know: states of another one are as many
    /// numbers, and mean nothing.
    ///
    /// # Errors
    ///
    /// The policy's states have another size than those that the probe was fitted on.
    pub fn new(policy: &EmbeddedPolicy, probe: Probe) -> Result<Self, ProbeFileError> {
        let reader = StateReader::new(policy, probe.layout.statistics.clone());
        let (hidden, fitted) = (reader.layout().hidden, probe.layout.hidden);
        if hidden != fitted {
            return Err(ProbeFileError::OtherStates { hidden, fitted });
        }
        probe.check().map_err(ProbeFileError::Malformed)?;
        Ok(Self { reader, probe })
    }

    /// The policy's shape, with the head: what a token costs that is not at hand. Where all are, the head's own multiplications are
    /// all that is spent, and are not counted.
    pub fn cost(&self) -> ModelCost {
        let policy = self.reader.policy().cost();
        let head = self.probe.head.parameters();
        ModelCost {
            parameters: policy.parameters + head,
            active: policy.active.map(|active| active + head),
            ..policy
        }
    }

    /// Work done by the engine so far, which is the policy's too.
    pub fn counts(&self) -> EngineCounts {
        self.reader.policy().counts()
    }

    /// The policy that it reads.
    pub fn policy(&self) -> &EmbeddedPolicy {
        self.reader.policy()
    }

    /// What was fitted.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    async fn judge(&self, prefixes: Vec<Prefix>) -> Result<Vec<Judgement>, Arc<Error>> {
        let read = self.reader.read(&prefixes).await?;
        let judge = |(rows, usage): (Vec<Vec<f32>>, _)| Judgement {
            rewards: rows.iter().map(|row| self.probe.reward(row)).collect(),
            usage,
        };
        let judged: Vec<Judgement> = read.into_iter().map(judge).collect();
        let mut rewards = judged.iter().flat_map(|own| &own.rewards);
        match rewards.all(|reward| reward.is_finite()) {
            true => Ok(judged),
            false => Err(Arc::new(Error::NotANumber)),
        }
    }
}

impl Verifier for ProbeVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move { Ok(self.judge(prefixes).await?) }.boxed()
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        Some(self.reader.path(prefix).ok()?.tokens)
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        self.reader.path(prefix).map_or(0, |path| path.drawn)
    }
}
