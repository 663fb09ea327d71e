//! Sixteen numbers at a time, in the registers of each set of instructions.

/// Sixteen f32. All implementations give the same numbers: a fused product and sum is rounded once everywhere.
pub(crate) trait Lanes: Copy {
    fn splat(x: f32) -> Self;

    /// # Safety
    ///
    /// Sixteen numbers can be read there.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    ///
    /// Sixteen numbers of half precision can be read there.
    unsafe fn load_f16(from: *const u16) -> Self;

    /// # Safety
    ///
    /// Sixteen numbers in bfloat16 can be read there.
    unsafe fn load_bf16(from: *const u16) -> Self;

    /// `self · b + c`
    fn mul_add(self, b: Self, c: Self) -> Self;

    fn to_array(self) -> [f32; 16];

    /// Of lanes that are 8 apart, then of sums that are 4, 2 and 1 apart.
    fn sum(self) -> f32;
}

/// How a number is stored. Sums are in f32 whatever it is.
pub(crate) trait StoredNumber: Copy + Default + Send + Sync {
    /// # Safety
    ///
    /// Sixteen numbers can be read there.
    unsafe fn lanes<L: Lanes>(from: *const Self) -> L;

    fn wide(self) -> f32;
}

impl StoredNumber for f32 {
    #[inline(always)]
    unsafe fn lanes<L: Lanes>(from: *const Self) -> L {
        // SAFETY: as the caller says.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    fn wide(self) -> f32 {
        self
    }
}

impl StoredNumber for half::f16 {
    #[inline(always)]
    unsafe fn lanes<L: Lanes>(from: *const Self) -> L {
        // SAFETY: as the caller says.
        unsafe { L::load_f16(from.cast()) }
    }

    #[inline(always)]
    fn wide(self) -> f32 {
        self.to_f32()
    }
}

impl StoredNumber for half::bf16 {
    #[inline(always)]
    unsafe fn lanes<L: Lanes>(from: *const Self) -> L {
        // SAFETY: as the caller says.
        unsafe { L::load_bf16(from.cast()) }
    }

    #[inline(always)]
    fn wide(self) -> f32 {
        self.to_f32()
    }
}

/// For every processor.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; 16]);

impl Lanes for Portable {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        Self([x; 16])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { from.cast::<[f32; 16]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: as the caller says.
        let halves = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        Self(halves.map(|bits| half::f16::from_bits(bits).to_f32()))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        // SAFETY: as the caller says.
        let halves = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        Self(halves.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }

    #[inline(always)]
    fn mul_add(self, b: Self, c: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            self.0[lane].mul_add(b.0[lane], c.0[lane])
        }))
    }

    #[inline(always)]
    fn to_array(self) -> [f32; 16] {
        self.0
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        let mut sums = self.0;
        for apart in [8, 4, 2, 1] {
            for lane in 0..apart {
                sums[lane] += sums[lane + apart];
            }
        }
        sums[0]
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    //! Only functions that run where the instructions are call these; that is their safety.

    use std::arch::x86_64::*;

    use super::Lanes;

    #[derive(Clone, Copy)]
    pub(in crate::kernels) struct Avx512(__m512);

    impl Lanes for Avx512 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the processor has AVX-512.
            Self(unsafe { _mm512_set1_ps(x) })
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as the caller says.
            Self(unsafe { _mm512_loadu_ps(from) })
        }

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            // SAFETY: as the caller says.
            Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) })
        }

        #[inline(always)]
        unsafe fn load_bf16(from: *const u16) -> Self {
            // SAFETY: as the caller says.
            let wide = unsafe { _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())) };
            // SAFETY: the processor has AVX-512.
            Self(unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)) })
        }

        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: the processor has AVX-512.
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }

        #[inline(always)]
        fn to_array(self) -> [f32; 16] {
            let mut out = [0.0; 16];
            // SAFETY: there is room for sixteen.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
            out
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: the processor has AVX-512.
            unsafe {
                let high = _mm512_extractf32x8_ps::<1>(self.0);
                sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(self.0), high))
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(in crate::kernels) struct Avx2([__m256; 2]);

    impl Lanes for Avx2 {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: the processor has AVX2.
            Self([unsafe { _mm256_set1_ps(x) }; 2])
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: as the caller says.
            Self(unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] })
        }

        #[inline(always)]
        unsafe fn load_f16(from: *const u16) -> Self {
            // SAFETY: as the caller says.
            Self(unsafe {
                [
                    _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                    _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
                ]
            })
        }

        #[inline(always)]
        unsafe fn load_bf16(from: *const u16) -> Self {
            // SAFETY: as the caller says.
            let wide = |from: *const u16| unsafe {
                let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
            };
            // SAFETY: as the caller says.
            Self([wide(from), wide(unsafe { from.add(8) })])
        }

        #[inline(always)]
        fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: the processor has FMA.
            Self(unsafe {
                [
                    _mm256_fmadd_ps(self.0[0], b.0[0], c.0[0]),
                    _mm256_fmadd_ps(self.0[1], b.0[1], c.0[1]),
                ]
            })
        }

        #[inline(always)]
        fn to_array(self) -> [f32; 16] {
            let mut out = [0.0; 16];
            // SAFETY: there is room for sixteen.
            unsafe {
                _mm256_storeu_ps(out.as_mut_ptr(), self.0[0]);
                _mm256_storeu_ps(out.as_mut_ptr().add(8), self.0[1]);
            }
            out
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            // SAFETY: the processor has AVX2.
            unsafe { sum_of_eight(_mm256_add_ps(self.0[0], self.0[1])) }
        }
    }

    /// # Safety
    ///
    /// The processor has AVX2.
    #[inline(always)]
    unsafe fn sum_of_eight(eight: __m256) -> f32 {
        // SAFETY: as the caller says.
        unsafe {
            let four = _mm_add_ps(
                _mm256_castps256_ps128(eight),
                _mm256_extractf128_ps::<1>(eight),
            );
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }
}
