//! Models, ready to work, with what is known of them.

use std::sync::Arc;

use outthink_core::{Limits, ModelInfo, Policy, Sampling, Verifier};

/// A policy, ready to draw.
pub struct PolicyModel {
    /// What it is.
    pub info: ModelInfo,
    /// The model.
    pub model: Arc<dyn Policy>,
    /// How it draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
    /// How many draws keep it busy.
    pub target_in_flight: usize,
    /// A hash of the samples that it stands for, where another program drew them.
    pub imported: Option<String>,
}

/// A verifier, ready to score.
pub struct VerifierModel {
    /// What it is.
    pub info: ModelInfo,
    /// The model.
    pub model: Arc<dyn Verifier>,
}
