//! Products with weights in blocks of 8 or 4 bits. Inputs are rounded to 8 bits, too, in blocks of their own, so that the sums
//! within a block are of integers, and exact.

#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

use half::f16;

use super::Isa;
use super::panels::{self, Columns, READ};
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
        // By their bits, so that what is no number is the largest, and shows in the scale.
        let largest = weights.iter().map(|x| x.abs().to_bits()).max();
        let largest = f32::from_bits(largest.unwrap_or(0));
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
    /// `rows` is asked for the blocks of some outputs at a time, from the first to the last.
    pub(crate) fn new<E>(
        kind: BlockKind,
        outputs: usize,
        inputs: usize,
        mut rows: impl FnMut(Range<usize>) -> Result<Vec<Block>, E>,
    ) -> Result<Self, E> {
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
        let (mut first, mut read) = (0, Vec::new());
        for panel in 0..panels {
            if (panel * PANEL).is_multiple_of(READ) {
                first = panel * PANEL;
                read = rows(first.min(outputs)..(first + READ).min(outputs))?;
            }
            for at in 0..blocks {
                let place = panel * blocks + at;
                let quants = &mut weights.quants[place * kind.bytes()..][..kind.bytes()];
                for lane in 0..PANEL {
                    let output = panel * PANEL + lane;
                    let own = read.get((output - first) * blocks + at);
                    let own = own.copied().unwrap_or(Block::zeros(kind));
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
        Ok(weights)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::convert::Infallible;

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
            let row = inputs.div_ceil(BLOCK) * BLOCK;
            let block = |own: &[f32]| match kind {
                BlockKind::Eight => Block::eight_bits(own),
                _ => Block {
                    quants: std::array::from_fn(|k| ((own[k] + 1.0) * 7.99) as u8),
                    scale: f16::from_f32(own[0] / 15.0),
                    offset: f16::from_f32(own[1]),
                },
            };
            let rows_of = |rows: Range<usize>| {
                Ok::<_, Infallible>(w[rows.start * row..rows.end * row].chunks(BLOCK).map(block).collect())
            };
            let Ok(weights) = BlockWeights::new(kind, outputs, inputs, rows_of);
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
        let rounded = |rows: Range<usize>| {
            let rows = w[rows.start * 256..rows.end * 256].chunks(BLOCK);
            Ok::<_, Infallible>(rows.map(Block::eight_bits).collect())
        };
        let Ok(weights) = BlockWeights::new(BlockKind::Eight, 64, 256, rounded);
        let mut own = vec![0.0; 256];
        for (output, wanted) in w.chunks_exact(256).enumerate() {
            weights.row(output, &mut own);
            for (x, wanted) in own.iter().zip(wanted) {
                assert!((x - wanted).abs() <= 0.51 / 127.0, "{x} for {wanted}");
            }
        }
        assert_eq!(weights.bytes() * 32, 64 * 256 * 34);
    }

    #[test]
    fn damaged_weights_stay_damaged() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut own = [0.5; BLOCK];
            own[7] = odd;
            assert!(!Block::eight_bits(&own).scale.is_finite(), "{odd}");
        }
    }
}
