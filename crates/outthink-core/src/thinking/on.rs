//! Thinking as the model and its chat template do it.

use super::any::Named;
use super::{Control, Thinking, Watch};

#[derive(Debug)]
struct On;

/// Thoughts are left alone.
pub(super) const ON: Thinking = Thinking::new(&Named {
    control: &On,
    written: "on",
});

impl Control for On {
    fn name(&self) -> &'static str {
        "on"
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }
}
