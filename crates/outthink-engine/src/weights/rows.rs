//! The rows of a matrix, some at a time: what is stored and what it becomes are never in memory both.

use std::borrow::Cow;
use std::ops::Range;

use half::{bf16, f16};

use super::numbers::PlainNumbers;
use super::open::{OpenWeights, StoredAs, TensorPlace};
use crate::Error;
use crate::adapter::ReadProduct;
use crate::gguf::TensorType;

/// A matrix of a checkpoint, `[outputs, inputs]`, open for reading.
pub(crate) struct TensorRows<'w> {
    weights: &'w OpenWeights<'w>,
    name: &'w str,
    place: &'w TensorPlace,
    inputs: usize,
    /// All its bytes, where they do not lie in the file as they should.
    arranged: Option<Cow<'w, [u8]>>,
    /// What an adapter adds.
    added: Option<ReadProduct>,
}

impl<'w> OpenWeights<'w> {
    /// Opens a matrix of the given shape.
    pub(crate) fn rows<'o>(
        &'o self,
        name: &'o str,
        [outputs, inputs]: [usize; 2],
    ) -> Result<TensorRows<'o>, Error>
    where
        'w: 'o,
    {
        let place = self.place(name, &[outputs, inputs])?;
        self.check_readable(place, name)?;
        if let StoredAs::Blocks(stored) = place.stored
            && !inputs.is_multiple_of(stored.block_size())
        {
            return Err(self.broken(
                place,
                format!("the rows of tensor {name} are no whole blocks"),
            ));
        }
        Ok(TensorRows {
            weights: self,
            name,
            place,
            inputs,
            arranged: match place.is_in_order() {
                true => None,
                false => Some(self.bytes_at(place, name)?),
            },
            added: self
                .added(name)
                .map(|own| own.read(self, name))
                .transpose()?,
        })
    }
}

impl TensorRows<'_> {
    /// The quantized type that it is stored in, if nothing is added to it.
    pub(crate) fn blocks(&self) -> Option<TensorType> {
        match self.place.stored {
            StoredAs::Blocks(stored) if self.added.is_none() => Some(stored),
            _ => None,
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.place.shape[0]
    }

    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// The bytes of some rows.
    pub(crate) fn bytes(&self, rows: Range<usize>) -> Result<Cow<'_, [u8]>, Error> {
        let row = match self.place.stored {
            StoredAs::Plain(dtype) => self.inputs * dtype.size_in_bytes(),
            StoredAs::Blocks(stored) => self.inputs / stored.block_size() * stored.type_size(),
            StoredAs::Other(_) => 0,
        };
        let range = rows.start * row..rows.end * row;
        match &self.arranged {
            Some(bytes) => match bytes.get(range) {
                Some(bytes) => Ok(Cow::Borrowed(bytes)),
                None => {
                    let reason = format!("tensor {} is too short", self.name);
                    Err(self.weights.broken(self.place, reason))
                }
            },
            None => self.weights.bytes_within(self.place, self.name, range),
        }
    }

    /// The numbers of some rows, one row after the other, in the type that they are kept in if they are kept plain.
    fn plain(&self, rows: Range<usize>) -> Result<PlainNumbers, Error> {
        let shape = [rows.len(), self.inputs];
        let numbers = PlainNumbers::of(&self.place.stored, &shape, self.bytes(rows.clone())?)?;
        let Some(added) = &self.added else {
            return Ok(numbers);
        };
        let mut numbers = numbers.widened();
        added.add(rows, &mut numbers);
        Ok(PlainNumbers::F32(numbers))
    }

    /// The numbers of some rows.
    pub(crate) fn wide(&self, rows: Range<usize>) -> Result<Vec<f32>, Error> {
        Ok(self.plain(rows)?.widened())
    }

    /// The same in half precision.
    pub(crate) fn half(&self, rows: Range<usize>) -> Result<Vec<f16>, Error> {
        Ok(match self.plain(rows)? {
            PlainNumbers::F16(numbers) => numbers,
            other => other.widened().into_iter().map(f16::from_f32).collect(),
        })
    }

    /// The same in bf16.
    pub(crate) fn brain(&self, rows: Range<usize>) -> Result<Vec<bf16>, Error> {
        Ok(match self.plain(rows)? {
            PlainNumbers::Bf16(numbers) => numbers,
            other => other.widened().into_iter().map(bf16::from_f32).collect(),
        })
    }

    /// The type that its numbers have where they are kept as they are stored.
    pub(crate) fn stored(&self) -> &StoredAs {
        match self.added {
            Some(_) => &StoredAs::WIDE,
            None => &self.place.stored,
        }
    }
}
