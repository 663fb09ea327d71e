//! Qwen3: Qwen2 without biases and with a norm of every query and key head, whose size does not follow from the hidden size.

use super::{
    Architecture, Defaults, GgufFormat, HeadNorms, described, llama, qwen2, says_nothing_else,
};

pub(super) const QWEN3: Architecture = Architecture {
    name: "Qwen3",
    model_types: &["qwen3"],
    defaults: Defaults {
        vocabulary: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        head_size: Some(128),
        positions: 32_768,
        ..Defaults::USUAL
    },
    tensors: &llama::TENSORS,
    translate: says_nothing_else,
    describe: |config, spec| {
        spec.head_norms = HeadNorms::Each;
        qwen2::windows(config, spec)
    },
    gguf: Some(GgufFormat {
        name: "qwen3",
        class: "Qwen3ForCausalLM",
        own_tensors: &[],
        describe: described,
    }),
};
