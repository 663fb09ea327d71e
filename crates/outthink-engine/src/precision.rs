//! What weights are kept in.

use std::fmt;
use std::str::FromStr;

use candle_core::quantized::GgmlDType;

/// What weights are kept in. Activations are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 for small models; for others Q8_0 where this machine multiplies it fast, else as stored.
    #[default]
    Auto,
    /// f32, whatever it costs.
    F32,
    /// As the checkpoint stores them.
    Stored,
    /// Q8_0 where this machine multiplies it fast, in small models too; else as [`Precision::Auto`].
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
pub(crate) enum Kept {
    F32,
    /// As stored; f16 for blocks that are read out.
    Stored,
    /// As stored blocks, or else as Q8_0.
    Blocks,
}

/// Models of up to this many bytes in f32 are small: those of 135 million parameters are.
const SMALL: u64 = 5 << 27;

/// A precision for a model of a certain size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    precision: Precision,
    small: bool,
}

impl Choice {
    pub(crate) fn new(precision: Precision, parameters: u64) -> Self {
        Self {
            precision,
            small: parameters <= SMALL / 4,
        }
    }

    /// What a weight of `outputs × inputs` is kept in.
    pub(crate) fn kept(self, outputs: usize, inputs: usize) -> Kept {
        let otherwise = if self.small { Kept::F32 } else { Kept::Stored };
        match self.precision {
            Precision::F32 => Kept::F32,
            Precision::Stored => Kept::Stored,
            Precision::Auto if self.small => Kept::F32,
            Precision::Auto | Precision::Q8 if is_fast(GgmlDType::Q8_0, outputs, inputs) => {
                Kept::Blocks
            }
            Precision::Auto | Precision::Q8 => otherwise,
        }
    }

    /// What a weight that is stored in blocks is kept in.
    pub(crate) fn kept_blocks(self, dtype: GgmlDType, outputs: usize, inputs: usize) -> Kept {
        match self.precision {
            Precision::F32 => Kept::F32,
            _ if is_fast(dtype, outputs, inputs) => Kept::Blocks,
            _ if self.small => Kept::F32,
            _ => Kept::Stored,
        }
    }

    /// Is the embedding widened?
    pub(crate) fn widens_embedding(self) -> bool {
        self.precision == Precision::F32 || (self.small && self.precision != Precision::Stored)
    }
}

/// Does candle have a kernel for this type and shape that gains from several rows? (Its others widen every block again for
/// every row.) On x86 blocks of 256 inputs and 16 outputs, Q8_0 only with VNNI: `quantized/repack_x86.rs` of candle 0.11.1.
pub(crate) fn is_fast(dtype: GgmlDType, outputs: usize, inputs: usize) -> bool {
    let fits = outputs.is_multiple_of(16) && inputs.is_multiple_of(256);
    #[cfg(target_arch = "x86_64")]
    let known = match dtype {
        GgmlDType::Q4K | GgmlDType::Q6K => {
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
        }
        GgmlDType::Q8_0 => {
            let wide =
                is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
            wide || (is_x86_feature_detected!("avxvnni") && is_x86_feature_detected!("avx2"))
        }
        _ => false,
    };
    #[cfg(not(target_arch = "x86_64"))]
    let known = cfg!(target_arch = "aarch64")
        && matches!(dtype, GgmlDType::Q4K | GgmlDType::Q6K | GgmlDType::Q8_0);
    fits && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_models_stay_exact_and_large_ones_are_quantized_only_where_it_pays() {
        let small = Choice::new(Precision::Auto, 1 << 20);
        assert_eq!(small.kept(1024, 1024), Kept::F32);
        let large = Choice::new(Precision::Auto, 1 << 30);
        let fast = is_fast(GgmlDType::Q8_0, 1024, 1024);
        assert_eq!(large.kept(1024, 1024) == Kept::Blocks, fast);
        assert_eq!(
            large.kept(1024, 896),
            Kept::Stored,
            "896 is no multiple of 256"
        );
        assert_eq!(
            Choice::new(Precision::F32, 1 << 30).kept(1024, 1024),
            Kept::F32
        );
        assert_eq!("q8_0".parse(), Ok(Precision::Q8));
        assert!("bf16".parse::<Precision>().is_err());
    }
}
