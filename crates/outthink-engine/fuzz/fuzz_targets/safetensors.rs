//! Any bytes are the weights of a small checkpoint: nothing panics, and they load or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outthink_engine::{Checkpoint, EmbeddedPolicy, Precision, Weights};

fuzz_target!(|bytes: &[u8]| {
    let checkpoint = Checkpoint {
        config: include_bytes!("../../tests/families/qwen3/config.json").into(),
        generation: b"".into(),
        tokenizer: include_bytes!("../../tests/families/qwen3/tokenizer.json").into(),
        tokenizer_config: include_bytes!("../../tests/families/qwen3/tokenizer_config.json").into(),
        template: include_str!("../../tests/families/qwen3/chat_template.jinja").into(),
        weights: Weights::Embedded(bytes.to_vec().into()),
        precision: Precision::default(),
        memory_limit: None,
    };
    let _ = checkpoint.memory_plan();
    let _ = EmbeddedPolicy::load(&checkpoint, None);
});
