//! Qwen3: Qwen2 without biases and with a norm of every query and key head, whose size does not follow from the hidden size.

use super::{Architecture, Defaults, GgufFormat, llama, qwen2};

pub(super) const QWEN3: Architecture = Architecture {
    name: "Qwen3",
    model_type: "qwen3",
    defaults: Defaults {
        vocabulary: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        head_size: Some(128),
        positions: 32_768,
    },
    tensors: &llama::TENSORS,
    describe: |config, spec| {
        spec.windows = qwen2::windows(config)?;
        spec.head_norms = true;
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "qwen3",
        class: "Qwen3ForCausalLM",
        tensors: &llama::GGUF_TENSORS,
        describe: |_, _| {},
    }),
};
