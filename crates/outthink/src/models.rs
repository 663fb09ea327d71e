//! From what was typed to loaded models.

use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_core::{ModelCost, Verifier};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier};
use outthink_micro::StepChecker;
use outthink_micro::family::Member;
use outthink_prompt::Profile;

use crate::failure::Failure;
use crate::hub::HubId;

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

    /// The profile in force; the step checker has none.
    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Model(model) => Some(model.profile_name()),
            Self::StepChecker(_) => None,
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

/// A profile by name, or from a file.
fn profile(name: Option<&str>) -> Result<Option<Profile>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    if !name.ends_with(".toml") {
        return Profile::named(name).map(Some).map_err(Failure::input);
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("cannot read {name}"));
    let parsed = Profile::parse(&text.map_err(Failure::Input)?).with_context(|| name.to_owned());
    parsed.map(Some).map_err(Failure::Input)
}

/// A policy by name, folder or hub id, under the profile that fits it or the one that is named.
pub(crate) fn policy(name: &str, under: Option<&str>) -> Result<EmbeddedPolicy, Failure> {
    EmbeddedPolicy::load(&checkpoint(name)?, profile(under)?)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("policy {name}"))))
}

/// A verifier by name, folder or hub id; `none` is none.
pub(crate) fn verifier(name: &str, under: Option<&str>) -> Result<Option<AnyVerifier>, Failure> {
    if name == "none" {
        return Ok(None);
    }
    if name == STEP_CHECKER {
        return Ok(Some(AnyVerifier::StepChecker(StepChecker)));
    }
    let model = EmbeddedVerifier::load(&checkpoint(name)?, profile(under)?)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("verifier {name}"))))?;
    Ok(Some(AnyVerifier::Model(Box::new(model))))
}

fn checkpoint(name: &str) -> Result<Checkpoint, Failure> {
    if let Some(member) = Member::find(name) {
        return Ok(member.checkpoint());
    }
    let folder = Path::new(name);
    if folder.is_dir() {
        return Checkpoint::read(folder).map_err(Failure::input);
    }
    if let Some(id) = HubId::parse(name) {
        return Checkpoint::read(&id.cached().map_err(Failure::Input)?).map_err(Failure::input);
    }
    let known: Vec<&str> = Member::all().map(|member| member.name).collect();
    Err(Failure::Input(anyhow!(
        "unknown model `{name}`: no folder of that name, no hub id, and none of {}",
        known.join(", ")
    )))
}
