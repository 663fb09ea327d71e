//! A decoder over a batch of tree nodes, for every architecture: prefill, decoding and scoring are the same pass.

use candle_core::{DType, Device, Tensor};

use crate::Error;
use crate::architectures::DecoderSpec;
use crate::checkpoint::Checkpoint;
use crate::layers::attention::{Attention, PassNodes};
use crate::layers::head::{Head, OutputHead};
use crate::layers::linear::ROWS;
use crate::layers::mlp::GatedMlp;
use crate::layers::norm::Norm;
use crate::layers::rotary::RotaryTable;
use crate::memory::MemoryPlan;
use crate::precision::PrecisionRule;
use crate::tree::{Slot, TokenTree};

/// Attention and a feed-forward part, each after a norm and added to what it was given.
struct DecoderBlock {
    attention_norm: Norm,
    attention: Attention,
    mlp_norm: Norm,
    mlp: GatedMlp,
}

/// A loaded model.
pub(crate) struct Decoder {
    /// `[vocabulary, hidden]`; none if the output layer is it.
    embedding: Option<Tensor>,
    blocks: Vec<DecoderBlock>,
    norm: Norm,
    head: OutputHead,
    rotary: RotaryTable,
    /// Where matrices are multiplied.
    device: Device,
    pub(crate) spec: DecoderSpec,
    pub(crate) parameters: u64,
    pub(crate) plan: MemoryPlan,
}

/// Embeddings of up to this many numbers are kept beside an output layer that is tied to them.
const SMALL: usize = 1 << 22;

/// The first GPU, if this was built with its feature and there is one; else the CPU.
fn device() -> Result<Device, Error> {
    Ok(if candle_core::utils::cuda_is_available() {
        Device::new_cuda(0)?
    } else if candle_core::utils::metal_is_available() {
        Device::new_metal(0)?
    } else {
        Device::Cpu
    })
}

impl Decoder {
    /// Loads a checkpoint. Activations are f32 whatever the weights are stored in. On a GPU matrices are multiplied there,
    /// while the tree of keys and values, and attention over it, stay in the memory of the host.
    pub(crate) fn load(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let spec = checkpoint.spec()?;
        let device = device()?;
        let weights = checkpoint.weights.open(&device)?;
        let parameters = weights.parameters();
        let rule = PrecisionRule::new(checkpoint.precision, parameters);
        let names = spec.tensors;
        let root = weights.root(&spec);
        let stem = root.strip_suffix("model").unwrap_or_default();
        let plan = checkpoint.plan(&weights, &spec)?;
        let embedding = weights.stored(
            &spec.embedding_name(root),
            &[spec.vocabulary, spec.hidden_size],
        )?;
        let embedding = if rule.widens_embedding() {
            embedding.to_dtype(DType::F32)?
        } else {
            embedding
        };
        let norm = |name: &str| Norm::load(&weights, name, spec.hidden_size, spec.norm_eps);
        let mut blocks = Vec::with_capacity(spec.layers);
        for index in 0..spec.layers {
            let block = spec.block_name(root, index);
            blocks.push(DecoderBlock {
                attention_norm: norm(&format!("{block}.{}", names.attention_norm))?,
                attention: Attention::load(&weights, &block, &spec, spec.block(index), rule)?,
                mlp_norm: norm(&format!("{block}.{}", names.mlp_norm))?,
                mlp: GatedMlp::load(&weights, &block, &spec, rule)?,
            });
        }
        let norm = norm(&format!("{root}.{}", names.norm))?;
        let head = OutputHead::load(&weights, stem, &spec, &embedding, rule)?;
        // A tied output layer that can be read back is not kept twice, unless it is small.
        let twice = embedding.elem_count() <= SMALL;
        let embedding = (twice || !head.embeds(&spec)).then_some(embedding);
        Ok(Self {
            embedding,
            blocks,
            norm,
            head,
            rotary: RotaryTable::load(&weights, &spec)?,
            device,
            spec,
            parameters,
            plan,
        })
    }

    /// What the last layer gives.
    pub(crate) fn head(&self) -> Head {
        self.head.kind
    }

    /// An empty tree for this model that holds about `capacity` tokens.
    pub(crate) fn tree(&self, capacity: usize) -> TokenTree {
        TokenTree::new(
            self.blocks.len(),
            self.spec.heads.key_width(),
            self.spec.hidden_size,
            capacity,
        )
    }

    /// Computes keys, values and hidden states of some nodes whose other ancestors are computed.
    pub(crate) fn forward(&self, tree: &mut TokenTree, nodes: &[Slot]) -> Result<(), Error> {
        tree.reserve();
        let pass = PassNodes::new(tree, nodes, &self.rotary);
        let mut tokens: Vec<u32> = nodes.iter().map(|&slot| tree.token(slot)).collect();
        tokens.resize(nodes.len().next_multiple_of(ROWS), 0);
        let mut x = self.embed(tokens)?;
        for (block, cache) in self.blocks.iter().zip(&mut tree.layers) {
            let normed = block.attention_norm.forward(&x)?;
            x = (x + block.attention.forward(&normed, &pass, cache)?)?;
            x = (&x + block.mlp.forward(&block.mlp_norm.forward(&x)?)?)?;
        }
        let hidden = self.norm.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
        for (row, &slot) in hidden.chunks_exact(self.spec.hidden_size).zip(nodes) {
            if !row.iter().all(|x| x.is_finite()) {
                return Err(Error::NotANumber);
            }
            tree.hidden.row_mut(slot).copy_from_slice(row);
            tree.set_computed(slot);
        }
        Ok(())
    }

    /// `[tokens, hidden]` in f32.
    fn embed(&self, tokens: Vec<u32>) -> Result<Tensor, Error> {
        let Some(table) = &self.embedding else {
            return self.head.outer.embed(&tokens);
        };
        let tokens = Tensor::new(tokens, &self.device)?;
        Ok(table.index_select(&tokens, 0)?.to_dtype(DType::F32)?)
    }

    /// Next-token logits after each node, `vocabulary` a row; more rows than nodes may come.
    pub(crate) fn logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Vec<f32>, Error> {
        if self.head.kind != Head::LanguageModel {
            return Err(self.spec.cannot_be("policy"));
        }
        let logits = self.head.forward(&self.gather(tree, nodes)?)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        if logits
            .iter()
            .any(|logit| logit.is_nan() || *logit == f32::INFINITY)
        {
            return Err(Error::NotANumber);
        }
        Ok(logits)
    }

    /// What a reward head gives at each node, `[nodes, outputs]`.
    pub(crate) fn reward_logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Tensor, Error> {
        if self.head.kind == Head::LanguageModel {
            return Err(self.spec.cannot_be("process reward model"));
        }
        let logits = self.head.forward(&self.gather(tree, nodes)?)?;
        Ok(logits.narrow(0, 0, nodes.len())?)
    }

    fn gather(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Tensor, Error> {
        let rows = nodes.len().next_multiple_of(ROWS);
        let mut hidden: Vec<f32> = nodes
            .iter()
            .flat_map(|&slot| tree.hidden.row(slot))
            .copied()
            .collect();
        hidden.resize(rows * self.spec.hidden_size, 0.0);
        Ok(Tensor::from_vec(
            hidden,
            (rows, self.spec.hidden_size),
            &self.device,
        )?)
    }
}
