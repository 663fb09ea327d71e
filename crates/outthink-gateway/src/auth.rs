//! API keys, kept as hashes.

use std::path::Path;

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no list of keys.
    #[error("{path} is no file of keys: {reason}")]
    Malformed {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Who may ask, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Who it was given to; shown in logs and metrics.
    pub name: String,
    /// SHA-256 of the key in hexadecimal.
    pub sha256: String,
    /// Most searches at once.
    #[serde(default = "four")]
    pub searches: usize,
    /// Largest budget `N`.
    #[serde(default = "largest")]
    pub budget: usize,
}

fn four() -> usize {
    4
}

fn largest() -> usize {
    256
}

/// All keys; none lets everyone in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// One table a key.
    #[serde(default, rename = "key")]
    pub keys: Vec<Key>,
}

impl Keys {
    /// Reads a TOML file of `[[key]]` tables.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| KeyFileError::File {
            path: shown.clone(),
            source,
        })?;
        let keys: Self = toml::from_str(&text).map_err(|error| KeyFileError::Malformed {
            path: shown.clone(),
            reason: error.message().to_owned(),
        })?;
        let hex = |key: &&Key| {
            key.sha256.len() != 64 || !key.sha256.bytes().all(|b| b.is_ascii_hexdigit())
        };
        match keys.keys.iter().find(hex) {
            Some(key) => Err(KeyFileError::Malformed {
                path: shown,
                reason: format!("sha256 of {} is not 64 hexadecimal digits", key.name),
            }),
            None => Ok(keys),
        }
    }

    /// Makes a key, adds its hash to a file, and returns it: it is nowhere else.
    pub fn add(path: &Path, name: &str) -> Result<String, KeyFileError> {
        let mut keys = if path.exists() {
            Self::read(path)?
        } else {
            Self::default()
        };
        let secret: [u8; 32] = rand::rng().random();
        let key = format!("ot-{}", hex(&secret));
        keys.keys.push(Key {
            name: name.to_owned(),
            sha256: hash(&key),
            searches: four(),
            budget: largest(),
        });
        let malformed = |error: toml::ser::Error| KeyFileError::Malformed {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let written = toml::to_string(&keys).map_err(malformed)?;
        std::fs::write(path, written).map_err(|source| KeyFileError::File {
            path: path.display().to_string(),
            source,
        })?;
        Ok(key)
    }

    /// The key that was presented. Every hash is compared in full, so that time tells nothing.
    pub(crate) fn find(&self, presented: &str) -> Option<&Key> {
        let presented = hash(presented);
        let mut found = None;
        for key in &self.keys {
            if bool::from(
                key.sha256
                    .to_ascii_lowercase()
                    .as_bytes()
                    .ct_eq(presented.as_bytes()),
            ) {
                found = Some(key);
            }
        }
        found
    }
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_once_and_known_by_its_hash() {
        let path = std::env::temp_dir().join(format!("outthink-keys-{}.toml", std::process::id()));
        let first = Keys::add(&path, "alice").unwrap();
        let second = Keys::add(&path, "bob").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&first) && !text.contains(&second));
        let keys = Keys::read(&path).unwrap();
        assert_eq!(keys.find(&second).unwrap().name, "bob");
        assert_eq!(keys.find("ot-guess"), None);
        std::fs::write(&path, "[[key]]\nname = \"x\"\nsha256 = \"12\"\n").unwrap();
        assert!(
            Keys::read(&path)
                .unwrap_err()
                .to_string()
                .ends_with("sha256 of x is not 64 hexadecimal digits")
        );
        std::fs::remove_file(path).unwrap();
    }
}
