//! Products with weights in blocks of 8 or 4 bits. Inputs are rounded to 8 bits, too, in blocks of their own, so that the sums
//! within a block are of integers, and exact.

use half::f16;

use super::Isa;
use super::panels::{self, Columns};
use super::rows::QuantizedRows;

/// Inputs that share a scale.
pub(crate) const BLOCK: usize = 32;

/// Outputs that stand side by side in memory.
const PANEL: usize = 16;

/// Panels that are multiplied together.
const WIDE: usize = 2;

/// How the 32 weights of a block are written. A weight is `scale · (q - zero) + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    /// 8 bits, zero 128.
    Eight,
    /// 4 bits, zero 8.
    Four,
    /// 4 bits, with an offset.
    FourOffset,
}

impl BlockKind {
    fn zero(self) -> u8 {
        match self {
            Self::Eight => 128,
            Self::Four => 8,
            Self::FourOffset => 0,
        }
    }

    /// Of a block of one panel.
    fn bytes(self) -> usize {
        match self {
            Self::Eight => BLOCK * PANEL,
            Self::Four | Self::FourOffset => BLOCK * PANEL / 2,
        }
    }
}

/// 32 weights of one output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub quants: [u8; BLOCK],
    pub scale: f16,
    pub offset: f16,
}

impl Block {
    /// Nothing.
    fn zeros(kind: BlockKind) -> Self {
        Self {
            quants: [kind.zero(); BLOCK],
            scale: f16::ZERO,
            offset: f16::ZERO,
        }
    }

    /// Up to 32 weights, rounded to 8 bits.
    pub(crate) fn eight_bits(weights: &[f32]) -> Self {
        let largest = weights.iter().fold(0f32, |most, x| most.max(x.abs()));
        // A scale that half precision rounds down must not push the largest weight over the edge.
        let scale = f16::from_f32(largest / 127.0);
        let wide = scale.to_f32();
        let inverse = if wide > 0.0 { 1.0 / wide } else { 0.0 };
        let mut block = Self::zeros(BlockKind::Eight);
        for (q, x) in block.quants.iter_mut().zip(weights) {
            *q = ((x * inverse).round_ties_even().clamp(-127.0, 127.0) + 128.0) as u8;
        }
        Self { scale, ..block }
    }
}

/// A matrix of weights, `[outputs, inputs]`, in panels of 16 outputs.
#[derive(Debug)]
pub(crate) struct BlockWeights {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    kind: BlockKind,
    /// By panel, block, group of 4 inputs, and output: 4 neighbouring inputs of an output follow each other. With 4 bits the
    /// lower halves of the bytes are the first 16 inputs of a block.
    quants: Vec<u8>,
    /// By panel, block and output.
    scales: Vec<f16>,
    offsets: Vec<f16>,
}

impl BlockWeights {
    /// From the blocks of each output, in order; `block` is asked for the blocks of (output, block).
    pub(crate) fn new(
        kind: BlockKind,
        outputs: usize,
        inputs: usize,
        block: impl Fn(usize, usize) -> Block + Sync,
    ) -> Self {
        let (panels, blocks) = (panel_count(outputs), inputs.div_ceil(BLOCK));
        let mut weights = Self {
            outputs,
            inputs,
            kind,
            quants: vec![0; panels * blocks * kind.bytes()],
            scales: vec![f16::ZERO; panels * blocks * PANEL],
            offsets: match kind {
                BlockKind::FourOffset => vec![f16::ZERO; panels * blocks * PANEL],
                _ => Vec::new(),
            },
        };
        for panel in 0..panels {
            for at in 0..blocks {
                let place = panel * blocks + at;
                let quants = &mut weights.quants[place * kind.bytes()..][..kind.bytes()];
                for lane in 0..PANEL {
                    let output = panel * PANEL + lane;
                    let own = match output < outputs {
                        true => block(output, at),
                        false => Block::zeros(kind),
                    };
                    weights.scales[place * PANEL + lane] = own.scale;
                    if kind == BlockKind::FourOffset {
                        weights.offsets[place * PANEL + lane] = own.offset;
                    }
                    for (k, q) in own.quants.into_iter().enumerate() {
                        let (group, byte) = (k / 4, lane * 4 + k % 4);
                        match kind {
                            BlockKind::Eight => quants[group * 64 + byte] = q,
                            _ => quants[group % 4 * 64 + byte] |= (q & 15) << (group / 4 * 4),
                        }
                    }
                }
            }
        }
        weights
    }

    /// Rounds weights to 8 bits, from rows of one output each.
    #[cfg(test)]
    pub(crate) fn eight_bits(rows: &[f32], inputs: usize) -> Self {
        let outputs = rows.len().checked_div(inputs).unwrap_or(0);
        Self::new(BlockKind::Eight, outputs, inputs, |output, at| {
            let row = &rows[output * inputs..][..inputs];
            Block::eight_bits(&row[at * BLOCK..inputs.min((at + 1) * BLOCK)])
        })
    }

    /// Memory that it takes.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.quants.len() + 2 * (self.scales.len() + self.offsets.len())
    }

    /// The weights of one output, as f32.
    pub(crate) fn row(&self, output: usize, into: &mut [f32]) {
        let blocks = self.inputs.div_ceil(BLOCK);
        let (panel, lane) = (output / PANEL, output % PANEL);
        for (k, x) in into.iter_mut().enumerate().take(self.inputs) {
            let place = panel * blocks + k / BLOCK;
            let quants = &self.quants[place * self.kind.bytes()..];
            let (group, byte) = (k % BLOCK / 4, lane * 4 + k % 4);
            let q = match self.kind {
                BlockKind::Eight => quants[group * 64 + byte],
                _ => (quants[group % 4 * 64 + byte] >> (group / 4 * 4)) & 15,
            };
            let scale = self.scales[place * PANEL + lane].to_f32();
            let offset = self.offsets.get(place * PANEL + lane);
            let centred = f32::from(i16::from(q) - i16::from(self.kind.zero()));
            *x = scale * centred + offset.map_or(0.0, |offset| offset.to_f32());
        }
    }

    /// `x · Wᵀ`: `[rows, inputs]` to `[rows, outputs]`. Sums within a block are of integers; blocks are added in their order:
    /// what else is in the batch does not show, nor what machine it is.
    ///
    /// They go to the columns from `first` on of rows of `width` numbers.
    pub(crate) fn multiply(&self, x: &QuantizedRows, out: &mut [f32], width: usize, first: usize) {
        self.multiply_with(Isa::here(), x, out, width, first);
    }

    fn multiply_with(
        &self,
        isa: Isa,
        x: &QuantizedRows,
        out: &mut [f32],
        width: usize,
        first: usize,
    ) {
        let blocks = self.inputs.div_ceil(BLOCK);
        let rows = x.scales.len().checked_div(blocks).unwrap_or(0);
        assert!(x.is_of(rows, blocks) && out.len() == rows * width);
        let out = Columns::of(out, width, first, self.outputs);
        let pairs = panel_count(self.outputs) / WIDE;
        // A product of bytes costs less than one of f32.
        let work = rows * self.inputs * self.outputs / 2;
        panels::for_each(pairs, work, |pair| {
            let task = Task {
                weights: self,
                x,
                rows,
                blocks,
                first: pair * WIDE,
                out,
            };
            match self.kind {
                BlockKind::Eight => task.run::<false, false>(isa),
                BlockKind::Four => task.run::<true, false>(isa),
                BlockKind::FourOffset => task.run::<true, true>(isa),
            }
        });
    }
}

fn panel_count(outputs: usize) -> usize {
    outputs.div_ceil(PANEL * WIDE) * WIDE
}

/// Quants, scales and offsets of a block of a panel.
type StoredBlock<'t> = (&'t [u8], &'t [f16; PANEL], Option<&'t [f16; PANEL]>);

/// All rows with some neighbouring panels.
#[derive(Clone, Copy)]
struct Task<'t> {
    weights: &'t BlockWeights,
    x: &'t QuantizedRows,
    rows: usize,
    blocks: usize,
    /// The first panel.
    first: usize,
    out: Columns,
}

impl<'t> Task<'t> {
    fn run<const FOUR: bool, const OFFSET: bool>(self, isa: Isa) {
        #[cfg(target_arch = "x86_64")]
        {
            if isa >= Isa::Avx512Vnni {
                // SAFETY: the processor has these instructions.
                return unsafe { self.with_vnni::<FOUR, OFFSET>() };
            }
            if isa >= Isa::Avx2 {
                // SAFETY: the processor has these instructions.
                return unsafe { self.with_avx2::<FOUR, OFFSET>() };
            }
        }
        let _ = isa;
        self.portable::<FOUR, OFFSET>();
    }

    #[inline(always)]
    fn block(self, panel: usize, at: usize) -> StoredBlock<'t> {
        let weights = self.weights;
        let place = panel * self.blocks + at;
        let bytes = weights.kind.bytes();
        (
            &weights.quants[place * bytes..][..bytes],
            &weights.scales.as_chunks::<PANEL>().0[place],
            weights.offsets.as_chunks::<PANEL>().0.get(place),
        )
    }

    /// What the sum of a row's block begins with, so that weights can be multiplied as they are stored.
    #[inline(always)]
    fn beginning<const FOUR: bool, const OFFSET: bool>(&self, place: usize) -> i32 {
        match (FOUR, OFFSET) {
            (false, _) => -128 * self.x.sums[place],
            (true, false) => -8 * self.x.sums[place],
            (true, true) => 0,
        }
    }

    fn portable<const FOUR: bool, const OFFSET: bool>(self) {
        for panel in self.first..self.first + WIDE {
            for row in 0..self.rows {
                let mut sums = [0f32; PANEL];
                for at in 0..self.blocks {
                    let place = row * self.blocks + at;
                    let x = &self.x.quants[place * BLOCK..][..BLOCK];
                    let (quants, scales, offsets) = self.block(panel, at);
                    let mut dots = [self.beginning::<FOUR, OFFSET>(place); PANEL];
                    for (k, &x) in x.iter().enumerate() {
                        let (group, byte) = (k / 4, k % 4);
                        for (lane, dot) in dots.iter_mut().enumerate() {
                            let q = match FOUR {
                                false => quants[group * 64 + lane * 4 + byte],
                                true => {
                                    (quants[group % 4 * 64 + lane * 4 + byte] >> (group / 4 * 4))
                                        & 15
                                }
                            };
                            *dot += i32::from(x) * i32::from(q);
                        }
                    }
                    let scale = self.x.scales[place];
                    let whole = scale * self.x.sums[place] as f32;
                    for lane in 0..PANEL {
                        let factor = scales[lane].to_f32() * scale;
                        sums[lane] = (dots[lane] as f32).mul_add(factor, sums[lane]);
                        if let Some(offsets) = offsets.filter(|_| OFFSET) {
                            sums[lane] = offsets[lane].to_f32().mul_add(whole, sums[lane]);
                        }
                    }
                }
                self.write(row, panel, &sums);
            }
        }
    }

    #[inline(always)]
    fn write(&self, row: usize, panel: usize, sums: &[f32; PANEL]) {
        if panel * PANEL < self.weights.outputs {
            // SAFETY: these columns are this task's.
            unsafe { self.out.write(row, panel * PANEL, sums) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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
        fn tile_vnni<
            const FOUR: bool,
            const OFFSET: bool,
            const ROWS: usize,
            const PANELS: usize,
        >(
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
                                let whole = *x.scales.as_ptr().add(place)
                                    * *x.sums.as_ptr().add(place) as f32;
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
                        let stored =
                            unsafe { _mm256_loadu_si256(quants.as_ptr().add(place).cast()) };
                        let stored = match (FOUR, group < 4) {
                            (false, _) => _mm256_xor_si256(stored, _mm256_set1_epi8(-128)),
                            (true, true) => _mm256_and_si256(stored, _mm256_set1_epi8(15)),
                            (true, false) => _mm256_and_si256(
                                _mm256_srli_epi16::<4>(stored),
                                _mm256_set1_epi8(15),
                            ),
                        };
                        let size = _mm256_abs_epi8(stored);
                        for (row, dots) in dots.iter_mut().enumerate() {
                            let place = ((first + row) * self.blocks + at) * BLOCK + group * 4;
                            // SAFETY: each block of a row has 32 numbers.
                            let four = unsafe {
                                x.quants.as_ptr().add(place).cast::<i32>().read_unaligned()
                            };
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
                        _mm256_cvtph_ps(unsafe {
                            _mm_loadu_si128(all.as_ptr().add(half * 8).cast())
                        })
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
                            sums[row][half] =
                                _mm256_fmadd_ps(halves(offsets), whole, sums[row][half]);
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dense::tests::numbers;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn blocks_give_the_same_bits_whatever_the_batch_and_the_instructions(
            seed: u64, rows in 1usize..20, inputs in 1usize..150, outputs in 1usize..100, kind in 0..3,
        ) {
            let kind = [BlockKind::Eight, BlockKind::Four, BlockKind::FourOffset][kind as usize];
            let w = numbers(seed ^ 7, outputs * inputs.div_ceil(BLOCK) * BLOCK);
            let weights = BlockWeights::new(kind, outputs, inputs, |output, at| {
                let own = &w[(output * inputs.div_ceil(BLOCK) + at) * BLOCK..][..BLOCK];
                match kind {
                    BlockKind::Eight => Block::eight_bits(own),
                    _ => Block {
                        quants: std::array::from_fn(|k| ((own[k] + 1.0) * 7.99) as u8),
                        scale: f16::from_f32(own[0] / 15.0),
                        offset: f16::from_f32(own[1]),
                    },
                }
            });
            let x = numbers(seed, rows * inputs);
            let mut quantized = QuantizedRows::default();
            quantized.fill(&x, inputs);
            let mut wanted = vec![f32::NAN; rows * outputs];
            weights.multiply_with(Isa::Baseline, &quantized, &mut wanted, outputs, 0);
            let mut own = vec![0.0; inputs];
            for output in 0..outputs {
                weights.row(output, &mut own);
                for row in 0..rows {
                    let x = &x[row * inputs..][..inputs];
                    let exact: f32 = x.iter().zip(&own).map(|(x, w)| x * w).sum();
                    let size: f32 = own.iter().map(|w| w.abs()).sum();
                    let gap = (wanted[row * outputs + output] - exact).abs();
                    prop_assert!(gap <= size / 254.0 * 1.01 + 1e-4, "{} for {}", gap, size);
                }
            }
            for isa in Isa::all_here() {
                let mut out = vec![f32::NAN; rows * outputs];
                weights.multiply_with(isa, &quantized, &mut out, outputs, 0);
                prop_assert_eq!(&out, &wanted, "{}", isa);
                let mut alone = QuantizedRows::default();
                alone.fill(&x[(rows - 1) * inputs..], inputs);
                let mut last = vec![f32::NAN; outputs];
                weights.multiply_with(isa, &alone, &mut last, outputs, 0);
                prop_assert_eq!(&last, &wanted[(rows - 1) * outputs..], "{}, alone", isa);
            }
        }
    }

    #[test]
    fn eight_bits_keep_what_they_can_and_take_little_more_than_a_byte() {
        let w = numbers(3, 64 * 256);
        let weights = BlockWeights::eight_bits(&w, 256);
        let mut own = vec![0.0; 256];
        for (output, wanted) in w.chunks_exact(256).enumerate() {
            weights.row(output, &mut own);
            for (x, wanted) in own.iter().zip(wanted) {
                assert!((x - wanted).abs() <= 0.51 / 127.0, "{x} for {wanted}");
            }
        }
        assert_eq!(weights.bytes() * 32, 64 * 256 * 34);
    }
}
