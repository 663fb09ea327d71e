//! From pickled PyTorch weights to safetensors. The pickle is read as data: no code in it runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use candle_core::pickle::PthTensors;
use serde::{Deserialize, Serialize};

use crate::Error;

#[derive(Deserialize, Serialize)]
struct ShardIndex {
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
    weight_map: HashMap<String, String>,
}

/// Writes the weights of a folder with `pytorch_model.bin`, or shards of it, as safetensors into another folder, beside
/// copies of the other files that a checkpoint has. Gives the number of tensors; calls `told` with each file written.
pub fn convert(from: &Path, to: &Path, told: &dyn Fn(&Path)) -> Result<usize, Error> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::File { path, source }
    };
    let index_path = from.join("pytorch_model.bin.index.json");
    let index: Option<ShardIndex> = match std::fs::read(&index_path) {
        Ok(json) => Some(
            serde_json::from_slice(&json).map_err(|error| Error::Weights {
                file: index_path.display().to_string(),
                reason: error.to_string(),
            })?,
        ),
        Err(_) => None,
    };
    let shards = match &index {
        Some(index) => {
            let mut shards: Vec<String> = index.weight_map.values().cloned().collect();
            shards.sort();
            shards.dedup();
            shards
        }
        None => vec!["pytorch_model.bin".to_owned()],
    };
    std::fs::create_dir_all(to).map_err(io(to))?;
    let mut count = 0;
    for shard in &shards {
        let source = from.join(shard);
        // Opened first, for an error that says what is missing.
        std::fs::File::open(&source).map_err(io(&source))?;
        let tensors = read(&source)?;
        count += tensors.len();
        let path = to.join(renamed(shard));
        candle_core::safetensors::save(&tensors, &path)?;
        told(&path);
    }
    if let Some(mut index) = index {
        for shard in index.weight_map.values_mut() {
            *shard = renamed(shard);
        }
        let path = to.join("model.safetensors.index.json");
        let json = serde_json::to_vec(&index).map_err(|error| Error::Weights {
            file: path.display().to_string(),
            reason: error.to_string(),
        })?;
        std::fs::write(&path, json).map_err(io(&path))?;
        told(&path);
    }
    for entry in std::fs::read_dir(from).map_err(io(from))? {
        let path: PathBuf = entry.map_err(io(from))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let kept = [".json", ".jinja", ".txt", ".model", ".md"]
            .iter()
            .any(|end| name.ends_with(end));
        if kept && !name.contains(".bin.") && path.is_file() && from != to {
            std::fs::copy(&path, to.join(name)).map_err(io(&path))?;
        }
    }
    Ok(count)
}

fn renamed(shard: &str) -> String {
    let stem = shard.strip_suffix(".bin").unwrap_or(shard);
    format!("{}.safetensors", stem.replace("pytorch_model", "model"))
}

fn read(file: &Path) -> Result<HashMap<String, Tensor>, Error> {
    let broken = |reason: String| Error::Weights {
        file: file.display().to_string(),
        reason,
    };
    let pickled = PthTensors::new(file, None)
        .map_err(|error| broken(format!("no PyTorch weights: {error}")))?;
    let mut tensors = HashMap::new();
    for (name, info) in pickled.tensor_infos() {
        // The reader counts an offset within shared storage in the wrong unit.
        if info.layout.start_offset() != 0 {
            return Err(broken(format!(
                "tensor {name} is a part of another, which is not read"
            )));
        }
        let tensor = pickled
            .get(name)
            .map_err(|error| broken(format!("tensor {name}: {error}")))?;
        let tensor =
            tensor.ok_or_else(|| broken(format!("tensor {name} is listed and not there")))?;
        tensors.insert(name.clone(), tensor.contiguous()?);
    }
    if tensors.is_empty() {
        return Err(broken("it holds no tensors".into()));
    }
    Ok(tensors)
}
