//! The header of a GGUF file. Anyone may have written it: no size, place or type in it is believed before it is checked.
//!
//! The format: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use candle_core::quantized::GgmlDType;

use super::blocks::TensorType::{self, Candle};
use crate::Error;
use crate::weights::{beginning, opened};

/// Most elements of all lists together: seventeen times what the largest vocabularies have.
const ELEMENTS: u64 = 1 << 24;
/// Most dimensions of a tensor, as in ggml.
const DIMENSIONS: u32 = 4;
/// Lists of lists are no deeper than this.
const DEPTH: usize = 4;

/// The header of one file.
pub(crate) struct Header {
    pub file: String,
    pub tensors: Vec<TensorInfo>,
    metadata: HashMap<String, Value>,
}

/// Where a tensor is, and what it is stored as.
pub(crate) struct TensorInfo {
    pub name: String,
    pub shape: Vec<usize>,
    /// None for types that are not read; see [`type_name`].
    pub dtype: Option<TensorType>,
    /// The type by its number in ggml.
    pub kind: u32,
    /// Place in the file.
    pub start: u64,
    /// In bytes; 0 for types that are not read.
    pub length: usize,
}

/// A value of the metadata.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Whole(u64),
    Negative,
    Real(f64),
    Flag(bool),
    Text(String),
    List(Vec<Self>),
}

impl Value {
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(x) => Some(*x),
            _ => None,
        }
    }

    pub(crate) fn real(&self) -> Option<f64> {
        match self {
            Self::Whole(x) => Some(*x as f64),
            Self::Real(x) => Some(*x),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Header {
    /// Reads a file's header and checks that the file is as long as it says.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let (file, length) = opened(path)?;
        let name = path.display().to_string();
        Self::parse(file, length, &name).map_err(|fault| Error::Weights {
            reason: match fault {
                HeaderFault::CutOff => format!(
                    "the file ends after {length} bytes, within its header: download it again"
                ),
                HeaderFault::Broken(reason) => reason,
                HeaderFault::Unreadable(error) => error.to_string(),
            },
            file: name,
        })
    }

    fn parse(file: impl Read, length: u64, name: &str) -> Result<Self, HeaderFault> {
        let mut reader = HeaderReader {
            inner: BufReader::new(file),
            at: 0,
            length,
            elements: ELEMENTS,
            short_lengths: false,
        };
        reader.magic()?;
        let (tensors, entries) = (reader.length()?, reader.length()?);
        let mut metadata = HashMap::new();
        for _ in 0..entries {
            let key = reader.name()?;
            let kind = reader.u32()?;
            let value = match reader.value(kind, DEPTH)? {
                // Strings end where they end, yet some end with NUL.
                Value::Text(text) => Value::Text(text.trim_end_matches('\0').to_owned()),
                other => other,
            };
            if metadata.insert(key.clone(), value).is_some() {
                return Err(HeaderFault::Broken(format!("its metadata has {key} twice")));
            }
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(value) => {
                let power = value.whole().filter(|x| x.is_power_of_two());
                power.ok_or_else(|| {
                    HeaderFault::Broken("its general.alignment is no power of two".into())
                })?
            }
        };
        let mut infos = Vec::new();
        for _ in 0..tensors {
            infos.push(reader.tensor()?);
        }
        let far = || HeaderFault::Broken("its tensors lie beyond any file's end".into());
        let data = reader
            .at
            .checked_next_multiple_of(alignment)
            .ok_or_else(far)?;
        let mut needed = 0;
        let mut names = HashSet::new();
        for info in &mut infos {
            if !names.insert(info.name.as_str()) {
                return Err(HeaderFault::Broken(format!(
                    "it has tensor {} twice",
                    info.name
                )));
            }
            info.start = data.checked_add(info.start).ok_or_else(far)?;
            let end = info.start.checked_add(info.length as u64).ok_or_else(far)?;
            needed = needed.max(end);
        }
        if needed > length {
            return Err(HeaderFault::Broken(format!(
                "the file ends after {length} of {needed} bytes: download it again"
            )));
        }
        Ok(Self {
            file: name.to_owned(),
            tensors: infos,
            metadata,
        })
    }

    /// Of a file of another kind that says the same.
    pub(crate) fn of_metadata(file: &str, metadata: HashMap<String, Value>) -> Self {
        Self {
            file: file.to_owned(),
            tensors: Vec::new(),
            metadata,
        }
    }

    pub(crate) fn broken(&self, reason: String) -> Error {
        Error::Weights {
            file: self.file.clone(),
            reason,
        }
    }

    #[cfg(test)]
    pub(crate) fn parse_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes, bytes.len() as u64, "the bytes").ok()
    }

    #[cfg(test)]
    pub(crate) fn metadata(&self) -> HashMap<String, Value> {
        self.metadata.clone()
    }

    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key)?.text()
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.whole()
    }

    pub(crate) fn real(&self, key: &str) -> Option<f64> {
        self.value(key)?.real()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(crate) fn list(&self, key: &str) -> Option<&[Value]> {
        match self.value(key)? {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.iter().find(|info| info.name == name)
    }
}

/// Why a header cannot be read.
enum HeaderFault {
    CutOff,
    Broken(String),
    Unreadable(std::io::Error),
}

struct HeaderReader<R> {
    inner: BufReader<R>,
    at: u64,
    length: u64,
    /// Elements of lists that may still come.
    elements: u64,
    /// Are lengths of 32 bits? In the first version of the format.
    short_lengths: bool,
}

impl<R: Read> HeaderReader<R> {
    fn magic(&mut self) -> Result<(), HeaderFault> {
        let first = self.inner.fill_buf().map_err(HeaderFault::Unreadable)?;
        if !first.starts_with(b"GGUF") {
            return Err(HeaderFault::Broken(format!(
                "this is no GGUF file: {}",
                beginning(first)
            )));
        }
        self.u32()?;
        let version = self.u32()?;
        self.short_lengths = version == 1;
        match version {
            1..=3 => Ok(()),
            _ if version.swap_bytes() <= 3 => Err(HeaderFault::Broken(
                "it is written for big-endian machines".into(),
            )),
            _ => Err(HeaderFault::Broken(format!(
                "it is of GGUF version {version}; 1, 2 and 3 are read"
            ))),
        }
    }

    fn bytes(&mut self, length: u64) -> Result<Vec<u8>, HeaderFault> {
        // What a file cannot hold is not made room for.
        if length > self.length - self.at {
            return Err(HeaderFault::CutOff);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| HeaderFault::CutOff)?];
        self.inner
            .read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => HeaderFault::CutOff,
                _ => HeaderFault::Unreadable(error),
            })?;
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], HeaderFault> {
        let bytes = self.bytes(N as u64)?;
        bytes.first_chunk::<N>().copied().ok_or(HeaderFault::CutOff)
    }

    fn u32(&mut self) -> Result<u32, HeaderFault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, HeaderFault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<u64, HeaderFault> {
        if self.short_lengths {
            self.u32().map(u64::from)
        } else {
            self.u64()
        }
    }

    fn string(&mut self) -> Result<String, HeaderFault> {
        let length = self.length()?;
        let bytes = self.bytes(length)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    fn name(&mut self) -> Result<String, HeaderFault> {
        Ok(self.string()?.trim_end_matches('\0').to_owned())
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value, HeaderFault> {
        let signed = |x: i64| u64::try_from(x).map_or(Value::Negative, Value::Whole);
        Ok(match kind {
            0 => Value::Whole(u8::from_le_bytes(self.array()?).into()),
            1 => signed(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Whole(u16::from_le_bytes(self.array()?).into()),
            3 => signed(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Whole(self.u32()?.into()),
            5 => signed(i32::from_le_bytes(self.array()?).into()),
            6 => Value::Real(f32::from_le_bytes(self.array()?).into()),
            7 => Value::Flag(self.array::<1>()? != [0]),
            8 => Value::Text(self.string()?),
            9 => {
                let kind = self.u32()?;
                let count = self.length()?;
                self.elements = match self.elements.checked_sub(count) {
                    Some(left) if depth > 0 => left,
                    _ => {
                        return Err(HeaderFault::Broken(
                            "its metadata has too long a list".into(),
                        ));
                    }
                };
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(kind, depth - 1)?);
                }
                Value::List(values)
            }
            10 => Value::Whole(self.u64()?),
            11 => signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Real(f64::from_le_bytes(self.array()?)),
            other => {
                return Err(HeaderFault::Broken(format!(
                    "its metadata has a value of the unknown type {other}"
                )));
            }
        })
    }

    fn tensor(&mut self) -> Result<TensorInfo, HeaderFault> {
        let name = self.name()?;
        let broken = |reason: String| HeaderFault::Broken(format!("tensor {name} {reason}"));
        let dimensions = self.u32()?;
        if dimensions > DIMENSIONS {
            return Err(broken(format!("has {dimensions} dimensions")));
        }
        let too_large = || broken("is larger than any file".into());
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(usize::try_from(self.length()?).map_err(|_| too_large())?);
        }
        // ggml names the innermost dimension first.
        shape.reverse();
        let kind = self.u32()?;
        let start = self.u64()?;
        let dtype = dtype(kind);
        let elements = shape
            .iter()
            .try_fold(1usize, |all, &size| all.checked_mul(size))
            .ok_or_else(too_large)?;
        let length = match dtype {
            None => 0,
            Some(dtype) => {
                let row = shape.last().copied().unwrap_or(1);
                if !row.is_multiple_of(dtype.block_size()) {
                    return Err(broken(format!(
                        "has rows of {row} numbers; {} stores {} at a time",
                        type_name(kind),
                        dtype.block_size()
                    )));
                }
                let blocks = elements / dtype.block_size();
                blocks
                    .checked_mul(dtype.type_size())
                    .ok_or_else(too_large)?
            }
        };
        Ok(TensorInfo {
            name,
            shape,
            dtype,
            kind,
            start,
            length,
        })
    }
}

/// ggml's types by number (`ggml.h`): what is read, and by name alone what is not.
const TYPES: [(u32, &str, Option<TensorType>); 33] = [
    (0, "F32", Some(Candle(GgmlDType::F32))),
    (1, "F16", Some(Candle(GgmlDType::F16))),
    (2, "Q4_0", Some(Candle(GgmlDType::Q4_0))),
    (3, "Q4_1", Some(Candle(GgmlDType::Q4_1))),
    (6, "Q5_0", Some(Candle(GgmlDType::Q5_0))),
    (7, "Q5_1", Some(Candle(GgmlDType::Q5_1))),
    (8, "Q8_0", Some(Candle(GgmlDType::Q8_0))),
    (10, "Q2_K", Some(Candle(GgmlDType::Q2K))),
    (11, "Q3_K", Some(Candle(GgmlDType::Q3K))),
    (12, "Q4_K", Some(Candle(GgmlDType::Q4K))),
    (13, "Q5_K", Some(Candle(GgmlDType::Q5K))),
    (14, "Q6_K", Some(Candle(GgmlDType::Q6K))),
    (30, "BF16", Some(Candle(GgmlDType::BF16))),
    (39, "MXFP4", Some(TensorType::Mxfp4)),
    // Of intermediate results, in no file of a model.
    (9, "Q8_1", None),
    (15, "Q8_K", None),
    (16, "IQ2_XXS", None),
    (17, "IQ2_XS", None),
    (18, "IQ3_XXS", None),
    (19, "IQ1_S", None),
    (20, "IQ4_NL", None),
    (21, "IQ3_S", None),
    (22, "IQ2_S", None),
    (23, "IQ4_XS", None),
    (24, "I8", None),
    (25, "I16", None),
    (26, "I32", None),
    (27, "I64", None),
    (28, "F64", None),
    (29, "IQ1_M", None),
    (34, "TQ1_0", None),
    (35, "TQ2_0", None),
    (40, "NVFP4", None),
];

fn dtype(kind: u32) -> Option<TensorType> {
    TYPES.iter().find(|(known, ..)| *known == kind)?.2
}

/// A type's name.
pub(crate) fn type_name(kind: u32) -> String {
    let known = TYPES.iter().find(|(known, ..)| *known == kind);
    known.map_or_else(|| kind.to_string(), |(_, name, _)| (*name).to_owned())
}

/// The names of the types that are read.
pub(crate) fn types_read() -> String {
    let read = TYPES.iter().filter(|(.., dtype)| dtype.is_some());
    let names: Vec<&str> = read.map(|(_, name, _)| *name).collect();
    names.join(", ")
}
