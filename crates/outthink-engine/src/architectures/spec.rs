//! What a decoder is built from, whichever family it is of: sizes, positions, and what each block has.

use serde_json::{Map, Value};

use super::{Architecture, ModelConfig, TensorNames, malformed};
use crate::Error;
use crate::kernels::{Gate, Heads};
use crate::layers::norm::NormSpec;
use crate::layers::rotary::{Rotary, RotarySource};
use crate::stacked::MOST_EXPERTS;

/// The description of one model: its family's, with the sizes of its own `config.json`.
#[derive(Clone, Debug)]
pub(crate) struct DecoderSpec {
    /// The class as the config names it, as `Qwen2ForCausalLM`.
    pub class: String,
    pub tensors: &'static TensorNames,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    /// In their order.
    pub blocks: Vec<BlockSpec>,
    pub heads: Heads,
    /// Most tokens of a sequence.
    pub context: usize,
    pub vocabulary: usize,
    pub norm: NormSpec,
    /// Is the output layer the embedding?
    pub tied_embedding: bool,
    /// Of a head that has some.
    pub labels: usize,
    /// What blocks choose from.
    pub rotations: Vec<Rotary>,
    /// Are neighbouring numbers of a head rotated together, and not those half a head apart? Only GGUF files say so.
    pub rotates_neighbours: bool,
    /// Norms of queries and keys.
    pub head_norms: HeadNorms,
    /// Of attention, in all blocks; windows are the blocks' own.
    pub scores: ScoreSpec,
    /// Between the two halves of a feed-forward part.
    pub gate: Gate,
    /// Of blocks whose feed-forward part is a mixture.
    pub experts: Option<ExpertsSpec>,
    /// What embeddings are multiplied by.
    pub embedding_scale: f32,
    /// What bounds the logits of the next token, softly.
    pub logit_cap: Option<f32>,
}

/// What is done to the scores of attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreSpec {
    /// Products of queries and keys are multiplied by this.
    pub scale: f32,
    /// Bounds scores softly.
    pub cap: Option<f32>,
}

/// What one block of a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSpec {
    /// How many tokens back attention sees, itself included; none sees all.
    pub window: Option<usize>,
    /// Which of the model's rotations tells positions; none tells none.
    pub rotation: Option<usize>,
    /// Is its feed-forward part a mixture of experts?
    pub mixed: bool,
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpertsSpec {
    pub count: usize,
    /// How many of them a token goes to.
    pub chosen: usize,
    /// Numbers between the two halves of an expert.
    pub width: usize,
    /// Are shares those among all experts, and not those among the chosen ones?
    pub shares_of_all: bool,
}

/// What is normed of queries and keys before they are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadNorms {
    None,
    /// Every head by itself.
    Each,
    /// All heads as one.
    Together,
}

/// No model has more of anything but positions; the product of two fits a machine's word.
const MOST: usize = 1 << 31;

/// No model has more blocks.
const MOST_LAYERS: usize = 1 << 16;

impl DecoderSpec {
    /// What the keys that all families have say, with a family's defaults.
    pub(super) fn usual(
        config: &ModelConfig,
        class: String,
        family: &'static Architecture,
    ) -> Result<Self, Error> {
        runnable(config)?;
        let defaults = &family.defaults;
        let queries = config.get("num_attention_heads")?.unwrap_or(defaults.heads);
        let hidden_size = config.get("hidden_size")?.unwrap_or(defaults.hidden_size);
        let intermediate_size = config.get("intermediate_size")?;
        let intermediate_size = intermediate_size.unwrap_or(defaults.intermediate_size);
        let layers = config.get("num_hidden_layers")?.unwrap_or(defaults.layers);
        let vocabulary = config.get("vocab_size")?.unwrap_or(defaults.vocabulary);
        // Null is as many as of queries, or as wide as they fit.
        let usual = defaults
            .key_heads
            .filter(|&keys| queries.is_multiple_of(keys));
        let keys = config.nullable("num_key_value_heads", usual)?;
        let keys = keys.unwrap_or(queries);
        let head_size = config.nullable("head_dim", defaults.head_size)?;
        let positions = config.get("max_position_embeddings")?;
        let positions = positions.unwrap_or(defaults.positions);
        let sizes = [
            ("hidden_size", hidden_size, MOST),
            ("intermediate_size", intermediate_size, MOST),
            ("num_hidden_layers", layers, MOST_LAYERS),
            ("num_attention_heads", queries, MOST),
            ("num_key_value_heads", keys, MOST),
            ("head_dim", head_size.unwrap_or(1), MOST),
            ("vocab_size", vocabulary, MOST),
        ];
        if positions == 0 {
            return Err(malformed("max_position_embeddings is 0".into()));
        }
        if let Some((name, size, _)) = sizes
            .iter()
            .find(|(_, size, most)| !(1..=*most).contains(size))
        {
            return Err(malformed(format!("{name} is {size}")));
        }
        if head_size.is_none() && !hidden_size.is_multiple_of(queries) {
            return Err(malformed(format!(
                "{queries} heads do not divide {hidden_size}"
            )));
        }
        let size = head_size.unwrap_or(hidden_size / queries);
        let turned = config.get("rotated_size")?.unwrap_or(size);
        if !turned.is_multiple_of(2) || !(1..=size).contains(&turned) {
            return Err(malformed(match turned == size {
                true => format!("a head of {size} numbers cannot be rotated"),
                false => format!("{turned} of a head's {size} numbers cannot be rotated"),
            }));
        }
        if !queries.is_multiple_of(keys) {
            return Err(malformed(format!(
                "{keys} key heads do not divide {queries}"
            )));
        }
        let rotary = Rotary::read(&RotarySource {
            newer: config.get("rope_parameters")?,
            older: config.get("rope_scaling")?,
            theta: config.get("rope_theta")?.unwrap_or(defaults.theta),
            partial: config.get("partial_rotary_factor")?,
            positions,
            size: turned,
        })?;
        let named = config.get::<Map<String, Value>>("id2label")?;
        let labels = config.get("num_labels")?.or(named.map(|names| names.len()));
        let tied = config.get("tie_word_embeddings")?;
        let block = BlockSpec {
            window: None,
            rotation: Some(0),
            mixed: false,
        };
        Ok(Self {
            class,
            tensors: family.tensors,
            hidden_size,
            intermediate_size,
            blocks: vec![block; layers],
            heads: Heads {
                queries,
                keys,
                size,
            },
            context: rotary.context().min(positions),
            vocabulary,
            norm: NormSpec {
                eps: config.get("rms_norm_eps")?.unwrap_or(defaults.eps),
                offset: 0.0,
            },
            tied_embedding: tied.unwrap_or(defaults.tied),
            labels: labels.unwrap_or(2),
            rotations: vec![rotary],
            rotates_neighbours: config.get("rotates_neighbours")?.unwrap_or(false),
            head_norms: HeadNorms::None,
            scores: ScoreSpec {
                scale: 1.0 / (size as f32).sqrt(),
                cap: None,
            },
            gate: gate(config)?,
            experts: None,
            embedding_scale: 1.0,
            logit_cap: None,
        })
    }

    /// Lets some blocks see only so many tokens back, themselves included; none or zero is all.
    pub(super) fn slide(&mut self, size: Option<usize>, slides: impl Fn(usize) -> bool) {
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.window = size.filter(|&size| size > 0 && slides(index));
        }
    }

    /// Makes the feed-forward parts of some blocks mixtures.
    pub(super) fn mix(
        &mut self,
        experts: ExpertsSpec,
        mixed: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let sizes = [
            ("the number of experts", experts.count, MOST_EXPERTS),
            (
                "the number of experts of a token",
                experts.chosen,
                experts.count,
            ),
            ("the width of an expert", experts.width, MOST),
        ];
        if let Some((name, size, most)) = sizes
            .iter()
            .find(|(_, size, most)| !(1..=*most).contains(size))
        {
            return Err(malformed(format!("{name} is {size}, not from 1 to {most}")));
        }
        for (index, block) in self.blocks.iter_mut().enumerate() {
            block.mixed = mixed(index);
        }
        self.experts = Some(experts);
        Ok(())
    }

    /// Parameters that a token does not use: those of the experts that it does not go to.
    pub(crate) fn idle_parameters(&self) -> u64 {
        let Some(experts) = self.experts else {
            return 0;
        };
        let mixed = self.blocks.iter().filter(|block| block.mixed).count() as u64;
        let idle = (experts.count - experts.chosen) as u64 * mixed;
        let each = 3 * self.hidden_size as u64 * experts.width as u64;
        idle.saturating_mul(each)
    }

    /// The error of a model in a role that it cannot play.
    pub(crate) fn cannot_be(&self, role: &'static str) -> Error {
        Error::Role {
            architecture: self.class.clone(),
            role,
        }
    }

    /// The name of the embedding's tensor, under a root as `model`.
    pub(crate) fn embedding_name(&self, root: &str) -> String {
        format!("{root}.{}.weight", self.tensors.embedding)
    }

    /// What the names of a block's tensors begin with.
    pub(crate) fn block_name(&self, root: &str, layer: usize) -> String {
        format!("{root}.{}.{layer}", self.tensors.layers)
    }
}

/// Which layers slide by `layer_types`, if a config has it.
pub(super) fn sliding_layers(config: &ModelConfig) -> Result<Option<Vec<bool>>, Error> {
    let types = config.get::<Vec<String>>("layer_types")?;
    let slides = |kind: String| kind == "sliding_attention";
    Ok(types.map(|types| types.into_iter().map(slides).collect()))
}

/// What a list with one a layer says of a layer.
pub(super) fn of_layer(list: &[bool], layer: usize) -> bool {
    list.get(layer).copied().unwrap_or(false)
}

/// Refuses what no family runs.
fn runnable(config: &ModelConfig) -> Result<(), Error> {
    if let Some(quantization) = config.get::<Map<String, Value>>("quantization_config")? {
        let method = quantization.get("quant_method").and_then(Value::as_str);
        return Err(Error::Unsupported {
            what: format!(
                "weights that are quantized by {}; take the checkpoint that they were made from, or a GGUF file",
                method.unwrap_or("a method that config.json does not name")
            ),
        });
    }
    Ok(())
}

fn gate(config: &ModelConfig) -> Result<Gate, Error> {
    match config.get::<String>("hidden_act")?.as_deref() {
        None | Some("silu" | "swish") => Ok(Gate::Silu),
        Some("gelu_pytorch_tanh" | "gelu_new") => Ok(Gate::GeluTanh),
        Some(other) => Err(Error::Unsupported {
            what: format!("the activation {other}"),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn tiny() -> Value {
        json!({
            "architectures": ["Qwen2ForCausalLM"], "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 1024, "vocab_size": 320, "rms_norm_eps": 1e-6,
        })
    }

    fn with(changes: Value) -> Result<DecoderSpec, Error> {
        let mut config = tiny();
        for (key, value) in changes.as_object().unwrap() {
            match value.as_str() {
                Some("left out") => drop(config.as_object_mut().unwrap().remove(key)),
                _ => config[key] = value.clone(),
            }
        }
        DecoderSpec::parse(config.to_string().as_bytes())
    }

    fn frequencies(spec: &DecoderSpec) -> (Vec<f32>, f32) {
        spec.rotations[0].frequencies().unwrap()
    }

    #[test]
    fn what_is_left_out_is_as_in_transformers() {
        let config = with(json!({"num_key_value_heads": null, "head_dim": null})).unwrap();
        assert_eq!((config.heads.keys, config.heads.size), (4, 8));
        let shape = |changes: Value| {
            let config = with(changes).unwrap();
            (
                config.heads.keys,
                config.heads.size,
                config.blocks[0].window,
                config.context,
            )
        };
        let left = "left out";
        let of = |architecture: &str| {
            json!({
                "architectures": [architecture], "num_attention_heads": 32, "hidden_size": 4096,
                "num_key_value_heads": left, "max_position_embeddings": left, "head_dim": left,
            })
        };
        assert_eq!(shape(of("LlamaForCausalLM")), (32, 128, None, 2048));
        assert_eq!(
            shape(of("MistralForCausalLM")),
            (8, 128, Some(4096), 131_072)
        );
        assert_eq!(shape(of("Qwen2ForCausalLM")), (32, 128, None, 32_768));
        let narrow = json!({"architectures": ["Qwen3ForCausalLM"], "head_dim": left});
        assert_eq!(
            shape(narrow).1,
            128,
            "Qwen3's heads are as wide as that whatever they fit"
        );
        let none = json!({"architectures": ["MistralForCausalLM"], "sliding_window": null});
        assert_eq!(shape(none).2, None);
        let window =
            json!({"use_sliding_window": true, "sliding_window": 64, "max_window_layers": 1});
        let config = with(window).unwrap();
        assert_eq!(
            [config.blocks[0].window, config.blocks[1].window],
            [None, Some(64)]
        );
        let typed =
            with(json!({"architectures": null, "model_type": "mistral", "surplus": [1]})).unwrap();
        assert_eq!(typed.class, "MistralForCausalLM");
        assert!(!typed.tied_embedding);
    }

    #[test]
    fn rotary_positions_are_told_in_many_ways() {
        let told = |changes: Value| frequencies(&with(changes).unwrap());
        let plain = told(json!({}));
        assert_eq!(
            plain,
            told(json!({"rope_theta": 10_000, "rope_scaling": null, "rope_parameters": null}))
        );
        let both = json!({"type": "default", "rope_type": "default", "rope_theta": 10_000.0});
        assert_eq!(plain, told(json!({"rope_parameters": both})));
        assert_eq!(
            plain,
            told(json!({"rope_scaling": {"type": "default", "rope_type": "default"}}))
        );
        assert_eq!(
            plain,
            told(
                json!({"rope_parameters": {}, "rope_scaling": {"rope_type": null, "factor": null}})
            )
        );
        let nested = json!({"full_attention": both, "sliding_attention": both});
        assert_eq!(plain, told(json!({"rope_parameters": nested})));
        assert_ne!(
            plain,
            told(json!({"rope_parameters": {"rope_theta": 500_000.0}}))
        );
        let linear = told(json!({"rope_scaling": {"type": "linear", "factor": 2}}));
        let halves: Vec<f32> = plain.0.iter().map(|frequency| frequency / 2.0).collect();
        assert_eq!(linear.0, halves);
        let newer = json!({"rope_type": "default", "rope_theta": 10_000.0});
        let older = json!({"type": "linear", "factor": 2.0});
        assert_eq!(
            linear,
            told(json!({"rope_parameters": newer, "rope_scaling": older}))
        );
        let dynamic =
            json!({"type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 512});
        let dynamic = with(json!({"rope_scaling": dynamic})).unwrap();
        assert_eq!((frequencies(&dynamic), dynamic.context), (plain, 512));
        let yarn =
            json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 256});
        let (_, attention) = told(json!({"rope_scaling": yarn}));
        assert!((attention - 1.138_63).abs() < 1e-4, "{attention}");
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let refusal = |changes: Value| {
            let message = with(changes).unwrap_err().to_string();
            message.split(". A server").next().unwrap().to_owned()
        };
        insta::assert_snapshot!(refusal(json!({"num_hidden_layers": 1_000_000_000_000_000_000_u64})), @"config.json is malformed: num_hidden_layers is 1000000000000000000");
        insta::assert_snapshot!(refusal(json!({"num_attention_heads": 0})), @"config.json is malformed: num_attention_heads is 0");
        insta::assert_snapshot!(refusal(json!({"hidden_size": 33})), @"config.json is malformed: 4 heads do not divide 33");
        insta::assert_snapshot!(refusal(json!({"num_key_value_heads": 3})), @"config.json is malformed: 3 key heads do not divide 4");
        insta::assert_snapshot!(refusal(json!({"head_dim": 7})), @"config.json is malformed: a head of 7 numbers cannot be rotated");
        insta::assert_snapshot!(refusal(json!({"architectures": []})), @"config.json is malformed: it names no architecture");
        insta::assert_snapshot!(refusal(json!({"architectures": ["Qwen2MoeForCausalLM"]})), @"cannot run the architecture Qwen2MoeForCausalLM, only the decoders of Llama, Mistral, Qwen2, Qwen3, Qwen3Moe, SmolLM3, Olmo2, Phi3, Gemma2, Gemma3, GptOss");
        insta::assert_snapshot!(refusal(json!({"architectures": null, "model_type": "mamba"})), @"cannot run the architecture mamba, only the decoders of Llama, Mistral, Qwen2, Qwen3, Qwen3Moe, SmolLM3, Olmo2, Phi3, Gemma2, Gemma3, GptOss");
        insta::assert_snapshot!(refusal(json!({"hidden_act": "gelu"})), @"cannot run the activation gelu");
        insta::assert_snapshot!(refusal(json!({"quantization_config": {"quant_method": "awq", "bits": 4}})), @"cannot run weights that are quantized by awq; take the checkpoint that they were made from, or a GGUF file");
        insta::assert_snapshot!(refusal(json!({"quantization_config": {}})), @"cannot run weights that are quantized by a method that config.json does not name; take the checkpoint that they were made from, or a GGUF file");
        insta::assert_snapshot!(refusal(json!({"rope_scaling": {"type": "ntk", "factor": 2.0}})), @"cannot run rotary scaling of type ntk");
        insta::assert_snapshot!(refusal(json!({"rope_scaling": {"type": "linear"}})), @"config.json is malformed: the rotary scaling has no factor");
        insta::assert_snapshot!(refusal(json!({"rope_scaling": {"type": "linear", "factor": "two"}})), @r#"config.json is malformed: factor of its rotary positions is "two""#);
        insta::assert_snapshot!(refusal(json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}})), @"config.json is malformed: the rotary scaling has no low_freq_factor");
        insta::assert_snapshot!(refusal(json!({"rope_theta": -1})), @"config.json is malformed: rope_theta is -1");
        insta::assert_snapshot!(refusal(json!({"partial_rotary_factor": 0.5})), @"cannot run heads of which 0.5 is rotated");
        let apart = json!({"full_attention": {"rope_theta": 1e6}, "sliding_attention": {"rope_theta": 1e4}});
        insta::assert_snapshot!(refusal(json!({"rope_parameters": apart})), @"cannot run rotary positions that differ between layers");
        insta::assert_snapshot!(refusal(json!({"rope_parameters": "yarn"})), @r#"config.json is malformed: rope_parameters: invalid type: string "yarn", expected a map"#);
    }
}
