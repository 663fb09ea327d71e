//! Any bytes are a GGUF file: nothing panics, and what is read loads or is refused.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outthink_engine::{Checkpoint, EmbeddedPolicy};
use outthink_prompt::Tokenizer;

/// In memory where there is such a folder: it is written thousands of times.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("outthink-fuzz-{}.gguf", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    if std::fs::write(&*FILE, bytes).is_err() {
        return;
    }
    let Ok(checkpoint) = Checkpoint::read_gguf(&FILE) else {
        return;
    };
    let _ = checkpoint.memory_plan();
    if let Ok(tokenizer) = Tokenizer::from_bytes(&checkpoint.tokenizer) {
        let _ = tokenizer.encode("What is 12 times 12? é\n\n");
    }
    let _ = EmbeddedPolicy::load(&checkpoint, None);
});
