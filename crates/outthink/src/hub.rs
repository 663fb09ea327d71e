//! Models by their hub id, from the Hugging Face cache or fetched into it.

mod answer;
mod cache;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use outthink_engine::gguf_parts;
use serde::Deserialize;
use ureq::http::StatusCode;

use answer::{Hub, Refusal};
pub(crate) use cache::hex;
use cache::{Repository, Trouble};

/// `owner/name`, with `@revision` if one is wanted, and `/FILE.gguf` for one of many files.
pub(crate) struct HubId<'n> {
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
    pub(crate) fn parse(text: &'n str) -> Option<Self> {
        let (owner, rest) = text.split_once('/')?;
        let (id, file) = match rest.split_once('/') {
            Some((id, file)) => (id, Some(file)),
            None => (rest, None),
        };
        let (name, revision) = id.split_once('@').unwrap_or((id, "main"));
        let known = is_plain(owner) && is_plain(name) && is_plain(revision);
        let file_fits = file.is_none_or(|file| is_plain(file) && file.ends_with(".gguf"));
        (known && file_fits).then_some(Self {
            owner,
            name,
            revision,
            file,
        })
    }

    /// A folder with safetensors, or a GGUF file: the snapshot of a commit, or what was made of its pickled weights.
    pub(crate) fn fetch(&self) -> Result<PathBuf, anyhow::Error> {
        let path = match self.cached() {
            Some(cached) => cached,
            None => self.download()?,
        };
        let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
        if self.file.is_some() || !pickled.iter().any(|file| path.join(file).is_file()) {
            return Ok(path);
        }
        let commit = path.file_name().unwrap_or_default();
        let made = self.repository().folder().join("safetensors").join(commit);
        if !is_whole(&made) {
            eprintln!(
                "{self} holds pickled weights; writing them as safetensors to {}",
                made.display()
            );
            let unfinished = made.with_extension("unfinished");
            outthink_engine::convert(&path, &unfinished, &|_| {})?;
            std::fs::rename(&unfinished, &made)
                .with_context(|| format!("cannot write {}", made.display()))?;
        }
        Ok(made)
    }

    fn download(&self) -> Result<PathBuf, anyhow::Error> {
        if is_offline() {
            bail!(
                "{self} is not whole in the hub's cache ({}) and HF_HUB_OFFLINE forbids fetching it",
                cache::root().display()
            );
        }
        let hub = hub();
        let Listing { sha, siblings } = self.listing(&hub)?;
        // Everything by the commit: what is pushed meanwhile does not mix in.
        let commit = sha.unwrap_or_else(|| self.revision.to_owned());
        if !is_plain(&commit) {
            bail!(
                "{} names a commit {commit:?}, which is none",
                hub.endpoint()
            );
        }
        let files: Vec<String> = siblings.into_iter().map(|file| file.rfilename).collect();
        let wanted = self.wanted(&files)?;
        eprintln!(
            "fetching {}/{} at {commit}: {} files",
            self.owner,
            self.name,
            wanted.len()
        );
        let repository = self.repository();
        for file in &wanted {
            repository
                .fetch(&hub, &commit, file)
                .map_err(|trouble| match trouble {
                    Trouble::Refused(refusal) => self.explain(&hub, &refusal),
                    Trouble::Other(error) => error.context(self.to_string()),
                })
                .with_context(|| file.clone())?;
        }
        repository.refer(self.revision, &commit)?;
        self.cached().ok_or_else(|| {
            anyhow!("{self} lacks weights in a form that is read, or config.json or tokenizer.json")
        })
    }

    /// What the repository holds at the revision.
    fn listing(&self, hub: &Hub) -> Result<Listing, anyhow::Error> {
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
        serde_json::from_slice(&text)
            .with_context(|| format!("{} does not list the files of {self}", hub.endpoint()))
    }

    /// The files that a checkpoint needs: safetensors if there are any, else the pickled weights.
    fn wanted(&self, files: &[String]) -> Result<Vec<String>, anyhow::Error> {
        if let Some(file) = self.file {
            let parts = gguf_parts(file);
            return match parts.iter().find(|part| !files.contains(part)) {
                None => Ok(parts),
                Some(file) => {
                    let known = files.iter().filter(|name| name.ends_with(".gguf"));
                    let known: Vec<&str> = known.map(String::as_str).collect();
                    bail!(
                        "{self} has no {file}, but {}",
                        if known.is_empty() {
                            "no GGUF files".into()
                        } else {
                            known.join(", ")
                        }
                    )
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
            bail!("{self} holds neither safetensors nor PyTorch weights{hint}");
        };
        let needed =
            |name: &&String| name.ends_with(".json") || name.ends_with(".jinja") || kept(name);
        Ok(at_top().filter(needed).cloned().collect())
    }

    fn repository(&self) -> Repository {
        Repository {
            kind: "models",
            owner: self.owner.to_owned(),
            name: self.name.to_owned(),
        }
    }

    /// The snapshot or file in the cache, if it is whole.
    fn cached(&self) -> Option<PathBuf> {
        let repository = self.repository();
        let reference = repository.folder().join("refs").join(self.revision);
        let commit = std::fs::read_to_string(reference);
        let commit = commit.unwrap_or_else(|_| self.revision.to_owned());
        let folder = repository.snapshot(commit.trim());
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
    fn explain(&self, hub: &Hub, refusal: &Refusal) -> anyhow::Error {
        let Self { owner, name, .. } = self;
        let endpoint = hub.endpoint();
        let Refusal::Status(status, why) = refusal else {
            return anyhow!(
                "cannot fetch {self} from {endpoint}: {refusal}; without a network, copy its folder here and name that"
            );
        };
        let gated = why.as_ref().is_some_and(|why| why.contains("gated"));
        match *status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if gated || hub.has_token() => {
                anyhow!(
                    "the hub refuses {self}: accept its terms at {endpoint}/{owner}/{name} and set HF_TOKEN to a token of that \
                 account ({refusal})"
                )
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => anyhow!(
                "the hub refuses {self}: there is none, or it is private, or its terms must be accepted at \
                 {endpoint}/{owner}/{name}; set HF_TOKEN ({refusal})"
            ),
            StatusCode::NOT_FOUND => {
                anyhow!("the hub has no {self}, or hides it from those without a token ({refusal})")
            }
            StatusCode::TOO_MANY_REQUESTS => anyhow!(
                "the hub asks to wait before more of {self} is fetched; HF_TOKEN raises its limits ({refusal})"
            ),
            _ => anyhow!("cannot fetch {self} from {endpoint}: {refusal}"),
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
    has("config.json")
        && has("tokenizer.json")
        && (has("model.safetensors")
            || all("model.safetensors.index.json")
            || has("pytorch_model.bin")
            || all("pytorch_model.bin.index.json"))
}

/// A file of a dataset, fetched into the hub's cache and checked.
pub(crate) fn fetch_dataset(id: &str, file: &str) -> Result<PathBuf, anyhow::Error> {
    let (owner, name) = id.split_once('/').unwrap_or(("", id));
    if !is_plain(owner) || !is_plain(name) || !file.split('/').all(is_plain) {
        bail!("{id}/{file} is no file of a dataset (owner/name/FILE)");
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
        bail!(
            "{file} of dataset {id} is not in the hub's cache and HF_HUB_OFFLINE forbids fetching it"
        );
    }
    let hub = hub();
    let explain = |trouble| match trouble {
        Trouble::Other(error) => error.context(format!("{id}: {file}")),
        Trouble::Refused(refusal) => anyhow!(
            "cannot fetch {file} of dataset {id} from {}: {refusal}; without a network, name a file that is here",
            hub.endpoint()
        ),
    };
    repository.fetch_latest(&hub, file).map_err(explain)
}

/// Ids of the models in the cache.
pub(crate) fn cached_models() -> Vec<String> {
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
