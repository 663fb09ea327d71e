//! Gemma 2 and 3: norms around attention and the feed-forward part whose weights are told without their one, GELU, scaled
//! embeddings. In Gemma 2 every other layer slides, and scores and logits have caps; in Gemma 3 a few layers see all, with
//! rotations of their own, and every head has a norm. A Gemma 3 that sees holds its decoder's config within its own.

use serde_json::{Map, Value, json};

use super::spec::{of_layer, sliding_layers};
use super::{
    Architecture, Defaults, GgufFormat, HeadNorms, ModelConfig, NormNames, TensorNames, llama,
    malformed,
};
use crate::Error;
use crate::gguf::Header;
use crate::layers::rotary::{Rotary, RotarySource};

pub(super) const GEMMA2: Architecture = Architecture {
    name: "Gemma2",
    model_types: &["gemma2"],
    defaults: Defaults {
        vocabulary: 256_000,
        positions: 8192,
        ..DEFAULTS
    },
    tensors: &TENSORS,
    translate,
    describe: |config, spec| {
        common(config, spec, 2)?;
        spec.scores.cap = cap(config, "attn_logit_softcapping", Some(50.0))?;
        spec.logit_cap = cap(config, "final_logit_softcapping", Some(30.0))?;
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "gemma2",
        class: "Gemma2ForCausalLM",
        own_tensors: &GGUF_TENSORS,
        describe: |header, config| {
            gguf(header, config, "gemma2", 46);
            for cap in ["attn_logit_softcapping", "final_logit_softcapping"] {
                if let Some(own) = header.real(&format!("gemma2.{cap}")) {
                    config.insert(cap.into(), json!(own));
                }
            }
            Ok(())
        },
    }),
};

pub(super) const GEMMA3: Architecture = Architecture {
    name: "Gemma3",
    model_types: &["gemma3_text", "gemma3"],
    defaults: Defaults {
        vocabulary: 262_208,
        positions: 131_072,
        theta: 1_000_000.0,
        ..DEFAULTS
    },
    tensors: &TENSORS,
    translate: |config| {
        if let Some(text) = config.get::<Map<String, Value>>("text_config")? {
            for (key, value) in text {
                if key != "architectures" && key != "model_type" {
                    config.say(&key, value);
                }
            }
        }
        // The newest way to tell both tables.
        if let Some(mut tables) = config.get::<Map<String, Value>>("rope_parameters")?
            && let Some(full) = tables.remove("full_attention")
        {
            let sliding = tables.remove("sliding_attention");
            if let Some(theta) = sliding.as_ref().and_then(|table| table.get("rope_theta")) {
                config.say("rope_local_base_freq", theta.clone());
            }
            config.say("rope_parameters", full);
        }
        translate(config)
    },
    describe: |config, spec| {
        common(config, spec, 6)?;
        spec.head_norms = HeadNorms::Each;
        spec.logit_cap = cap(config, "final_logit_softcapping", None)?;
        // Layers that slide have plain rotations, however the others' are stretched.
        let local = RotarySource {
            newer: None,
            older: None,
            theta: config.get("rope_local_base_freq")?.unwrap_or(10_000.0),
            partial: None,
            positions: spec.context,
            size: spec.heads.size,
        };
        spec.rotations.push(Rotary::read(&local)?);
        for block in &mut spec.blocks {
            block.rotation = Some(usize::from(block.window.is_some()));
        }
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "gemma3",
        class: "Gemma3ForCausalLM",
        own_tensors: &GGUF_TENSORS,
        describe: |header, config| {
            gguf(header, config, "gemma3", 62);
            // Of a file that says nothing of windows no layer slides.
            let window = header.number("gemma3.attention.sliding_window");
            config.insert("sliding_window".into(), json!(window));
            let own = [
                ("rope.freq_base_swa", "rope_local_base_freq"),
                ("final_logit_softcapping", "final_logit_softcapping"),
            ];
            for (theirs, ours) in own {
                if let Some(value) = header.real(&format!("gemma3.{theirs}")) {
                    config.insert(ours.into(), json!(value));
                }
            }
            Ok(())
        },
    }),
};

const DEFAULTS: Defaults = Defaults {
    hidden_size: 2304,
    intermediate_size: 9216,
    layers: 26,
    heads: 8,
    key_heads: Some(4),
    head_size: Some(256),
    tied: true,
    ..Defaults::USUAL
};

const TENSORS: TensorNames = TensorNames {
    attention_norms: NormNames {
        before: Some("input_layernorm"),
        after: Some("post_attention_layernorm"),
    },
    mlp_norms: NormNames {
        before: Some("pre_feedforward_layernorm"),
        after: Some("post_feedforward_layernorm"),
    },
    ..llama::TENSORS
};

const GGUF_TENSORS: [(&str, &str); 3] = [
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

fn translate(config: &mut ModelConfig) -> Result<(), Error> {
    // What others call the activation stands in its configs, too, and means nothing.
    config.take("hidden_act");
    let activation = config.take("hidden_activation");
    let usual = || "gelu_pytorch_tanh".into();
    config.say("hidden_act", activation.unwrap_or_else(usual));
    if config.get("use_bidirectional_attention")? == Some(true) {
        return Err(Error::Unsupported {
            what: "attention to tokens that are yet to come".into(),
        });
    }
    Ok(())
}

/// `pattern`: of so many layers the last sees all, if the config does not say.
fn common(
    config: &ModelConfig,
    spec: &mut super::DecoderSpec,
    pattern: usize,
) -> Result<(), Error> {
    // Files in GGUF hold the sum.
    if config.get("norms_hold_their_one")? != Some(true) {
        spec.norm.offset = 1.0;
    }
    spec.embedding_scale = (spec.hidden_size as f32).sqrt();
    let scale: f32 = config.get("query_pre_attn_scalar")?.unwrap_or(256.0);
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(malformed(format!("query_pre_attn_scalar is {scale}")));
    }
    spec.scores.scale = 1.0 / scale.sqrt();
    let size = config.nullable("sliding_window", Some(4096))?;
    match sliding_layers(config)? {
        Some(slides) => spec.slide(size, |layer| of_layer(&slides, layer)),
        None => {
            let newer = config.get("_sliding_window_pattern")?;
            let pattern = config
                .get("sliding_window_pattern")?
                .or(newer)
                .unwrap_or(pattern);
            spec.slide(size, |layer| !(layer + 1).is_multiple_of(pattern));
        }
    }
    Ok(())
}

fn cap(config: &ModelConfig, key: &str, usual: Option<f32>) -> Result<Option<f32>, Error> {
    match config.nullable(key, usual)? {
        Some(cap) if !(cap > 0.0 && cap.is_finite()) => Err(malformed(format!("{key} is {cap}"))),
        cap => Ok(cap),
    }
}

/// What the file of either says, or what llama.cpp takes for granted; the largest model has so many layers.
fn gguf(header: &Header, config: &mut Map<String, Value>, name: &str, layers_of_largest: u64) {
    let number = |config: &Map<String, Value>, key: &str| config.get(key).and_then(Value::as_u64);
    let largest = number(config, "num_hidden_layers") == Some(layers_of_largest);
    let scalar = match (
        number(config, "hidden_size"),
        number(config, "num_attention_heads"),
    ) {
        (Some(hidden), Some(heads)) if largest => hidden.checked_div(heads),
        _ => number(config, "head_dim"),
    };
    config.insert("query_pre_attn_scalar".into(), json!(scalar));
    config.insert("norms_hold_their_one".into(), true.into());
    if let Some(window) = header.number(&format!("{name}.attention.sliding_window")) {
        config.insert("sliding_window".into(), window.into());
    }
    header.window_pattern(name, config);
}
