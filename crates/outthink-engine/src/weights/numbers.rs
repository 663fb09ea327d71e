//! The numbers of a tensor, from its bytes.

use std::borrow::Cow;

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device};
use half::{bf16, f16};

use super::open::StoredAs;
use crate::gguf::TensorType;
use crate::{Error, gguf};

/// Numbers in a type that is computed with.
pub(crate) enum PlainNumbers {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl PlainNumbers {
    /// As they are stored; what is quantized, and a matrix then, comes as f32. The type must be one that is read.
    pub(super) fn of(
        stored: &StoredAs,
        shape: &[usize],
        bytes: Cow<'_, [u8]>,
    ) -> Result<Self, Error> {
        Ok(match stored {
            StoredAs::Plain(DType::F16) => Self::F16(each(&bytes, f16::from_le_bytes)),
            StoredAs::Plain(DType::BF16) => Self::Bf16(each(&bytes, bf16::from_le_bytes)),
            // Nothing is computed in f64.
            StoredAs::Plain(DType::F64) => {
                Self::F32(each(&bytes, |bytes| f64::from_le_bytes(bytes) as f32))
            }
            StoredAs::Blocks(TensorType::Mxfp4) => Self::F32(gguf::mxfp4_numbers(&bytes)),
            StoredAs::Blocks(TensorType::Candle(dtype)) => {
                let storage = QStorage::from_data(bytes, &Device::Cpu, *dtype)?;
                let wide = QTensor::new(storage, shape)?.dequantize(&Device::Cpu)?;
                Self::F32(wide.flatten_all()?.to_vec1()?)
            }
            StoredAs::Plain(_) | StoredAs::Other(_) => Self::F32(each(&bytes, f32::from_le_bytes)),
        })
    }

    pub(crate) fn widened(self) -> Vec<f32> {
        match self {
            Self::F32(numbers) => numbers,
            Self::F16(numbers) => numbers.into_iter().map(f16::to_f32).collect(),
            Self::Bf16(numbers) => numbers.into_iter().map(bf16::to_f32).collect(),
        }
    }
}

fn each<const SIZE: usize, T>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    let (all, _) = bytes.as_chunks::<SIZE>();
    all.iter().map(|bytes| number(*bytes)).collect()
}
