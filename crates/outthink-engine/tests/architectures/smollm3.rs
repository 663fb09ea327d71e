//! With a fourth layer that is not rotated, a tied embedding that goes without saying, in bf16. The GGUF file has reordered heads.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("smollm3", "chat");
}

#[test]
fn gguf() {
    compare_gguf("smollm3", "chat");
}
