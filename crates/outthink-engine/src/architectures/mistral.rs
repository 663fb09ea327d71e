//! Mistral: Llama whose layers may see only a window of the tokens before them.

use super::spec::SlidingWindows;
use super::{Architecture, Defaults, llama};

pub(super) const MISTRAL: Architecture = Architecture {
    name: "Mistral",
    model_type: "mistral",
    defaults: Defaults {
        vocabulary: 32_000,
        intermediate_size: 14_336,
        key_heads: Some(8),
        head_size: None,
        positions: 131_072,
    },
    tensors: &llama::TENSORS,
    describe: |config, spec| {
        spec.windows = match config.nullable("sliding_window", Some(4096))? {
            Some(size) => SlidingWindows::of_types(config, size)?
                .unwrap_or(SlidingWindows::From { first: 0, size }),
            None => SlidingWindows::None,
        };
        Ok(())
    },
    gguf: None,
};
