//! Several verifiers as one, by a file of `outthink audit --save-combination`.

use outthink_core::{Combination, Combined};

use crate::{AnyVerifier, Beside, LoadError, Loader, ModelSpec};

/// Several verifiers as one, with what each was loaded by.
pub struct CombinedVerifier {
    /// The verifiers with their weights.
    pub combined: Combined<AnyVerifier>,
    /// How each member was asked for.
    pub specs: Vec<ModelSpec>,
}

/// The combination that a name means, if it is a file of one.
pub(crate) fn combination(name: &str) -> Result<Option<Combination>, LoadError> {
    if !name.ends_with(".toml") {
        return Ok(None);
    }
    let text = outthink_core::file::read_to_string(name.as_ref());
    let text = text.map_err(|source| LoadError::Read {
        name: name.to_owned(),
        source,
    })?;
    // A file of servers has no such list; what is no TOML at all is for its reader to refuse.
    let table: Option<toml::Table> = toml::from_str(&text).ok();
    if !table.is_some_and(|table| table.contains_key("verifiers")) {
        return Ok(None);
    }
    let damaged = |reason: String| LoadError::Combination {
        name: name.to_owned(),
        reason,
    };
    let read: Combination = toml::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    read.check().map_err(damaged)?;
    Ok(Some(read))
}

impl Loader {
    /// The verifiers of a combination, each under the profile that fits it.
    pub(crate) fn combined(
        &self,
        read: Combination,
        spec: &ModelSpec,
        policies: &dyn Fn() -> Result<Vec<Beside>, Box<LoadError>>,
    ) -> Result<CombinedVerifier, LoadError> {
        if spec.profile.is_some() || spec.reference.is_some() {
            return Err(LoadError::OneProfile {
                name: spec.model.clone(),
                options: "--verifier-profile and --verifier-reference",
            });
        }
        let mut members = Vec::new();
        let mut specs = Vec::new();
        for own in read.verifiers {
            let member = ModelSpec {
                dtype: spec.dtype,
                memory: spec.memory,
                windows: spec.windows,
                ..own.model.as_str().into()
            };
            if combination(&own.model)?.is_some() {
                return Err(LoadError::Combination {
                    name: spec.model.clone(),
                    reason: format!("{} is a combination itself", own.model),
                });
            }
            members.push((self.verifier_beside(&member, policies)?, own.weight));
            specs.push(member);
        }
        Ok(CombinedVerifier {
            combined: Combined::new(members, read.bias),
            specs,
        })
    }
}
