//! Probes by name: a file that `outthink probe fit` wrote, on the engine of the policy whose states it was fitted on.

use std::path::Path;

use outthink_core::identity::{canonical, sha256};
use outthink_engine::{EmbeddedPolicy, Precision, ProbeFile, ProbeVerifier};
use serde_json::Value;

use crate::{AnyPolicy, Candidate, LoadError, LoadedPolicy, Loader, ModelSpec};

/// A policy that a verifier is loaded beside: one that shares its engine finds it there.
#[derive(Clone)]
pub struct Beside {
    /// What it is called.
    pub name: String,
    /// What it is known by.
    pub identity: Value,
    /// A handle on its engine, if it has one here.
    pub engine: Option<EmbeddedPolicy>,
    /// Is it on servers?
    pub is_served: bool,
    /// Itself, where it may be asked for its own verdict.
    pub candidate: Option<Candidate>,
}

impl Beside {
    /// A policy of any make, with what it is called and known by.
    pub fn new(policy: &AnyPolicy, name: &str, identity: Value) -> Self {
        Self {
            name: name.to_owned(),
            identity,
            engine: match policy {
                AnyPolicy::Model(model) => Some(model.as_ref().clone()),
                AnyPolicy::Experts(_) | AnyPolicy::Remote(_) => None,
            },
            is_served: matches!(policy, AnyPolicy::Remote(_)),
            candidate: None,
        }
    }

    /// The same, which may be its own verifier.
    pub fn judging(self, candidate: Candidate) -> Self {
        Self {
            candidate: Some(candidate),
            ..self
        }
    }

    /// One whose samples are there, and which does not draw any more.
    pub fn stored(name: &str, identity: Value) -> Self {
        Self {
            name: name.to_owned(),
            identity,
            engine: None,
            is_served: false,
            candidate: None,
        }
    }
}

impl From<&LoadedPolicy> for Beside {
    fn from(loaded: &LoadedPolicy) -> Self {
        let info = &loaded.info;
        Self::new(&loaded.model, &info.name, info.identity.clone())
    }
}

/// A probe with what its policy is known by.
pub struct LoadedProbe {
    /// The verifier.
    pub verifier: ProbeVerifier,
    /// What the policy is called that it was fitted on.
    pub policy: String,
    /// What that is known by.
    pub identity: Value,
}

/// What an identity is called where people compare two.
pub(crate) fn fingerprint(identity: &Value) -> String {
    sha256(canonical(identity).as_bytes())
        .chars()
        .take(12)
        .collect()
}

/// Is it the name of a probe's file, which is there?
pub fn is_probe(name: &str) -> bool {
    ProbeFile::recognises(Path::new(name))
}

impl Loader {
    /// A probe on the engine of its policy: one of those beside it, which all must be its own; or, where there is none, loaded as the
    /// probe's file or the spec's reference says.
    pub(crate) fn probe(
        &self,
        spec: &ModelSpec,
        beside: &[Beside],
    ) -> Result<LoadedProbe, LoadError> {
        let probe = || spec.model.clone();
        let wrong = |source| LoadError::Probe {
            name: probe(),
            source,
        };
        let has_layout = spec.profile.is_some() || spec.tokenizer.is_some() || spec.windows;
        if has_layout || spec.dtype != Precision::Auto {
            return Err(LoadError::ProbeOptions(probe()));
        }
        let file = ProbeFile::read(spec.model.as_ref()).map_err(wrong)?;
        let known = |name: &str, identity: &Value| format!("{name} ({})", fingerprint(identity));
        let other = |policy: &str, identity: &Value| LoadError::OtherPolicy {
            probe: probe(),
            fitted: known(&file.policy, &file.identity),
            policy: known(policy, identity),
        };
        for own in beside {
            if own.is_served {
                return Err(LoadError::ProbeOfServed {
                    probe: probe(),
                    fitted: file.policy.clone(),
                    policy: own.name.clone(),
                });
            }
            if own.identity != file.identity {
                return Err(other(&own.name, &own.identity));
            }
        }
        let policy = match beside.iter().find_map(|own| own.engine.clone()) {
            Some(policy) => policy,
            None => {
                let load: ModelSpec =
                    serde_json::from_value(file.load.clone()).map_err(|error| {
                        wrong(outthink_engine::ProbeFileError::Malformed(
                            error.to_string(),
                        ))
                    })?;
                let load = ModelSpec {
                    model: spec.reference.clone().unwrap_or(load.model),
                    profile: load.profile,
                    dtype: load.dtype,
                    thinking: load.thinking,
                    memory: spec.memory,
                    ..ModelSpec::default()
                };
                let policy = AnyPolicy::Model(Box::new(self.embedded_policy(&load)?));
                let (name, identity) = self.policy_identity(&policy, &load)?;
                if identity != file.identity {
                    return Err(other(name, &identity));
                }
                match policy {
                    AnyPolicy::Model(model) => *model,
                    _ => return Err(other(name, &identity)),
                }
            }
        };
        Ok(LoadedProbe {
            verifier: ProbeVerifier::new(&policy, file.probe).map_err(wrong)?,
            policy: file.policy,
            identity: file.identity,
        })
    }
}
