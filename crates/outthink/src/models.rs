//! From what was typed to loaded models.

use std::path::Path;

use anyhow::anyhow;
use outthink_core::{ModelCost, Verifier};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier};
use outthink_micro::StepChecker;
use outthink_micro::family::Member;

use crate::failure::Failure;

/// The exact step checker's name.
pub(crate) const STEP_CHECKER: &str = "step-checker";

/// A verifier of any make.
pub(crate) enum AnyVerifier {
    Model(Box<EmbeddedVerifier>),
    StepChecker(StepChecker),
}

impl AnyVerifier {
    pub(crate) fn as_verifier(&self) -> &dyn Verifier {
        match self {
            Self::Model(model) => model.as_ref(),
            Self::StepChecker(checker) => checker,
        }
    }

    /// The model's shape; the step checker is none.
    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::StepChecker(_) => None,
        }
    }
}

/// A policy by name or folder.
pub(crate) fn policy(name: &str) -> Result<EmbeddedPolicy, Failure> {
    EmbeddedPolicy::load(&checkpoint(name)?)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("policy {name}"))))
}

/// A verifier by name or folder; `none` is none.
pub(crate) fn verifier(name: &str) -> Result<Option<AnyVerifier>, Failure> {
    if name == "none" {
        return Ok(None);
    }
    if name == STEP_CHECKER {
        return Ok(Some(AnyVerifier::StepChecker(StepChecker)));
    }
    let model = EmbeddedVerifier::load(&checkpoint(name)?)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("verifier {name}"))))?;
    Ok(Some(AnyVerifier::Model(Box::new(model))))
}

fn checkpoint(name: &str) -> Result<Checkpoint, Failure> {
    if let Some(member) = Member::find(name) {
        return Ok(member.checkpoint());
    }
    let folder = Path::new(name);
    if !folder.is_dir() {
        let known: Vec<&str> = Member::all().map(|member| member.name).collect();
        return Err(Failure::Input(anyhow!(
            "unknown model `{name}`: no folder of that name, and none of {}",
            known.join(", ")
        )));
    }
    Checkpoint::read(folder).map_err(Failure::input)
}
