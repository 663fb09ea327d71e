//! The tensors of a checkpoint: safetensors in one file or in shards, or one GGUF file, read one tensor at a time.
//!
//! Tensors are read, not mapped: what has been loaded is not in memory twice, and a file that changes underneath is an
//! error, not undefined behaviour.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata};

use crate::adapter::{Adapter, LowRank, products};
use crate::architectures::GgufFormat;
use crate::gguf::TensorType;
use crate::shards::{self, ShardIndex};
use crate::stacked::{Arrangement, with_scales};
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

enum WeightSource<'w> {
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

/// The numbers of a tensor, in a type that is computed with.
pub(crate) enum PlainNumbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl PlainNumbers {
    pub(crate) fn widened(self) -> Vec<f32> {
        match self {
            Self::F32(numbers) => numbers,
            Self::F16(numbers) => numbers.into_iter().map(f16::to_f32).collect(),
            Self::Bf16(numbers) => numbers.into_iter().map(bf16::to_f32).collect(),
        }
    }
}

fn numbers<const SIZE: usize, T>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    let (each, _) = bytes.as_chunks::<SIZE>();
    each.iter().map(|bytes| number(*bytes)).collect()
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
    sources: Vec<(String, WeightSource<'w>)>,
    pub tensors: HashMap<String, TensorPlace>,
    /// What is added to tensors when they are read.
    pub added: HashMap<String, LowRank>,
}

impl<'w> OpenWeights<'w> {
    fn add(&mut self, name: &str, source: WeightSource<'w>, length: u64) -> Result<(), Error> {
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
    fn add_gguf(
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

    /// A tensor of the given shape, in the type it is stored in; what is quantized comes as f32.
    pub(crate) fn stored(&self, name: &str, shape: &[usize]) -> Result<PlainNumbers, Error> {
        let place = self.place(name, shape)?;
        let numbers = self.read(place, name)?;
        let Some(added) = self.added.get(name) else {
            return Ok(numbers);
        };
        let mut numbers = numbers.widened();
        added.add(self, name, &mut numbers)?;
        Ok(PlainNumbers::F32(numbers))
    }

    /// The numbers at a place.
    pub(crate) fn read(&self, place: &TensorPlace, name: &str) -> Result<PlainNumbers, Error> {
        let bytes = self.bytes_at(place, name)?;
        let shape = place.shape.as_slice();
        match &place.stored {
            StoredAs::Plain(DType::F16) => {
                Ok(PlainNumbers::F16(numbers(&bytes, f16::from_le_bytes)))
            }
            StoredAs::Plain(DType::BF16) => {
                Ok(PlainNumbers::Bf16(numbers(&bytes, bf16::from_le_bytes)))
            }
            // Nothing is computed in f64.
            StoredAs::Plain(DType::F64) => Ok(PlainNumbers::F32(numbers(&bytes, |bytes| {
                f64::from_le_bytes(bytes) as f32
            }))),
            StoredAs::Plain(_) => Ok(PlainNumbers::F32(numbers(&bytes, f32::from_le_bytes))),
            StoredAs::Blocks(TensorType::Mxfp4) => {
                Ok(PlainNumbers::F32(gguf::mxfp4_numbers(&bytes)))
            }
            StoredAs::Blocks(TensorType::Candle(dtype)) => {
                let storage = QStorage::from_data(bytes, &Device::Cpu, *dtype)?;
                let wide = QTensor::new(storage, shape)?.dequantize(&Device::Cpu)?;
                Ok(PlainNumbers::F32(wide.flatten_all()?.to_vec1()?))
            }
            StoredAs::Other(other) => Err(Error::Unsupported {
                what: format!(
                    "{}: tensor {name} is of type {other}",
                    self.sources[place.source].0
                ),
            }),
        }
    }

    /// The type of a tensor that is quantized.
    pub(crate) fn blocks(&self, name: &str) -> Option<TensorType> {
        match self.tensors.get(name)?.stored {
            StoredAs::Blocks(dtype) if !self.added.contains_key(name) => Some(dtype),
            _ => None,
        }
    }

    /// A tensor's place and bytes, once its shape and length are known to be right.
    pub(crate) fn bytes(
        &self,
        name: &str,
        shape: &[usize],
    ) -> Result<(&TensorPlace, Cow<'_, [u8]>), Error> {
        let place = self.place(name, shape)?;
        Ok((place, self.bytes_at(place, name)?))
    }

    fn bytes_at(&self, place: &TensorPlace, name: &str) -> Result<Cow<'_, [u8]>, Error> {
        let (file, source) = &self.sources[place.source];
        let broken = |reason: &dyn std::fmt::Display| Error::Weights {
            file: file.clone(),
            reason: format!("tensor {name}: {reason}"),
        };
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
    fn place(&self, name: &str, shape: &[usize]) -> Result<&TensorPlace, Error> {
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
        let (file, _) = &self.sources[place.source];
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
            StoredAs::Plain(dtype) => elements * dtype.size_in_bytes(),
            StoredAs::Blocks(dtype) => elements / dtype.block_size() * dtype.type_size(),
            StoredAs::Other(_) => place.length,
        };
        if length != place.length && matches!(place.arrangement, Arrangement::Plain) {
            return Err(broken(format!(
                "tensor {name} has {} bytes for {elements} numbers",
                place.length
            )));
        }
        Ok(place)
    }

    /// A tensor of the given shape as f32.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, Error> {
        Ok(self.stored(name, shape)?.widened())
    }

    fn files(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use candle_core::Tensor;

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
        let read = f64s
            .stored("of.model-00002-of-00002.safetensors", &[2])
            .unwrap();
        assert_eq!(read.widened(), [1.0, 2.0]);
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
