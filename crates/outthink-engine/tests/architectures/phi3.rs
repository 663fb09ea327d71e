//! Phi-3 with a SentencePiece tokenizer whose control tokens swallow spaces, and a window of 24 tokens; Phi-4-mini with heads of
//! which a part is rotated, by LongRoPE's factors; both in bf16.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("phi3", "chat");
}

#[test]
fn gguf() {
    compare_gguf("phi3", "chat");
}

#[test]
fn policy_with_long_positions() {
    compare_policy("phi4-mini", "chat");
}

#[test]
fn gguf_with_long_positions() {
    compare_gguf("phi4-mini", "chat");
}
