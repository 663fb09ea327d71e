//! GGUF's blocks of weights in the form that the kernels multiply.

use candle_core::quantized::GgmlDType;
use half::f16;

use crate::kernels::{BLOCK, Block, BlockKind};

/// A type of tensors in GGUF files that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TensorType {
    Candle(GgmlDType),
    /// 32 numbers of 4 bits, small floats, with the exponent that they share.
    Mxfp4,
}

impl TensorType {
    /// Numbers of a block.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Self::Candle(dtype) => dtype.block_size(),
            Self::Mxfp4 => BLOCK,
        }
    }

    /// Bytes of a block.
    pub(crate) fn type_size(self) -> usize {
        match self {
            Self::Candle(dtype) => dtype.type_size(),
            Self::Mxfp4 => 1 + BLOCK / 2,
        }
    }
}

/// Twice the numbers that 4 bits stand for, as far as they are positive.
const MXFP4: [i8; 8] = [0, 1, 2, 3, 4, 6, 8, 12];

/// Twice the number of a place in a block.
fn mxfp4_number(bytes: &[u8; 17], k: usize) -> i8 {
    let code = match k < BLOCK / 2 {
        true => bytes[1 + k] & 15,
        false => bytes[1 + k - BLOCK / 2] >> 4,
    };
    let size = MXFP4[usize::from(code & 7)];
    if code & 8 == 0 { size } else { -size }
}

/// Half of what a block's exponent says.
fn mxfp4_scale(exponent: u8) -> f32 {
    2f64.powi(i32::from(exponent) - 128) as f32
}

/// The numbers of blocks of MXFP4.
pub(crate) fn mxfp4_numbers(bytes: &[u8]) -> Vec<f32> {
    let (blocks, _) = bytes.as_chunks::<17>();
    let numbers = blocks.iter().flat_map(|bytes| {
        let scale = mxfp4_scale(bytes[0]);
        (0..BLOCK).map(move |k| scale * f32::from(mxfp4_number(bytes, k)))
    });
    numbers.collect()
}

/// The same in 8 bits, which lose nothing, with a scale in half precision, which holds all but the very largest and smallest
/// powers of two.
fn mxfp4(bytes: &[u8; 17]) -> Block {
    Block {
        quants: std::array::from_fn(|k| mxfp4_number(bytes, k).wrapping_add(-128) as u8),
        scale: f16::from_f32(mxfp4_scale(bytes[0])),
        offset: f16::ZERO,
    }
}

/// How a quantized type is kept: as it is where the kernels know its form.
pub(crate) fn kind(stored: TensorType) -> Option<BlockKind> {
    let TensorType::Candle(dtype) = stored else {
        return Some(BlockKind::Eight);
    };
    match dtype {
        GgmlDType::Q8_0 => Some(BlockKind::Eight),
        GgmlDType::Q4_0 => Some(BlockKind::Four),
        GgmlDType::Q4_1 | GgmlDType::Q4K => Some(BlockKind::FourOffset),
        _ => None,
    }
}

/// The blocks of 32 weights of a tensor, in order; none for types that the kernels do not know. The numbers are those of the
/// file, but for the scales of Q4_K, which are products and rounded to half precision.
pub(crate) fn blocks(stored: TensorType, bytes: &[u8]) -> Option<Vec<Block>> {
    kind(stored)?;
    let TensorType::Candle(dtype) = stored else {
        let (all, _) = bytes.as_chunks::<17>();
        return Some(all.iter().map(mxfp4).collect());
    };
    let blocks = match dtype {
        GgmlDType::Q8_0 => {
            let (all, _) = bytes.as_chunks::<34>();
            all.iter().map(q8_0).collect()
        }
        GgmlDType::Q4_0 => {
            let (all, _) = bytes.as_chunks::<18>();
            all.iter()
                .map(|bytes| four(&bytes[2..], half([bytes[0], bytes[1]]), f16::ZERO))
                .collect()
        }
        GgmlDType::Q4_1 => {
            let (all, _) = bytes.as_chunks::<20>();
            let block = |bytes: &[u8; 20]| {
                let [scale, offset] = [0, 2].map(|at| half([bytes[at], bytes[at + 1]]));
                four(&bytes[4..], scale, offset)
            };
            all.iter().map(block).collect()
        }
        _ => {
            let (all, _) = bytes.as_chunks::<144>();
            all.iter().flat_map(q4_k).collect()
        }
    };
    Some(blocks)
}

fn half(bytes: [u8; 2]) -> f16 {
    f16::from_le_bytes(bytes)
}

fn q8_0(bytes: &[u8; 34]) -> Block {
    Block {
        quants: std::array::from_fn(|k| bytes[2 + k].wrapping_add(128)),
        scale: half([bytes[0], bytes[1]]),
        offset: f16::ZERO,
    }
}

/// Lower halves of 16 bytes, then the upper ones.
fn four(bytes: &[u8], scale: f16, offset: f16) -> Block {
    Block {
        quants: std::array::from_fn(|k| match k < BLOCK / 2 {
            true => bytes[k] & 15,
            false => bytes[k - BLOCK / 2] >> 4,
        }),
        scale,
        offset,
    }
}

/// Eight blocks of 32 that share a scale of scales and one of offsets; two blocks share 32 bytes.
fn q4_k(bytes: &[u8; 144]) -> [Block; 8] {
    let [scale, offset] = [0, 2].map(|at| half([bytes[at], bytes[at + 1]]).to_f32());
    let packed = &bytes[4..16];
    std::array::from_fn(|at| {
        // Six bits each: the later ones are in pieces.
        let (of_scale, of_offset) = match at < 4 {
            true => (packed[at] & 63, packed[at + 4] & 63),
            false => (
                (packed[at + 4] & 15) | ((packed[at - 4] >> 6) << 4),
                (packed[at + 4] >> 4) | ((packed[at] >> 6) << 4),
            ),
        };
        let quants = &bytes[16 + at / 2 * 32..][..32];
        Block {
            quants: std::array::from_fn(|k| (quants[k] >> (at % 2 * 4)) & 15),
            scale: f16::from_f32(scale * f32::from(of_scale)),
            offset: f16::from_f32(-offset * f32::from(of_offset)),
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::ops::Range;

    use candle_core::quantized::{QStorage, QTensor};
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::kernels::BlockWeights;

    #[test]
    fn blocks_are_the_numbers_that_candle_reads() {
        let (outputs, inputs) = (20, 512);
        let weights = Tensor::randn(0f32, 0.1, (outputs, inputs), &Device::Cpu).unwrap();
        for dtype in [
            GgmlDType::Q8_0,
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q4K,
        ] {
            let stored = QTensor::quantize(&weights, dtype).unwrap();
            let bytes = stored.data().unwrap().into_owned();
            let storage = QStorage::from_data(bytes.clone().into(), &Device::Cpu, dtype).unwrap();
            let read = QTensor::new(storage, (outputs, inputs)).unwrap();
            let read = read.dequantize(&Device::Cpu).unwrap();
            let stored = TensorType::Candle(dtype);
            let row = inputs / stored.block_size() * stored.type_size();
            let rows = |rows: Range<usize>| {
                blocks(stored, &bytes[rows.start * row..rows.end * row]).ok_or(dtype)
            };
            let kind = kind(stored).unwrap();
            let kept = BlockWeights::new(kind, outputs, inputs, rows).unwrap();
            let mut own = vec![0.0; inputs];
            for (output, wanted) in read.to_vec2::<f32>().unwrap().iter().enumerate() {
                kept.row(output, &mut own);
                for (x, wanted) in own.iter().zip(wanted) {
                    // Products of scales lose a 2048th.
                    let gap = if dtype == GgmlDType::Q4K { 4e-4 } else { 1e-7 };
                    assert!((x - wanted).abs() <= gap, "{dtype:?}: {x} for {wanted}");
                }
            }
        }
    }
}
