//! Qwen2 and Qwen2.5: Llama with biases of queries, keys and values, and a window that is switched on and spares the first
//! layers.

use super::spec::{of_layer, sliding_layers};
use super::{
    Architecture, DecoderSpec, Defaults, GgufFormat, ModelConfig, described, llama,
    says_nothing_else,
};
use crate::Error;

pub(super) const QWEN2: Architecture = Architecture {
    name: "Qwen2",
    model_types: &["qwen2"],
    defaults: Defaults {
        vocabulary: 151_936,
        intermediate_size: 22_016,
        key_heads: Some(32),
        positions: 32_768,
        ..Defaults::USUAL
    },
    tensors: &llama::TENSORS,
    translate: says_nothing_else,
    describe: windows,
    gguf: Some(GgufFormat {
        name: "qwen2",
        class: "Qwen2ForCausalLM",
        own_tensors: &[],
        describe: described,
    }),
};

/// Where a config switches them on.
pub(super) fn windows(config: &ModelConfig, spec: &mut DecoderSpec) -> Result<(), Error> {
    let size = config.nullable("sliding_window", Some(4096))?;
    if let Some(slides) = sliding_layers(config)? {
        spec.slide(size, |layer| of_layer(&slides, layer));
    } else if config.get("use_sliding_window")? == Some(true) {
        let first = config.get("max_window_layers")?.unwrap_or(28);
        spec.slide(size, |layer| layer >= first);
    }
    Ok(())
}
