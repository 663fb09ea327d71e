//! With two of four experts a token, in bf16. In the GGUF file the experts of a layer are one tensor.

use outthink_engine::EmbeddedPolicy;

use crate::{compare_gguf, compare_policy, families};

#[test]
fn policy() {
    compare_policy("qwen3-moe", "qwen3");
}

#[test]
fn gguf() {
    compare_gguf("qwen3-moe", "qwen3");
}

#[test]
fn a_token_uses_the_experts_that_it_goes_to() {
    let policy = EmbeddedPolicy::load(&families::checkpoint("qwen3-moe"), None).unwrap();
    let cost = policy.cost();
    // In each of two layers two of four experts, of three matrices of 32 by 16.
    assert_eq!(cost.parameters - cost.used(), 2 * 2 * 3 * 32 * 16);
}
