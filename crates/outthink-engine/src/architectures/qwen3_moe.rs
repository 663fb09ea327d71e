//! Qwen3 whose feed-forward parts are mixtures of experts.

use serde_json::json;

use super::{Architecture, Defaults, ExpertsSpec, GgufFormat, HeadNorms, llama, says_nothing_else};

pub(super) const QWEN3_MOE: Architecture = Architecture {
    name: "Qwen3Moe",
    model_types: &["qwen3_moe"],
    defaults: Defaults {
        vocabulary: 151_936,
        hidden_size: 2048,
        intermediate_size: 6144,
        layers: 24,
        key_heads: Some(4),
        positions: 32_768,
        ..Defaults::USUAL
    },
    tensors: &llama::TENSORS,
    translate: says_nothing_else,
    describe: |config, spec| {
        spec.head_norms = HeadNorms::Each;
        if config.get("use_sliding_window")? == Some(true) {
            let size = config.nullable("sliding_window", Some(4096))?;
            spec.slide(size, |_| true);
        }
        let count = config
            .get("num_experts")?
            .or(config.get("num_local_experts")?);
        let count = count.unwrap_or(128);
        if count == 0 {
            return Ok(());
        }
        let own = ExpertsSpec {
            count,
            chosen: config.get("num_experts_per_tok")?.unwrap_or(8),
            width: config.get("moe_intermediate_size")?.unwrap_or(768),
            shares_of_all: !config.get("norm_topk_prob")?.unwrap_or(false),
        };
        let dense: Vec<usize> = config.get("mlp_only_layers")?.unwrap_or_default();
        let step = config.get("decoder_sparse_step")?.unwrap_or(1);
        spec.mix(own, |layer| {
            (layer + 1).is_multiple_of(step) && !dense.contains(&layer)
        })
    },
    gguf: Some(GgufFormat {
        name: "qwen3moe",
        class: "Qwen3MoeForCausalLM",
        own_tensors: &[
            ("ffn_gate_inp", "mlp.gate"),
            ("ffn_gate_exps", "mlp.experts.gate_proj"),
            ("ffn_up_exps", "mlp.experts.up_proj"),
            ("ffn_gate_up_exps", "mlp.experts.gate_up_proj"),
            ("ffn_down_exps", "mlp.experts.down_proj"),
        ],
        describe: |header, config| {
            let number = |key: &str| header.number(&format!("qwen3moe.{key}"));
            let used = number("expert_used_count");
            let width = number("expert_feed_forward_length")
                .or_else(|| number("feed_forward_length")?.checked_div(used?));
            config.insert("num_experts".into(), json!(number("expert_count")));
            config.insert("num_experts_per_tok".into(), json!(used));
            config.insert("moe_intermediate_size".into(), json!(width));
            config.insert("norm_topk_prob".into(), true.into());
            Ok(())
        },
    }),
};
