//! Where servers are and what they may be asked: `outthink.toml`, or `url,url#model` on the command line.

use std::env::VarError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outthink_core::visible_line;
use serde::Deserialize;

use crate::key::ApiKey;
use crate::{DialectId, Error, address};

/// What the servers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// They propose steps.
    Policy,
    /// They score them.
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
    /// Who proposes steps.
    pub policy: Option<Servers>,
    /// Who scores them.
    pub verifier: Option<Servers>,
}

impl Config {
    /// Reads a file's text.
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

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = outthink_core::file::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }
}

/// The servers of one role: replicas of one model. Names of two words may have a hyphen, as in recipes, or an underscore.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Servers {
    /// Base addresses, `http://host:port/v1`.
    #[serde(deserialize_with = "one_or_several")]
    pub urls: Vec<String>,
    /// The model's name there; not needed where there is only one.
    pub model: Option<String>,
    /// Which kind of server it is, where it does not tell, as behind a proxy.
    pub dialect: Option<DialectId>,
    /// A folder with the model's `tokenizer.json` and chat template; without, the server is asked.
    pub tokenizer: Option<PathBuf>,
    /// Profile, by name or as a file.
    pub profile: Option<String>,
    /// Environment variable that holds the key.
    #[serde(alias = "key_env")]
    pub key_env: Option<String>,
    /// File that holds the key.
    #[serde(alias = "key_file")]
    pub key_file: Option<PathBuf>,
    /// Most requests in flight at one server; without, the best number is found.
    pub concurrency: Option<usize>,
    /// Seconds until an unanswered request is given up and sent again.
    #[serde(default = "default_timeout", alias = "timeout_seconds")]
    pub timeout_seconds: f64,
    /// Seconds to wait for a server to come back when none answers, after the first contact.
    #[serde(default = "default_patience", alias = "patience_seconds")]
    pub patience_seconds: f64,
    /// Most times that one request is sent.
    #[serde(default = "default_attempts")]
    pub attempts: usize,
    /// Draw whole answers as streams that are hung up on where the answer ends (vLLM). Worth it for models that go on after
    /// their answer; costs processor time per token on both sides.
    #[serde(default)]
    pub stream: bool,
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
    /// Is this a list of servers, rather than the name of a model or a folder? What can be nothing else is, though it lacks
    /// something: [`parse`](Self::parse) says what.
    pub fn recognises(text: &str) -> bool {
        address::is_one(text)
    }

    /// Reads `http://h1:8000/v1,http://h2:8000/v1#model`. A kind of server may follow an address, as
    /// `http://h1:8000/v1?dialect=vllm#model`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (listed, model) = match text.split_once('#') {
            Some((urls, model)) => (urls, Some(model)),
            None => (text, None),
        };
        // A password may hold the very characters that part addresses.
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
        })
    }

    /// Would a key be sent to them?
    pub fn has_key(&self, role: Role) -> bool {
        // One that is named and cannot be read is meant to be sent.
        !matches!(self.key(role), Ok(None))
    }

    pub(crate) fn timeout(&self) -> Duration {
        seconds(self.timeout_seconds)
    }

    pub(crate) fn patience(&self) -> Duration {
        seconds(self.patience_seconds)
    }

    /// The key: from the named variable or file, or else from `OUTTHINK_POLICY_KEY` or `OUTTHINK_VERIFIER_KEY`.
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
            // An empty variable is how some unset one.
            Ok(_) | Err(VarError::NotPresent) if self.key_env.is_none() => Ok(None),
            _ => Err(Error::Key {
                name: name.to_owned(),
                role,
            }),
        }
    }
}

/// Any number of seconds as a duration that timers can take.
fn seconds(seconds: f64) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
    Duration::try_from_secs_f64(seconds).map_or(LONGEST, |duration| duration.min(LONGEST))
}

/// One address may stand without its brackets.
fn one_or_several<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Urls {
        One(String),
        Several(Vec<String>),
    }
    // Not with what was written: it may hold a secret.
    let urls = Urls::deserialize(from)
        .map_err(|_| serde::de::Error::custom("`urls` is a list of addresses"))?;
    Ok(match urls {
        Urls::One(url) => vec![url],
        Urls::Several(urls) => urls,
    })
}

/// What is wrong with a file and where, without the line: a key may stand in it.
fn malformed(error: &toml::de::Error, toml: &str) -> Error {
    let before = error.span().and_then(|span| toml.get(..span.start));
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    // A value of the wrong type is quoted.
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
