//! From what was typed to loaded models.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, anyhow};
use outthink_engine::EmbeddedPolicy;
use outthink_lab::audit::CalibrationFile;
use outthink_models::{Beside, LoadError, Loader, ModelSpec, Notice, StartNotice};
use outthink_remote::{RemotePolicy, Role};
use serde_json::Value;

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::failure::Failure;

pub(crate) use outthink_models::{
    AnyPolicy, AnyVerifier, STEP_CHECKER, is_self, is_served, mismatch, policy_of, servers,
};

/// What loads models, and tells on standard error what takes long.
pub(crate) fn loader() -> Loader {
    Loader::telling(tell)
}

/// A model's files are asked for more than once, and where they are from, and what cannot be read of them, is told once.
fn tell(notice: Notice) {
    static TOLD: Mutex<Vec<Notice>> = Mutex::new(Vec::new());
    if let Notice::TakenFromHere(_)
    | Notice::TakenFromHub(_)
    | Notice::Start(StartNotice::ServersTokenizer { .. }) = notice
    {
        let mut known = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&notice) {
            return;
        }
        known.push(notice.clone());
    }
    eprintln!("{notice}");
}

/// Refuses to send a key where a file says, and nobody has typed: a strategy comes from anywhere, and the key is the user's.
pub(crate) fn keeps_keys(name: &str, role: Role, option: &str) -> Result<(), Failure> {
    let Some(servers) = servers(name, role)? else {
        return Ok(());
    };
    if !servers.has_key(role) {
        return Ok(());
    }
    Err(Failure::Input(anyhow!(
        "the strategy file says that the {role} is at {name}, and there is a key for {role} servers: to send it there, name the address yourself with {option} {name}"
    )))
}

/// The verifier that is asked beside a policy: the one that is named, else its usual one.
pub(crate) fn beside<'c>(policy: &AnyPolicy, named: &'c VerifierChoice) -> Cow<'c, VerifierChoice> {
    match (&named.verifier, policy.usual_verifier()) {
        (Some(_), _) => Cow::Borrowed(named),
        (None, usual) => Cow::Owned(VerifierChoice::of(usual.as_deref().unwrap_or("none"))),
    }
}

/// A verifier that is the policy itself, by the policy's name: where the two are loaded apart.
pub(crate) fn by_name<'c>(
    choice: Cow<'c, VerifierChoice>,
    policy: &PolicyChoice,
) -> Cow<'c, VerifierChoice> {
    if !is_self(choice.name()) {
        return choice;
    }
    let own = choice.into_owned();
    Cow::Owned(VerifierChoice {
        verifier: Some(format!("generative:{}", policy.name())),
        verifier_profile: own
            .verifier_profile
            .or_else(|| policy.policy_profile.clone()),
        verifier_tokenizer: own
            .verifier_tokenizer
            .or_else(|| policy.policy_tokenizer.clone()),
        verifier_dtype: policy.dtype,
        verifier_memory: own.verifier_memory.or(policy.memory),
        ..own
    })
}

/// Servers as a policy, if they are what is named.
pub(crate) fn remote_policy(choice: &PolicyChoice) -> Result<Option<RemotePolicy>, Failure> {
    Ok(loader().remote_policy(&choice.spec())?)
}

/// A policy of any make.
pub(crate) fn any_policy(choice: &PolicyChoice) -> Result<AnyPolicy, Failure> {
    Ok(loader().any_policy(&choice.spec())?)
}

/// A policy in this process.
pub(crate) fn policy(choice: &PolicyChoice) -> Result<EmbeddedPolicy, Failure> {
    Ok(loader().embedded_policy(&choice.spec())?)
}

/// A verifier of any make, behind its calibration if one is named; `none` is none.
pub(crate) fn verifier(choice: &VerifierChoice) -> Result<Option<AnyVerifier>, Failure> {
    verifier_beside(choice, &|| Ok(Vec::new()))
}

/// The same for one policy, as it was typed.
pub(crate) fn verifier_of(
    policy: &AnyPolicy,
    typed: &PolicyChoice,
    choice: &VerifierChoice,
) -> Result<Option<AnyVerifier>, Failure> {
    verifier_beside(choice, &|| {
        let spec = typed.spec();
        let known = loader().policy_identity(policy, &spec).map_err(Box::new);
        let (name, identity) = known?;
        Ok(vec![Beside::new(policy, name, identity)])
    })
}

/// The same beside the policies that it is to judge.
pub(crate) fn verifier_beside(
    choice: &VerifierChoice,
    policies: &dyn Fn() -> Result<Vec<Beside>, Box<LoadError>>,
) -> Result<Option<AnyVerifier>, Failure> {
    let spec = choice.spec();
    let verifier = match spec.model.as_str() {
        "none" => None,
        _ => Some(loader().verifier_beside(&spec, policies)?),
    };
    let Some(file) = &choice.calibration else {
        return Ok(verifier);
    };
    let Some(verifier) = verifier else {
        return Err(Failure::Input(anyhow!(
            "--verifier none has no rewards to calibrate"
        )));
    };
    let name = file.display();
    let text =
        outthink_core::file::read_to_string(file).with_context(|| format!("cannot read {name}"));
    let identity = loader().verifier_identity(&verifier, &spec)?;
    let map = CalibrationFile::parse(&text.map_err(Failure::Input)?)
        .and_then(|read| read.map_of(choice.name(), &identity))
        .with_context(|| name.to_string());
    Ok(Some(verifier.calibrated(map.map_err(Failure::Input)?)))
}

/// All that a verifier's rewards depend on, as studies and calibrations know it.
pub(crate) fn identity(verifier: &AnyVerifier, choice: &VerifierChoice) -> Result<Value, Failure> {
    Ok(loader().verifier_identity(verifier, &choice.spec())?)
}

impl PolicyChoice {
    /// As it is loaded.
    pub(crate) fn spec(&self) -> ModelSpec {
        ModelSpec {
            profile: self.policy_profile.clone(),
            tokenizer: self.policy_tokenizer.clone(),
            dtype: self.dtype,
            memory: self.memory,
            thinking: self.thinking,
            ..self.name().into()
        }
    }
}

impl VerifierChoice {
    /// As it is loaded; its calibration comes on top.
    pub(crate) fn spec(&self) -> ModelSpec {
        ModelSpec {
            profile: self.verifier_profile.clone(),
            tokenizer: self.verifier_tokenizer.clone(),
            dtype: self.verifier_dtype,
            memory: self.verifier_memory,
            reference: self.verifier_reference.clone(),
            windows: self.verifier_windows,
            prompt: self.verifier_prompt.clone(),
            votes: self.verifier_votes,
            ..self.name().into()
        }
    }
}
