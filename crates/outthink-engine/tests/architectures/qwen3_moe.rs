//! With two of four experts a token, in bf16. In the GGUF file the experts of a layer are one tensor.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("qwen3-moe", "qwen3");
}

#[test]
fn gguf() {
    compare_gguf("qwen3-moe", "qwen3");
}
