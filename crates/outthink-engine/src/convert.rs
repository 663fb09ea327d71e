//! From pickled PyTorch weights to safetensors. The pickle is read as data: no code in it runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use candle_core::pickle::PthTensors;

use crate::Error;
use crate::shards::ShardIndex;

/// Writes the weights of a folder with `pytorch_model.bin`, or shards of it, as safetensors into another folder, beside
/// copies of the other files that a checkpoint has. Nothing outside of that folder is written, and each file appears in it
/// when it is whole. Gives the number of tensors; calls `told` with each file written.
pub fn convert(from: &Path, to: &Path, told: &dyn Fn(&Path)) -> Result<usize, Error> {
    let mut index = ShardIndex::read(&from.join("pytorch_model.bin.index.json"))?;
    let shards: Vec<String> = match &index {
        Some(index) => index.files().into_iter().map(str::to_owned).collect(),
        None => vec!["pytorch_model.bin".to_owned()],
    };
    let mut made: HashMap<String, &str> = HashMap::new();
    for shard in &shards {
        if let Some(other) = made.insert(renamed(shard), shard) {
            return Err(Error::Weights {
                file: from.display().to_string(),
                reason: format!("{other} and {shard} would both become {}", renamed(shard)),
            });
        }
    }
    for shard in &shards {
        // Before anything is made, for an error that says what is missing.
        std::fs::File::open(from.join(shard)).map_err(at(&from.join(shard)))?;
    }
    std::fs::create_dir_all(to).map_err(at(to))?;
    let mut count = 0;
    for shard in &shards {
        let source = from.join(shard);
        let tensors = read(&source)?;
        count += tensors.len();
        let path = to.join(renamed(shard));
        placed(&path, |beside| {
            Ok(candle_core::safetensors::save(&tensors, beside)?)
        })?;
        told(&path);
    }
    if let Some(index) = &mut index {
        for shard in index.weight_map.values_mut() {
            *shard = renamed(shard);
        }
        let path = to.join("model.safetensors.index.json");
        let json = serde_json::to_vec(index).map_err(|error| Error::Weights {
            file: path.display().to_string(),
            reason: error.to_string(),
        })?;
        placed(&path, |beside| {
            std::fs::write(beside, json).map_err(at(beside))
        })?;
        told(&path);
    }
    let same = from.canonicalize().ok() == to.canonicalize().ok();
    for entry in std::fs::read_dir(from).map_err(at(from))? {
        let path: PathBuf = entry.map_err(at(from))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let kept = [".json", ".jinja", ".txt", ".model", ".md"]
            .iter()
            .any(|end| name.ends_with(end));
        if kept && !name.contains(".bin.") && path.is_file() && !same {
            placed(&to.join(name), |beside| {
                std::fs::copy(&path, beside).map(drop).map_err(at(&path))
            })?;
        }
    }
    Ok(count)
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File {
        path: path.clone(),
        source,
    }
}

/// Writes a file beside its place and moves it there: what a link at that place leads to is not touched.
fn placed(path: &Path, write: impl FnOnce(&Path) -> Result<(), Error>) -> Result<(), Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.unfinished", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    let written = write(&beside).and_then(|()| std::fs::rename(&beside, path).map_err(at(path)));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
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
