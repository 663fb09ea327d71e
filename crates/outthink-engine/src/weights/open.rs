//! The tensors of opened weight files: where they are, what they are stored as, and their bytes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use candle_core::DType;
use candle_core::quantized::GgmlDType;
use safetensors::tensor::{Dtype, Metadata};

use super::numbers::PlainNumbers;
use super::{beginning, opened};
use crate::adapter::LowRank;
use crate::architectures::GgufFormat;
use crate::gguf::TensorType;
use crate::stacked::{Arrangement, with_scales};
use crate::{Error, gguf};

pub(super) enum WeightSource<'w> {
    Bytes(&'w [u8]),
    File(File),
}

impl WeightSource<'_> {
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
#[derive(Clone, Debug)]
pub(crate) enum StoredAs {
    Plain(DType),
    /// In blocks of a quantized type.
    Blocks(TensorType),
    /// A type that is not read: which, and what is.
    Other(String),
}

impl StoredAs {
    pub(super) const WIDE: Self = Self::Plain(DType::F32);
}

#[derive(Clone)]
pub(crate) struct TensorPlace {
    pub source: usize,
    pub stored: StoredAs,
    pub shape: Vec<usize>,
    pub start: u64,
    /// In bytes.
    pub length: usize,
    pub arrangement: Arrangement,
}

impl TensorPlace {
    /// Do its bytes lie in the file one after the other?
    pub(super) fn is_in_order(&self) -> bool {
        matches!(self.arrangement, Arrangement::Plain)
    }
}

/// What the tensors of parts that see are named after: only text is run here.
const SIGHT: [&str; 4] = [
    "vision_tower.",
    "multi_modal_projector.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
];

/// The headers of a checkpoint's weight files.
#[derive(Default)]
pub(crate) struct OpenWeights<'w> {
    pub(super) sources: Vec<(String, WeightSource<'w>)>,
    pub tensors: HashMap<String, TensorPlace>,
    /// What is added to tensors when they are read.
    pub added: HashMap<String, LowRank>,
}

impl<'w> OpenWeights<'w> {
    pub(super) fn add(
        &mut self,
        name: &str,
        source: WeightSource<'w>,
        length: u64,
    ) -> Result<(), Error> {
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
        if length < 8 {
            let start = read(0, length as usize)?;
            return Err(broken(match &*start {
                [] => beginning(&start),
                _ => "it is cut off".into(),
            }));
        }
        let size = read(0, 8)?;
        let size = size
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        // safetensors allows headers of up to 100 MB.
        if size > length.saturating_sub(8) || size > 100_000_000 {
            let start = read(0, length.min(32) as usize)?;
            return Err(broken(format!(
                "it is cut off, or no safetensors file: {}",
                beginning(&start)
            )));
        }
        let header = read(8, size as usize)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(error.to_string()))?;
        let start = 8 + size;
        let mut infos: Vec<_> = metadata.tensors().into_iter().collect();
        infos.sort_by_key(|(_, info)| info.data_offsets);
        for (tensor, info) in infos {
            let (from, to) = info.data_offsets;
            if start.saturating_add(to as u64) > length {
                return Err(broken(format!("it is cut off within tensor {tensor}")));
            }
            let place = TensorPlace {
                source: self.sources.len(),
                stored: match info.dtype {
                    Dtype::F32 => StoredAs::Plain(DType::F32),
                    Dtype::F16 => StoredAs::Plain(DType::F16),
                    Dtype::BF16 => StoredAs::Plain(DType::BF16),
                    Dtype::F64 => StoredAs::Plain(DType::F64),
                    other => StoredAs::Other(format!(
                        "{other:?}, and F64, F32, F16 and BF16 are read; take the checkpoint that it was made from, or a GGUF file"
                    )),
                },
                shape: info.shape.clone(),
                start: start + from as u64,
                length: to - from,
                arrangement: Arrangement::Plain,
            };
            if !SIGHT.iter().any(|part| tensor.starts_with(part)) {
                self.tensors.insert(tensor, place);
            }
        }
        drop(header);
        self.sources.push((name.to_owned(), source));
        Ok(())
    }

    /// The tensors of a GGUF file under the names that transformers gives them.
    pub(super) fn add_gguf(
        &mut self,
        path: &Path,
        header: gguf::Header,
        format: Option<&GgufFormat>,
    ) -> Result<(), Error> {
        let (file, _) = opened(path)?;
        for info in &header.tensors {
            let place = TensorPlace {
                source: self.sources.len(),
                stored: match info.dtype {
                    Some(TensorType::Candle(GgmlDType::F32)) => StoredAs::Plain(DType::F32),
                    Some(TensorType::Candle(GgmlDType::F16)) => StoredAs::Plain(DType::F16),
                    Some(TensorType::Candle(GgmlDType::BF16)) => StoredAs::Plain(DType::BF16),
                    Some(blocks) => StoredAs::Blocks(blocks),
                    None => StoredAs::Other(format!(
                        "{}, and {} are read; take another file of the model, as Q4_K_M or Q8_0",
                        gguf::type_name(info.kind),
                        gguf::types_read()
                    )),
                },
                shape: info.shape.clone(),
                start: info.start,
                length: info.length,
                arrangement: Arrangement::Plain,
            };
            let renamed = format.map(|format| format.tensor_name(&info.name));
            let name = renamed.unwrap_or_else(|| info.name.clone());
            if self.tensors.insert(name, place).is_some() {
                return Err(header.broken(format!("it has tensor {} twice", info.name)));
            }
        }
        self.sources.push((header.file, WeightSource::File(file)));
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
            .fold(0, u64::saturating_add)
    }

    /// An error if there is no such tensor, or not of this shape, without reading it.
    pub(crate) fn check(&self, name: &str, shape: &[usize]) -> Result<(), Error> {
        self.place(name, shape).map(drop)
    }

    /// The bytes at a place that are within this range of them, which lie there in order.
    pub(super) fn bytes_within(
        &self,
        place: &TensorPlace,
        name: &str,
        range: Range<usize>,
    ) -> Result<Cow<'_, [u8]>, Error> {
        let (_, source) = &self.sources[place.source];
        let read = source.read(place.start + range.start as u64, range.len());
        read.map_err(|error| self.broken(place, format!("tensor {name}: {error}")))
    }

    /// An error of the file that a place is in.
    pub(super) fn broken(&self, place: &TensorPlace, reason: String) -> Error {
        Error::Weights {
            file: self.sources[place.source].0.clone(),
            reason,
        }
    }

    /// Refuses a type that is not read.
    pub(super) fn check_readable(&self, place: &TensorPlace, name: &str) -> Result<(), Error> {
        match &place.stored {
            StoredAs::Other(other) => Err(Error::Unsupported {
                what: format!(
                    "{}: tensor {name} is of type {other}",
                    self.sources[place.source].0
                ),
            }),
            _ => Ok(()),
        }
    }

    /// All bytes at a place, put in order.
    pub(super) fn bytes_at(&self, place: &TensorPlace, name: &str) -> Result<Cow<'_, [u8]>, Error> {
        let (_, source) = &self.sources[place.source];
        let broken =
            |reason: &dyn std::fmt::Display| self.broken(place, format!("tensor {name}: {reason}"));
        let read = |start, length| source.read(start, length).map_err(|error| broken(&error));
        let bytes = read(place.start, place.length)?;
        let bytes = match (&place.arrangement, &place.stored) {
            (Arrangement::Plain, _) => bytes,
            (strided @ Arrangement::Strided { .. }, StoredAs::Plain(dtype)) => {
                let numbers = strided.strided(&place.shape, dtype.size_in_bytes(), &bytes);
                numbers.ok_or_else(|| broken(&"it is too short"))?.into()
            }
            (Arrangement::Strided { .. }, _) => {
                return Err(broken(&"its rows are inputs, and in blocks"));
            }
            (
                &Arrangement::ScalesApart {
                    scales,
                    first,
                    step,
                    blocks,
                },
                _,
            ) => {
                let scales = read(scales, place.length / 16)?;
                with_scales(&bytes, &scales, (first, step, blocks)).into()
            }
        };
        Ok(bytes)
    }

    /// Where a tensor is, once its shape and length are known to be right.
    pub(super) fn place(&self, name: &str, shape: &[usize]) -> Result<&TensorPlace, Error> {
        let missing = || {
            let packed = name.replace(".weight", ".qweight");
            if self.tensors.contains_key(&packed) {
                return Error::Unsupported {
                    what: format!("{}: its weights are those of GPTQ or AWQ", self.files()),
                };
            }
            Error::Weights {
                file: self.files(),
                reason: format!("there is no tensor {name}"),
            }
        };
        let place = self.tensors.get(name).ok_or_else(missing)?;
        let broken = |reason| self.broken(place, reason);
        if place.shape != shape {
            return Err(broken(format!(
                "tensor {name} has the shape {:?}, not {shape:?}",
                place.shape
            )));
        }
        let elements: usize = shape.iter().product();
        let length = match place.stored {
            StoredAs::Plain(dtype) => elements * dtype.size_in_bytes(),
            StoredAs::Blocks(dtype) => elements / dtype.block_size() * dtype.type_size(),
            StoredAs::Other(_) => place.length,
        };
        if length != place.length && place.is_in_order() {
            return Err(broken(format!(
                "tensor {name} has {} bytes for {elements} numbers",
                place.length
            )));
        }
        Ok(place)
    }

    /// A tensor of the given shape as f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        if let &[outputs, inputs] = shape {
            return self.rows(name, [outputs, inputs])?.wide(0..outputs);
        }
        self.read(self.place(name, shape)?, name)
    }

    /// The numbers at a place.
    pub(crate) fn read(&self, place: &TensorPlace, name: &str) -> Result<Vec<f32>, Error> {
        self.check_readable(place, name)?;
        let bytes = self.bytes_at(place, name)?;
        Ok(PlainNumbers::of(&place.stored, &place.shape, bytes)?.widened())
    }

    /// What is added to a tensor, which counts as used then.
    pub(super) fn added(&self, name: &str) -> Option<&LowRank> {
        let added = self.added.get(name)?;
        added.used.set(true);
        Some(added)
    }

    /// Refuses an adapter that changes what the model has, but is not computed with: it would be loaded for nothing.
    pub(crate) fn check_all_added(&self) -> Result<(), Error> {
        match self.added.iter().find(|(_, added)| !added.used.get()) {
            Some((name, _)) => Err(Error::Unsupported {
                what: format!("an adapter that changes {name}, which this model does not use"),
            }),
            None => Ok(()),
        }
    }

    fn files(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::super::Weights;

    #[test]
    fn numbers_of_other_types_are_refused_by_name() {
        let mut bytes = Vec::new();
        let header = r#"{"a.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"b.qweight":{"dtype":"I32","shape":[1],"data_offsets":[2,6]}}"#;
        bytes.extend((header.len() as u64).to_le_bytes());
        bytes.extend(header.bytes().chain([0; 6]));
        let weights = Weights::Embedded(bytes.into());
        let weights = weights.open().unwrap();
        let refusal = |name| weights.get(name, &[2]).unwrap_err().to_string();
        insta::assert_snapshot!(refusal("a.weight"), @"cannot run the embedded weights: tensor a.weight is of type F8_E4M3, and F64, F32, F16 and BF16 are read; take the checkpoint that it was made from, or a GGUF file. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
        insta::assert_snapshot!(refusal("b.weight"), @"cannot run the embedded weights: its weights are those of GPTQ or AWQ. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1");
        insta::assert_snapshot!(refusal("c.weight"), @"the embedded weights: there is no tensor c.weight");
    }
}
