//! Qwen2 and Qwen2.5: Llama with biases of queries, keys and values, and a window that is switched on and spares the first
//! layers.

use super::spec::SlidingWindows;
use super::{Architecture, Defaults, GgufFormat, ModelConfig, llama};
use crate::Error;

pub(super) const QWEN2: Architecture = Architecture {
    name: "Qwen2",
    model_type: "qwen2",
    defaults: Defaults {
        vocabulary: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        head_size: None,
        positions: 32_768,
    },
    tensors: &llama::TENSORS,
    describe: |config, spec| {
        spec.windows = windows(config)?;
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "qwen2",
        class: "Qwen2ForCausalLM",
        tensors: &llama::GGUF_TENSORS,
        describe: |_, _| {},
    }),
};

pub(super) fn windows(config: &ModelConfig) -> Result<SlidingWindows, Error> {
    let Some(size) = config.nullable("sliding_window", Some(4096))? else {
        return Ok(SlidingWindows::None);
    };
    if let Some(windows) = SlidingWindows::of_types(config, size)? {
        return Ok(windows);
    }
    Ok(match config.get("use_sliding_window")? {
        Some(true) => SlidingWindows::From {
            first: config.get("max_window_layers")?.unwrap_or(28),
            size,
        },
        _ => SlidingWindows::None,
    })
}
