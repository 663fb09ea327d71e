//! What weights are kept in.

use std::fmt;
use std::str::FromStr;

use crate::gguf::{self, TensorType};
use crate::kernels::BlockKind;

/// What weights are kept in, and with them what is computed with: inputs of a matrix in blocks are rounded to 8 bits, and keys
/// and values are in half precision but for `F32` and small models. All else is f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 for small models, 8 bits for others. Blocks of the kinds that are multiplied as they are stay so, other kinds become 8
    /// bits.
    #[default]
    Auto,
    /// f32, whatever it costs.
    F32,
    /// As the checkpoint stores them.
    Stored,
    /// As `Auto`, in small models too: 8 bits in blocks of 32 with a scale each.
    Q8,
}

impl Precision {
    /// Each with its name.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Auto, "auto"),
        (Self::F32, "f32"),
        (Self::Stored, "stored"),
        (Self::Q8, "q8_0"),
    ];
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL
            .into_iter()
            .find(|(precision, _)| precision == self);
        f.pad(name.map_or("auto", |(_, name)| name))
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|(_, known)| *known == name)
            .map(|(precision, _)| precision)
            .ok_or_else(|| {
                format!("unknown type of weights `{name}` (one of auto, f32, stored, q8_0)")
            })
    }
}

/// What one weight is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WeightStorage {
    F32,
    F16,
    /// In the type that it is stored in, which is none of blocks.
    Plain,
    /// Rounded to 8 bits.
    Rounded,
    /// In the blocks that it is stored in.
    Blocks(BlockKind),
}

/// Models of up to this many parameters are small: they are as fast in f32, and then exact.
const SMALL: u64 = 1 << 25;

/// Weights of fewer numbers are small: nothing is gained by rounding them.
const SMALL_WEIGHT: usize = 1 << 13;

/// What each weight of a model is kept in: by the caller's precision and the model's size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrecisionRule {
    precision: Precision,
    small: bool,
}

impl PrecisionRule {
    pub(crate) fn new(precision: Precision, parameters: u64) -> Self {
        Self {
            precision,
            small: parameters <= SMALL,
        }
    }

    /// For what is small and much hangs on.
    pub(crate) fn exact(self) -> Self {
        Self {
            precision: Precision::F32,
            ..self
        }
    }

    /// Are keys and values kept in half precision?
    pub(crate) fn halves_keys(self) -> bool {
        self.precision != Precision::F32 && !self.small
    }

    /// What a weight of so many numbers is kept in that is stored in these blocks, or in none.
    pub(crate) fn kept(self, numbers: usize, stored: Option<TensorType>) -> WeightStorage {
        let blocks = stored.map(gguf::block_kind);
        match (self.precision, blocks) {
            (Precision::F32, _) => WeightStorage::F32,
            (_, Some(Some(kind))) => WeightStorage::Blocks(kind),
            // Half precision is more than they ever had.
            (Precision::Stored, Some(None)) => WeightStorage::F16,
            (Precision::Stored, None) => WeightStorage::Plain,
            _ if numbers < SMALL_WEIGHT => WeightStorage::F32,
            (_, Some(None)) | (Precision::Q8, None) => WeightStorage::Rounded,
            (Precision::Auto, None) if self.small => WeightStorage::F32,
            (Precision::Auto, None) => WeightStorage::Rounded,
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::*;

    const LARGE: u64 = 1 << 30;

    #[test]
    fn small_models_stay_exact_and_large_ones_are_rounded() {
        use WeightStorage::{F32, Plain, Rounded};
        let kept =
            |precision, parameters| PrecisionRule::new(precision, parameters).kept(1 << 20, None);
        for parameters in [1 << 20, LARGE] {
            assert_eq!(kept(Precision::F32, parameters), F32);
            assert_eq!(kept(Precision::Stored, parameters), Plain);
            assert_eq!(kept(Precision::Q8, parameters), Rounded);
        }
        assert_eq!(kept(Precision::Auto, 1 << 20), F32);
        assert_eq!(kept(Precision::Auto, LARGE), Rounded);
        let head = PrecisionRule::new(Precision::Auto, LARGE).kept(2 * 1024, None);
        assert_eq!(head, F32, "a reward head costs nothing");
    }

    #[test]
    fn blocks_stay_as_they_are_stored_where_the_kernels_know_them() {
        use WeightStorage::{Blocks, F16, F32, Rounded};
        let kept = |precision, dtype| {
            PrecisionRule::new(precision, LARGE).kept(1 << 20, Some(TensorType::Candle(dtype)))
        };
        for precision in [Precision::Auto, Precision::Stored, Precision::Q8] {
            assert_eq!(
                kept(precision, GgmlDType::Q4K),
                Blocks(BlockKind::FourOffset)
            );
            assert_eq!(kept(precision, GgmlDType::Q8_0), Blocks(BlockKind::Eight));
        }
        assert_eq!(kept(Precision::F32, GgmlDType::Q4_0), F32);
        assert_eq!(kept(Precision::Auto, GgmlDType::Q6K), Rounded);
        assert_eq!(kept(Precision::Stored, GgmlDType::Q6K), F16);
    }

    #[test]
    fn precisions_are_told_by_name() {
        for (precision, name) in Precision::ALL {
            assert_eq!(name.parse(), Ok(precision));
            assert_eq!(precision.to_string(), name);
        }
        let unknown = "bf16".parse::<Precision>();
        assert_eq!(
            unknown,
            Err("unknown type of weights `bf16` (one of auto, f32, stored, q8_0)".into())
        );
    }
}
