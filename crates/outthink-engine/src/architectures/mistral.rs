//! Mistral: Llama whose layers may see only a window of the tokens before them.

use super::spec::{of_layer, sliding_layers};
use super::{Architecture, Defaults, llama, says_nothing_else};

pub(super) const MISTRAL: Architecture = Architecture {
    name: "Mistral",
    model_types: &["mistral"],
    defaults: Defaults {
        intermediate_size: 14_336,
        key_heads: Some(8),
        positions: 131_072,
        ..Defaults::USUAL
    },
    tensors: &llama::TENSORS,
    translate: says_nothing_else,
    describe: |config, spec| {
        let size = config.nullable("sliding_window", Some(4096))?;
        let slides = sliding_layers(config)?;
        spec.slide(size, |layer| {
            slides.as_ref().is_none_or(|slides| of_layer(slides, layer))
        });
        Ok(())
    },
    gguf: None,
};
