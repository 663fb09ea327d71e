//! A matrix of weights, in whatever it is kept in.

use half::f16;

use crate::Error;
use crate::gguf;
use crate::kernels::{BLOCK, Block, BlockKind, BlockWeights, DenseWeights, QuantizedRows};
use crate::precision::{PrecisionRule, WeightStorage};
use crate::weights::{OpenWeights, PlainNumbers, StoredAs};

/// `[outputs, inputs]`.
#[derive(Debug)]
pub(crate) enum Matrix {
    Dense(DenseWeights),
    Blocks(BlockWeights),
}

/// The rows of outputs of one tensor, before they are laid out for the kernels.
enum MatrixRows {
    Plain(PlainNumbers),
    Blocks(BlockKind, Vec<Block>),
}

impl Matrix {
    /// The matrices of some tensors with the same inputs, one below the other: a single one, if all are kept in the same form.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        tensors: &[(String, usize)],
        inputs: usize,
        rule: PrecisionRule,
    ) -> Result<Vec<Self>, Error> {
        let mut all: Vec<MatrixRows> = Vec::new();
        for (name, outputs) in tensors {
            let rows = MatrixRows::load(weights, name, *outputs, inputs, rule)?;
            all.push(rows);
        }
        let mut merged: Vec<MatrixRows> = Vec::new();
        for rows in all {
            let below = match merged.last_mut() {
                Some(last) => last.append(rows),
                None => Some(rows),
            };
            merged.extend(below);
        }
        Ok(merged
            .into_iter()
            .map(|rows| rows.laid_out(inputs))
            .collect())
    }

    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Dense(weights) => weights.outputs,
            Self::Blocks(weights) => weights.outputs,
        }
    }

    /// The weights of one output.
    pub(crate) fn row(&self, output: usize, into: &mut [f32]) {
        match self {
            Self::Dense(weights) => weights.row(output, into),
            Self::Blocks(weights) => weights.row(output, into),
        }
    }

    /// Products with rows of inputs, which are also given in 8 bits if any matrix asks for it; they go to the columns from
    /// `first` on of rows of `width` numbers.
    pub(crate) fn multiply(
        &self,
        x: &[f32],
        rounded: &QuantizedRows,
        out: &mut [f32],
        width: usize,
        first: usize,
    ) {
        match self {
            Self::Dense(weights) => weights.multiply(x, out, width, first),
            Self::Blocks(weights) => weights.multiply(rounded, out, width, first),
        }
    }
}

impl MatrixRows {
    fn load(
        weights: &OpenWeights<'_>,
        name: &str,
        outputs: usize,
        inputs: usize,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let shape = [outputs, inputs];
        let stored = weights.blocks(name);
        let wide = || weights.get(name, &shape);
        Ok(match rule.kept(outputs * inputs, stored) {
            WeightStorage::F32 => Self::Plain(PlainNumbers::F32(wide()?)),
            WeightStorage::F16 => {
                let numbers = wide()?.into_iter().map(f16::from_f32);
                Self::Plain(PlainNumbers::F16(numbers.collect()))
            }
            WeightStorage::Plain => Self::Plain(weights.stored(name, &shape)?),
            WeightStorage::Rounded => {
                let numbers = wide()?;
                let rows = numbers.chunks_exact(inputs);
                let blocks = rows.flat_map(|row| row.chunks(BLOCK).map(Block::eight_bits));
                Self::Blocks(BlockKind::Eight, blocks.collect())
            }
            WeightStorage::Blocks(_) => {
                let (place, bytes) = weights.bytes(name, &shape)?;
                let blocks = match place.stored {
                    StoredAs::Blocks(dtype) => gguf::stored_blocks(dtype, &bytes),
                    _ => None,
                };
                match blocks {
                    Some((kind, blocks)) => Self::Blocks(kind, blocks),
                    None => Self::Plain(PlainNumbers::F32(wide()?)),
                }
            }
        })
    }

    /// Adds rows of the same form; others come back.
    fn append(&mut self, more: Self) -> Option<Self> {
        match (self, more) {
            (Self::Plain(PlainNumbers::F32(all)), Self::Plain(PlainNumbers::F32(more))) => {
                all.extend(more);
            }
            (Self::Plain(PlainNumbers::F16(all)), Self::Plain(PlainNumbers::F16(more))) => {
                all.extend(more);
            }
            (Self::Plain(PlainNumbers::Bf16(all)), Self::Plain(PlainNumbers::Bf16(more))) => {
                all.extend(more);
            }
            (Self::Blocks(kind, all), Self::Blocks(same, more)) if *kind == same => {
                all.extend(more);
            }
            (_, more) => return Some(more),
        }
        None
    }

    fn laid_out(self, inputs: usize) -> Matrix {
        match self {
            Self::Plain(PlainNumbers::F32(rows)) => Matrix::Dense(DenseWeights::f32(&rows, inputs)),
            Self::Plain(PlainNumbers::F16(rows)) => Matrix::Dense(DenseWeights::f16(&rows, inputs)),
            Self::Plain(PlainNumbers::Bf16(rows)) => {
                Matrix::Dense(DenseWeights::bf16(&rows, inputs))
            }
            Self::Blocks(kind, blocks) => {
                let each = inputs.div_ceil(BLOCK);
                let outputs = blocks.len() / each.max(1);
                let block = |output: usize, at: usize| blocks[output * each + at];
                Matrix::Blocks(BlockWeights::new(kind, outputs, inputs, block))
            }
        }
    }
}
