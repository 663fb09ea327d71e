//! The weight files of a checkpoint: safetensors in one file or in shards, or a GGUF file.
//!
//! Tensors are read, some rows at a time, and not mapped: what has been loaded is not in memory twice, and a file that changes underneath is an
//! error, not undefined behaviour.

mod numbers;
mod open;
mod rows;

use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use self::open::WeightSource;
pub(crate) use self::open::{OpenWeights, StoredAs, TensorPlace};
pub(crate) use self::rows::TensorRows;
use crate::adapter::{Adapter, products};
use crate::shards::{self, ShardIndex};
use crate::{Error, gguf};

/// Where the tensors of a checkpoint are.
#[derive(Clone, Debug)]
pub enum Weights {
    /// One safetensors file in memory.
    Embedded(Cow<'static, [u8]>),
    /// Safetensors files.
    Files(Vec<PathBuf>),
    /// A GGUF file, or the parts of one.
    Gguf(Vec<PathBuf>),
    /// Those of a model, and an adapter's that are added to them.
    Adapted(Box<Self>, Adapter),
}

impl Weights {
    /// The weight files of a checkpoint folder.
    pub(crate) fn find(folder: &Path) -> Result<Self, Error> {
        let single = folder.join("model.safetensors");
        if single.is_file() {
            return Ok(Self::Files(vec![single]));
        }
        if let Some(index) = ShardIndex::read(&folder.join("model.safetensors.index.json"))? {
            let shards = index.files().into_iter();
            return Ok(Self::Files(
                shards.map(|shard| folder.join(shard)).collect(),
            ));
        }
        let shards = shards::named(folder)?;
        if !shards.is_empty() {
            return Ok(Self::Files(shards));
        }
        for pickled in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
            if folder.join(pickled).is_file() {
                return Err(Error::Weights {
                    file: folder.join(pickled).display().to_string(),
                    reason: "pickled weights are not read; `outthink convert` writes them as safetensors".into(),
                });
            }
        }
        if folder.join("adapter_model.safetensors").is_file() {
            return Err(Error::Weights {
                file: folder.display().to_string(),
                reason: "it holds an adapter (LoRA) without its adapter_config.json, and no model"
                    .into(),
            });
        }
        let path = single;
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        Err(Error::File { path, source })
    }

    /// Reads the headers.
    pub(crate) fn open(&self) -> Result<OpenWeights<'_>, Error> {
        let mut open = OpenWeights::default();
        match self {
            Self::Embedded(bytes) => open.add(
                "the embedded weights",
                WeightSource::Bytes(bytes),
                bytes.len() as u64,
            )?,
            Self::Files(paths) => {
                for path in paths {
                    let (file, length) = opened(path)?;
                    open.add(
                        &path.display().to_string(),
                        WeightSource::File(file),
                        length,
                    )?;
                }
            }
            Self::Adapted(model, adapter) => {
                open = model.open()?;
                let mut own = OpenWeights::default();
                let (file, length) = opened(&adapter.weights)?;
                let name = adapter.weights.display().to_string();
                own.add(&name, WeightSource::File(file), length)?;
                let before = open.sources.len();
                let products = products(adapter, own.tensors, &open.tensors)?.into_iter();
                let shifted = products.map(|(name, product)| (name, product.shifted(before)));
                open.added = shifted.collect();
                open.sources.extend(own.sources);
            }
            Self::Gguf(parts) => {
                let headers = parts.iter().map(|part| gguf::Header::read(part));
                let headers = headers.collect::<Result<Vec<_>, _>>()?;
                let format = gguf::format(&headers);
                for (part, header) in parts.iter().zip(headers) {
                    open.add_gguf(part, header, format)?;
                }
            }
        }
        open.unstack_experts();
        Ok(open)
    }
}

/// A file and its length.
pub(crate) fn opened(path: &Path) -> Result<(File, u64), Error> {
    let opened = std::fs::metadata(path).and_then(|about| {
        // Weights are read here and there, as the end of a pipe cannot be.
        if !about.is_file() && !about.is_dir() {
            let what = "it is a pipe or a device; a model is read from a file";
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    opened.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

/// How a file begins that is not what it should be, and what that says of it.
pub(crate) fn beginning(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "it is empty".into()
    } else if bytes.starts_with(b"version https://git-lfs") {
        "it is a pointer of Git LFS; `git lfs pull` fetches the file itself".into()
    } else if bytes.starts_with(b"<") {
        "it is a web page; download the file itself".into()
    } else {
        let shown = &bytes[..bytes.len().min(12)];
        format!("it begins with `{}`", shown.escape_ascii())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device, Tensor};

    use super::*;

    #[test]
    fn a_folder_has_its_weights_in_one_file_in_shards_or_says_what_it_has() {
        let folder = std::env::temp_dir().join(format!("outthink-weights-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).unwrap();
        let told = || {
            let found = Weights::find(&folder).and_then(|weights| match &weights {
                Weights::Files(files) => {
                    let names = files
                        .iter()
                        .map(|file| file.file_name().unwrap().to_string_lossy());
                    let names: Vec<_> = names.collect();
                    weights.open().map(|_| names.join(" "))
                }
                _ => unreachable!(),
            });
            found
                .unwrap_or_else(|error| error.to_string())
                .replace(&folder.display().to_string(), "FOLDER")
        };
        let save = |name: &str, dtype: DType| {
            let tensor = Tensor::new(&[1f32, 2.0], &Device::Cpu)
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let tensors = HashMap::from([(format!("of.{name}"), tensor)]);
            candle_core::safetensors::save(&tensors, folder.join(name)).unwrap();
        };
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
        insta::assert_snapshot!(told(), @"cannot read FOLDER/model.safetensors");
        write("adapter_model.safetensors", b"");
        insta::assert_snapshot!(told(), @"FOLDER: it holds an adapter (LoRA) without its adapter_config.json, and no model");
        write("pytorch_model.bin", b"");
        insta::assert_snapshot!(told(), @"FOLDER/pytorch_model.bin: pickled weights are not read; `outthink convert` writes them as safetensors");
        save("model-00002-of-00002.safetensors", DType::F64);
        insta::assert_snapshot!(told(), @"cannot read FOLDER/model-00001-of-00002.safetensors");
        save("model-00001-of-00002.safetensors", DType::F32);
        insta::assert_snapshot!(told(), @"model-00001-of-00002.safetensors model-00002-of-00002.safetensors");
        let f64s = Weights::find(&folder).unwrap();
        let f64s = f64s.open().unwrap();
        let read = f64s.get("of.model-00002-of-00002.safetensors", &[2]);
        assert_eq!(read.unwrap(), [1.0, 2.0]);
        write(
            "model.safetensors.index.json",
            br#"{"weight_map": {"a": "own.safetensors"}}"#,
        );
        insta::assert_snapshot!(told(), @"cannot read FOLDER/own.safetensors");
        save("own.safetensors", DType::U8);
        insta::assert_snapshot!(told(), @"own.safetensors");
        write(
            "model.safetensors",
            b"version https://git-lfs.github.com/spec/v1\n",
        );
        insta::assert_snapshot!(told(), @"FOLDER/model.safetensors: it is cut off, or no safetensors file: it is a pointer of Git LFS; `git lfs pull` fetches the file itself");
        write("model.safetensors", b"");
        insta::assert_snapshot!(told(), @"FOLDER/model.safetensors: it is empty");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
