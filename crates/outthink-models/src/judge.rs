//! Policies as verifiers: `generative:POLICY`.

use std::path::Path;
use std::sync::Arc;

use outthink_core::{Generative, JudgePrompt, Limits, ModelCost, Policy, Sampling};
use serde_json::{Value, json};

use crate::policy::families;
use crate::{AnyPolicy, AnyVerifier, LoadError, LoadedPolicy, Loader, ModelSpec, Notice};

/// What stands before the name of a policy that is to be a verifier.
const GENERATIVE: &str = "generative:";

/// The name of the policy in that of a generative verifier, if it is one's.
pub fn policy_of(name: &str) -> Option<&str> {
    name.strip_prefix(GENERATIVE)
}

/// Is a search's policy to be its own verifier? That is `generative:self`, or `self`.
pub fn is_self(name: &str) -> bool {
    policy_of(name).unwrap_or(name) == "self"
}

/// A policy that is a verifier, with what it is known by.
pub struct Judge {
    /// The verifier.
    pub verifier: Generative<Arc<dyn Policy>>,
    /// The policy's identity.
    pub(crate) identity: Value,
    pub(crate) cost: Option<ModelCost>,
    pub(crate) profile: String,
}

/// A policy that may become a verifier.
#[derive(Clone)]
pub struct Candidate {
    /// The policy.
    pub policy: Arc<dyn Policy>,
    /// Its identity.
    pub identity: Value,
    /// Its shape.
    pub cost: Option<ModelCost>,
    /// Its profile's name.
    pub profile: String,
    /// How it draws.
    pub sampling: Sampling,
    /// How far.
    pub limits: Limits,
}

impl Candidate {
    /// A policy that is loaded already.
    pub fn of(policy: Arc<AnyPolicy>, identity: Value, sampling: Sampling, limits: Limits) -> Self {
        Self {
            profile: policy.profile_name().to_owned(),
            cost: policy.cost(),
            policy,
            identity,
            sampling,
            limits,
        }
    }
}

impl Judge {
    /// All that its rewards depend on.
    pub(crate) fn identity(&self) -> Value {
        json!({
            "generative": self.identity,
            "prompt": self.verifier.prompt(),
            "sampling": self.verifier.sampling(),
            "tokens": self.verifier.limits().solution_tokens,
        })
    }
}

impl Loader {
    /// A policy as a verifier: one that is loaded for it.
    pub(crate) fn generative(
        &self,
        policy: &str,
        spec: &ModelSpec,
    ) -> Result<AnyVerifier, LoadError> {
        if is_self(&spec.model) {
            return Err(LoadError::NoSelf);
        }
        // What is refused without a model is refused before one is loaded.
        prompt(spec)?;
        let LoadedPolicy {
            model,
            info,
            sampling,
            limits,
        } = self.policy(ModelSpec {
            model: policy.to_owned(),
            ..spec.clone()
        })?;
        let candidate = Candidate::of(Arc::new(model), info.identity, sampling, limits);
        self.judge(candidate, spec)
    }

    /// A policy that is loaded as a verifier, asked as the spec says.
    ///
    /// # Errors
    ///
    /// A prompt that cannot be read or asked.
    pub fn judge(&self, candidate: Candidate, spec: &ModelSpec) -> Result<AnyVerifier, LoadError> {
        let Candidate {
            policy,
            identity,
            cost,
            profile,
            sampling,
            limits,
        } = candidate;
        if !families(&profile).is_empty() {
            let name = spec.model.clone();
            return Err(LoadError::OwnProblemsOnly { name });
        }
        let prompt = prompt(spec)?;
        let (teller, name) = (self.clone(), spec.model.clone());
        let verifier = Generative::new(policy, prompt, sampling, limits);
        let verifier = verifier.telling(move |unread, asked, text| {
            let (name, text) = (name.clone(), text.to_owned());
            teller.tell(Notice::Unreadable {
                name,
                unread,
                asked,
                text,
            });
        });
        Ok(AnyVerifier::Generative(Box::new(Judge {
            verifier,
            identity,
            cost,
            profile,
        })))
    }
}

/// How the spec says that it is asked: by a built-in prompt, or one of a file, which is TOML that says `whole`, or one text for all.
fn prompt(spec: &ModelSpec) -> Result<JudgePrompt, LoadError> {
    let named = spec.prompt.as_deref();
    let fail = |reason| LoadError::JudgePrompt {
        name: named.unwrap_or("verdict").to_owned(),
        reason,
    };
    let own = match named.map(|name| (name, JudgePrompt::named(name))) {
        None => JudgePrompt::default(),
        Some((_, Some(own))) => own,
        Some((name, None)) => {
            let text = outthink_core::file::read_to_string(Path::new(name));
            let text = text.map_err(|source| LoadError::Read {
                name: name.to_owned(),
                source,
            })?;
            match toml::from_str::<toml::Table>(&text) {
                Ok(table) if table.contains_key("whole") => {
                    let own = table.try_into::<JudgePrompt>();
                    own.map_err(|error| fail(error.to_string()))?
                }
                _ => JudgePrompt::asking(&text),
            }
        }
    };
    let votes = spec.votes.unwrap_or(own.votes);
    JudgePrompt { votes, ..own }.checked().map_err(fail)
}
