//! The models of a strategy, told from others by fingerprints.

use outthink_core::identity::{canonical, sha256};
use outthink_core::{ModelInfo, ModelTable};
use serde::{Deserialize, Serialize};

use crate::error::StrategyError;

/// A model that a strategy was fitted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Its name.
    pub name: String,
    /// A hash of all that its output depends on but the profile.
    pub fingerprint: String,
    /// The profile's name.
    pub profile: String,
    /// A hash of the profile.
    pub profile_fingerprint: String,
    /// How to load it.
    pub load: ModelTable,
}

impl Fitted {
    /// From what a study says of a model.
    pub fn of(info: &ModelInfo, load: ModelTable) -> Self {
        let (fingerprint, profile, profile_fingerprint) = fingerprints(info);
        Self {
            name: info.name.clone(),
            fingerprint,
            profile,
            profile_fingerprint,
            load,
        }
    }

    /// Is it this model, whatever its profile?
    pub fn is(&self, met: &ModelInfo) -> bool {
        fingerprints(met).0 == self.fingerprint
    }

    /// An error if the model is another one, a warning if only the profile is.
    pub(crate) fn check(
        &self,
        role: &'static str,
        met: &ModelInfo,
    ) -> Result<Option<String>, StrategyError> {
        let (fingerprint, profile, profile_fingerprint) = fingerprints(met);
        if fingerprint != self.fingerprint {
            return Err(StrategyError::Mismatch {
                role,
                fitted: self.name.clone(),
                fitted_print: self.fingerprint.clone(),
                met: met.name.clone(),
                met_print: fingerprint,
            });
        }
        let same = profile_fingerprint == self.profile_fingerprint;
        Ok((!same).then(|| {
            format!(
                "the strategy was fitted with the profile {} of {}, which is now {profile} or has changed: its chances and costs may be off",
                self.profile, self.name
            )
        }))
    }
}

/// The fingerprint of a model, the name of its profile, and the fingerprint of that.
fn fingerprints(info: &ModelInfo) -> (String, String, String) {
    let mut identity = info.identity.clone();
    let mut profile = serde_json::Map::new();
    if let Some(fields) = identity.as_object_mut() {
        for name in ["profile", "profile_text"] {
            if let Some(value) = fields.remove(name) {
                profile.insert(name.to_owned(), value);
            }
        }
    }
    let name = profile.get("profile").and_then(|name| name.as_str());
    let name = name.unwrap_or("none").to_owned();
    let print = |value: &serde_json::Value| sha256(canonical(value).as_bytes());
    (
        print(&identity),
        name,
        print(&serde_json::Value::Object(profile)),
    )
}
