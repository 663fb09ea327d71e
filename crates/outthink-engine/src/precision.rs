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
pub(crate) enum WeightStorage {
    F32,
    /// As stored; f16 for blocks that are read out.
    Stored,
    /// As stored blocks, or else as Q8_0.
    Blocks,
}

/// Models of up to this many bytes in f32 are small: those of 135 million parameters are.
const SMALL: u64 = 5 << 27;

/// What each weight of a model is kept in: by the caller's precision, the model's size and what this machine multiplies fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrecisionRule {
    precision: Precision,
    small: bool,
    kernels: FastKernels,
}

impl PrecisionRule {
    pub(crate) fn new(precision: Precision, parameters: u64) -> Self {
        Self::with_kernels(precision, parameters, FastKernels::of_this_machine())
    }

    pub(crate) fn with_kernels(
        precision: Precision,
        parameters: u64,
        kernels: FastKernels,
    ) -> Self {
        Self {
            precision,
            small: parameters <= SMALL / 4,
            kernels,
        }
    }

    /// What a weight of `outputs × inputs` is kept in.
    pub(crate) fn kept(self, outputs: usize, inputs: usize) -> WeightStorage {
        let otherwise = if self.small {
            WeightStorage::F32
        } else {
            WeightStorage::Stored
        };
        match self.precision {
            Precision::F32 => WeightStorage::F32,
            Precision::Stored => WeightStorage::Stored,
            Precision::Auto if self.small => WeightStorage::F32,
            Precision::Auto | Precision::Q8
                if self.kernels.multiply(GgmlDType::Q8_0, outputs, inputs) =>
            {
                WeightStorage::Blocks
            }
            Precision::Auto | Precision::Q8 => otherwise,
        }
    }

    /// What a weight that is stored in blocks is kept in.
    pub(crate) fn kept_blocks(
        self,
        dtype: GgmlDType,
        outputs: usize,
        inputs: usize,
    ) -> WeightStorage {
        match self.precision {
            Precision::F32 => WeightStorage::F32,
            _ if self.kernels.multiply(dtype, outputs, inputs) => WeightStorage::Blocks,
            _ if self.small => WeightStorage::F32,
            _ => WeightStorage::Stored,
        }
    }

    /// Is the embedding widened?
    pub(crate) fn widens_embedding(self) -> bool {
        self.precision == Precision::F32 || (self.small && self.precision != Precision::Stored)
    }
}

/// The kernels of candle for quantized blocks that gain from several rows. (Its others widen every block again for every
/// row.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FastKernels {
    /// Q4_K and Q6_K.
    pub k_blocks: bool,
    /// Q8_0.
    pub eight_bits: bool,
}

impl FastKernels {
    #[cfg(target_arch = "x86_64")]
    fn of_this_machine() -> Self {
        Self::on_x86(X86Features {
            avx2: is_x86_feature_detected!("avx2"),
            fma: is_x86_feature_detected!("fma"),
            avx512f: is_x86_feature_detected!("avx512f"),
            avx512vnni: is_x86_feature_detected!("avx512vnni"),
            avxvnni: is_x86_feature_detected!("avxvnni"),
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of_this_machine() -> Self {
        let arm = cfg!(target_arch = "aarch64");
        Self {
            k_blocks: arm,
            eight_bits: arm,
        }
    }

    /// `quantized/repack_x86.rs` of candle 0.11.1.
    #[cfg(any(test, target_arch = "x86_64"))]
    fn on_x86(has: X86Features) -> Self {
        Self {
            k_blocks: has.avx2 && has.fma,
            eight_bits: (has.avx512f && has.avx512vnni) || (has.avx2 && has.avxvnni),
        }
    }

    /// Is there one for this type and shape? They take blocks of 256 inputs and 16 outputs.
    fn multiply(self, dtype: GgmlDType, outputs: usize, inputs: usize) -> bool {
        let fits = outputs.is_multiple_of(16) && inputs.is_multiple_of(256);
        fits && match dtype {
            GgmlDType::Q4K | GgmlDType::Q6K => self.k_blocks,
            GgmlDType::Q8_0 => self.eight_bits,
            _ => false,
        }
    }
}

/// What a processor can do, as far as the kernels ask.
#[cfg(any(test, target_arch = "x86_64"))]
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "features are there or not, each by itself"
)]
struct X86Features {
    avx2: bool,
    fma: bool,
    avx512f: bool,
    avx512vnni: bool,
    avxvnni: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 1 << 30;

    fn rule(precision: Precision, parameters: u64, kernels: [bool; 2]) -> PrecisionRule {
        let [k_blocks, eight_bits] = kernels;
        let kernels = FastKernels {
            k_blocks,
            eight_bits,
        };
        PrecisionRule::with_kernels(precision, parameters, kernels)
    }

    #[test]
    fn kernels_are_those_of_the_processor() {
        let none = X86Features::default();
        let of = |features| {
            let FastKernels {
                k_blocks,
                eight_bits,
            } = FastKernels::on_x86(features);
            [k_blocks, eight_bits]
        };
        let haswell = X86Features {
            avx2: true,
            fma: true,
            ..none
        };
        let skylake_x = X86Features {
            avx512f: true,
            ..haswell
        };
        let ice_lake = X86Features {
            avx512vnni: true,
            ..skylake_x
        };
        let alder_lake = X86Features {
            avxvnni: true,
            ..haswell
        };
        assert_eq!(of(none), [false, false]);
        assert_eq!(of(haswell), [true, false]);
        assert_eq!(of(skylake_x), [true, false]);
        assert_eq!(of(ice_lake), [true, true]);
        assert_eq!(of(alder_lake), [true, true]);
    }

    #[test]
    fn small_models_stay_exact_and_large_ones_are_quantized_only_where_it_pays() {
        use WeightStorage::{Blocks, F32, Stored};
        let kept = |precision, parameters, eight_bits| {
            rule(precision, parameters, [true, eight_bits]).kept(1024, 1024)
        };
        for eight_bits in [false, true] {
            assert_eq!(kept(Precision::Auto, 1 << 20, eight_bits), F32);
            assert_eq!(kept(Precision::F32, LARGE, eight_bits), F32);
            assert_eq!(kept(Precision::Stored, LARGE, eight_bits), Stored);
        }
        assert_eq!(kept(Precision::Auto, LARGE, true), Blocks);
        assert_eq!(kept(Precision::Auto, LARGE, false), Stored);
        assert_eq!(kept(Precision::Q8, 1 << 20, true), Blocks);
        assert_eq!(kept(Precision::Q8, 1 << 20, false), F32);
        let large = rule(Precision::Auto, LARGE, [true, true]);
        assert_eq!(large.kept(1024, 896), Stored, "896 is no multiple of 256");
        assert_eq!(large.kept(1000, 1024), Stored, "1000 is no multiple of 16");
    }

    #[test]
    fn blocks_stay_as_they_are_stored_where_they_are_multiplied_fast() {
        use WeightStorage::{Blocks, F32, Stored};
        let kept = |kernels, dtype, parameters| {
            rule(Precision::Auto, parameters, kernels).kept_blocks(dtype, 1024, 1024)
        };
        assert_eq!(kept([true, false], GgmlDType::Q4K, LARGE), Blocks);
        assert_eq!(kept([true, false], GgmlDType::Q8_0, LARGE), Stored);
        assert_eq!(kept([false, true], GgmlDType::Q8_0, 1 << 20), Blocks);
        assert_eq!(kept([false, true], GgmlDType::Q6K, 1 << 20), F32);
        assert_eq!(kept([true, true], GgmlDType::Q4_0, LARGE), Stored);
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
