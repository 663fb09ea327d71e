//! What the processor can do.

use std::fmt;
use std::sync::LazyLock;

/// A set of instructions that kernels are written for, each with those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    /// What every processor of the architecture has; on ARM that includes NEON.
    Baseline,
    /// x86-64 with AVX2, FMA and F16C.
    Avx2,
    /// And AVX-512 F, BW, DQ, VL.
    Avx512,
    /// And VNNI.
    Avx512Vnni,
}

static HERE: LazyLock<Isa> = LazyLock::new(Isa::detect);

impl Isa {
    /// The best of this machine.
    #[inline]
    pub(crate) fn here() -> Self {
        *HERE
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let avx512 = avx2
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        match (avx2, avx512, is_x86_feature_detected!("avx512vnni")) {
            (_, true, true) => Self::Avx512Vnni,
            (_, true, false) => Self::Avx512,
            (true, ..) => Self::Avx2,
            _ => Self::Baseline,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        Self::Baseline
    }

    /// All that this machine has, for tests.
    #[cfg(test)]
    pub(crate) fn all_here() -> Vec<Self> {
        let all = [Self::Baseline, Self::Avx2, Self::Avx512, Self::Avx512Vnni];
        all.into_iter().filter(|isa| *isa <= Self::here()).collect()
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Baseline if cfg!(target_arch = "aarch64") => "NEON",
            Self::Baseline => "no vector extensions",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
            Self::Avx512Vnni => "AVX-512 VNNI",
        })
    }
}

/// Defines a function of plain Rust that is compiled for every set of instructions, and runs as the best one. Nothing in it may
/// depend on the order of additions: the compiler never changes it, so results are the same on all.
///
/// With `<L>` after its name it is written with [`Lanes`](super::lanes::Lanes), where the compiler does not find them itself.
macro_rules! vectorized {
    ($(#[$about:meta])* $vis:vis fn $name:ident<$lanes:ident>($($argument:ident: $kind:ty),* $(,)?) $body:block) => {
        $(#[$about])*
        $vis fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn body<$lanes: $crate::kernels::lanes::Lanes>($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::lanes::x86::{Avx2, Avx512};
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn with_avx512($($argument: $kind),*) {
                    body::<Avx512>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn with_avx2($($argument: $kind),*) {
                    body::<Avx2>($($argument),*);
                }
                let isa = $crate::kernels::Isa::here();
                if isa >= $crate::kernels::Isa::Avx512 {
                    // SAFETY: the processor has these instructions.
                    return unsafe { with_avx512($($argument),*) };
                }
                if isa >= $crate::kernels::Isa::Avx2 {
                    // SAFETY: the processor has these instructions.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            body::<$crate::kernels::lanes::Portable>($($argument),*);
        }
    };
    ($(#[$about:meta])* $vis:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$about])*
        $vis fn $name($($argument: $kind),*) $(-> $out)? {
            #[inline(always)]
            fn body($($argument: $kind),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
                fn with_avx512($($argument: $kind),*) $(-> $out)? {
                    body($($argument),*)
                }
                #[target_feature(enable = "avx2,fma,f16c")]
                fn with_avx2($($argument: $kind),*) $(-> $out)? {
                    body($($argument),*)
                }
                let isa = $crate::kernels::Isa::here();
                if isa >= $crate::kernels::Isa::Avx512 {
                    // SAFETY: the processor has these instructions.
                    return unsafe { with_avx512($($argument),*) };
                }
                if isa >= $crate::kernels::Isa::Avx2 {
                    // SAFETY: the processor has these instructions.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            body($($argument),*)
        }
    };
}

pub(crate) use vectorized;
