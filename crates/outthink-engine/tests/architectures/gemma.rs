//! Gemma 2 with windows and caps, under a template that takes no system message; Gemma 3 with two tables of rotations, one of
//! them a model that sees, whose global rotations are stretched; all in bf16. GGUF's scale is that of the heads' size.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy_with_caps() {
    compare_policy("gemma2", "chat");
}

#[test]
fn gguf_with_caps() {
    compare_gguf("gemma2", "chat");
}

#[test]
fn policy_with_two_rotations() {
    compare_policy("gemma3", "chat");
}

#[test]
fn gguf_with_two_rotations() {
    compare_gguf("gemma3", "chat");
}

#[test]
fn policy_of_a_model_that_sees() {
    compare_policy("gemma3-vision", "chat");
}
