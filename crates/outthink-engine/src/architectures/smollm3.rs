//! SmolLM3: Llama some of whose layers know no positions.

use super::spec::{of_layer, sliding_layers};
use super::{Architecture, Defaults, GgufFormat, llama, says_nothing_else};

pub(super) const SMOLLM3: Architecture = Architecture {
    name: "SmolLM3",
    model_types: &["smollm3"],
    defaults: Defaults {
        vocabulary: 128_256,
        hidden_size: 2048,
        layers: 36,
        heads: 16,
        key_heads: Some(4),
        positions: 32_768,
        theta: 2_000_000.0,
        tied: true,
        ..Defaults::USUAL
    },
    tensors: &llama::TENSORS,
    translate: says_nothing_else,
    describe: |config, spec| {
        // The list's name is the wrong way round: those with a 1 are rotated.
        let rotated = config.get::<Vec<u8>>("no_rope_layers")?;
        let interval = config.get("no_rope_layer_interval")?.unwrap_or(4);
        for (index, block) in spec.blocks.iter_mut().enumerate() {
            let rotates = match &rotated {
                Some(rotated) => rotated.get(index).is_none_or(|&rotated| rotated != 0),
                None => !(index + 1).is_multiple_of(interval),
            };
            block.rotation = Some(0).filter(|_| rotates);
        }
        if config.get("use_sliding_window")? == Some(true) {
            let size = config.get("sliding_window")?;
            let named = sliding_layers(config)?;
            let unrotated: Vec<bool> = spec
                .blocks
                .iter()
                .map(|block| block.rotation.is_none())
                .collect();
            let slides = named.unwrap_or(unrotated);
            spec.slide(size, |layer| of_layer(&slides, layer));
        }
        Ok(())
    },
    gguf: Some(GgufFormat {
        name: "smollm3",
        class: "SmolLM3ForCausalLM",
        own_tensors: &[],
        // Its converter reorders the heads, as Llama's.
        describe: llama::reordered,
    }),
};
