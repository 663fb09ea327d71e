//! With Llama 3.1's stretched rotary positions. The GGUF file is in f32, with reordered heads and rotary factors.

use crate::{compare_gguf, compare_policy, compare_verifier};

#[test]
fn policy() {
    compare_policy("llama-3", "llama-3");
}

#[test]
fn gguf() {
    compare_gguf("llama-3", "llama-3");
}

#[test]
fn verifier_that_says_plus_or_minus() {
    compare_verifier("rlhflow-prm", None, None);
}

#[test]
fn verifier_whose_profile_is_named() {
    compare_verifier("er-prm", None, Some("er-prm"));
}
