//! What models are known by: in stores, in strategies, and in tables. An identity is hashed, so its form never changes.

use outthink_core::{ModelCost, ModelInfo};
use outthink_engine::Precision;
use outthink_micro::Experts;
use outthink_remote::Facts;
use serde_json::{Value, json};

use crate::digest::{digest, digest_of};
use crate::started::Started;
use crate::{AnyPolicy, AnyVerifier, LoadError, Loader, ModelSpec, STEP_CHECKER};

impl Loader {
    /// What a policy is called, and all that its samples depend on beside how it is asked.
    ///
    /// # Errors
    ///
    /// Where the files of a local model cannot be read again.
    pub fn policy_identity<'n>(
        &self,
        policy: &'n AnyPolicy,
        spec: &'n ModelSpec,
    ) -> Result<(&'n str, Value), LoadError> {
        // Servers come and go under other addresses; the model stays the same.
        let (name, mut identity) = match policy {
            AnyPolicy::Model(_) | AnyPolicy::Experts(_) => {
                (spec.model.as_str(), self.local(&spec.model, spec.dtype)?)
            }
            AnyPolicy::Remote(servers) => {
                let model = servers.model();
                (model, served(model, servers.facts(), spec)?)
            }
        };
        identity["parameters"] = json!(policy.cost().map(|cost| cost.parameters));
        identity["profile"] = json!(policy.profile_name());
        identity["profile_text"] = json!(policy.profile());
        if let Some(thinking) = spec.thinking {
            identity["thinking"] = json!(thinking);
        }
        Ok((name, identity))
    }

    /// All that a verifier's rewards depend on, as studies and calibrations know it.
    ///
    /// # Errors
    ///
    /// Where the files of a local model cannot be read again.
    pub fn verifier_identity(
        &self,
        verifier: &AnyVerifier,
        spec: &ModelSpec,
    ) -> Result<Value, LoadError> {
        let dtype = spec.dtype;
        let mut identity = match verifier.bare() {
            AnyVerifier::Remote(servers) => served(servers.model(), servers.facts(), spec)?,
            AnyVerifier::Probe(probe) => {
                let digest = digest_of(&[spec.model.clone().into()]);
                let digest = digest.map_err(|source| LoadError::Fingerprint {
                    name: spec.model.clone(),
                    source,
                })?;
                json!({"probe": digest, "of": probe.identity})
            }
            AnyVerifier::Generative(judge) => judge.identity(),
            AnyVerifier::StepChecker(_) => {
                json!({"model": STEP_CHECKER, "dtype": dtype.to_string()})
            }
            AnyVerifier::Combined(several) => {
                let (weights, bias) = several.combined.weights();
                let members = several.combined.members().zip(&several.specs);
                let members: Result<Vec<Value>, LoadError> = members
                    .map(|(member, spec)| self.verifier_identity(member, spec))
                    .collect();
                json!({"combination": members?, "weights": weights, "bias": bias})
            }
            _ => self.local(&spec.model, dtype)?,
        };
        // Identities are hashed, and what is no model has always had no size in them.
        let model = verifier.cost().filter(|cost| *cost != ModelCost::FREE);
        identity["parameters"] = json!(model.map(|cost| cost.parameters));
        identity["profile"] = json!(verifier.profile_name());
        // A probe's own policy is in it, wherever it lies.
        let is_probe = matches!(verifier.bare(), AnyVerifier::Probe(_));
        if let Some(reference) = spec.reference.as_ref().filter(|_| !is_probe) {
            identity["reference"] = self.local(reference, dtype)?;
        }
        if spec.windows {
            identity["windows"] = json!(true);
        }
        if let AnyVerifier::Calibrated(calibrated) = verifier {
            identity["calibration"] = json!(calibrated.map);
        }
        Ok(identity)
    }

    /// What a model on this machine is known by: an embedded one by its name, others by what they hold, wherever they lie.
    fn local(&self, name: &str, precision: Precision) -> Result<Value, LoadError> {
        if let Some(pair) = Experts::find(name) {
            return Ok(json!({"model": pair.name(), "dtype": precision.to_string()}));
        }
        let digest = digest(&self.checkpoint(name, precision)?);
        let digest = digest.map_err(|source| LoadError::Fingerprint {
            name: name.to_owned(),
            source,
        })?;
        Ok(match digest {
            None => json!({"model": name, "dtype": precision.to_string()}),
            Some(digest) => json!({"files": digest, "dtype": precision.to_string()}),
        })
    }
}

/// What a served model is known by: its name and the kind of server, whose numbers differ in the last digits. Where a server
/// was started with files of this machine, these say more than a name.
fn served(model: &str, facts: &[Facts], spec: &ModelSpec) -> Result<Value, LoadError> {
    let kind = facts.first().map(|facts| facts.dialect.to_string());
    let started = Started::parse(&spec.model);
    let digest = started.map(|started| started.digest()).transpose()?;
    Ok(match digest.flatten() {
        Some(digest) => json!({"files": digest, "kind": kind}),
        None => json!({"served": model, "kind": kind}),
    })
}

/// Servers tell a model's parameters, if anything: what attention costs is left out.
pub(crate) fn told(facts: &[Facts]) -> Option<ModelCost> {
    let parameters = facts.iter().find_map(|facts| facts.parameters)?;
    Some(ModelCost::of_size(parameters))
}

/// What a study knows of a model: what it tells of itself, and what its spec says. It is called as the spec says, else by its
/// name, which is not its address.
pub(crate) fn info(
    spec: &ModelSpec,
    name: String,
    identity: Value,
    cost: Option<ModelCost>,
) -> Result<ModelInfo, LoadError> {
    let mut cost = cost.or(spec.parameters.map(ModelCost::of_size));
    if let Some(active) = spec.active_parameters {
        let model = || spec.model.clone();
        let known = cost
            .as_mut()
            .ok_or_else(|| LoadError::NoSize { model: model() })?;
        if active > known.parameters {
            return Err(LoadError::TooActive {
                model: model(),
                parameters: known.parameters,
                active,
            });
        }
        known.active = Some(active);
    }
    Ok(ModelInfo {
        name: spec.name.clone().unwrap_or(name),
        identity,
        cost,
        training_tokens: spec.training_tokens,
        price: spec.price,
        oracle: spec.oracle,
    })
}

/// The last part of a path or hub id.
pub(crate) fn short_name(model: &str) -> &str {
    let trimmed = model.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}
