//! Products with blocks in the vector instructions of x86-64, bit for bit those of the portable code.

use std::arch::x86_64::*;

use super::{BLOCK, PANEL, Task, WIDE};

impl Task<'_> {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
    pub(super) fn with_vnni<const FOUR: bool, const OFFSET: bool>(self) {
        let mut row = 0;
        while row < self.rows {
            let left = self.rows - row;
            if left >= 8 {
                for panel in 0..WIDE {
                    self.tile_vnni::<FOUR, OFFSET, 8, 1>(row, self.first + panel);
                }
                row += 8;
            } else if left >= 4 {
                self.tile_vnni::<FOUR, OFFSET, 4, WIDE>(row, self.first);
                row += 4;
            } else if left >= 2 {
                self.tile_vnni::<FOUR, OFFSET, 2, WIDE>(row, self.first);
                row += 2;
            } else {
                self.tile_vnni::<FOUR, OFFSET, 1, WIDE>(row, self.first);
                row += 1;
            }
        }
    }

    #[allow(
        clippy::needless_range_loop,
        reason = "indices name the rows and panels of the tile"
    )]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")]
    fn tile_vnni<const FOUR: bool, const OFFSET: bool, const ROWS: usize, const PANELS: usize>(
        &self,
        first: usize,
        panel: usize,
    ) {
        let (x, w) = (self.x, self.weights);
        let bytes = w.kind.bytes();
        let stride = self.blocks * BLOCK;
        // All that is read below is within these.
        assert!(w.quants.len() >= (panel + PANELS) * self.blocks * bytes);
        assert!(w.scales.len() >= (panel + PANELS) * self.blocks * PANEL);
        assert!(!OFFSET || w.offsets.len() >= (panel + PANELS) * self.blocks * PANEL);
        assert!(x.is_of(self.rows, self.blocks) && first + ROWS <= self.rows);
        let mut sums = [[_mm512_setzero_ps(); PANELS]; ROWS];
        for at in 0..self.blocks {
            let mut dots = [[_mm512_setzero_si512(); PANELS]; ROWS];
            for (row, dots) in dots.iter_mut().enumerate() {
                let place = (first + row) * self.blocks + at;
                *dots = [_mm512_set1_epi32(self.beginning::<FOUR, OFFSET>(place)); PANELS];
            }
            // SAFETY: every place is within the bounds that were asserted.
            unsafe {
                let from = x.quants.as_ptr().add(first * stride + at * BLOCK);
                for group in 0..if FOUR { 4 } else { 8 } {
                    for part in 0..PANELS {
                        let place = ((panel + part) * self.blocks + at) * bytes + group * 64;
                        let stored = _mm512_loadu_si512(w.quants.as_ptr().add(place).cast());
                        let four = |row: usize, group: usize| {
                            let four = from.add(row * stride + group * 4).cast::<i32>();
                            _mm512_set1_epi32(four.read_unaligned())
                        };
                        if FOUR {
                            let mask = _mm512_set1_epi8(15);
                            let low = _mm512_and_si512(stored, mask);
                            let high = _mm512_and_si512(_mm512_srli_epi16::<4>(stored), mask);
                            for row in 0..ROWS {
                                let dot = &mut dots[row][part];
                                *dot = _mm512_dpbusd_epi32(*dot, low, four(row, group));
                                *dot = _mm512_dpbusd_epi32(*dot, high, four(row, group + 4));
                            }
                        } else {
                            for row in 0..ROWS {
                                let dot = &mut dots[row][part];
                                *dot = _mm512_dpbusd_epi32(*dot, stored, four(row, group));
                            }
                        }
                    }
                }
                for part in 0..PANELS {
                    let place = ((panel + part) * self.blocks + at) * PANEL;
                    let halves = |all: &[half::f16]| {
                        _mm512_cvtph_ps(_mm256_loadu_si256(all.as_ptr().add(place).cast()))
                    };
                    let scales = halves(&w.scales);
                    for row in 0..ROWS {
                        let place = (first + row) * self.blocks + at;
                        let scale = *x.scales.as_ptr().add(place);
                        let factor = _mm512_mul_ps(scales, _mm512_set1_ps(scale));
                        let dot = _mm512_cvtepi32_ps(dots[row][part]);
                        sums[row][part] = _mm512_fmadd_ps(dot, factor, sums[row][part]);
                    }
                    if OFFSET {
                        let offsets = halves(&w.offsets);
                        for row in 0..ROWS {
                            let place = (first + row) * self.blocks + at;
                            let whole =
                                *x.scales.as_ptr().add(place) * *x.sums.as_ptr().add(place) as f32;
                            let whole = _mm512_set1_ps(whole);
                            sums[row][part] = _mm512_fmadd_ps(offsets, whole, sums[row][part]);
                        }
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (part, sums) in sums.iter().enumerate() {
                let mut out = [0.0; PANEL];
                // SAFETY: there is room for sixteen.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *sums) };
                self.write(first + row, panel + part, &out);
            }
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn with_avx2<const FOUR: bool, const OFFSET: bool>(self) {
        for panel in self.first..self.first + WIDE {
            let mut row = 0;
            while row < self.rows {
                if self.rows - row >= 2 {
                    self.tile_avx2::<FOUR, OFFSET, 2>(row, panel);
                    row += 2;
                } else {
                    self.tile_avx2::<FOUR, OFFSET, 1>(row, panel);
                    row += 1;
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn tile_avx2<const FOUR: bool, const OFFSET: bool, const ROWS: usize>(
        &self,
        first: usize,
        panel: usize,
    ) {
        let x = self.x;
        assert!(x.is_of(self.rows, self.blocks) && first + ROWS <= self.rows);
        let ones = _mm256_set1_epi16(1);
        let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
        for at in 0..self.blocks {
            let (quants, scales, offsets) = self.block(panel, at);
            let mut dots = [[_mm256_setzero_si256(); 2]; ROWS];
            for (row, dots) in dots.iter_mut().enumerate() {
                let place = (first + row) * self.blocks + at;
                // Weights of 8 bits get their sign back below.
                let beginning = match FOUR {
                    true => self.beginning::<FOUR, OFFSET>(place),
                    false => 0,
                };
                *dots = [_mm256_set1_epi32(beginning); 2];
            }
            for group in 0..8 {
                for half in 0..2 {
                    let place = if FOUR { group % 4 } else { group } * 64 + half * 32;
                    // SAFETY: a block has 512 bytes, or 256 of 4 bits.
                    let stored = unsafe { _mm256_loadu_si256(quants.as_ptr().add(place).cast()) };
                    let stored = match (FOUR, group < 4) {
                        (false, _) => _mm256_xor_si256(stored, _mm256_set1_epi8(-128)),
                        (true, true) => _mm256_and_si256(stored, _mm256_set1_epi8(15)),
                        (true, false) => {
                            _mm256_and_si256(_mm256_srli_epi16::<4>(stored), _mm256_set1_epi8(15))
                        }
                    };
                    let size = _mm256_abs_epi8(stored);
                    for (row, dots) in dots.iter_mut().enumerate() {
                        let place = ((first + row) * self.blocks + at) * BLOCK + group * 4;
                        // SAFETY: each block of a row has 32 numbers.
                        let four =
                            unsafe { x.quants.as_ptr().add(place).cast::<i32>().read_unaligned() };
                        // Pairs of at most 128 · 127 do not overflow 16 bits.
                        let signed = _mm256_sign_epi8(_mm256_set1_epi32(four), stored);
                        let pairs = _mm256_maddubs_epi16(size, signed);
                        let fours = _mm256_madd_epi16(pairs, ones);
                        dots[half] = _mm256_add_epi32(dots[half], fours);
                    }
                }
            }
            for half in 0..2 {
                let halves = |all: &[half::f16; PANEL]| {
                    // SAFETY: there are eight more.
                    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(all.as_ptr().add(half * 8).cast()) })
                };
                let scales = halves(scales);
                for row in 0..ROWS {
                    let place = (first + row) * self.blocks + at;
                    let scale = x.scales[place];
                    let factor = _mm256_mul_ps(scales, _mm256_set1_ps(scale));
                    let dot = _mm256_cvtepi32_ps(dots[row][half]);
                    sums[row][half] = _mm256_fmadd_ps(dot, factor, sums[row][half]);
                    if let Some(offsets) = offsets.filter(|_| OFFSET) {
                        let whole = _mm256_set1_ps(scale * x.sums[place] as f32);
                        sums[row][half] = _mm256_fmadd_ps(halves(offsets), whole, sums[row][half]);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            let mut out = [0.0; PANEL];
            // SAFETY: there is room for sixteen.
            unsafe {
                _mm256_storeu_ps(out.as_mut_ptr(), sums[0]);
                _mm256_storeu_ps(out.as_mut_ptr().add(8), sums[1]);
            }
            self.write(first + row, panel, &out);
        }
    }
}
