//! Models by their hub id, from the Hugging Face cache or fetched into it.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use outthink_engine::gguf_parts;
use sha2::{Digest, Sha256};

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
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
        };
        let known = plain(owner) && plain(name) && plain(revision);
        let file_fits = file.is_none_or(|file| plain(file) && file.ends_with(".gguf"));
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
        let made = self.repository().join("safetensors").join(commit);
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
        if std::env::var_os("HF_HUB_OFFLINE").is_some_and(|value| value != "0" && !value.is_empty())
        {
            bail!(
                "{self} is not whole in the hub's cache ({}) and HF_HUB_OFFLINE forbids fetching it",
                cache().display()
            );
        }
        let api = api()?;
        let repo = |revision: &str| {
            let id = format!("{}/{}", self.owner, self.name);
            api.repo(Repo::with_revision(
                id,
                RepoType::Model,
                revision.to_owned(),
            ))
        };
        let info = repo(self.revision)
            .info()
            .map_err(|error| self.explain(error))?;
        let files: Vec<String> = info
            .siblings
            .into_iter()
            .map(|file| file.rfilename)
            .collect();
        let wanted = self.wanted(&files)?;
        eprintln!(
            "fetching {}/{} at {}: {} files",
            self.owner,
            self.name,
            info.sha,
            wanted.len()
        );
        // Everything by the commit: what is pushed meanwhile does not mix in.
        let pinned = repo(&info.sha);
        for file in &wanted {
            // What is there is not fetched again; what was cut off goes on where it stopped.
            if self.snapshot(&info.sha).join(file).exists() {
                continue;
            }
            let path = pinned
                .download(file)
                .map_err(|error| self.explain(error).context(file.clone()))?;
            check(&path).with_context(|| format!("{self}: {file}"))?;
        }
        let reference = self.repository().join("refs").join(self.revision);
        std::fs::create_dir_all(self.repository().join("refs"))
            .and_then(|()| std::fs::write(&reference, &info.sha))
            .with_context(|| format!("cannot write {}", reference.display()))?;
        self.cached().ok_or_else(|| {
            anyhow!("{self} lacks weights in a form that is read, or config.json or tokenizer.json")
        })
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
        let weights = |ends: &str| {
            files
                .iter()
                .filter(|name| name.ends_with(ends) && !name.contains('/'))
                .count()
        };
        let kept = if weights(".safetensors") > 0 {
            ".safetensors"
        } else if weights(".bin") > 0 {
            ".bin"
        } else {
            let hint = if weights(".gguf") > 0 {
                "; name one of its files, as owner/name/FILE.gguf"
            } else {
                ""
            };
            bail!("{self} holds neither safetensors nor PyTorch weights{hint}");
        };
        let needed = |name: &&String| {
            !name.contains('/')
                && (name.ends_with(".json") || name.ends_with(".jinja") || name.ends_with(kept))
        };
        Ok(files.iter().filter(needed).cloned().collect())
    }

    fn repository(&self) -> PathBuf {
        cache().join(format!("models--{}--{}", self.owner, self.name))
    }

    fn snapshot(&self, commit: &str) -> PathBuf {
        self.repository().join("snapshots").join(commit)
    }

    /// The snapshot or file in the cache, if it is whole.
    fn cached(&self) -> Option<PathBuf> {
        let reference = std::fs::read_to_string(self.repository().join("refs").join(self.revision));
        let commit = reference.unwrap_or_else(|_| self.revision.to_owned());
        let folder = self.snapshot(commit.trim());
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
    fn explain(&self, error: ApiError) -> anyhow::Error {
        let text = error.to_string();
        if text.contains("401") || text.contains("403") {
            return anyhow!(
                "the hub refuses {self}: accept its terms there and set HF_TOKEN ({text})"
            );
        }
        if text.contains("404") {
            return anyhow!(
                "the hub has no {self}, or hides it from those without a token ({text})"
            );
        }
        anyhow!(
            "cannot fetch {self} from {}: {text}; without a network, copy its folder here and name that",
            endpoint()
        )
    }
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

/// Large files are named by the SHA-256 of what they hold.
fn check(path: &Path) -> Result<(), anyhow::Error> {
    let blob = path.canonicalize()?;
    let name = blob
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
        .to_owned();
    if name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let mut file = std::fs::File::open(&blob)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let found = hex(&hash.finalize());
    if found != name {
        // Whoever asks again fetches it again.
        std::fs::remove_file(&blob)?;
        std::fs::remove_file(path).ok();
        bail!("what came is damaged (SHA-256 {found}, not {name}); ask again to fetch it again");
    }
    Ok(())
}

/// Bytes in hexadecimal, as checksums are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file of a dataset, fetched into the hub's cache and checked.
pub(crate) fn fetch_dataset(id: &str, file: &str) -> Result<PathBuf, anyhow::Error> {
    let repo = Repo::new(id.to_owned(), RepoType::Dataset);
    let cached = Cache::new(cache()).repo(repo.clone()).get(file);
    if let Some(path) = cached {
        return Ok(path);
    }
    let fetched = api()?.repo(repo).get(file).map_err(|error| {
        anyhow!(
            "cannot fetch {file} of dataset {id} from {}: {error}; without a network, name a file that is here",
            endpoint()
        )
    })?;
    check(&fetched).with_context(|| format!("{id}: {file}"))?;
    Ok(fetched)
}

fn api() -> Result<Api, anyhow::Error> {
    let cache = Cache::new(cache());
    let token = std::env::var("HF_TOKEN").ok().or_else(|| cache.token());
    ApiBuilder::from_cache(cache)
        .with_endpoint(endpoint())
        .with_token(token.filter(|token| !token.is_empty()))
        .with_user_agent("outthink", env!("CARGO_PKG_VERSION"))
        .with_retries(3)
        .build()
        .context("cannot speak to the hub")
}

fn endpoint() -> String {
    std::env::var("HF_ENDPOINT").unwrap_or_else(|_| "https://huggingface.co".into())
}

/// Where the hub's own tools keep what they fetched.
fn cache() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    named("HF_HUB_CACHE")
        .or_else(|| named("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/huggingface/hub")))
        .unwrap_or_default()
}

/// Ids of the models in the cache.
pub(crate) fn cached_models() -> Vec<String> {
    let entries = std::fs::read_dir(cache()).into_iter().flatten().flatten();
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
