//! Causal attention of tokens over their own paths through the tree.

use super::buffers::Buffers;
use super::linear::Linear;
use super::norm::HeadNorm;
use super::rotary::{RotaryTable, Rotation};
use crate::Error;
use crate::architectures::{BlockSpec, DecoderSpec};
use crate::cache::{LayerCache, Slot};
use crate::kernels::{self, Heads, Paths, Scores};
use crate::precision::PrecisionRule;
use crate::tree::TokenTree;
use crate::weights::OpenWeights;

/// The nodes that a pass computes, with what every layer asks of them.
pub(crate) struct PassNodes<'n> {
    nodes: &'n [Slot],
    paths: Paths,
    rotations: Vec<Rotation>,
}

impl<'n> PassNodes<'n> {
    pub(crate) fn new(tree: &TokenTree, nodes: &'n [Slot], rotary: &RotaryTable) -> Self {
        let rotation = |&slot: &Slot| rotary.at(tree.depth(slot));
        Self {
            nodes,
            paths: Paths::new(nodes.iter().map(|&slot| tree.path(slot)).collect()),
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
    scores: Scores,
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
            scores: Scores {
                scale: 1.0 / (heads.size as f32).sqrt(),
                window: particular.window,
            },
        })
    }

    /// From `normed` to `out`, `[rows, hidden]` each, a row for each of the pass's nodes, whose keys and values go to the cache.
    pub(crate) fn forward(
        &self,
        pass: &PassNodes<'_>,
        cache: &mut LayerCache,
        buffers: &mut Buffers,
    ) {
        let Buffers {
            rounded,
            normed,
            wide,
            queries,
            by_head,
            inner,
            out,
        } = buffers;
        let (q_width, k_width) = (self.heads.query_width(), self.heads.key_width());
        self.qkv.forward(normed, rounded, wide);
        queries.clear();
        let qkv_rows = wide.chunks_exact_mut(q_width + 2 * k_width);
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
            cache.set(slot, &qk[q_width..], v);
            queries.extend_from_slice(&qk[..q_width]);
        }
        inner.resize(queries.len(), 0.0);
        kernels::attend(
            self.heads,
            self.scores,
            queries,
            cache,
            &pass.paths,
            by_head,
            inner,
        );
        self.out.forward(inner, rounded, out);
    }
}
