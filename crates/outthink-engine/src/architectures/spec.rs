//! What a decoder is built from, whichever family it is of: sizes, positions, and what each block has.

use serde_json::{Map, Value};

use super::{Architecture, ModelConfig, TensorNames, malformed};
use crate::Error;
use crate::kernels::Heads;
use crate::layers::rotary::Rotary;

/// The description of one model: its family's, with the sizes of its own `config.json`.
#[derive(Clone, Debug)]
pub(crate) struct DecoderSpec {
    /// The class as the config names it, as `Qwen2ForCausalLM`.
    pub class: String,
    pub tensors: &'static TensorNames,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    pub heads: Heads,
    /// Most tokens of a sequence.
    pub context: usize,
    pub vocabulary: usize,
    pub norm_eps: f64,
    /// Is the output layer the embedding?
    pub tied_embedding: bool,
    /// Of a head that has some.
    pub labels: usize,
    pub rotary: Rotary,
    /// Are neighbouring numbers of a head rotated together, and not those half a head apart? Only GGUF files say so.
    pub rotates_neighbours: bool,
    pub windows: SlidingWindows,
    /// Is there a norm of every query and key head?
    pub head_norms: bool,
}

/// What one block of a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockSpec {
    /// How many tokens back attention sees, itself included; none sees all.
    pub window: Option<usize>,
    pub head_norms: bool,
}

/// Which blocks see only so many tokens back, themselves included.
#[derive(Clone, Debug)]
pub(crate) enum SlidingWindows {
    None,
    /// All from this one on.
    From {
        first: usize,
        size: usize,
    },
    /// Those that are true.
    Each {
        slides: Vec<bool>,
        size: usize,
    },
}

impl SlidingWindows {
    /// From `layer_types`, if a config has it.
    pub(crate) fn of_types(config: &ModelConfig, size: usize) -> Result<Option<Self>, Error> {
        let types = config.get::<Vec<String>>("layer_types")?;
        Ok(types.map(|types| Self::Each {
            slides: types
                .iter()
                .map(|kind| kind == "sliding_attention")
                .collect(),
            size,
        }))
    }

    fn of(&self, layer: usize) -> Option<usize> {
        let (size, slides) = match self {
            Self::None => return None,
            Self::From { first, size } => (size, layer >= *first),
            Self::Each { slides, size } => (size, slides.get(layer).copied().unwrap_or(false)),
        };
        slides.then_some(*size)
    }
}

/// What all configuration classes take for what a config leaves out.
const HIDDEN_SIZE: usize = 4096;
const LAYERS: usize = 32;
const HEADS: usize = 32;

/// No model has more of anything but positions; the product of two fits a machine's word.
const MOST: usize = 1 << 31;

impl DecoderSpec {
    /// What the keys that all families have say, with a family's defaults.
    pub(super) fn usual(
        config: &ModelConfig,
        class: String,
        family: &'static Architecture,
    ) -> Result<Self, Error> {
        runnable(config)?;
        let defaults = &family.defaults;
        let queries = config.get("num_attention_heads")?.unwrap_or(HEADS);
        let hidden_size = config.get("hidden_size")?.unwrap_or(HIDDEN_SIZE);
        let intermediate_size = config.get("intermediate_size")?;
        let intermediate_size = intermediate_size.unwrap_or(defaults.intermediate_size);
        let layers = config.get("num_hidden_layers")?.unwrap_or(LAYERS);
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
            ("hidden_size", hidden_size),
            ("intermediate_size", intermediate_size),
            ("num_hidden_layers", layers),
            ("num_attention_heads", queries),
            ("num_key_value_heads", keys),
            ("head_dim", head_size.unwrap_or(1)),
            ("vocab_size", vocabulary),
        ];
        if positions == 0 {
            return Err(malformed("max_position_embeddings is 0".into()));
        }
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Err(malformed(format!("{name} is {size}")));
        }
        if head_size.is_none() && !hidden_size.is_multiple_of(queries) {
            return Err(malformed(format!(
                "{queries} heads do not divide {hidden_size}"
            )));
        }
        let size = head_size.unwrap_or(hidden_size / queries);
        if !size.is_multiple_of(2) || size == 0 {
            return Err(malformed(format!(
                "a head of {size} numbers cannot be rotated"
            )));
        }
        if !queries.is_multiple_of(keys) {
            return Err(malformed(format!(
                "{keys} key heads do not divide {queries}"
            )));
        }
        let tables = [config.get("rope_parameters")?, config.get("rope_scaling")?];
        let rotary = Rotary::read(
            [&tables[0], &tables[1]],
            config.get("rope_theta")?,
            config.get("partial_rotary_factor")?,
            positions,
        )?;
        let named = config.get::<Map<String, Value>>("id2label")?;
        let labels = config.get("num_labels")?.or(named.map(|names| names.len()));
        Ok(Self {
            class,
            tensors: family.tensors,
            hidden_size,
            intermediate_size,
            layers,
            heads: Heads {
                queries,
                keys,
                size,
            },
            context: rotary.context().min(positions),
            vocabulary,
            norm_eps: config.get("rms_norm_eps")?.unwrap_or(1e-6),
            tied_embedding: config.get("tie_word_embeddings")?.unwrap_or(false),
            labels: labels.unwrap_or(2),
            rotary,
            rotates_neighbours: config.get("rotates_neighbours")?.unwrap_or(false),
            windows: SlidingWindows::None,
            head_norms: false,
        })
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

    pub(crate) fn block(&self, layer: usize) -> BlockSpec {
        BlockSpec {
            window: self.windows.of(layer),
            head_norms: self.head_norms,
        }
    }
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
    match config.get::<String>("hidden_act")? {
        Some(other) if !matches!(other.as_str(), "silu" | "swish") => Err(Error::Unsupported {
            what: format!("the activation {other}"),
        }),
        _ => Ok(()),
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
        spec.rotary.frequencies(spec.heads.size).unwrap()
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
                config.block(0).window,
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
            [config.block(0).window, config.block(1).window],
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
        insta::assert_snapshot!(refusal(json!({"architectures": ["Qwen2MoeForCausalLM"]})), @"cannot run the architecture Qwen2MoeForCausalLM, only the decoders of Llama, Mistral, Qwen2, Qwen3");
        insta::assert_snapshot!(refusal(json!({"architectures": null, "model_type": "gemma3"})), @"cannot run the architecture gemma3, only the decoders of Llama, Mistral, Qwen2, Qwen3");
        insta::assert_snapshot!(refusal(json!({"hidden_act": "gelu"})), @"cannot run the activation gelu");
        insta::assert_snapshot!(refusal(json!({"quantization_config": {"quant_method": "awq", "bits": 4}})), @"cannot run weights that are quantized by awq; take the checkpoint that they were made from, or a GGUF file");
        insta::assert_snapshot!(refusal(json!({"quantization_config": {}})), @"cannot run weights that are quantized by a method that config.json does not name; take the checkpoint that they were made from, or a GGUF file");
        insta::assert_snapshot!(refusal(json!({"rope_scaling": {"type": "longrope", "factor": 2.0}})), @"cannot run rotary scaling of type longrope");
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
