//! With a tied embedding, with YaRN, and with every kind of reward head. The GGUF file is in Q8_0 with YaRN.

use crate::{compare_gguf, compare_policy, compare_verifier};

#[test]
fn policy_with_a_tied_embedding() {
    compare_policy("qwen2.5", "qwen2.5");
}

#[test]
fn policy_with_yarn() {
    compare_policy("deepseek-r1-distill", "deepseek-r1-distill");
}

#[test]
fn gguf() {
    compare_gguf("deepseek-r1-distill", "deepseek-r1-distill");
}

#[test]
fn verifier_with_a_value_head() {
    compare_verifier("skywork-prm", None, None);
}

#[test]
fn verifier_with_two_layers_of_labels() {
    compare_verifier("qwen2.5-math-prm", None, None);
}

#[test]
fn verifier_with_labels() {
    compare_verifier("trl-prm", None, None);
}

#[test]
fn verifier_beside_its_reference() {
    compare_verifier("eurus-prm", Some("qwen2.5"), None);
}
