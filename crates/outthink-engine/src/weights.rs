//! The tensors of a checkpoint: safetensors in one file or in shards, or one GGUF file, read one tensor at a time.
//!
//! Tensors are read, not mapped: what has been loaded is not in memory twice, and a file that changes underneath is an
//! error, not undefined behaviour.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor, gguf_file};
use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use crate::{Error, gguf};

/// Where the tensors of a checkpoint are.
#[derive(Clone, Debug)]
pub enum Weights {
    /// One safetensors file in memory.
    Embedded(Cow<'static, [u8]>),
    /// Safetensors files.
    Files(Vec<PathBuf>),
    /// One GGUF file.
    Gguf(PathBuf),
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

    /// Reads the headers; tensors go to a device.
    pub(crate) fn open(&self, device: &Device) -> Result<OpenWeights<'_>, Error> {
        let mut open = OpenWeights {
            device: device.clone(),
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
                    let (file, length) = opened(path)?;
                    open.add(&path.display().to_string(), Source::File(file), length)?;
                }
            }
            Self::Gguf(path) => open.add_gguf(path)?,
        }
        Ok(open)
    }
}

/// A file and its length.
pub(crate) fn opened(path: &Path) -> Result<(File, u64), Error> {
    let opened = File::open(path).and_then(|file| {
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    opened.map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
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

/// What the numbers of a tensor are stored as.
#[derive(Clone, Copy, Debug)]
enum Stored {
    Plain(DType),
    /// In blocks of a quantized type.
    Blocks(GgmlDType),
    /// Nothing that is read.
    Other(Dtype),
}

struct Place {
    source: usize,
    stored: Stored,
    shape: Vec<usize>,
    start: u64,
    length: usize,
}

/// The headers of a checkpoint's weight files.
pub(crate) struct OpenWeights<'w> {
    device: Device,
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
                stored: match info.dtype {
                    Dtype::F32 => Stored::Plain(DType::F32),
                    Dtype::F16 => Stored::Plain(DType::F16),
                    Dtype::BF16 => Stored::Plain(DType::BF16),
                    other => Stored::Other(other),
                },
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

    /// The tensors of a GGUF file under the names that transformers gives them.
    fn add_gguf(&mut self, path: &Path) -> Result<(), Error> {
        let (file, length) = opened(path)?;
        let content = gguf::content(path)?;
        let mut infos: Vec<(&String, &gguf_file::TensorInfo)> =
            content.tensor_infos.iter().collect();
        infos.sort_by_key(|(_, info)| info.offset);
        for (name, info) in infos {
            let dtype = info.ggml_dtype;
            let elements = info.shape.elem_count();
            let place = Place {
                source: self.sources.len(),
                stored: match dtype {
                    GgmlDType::F32 => Stored::Plain(DType::F32),
                    GgmlDType::F16 => Stored::Plain(DType::F16),
                    GgmlDType::BF16 => Stored::Plain(DType::BF16),
                    blocks => Stored::Blocks(blocks),
                },
                shape: info.shape.dims().to_vec(),
                start: content.tensor_data_offset + info.offset,
                length: elements / dtype.block_size() * dtype.type_size(),
            };
            if place.start.saturating_add(place.length as u64) > length {
                return Err(Error::Weights {
                    file: path.display().to_string(),
                    reason: format!("it is cut off within tensor {name}"),
                });
            }
            self.tensors.insert(gguf::tensor_name(name), place);
        }
        self.sources
            .push((path.display().to_string(), Source::File(file)));
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

    /// A tensor of the given shape, in the type it is stored in; what is quantized comes as f32.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<Tensor, Error> {
        let (place, bytes) = self.bytes(name, shape)?;
        match place.stored {
            Stored::Plain(dtype) => {
                Ok(Tensor::from_raw_buffer(&bytes, dtype, shape, &self.device)?)
            }
            Stored::Blocks(dtype) => {
                let storage = QStorage::from_data(bytes, &self.device, dtype)?;
                Ok(QTensor::new(storage, shape)?.dequantize(&self.device)?)
            }
            Stored::Other(other) => Err(Error::Weights {
                file: self.sources[place.source].0.clone(),
                reason: format!("tensor {name} is of type {other:?}; f32, f16 and bf16 are read"),
            }),
        }
    }

    /// The type of a tensor that is quantized.
    pub(crate) fn blocks(&self, name: &str) -> Option<GgmlDType> {
        match self.tensors.get(name)?.stored {
            Stored::Blocks(dtype) => Some(dtype),
            _ => None,
        }
    }

    /// A quantized tensor as it is.
    pub(crate) fn quantized(&self, name: &str, shape: &[usize]) -> Result<QTensor, Error> {
        let (place, bytes) = self.bytes(name, shape)?;
        let Stored::Blocks(dtype) = place.stored else {
            return Ok(QTensor::quantize(&self.get(name, shape)?, GgmlDType::Q8_0)?);
        };
        let storage = QStorage::from_data(bytes, &self.device, dtype)?;
        Ok(QTensor::new(storage, shape)?)
    }

    /// A tensor's place and bytes, once its shape and length are known to be right.
    fn bytes(&self, name: &str, shape: &[usize]) -> Result<(&Place, Cow<'_, [u8]>), Error> {
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
        let elements: usize = shape.iter().product();
        let length = match place.stored {
            Stored::Plain(dtype) => elements * dtype.size_in_bytes(),
            Stored::Blocks(dtype) => elements / dtype.block_size() * dtype.type_size(),
            Stored::Other(_) => place.length,
        };
        if length != place.length {
            return Err(broken(format!(
                "tensor {name} has {} bytes for {elements} numbers",
                place.length
            )));
        }
        let bytes = source
            .read(place.start, place.length)
            .map_err(|error| broken(format!("tensor {name}: {error}")))?;
        Ok((place, bytes))
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
