//! Llama and what is built like it: a norm before attention and before a gated SiLU layer, rotary positions, grouped keys.

use super::{Architecture, Defaults, GgufFormat, GgufTensors, TensorNames};

pub(super) const LLAMA: Architecture = Architecture {
    name: "Llama",
    model_type: "llama",
    defaults: Defaults {
        vocabulary: 32_000,
        intermediate_size: 11_008,
        key_heads: None,
        head_size: None,
        positions: 2048,
    },
    tensors: &TENSORS,
    describe: |_, _| Ok(()),
    // llama.cpp says `llama` of Mistral too. The two differ in nothing that is computed here but a window, which GGUF does
    // not tell.
    gguf: Some(GgufFormat {
        name: "llama",
        class: "LlamaForCausalLM",
        tensors: &GGUF_TENSORS,
        describe: |_, config| {
            // Its converter reorders the heads for rotations of neighbours.
            config.insert("rotates_neighbours".into(), true.into());
        },
    }),
};

pub(super) const TENSORS: TensorNames = TensorNames {
    embedding: "embed_tokens",
    layers: "layers",
    norm: "norm",
    logits: "lm_head",
    attention_norm: "input_layernorm",
    queries: "self_attn.q_proj",
    keys: "self_attn.k_proj",
    values: "self_attn.v_proj",
    query_norm: "self_attn.q_norm",
    key_norm: "self_attn.k_norm",
    attended: "self_attn.o_proj",
    mlp_norm: "post_attention_layernorm",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    down: "mlp.down_proj",
};

pub(super) const GGUF_TENSORS: GgufTensors = GgufTensors {
    whole: &[
        ("token_embd", "model.embed_tokens"),
        ("output_norm", "model.norm"),
        ("output", "lm_head"),
    ],
    of_block: &[
        ("attn_norm", "input_layernorm"),
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_q_norm", "self_attn.q_norm"),
        ("attn_k_norm", "self_attn.k_norm"),
        ("ffn_norm", "post_attention_layernorm"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
    ],
};
