//! Whatever a chat template says and whatever stands in the messages, it renders or fails: it ends, and takes no more memory
//! than it may.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use outthink_prompt::{ChatTemplate, Message, Tokenizer};

static TOKENIZER: LazyLock<Option<Tokenizer>> = LazyLock::new(|| {
    let json = include_bytes!("../../../../models/micro/micro-90k/tokenizer.json");
    let config = br#"{"bos_token": "<s>", "eos_token": "</s>"}"#;
    Tokenizer::from_bytes(json).ok()?.with_config(config).ok()
});

fuzz_target!(|data: &[u8]| {
    // The template, then the messages, with zeros between them.
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let (Some(source), Some(tokenizer)) = (parts.next(), TOKENIZER.as_ref()) else {
        return;
    };
    let roles = ["system", "user", "assistant"].into_iter().cycle();
    let messages: Vec<Message> = roles.zip(parts).map(|(role, text)| Message::new(role, text)).collect();
    if let Ok(template) = ChatTemplate::new(source) {
        let _ = template.render(tokenizer, &messages, true);
    }
});
