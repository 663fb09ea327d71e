//! Experts whose weights are stored as one tensor a layer: each under a name of its own, `…experts.3.gate_proj.weight`, as the
//! part of the file that it is.

use crate::gguf::TensorType;
use crate::weights::{OpenWeights, StoredAs, TensorPlace};

/// No layer has more experts.
pub(crate) const MOST_EXPERTS: usize = 4096;

/// How the numbers of a tensor lie in its bytes.
#[derive(Clone, Debug)]
pub(crate) enum Arrangement {
    /// As they should.
    Plain,
    /// Some of them: output o and input i are number `first + o · outputs + i · inputs`.
    Strided {
        first: usize,
        outputs: usize,
        inputs: usize,
    },
    /// MXFP4 as safetensors have it: neighbours share a byte, and the scales are another tensor. Rows are `first`,
    /// `first + step` and so on.
    ScalesApart {
        /// Where the scales are.
        scales: u64,
        first: usize,
        step: usize,
        /// Blocks of a row.
        blocks: usize,
    },
}

impl Arrangement {
    /// The numbers of a tensor of this shape, of `size` bytes each, one after the other.
    pub(crate) fn strided(&self, shape: &[usize], size: usize, bytes: &[u8]) -> Option<Vec<u8>> {
        let &Self::Strided {
            first,
            outputs,
            inputs,
        } = self
        else {
            return None;
        };
        let (rows, width) = (shape.first()?, shape.get(1).unwrap_or(&1));
        let mut out = Vec::with_capacity(rows * width * size);
        for row in 0..*rows {
            for column in 0..*width {
                let at = (first + row * outputs + column * inputs) * size;
                out.extend_from_slice(bytes.get(at..at + size)?);
            }
        }
        Some(out)
    }
}

/// Blocks of MXFP4 as GGUF has them: the scale, then lower halves of 16 bytes for the first 16 numbers.
pub(crate) fn with_scales(
    blocks: &[u8],
    scales: &[u8],
    (first, step, each): (usize, usize, usize),
) -> Vec<u8> {
    let (blocks, _) = blocks.as_chunks::<16>();
    let mut out = Vec::new();
    let rows = scales
        .chunks_exact(each.max(1))
        .zip(blocks.chunks_exact(each.max(1)));
    for (scales, blocks) in rows.skip(first).step_by(step.max(1)) {
        for (scale, block) in scales.iter().zip(blocks) {
            let code = |k: usize| (block[k / 2] >> (k % 2 * 4)) & 15;
            out.push(*scale);
            out.extend((0..16).map(|k| code(k) | code(k + 16) << 4));
        }
    }
    out
}

impl OpenWeights<'_> {
    /// Gives each expert's tensors names of their own. What is not as it should be keeps its name, and is missed later.
    pub(crate) fn unstack_experts(&mut self) {
        let names: Vec<String> = self.tensors.keys().cloned().collect();
        for name in names {
            let Some((block, part)) = name.split_once(".experts.") else {
                continue;
            };
            let scales = name
                .strip_suffix("_blocks")
                .map(|name| format!("{name}_scales"));
            let Some(stacked) = self.tensors.get(&name) else {
                continue;
            };
            let of_scales = scales.as_ref().and_then(|name| self.tensors.get(name));
            let Some(parts) = parts(part, stacked, of_scales) else {
                continue;
            };
            self.tensors.remove(&name);
            scales.map(|name| self.tensors.remove(&name));
            for (expert, part, place) in parts {
                self.tensors
                    .insert(format!("{block}.experts.{expert}.{part}"), place);
            }
        }
    }
}

/// The tensors of single experts within one of all: (expert, name, place).
fn parts(
    part: &str,
    stacked: &TensorPlace,
    scales: Option<&TensorPlace>,
) -> Option<Vec<(usize, &'static str, TensorPlace)>> {
    let (&count, shape) = stacked.shape.split_first()?;
    if !(1..=MOST_EXPERTS).contains(&count) || !stacked.length.is_multiple_of(count) {
        return None;
    }
    let length = stacked.length / count;
    // Of what is rearranged nothing else says whether it is as long as it should be.
    let whole = match stacked.stored {
        StoredAs::Plain(dtype) => {
            let mut sizes = shape.iter();
            let bytes = sizes.try_fold(dtype.size_in_bytes(), |all, &size| all.checked_mul(size));
            bytes == Some(length)
        }
        _ => false,
    };
    let slab = |expert: usize, shape: Vec<usize>, arrangement| TensorPlace {
        shape,
        start: stacked.start + (expert * length) as u64,
        length,
        arrangement,
        ..stacked.clone()
    };
    let mut all = Vec::new();
    let mut add = |name: &'static str, place: &dyn Fn(usize) -> TensorPlace| {
        all.extend((0..count).map(|expert| (expert, name, place(expert))));
    };
    // Gate and up take turns.
    let turns = |expert: usize, shape: Vec<usize>, first, outputs, inputs| {
        slab(
            expert,
            shape,
            Arrangement::Strided {
                first,
                outputs,
                inputs,
            },
        )
    };
    const GATE_UP: [&str; 2] = ["gate_proj.weight", "up_proj.weight"];
    const GATE_UP_BIAS: [&str; 2] = ["gate_proj.bias", "up_proj.bias"];
    match (part, shape) {
        ("gate_proj.weight" | "up_proj.weight" | "down_proj.weight", [_, _])
        | ("gate_proj.bias" | "up_proj.bias" | "down_proj.bias" | "down_proj_bias", [_]) => {
            let known = GATE_UP
                .into_iter()
                .chain(GATE_UP_BIAS)
                .find(|known| *known == part);
            let down = ["down_proj.bias", "down_proj.weight"][shape.len() - 1];
            let shape = shape.to_vec();
            add(known.unwrap_or(down), &|expert| {
                slab(expert, shape.clone(), Arrangement::Plain)
            });
        }
        // GGUF's, the gates first.
        ("gate_up_proj.weight", &[outputs, inputs])
            if outputs % 2 == 0 && length.is_multiple_of(2) =>
        {
            for (half, name) in GATE_UP.into_iter().enumerate() {
                add(name, &|expert| {
                    let own = slab(expert, vec![outputs / 2, inputs], Arrangement::Plain);
                    TensorPlace {
                        start: own.start + (half * length / 2) as u64,
                        length: length / 2,
                        ..own
                    }
                });
            }
        }
        // Inputs one below the other.
        ("gate_up_proj", &[inputs, outputs]) if outputs % 2 == 0 && whole => {
            for (first, name) in GATE_UP.into_iter().enumerate() {
                add(name, &|expert| {
                    turns(expert, vec![outputs / 2, inputs], first, 2, outputs)
                });
            }
        }
        ("down_proj", &[inputs, outputs]) if whole => add("down_proj.weight", &|expert| {
            turns(expert, vec![outputs, inputs], 0, 1, outputs)
        }),
        ("gate_up_proj_bias", &[outputs]) if outputs % 2 == 0 && whole => {
            for (first, name) in GATE_UP_BIAS.into_iter().enumerate() {
                add(name, &|expert| {
                    turns(expert, vec![outputs / 2], first, 2, 0)
                });
            }
        }
        ("gate_up_proj_blocks" | "down_proj_blocks", &[outputs, blocks, 16]) => {
            let scales = scales?;
            let each = outputs.checked_mul(blocks)?;
            let fits = scales.shape == [count, outputs, blocks]
                && scales.length == count.checked_mul(each)?
                && length == each.checked_mul(16)?;
            if !fits || scales.source != stacked.source {
                return None;
            }
            let apart = |expert: usize, first, step| {
                let arrangement = Arrangement::ScalesApart {
                    scales: scales.start + (expert * each) as u64,
                    first,
                    step,
                    blocks,
                };
                TensorPlace {
                    stored: StoredAs::Blocks(TensorType::Mxfp4),
                    ..slab(expert, vec![outputs / step, blocks * 32], arrangement)
                }
            };
            if part == "down_proj_blocks" {
                add("down_proj.weight", &|expert| apart(expert, 0, 1));
            } else if outputs % 2 == 0 {
                for (first, name) in GATE_UP.into_iter().enumerate() {
                    add(name, &|expert| apart(expert, first, 2));
                }
            } else {
                return None;
            }
        }
        _ => return None,
    }
    Some(all)
}
