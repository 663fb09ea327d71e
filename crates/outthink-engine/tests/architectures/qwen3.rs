//! With norms of heads that are wider than they fit, in bf16; so is the GGUF file.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("qwen3", "qwen3");
}

#[test]
fn gguf() {
    compare_gguf("qwen3", "qwen3");
}
