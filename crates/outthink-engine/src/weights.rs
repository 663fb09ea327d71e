//! The tensors of a checkpoint: safetensors in one file or in shards, read one tensor at a time.
//!
//! Tensors are read, not mapped: what has been loaded is not in memory twice, and a file that changes underneath is an
//! error, not undefined behaviour.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use crate::Error;

/// Where the tensors of a checkpoint are.
#[derive(Clone, Debug)]
pub enum Weights {
    /// One safetensors file in memory.
    Embedded(Cow<'static, [u8]>),
    /// Safetensors files.
    Files(Vec<PathBuf>),
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

impl Weights {
    /// The weight files of a checkpoint folder.
    pub(crate) fn find(folder: &Path) -> Result<Self, Error> {
        let single = folder.join("model.safetensors");
        if single.is_file() {
            return Ok(Self::Files(vec![single]));
        }
        let index = folder.join("model.safetensors.index.json");
        if let Ok(json) = std::fs::read(&index) {
            let index: ShardIndex =
                serde_json::from_slice(&json).map_err(|error| Error::Weights {
                    file: index.display().to_string(),
                    reason: error.to_string(),
                })?;
            let mut shards: Vec<&String> = index.weight_map.values().collect();
            shards.sort();
            shards.dedup();
            return Ok(Self::Files(
                shards.into_iter().map(|shard| folder.join(shard)).collect(),
            ));
        }
        for pickled in ["pytorch_model.bin", "pytorch_model.bin.index.json"] {
            if folder.join(pickled).is_file() {
                return Err(Error::Weights {
                    file: folder.join(pickled).display().to_string(),
                    reason: "pickled weights are not read; `outthink convert` writes them as safetensors".into(),
                });
            }
        }
        let path = single;
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        Err(Error::File { path, source })
    }

    /// Reads the headers.
    pub(crate) fn open(&self) -> Result<OpenWeights<'_>, Error> {
        let mut open = OpenWeights {
            sources: Vec::new(),
            tensors: HashMap::new(),
        };
        match self {
            Self::Embedded(bytes) => open.add(
                "the embedded weights",
                Source::Bytes(bytes),
                bytes.len() as u64,
            )?,
            Self::Files(paths) => {
                for path in paths {
                    let opened =
                        File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
                    let (length, file) = opened.map_err(|source| Error::File {
                        path: path.clone(),
                        source,
                    })?;
                    open.add(&path.display().to_string(), Source::File(file), length)?;
                }
            }
        }
        Ok(open)
    }
}

enum Source<'w> {
    Bytes(&'w [u8]),
    File(File),
}

impl Source<'_> {
    fn read(&self, at: u64, length: usize) -> std::io::Result<Cow<'_, [u8]>> {
        let cut_off = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        match self {
            Self::Bytes(bytes) => {
                let range = usize::try_from(at)
                    .ok()
                    .and_then(|at| bytes.get(at..at.checked_add(length)?));
                range.map(Cow::Borrowed).ok_or_else(cut_off)
            }
            Self::File(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(at))?;
                let mut bytes = vec![0; length];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

struct Place {
    source: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: u64,
    length: usize,
}

/// The headers of a checkpoint's weight files.
pub(crate) struct OpenWeights<'w> {
    sources: Vec<(String, Source<'w>)>,
    tensors: HashMap<String, Place>,
}

impl<'w> OpenWeights<'w> {
    fn add(&mut self, name: &str, source: Source<'w>, length: u64) -> Result<(), Error> {
        let broken = |reason: String| Error::Weights {
            file: name.to_owned(),
            reason,
        };
        let read = |at, length| {
            source.read(at, length).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => broken("it is cut off".into()),
                _ => broken(error.to_string()),
            })
        };
        let size = read(0, 8)?;
        let size = size
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // safetensors allows headers of up to 100 MB.
        if size > length.saturating_sub(8) || size > 100_000_000 {
            return Err(broken("it is cut off, or no safetensors file".into()));
        }
        let header = read(8, size as usize)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(error.to_string()))?;
        let start = 8 + size;
        let mut infos: Vec<_> = metadata.tensors().into_iter().collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        for (tensor, info) in infos {
            let (from, to) = info.data_offsets;
            if start + to as u64 > length {
                return Err(broken(format!("it is cut off within tensor {tensor}")));
            }
            let place = Place {
                source: self.sources.len(),
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: start + from as u64,
                length: to - from,
            };
            self.tensors.insert(tensor, place);
        }
        drop(header);
        self.sources.push((name.to_owned(), source));
        Ok(())
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Numbers in all tensors.
    pub(crate) fn parameters(&self) -> u64 {
        self.tensors
            .values()
            .map(|place| place.shape.iter().product::<usize>() as u64)
            .sum()
    }

    /// A tensor of the given shape, in the type it is stored in.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let place = self.tensors.get(name).ok_or_else(|| Error::Weights {
            file: self.files(),
            reason: format!("there is no tensor {name}"),
        })?;
        let (file, source) = &self.sources[place.source];
        let broken = |reason: String| Error::Weights {
            file: file.clone(),
            reason,
        };
        if place.shape != shape {
            return Err(broken(format!(
                "tensor {name} has the shape {:?}, not {shape:?}",
                place.shape
            )));
        }
        let dtype = match place.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                return Err(broken(format!(
                    "tensor {name} is of type {other:?}; f32, f16 and bf16 are read"
                )));
            }
        };
        let elements: usize = shape.iter().product();
        if elements * dtype.size_in_bytes() != place.length {
            return Err(broken(format!(
                "tensor {name} has {} bytes for {elements} numbers",
                place.length
            )));
        }
        let bytes = source
            .read(place.start, place.length)
            .map_err(|error| broken(format!("tensor {name}: {error}")))?;
        Ok(Tensor::from_raw_buffer(&bytes, dtype, shape, &Device::Cpu)?)
    }

    /// A tensor of the given shape as f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        Ok(self.stored(name, shape)?.to_dtype(DType::F32)?)
    }

    fn files(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}
