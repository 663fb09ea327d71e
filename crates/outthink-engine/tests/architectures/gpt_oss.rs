//! With sinks, windows, biases and bounded gates, in bf16; and with experts in MXFP4, as published, from safetensors and from GGUF,
//! which have it in different orders.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("gpt-oss", "chat");
}

#[test]
fn policy_in_mxfp4() {
    compare_policy("gpt-oss-mxfp4", "chat");
}

#[test]
fn gguf_in_mxfp4() {
    compare_gguf("gpt-oss-mxfp4", "chat");
}
