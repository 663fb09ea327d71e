//! Causal attention of tokens over their own paths through the tree.

use candle_core::Tensor;
use rayon::prelude::*;

use super::linear::Linear;
use super::norm::HeadNorm;
use super::rotary::{RotaryTable, Rotation};
use crate::Error;
use crate::architectures::{BlockSpec, DecoderSpec};
use crate::precision::PrecisionRule;
use crate::tree::{LayerCache, Slot, TokenTree};
use crate::weights::OpenWeights;

/// How many heads an attention layer has, and how many numbers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    pub queries: usize,
    /// Heads of keys and values, shared by equally many query heads each.
    pub keys: usize,
    pub size: usize,
}

impl Heads {
    pub(crate) fn query_width(self) -> usize {
        self.queries * self.size
    }

    pub(crate) fn key_width(self) -> usize {
        self.keys * self.size
    }
}

/// The nodes that a pass computes, with what every layer asks of them.
pub(crate) struct PassNodes<'n> {
    nodes: &'n [Slot],
    paths: Vec<Vec<Slot>>,
    rotations: Vec<Rotation>,
}

impl<'n> PassNodes<'n> {
    pub(crate) fn new(tree: &TokenTree, nodes: &'n [Slot], rotary: &RotaryTable) -> Self {
        let rotation = |&slot: &Slot| rotary.at(tree.depth(slot));
        Self {
            nodes,
            paths: nodes.iter().map(|&slot| tree.path(slot)).collect(),
            rotations: nodes.iter().map(rotation).collect(),
        }
    }
}

/// An attention layer with its projections.
pub(crate) struct Attention {
    /// Queries, keys and values side by side.
    qkv: Linear,
    /// Of every query and every key head.
    head_norms: Option<(HeadNorm, HeadNorm)>,
    out: Linear,
    heads: Heads,
    /// How many tokens back it sees, itself included; none sees all.
    window: Option<usize>,
}

impl Attention {
    /// `block` is what the block's tensors are named after.
    pub(crate) fn load(
        weights: &OpenWeights<'_>,
        block: &str,
        spec: &DecoderSpec,
        particular: BlockSpec,
        rule: PrecisionRule,
    ) -> Result<Self, Error> {
        let (heads, hidden, names) = (spec.heads, spec.hidden_size, spec.tensors);
        let named = |name: &str, width| (format!("{block}.{name}"), width);
        let norm = |name: &str| {
            HeadNorm::load(
                weights,
                &format!("{block}.{name}"),
                heads.size,
                spec.norm_eps,
            )
        };
        let qkv = [
            named(names.queries, heads.query_width()),
            named(names.keys, heads.key_width()),
            named(names.values, heads.key_width()),
        ];
        let out = [named(names.attended, hidden)];
        Ok(Self {
            qkv: Linear::load(weights, &qkv, hidden, rule)?,
            head_norms: match particular.head_norms {
                true => Some((norm(names.query_norm)?, norm(names.key_norm)?)),
                false => None,
            },
            out: Linear::load(weights, &out, heads.query_width(), rule)?,
            heads,
            window: particular.window,
        })
    }

    /// `[rows, hidden]` to the same; the first rows are the pass's nodes, whose keys and values go to the cache.
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        pass: &PassNodes<'_>,
        cache: &mut LayerCache,
    ) -> Result<Tensor, Error> {
        let rows = x.dim(0)?;
        let (q_width, k_width) = (self.heads.query_width(), self.heads.key_width());
        let mut qkv = self.qkv.forward(x)?.flatten_all()?.to_vec1::<f32>()?;
        let mut queries = Vec::with_capacity(rows * q_width);
        let qkv_rows = qkv.chunks_exact_mut(q_width + 2 * k_width);
        for ((row, &slot), rotation) in qkv_rows.zip(pass.nodes).zip(&pass.rotations) {
            let (qk, v) = row.split_at_mut(q_width + k_width);
            for (index, head) in qk.chunks_exact_mut(self.heads.size).enumerate() {
                if let Some((of_query, of_key)) = &self.head_norms {
                    let norm = if index < self.heads.queries {
                        of_query
                    } else {
                        of_key
                    };
                    norm.apply(head);
                }
                rotation.turn(head);
            }
            cache.keys.row_mut(slot).copy_from_slice(&qk[q_width..]);
            cache.values.row_mut(slot).copy_from_slice(v);
            queries.extend_from_slice(&qk[..q_width]);
        }
        let mut attended = attend(self.heads, self.window, &queries, cache, &pass.paths);
        attended.resize(rows * q_width, 0.0);
        let attended = Tensor::from_vec(attended, (rows, q_width), x.device())?;
        self.out.forward(&attended)
    }
}

/// For each query row (`heads.queries × heads.size`), softmax(q·k / √size)·v over the slots of its path, or the last
/// `window` of them; the same layout out. Each row is computed alone and in path order, so it does not depend on the batch.
fn attend(
    heads: Heads,
    window: Option<usize>,
    queries: &[f32],
    cache: &LayerCache,
    paths: &[Vec<Slot>],
) -> Vec<f32> {
    let width = heads.queries * heads.size;
    let mut out = vec![0.0; queries.len()];
    out.par_chunks_mut(width)
        .zip(queries.par_chunks(width))
        .zip(paths)
        .with_min_len(8)
        .for_each_init(Vec::new, |scores, ((out, query), path)| {
            let path = &path[path.len() - path.len().min(window.unwrap_or(usize::MAX))..];
            for head in 0..heads.queries {
                let own = head * heads.size..(head + 1) * heads.size;
                let shared = head / (heads.queries / heads.keys) * heads.size;
                let shared = shared..shared + heads.size;
                attend_one(
                    &query[own.clone()],
                    cache,
                    path,
                    shared,
                    scores,
                    &mut out[own],
                );
            }
        });
    out
}

fn attend_one(
    query: &[f32],
    cache: &LayerCache,
    path: &[Slot],
    columns: std::ops::Range<usize>,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    scores.clear();
    scores.extend(
        path.iter()
            .map(|&slot| scale * dot(query, &cache.keys.row(slot)[columns.clone()])),
    );
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - highest).exp();
        total += *score;
    }
    for (&slot, &score) in path.iter().zip(scores.iter()) {
        let weight = score / total;
        for (out, value) in out.iter_mut().zip(&cache.values.row(slot)[columns.clone()]) {
            *out += weight * value;
        }
    }
}

/// Eight running sums, so that the compiler may use vector registers without changing the result.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a8, a_rest) = a.as_chunks::<8>();
    let (b8, b_rest) = b.as_chunks::<8>();
    for (a, b) in a8.iter().zip(b8) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}
