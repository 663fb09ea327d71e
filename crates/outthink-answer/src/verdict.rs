//! What a comparison came to.

use std::borrow::Cow;

/// Whether a prediction is the gold answer, by which rule, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Is it?
    pub equal: bool,
    /// The rule that decided, in a few words that do not change.
    pub rule: &'static str,
    /// The reason in words for people.
    pub reason: Cow<'static, str>,
}

impl Verdict {
    pub(crate) fn new(
        equal: bool,
        rule: &'static str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            equal,
            rule,
            reason: reason.into(),
        }
    }
}
