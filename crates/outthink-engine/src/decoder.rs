//! A decoder over a batch of tree nodes, for every architecture: prefill, decoding and scoring are the same pass.

use crate::Error;
use crate::architectures::DecoderSpec;
use crate::cache::{LayerCache, Slot};
use crate::checkpoint::Checkpoint;
use crate::layers::attention::{Attention, PassNodes};
use crate::layers::buffers::Buffers;
use crate::layers::experts::Experts;
use crate::layers::head::{Head, OutputHead};
use crate::layers::linear::Linear;
use crate::layers::mlp::GatedMlp;
use crate::layers::norm::{Norm, PartNorms};
use crate::layers::rotary::RotaryTable;
use crate::memory::MemoryPlan;
use crate::precision::{Precision, PrecisionRule};
use crate::tree::TokenTree;

/// Attention and a feed-forward part, each with its norms and added to what it was given.
struct DecoderBlock {
    attention_norms: PartNorms,
    attention: Attention,
    mlp_norms: PartNorms,
    mlp: FeedForward,
}

enum FeedForward {
    Dense(GatedMlp),
    Mixed(Experts),
}

/// A loaded model.
pub(crate) struct Decoder {
    /// Its rows are looked up; none if the output layer is it.
    embedding: Option<Linear>,
    blocks: Vec<DecoderBlock>,
    norm: Norm,
    head: OutputHead,
    rotations: Vec<RotaryTable>,
    /// Are keys and values kept in half precision?
    halves_keys: bool,
    buffers: Buffers,
    pub(crate) spec: DecoderSpec,
    pub(crate) parameters: u64,
    pub(crate) plan: MemoryPlan,
}

impl Decoder {
    /// Loads a checkpoint.
    pub(crate) fn load(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let spec = checkpoint.spec()?;
        let weights = checkpoint.weights.open()?;
        let parameters = weights.parameters();
        let rule = PrecisionRule::new(checkpoint.precision, parameters);
        let names = spec.tensors;
        let root = weights.root(&spec);
        let stem = match root.strip_suffix(".model") {
            Some(stem) => format!("{stem}."),
            None => String::new(),
        };
        let plan = checkpoint.plan(&weights, &spec)?;
        let mut blocks = Vec::with_capacity(spec.blocks.len());
        for (index, particular) in spec.blocks.iter().enumerate() {
            let block = spec.block_name(root, index);
            let norms = |names| PartNorms::load(&weights, &block, names, &spec);
            blocks.push(DecoderBlock {
                attention_norms: norms(names.attention_norms)?,
                attention: Attention::load(&weights, &block, &spec, *particular, rule)?,
                mlp_norms: norms(names.mlp_norms)?,
                mlp: match spec.experts.filter(|_| particular.mixed) {
                    Some(own) => {
                        let experts = Experts::load(&weights, &block, &spec, own, rule)?;
                        FeedForward::Mixed(experts)
                    }
                    None => FeedForward::Dense(GatedMlp::load(&weights, &block, &spec, rule)?),
                },
            });
        }
        let norm = format!("{root}.{}", names.norm);
        let norm = Norm::load(&weights, &norm, spec.hidden_size, spec.norm)?;
        let embedding = spec.embedding_name(root);
        let head = OutputHead::load(&weights, &stem, &spec, &embedding, rule)?;
        let embedding = match head.kind.embeds(&spec) {
            true => None,
            // What is only looked up costs nothing as it is.
            false => Some(Linear::without_bias(
                &weights,
                &[(embedding, spec.vocabulary)],
                spec.hidden_size,
                PrecisionRule::new(Precision::Stored, parameters),
            )?),
        };
        let rotations = RotaryTable::load(&weights, &spec)?;
        weights.check_all_added()?;
        Ok(Self {
            embedding,
            blocks,
            norm,
            head,
            rotations,
            halves_keys: rule.halves_keys(),
            buffers: Buffers::default(),
            spec,
            parameters,
            plan,
        })
    }

    /// What the last layer gives.
    pub(crate) fn head(&self) -> Head {
        self.head.kind
    }

    /// Numbers that the last layer gives for a token.
    pub(crate) fn head_outputs(&self) -> usize {
        self.head.outer.outputs()
    }

    /// An empty tree for this model that holds about `capacity` tokens.
    pub(crate) fn tree(&self, capacity: usize) -> TokenTree {
        let width = self.spec.heads.key_width();
        let layers = self.blocks.iter();
        let layers = layers.map(|_| LayerCache::new(width, self.halves_keys));
        TokenTree::new(layers.collect(), self.spec.hidden_size, capacity)
    }

    /// Computes keys, values and hidden states of some nodes whose other ancestors are computed.
    pub(crate) fn forward(&mut self, tree: &mut TokenTree, nodes: &[Slot]) -> Result<(), Error> {
        tree.reserve();
        let pass = PassNodes::new(tree, nodes, &self.rotations);
        let mut buffers = std::mem::take(&mut self.buffers);
        let mut x = std::mem::take(&mut buffers.stream);
        self.embed(nodes.iter().map(|&slot| tree.token(slot)), &mut x);
        for (block, cache) in self.blocks.iter().zip(&mut tree.layers) {
            block.attention_norms.given(&x, &mut buffers.normed);
            block.attention.forward(&pass, cache, &mut buffers);
            block.attention_norms.add(&mut x, &mut buffers);
            block.mlp_norms.given(&x, &mut buffers.normed);
            match &block.mlp {
                FeedForward::Dense(mlp) => mlp.forward(&mut buffers),
                FeedForward::Mixed(experts) => experts.forward(&mut buffers),
            }
            block.mlp_norms.add(&mut x, &mut buffers);
        }
        self.norm.forward(&x, &mut buffers.normed);
        buffers.stream = x;
        self.buffers = buffers;
        let hidden = &self.buffers.normed;
        for (row, &slot) in hidden.chunks_exact(self.spec.hidden_size).zip(nodes) {
            if !row.iter().all(|x| x.is_finite()) {
                return Err(Error::NotANumber);
            }
            tree.hidden.row_mut(slot).copy_from_slice(row);
            tree.set_computed(slot);
        }
        Ok(())
    }

    /// `[tokens, hidden]`.
    fn embed(&self, tokens: impl ExactSizeIterator<Item = u32>, x: &mut Vec<f32>) {
        let table = self.embedding.as_ref().unwrap_or(&self.head.outer);
        x.resize(tokens.len() * self.spec.hidden_size, 0.0);
        for (row, token) in x.chunks_exact_mut(self.spec.hidden_size).zip(tokens) {
            table.row(token as usize, row);
            if self.spec.embedding_scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= self.spec.embedding_scale);
            }
        }
    }

    /// Next-token logits after each node, `vocabulary` a row.
    pub(crate) fn logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Vec<f32>, Error> {
        if self.head.kind != Head::LanguageModel {
            return Err(self.spec.cannot_be("policy"));
        }
        let logits = self.outputs(tree, nodes);
        if logits
            .iter()
            .any(|logit| logit.is_nan() || *logit == f32::INFINITY)
        {
            return Err(Error::NotANumber);
        }
        Ok(logits)
    }

    /// What a reward head gives at each node, a row a node.
    pub(crate) fn reward_logits(
        &self,
        tree: &TokenTree,
        nodes: &[Slot],
    ) -> Result<Vec<f32>, Error> {
        if self.head.kind == Head::LanguageModel {
            return Err(self.spec.cannot_be("process reward model"));
        }
        let logits = self.outputs(tree, nodes);
        match logits.iter().all(|logit| logit.is_finite()) {
            true => Ok(logits),
            false => Err(Error::NotANumber),
        }
    }

    fn outputs(&self, tree: &TokenTree, nodes: &[Slot]) -> Vec<f32> {
        let hidden: Vec<f32> = nodes
            .iter()
            .flat_map(|&slot| tree.hidden.row(slot))
            .copied()
            .collect();
        self.head.forward(&hidden)
    }
}
