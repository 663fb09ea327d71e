//! Causal attention of tokens over their own paths through the tree.

use super::buffers::Buffers;
use super::linear::Linear;
use super::norm::Norm;
use super::rotary::{RotaryTable, Rotation};
use crate::Error;
use crate::architectures::{BlockSpec, DecoderSpec, HeadNorms, ScoreSpec, TensorNames};
use crate::cache::{LayerCache, Slot};
use crate::kernels::{self, Heads, Paths, Scores};
use crate::precision::PrecisionRule;
use crate::tree::TokenTree;
use crate::weights::OpenWeights;

/// The nodes that a pass computes, with what every layer asks of them.
pub(crate) struct PassNodes<'n> {
    nodes: &'n [Slot],
    paths: Paths,
    /// By table, then by node.
    rotations: Vec<Vec<Rotation>>,
}

impl<'n> PassNodes<'n> {
    pub(crate) fn new(tree: &TokenTree, nodes: &'n [Slot], tables: &[RotaryTable]) -> Self {
        let rotations = |table: &RotaryTable| {
            let of_node = |&slot: &Slot| table.at(tree.depth(slot));
            nodes.iter().map(of_node).collect()
        };
        Self {
            nodes,
            paths: Paths::new(nodes.iter().map(|&slot| tree.path(slot)).collect()),
            rotations: tables.iter().map(rotations).collect(),
        }
    }
}

/// An attention layer with its projections.
pub(crate) struct Attention {
    /// Queries, keys and values side by side.
    qkv: Linear,
    /// Of queries and of keys.
    head_norms: Option<(Norm, Norm)>,
    /// Which of the pass's rotations.
    rotation: Option<usize>,
    out: Linear,
    heads: Heads,
    scores: ScoreSpec,
    window: Option<usize>,
    /// One a query head.
    sinks: Option<Vec<f32>>,
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
        let norm = |name: &str, width: usize| {
            let size = match spec.head_norms {
                HeadNorms::None => return Ok(None),
                HeadNorms::Each => heads.size,
                HeadNorms::Together => width,
            };
            Norm::load(weights, &format!("{block}.{name}"), size, spec.norm).map(Some)
        };
        let sinks = |name: &str| {
            let bare = format!("{block}.{name}");
            let name = match weights.contains(&bare) {
                true => bare,
                false => format!("{bare}.weight"),
            };
            weights.get(&name, &[heads.queries])
        };
        let widths = [heads.query_width(), heads.key_width(), heads.key_width()];
        let qkv = TensorNames::parts(block, names.qkv, &widths);
        let out = [(format!("{block}.{}", names.attended), hidden)];
        let of_queries = norm(names.query_norm, heads.query_width())?;
        let of_keys = norm(names.key_norm, heads.key_width())?;
        Ok(Self {
            qkv: Linear::load(weights, &qkv, hidden, rule)?,
            head_norms: of_queries.zip(of_keys),
            rotation: particular.rotation,
            out: Linear::load(weights, &out, heads.query_width(), rule)?,
            heads,
            scores: spec.scores,
            window: particular.window,
            sinks: names.sinks.map(sinks).transpose()?,
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
            ..
        } = buffers;
        let (q_width, k_width) = (self.heads.query_width(), self.heads.key_width());
        self.qkv.forward(normed, rounded, wide);
        queries.clear();
        let qkv_rows = wide.chunks_exact_mut(q_width + 2 * k_width);
        for (number, (row, &slot)) in qkv_rows.zip(pass.nodes).enumerate() {
            let (qk, v) = row.split_at_mut(q_width + k_width);
            if let Some((of_queries, of_keys)) = &self.head_norms {
                let (q, k) = qk.split_at_mut(q_width);
                of_queries.apply(q);
                of_keys.apply(k);
            }
            if let Some(table) = self.rotation {
                let rotation = &pass.rotations[table][number];
                let heads = qk.chunks_exact_mut(self.heads.size);
                heads.for_each(|head| rotation.turn(head));
            }
            cache.set(slot, &qk[q_width..], v);
            queries.extend_from_slice(&qk[..q_width]);
        }
        inner.resize(queries.len(), 0.0);
        kernels::attend(
            self.heads,
            Scores {
                scale: self.scores.scale,
                cap: self.scores.cap,
                window: self.window,
                sinks: self.sinks.as_deref(),
            },
            queries,
            cache,
            &pass.paths,
            by_head,
            inner,
        );
        self.out.forward(inner, rounded, out);
    }
}
