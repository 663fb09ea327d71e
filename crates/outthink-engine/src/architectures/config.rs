//! `config.json` as it stands: keys that every family has, and keys that only one has.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::Error;

/// The keys and values of a `config.json`.
pub(crate) struct ModelConfig(Map<String, Value>);

impl ModelConfig {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        let map = serde_json::from_slice(json);
        map.map(Self).map_err(|error| malformed(error.to_string()))
    }

    /// The value of a key, if it is there and not null.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        match self.0.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| malformed(format!("{key}: {error}"))),
        }
    }

    /// The same where null says something else than to leave the key out, which stands for `usual`.
    pub(crate) fn nullable<T: DeserializeOwned>(
        &self,
        key: &str,
        usual: Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.0.contains_key(key) {
            true => self.get(key),
            false => Ok(usual),
        }
    }

    /// Is there a value, and is it not null?
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|value| !value.is_null())
    }

    /// Says something as other families do.
    pub(crate) fn say(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// Leaves out what means nothing in this family, and gives it.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key).filter(|value| !value.is_null())
    }
}

pub(crate) fn malformed(reason: String) -> Error {
    Error::Malformed {
        file: "config.json",
        reason,
    }
}
