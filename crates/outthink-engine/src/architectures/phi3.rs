//! Phi-3 and what follows it, as Phi-4-mini: Llama with fused projections, of whose heads a part may be rotated, by factors of
//! its own that depend on how long a text is.

use serde_json::{Value, json};

use super::{Architecture, Defaults, GgufFormat, TensorNames, llama};

pub(super) const PHI3: Architecture = Architecture {
    name: "Phi3",
    model_types: &["phi3"],
    defaults: Defaults {
        vocabulary: 32_064,
        hidden_size: 3072,
        intermediate_size: 8192,
        positions: 4096,
        eps: 1e-5,
        ..Defaults::USUAL
    },
    tensors: &TensorNames {
        qkv: &["self_attn.qkv_proj"],
        gate_up: &["mlp.gate_up_proj"],
        ..llama::TENSORS
    },
    translate: |config| {
        let original = config.take("original_max_position_embeddings");
        let mut partial = config.take("partial_rotary_factor");
        for key in ["rope_parameters", "rope_scaling"] {
            let Some(mut table) = config.get::<serde_json::Map<String, Value>>(key)? else {
                continue;
            };
            // Older words for the same.
            for kind in ["type", "rope_type"] {
                if let Some(kind) = table.get_mut(kind)
                    && matches!(kind.as_str(), Some("su" | "yarn"))
                {
                    *kind = "longrope".into();
                }
            }
            partial = table.remove("partial_rotary_factor").or(partial);
            if let Some(original) = &original {
                table.insert("original_max_position_embeddings".into(), original.clone());
            }
            config.say(key, table);
        }
        if let Some(partial) = partial.as_ref().and_then(Value::as_f64) {
            let heads = config
                .get("num_attention_heads")?
                .unwrap_or(PHI3.defaults.heads);
            let hidden = config
                .get("hidden_size")?
                .unwrap_or(PHI3.defaults.hidden_size);
            let fitting = hidden.checked_div(heads).unwrap_or(0);
            let size = config.get::<usize>("head_dim")?.unwrap_or(fitting);
            config.say("rotated_size", (size as f64 * partial) as usize);
        }
        Ok(())
    },
    describe: |config, spec| {
        let size = config.get("sliding_window")?;
        spec.slide(size, |_| true);
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "phi3",
        class: "Phi3ForCausalLM",
        own_tensors: &[
            ("attn_qkv", "self_attn.qkv_proj"),
            ("ffn_up", "mlp.gate_up_proj"),
        ],
        describe: |header, config| {
            let window = header.number("phi3.attention.sliding_window");
            config.insert("sliding_window".into(), json!(window));
            // The factors of each frequency are tensors, and nothing else says that there are any.
            if let Some(attention) = header.real("phi3.rope.scaling.attn_factor") {
                let original = header.number("phi3.rope.scaling.original_context_length");
                config.insert(
                    "rope_scaling".into(),
                    json!({
                        "rope_type": "longrope",
                        "attention_factor": attention,
                        "original_max_position_embeddings": original,
                        "factors_in_tensors": true,
                    }),
                );
            }
            Ok(())
        },
    }),
};
