//! Models by their hub id, as the Hugging Face cache holds them.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

/// `owner/name`, with `@revision` if one is wanted.
pub(crate) struct HubId<'n> {
    owner: &'n str,
    name: &'n str,
    revision: &'n str,
}

impl<'n> HubId<'n> {
    /// None for what cannot be a hub id, as a path.
    pub(crate) fn parse(text: &'n str) -> Option<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = id.split_once('/')?;
        let plain = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
        };
        (plain(owner) && plain(name) && plain(revision)).then_some(Self {
            owner,
            name,
            revision,
        })
    }

    /// The folder of the cached snapshot, which is pinned to a commit.
    pub(crate) fn cached(&self) -> Result<PathBuf, anyhow::Error> {
        let Self {
            owner,
            name,
            revision,
        } = self;
        let repository = cache().join(format!("models--{owner}--{name}"));
        let snapshot = |commit: &str| repository.join("snapshots").join(commit);
        if snapshot(revision).is_dir() {
            return Ok(snapshot(revision));
        }
        let commit = std::fs::read_to_string(repository.join("refs").join(revision)).with_context(|| {
            format!(
                "{owner}/{name}@{revision} is not in the hub's cache ({}); fetch it with `hf download {owner}/{name}`, or name a folder",
                repository.display()
            )
        })?;
        let folder = snapshot(commit.trim());
        if folder.is_dir() {
            Ok(folder)
        } else {
            Err(anyhow!(
                "the cache names {} but does not hold it",
                folder.display()
            ))
        }
    }
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
        let id = HubId::parse("Qwen/Qwen2.5-0.5B-Instruct@abc")
            .map(|id| (id.owner, id.name, id.revision));
        assert_eq!(id, Some(("Qwen", "Qwen2.5-0.5B-Instruct", "abc")));
        for path in ["./model", "/tmp/model", "model", "a/b/c", "../x", "a/"] {
            assert!(HubId::parse(path).is_none(), "{path}");
        }
    }
}
