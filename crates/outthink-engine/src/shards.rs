//! A checkpoint in several files: which tensor is in which of them, by an index or by the files' names.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Error;

#[derive(Deserialize, Serialize)]
pub(crate) struct ShardIndex {
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
    pub(crate) weight_map: HashMap<String, String>,
}

impl ShardIndex {
    /// Reads an index, if there is one. Its files lie beside it: a path that leads elsewhere is refused.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Ok(json) = outthink_core::file::read(path) else {
            return Ok(None);
        };
        let broken = |reason: String| Error::Weights {
            file: path.display().to_string(),
            reason,
        };
        let index: Self =
            serde_json::from_slice(&json).map_err(|error| broken(error.to_string()))?;
        for shard in index.weight_map.values() {
            let mut parts = Path::new(shard).components();
            let plain = matches!(parts.next(), Some(std::path::Component::Normal(name)) if name == shard.as_str());
            if !plain || shard.contains(['/', '\\', '\0']) {
                return Err(broken(format!(
                    "the shard {shard:?} is no file of this folder; shards lie beside their index"
                )));
            }
        }
        Ok(Some(index))
    }

    /// The files, each once.
    pub(crate) fn files(&self) -> BTreeSet<&str> {
        self.weight_map.values().map(String::as_str).collect()
    }
}

/// Shards without an index, by their names: all that each says there are.
pub(crate) fn named(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::File {
        path: folder.to_owned(),
        source,
    };
    let mut count = None;
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name.to_string_lossy();
        let numbers = name
            .strip_prefix("model-")
            .and_then(|name| name.strip_suffix(".safetensors"));
        let of = numbers.and_then(|numbers| numbers.split_once("-of-"));
        count = count.max(of.and_then(|(_, count)| count.parse::<u16>().ok()));
    }
    let shard = |number| {
        folder.join(format!(
            "model-{number:05}-of-{:05}.safetensors",
            count.unwrap_or(0)
        ))
    };
    // One that is missing is told when it is opened.
    Ok((1..=count.unwrap_or(0)).map(shard).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::{Weights, convert};

    #[test]
    fn a_shard_elsewhere_is_neither_read_nor_written() {
        let folder = std::env::temp_dir().join(format!("outthink-shards-{}", std::process::id()));
        let model = folder.join("model");
        std::fs::create_dir_all(&model).unwrap();
        std::fs::write(folder.join("own.bin"), b"kept").unwrap();
        let absolute = folder.join("own.bin").display().to_string();
        let names = [
            "../own.bin",
            "..",
            ".",
            "",
            "a/b.bin",
            "./own.bin",
            "a\\b.bin",
            &absolute,
        ];
        for name in names {
            let index = serde_json::json!({"weight_map": {"a": name}}).to_string();
            for file in [
                "pytorch_model.bin.index.json",
                "model.safetensors.index.json",
            ] {
                std::fs::write(model.join(file), &index).unwrap();
            }
            let told = |error: Error| error.to_string().contains("shards lie beside their index");
            assert!(told(Weights::find(&model).unwrap_err()), "{name:?}");
            let out = folder.join("out");
            assert!(
                told(convert(&model, &out, &|_| {}).unwrap_err()),
                "{name:?}"
            );
            assert!(!out.exists(), "{name:?}");
        }
        let index = r#"{"weight_map": {"a": "model-1.safetensors"}}"#;
        std::fs::write(model.join("model.safetensors.index.json"), index).unwrap();
        assert!(Weights::find(&model).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
