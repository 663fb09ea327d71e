//! Where servers are and what they may be asked: `outthink.toml`, or `url,url#model` on the command line.

use std::any::Any;
use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use outthink_core::visible_line;
use serde::Deserialize;

use crate::key::ApiKey;
use crate::{DialectId, Error, address};

/// What a model's servers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Proposing steps.
    Policy,
    /// Scoring steps.
    Verifier,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Verifier => "verifier",
        })
    }
}

/// `outthink.toml`: the servers of each role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The servers of the policy, which proposes steps.
    pub policy: Option<Servers>,
    /// The servers of the verifier, which scores steps.
    pub verifier: Option<Servers>,
}

impl Config {
    /// Parses a configuration.
    ///
    /// # Errors
    ///
    /// Where a key or value is unknown or an address is malformed; the message never shows a secret.
    pub fn parse(toml: &str) -> Result<Self, Error> {
        let config: Self = toml::from_str(toml).map_err(|error| malformed(&error, toml))?;
        for servers in [&config.policy, &config.verifier].into_iter().flatten() {
            servers
                .urls
                .iter()
                .try_for_each(|url| address::check(url))?;
        }
        Ok(config)
    }

    /// Reads a configuration from a file.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read, and as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = outthink_core::file::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }
}

/// The servers of one role: replicas of one model. Keys of two words are written with a hyphen, as in recipes, or with
/// an underscore.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Servers {
    /// Base addresses, `http://host:port/v1`.
    #[serde(deserialize_with = "one_or_several")]
    pub urls: Vec<String>,
    /// The model's name at the servers. May be left out where they list only one.
    pub model: Option<String>,
    /// Which kind of servers they are. Only needed where they cannot be recognised, as behind a proxy.
    pub dialect: Option<DialectId>,
    /// A folder with the model's `tokenizer.json` and chat template. Without it, the server tokenises, if it can.
    pub tokenizer: Option<PathBuf>,
    /// The prompt profile: a name, or the path of a file.
    pub profile: Option<String>,
    /// Environment variable that holds the API key.
    #[serde(alias = "key_env")]
    pub key_env: Option<String>,
    /// File that holds the API key.
    #[serde(alias = "key_file")]
    pub key_file: Option<PathBuf>,
    /// Most requests in flight at one server. Without it, the number is found by trying.
    pub concurrency: Option<usize>,
    /// Seconds after which an unanswered request is abandoned and sent again.
    #[serde(default = "default_timeout", alias = "timeout_seconds")]
    pub timeout_seconds: f64,
    /// Seconds to wait for a server to come back when none answers, after the first contact.
    #[serde(default = "default_patience", alias = "patience_seconds")]
    pub patience_seconds: f64,
    /// Most times that one request is sent before it fails.
    #[serde(default = "default_attempts")]
    pub attempts: usize,
    /// Stream whole answers, and hang up where the answer ends (vLLM only). Worth it for models that go on after their
    /// answer; costs processor time per token on both sides.
    #[serde(default)]
    pub stream: bool,
    /// What must last as long as they are used, as the process of one that was started for this.
    #[serde(skip)]
    pub process: Option<Arc<dyn Any + Send + Sync>>,
}

fn default_timeout() -> f64 {
    600.0
}

fn default_patience() -> f64 {
    600.0
}

fn default_attempts() -> usize {
    6
}

impl Servers {
    /// Is this a list of servers rather than the name of a model or a folder? Text that can be neither of those counts
    /// as one, even if it is incomplete: [`parse`](Self::parse) says what is missing.
    pub fn recognises(text: &str) -> bool {
        address::is_one(text)
    }

    /// Parses `http://h1:8000/v1,http://h2:8000/v1#model`. A kind of server may follow an address, as in
    /// `http://h1:8000/v1?dialect=vllm#model`.
    ///
    /// # Errors
    ///
    /// Where an address is malformed or holds a secret, or the kind of server is unknown.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (listed, model) = match text.split_once('#') {
            Some((urls, model)) => (urls, Some(model)),
            None => (text, None),
        };
        // A password may hold `#` and `,`, so what follows them may still be part of one.
        let secret = |model: &str| model.rfind('@').is_some_and(|at| at > 0);
        if listed.contains('@') || model.is_some_and(secret) {
            return Err(Error::Url {
                url: address::shown(text),
                reason: "keys come from the environment or a file".into(),
            });
        }
        let mut dialect = None;
        let mut urls = Vec::new();
        for url in listed.split(',').map(str::trim) {
            let (url, kind) = match url.split_once("?dialect=") {
                Some((url, kind)) => (url, Some(kind.parse()?)),
                None => (url, None),
            };
            address::check(url)?;
            dialect = dialect.or(kind);
            urls.push(url.to_owned());
        }
        Ok(Self {
            urls,
            model: model.map(str::to_owned).filter(|model| !model.is_empty()),
            dialect,
            tokenizer: None,
            profile: None,
            key_env: None,
            key_file: None,
            concurrency: None,
            timeout_seconds: default_timeout(),
            patience_seconds: default_patience(),
            attempts: default_attempts(),
            stream: false,
            process: None,
        })
    }

    /// Is there a key to be sent to them?
    pub fn has_key(&self, role: Role) -> bool {
        // A key that is named but cannot be read counts.
        !matches!(self.key(role), Ok(None))
    }

    pub(crate) fn timeout(&self) -> Duration {
        seconds(self.timeout_seconds)
    }

    pub(crate) fn patience(&self) -> Duration {
        seconds(self.patience_seconds)
    }

    /// The key from the named variable or file, or else from `OUTTHINK_POLICY_KEY` or `OUTTHINK_VERIFIER_KEY`.
    pub(crate) fn key(&self, role: Role) -> Result<Option<ApiKey>, Error> {
        if let Some(path) = &self.key_file {
            let text = outthink_core::file::read_to_string(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
            return ApiKey::parse(&text, &path.display().to_string()).map(Some);
        }
        let usual = match role {
            Role::Policy => "OUTTHINK_POLICY_KEY",
            Role::Verifier => "OUTTHINK_VERIFIER_KEY",
        };
        let name = self.key_env.as_deref().unwrap_or(usual);
        match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => ApiKey::parse(&key, name).map(Some),
            // Some unset a variable by making it empty.
            Ok(_) | Err(VarError::NotPresent) if self.key_env.is_none() => Ok(None),
            _ => Err(Error::Key {
                name: name.to_owned(),
                role,
            }),
        }
    }
}

/// Seconds as a duration, at most 30 days: timers take no more.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |duration| duration.min(LONGEST))
}

/// A list of addresses, or a single one without brackets.
fn one_or_several<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Urls {
        One(String),
        Several(Vec<String>),
    }
    // The message leaves out the value: it may hold a secret.
    let urls = Urls::deserialize(from)
        .map_err(|_| serde::de::Error::custom("`urls` is a list of addresses"))?;
    Ok(match urls {
        Urls::One(url) => vec![url],
        Urls::Several(urls) => urls,
    })
}

/// What is wrong with a file, and in which line; the line itself is left out, because it may hold a key.
fn malformed(error: &toml::de::Error, toml: &str) -> Error {
    let before = error.span().and_then(|span| toml.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    // The parser quotes a value of the wrong type; cut it out.
    let reason = match error.message().split_once(": string \"") {
        Some((wrong, value)) => {
            let expected = value
                .rsplit_once("\", ")
                .map_or("", |(_, expected)| expected);
            format!("{wrong}: text, {expected}")
        }
        None => error.message().to_owned(),
    };
    let hint = match reason.contains("`api_key`") || reason.contains("`key`") {
        true => "; a key stands in a variable or a file of its own: key-env or key-file",
        false => "",
    };
    Error::Config {
        line,
        reason: format!("{}{hint}", visible_line(&reason)),
    }
}
