//! gpt-oss: mixtures of experts with bounded gates and biases, every other layer a window, and in each head's softmax a sink that
//! takes a share and gives nothing. Its experts are published in MXFP4.

use serde_json::{Map, Value, json};

use super::spec::{of_layer, sliding_layers};
use super::{Architecture, Defaults, ExpertsSpec, GgufFormat, TensorNames, llama};
use crate::kernels::Gate;

pub(super) const GPT_OSS: Architecture = Architecture {
    name: "GptOss",
    model_types: &["gpt_oss"],
    defaults: Defaults {
        vocabulary: 201_088,
        hidden_size: 2880,
        intermediate_size: 2880,
        layers: 36,
        heads: 64,
        key_heads: Some(8),
        head_size: Some(64),
        positions: 131_072,
        eps: 1e-5,
        theta: 150_000.0,
        ..Defaults::USUAL
    },
    tensors: &TensorNames {
        sinks: Some("self_attn.sinks"),
        router: "mlp.router",
        ..llama::TENSORS
    },
    translate: |config| {
        // It has an activation of its own.
        config.take("hidden_act");
        let quantized = config.get::<Map<String, Value>>("quantization_config")?;
        let method = quantized.as_ref().and_then(|own| own.get("quant_method"));
        if method.and_then(Value::as_str) == Some("mxfp4") {
            config.take("quantization_config");
        }
        if !config.has("rope_parameters") && !config.has("rope_scaling") {
            config.say(
                "rope_scaling",
                json!({
                    "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": false,
                    "original_max_position_embeddings": 4096,
                }),
            );
        }
        Ok(())
    },
    describe: |config, spec| {
        let size = config.nullable("sliding_window", Some(128))?;
        match sliding_layers(config)? {
            Some(slides) => spec.slide(size, |layer| of_layer(&slides, layer)),
            None => {
                let pattern = config.get("sliding_window_pattern")?.unwrap_or(2);
                spec.slide(size, |layer| !(layer + 1).is_multiple_of(pattern));
            }
        }
        spec.gate = Gate::Bounded {
            limit: config.get("swiglu_limit")?.unwrap_or(7.0),
            alpha: config.get("swiglu_alpha")?.unwrap_or(1.702),
        };
        let count = config
            .get("num_local_experts")?
            .or(config.get("num_experts")?);
        let chosen = config
            .get("num_experts_per_tok")?
            .or(config.get("experts_per_token")?);
        let own = ExpertsSpec {
            count: count.unwrap_or(128),
            chosen: chosen.unwrap_or(4),
            width: spec.intermediate_size,
            shares_of_all: false,
        };
        spec.mix(own, |_| true)
    },
    gguf: Some(GgufFormat {
        name: "gpt-oss",
        class: "GptOssForCausalLM",
        own_tensors: &[
            ("attn_sinks", "self_attn.sinks"),
            ("post_attention_norm", "post_attention_layernorm"),
            ("ffn_gate_inp", "mlp.router"),
            ("ffn_gate_exps", "mlp.experts.gate_proj"),
            ("ffn_up_exps", "mlp.experts.up_proj"),
            ("ffn_down_exps", "mlp.experts.down_proj"),
        ],
        describe: |header, config| {
            let number = |key: &str| header.number(&format!("gpt-oss.{key}"));
            let own = [
                ("expert_count", "num_local_experts"),
                ("expert_used_count", "num_experts_per_tok"),
                ("attention.sliding_window", "sliding_window"),
            ];
            for (theirs, ours) in own {
                if let Some(value) = number(theirs) {
                    config.insert(ours.into(), value.into());
                }
            }
            if let Some(width) = number("expert_feed_forward_length") {
                config.insert("intermediate_size".into(), width.into());
            }
            header.window_pattern("gpt-oss", config);
            // The file does not say it of the model.
            if let Some(Value::Object(scaling)) = config.get_mut("rope_scaling") {
                scaling.insert("truncate".into(), false.into());
            }
            Ok(())
        },
    }),
};
