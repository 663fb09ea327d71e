//! Llama and what is built like it: a norm before attention and before a gated SiLU layer, rotary positions, grouped keys.

use serde_json::{Map, Value};

use super::{Architecture, Defaults, GgufFormat, NormNames, TensorNames, says_nothing_else};
use crate::Error;
use crate::gguf::Header;

pub(super) const LLAMA: Architecture = Architecture {
    name: "Llama",
    model_types: &["llama"],
    defaults: Defaults::USUAL,
    tensors: &TENSORS,
    translate: says_nothing_else,
    describe: |_, _| Ok(()),
    // llama.cpp says `llama` of Mistral too. The two differ in nothing that is computed here but a window, which GGUF does
    // not tell.
    gguf: Some(GgufFormat {
        name: "llama",
        class: "LlamaForCausalLM",
        own_tensors: &[],
        describe: reordered,
    }),
};

/// Its converter reorders the heads for rotations of neighbours.
pub(super) fn reordered(_: &Header, config: &mut Map<String, Value>) -> Result<(), Error> {
    config.insert("rotates_neighbours".into(), true.into());
    Ok(())
}

pub(super) const TENSORS: TensorNames = TensorNames {
    embedding: "embed_tokens",
    layers: "layers",
    norm: "norm",
    logits: "lm_head",
    attention_norms: NormNames {
        before: Some("input_layernorm"),
        after: None,
    },
    qkv: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    query_norm: "self_attn.q_norm",
    key_norm: "self_attn.k_norm",
    sinks: None,
    attended: "self_attn.o_proj",
    mlp_norms: NormNames {
        before: Some("post_attention_layernorm"),
        after: None,
    },
    gate_up: &["mlp.gate_proj", "mlp.up_proj"],
    down: "mlp.down_proj",
    router: "mlp.gate",
};
