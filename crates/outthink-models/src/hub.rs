//! The Hugging Face hub: models by their hub id and files of data sets, from its cache or fetched into it. Its usual
//! variables count: `HF_TOKEN`, `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `HF_HUB_OFFLINE`.

mod answer;
mod cache;

use std::fmt;
use std::path::{Path, PathBuf};

use outthink_engine::gguf_parts;
use serde::Deserialize;
use ureq::http::StatusCode;

use crate::Notice;
use answer::{Hub, Refusal};
use cache::{Repository, Trouble};

/// Why the hub, or its cache, gives no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// It could not be reached, broke off, or has a fault of its own.
    #[error("cannot fetch {what} from {endpoint}: {reason}{advice}")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// The hub's address.
        endpoint: String,
        /// What it answered, or why it did not.
        reason: String,
        /// What to do about it, if something can be done.
        advice: &'static str,
    },
    /// It has been asked too often.
    #[error(
        "the hub asks to wait before more of {id} is fetched; HF_TOKEN raises its limits ({reason})"
    )]
    Busy {
        /// The repository.
        id: String,
        /// Its answer.
        reason: String,
    },
    /// Its terms have not been accepted by the token's account.
    #[error(
        "the hub refuses {id}: accept its terms at {page} and set HF_TOKEN to a token of that account ({reason})"
    )]
    Gated {
        /// The repository.
        id: String,
        /// Where its terms are.
        page: String,
        /// Its answer.
        reason: String,
    },
    /// Nothing that everyone may have.
    #[error(
        "the hub refuses {id}: there is none, or it is private, or its terms must be accepted at {page}; set HF_TOKEN ({reason})"
    )]
    Private {
        /// The repository.
        id: String,
        /// Where its terms would be.
        page: String,
        /// Its answer.
        reason: String,
    },
    /// There is none.
    #[error("the hub has no {id}, or hides it from those without a token ({reason})")]
    Absent {
        /// The repository.
        id: String,
        /// Its answer.
        reason: String,
    },
    /// Not in the cache, and the environment forbids asking the hub.
    #[error("{missing} and HF_HUB_OFFLINE forbids fetching it")]
    Offline {
        /// What is missing from where, as a clause.
        missing: String,
    },
    /// The hub names a commit that cannot be one.
    #[error("{endpoint} names a commit {commit:?}, which is none")]
    NoCommit {
        /// The hub's address.
        endpoint: String,
        /// What it says.
        commit: String,
    },
    /// The hub's list of a repository's files cannot be read.
    #[error("{endpoint} does not list the files of {id}")]
    NoListing {
        /// The hub's address.
        endpoint: String,
        /// The repository.
        id: String,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
    /// A repository does not hold the file that is named.
    #[error("{id} has no {file}, but {known}")]
    NoFile {
        /// The repository.
        id: String,
        /// What is named.
        file: String,
        /// What it holds instead.
        known: String,
    },
    /// A repository of something else.
    #[error("{id} holds neither safetensors nor PyTorch weights{hint}")]
    NoWeights {
        /// The repository.
        id: String,
        /// What it does hold.
        hint: &'static str,
    },
    /// A repository that is no whole model.
    #[error(
        "{id} lacks weights in a form that is read, or config.json, or tokenizer.json and tokenizer.model"
    )]
    Lacking {
        /// The repository.
        id: String,
    },
    /// The name of a data set's file is none.
    #[error("{id}/{file} is no file of a dataset (owner/name/FILE)")]
    NoDatasetFile {
        /// The data set.
        id: String,
        /// The file.
        file: String,
    },
    /// What was fetched is not what the hub says it holds.
    #[error("what came is damaged (SHA-256 {found}, not {name}); ask again to fetch it again")]
    Damaged {
        /// The SHA-256 of what came.
        found: String,
        /// What it should be.
        name: String,
    },
    /// The cache cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Pickled weights that cannot be converted.
    #[error(transparent)]
    Convert(#[from] outthink_engine::Error),
    /// What failed, with the file or the repository that it is about.
    #[error("{what}")]
    About {
        /// The file or the repository.
        what: String,
        /// What failed.
        source: Box<Self>,
    },
}

impl HubError {
    /// Was it no fault of the name that was asked for, so that asking again later may help?
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Busy { .. } => true,
            Self::About { source, .. } => source.is_passing(),
            _ => false,
        }
    }

    fn about(self, what: impl fmt::Display) -> Self {
        Self::About {
            what: what.to_string(),
            source: Box::new(self),
        }
    }

    fn writing(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

/// The revision where none is named.
const MAIN: &str = "main";

/// `owner/name`, with `@revision` if one is wanted, and `/FILE.gguf` for one of many files.
pub struct HubId<'n> {
    owner: &'n str,
    name: &'n str,
    revision: &'n str,
    file: Option<&'n str>,
}

impl fmt::Display for HubId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.owner, self.name, self.revision)
    }
}

impl<'n> HubId<'n> {
    /// None for what cannot be a hub id, as a path.
    pub fn parse(text: &'n str) -> Option<Self> {
        let (owner, rest) = text.split_once('/')?;
        let (id, file) = match rest.split_once('/') {
            Some((id, file)) => (id, Some(file)),
            None => (rest, None),
        };
        let (name, revision) = id.split_once('@').unwrap_or((id, MAIN));
        let known = is_plain(owner) && is_plain(name) && is_plain(revision);
        let file_fits = file.is_none_or(|file| is_plain(file) && file.ends_with(".gguf"));
        (known && file_fits).then_some(Self {
            owner,
            name,
            revision,
            file,
        })
    }

    /// A folder with safetensors, or a GGUF file: the snapshot of a commit, or what was made of its pickled weights. It is told
    /// what is fetched or converted, for either may take long.
    ///
    /// # Errors
    ///
    /// What the hub refuses, what cannot be reached or is forbidden by `HF_HUB_OFFLINE`, and what is no model.
    pub fn fetch(&self, tell: &dyn Fn(Notice)) -> Result<PathBuf, HubError> {
        let path = match self.cached() {
            Some(cached) => cached,
            None => self.download(tell)?,
        };
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
        if self.file.is_some() || !pickled.iter().any(|file| path.join(file).is_file()) {
            return Ok(path);
        }
        let commit = path.file_name().unwrap_or_default();
        let made = self.repository().folder().join("safetensors").join(commit);
        if !is_whole(&made) {
            tell(Notice::Converting {
                id: self.to_string(),
                folder: made.clone(),
            });
            let unfinished = made.with_extension("unfinished");
            outthink_engine::convert(&path, &unfinished, &|_| {})?;
            std::fs::rename(&unfinished, &made).map_err(HubError::writing(&made))?;
        }
        Ok(made)
    }

    /// `owner/name`.
    pub(crate) fn repository_id(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The revision, if one is named.
    pub(crate) fn named_revision(&self) -> Option<String> {
        (self.revision != MAIN).then(|| self.revision.to_owned())
    }

    /// Is it one of many files?
    pub(crate) fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// A folder with what makes tokens of text, whether the weights are there or not: for those who have a server that fetches
    /// them itself.
    pub(crate) fn fetch_prompt_files(&self, tell: &dyn Fn(Notice)) -> Result<PathBuf, HubError> {
        let snapshot = self.snapshot();
        if snapshot.join("tokenizer.json").is_file() && snapshot.join("config.json").is_file() {
            return Ok(snapshot);
        }
        self.download_of(tell, |files| {
            let of_prompts = |name: &&String| {
                let words = name.ends_with(".json") && !name.ends_with(".index.json");
                !name.contains('/') && (words || name.ends_with(".jinja"))
            };
            Ok(files.iter().filter(of_prompts).cloned().collect())
        })?;
        Ok(self.snapshot())
    }

    fn download(&self, tell: &dyn Fn(Notice)) -> Result<PathBuf, HubError> {
        self.download_of(tell, |files| self.wanted(files))?;
        self.cached().ok_or_else(|| HubError::Lacking {
            id: self.to_string(),
        })
    }

    /// Fetches those of the repository's files that are wanted.
    fn download_of(
        &self,
        tell: &dyn Fn(Notice),
        wanted: impl Fn(&[String]) -> Result<Vec<String>, HubError>,
    ) -> Result<(), HubError> {
        if is_offline() {
            let cache = cache::root();
            return Err(HubError::Offline {
                missing: format!(
                    "{self} is not whole in the hub's cache ({})",
                    cache.display()
                ),
            });
        }
        let hub = hub();
        let Listing { sha, siblings } = self.listing(&hub)?;
        // Everything by the commit: what is pushed meanwhile does not mix in.
        let commit = sha.unwrap_or_else(|| self.revision.to_owned());
        if !is_plain(&commit) {
            return Err(HubError::NoCommit {
                endpoint: hub.endpoint().to_owned(),
                commit,
            });
        }
        let files: Vec<String> = siblings.into_iter().map(|file| file.rfilename).collect();
        let wanted = wanted(&files)?;
        tell(Notice::Fetching {
            repository: format!("{}/{}", self.owner, self.name),
            commit: commit.clone(),
            files: wanted.len(),
        });
        let repository = self.repository();
        for file in &wanted {
            repository
                .fetch(&hub, &commit, file)
                .map_err(|trouble| match trouble {
                    Trouble::Refused(refusal) => self.explain(&hub, &refusal),
                    Trouble::Other(error) => error.about(self),
                })
                .map_err(|error| error.about(file))?;
        }
        repository.refer(self.revision, &commit)
    }

    /// What the repository holds at the revision.
    fn listing(&self, hub: &Hub) -> Result<Listing, HubError> {
        let Self {
            owner,
            name,
            revision,
            ..
        } = self;
        let address = format!("api/models/{owner}/{name}/revision/{revision}");
        let answer = hub.get(&address, None);
        let mut answer = answer.map_err(|refusal| self.explain(hub, &refusal))?;
        let text = answer.body.with_config().limit(LISTING).read_to_vec();
        let text = text.map_err(|error| self.explain(hub, &Refusal::Broken(error.to_string())))?;
        serde_json::from_slice(&text).map_err(|source| HubError::NoListing {
            endpoint: hub.endpoint().to_owned(),
            id: self.to_string(),
            source,
        })
    }

    /// The files that a checkpoint needs: safetensors if there are any, else the pickled weights.
    fn wanted(&self, files: &[String]) -> Result<Vec<String>, HubError> {
        if let Some(file) = self.file {
            let parts = gguf_parts(file);
            return match parts.iter().find(|part| !files.contains(part)) {
                None => Ok(parts),
                Some(file) => {
                    let known = files.iter().filter(|name| name.ends_with(".gguf"));
                    let known: Vec<&str> = known.map(String::as_str).collect();
                    Err(HubError::NoFile {
                        id: self.to_string(),
                        file: file.clone(),
                        known: match known.is_empty() {
                            true => "no GGUF files".into(),
                            false => known.join(", "),
                        },
                    })
                }
            };
        }
        let at_top = || files.iter().filter(|name| !name.contains('/'));
        let weights = |ends: &str| at_top().filter(|name| name.ends_with(ends)).count();
        // Beside its shards a repository may hold the same weights in its authors' own form.
        let model = |name: &str| name.starts_with("model") && name.ends_with(".safetensors");
        let named = at_top().any(|name| model(name));
        let pickled = |name: &str| name.starts_with("pytorch_model") && name.ends_with(".bin");
        let kept: &dyn Fn(&str) -> bool = if named {
            &model
        } else if weights(".safetensors") > 0 {
            &|name| name.ends_with(".safetensors")
        } else if at_top().any(|name| pickled(name)) {
            &pickled
        } else {
            let hint = if weights(".gguf") > 0 {
                "; name one of its files, as owner/name/FILE.gguf"
            } else {
                ""
            };
            return Err(HubError::NoWeights {
                id: self.to_string(),
                hint,
            });
        };
        let slow = !at_top().any(|name| name == "tokenizer.json");
        let needed = |name: &&String| {
            name.ends_with(".json")
                || name.ends_with(".jinja")
                || kept(name)
                || (name.as_str() == "tokenizer.model" && slow)
        };
        Ok(at_top().filter(needed).cloned().collect())
    }

    fn repository(&self) -> Repository {
        Repository {
            kind: "models",
            owner: self.owner.to_owned(),
            name: self.name.to_owned(),
        }
    }

    /// Where the revision's files lie in the cache, or would.
    fn snapshot(&self) -> PathBuf {
        let repository = self.repository();
        let reference = repository.folder().join("refs").join(self.revision);
        let commit = std::fs::read_to_string(reference);
        let commit = commit.unwrap_or_else(|_| self.revision.to_owned());
        repository.snapshot(commit.trim())
    }

    /// The snapshot or file in the cache, if it is whole.
    fn cached(&self) -> Option<PathBuf> {
        let folder = self.snapshot();
        match self.file {
            Some(file) => {
                let parts = gguf_parts(file);
                let whole = parts.iter().all(|part| folder.join(part).is_file());
                whole.then(|| folder.join(file))
            }
            None => is_whole(&folder).then_some(folder),
        }
    }

    /// Says what to do about it.
    fn explain(&self, hub: &Hub, refusal: &Refusal) -> HubError {
        let Self { owner, name, .. } = self;
        let endpoint = hub.endpoint();
        let (id, reason) = (self.to_string(), refusal.to_string());
        let unreachable = |advice| HubError::Unreachable {
            what: self.to_string(),
            endpoint: endpoint.to_owned(),
            reason: refusal.to_string(),
            advice,
        };
        let Refusal::Status(status, why) = refusal else {
            return unreachable("; without a network, copy its folder here and name that");
        };
        let gated = why.as_ref().is_some_and(|why| why.contains("gated"));
        let page = format!("{endpoint}/{owner}/{name}");
        match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if gated || hub.has_token() => {
                HubError::Gated { id, page, reason }
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                HubError::Private { id, page, reason }
            }
            StatusCode::NOT_FOUND => HubError::Absent { id, reason },
            StatusCode::TOO_MANY_REQUESTS => HubError::Busy { id, reason },
            _ => unreachable(""),
        }
    }
}

/// A listing that is longer is none.
const LISTING: u64 = 64 << 20;

/// What the hub says of a repository.
#[derive(Deserialize)]
struct Listing {
    sha: Option<String>,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Can it stand in a path as one part of it?
fn is_plain(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
}

/// The key for the hub, if there is one.
pub(crate) fn token() -> Option<String> {
    cache::token()
}

fn is_offline() -> bool {
    let value = std::env::var("HF_HUB_OFFLINE").unwrap_or_default();
    let value = value.trim().to_ascii_lowercase();
    !matches!(value.as_str(), "" | "0" | "false" | "no" | "off")
}

fn hub() -> Hub {
    let named = std::env::var("HF_ENDPOINT").ok();
    let endpoint = named.filter(|endpoint| !endpoint.trim().is_empty());
    let endpoint = endpoint.map(|endpoint| endpoint.trim().to_owned());
    Hub::new(
        endpoint.unwrap_or_else(|| "https://huggingface.co".into()),
        cache::token(),
    )
}

/// Does a folder hold a configuration and all of its weight files? (A link to a file that is not there yet does not count.)
fn is_whole(folder: &Path) -> bool {
    let shards = |index: &str| -> Option<Vec<String>> {
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join(index)).ok()?).ok()?;
        let names = json["weight_map"].as_object()?.values();
        Some(
            names
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
        )
    };
    let has = |file: &str| folder.join(file).is_file();
    let all =
        |index: &str| shards(index).is_some_and(|shards| shards.iter().all(|shard| has(shard)));
    // An adapter needs no more; the model that it changes is another repository's.
    let adapter = has("adapter_config.json") && has("adapter_model.safetensors");
    let tokenizer = has("tokenizer.json") || has("tokenizer.model");
    let described = has("config.json") && tokenizer;
    adapter
        || described
            && (has("model.safetensors")
                || all("model.safetensors.index.json")
                || has("pytorch_model.bin")
                || all("pytorch_model.bin.index.json"))
}

/// A file of a dataset, fetched into the hub's cache and checked.
///
/// # Errors
///
/// As for a model.
pub fn fetch_dataset(id: &str, file: &str) -> Result<PathBuf, HubError> {
    let (owner, name) = id.split_once('/').unwrap_or(("", id));
    if !is_plain(owner) || !is_plain(name) || !file.split('/').all(is_plain) {
        return Err(HubError::NoDatasetFile {
            id: id.to_owned(),
            file: file.to_owned(),
        });
    }
    let repository = Repository {
        kind: "datasets",
        owner: owner.to_owned(),
        name: name.to_owned(),
    };
    let reference = repository.folder().join("refs").join("main");
    if let Ok(commit) = std::fs::read_to_string(&reference) {
        let cached = repository.snapshot(commit.trim()).join(file);
        if cached.is_file() {
            return Ok(cached);
        }
    }
    if is_offline() {
        return Err(HubError::Offline {
            missing: format!("{file} of dataset {id} is not in the hub's cache"),
        });
    }
    let hub = hub();
    let explain = |trouble| match trouble {
        Trouble::Other(error) => error.about(format_args!("{id}: {file}")),
        Trouble::Refused(refusal) => HubError::Unreachable {
            what: format!("{file} of dataset {id}"),
            endpoint: hub.endpoint().to_owned(),
            reason: refusal.to_string(),
            advice: "; without a network, name a file that is here",
        },
    };
    repository.fetch_latest(&hub, file).map_err(explain)
}

/// Ids of the models in the cache.
pub fn cached_models() -> Vec<String> {
    let entries = std::fs::read_dir(cache::root())
        .into_iter()
        .flatten()
        .flatten();
    let id = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let (owner, name) = name.strip_prefix("models--")?.split_once("--")?;
        Some(format!("{owner}/{name}"))
    };
    let mut ids: Vec<String> = entries.filter_map(id).collect();
    ids.sort();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_ids_are_told_from_paths() {
        let id = |text| HubId::parse(text).map(|id| (id.owner, id.name, id.revision, id.file));
        let plain = Some(("Qwen", "Qwen2.5-0.5B-Instruct", "abc", None));
        assert_eq!(id("Qwen/Qwen2.5-0.5B-Instruct@abc"), plain);
        let file = Some(("a", "b-GGUF", "main", Some("b-q8_0.gguf")));
        assert_eq!(id("a/b-GGUF/b-q8_0.gguf"), file);
        for path in ["./model", "/tmp/model", "model", "a/b/c", "../x", "a/"] {
            assert!(HubId::parse(path).is_none(), "{path}");
        }
    }
}
