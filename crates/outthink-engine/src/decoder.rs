//! The decoder of Llama, Mistral, Qwen2 and Qwen3 over a batch of tree nodes: prefill, decoding and scoring are the same
//! pass.

use candle_core::{D, Device, Tensor};
use candle_nn::ops;

use crate::Error;
use crate::attention::{Heads, attend};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::linear::{Linear, ROWS};
use crate::precision::Choice;
use crate::tree::{Slot, TokenTree};
use crate::weights::OpenWeights;

struct Norm {
    weight: Tensor,
    eps: f32,
}

impl Norm {
    fn load(weights: &OpenWeights<'_>, name: &str, size: usize, eps: f64) -> Result<Self, Error> {
        Ok(Self {
            weight: weights.get(&format!("{name}.weight"), &[size])?,
            eps: eps as f32,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(ops::rms_norm(x, &self.weight, self.eps)?)
    }
}

struct Layer {
    attention_norm: Norm,
    qkv: Linear,
    /// Of every query and every key head (Qwen3).
    head_norms: Option<(HeadNorm, HeadNorm)>,
    out: Linear,
    ff_norm: Norm,
    gate_up: Linear,
    down: Linear,
    /// How many tokens back it sees.
    window: Option<usize>,
}

/// The norm of one head's numbers.
struct HeadNorm {
    weight: Vec<f32>,
    eps: f32,
}

impl HeadNorm {
    fn apply(&self, head: &mut [f32]) {
        let square: f32 = head.iter().map(|x| x * x).sum();
        let scale = 1.0 / (square / head.len() as f32 + self.eps).sqrt();
        for (x, weight) in head.iter_mut().zip(&self.weight) {
            *x *= scale * weight;
        }
    }
}

/// What the last layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Logits of the next token.
    LanguageModel,
    /// Logits of this many labels, by one linear layer or two with a ReLU between.
    Labels(usize),
    /// One number.
    Value,
}

/// How a number is read off a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readout {
    /// The log-probability of the token after those before it.
    Likelihood,
    /// The logarithm of the probability of the token's own label, read from those before it: a head with a label for every
    /// token, each by itself.
    NextLabel,
    /// The probability of this label among the head's.
    Label(usize),
    /// The logistic function of the head's one number.
    Value,
    /// The probability that the next token is the first of these and not the second.
    Tokens(u32, u32),
}

/// A head that is no language model's.
struct RewardHead {
    inner: Option<Linear>,
    outer: Linear,
}

/// A loaded model.
pub(crate) struct Decoder {
    /// `[vocabulary, hidden]`; none if the output layer is it.
    embedding: Option<Tensor>,
    layers: Vec<Layer>,
    norm: Norm,
    lm_head: Option<Linear>,
    reward_head: Option<RewardHead>,
    head: Head,
    heads: Heads,
    /// Rotary frequencies of half a head, and the factor of cosine and sine.
    frequencies: Vec<f32>,
    rotary_scale: f32,
    /// Where matrices are multiplied.
    device: Device,
    pub(crate) config: Config,
    pub(crate) parameters: u64,
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
        let config = checkpoint.config()?;
        let device = device()?;
        let weights = checkpoint.weights.open(&device)?;
        let parameters = weights.parameters();
        let choice = Choice::new(checkpoint.precision, parameters);
        let (hidden, ff) = (config.hidden_size, config.intermediate_size);
        let heads = Heads {
            queries: config.num_attention_heads,
            keys: config.key_heads(),
            size: config.head_size(),
        };
        let (q_width, k_width) = (heads.queries * heads.size, heads.keys * heads.size);
        // Models wrapped for a value head say so before every name; a bare decoder leaves out the first part.
        let root = ["model", "pretrained_model.model", "base_model.model"]
            .into_iter()
            .find(|root| weights.contains(&format!("{root}.embed_tokens.weight")))
            .unwrap_or("model");
        let stem = root.strip_suffix("model").unwrap_or_default();
        let embedding = weights.stored(
            &format!("{root}.embed_tokens.weight"),
            &[config.vocab_size, hidden],
        )?;
        let embedding = if choice.widens_embedding() {
            embedding.to_dtype(candle_core::DType::F32)?
        } else {
            embedding
        };
        let eps = config.rms_norm_eps;
        // Room for as many as there are, not as many as the config claims.
        let mut layers = Vec::new();
        for index in 0..config.num_hidden_layers {
            let layer = format!("{root}.layers.{index}");
            let attention = |name: &str, width| (format!("{layer}.self_attn.{name}"), width);
            let mlp = |name: &str, width| (format!("{layer}.mlp.{name}"), width);
            let head_norm = |name: &str| -> Result<HeadNorm, Error> {
                let weight =
                    weights.get(&format!("{layer}.self_attn.{name}.weight"), &[heads.size])?;
                Ok(HeadNorm {
                    weight: weight.to_vec1()?,
                    eps: eps as f32,
                })
            };
            let qkv = [
                attention("q_proj", q_width),
                attention("k_proj", k_width),
                attention("v_proj", k_width),
            ];
            let gate_up = [mlp("gate_proj", ff), mlp("up_proj", ff)];
            layers.push(Layer {
                attention_norm: Norm::load(
                    &weights,
                    &format!("{layer}.input_layernorm"),
                    hidden,
                    eps,
                )?,
                qkv: Linear::load(&weights, &qkv, hidden, choice)?,
                head_norms: if weights.contains(&format!("{layer}.self_attn.q_norm.weight")) {
                    Some((head_norm("q_norm")?, head_norm("k_norm")?))
                } else {
                    None
                },
                out: Linear::load(&weights, &[attention("o_proj", hidden)], q_width, choice)?,
                ff_norm: Norm::load(
                    &weights,
                    &format!("{layer}.post_attention_layernorm"),
                    hidden,
                    eps,
                )?,
                gate_up: Linear::load(&weights, &gate_up, hidden, choice)?,
                down: Linear::load(&weights, &[mlp("down_proj", hidden)], ff, choice)?,
                window: config.window(index),
            });
        }
        let norm = Norm::load(&weights, &format!("{root}.norm"), hidden, eps)?;
        let (head, lm_head, reward_head) = Self::head(&weights, stem, &config, &embedding, choice)?;
        // A tied output layer that can be read back is not kept twice, unless it is small.
        let twice = embedding.elem_count() <= SMALL;
        let tied = config.tie_word_embeddings && lm_head.as_ref().is_some_and(Linear::embeds);
        let embedding = (twice || !tied).then_some(embedding);
        let (mut frequencies, rotary_scale) = config.rotary()?;
        // GGUF's way to tell Llama 3's scaling.
        if weights.contains("rope_freqs.weight") {
            let factors = weights.get("rope_freqs.weight", &[frequencies.len()])?;
            for (frequency, factor) in frequencies.iter_mut().zip(factors.to_vec1::<f32>()?) {
                *frequency /= factor;
            }
        }
        Ok(Self {
            embedding,
            layers,
            norm,
            lm_head,
            reward_head,
            head,
            heads,
            frequencies,
            rotary_scale,
            device,
            config,
            parameters,
        })
    }

    /// The head that the weights have, whatever the architecture is called: a left-over language head beside a reward head
    /// is not used.
    fn head(
        weights: &OpenWeights<'_>,
        stem: &str,
        config: &Config,
        embedding: &Tensor,
        choice: Choice,
    ) -> Result<(Head, Option<Linear>, Option<RewardHead>), Error> {
        let hidden = config.hidden_size;
        let linear = |name: &str, output| {
            Linear::load(weights, &[(name.to_owned(), output)], hidden, choice)
        };
        let reward = |head, inner, outer| Ok((head, None, Some(RewardHead { inner, outer })));
        if weights.contains("v_head.summary.weight") {
            return reward(Head::Value, None, linear("v_head.summary", 1)?);
        }
        let labels = config.labels();
        let head = if labels == 1 {
            Head::Value
        } else {
            Head::Labels(labels)
        };
        if weights.contains("score.2.weight") {
            return reward(
                head,
                Some(linear("score.0", hidden)?),
                linear("score.2", labels)?,
            );
        }
        if weights.contains("score.weight") {
            return reward(head, None, linear("score", labels)?);
        }
        let lm_head = if config.tie_word_embeddings {
            Linear::tied(embedding, choice)?
        } else {
            linear(&format!("{stem}lm_head"), config.vocab_size)?
        };
        Ok((Head::LanguageModel, Some(lm_head), None))
    }

    /// What the last layer gives.
    pub(crate) fn head_kind(&self) -> Head {
        self.head
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
        let mut x = self.embed(tokens)?;
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
                for (index, head) in qk.chunks_exact_mut(size).enumerate() {
                    if let Some((of_query, of_key)) = &layer.head_norms {
                        let norm = if index < queries { of_query } else { of_key };
                        norm.apply(head);
                    }
                    if self.config.rotates_neighbours {
                        rotate_neighbours(head, rotation);
                    } else {
                        rotate(head, rotation);
                    }
                }
                cache.keys.row_mut(slot).copy_from_slice(&qk[q_width..]);
                cache.values.row_mut(slot).copy_from_slice(v);
                attended.extend_from_slice(&qk[..q_width]);
            }
            let mut attended = attend(self.heads, layer.window, &attended, cache, &paths);
            attended.resize(rows * q_width, 0.0);
            let attended = Tensor::from_vec(attended, (rows, q_width), &self.device)?;
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

    /// `[tokens, hidden]` in f32.
    fn embed(&self, tokens: Vec<u32>) -> Result<Tensor, Error> {
        match (&self.embedding, &self.lm_head) {
            (Some(table), _) => {
                let tokens = Tensor::new(tokens, &self.device)?;
                Ok(table
                    .index_select(&tokens, 0)?
                    .to_dtype(candle_core::DType::F32)?)
            }
            (None, Some(head)) => head.embed(&tokens),
            (None, None) => Err(Error::Stopped),
        }
    }

    /// Next-token logits after each node, `vocab_size` a row.
    pub(crate) fn logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Vec<f32>, Error> {
        let Some(head) = &self.lm_head else {
            return Err(Error::Role {
                architecture: self.config.architecture().to_owned(),
                role: "policy",
            });
        };
        let logits = head.forward(&self.gather(tree, nodes)?)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        if logits
            .iter()
            .any(|logit| logit.is_nan() || *logit == f32::INFINITY)
        {
            return Err(Error::NotANumber);
        }
        Ok(logits)
    }

    /// Logits of the labels of the tokens that may follow each node, a row a node.
    pub(crate) fn next_labels(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Vec<f32>, Error> {
        let logits = self.reward_logits(tree, nodes)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        match logits.iter().all(|logit| logit.is_finite()) {
            true => Ok(logits),
            false => Err(Error::NotANumber),
        }
    }

    fn reward_logits(&self, tree: &TokenTree, nodes: &[Slot]) -> Result<Tensor, Error> {
        let Some(head) = &self.reward_head else {
            return Err(Error::Role {
                architecture: self.config.architecture().to_owned(),
                role: "process reward model",
            });
        };
        let mut x = self.gather(tree, nodes)?;
        if let Some(inner) = &head.inner {
            x = inner.forward(&x)?.relu()?;
        }
        Ok(head.outer.forward(&x)?.narrow(0, 0, nodes.len())?)
    }

    /// The number that each node is read as; not for what is read off the logits before.
    pub(crate) fn rewards(
        &self,
        tree: &TokenTree,
        nodes: &[Slot],
        readout: Readout,
    ) -> Result<Vec<f32>, Error> {
        if let Readout::Tokens(good, bad) = readout {
            let logits = self.logits(tree, nodes)?;
            let rows = logits.chunks_exact(self.config.vocab_size);
            let reward = |row: &[f32]| logistic(row[good as usize] - row[bad as usize]);
            return Ok(rows.take(nodes.len()).map(reward).collect());
        }
        let logits = self.reward_logits(tree, nodes)?;
        match (self.head, readout) {
            (Head::Value, Readout::Value) => {
                let values: Vec<f32> = logits.flatten_all()?.to_vec1()?;
                Ok(values.into_iter().map(logistic).collect())
            }
            (Head::Labels(labels), Readout::Label(label)) if label < labels => {
                let probabilities = ops::softmax(&logits, D::Minus1)?;
                Ok(probabilities
                    .narrow(1, label, 1)?
                    .flatten_all()?
                    .to_vec1()?)
            }
            _ => Err(Error::Role {
                architecture: self.config.architecture().to_owned(),
                role: "verifier read in that way",
            }),
        }
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
            &self.device,
        )?)
    }

    /// (cos, sin) of a position, one a frequency.
    fn rotation(&self, position: usize) -> Vec<(f32, f32)> {
        let scale = self.rotary_scale;
        self.frequencies
            .iter()
            .map(|frequency| (position as f32 * frequency).sin_cos())
            .map(|(sin, cos)| (scale * cos, scale * sin))
            .collect()
    }
}

/// The logarithm of the logistic function.
pub(crate) fn log_logistic(x: f32) -> f32 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Rotates the pairs (i, i + half) of a head.
fn rotate(head: &mut [f32], rotation: &[(f32, f32)]) {
    let (first, second) = head.split_at_mut(rotation.len());
    for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(rotation) {
        (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
    }
}

/// Rotates the pairs (2i, 2i + 1) of a head.
fn rotate_neighbours(head: &mut [f32], rotation: &[(f32, f32)]) {
    for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(rotation) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, b * cos + a * sin];
    }
}
