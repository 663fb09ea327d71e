//! What is done to rows of numbers between matrix products. The exponential is our own, so that results are the same on every
//! machine, whatever its C library, and so that it is done many at a time.

use super::blocks::BLOCK;
use super::isa::vectorized;
use super::panels::Chunks;

/// Rows that were rounded to 8 bits, each in blocks of 32 with a scale of their own.
#[derive(Debug, Default)]
pub(crate) struct QuantizedRows {
    pub(super) quants: Vec<i8>,
    pub(super) scales: Vec<f32>,
    /// Of the quants of a block.
    pub(super) sums: Vec<i32>,
}

impl QuantizedRows {
    /// Rounds rows of `width` numbers; the memory of earlier ones is used again.
    pub(crate) fn fill(&mut self, x: &[f32], width: usize) {
        let blocks = width.div_ceil(BLOCK);
        let rows = x.len() / width;
        self.quants.resize(rows * blocks * BLOCK, 0);
        self.scales.resize(rows * blocks, 0.0);
        self.sums.resize(rows * blocks, 0);
        // Some rows each.
        let taken = (WORTH / width).max(1).min(rows.max(1));
        let quants = self.quants.chunks_mut(taken * blocks * BLOCK);
        let scales = self.scales.chunks_mut(taken * blocks);
        let sums = self.sums.chunks_mut(taken * blocks);
        let parts = quants.zip(scales).zip(sums);
        Chunks::new(parts).for_each(|number, ((quants, scales), sums)| {
            let rows = x[number * taken * width..].chunks_exact(width);
            let quants = quants.chunks_exact_mut(blocks * BLOCK);
            let scales = scales.chunks_exact_mut(blocks);
            let sums = sums.chunks_exact_mut(blocks);
            for (((x, quants), scales), sums) in rows.zip(quants).zip(scales).zip(sums) {
                quantize(x, quants, scales, sums);
            }
        });
    }

    pub(super) fn is_of(&self, rows: usize, blocks: usize) -> bool {
        let count = rows * blocks;
        self.quants.len() == count * BLOCK && self.scales.len() == count && self.sums.len() == count
    }
}

vectorized! {
    fn quantize(x: &[f32], quants: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
        let blocks = x.chunks(BLOCK).zip(quants.as_chunks_mut::<BLOCK>().0);
        for (((x, quants), scale), sum) in blocks.zip(scales).zip(sums) {
            // What a last block lacks is zero.
            let mut block = [0f32; BLOCK];
            block[..x.len()].copy_from_slice(x);
            // Sizes in the order of their bits, in which what is no number is the largest and shows in the scale.
            let mut largest = [0u32; 8];
            for eight in block.as_chunks::<8>().0 {
                for lane in 0..8 {
                    largest[lane] = largest[lane].max(eight[lane].abs().to_bits());
                }
            }
            let largest = f32::from_bits(largest.into_iter().fold(0, u32::max));
            *scale = largest / 127.0;
            let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
            let mut rounded = [0i32; BLOCK];
            for (q, x) in rounded.iter_mut().zip(&block) {
                // Adding so much rounds to a whole number, half to even; it is then the lowest bits.
                let bits = (x * inverse + ROUNDER).to_bits() as i32;
                *q = bits.wrapping_sub(ROUNDER.to_bits() as i32);
            }
            for (quant, q) in quants.iter_mut().zip(&rounded) {
                *quant = *q as i8;
            }
            *sum = quants.iter().map(|quant| i32::from(*quant)).sum();
        }
    }
}

/// 1.5 · 2²³: numbers of this size have no fraction.
const ROUNDER: f32 = 12_582_912.0;

/// eˣ within 1.5 units of the last place; 0 below −87.3, and no more than e⁸⁸.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let bounded = x.clamp(-87.3, 88.0);
    // x = n ln 2 + r
    let shifted = bounded * std::f32::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = bounded - n * 0.693_359_4;
    let r = r + n * 2.121_944_4e-4;
    let mut p = 1.0 / 5040.0;
    for term in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + term;
    }
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    if x < -87.3 { 0.0 } else { p * power }
}

/// What stands between the two halves of a feed-forward part: what comes of a number of the gate and one of what it lets
/// through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Gate {
    /// `silu(gate) · up`
    Silu,
    /// `gelu(gate) · up` as a hyperbolic tangent comes near it.
    GeluTanh,
    /// `gate · σ(alpha · gate) · (up + 1)`, with a gate of no more than the limit and an up within it on both sides.
    Bounded { limit: f32, alpha: f32 },
}

vectorized! {
    fn gated_rows(gate: Gate, gate_up: &[f32], out: &mut [f32], width: usize) {
        match gate {
            Gate::Silu => each_pair(gate_up, out, width, |gate, up| gate / (1.0 + exp(-gate)) * up),
            // x/2 · (1 + tanh u) is x / (1 + e⁻²ᵘ).
            Gate::GeluTanh => each_pair(gate_up, out, width, |gate, up| {
                let u = ROOT_2_OF_PI * (gate + 0.044_715 * gate * gate * gate);
                gate / (1.0 + exp(-2.0 * u)) * up
            }),
            Gate::Bounded { limit, alpha } => each_pair(gate_up, out, width, |gate, up| {
                let gate = if gate > limit { limit } else { gate };
                let up = if up > limit { limit } else { up };
                let up = if up < -limit { -limit } else { up };
                gate / (1.0 + exp(-alpha * gate)) * (up + 1.0)
            }),
        }
    }
}

/// √(2/π)
const ROOT_2_OF_PI: f32 = 0.797_884_6;

/// Within a millionth of its size.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let small = x * (1.0 + x * x * (-1.0 / 3.0 + x * x * (2.0 / 15.0 - x * x * (17.0 / 315.0))));
    let power = exp(-2.0 * x.abs());
    let large = ((1.0 - power) / (1.0 + power)).copysign(x);
    if x.abs() < 0.2 { small } else { large }
}

vectorized! {
    /// `cap · tanh(x / cap)` of each number.
    pub(crate) fn soft_cap(x: &mut [f32], cap: f32) {
        for x in x {
            *x = cap * tanh(*x / cap);
        }
    }
}

#[inline(always)]
fn each_pair(gate_up: &[f32], out: &mut [f32], width: usize, of: impl Fn(f32, f32) -> f32) {
    for (pair, out) in gate_up
        .chunks_exact(2 * width)
        .zip(out.chunks_exact_mut(width))
    {
        let (gate, up) = pair.split_at(width);
        for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
            *out = of(*gate, *up);
        }
    }
}

/// What comes of each row `[gate, up]`, `2 · width` numbers.
pub(crate) fn gated(gate: Gate, gate_up: &[f32], out: &mut [f32], width: usize) {
    shared(out, width, |first, out| {
        let place = 2 * first * width..2 * (first * width + out.len());
        gated_rows(gate, &gate_up[place], out, width);
    });
}

/// Gives each core some rows: (the first one's number, the rows).
fn shared(out: &mut [f32], width: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
    // Norms take rows by four.
    let taken = (WORTH / width).max(1).next_multiple_of(4);
    let chunks = Chunks::new(out.chunks_mut(taken * width));
    chunks.for_each(|chunk, out| each(chunk * taken, out));
}

/// Numbers that are worth the way to another core.
const WORTH: usize = 1 << 13;

vectorized! {
    /// `x / rms(x) · weight` of each row. Sums are in order, those of four rows side by side.
    fn rms_norm_rows(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
        let width = weight.len();
        for (x, out) in x.chunks(4 * width).zip(out.chunks_mut(4 * width)) {
            let mut squares = [0f32; 4];
            if x.len() == 4 * width {
                let (a, rest) = x.split_at(width);
                let (b, rest) = rest.split_at(width);
                let (c, d) = rest.split_at(width);
                for (((a, b), c), d) in a.iter().zip(b).zip(c).zip(d) {
                    squares[0] += a * a;
                    squares[1] += b * b;
                    squares[2] += c * c;
                    squares[3] += d * d;
                }
            } else {
                for (square, x) in squares.iter_mut().zip(x.chunks_exact(width)) {
                    *square = x.iter().map(|x| x * x).sum();
                }
            }
            let rows = x.chunks_exact(width).zip(out.chunks_exact_mut(width));
            for (square, (x, out)) in squares.iter().zip(rows) {
                let root = (square / width as f32 + eps).sqrt();
                for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
                    *out = x / root * weight;
                }
            }
        }
    }
}

/// `x / rms(x) · weight` of each row.
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len();
    shared(out, width, |first, out| {
        let place = first * width..first * width + out.len();
        rms_norm_rows(&x[place], weight, eps, out);
    });
}

vectorized! {
    /// Adds numbers to others.
    pub(crate) fn add(x: &mut [f32], more: &[f32]) {
        for (x, more) in x.iter_mut().zip(more) {
            *x += more;
        }
    }
}

vectorized! {
    /// Adds numbers, each times the same, to others.
    pub(crate) fn add_times(x: &mut [f32], factor: f32, more: &[f32]) {
        for (x, more) in x.iter_mut().zip(more) {
            *x += factor * more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_places() {
        for at in -8700i32..8800 {
            let x = at as f32 / 100.0 + 0.001;
            let exact = f64::from(x).exp();
            let gap = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(gap < 1.8e-7, "{x}: {gap}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(1e9).is_finite());
    }

    #[test]
    fn gates_and_caps_are_right_to_a_millionth() {
        for at in -2000i32..2000 {
            let x = at as f32 / 100.0;
            let wide = f64::from(x);
            let gap = (f64::from(tanh(x)) - wide.tanh()).abs();
            assert!(gap <= 1e-6 * wide.tanh().abs(), "{x}: {gap}");
            let mut out = [0.0];
            gated(Gate::GeluTanh, &[x, 1.0], &mut out, 1);
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let gelu = 0.5 * wide * (1.0 + (root * (wide + 0.044_715 * wide.powi(3))).tanh());
            let gap = (f64::from(out[0]) - gelu).abs();
            assert!(gap <= 1e-6 * wide.abs().max(1e-3), "{x}: {gap}");
        }
        assert!(tanh(f32::NAN).is_nan());
    }
}
