//! A matrix of weights, in whatever it is kept in.

use std::ops::Range;

use candle_core::DType;

use crate::Error;
use crate::gguf;
use crate::kernels::{BLOCK, Block, BlockKind, BlockWeights, DenseWeights, QuantizedRows};
use crate::precision::{PrecisionRule, WeightStorage};
use crate::weights::{OpenWeights, StoredAs, TensorRows};

/// `[outputs, inputs]`.
#[derive(Debug)]
pub(crate) enum Matrix {
    Dense(DenseWeights),
    Blocks(BlockWeights),
}

/// What weights are laid out as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    F32,
    F16,
    Bf16,
    Blocks(BlockKind),
}

/// Tensors of the same form, one below the other.
struct Stack<'w> {
    form: Form,
    tensors: Vec<TensorRows<'w>>,
}

impl Matrix {
    /// The matrices of some tensors with the same inputs, one below the other: a single one, if all are kept in the same form.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        tensors: &[(String, usize)],
        inputs: usize,
        rule: PrecisionRule,
    ) -> Result<Vec<Self>, Error> {
        let mut stacks: Vec<Stack<'_>> = Vec::new();
        for (name, outputs) in tensors {
            let rows = weights.rows(name, [*outputs, inputs])?;
            let form = Form::of(rule.kept(outputs * inputs, rows.blocks()), rows.stored());
            match stacks.last_mut().filter(|last| last.form == form) {
                Some(last) => last.tensors.push(rows),
                None => stacks.push(Stack {
                    form,
                    tensors: vec![rows],
                }),
            }
        }
        let laid_out = stacks.iter().map(|stack| stack.laid_out(inputs));
        laid_out.collect()
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

impl Form {
    fn of(kept: WeightStorage, stored: &StoredAs) -> Self {
        match kept {
            WeightStorage::F32 => Self::F32,
            WeightStorage::F16 => Self::F16,
            WeightStorage::Plain => match stored {
                StoredAs::Plain(DType::F16) => Self::F16,
                StoredAs::Plain(DType::BF16) => Self::Bf16,
                _ => Self::F32,
            },
            WeightStorage::Rounded => Self::Blocks(BlockKind::Eight),
            WeightStorage::Blocks(kind) => Self::Blocks(kind),
        }
    }
}

impl<'w> Stack<'w> {
    fn laid_out(&self, inputs: usize) -> Result<Matrix, Error> {
        let outputs = self.tensors.iter().map(TensorRows::outputs).sum();
        let wide = |rows| self.read(rows, TensorRows::wide);
        let half = |rows| self.read(rows, TensorRows::half);
        let brain = |rows| self.read(rows, TensorRows::brain);
        let blocks = |rows| self.read(rows, blocks);
        Ok(match self.form {
            Form::F32 => Matrix::Dense(DenseWeights::f32(outputs, inputs, wide)?),
            Form::F16 => Matrix::Dense(DenseWeights::f16(outputs, inputs, half)?),
            Form::Bf16 => Matrix::Dense(DenseWeights::bf16(outputs, inputs, brain)?),
            Form::Blocks(kind) => Matrix::Blocks(BlockWeights::new(kind, outputs, inputs, blocks)?),
        })
    }

    /// Some rows of all together.
    fn read<T>(
        &self,
        rows: Range<usize>,
        read: impl Fn(&TensorRows<'w>, Range<usize>) -> Result<Vec<T>, Error>,
    ) -> Result<Vec<T>, Error> {
        let (mut all, mut first) = (Vec::new(), 0);
        for tensor in &self.tensors {
            let end = first + tensor.outputs();
            let own = rows.start.max(first)..rows.end.min(end);
            if !own.is_empty() {
                all.extend(read(tensor, own.start - first..own.end - first)?);
            }
            first = end;
        }
        Ok(all)
    }
}

/// Blocks of some rows: those that are stored if the kernels know them, else rounded to 8 bits.
fn blocks(tensor: &TensorRows<'_>, rows: Range<usize>) -> Result<Vec<Block>, Error> {
    if let Some(stored) = tensor.blocks() {
        let bytes = tensor.bytes(rows.clone())?;
        if let Some(blocks) = gguf::stored_blocks(stored, &bytes) {
            return Ok(blocks);
        }
    }
    let numbers = tensor.wide(rows)?;
    let rows = numbers.chunks_exact(tensor.inputs().max(1));
    Ok(rows
        .flat_map(|row| row.chunks(BLOCK).map(Block::eight_bits))
        .collect())
}
