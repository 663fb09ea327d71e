//! With a window of 24 tokens, in f16.

use crate::compare_verifier;

#[test]
fn verifier_that_says_plus_or_minus() {
    compare_verifier("math-shepherd-prm", None, None);
}
