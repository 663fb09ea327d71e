//! Where servers are and what they may be asked: `outthink.toml`, or `url,url#model` on the command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::Error;

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
        let config: Self = toml::from_str(toml)?;
        for servers in [&config.policy, &config.verifier].into_iter().flatten() {
            servers.urls.iter().try_for_each(|url| check(url))?;
        }
        Ok(config)
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }
}

/// The servers of one role: replicas of one model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Servers {
    /// Base addresses, `http://host:port/v1`.
    pub urls: Vec<String>,
    /// The model's name there; not needed where there is only one.
    pub model: Option<String>,
    /// A folder with the model's `tokenizer.json` and chat template; without, the server is asked.
    pub tokenizer: Option<PathBuf>,
    /// Profile, by name or as a file.
    pub profile: Option<String>,
    /// Environment variable that holds the key.
    pub key_env: Option<String>,
    /// File that holds the key.
    pub key_file: Option<PathBuf>,
    /// Most requests in flight at one server; without, the best number is found.
    pub concurrency: Option<usize>,
    /// Seconds until an unanswered request is given up and sent again.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: f64,
    /// Seconds to wait for a server to come back when none answers.
    #[serde(default = "default_patience")]
    pub patience_seconds: f64,
    /// Most times that one request is sent.
    #[serde(default = "default_attempts")]
    pub attempts: usize,
    /// Draw whole answers as streams that are hung up on where the answer ends. Worth it for models that go on after
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
    /// Is this a list of servers, rather than the name of a model or a folder?
    pub fn recognises(text: &str) -> bool {
        text.starts_with("http://") || text.starts_with("https://")
    }

    /// Reads `http://h1:8000/v1,http://h2:8000/v1#model`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (urls, model) = match text.split_once('#') {
            Some((urls, model)) => (urls, Some(model.to_owned())),
            None => (text, None),
        };
        let urls: Vec<String> = urls.split(',').map(|url| url.trim().to_owned()).collect();
        urls.iter().try_for_each(|url| check(url))?;
        Ok(Self {
            urls,
            model,
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

    pub(crate) fn timeout(&self) -> Duration {
        seconds(self.timeout_seconds)
    }

    pub(crate) fn patience(&self) -> Duration {
        seconds(self.patience_seconds)
    }

    /// The key: from the named variable or file, or else from `OUTTHINK_POLICY_KEY` or `OUTTHINK_VERIFIER_KEY`.
    pub(crate) fn key(&self, role: Role) -> Result<Option<Key>, Error> {
        if let Some(path) = &self.key_file {
            let text = std::fs::read_to_string(path).map_err(|source| Error::File {
                path: path.clone(),
                source,
            })?;
            return Ok(Some(Key(text.trim().to_owned())));
        }
        let usual = match role {
            Role::Policy => "OUTTHINK_POLICY_KEY",
            Role::Verifier => "OUTTHINK_VERIFIER_KEY",
        };
        let name = self.key_env.as_deref().unwrap_or(usual);
        match std::env::var(name) {
            Ok(key) if !key.trim().is_empty() => Ok(Some(Key(key.trim().to_owned()))),
            _ if self.key_env.is_none() => Ok(None),
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

fn check(url: &str) -> Result<(), Error> {
    let wrong = |reason: &str, url: &str| Error::Url {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    let parsed: hyper::Uri = url.parse().map_err(|_| wrong("it does not parse", url))?;
    let Some(authority) = parsed.authority() else {
        return Err(wrong("it names no host", url));
    };
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it is neither http nor https", url));
    }
    if let Some((_, host)) = authority.as_str().rsplit_once('@') {
        // Not with the url: it holds a secret.
        return Err(wrong("keys come from the environment or a file", host));
    }
    if parsed.query().is_some() {
        let shown = url.split('?').next().unwrap_or_default();
        return Err(wrong("it has a query", shown));
    }
    Ok(())
}

/// A secret; it is sent to the servers and shown to nobody.
#[derive(Clone)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn header(&self) -> Option<hyper::header::HeaderValue> {
        let mut value = hyper::header::HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}
