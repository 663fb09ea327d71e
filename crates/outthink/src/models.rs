//! From what was typed to loaded models.

use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_core::{ModelCost, Verifier};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier, Precision};
use outthink_micro::StepChecker;
use outthink_micro::family::Member;
use outthink_prompt::Profile;

use crate::cli::{PolicyChoice, VerifierChoice};
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

/// A policy under the profile that fits it or the one that is named.
pub(crate) fn policy(choice: &PolicyChoice) -> Result<EmbeddedPolicy, Failure> {
    let profile = profile(choice.policy_profile.as_deref())?;
    EmbeddedPolicy::load(&checkpoint(choice.name(), choice.dtype)?, profile).map_err(|error| {
        Failure::Input(anyhow!(error).context(format!("policy {}", choice.name())))
    })
}

/// A verifier, likewise; `none` is none.
pub(crate) fn verifier(choice: &VerifierChoice) -> Result<Option<AnyVerifier>, Failure> {
    let name = choice.name();
    if name == "none" {
        return Ok(None);
    }
    if name == STEP_CHECKER {
        return Ok(Some(AnyVerifier::StepChecker(StepChecker)));
    }
    let model = checkpoint(name, choice.verifier_dtype)?;
    let reference = choice.verifier_reference.as_deref();
    let reference = reference
        .map(|name| checkpoint(name, choice.verifier_dtype))
        .transpose()?;
    let profile = profile(choice.verifier_profile.as_deref())?;
    let mut verifier = EmbeddedVerifier::load(&model, reference.as_ref(), profile)
        .map_err(|error| Failure::Input(anyhow!(error).context(format!("verifier {name}"))))?;
    if choice.verifier_windows {
        verifier = verifier.with_windows();
    }
    Ok(Some(AnyVerifier::Model(Box::new(verifier))))
}

/// The files of a model: of the micro family, of a folder, a GGUF file, or the hub's.
pub(crate) fn checkpoint(name: &str, precision: Precision) -> Result<Checkpoint, Failure> {
    let mut checkpoint = if let Some(member) = Member::find(name) {
        member.checkpoint()
    } else if Path::new(name).exists() {
        read(Path::new(name))?
    } else if let Some(id) = HubId::parse(name) {
        read(&id.fetch().map_err(Failure::Input)?)?
    } else {
        let known: Vec<&str> = Member::all().map(|member| member.name).collect();
        return Err(Failure::Input(anyhow!(
            "unknown model `{name}`: no folder or file of that name, no hub id, and none of {}",
            known.join(", ")
        )));
    };
    checkpoint.precision = precision;
    Ok(checkpoint)
}

fn read(path: &Path) -> Result<Checkpoint, Failure> {
    let gguf = path
        .extension()
        .is_some_and(|extension| extension == "gguf");
    let read = if gguf {
        Checkpoint::read_gguf(path)
    } else {
        Checkpoint::read(path)
    };
    read.map_err(Failure::input)
}
