//! With norms after attention and the feed-forward part, in bf16.

use crate::{compare_gguf, compare_policy};

#[test]
fn policy() {
    compare_policy("olmo2", "chat");
}

#[test]
fn gguf() {
    compare_gguf("olmo2", "chat");
}
