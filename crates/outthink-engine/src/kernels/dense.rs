//! Products with weights in f32, f16 or bf16.

use std::ops::Range;

use super::Isa;
use super::lanes::{Lanes, Portable, StoredNumber};
use super::panels::{self, Columns, READ};

/// Outputs that stand side by side in memory.
const PANEL: usize = 32;

/// A matrix of weights, `[outputs, inputs]`, in panels of 32 outputs: all inputs of a panel follow each other.
#[derive(Debug)]
pub(crate) struct DenseWeights {
    pub(crate) outputs: usize,
    pub(crate) inputs: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    F32(Vec<f32>),
    F16(Vec<half::f16>),
    Bf16(Vec<half::bf16>),
}

impl DenseWeights {
    /// `rows` is asked for the weights of some outputs at a time, from the first to the last.
    pub(crate) fn f32<E>(
        outputs: usize,
        inputs: usize,
        rows: impl FnMut(Range<usize>) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let numbers = Numbers::F32(packed(outputs, inputs, rows)?);
        Ok(Self {
            outputs,
            inputs,
            numbers,
        })
    }

    /// Likewise.
    pub(crate) fn f16<E>(
        outputs: usize,
        inputs: usize,
        rows: impl FnMut(Range<usize>) -> Result<Vec<half::f16>, E>,
    ) -> Result<Self, E> {
        let numbers = Numbers::F16(packed(outputs, inputs, rows)?);
        Ok(Self {
            outputs,
            inputs,
            numbers,
        })
    }

    /// Likewise.
    pub(crate) fn bf16<E>(
        outputs: usize,
        inputs: usize,
        rows: impl FnMut(Range<usize>) -> Result<Vec<half::bf16>, E>,
    ) -> Result<Self, E> {
        let numbers = Numbers::Bf16(packed(outputs, inputs, rows)?);
        Ok(Self {
            outputs,
            inputs,
            numbers,
        })
    }

    /// The weights of one output, as f32.
    pub(crate) fn row(&self, output: usize, into: &mut [f32]) {
        let at = output / PANEL * PANEL * self.inputs + output % PANEL;
        let places = (at..).step_by(PANEL);
        for (x, place) in into.iter_mut().zip(places) {
            *x = match &self.numbers {
                Numbers::F32(numbers) => numbers[place],
                Numbers::F16(numbers) => numbers[place].to_f32(),
                Numbers::Bf16(numbers) => numbers[place].to_f32(),
            };
        }
    }

    /// `x · Wᵀ`: `[rows, inputs]` to `[rows, outputs]`. Each number is the sum over the inputs in their order, with one
    /// rounding each, on every machine: what else is in the batch does not show.
    ///
    /// They go to the columns from `first` on of rows of `width` numbers.
    pub(crate) fn multiply(&self, x: &[f32], out: &mut [f32], width: usize, first: usize) {
        self.multiply_with(Isa::here(), x, out, width, first);
    }

    fn multiply_with(&self, isa: Isa, x: &[f32], out: &mut [f32], width: usize, first: usize) {
        let rows = x.len().checked_div(self.inputs).unwrap_or(0);
        assert!(x.len() == rows * self.inputs && out.len() == rows * width);
        let columns = Columns::of(out, width, first, self.outputs);
        let panels = self.outputs.div_ceil(PANEL);
        panels::for_each(panels, rows * self.inputs * self.outputs, |panel| {
            let size = self.inputs * PANEL;
            let place = panel * size..(panel + 1) * size;
            match &self.numbers {
                Numbers::F32(numbers) => run(isa, &numbers[place], x, self.inputs, panel, columns),
                Numbers::F16(numbers) => run(isa, &numbers[place], x, self.inputs, panel, columns),
                Numbers::Bf16(numbers) => run(isa, &numbers[place], x, self.inputs, panel, columns),
            }
        });
    }
}

/// Rows of outputs into panels; what a panel lacks is zero.
fn packed<T: StoredNumber, E>(
    outputs: usize,
    inputs: usize,
    mut rows: impl FnMut(Range<usize>) -> Result<Vec<T>, E>,
) -> Result<Vec<T>, E> {
    let mut packed = vec![T::default(); outputs.div_ceil(PANEL) * PANEL * inputs];
    for first in (0..outputs).step_by(READ) {
        let read = rows(first..(first + READ).min(outputs))?;
        for (output, row) in (first..).zip(read.chunks_exact(inputs.max(1))) {
            let panel = &mut packed[output / PANEL * PANEL * inputs..];
            for (place, &x) in row.iter().enumerate() {
                panel[place * PANEL + output % PANEL] = x;
            }
        }
    }
    Ok(packed)
}

fn run<T: StoredNumber>(
    isa: Isa,
    weights: &[T],
    x: &[f32],
    inputs: usize,
    panel: usize,
    out: Columns,
) {
    #[cfg(target_arch = "x86_64")]
    {
        use super::lanes::x86::{Avx2, Avx512};

        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        fn with_avx512<T: StoredNumber>(w: &[T], x: &[f32], k: usize, panel: usize, out: Columns) {
            rows::<Avx512, T, 8, 2>(w, x, k, panel, out);
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_avx2<T: StoredNumber>(w: &[T], x: &[f32], k: usize, panel: usize, out: Columns) {
            rows::<Avx2, T, 4, 1>(w, x, k, panel, out);
        }
        if isa >= Isa::Avx512 {
            // SAFETY: the processor has these instructions.
            return unsafe { with_avx512(weights, x, inputs, panel, out) };
        }
        if isa >= Isa::Avx2 {
            // SAFETY: the processor has these instructions.
            return unsafe { with_avx2(weights, x, inputs, panel, out) };
        }
    }
    let _ = isa;
    rows::<Portable, T, 4, 1>(weights, x, inputs, panel, out);
}

/// All rows with one panel, `MOST` rows at a time and `WIDE` times 16 outputs.
#[inline(always)]
fn rows<L: Lanes, T: StoredNumber, const MOST: usize, const WIDE: usize>(
    weights: &[T],
    x: &[f32],
    inputs: usize,
    panel: usize,
    out: Columns,
) {
    let count = x.len() / inputs.max(1);
    let mut row = 0;
    while row < count {
        let left = count - row;
        let taken = if left >= MOST {
            tile::<L, T, MOST, WIDE>(weights, x, inputs, row, panel, out);
            MOST
        } else if left >= 4 {
            tile::<L, T, 4, WIDE>(weights, x, inputs, row, panel, out);
            4
        } else if left >= 2 {
            tile::<L, T, 2, WIDE>(weights, x, inputs, row, panel, out);
            2
        } else {
            tile::<L, T, 1, 2>(weights, x, inputs, row, panel, out);
            1
        };
        row += taken;
    }
}

#[inline(always)]
fn tile<L: Lanes, T: StoredNumber, const ROWS: usize, const WIDE: usize>(
    weights: &[T],
    x: &[f32],
    inputs: usize,
    first: usize,
    panel: usize,
    out: Columns,
) {
    assert!(weights.len() >= inputs * PANEL && x.len() >= (first + ROWS) * inputs);
    let from: [*const f32; ROWS] = std::array::from_fn(|row| x[(first + row) * inputs..].as_ptr());
    for part in 0..PANEL / (16 * WIDE) {
        let mut sums = [[L::splat(0.0); WIDE]; ROWS];
        let start = weights[part * 16 * WIDE..].as_ptr();
        for k in 0..inputs {
            // SAFETY: the panel has 32 numbers for each input, and each row one.
            unsafe {
                let w: [L; WIDE] =
                    std::array::from_fn(|wide| T::lanes(start.add(k * PANEL + wide * 16)));
                for row in 0..ROWS {
                    let x = L::splat(*from[row].add(k));
                    for wide in 0..WIDE {
                        sums[row][wide] = x.mul_add(w[wide], sums[row][wide]);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (wide, sums) in sums.iter().enumerate() {
                let column = panel * PANEL + (part * WIDE + wide) * 16;
                if column < out.count() {
                    // SAFETY: these columns are this panel's.
                    unsafe { out.write(first + row, column, &sums.to_array()) };
                }
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Numbers that look random, from −1 to 1.
    pub(in crate::kernels) fn numbers(seed: u64, count: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let mut next = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_row_is_the_ordered_sum_whatever_the_batch_and_the_instructions(
            seed: u64, rows in 1usize..20, inputs in 1usize..70, outputs in 1usize..100, stored in 0..3,
        ) {
            let (x, w) = (numbers(seed, rows * inputs), numbers(seed ^ 7, outputs * inputs));
            let of = |rows: Range<usize>| w[rows.start * inputs..rows.end * inputs].iter();
            let weights: Result<DenseWeights, Infallible> = match stored {
                0 => DenseWeights::f32(outputs, inputs, |rows| Ok(of(rows).copied().collect())),
                1 => DenseWeights::f16(outputs, inputs, |rows| Ok(of(rows).map(|x| half::f16::from_f32(*x)).collect())),
                _ => DenseWeights::bf16(outputs, inputs, |rows| Ok(of(rows).map(|x| half::bf16::from_f32(*x)).collect())),
            };
            let Ok(weights) = weights;
            let mut wanted = vec![0.0; rows * outputs];
            let mut own = vec![0.0; inputs];
            for output in 0..outputs {
                weights.row(output, &mut own);
                for row in 0..rows {
                    let pairs = x[row * inputs..][..inputs].iter().zip(&own);
                    wanted[row * outputs + output] = pairs.fold(0f32, |sum, (x, w)| x.mul_add(*w, sum));
                }
            }
            for isa in Isa::all_here() {
                let mut out = vec![f32::NAN; rows * outputs];
                weights.multiply_with(isa, &x, &mut out, outputs, 0);
                prop_assert_eq!(&out, &wanted, "{}", isa);
                let mut last = vec![f32::NAN; outputs];
                weights.multiply_with(isa, &x[(rows - 1) * inputs..], &mut last, outputs, 0);
                prop_assert_eq!(&last, &wanted[(rows - 1) * outputs..], "{}, alone", isa);
            }
        }
    }
}
