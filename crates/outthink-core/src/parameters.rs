//! The parameters of a method, a score or a vote, as they are written, stored and compared.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::method::Method;

/// Names with values. A method, a score or a vote keeps its parameters in a struct with serde and goes from the one to the other here:
///
/// ```
/// use outthink_core::method::Parameters;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(default, deny_unknown_fields)]
/// struct Rebase {
///     temperature: f64,
/// }
///
/// impl Default for Rebase {
///     fn default() -> Self {
///         Self { temperature: 0.1 }
///     }
/// }
///
/// let written = Parameters::parse("temperature=0.2")?;
/// assert_eq!(written.read::<Rebase>()?, Rebase { temperature: 0.2 });
/// assert!(Parameters::parse("heat=0.2")?.read::<Rebase>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters(Map<String, Value>);

impl Parameters {
    /// The fields of a struct.
    pub fn of(fields: &impl Serialize) -> Self {
        match serde_json::to_value(fields) {
            Ok(Value::Object(fields)) => Self(fields),
            _ => Self::default(),
        }
    }

    /// Reads `NAME=VALUE`, several with a colon between them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parameters = Map::new();
        for part in text.split(':') {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is no parameter (write NAME=VALUE)"))?;
            let name = name.trim().replace('-', "_");
            let value = value.trim();
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            if parameters.insert(name.clone(), value).is_some() {
                return Err(format!("`{name}` stands twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// As a struct, or why they are none.
    pub fn read<M: DeserializeOwned>(&self) -> Result<M, String> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(|error| error.to_string())
    }

    /// The same as a method: what [`Method::with`] returns.
    pub fn method<M: Method + DeserializeOwned + 'static>(
        &self,
    ) -> Result<Box<dyn Method>, String> {
        Ok(Box::new(self.read::<M>()?))
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn unknown_to(&self, name: &str) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        format!("{name} has no parameter `{}`", names.join("`, `"))
    }

    /// Those whose values are not the usual ones.
    pub(crate) fn unlike(&self, usual: &Self) -> Self {
        let other = |(name, value): &(&String, &Value)| usual.0.get(*name) != Some(value);
        let kept = self.0.iter().filter(other);
        Self(
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }
}

/// Refuses what is no number above 0, as a temperature must be.
pub(crate) fn above_zero(name: &str, value: f64) -> Result<(), String> {
    match value > 0.0 {
        true => Ok(()),
        false => Err(format!("`{name}` is above 0, not {value}")),
    }
}

/// Refuses a count of nothing.
pub(crate) fn at_least_one(name: &str, value: usize) -> Result<(), String> {
    match value {
        0 => Err(format!("`{name}` is at least 1")),
        _ => Ok(()),
    }
}

/// As [`Parameters::parse`] reads it.
impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let colon = if place > 0 { ":" } else { "" };
            match value {
                Value::String(text) => write!(f, "{colon}{name}={text}")?,
                value => write!(f, "{colon}{name}={value}")?,
            }
        }
        Ok(())
    }
}

/// Settings of parameters that somebody named. They last as long as the program, as names do.
pub(crate) struct Settings<T>(RwLock<Option<HashMap<String, T>>>);

/// Most settings of one table that a program may name: they stay in memory, and names may come from outside.
const MOST_SETTINGS: usize = 4096;

impl<T: Copy> Settings<T> {
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(None))
    }

    /// What is written so, made where it is named for the first time; `make` gets the name to keep and how many there were before.
    pub(crate) fn named(
        &self,
        written: String,
        make: impl FnOnce(&'static str, usize) -> T,
    ) -> Result<T, String> {
        let mut named = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let named = named.get_or_insert_default();
        if let Some(known) = named.get(&written) {
            return Ok(*known);
        }
        if named.len() == MOST_SETTINGS {
            return Err(format!(
                "{MOST_SETTINGS} settings have been named already, and that is the most"
            ));
        }
        let own = make(String::leak(written.clone()), named.len());
        named.insert(written, own);
        Ok(own)
    }
}
