//! The Qwen2 decoder over a batch of tree nodes: prefill, decoding and scoring are the same pass.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::{VarBuilder, ops};

use crate::attention::{Heads, attend};
use crate::checkpoint::{Checkpoint, Config, Head};
use crate::error::Error;
use crate::linear::{Linear, ROWS};
use crate::tree::{Slot, TokenTree};

struct Norm {
    weight: Tensor,
    eps: f32,
}

impl Norm {
    fn load(size: usize, eps: f64, vb: VarBuilder<'_>) -> candle_core::Result<Self> {
        Ok(Self {
            weight: vb.get(size, "weight")?,
            eps: eps as f32,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::rms_norm(x, &self.weight, self.eps)
    }
}

struct Layer {
    attention_norm: Norm,
    qkv: Linear,
    out: Linear,
    ff_norm: Norm,
    gate_up: Linear,
    down: Linear,
}

/// The head of a process reward model.
struct RewardHead {
    inner: Linear,
    outer: Linear,
}

/// A loaded model.
pub(crate) struct Decoder {
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Norm,
    lm_head: Option<Linear>,
    reward_head: Option<RewardHead>,
    heads: Heads,
    /// Rotary frequencies of half a head.
    frequencies: Vec<f32>,
    pub(crate) config: Config,
    pub(crate) parameters: u64,
}

impl Decoder {
    /// Loads a checkpoint as f32 (bf16 has no CPU kernel: it would be widened again on every call).
    pub(crate) fn load(checkpoint: &Checkpoint) -> Result<Self, Error> {
        let config = checkpoint.config()?;
        let parameters = count_parameters(&checkpoint.weights)?;
        let vb = VarBuilder::from_slice_safetensors(&checkpoint.weights, DType::F32, &Device::Cpu)?;
        let (hidden, ff) = (config.hidden_size, config.intermediate_size);
        let heads = Heads {
            queries: config.num_attention_heads,
            keys: config.num_key_value_heads,
            size: config.head_size(),
        };
        let (q_width, k_width) = (heads.queries * heads.size, heads.keys * heads.size);
        let model = vb.pp("model");
        let embedding = model.get((config.vocab_size, hidden), "embed_tokens.weight")?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for index in 0..config.num_hidden_layers {
            let vb = model.pp("layers").pp(index);
            let (attention, mlp) = (vb.pp("self_attn"), vb.pp("mlp"));
            let projections = [
                (q_width, attention.pp("q_proj")),
                (k_width, attention.pp("k_proj")),
                (k_width, attention.pp("v_proj")),
            ];
            layers.push(Layer {
                attention_norm: Norm::load(hidden, config.rms_norm_eps, vb.pp("input_layernorm"))?,
                qkv: Linear::fused(&projections, hidden, true)?,
                out: Linear::load(q_width, hidden, false, attention.pp("o_proj"))?,
                ff_norm: Norm::load(
                    hidden,
                    config.rms_norm_eps,
                    vb.pp("post_attention_layernorm"),
                )?,
                gate_up: Linear::fused(
                    &[(ff, mlp.pp("gate_proj")), (ff, mlp.pp("up_proj"))],
                    hidden,
                    false,
                )?,
                down: Linear::load(ff, hidden, false, mlp.pp("down_proj"))?,
            });
        }
        let norm = Norm::load(hidden, config.rms_norm_eps, model.pp("norm"))?;
        let (lm_head, reward_head) = match config.head()? {
            Head::LanguageModel if config.tie_word_embeddings => {
                (Some(Linear::new(embedding.clone(), None)?), None)
            }
            Head::LanguageModel => (
                Some(Linear::load(
                    hidden,
                    config.vocab_size,
                    false,
                    vb.pp("lm_head"),
                )?),
                None,
            ),
            Head::ProcessReward(labels) => {
                let score = vb.pp("score");
                let inner = Linear::load(hidden, hidden, true, score.pp("0"))?;
                let outer = Linear::load(hidden, labels, true, score.pp("2"))?;
                (None, Some(RewardHead { inner, outer }))
            }
        };
        let half = heads.size / 2;
        let theta = config.rope_theta();
        let frequencies = (0..half)
            .map(|i| theta.powf(-(i as f64) / half as f64) as f32)
            .collect();
        Ok(Self {
            embedding,
            layers,
            norm,
            lm_head,
            reward_head,
            heads,
            frequencies,
            config,
            parameters,
        })
    }

    /// An empty tree for this model that holds about `capacity` tokens.
    pub(crate) fn tree(&self, capacity: usize) -> TokenTree {
        let key_width = self.heads.keys * self.heads.size;
        TokenTree::new(
            self.layers.len(),
            key_width,
            self.config.hidden_size,
            capacity,
        )
    }

    /// Computes keys, values and hidden states of some nodes whose other ancestors are computed.
    pub(crate) fn forward(&self, tree: &mut TokenTree, nodes: &[Slot]) -> Result<(), Error> {
        tree.reserve();
        let paths: Vec<Vec<Slot>> = nodes.iter().map(|&slot| tree.path(slot)).collect();
        let rows = nodes.len().next_multiple_of(ROWS);
        let mut tokens: Vec<u32> = nodes.iter().map(|&slot| tree.token(slot)).collect();
        tokens.resize(rows, 0);
        let tokens = Tensor::from_vec(tokens, rows, &Device::Cpu)?;
        let mut x = self.embedding.index_select(&tokens, 0)?;
        let Heads {
            queries,
            keys,
            size,
        } = self.heads;
        let (q_width, k_width) = (queries * size, keys * size);
        let rotations: Vec<Vec<(f32, f32)>> = nodes
            .iter()
            .map(|&slot| self.rotation(tree.depth(slot)))
            .collect();
        for (layer, index) in self.layers.iter().zip(0..) {
            let qkv = layer.qkv.forward(&layer.attention_norm.forward(&x)?)?;
            let mut qkv = qkv.flatten_all()?.to_vec1::<f32>()?;
            let cache = &mut tree.layers[index];
            let mut attended = Vec::with_capacity(rows * q_width);
            let qkv_rows = qkv.chunks_exact_mut(q_width + 2 * k_width);
            for ((row, &slot), rotation) in qkv_rows.zip(nodes).zip(&rotations) {
                let (qk, v) = row.split_at_mut(q_width + k_width);
                qk.chunks_exact_mut(size)
                    .for_each(|head| rotate(head, rotation));
                cache.keys.row_mut(slot).copy_from_slice(&qk[q_width..]);
                cache.values.row_mut(slot).copy_from_slice(v);
                attended.extend_from_slice(&qk[..q_width]);
            }
            let mut attended = attend(self.heads, &attended, cache, &paths);
            attended.resize(rows * q_width, 0.0);
            let attended = Tensor::from_vec(attended, (rows, q_width), &Device::Cpu)?;
            x = (x + layer.out.forward(&attended)?)?;
            let gate_up = layer.gate_up.forward(&layer.ff_norm.forward(&x)?)?;
            x = (x + layer.down.forward(&ops::swiglu(&gate_up)?)?)?;
        }
        let hidden = self.norm.forward(&x)?.flatten_all()?.to_vec1::<f32>()?;
        for (row, &slot) in hidden.chunks_exact(self.config.hidden_size).zip(nodes) {
            if !row.iter().all(|x| x.is_finite()) {
                return Err(Error::NotANumber);
            }
            tree.hidden.row_mut(slot).copy_from_slice(row);
            tree.set_computed(slot);
        }
        Ok(())
    }

    /// Next-token logits after each node, `vocab_size` a row.
    pub(crate) fn logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Vec<f32>, Error> {
        let Some(head) = &self.lm_head else {
            return Err(Error::Role {
                architecture: self.config.architectures.join(", "),
                role: "policy",
            });
        };
        Ok(head
            .forward(&self.gather(tree, nodes)?)?
            .flatten_all()?
            .to_vec1()?)
    }

    /// The probability of a label at each node.
    pub(crate) fn rewards(
        &self,
        tree: &TokenTree,
        nodes: &[Slot],
        label: usize,
    ) -> Result<Vec<f32>, Error> {
        let Some(head) = &self.reward_head else {
            return Err(Error::Role {
                architecture: self.config.architectures.join(", "),
                role: "process reward model",
            });
        };
        let logits = head
            .outer
            .forward(&head.inner.forward(&self.gather(tree, nodes)?)?.relu()?)?;
        let probabilities = ops::softmax(&logits, D::Minus1)?;
        let column = probabilities
            .narrow(1, label, 1)?
            .narrow(0, 0, nodes.len())?;
        Ok(column.flatten_all()?.to_vec1()?)
    }

    fn gather(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Tensor, Error> {
        let rows = nodes.len().next_multiple_of(ROWS);
        let mut hidden: Vec<f32> = nodes
            .iter()
            .flat_map(|&slot| tree.hidden.row(slot))
            .copied()
            .collect();
        hidden.resize(rows * self.config.hidden_size, 0.0);
        Ok(Tensor::from_vec(
            hidden,
            (rows, self.config.hidden_size),
            &Device::Cpu,
        )?)
    }

    /// (cos, sin) of a position, one a frequency.
    fn rotation(&self, position: usize) -> Vec<(f32, f32)> {
        self.frequencies
            .iter()
            .map(|frequency| (position as f32 * frequency).sin_cos())
            .map(|(sin, cos)| (cos, sin))
            .collect()
    }
}

/// Rotates the pairs (i, i + half) of a head.
fn rotate(head: &mut [f32], rotation: &[(f32, f32)]) {
    let (first, second) = head.split_at_mut(rotation.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(rotation) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

/// Elements of all tensors, from the header of a safetensors file.
fn count_parameters(weights: &[u8]) -> Result<u64, Error> {
    let malformed = |reason: String| Error::Malformed {
        file: "model.safetensors",
        reason,
    };
    let size = weights
        .first_chunk::<8>()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let header = size
        .and_then(|size| usize::try_from(size).ok())
        .and_then(|size| weights.get(8..8usize.checked_add(size)?))
        .ok_or_else(|| malformed("it is cut off".into()))?;
    let tensors: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(header).map_err(|e| malformed(e.to_string()))?;
    let elements = |tensor: &serde_json::Value| -> Option<u64> {
        tensor
            .get("shape")?
            .as_array()?
            .iter()
            .map(serde_json::Value::as_u64)
            .product()
    };
    Ok(tensors
        .iter()
        .filter(|(name, _)| *name != "__metadata__")
        .filter_map(|(_, t)| elements(t))
        .sum())
}
