//! `config.json`: the shape of a decoder, whichever family it is of.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::Error;
use crate::rotary::Rotary;

/// What of `config.json` the decoder needs.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    architecture: String,
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    key_heads: usize,
    head_size: usize,
    /// Most tokens of a sequence.
    pub max_position_embeddings: usize,
    pub vocab_size: usize,
    pub rms_norm_eps: f64,
    pub tie_word_embeddings: bool,
    rotary: Rotary,
    window: Option<Window>,
    labels: usize,
    /// Are neighbouring numbers of a head rotated together, and not those half a head apart? Only GGUF files say so.
    pub rotates_neighbours: bool,
}

/// The file as it stands.
#[derive(Deserialize)]
struct File {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    hidden_size: Option<usize>,
    intermediate_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    // What is left out is the family's default, and null is as many as of queries, or as wide as they fit.
    #[serde(default, deserialize_with = "given")]
    num_key_value_heads: Option<Option<usize>>,
    #[serde(default, deserialize_with = "given")]
    head_dim: Option<Option<usize>>,
    max_position_embeddings: Option<usize>,
    vocab_size: Option<usize>,
    rms_norm_eps: Option<f64>,
    tie_word_embeddings: Option<bool>,
    hidden_act: Option<String>,
    rope_theta: Option<f64>,
    rope_parameters: Option<Map<String, Value>>,
    rope_scaling: Option<Map<String, Value>>,
    partial_rotary_factor: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    sliding_window: Option<Option<usize>>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    num_labels: Option<usize>,
    id2label: Option<Map<String, Value>>,
    quantization_config: Option<Map<String, Value>>,
    rotates_neighbours: Option<bool>,
}

/// Tells null from what is left out.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<usize>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A family whose decoder differs from the others' in nothing but what stands in its config, and what transformers takes
/// for what does not (`configuration_llama.py` and so on).
struct Family {
    name: &'static str,
    model_type: &'static str,
    vocab_size: usize,
    intermediate_size: usize,
    /// None is as many as of queries.
    key_heads: Option<usize>,
    /// None is as wide as the heads fit.
    head_size: Option<usize>,
    positions: usize,
    /// Of a config that does not speak of one.
    window: Option<usize>,
}

const FAMILIES: [Family; 4] = [
    Family {
        name: "Llama",
        model_type: "llama",
        vocab_size: 32_000,
        intermediate_size: 11_008,
        key_heads: None,
        head_size: None,
        positions: 2048,
        window: None,
    },
    Family {
        name: "Mistral",
        model_type: "mistral",
        vocab_size: 32_000,
        intermediate_size: 14_336,
        key_heads: Some(8),
        head_size: None,
        positions: 131_072,
        window: Some(4096),
    },
    Family {
        name: "Qwen2",
        model_type: "qwen2",
        vocab_size: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        head_size: None,
        positions: 32_768,
        window: Some(4096),
    },
    Family {
        name: "Qwen3",
        model_type: "qwen3",
        vocab_size: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        head_size: Some(128),
        positions: 32_768,
        window: Some(4096),
    },
];

/// Of all families.
const HIDDEN_SIZE: usize = 4096;
const LAYERS: usize = 32;
const HEADS: usize = 32;
const MAX_WINDOW_LAYERS: usize = 28;

/// No model has more of anything but positions; the product of two fits a machine's word.
const MOST: usize = 1 << 31;

/// Which layers see only so many tokens back, themselves included.
#[derive(Clone, Debug)]
struct Window {
    size: usize,
    layers: WindowLayers,
}

#[derive(Clone, Debug)]
enum WindowLayers {
    /// From this one on.
    From(usize),
    /// Those that are true.
    Each(Vec<bool>),
}

impl Config {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Error> {
        let file: File =
            serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        let (architecture, family) = file.family()?;
        let unsupported = |what: String| Err(Error::Unsupported { what });
        if let Some(quantization) = &file.quantization_config {
            let method = quantization.get("quant_method").and_then(Value::as_str);
            return unsupported(format!(
                "weights that are quantized by {}; take the checkpoint that they were made from, or a GGUF file",
                method.unwrap_or("a method that config.json does not name")
            ));
        }
        if let Some(other) = &file.hidden_act
            && !matches!(other.as_str(), "silu" | "swish")
        {
            return unsupported(format!("the activation {other}"));
        }
        let heads = file.num_attention_heads.unwrap_or(HEADS);
        let hidden_size = file.hidden_size.unwrap_or(HIDDEN_SIZE);
        let usual = family.key_heads.filter(|&keys| heads.is_multiple_of(keys));
        let key_heads = file.num_key_value_heads.unwrap_or(usual).unwrap_or(heads);
        let head_size = file.head_dim.unwrap_or(family.head_size);
        let max_position_embeddings = file.max_position_embeddings.unwrap_or(family.positions);
        let sizes = [
            ("hidden_size", hidden_size),
            (
                "intermediate_size",
                file.intermediate_size.unwrap_or(family.intermediate_size),
            ),
            (
                "num_hidden_layers",
                file.num_hidden_layers.unwrap_or(LAYERS),
            ),
            ("num_attention_heads", heads),
            ("num_key_value_heads", key_heads),
            ("head_dim", head_size.unwrap_or(1)),
            ("vocab_size", file.vocab_size.unwrap_or(family.vocab_size)),
        ];
        if max_position_embeddings == 0 {
            return Err(malformed("max_position_embeddings is 0".into()));
        }
        if let Some((name, size)) = sizes.iter().find(|(_, size)| !(1..=MOST).contains(size)) {
            return Err(malformed(format!("{name} is {size}")));
        }
        if head_size.is_none() && !hidden_size.is_multiple_of(heads) {
            return Err(malformed(format!(
                "{heads} heads do not divide {hidden_size}"
            )));
        }
        let head_size = head_size.unwrap_or(hidden_size / heads);
        if !head_size.is_multiple_of(2) || head_size == 0 {
            return Err(malformed(format!(
                "a head of {head_size} numbers cannot be rotated"
            )));
        }
        if !heads.is_multiple_of(key_heads) {
            return Err(malformed(format!(
                "{key_heads} key heads do not divide {heads}"
            )));
        }
        let rotary = Rotary::read(
            [&file.rope_parameters, &file.rope_scaling],
            file.rope_theta,
            file.partial_rotary_factor,
            max_position_embeddings,
        )?;
        let named = file.id2label.as_ref().map(Map::len);
        Ok(Self {
            hidden_size,
            intermediate_size: sizes[1].1,
            num_hidden_layers: sizes[2].1,
            num_attention_heads: heads,
            key_heads,
            head_size,
            max_position_embeddings: rotary.context().min(max_position_embeddings),
            vocab_size: sizes[6].1,
            rms_norm_eps: file.rms_norm_eps.unwrap_or(1e-6),
            tie_word_embeddings: file.tie_word_embeddings.unwrap_or(false),
            rotary,
            window: file.window(&architecture, family),
            labels: file.num_labels.or(named).unwrap_or(2),
            rotates_neighbours: file.rotates_neighbours.unwrap_or(false),
            architecture,
        })
    }

    pub(crate) fn architecture(&self) -> &str {
        &self.architecture
    }

    pub(crate) fn head_size(&self) -> usize {
        self.head_size
    }

    pub(crate) fn key_heads(&self) -> usize {
        self.key_heads
    }

    /// Labels of a head that has some.
    pub(crate) fn labels(&self) -> usize {
        self.labels
    }

    /// How many tokens back a layer sees, itself included; none sees all.
    pub(crate) fn window(&self, layer: usize) -> Option<usize> {
        let Window { size, layers } = self.window.as_ref()?;
        let has_one = match layers {
            WindowLayers::From(first) => layer >= *first,
            WindowLayers::Each(each) => each.get(layer).copied().unwrap_or(false),
        };
        has_one.then_some(*size)
    }

    /// Rotary frequencies of half a head, and what cosine and sine are multiplied by.
    pub(crate) fn rotary(&self) -> Result<(Vec<f32>, f32), Error> {
        self.rotary.frequencies(self.head_size)
    }
}

impl File {
    /// The first architecture, or else that of the type's language model, and its family.
    fn family(&self) -> Result<(String, &'static Family), Error> {
        let named = self.architectures.as_ref().and_then(|all| all.first());
        let typed = || {
            let kind = self.model_type.as_deref()?;
            let family = FAMILIES.iter().find(|family| family.model_type == kind);
            Some(family.map_or_else(
                || kind.to_owned(),
                |family| format!("{}ForCausalLM", family.name),
            ))
        };
        let architecture = named
            .cloned()
            .or_else(typed)
            .ok_or_else(|| malformed("it names no architecture".into()))?;
        let known = FAMILIES.iter().find(|family| {
            let rest = architecture.strip_prefix(family.name);
            rest.is_some_and(|rest| rest.starts_with("For"))
        });
        match known {
            Some(family) => Ok((architecture, family)),
            None => {
                let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
                Err(Error::Unsupported {
                    what: format!(
                        "the architecture {architecture}, only the decoders of {}",
                        known.join(", ")
                    ),
                })
            }
        }
    }

    fn window(&self, architecture: &str, family: &Family) -> Option<Window> {
        let size = self.sliding_window.unwrap_or(family.window)?;
        if let Some(types) = &self.layer_types {
            let slides = types.iter().map(|kind| kind == "sliding_attention");
            let layers = WindowLayers::Each(slides.collect());
            return Some(Window { size, layers });
        }
        // Qwen switches its window off in the config and, if it is on, spares the first layers; Mistral just has one.
        let first = match self.use_sliding_window {
            Some(false) => return None,
            Some(true) => self.max_window_layers.unwrap_or(MAX_WINDOW_LAYERS),
            None if architecture.starts_with("Mistral") => 0,
            None => return None,
        };
        Some(Window {
            size,
            layers: WindowLayers::From(first),
        })
    }
}

pub(crate) fn malformed(reason: String) -> Error {
    Error::Malformed {
        file: "config.json",
        reason,
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

    fn with(changes: Value) -> Result<Config, Error> {
        let mut config = tiny();
        for (key, value) in changes.as_object().unwrap() {
            match value.as_str() {
                Some("left out") => drop(config.as_object_mut().unwrap().remove(key)),
                _ => config[key] = value.clone(),
            }
        }
        Config::parse(config.to_string().as_bytes())
    }

    #[test]
    fn what_is_left_out_is_as_in_transformers() {
        let config = with(json!({"num_key_value_heads": null, "head_dim": null})).unwrap();
        assert_eq!((config.key_heads(), config.head_size()), (4, 8));
        let shape = |changes: Value| {
            let config = with(changes).unwrap();
            (
                config.key_heads(),
                config.head_size(),
                config.window(0),
                config.max_position_embeddings,
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
        assert_eq!([config.window(0), config.window(1)], [None, Some(64)]);
        let typed =
            with(json!({"architectures": null, "model_type": "mistral", "surplus": [1]})).unwrap();
        assert_eq!(typed.architecture(), "MistralForCausalLM");
        assert!(!typed.tie_word_embeddings);
    }

    #[test]
    fn rotary_positions_are_told_in_many_ways() {
        let told = |changes: Value| with(changes).unwrap().rotary().unwrap();
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
        assert_eq!(
            (dynamic.rotary().unwrap(), dynamic.max_position_embeddings),
            (plain, 512)
        );
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
        insta::assert_snapshot!(refusal(json!({"rope_parameters": "yarn"})), @r#"config.json is malformed: invalid type: string "yarn", expected a map at line 1 column 223"#);
    }
}
