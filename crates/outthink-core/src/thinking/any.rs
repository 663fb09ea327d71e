//! Any control of thoughts, by its name: the table that everything else goes through.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{BUILT_IN, Control, on};
use crate::did_you_mean;
use crate::method::Parameters;
use crate::parameters::Settings;

/// A control of thoughts, known by its name and its parameters, as methods are: `on`, `skip`, `cap:tokens=512`. It is written,
/// stored and compared as that text.
///
/// ```
/// use outthink_core::thinking::Thinking;
///
/// let cap: Thinking = "cap:512".parse()?;
/// assert_eq!(cap.name(), "cap:tokens=512");
/// assert_eq!("cap:tokens=512".parse(), Ok(cap));
/// assert!("cap:tokens=0".parse::<Thinking>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy)]
pub struct Thinking(&'static Named);

/// A control with its written form.
pub(super) struct Named {
    pub(super) control: &'static dyn Control,
    pub(super) written: &'static str,
}

/// Controls with parameters that somebody named.
static SETTINGS: Settings<Thinking> = Settings::new();

impl Thinking {
    /// As the chat template does.
    pub const ON: Self = on::ON;

    pub(super) const fn new(named: &'static Named) -> Self {
        Self(named)
    }

    /// All controls in the order of their table.
    pub fn all() -> Vec<Self> {
        BUILT_IN.to_vec()
    }

    /// The names of all, as messages and help list them.
    pub fn names() -> String {
        let names: Vec<&str> = BUILT_IN.iter().map(|own| own.name()).collect();
        names.join(", ")
    }

    /// The name that [`FromStr`] reads, parameters included.
    pub fn name(self) -> &'static str {
        self.0.written
    }

    /// What it does.
    pub fn control(self) -> &'static dyn Control {
        self.0.control
    }

    /// What is left to do where the chat template may heed whether the model is to think: one that turns thinking off does all.
    pub fn beside(self, heeds: bool) -> Self {
        match heeds && !self.control().thinks() {
            true => Self::ON,
            false => self,
        }
    }

    fn with(self, parameters: &Parameters) -> Result<Self, String> {
        let name = self.0.written;
        let fail = |reason| format!("{name} cannot have these parameters: {reason}");
        let control = self.0.control.with(parameters).map_err(fail)?;
        let own = control.parameters().unlike(&self.0.control.parameters());
        if own.is_empty() {
            return Ok(self);
        }
        let leaked = |written, _| {
            Self(Box::leak(Box::new(Named {
                control: Box::leak(control),
                written,
            })))
        };
        SETTINGS
            .named(format!("{name}:{own}"), leaked)
            .map_err(fail)
    }
}

impl fmt::Debug for Thinking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.written)
    }
}

impl fmt::Display for Thinking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.written)
    }
}

impl PartialEq for Thinking {
    fn eq(&self, other: &Self) -> bool {
        self.0.written == other.0.written
    }
}

impl Eq for Thinking {}

impl Hash for Thinking {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.written.hash(state);
    }
}

impl FromStr for Thinking {
    type Err = String;

    /// Reads a name in upper or lower case; parameters follow a colon.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, parameters) = match text.split_once(':') {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (text, None),
        };
        let plain = name.trim().to_lowercase();
        let Some(&found) = BUILT_IN.iter().find(|own| own.0.written == plain) else {
            let meant = did_you_mean(&plain, BUILT_IN.iter().map(|own| own.name()));
            let names = Self::names();
            return Err(format!(
                "unknown control of thinking `{name}` (one of {names}){meant}"
            ));
        };
        let Some(parameters) = parameters else {
            return Ok(found);
        };
        let (first, rest) = parameters.split_once(':').unwrap_or((parameters, ""));
        let spelled = match found.control().leading() {
            Some(leading) if !first.contains('=') => {
                let colon = if rest.is_empty() { "" } else { ":" };
                format!("{leading}={first}{colon}{rest}")
            }
            _ => parameters.to_owned(),
        };
        found.with(&Parameters::parse(&spelled)?)
    }
}

impl Serialize for Thinking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.written)
    }
}

impl<'de> Deserialize<'de> for Thinking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(D::Error::custom)
    }
}
