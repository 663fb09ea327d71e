//! NoThinking (arXiv 2504.09858): the thought is a fixed sentence, and the model answers at once.
//!
//! A chat template that can turn thinking off does it in its own way, and nothing is written then.

use super::any::Named;
use super::{Control, Move, Thinking, Thought, Watch};

#[derive(Debug)]
struct Skip;

/// No thought at all.
pub(super) const SKIP: Thinking = Thinking::new(&Named {
    control: &Skip,
    written: "skip",
});

impl Control for Skip {
    fn name(&self) -> &'static str {
        "skip"
    }

    fn thinks(&self) -> bool {
        false
    }

    fn last_words(&self) -> &'static str {
        "Okay, I think I have finished thinking."
    }

    fn lead_in(&self) -> &'static str {
        ""
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Self))
    }
}

impl Watch for Skip {
    fn next(&mut self, _: &Thought<'_>) -> Move {
        Move::Close {
            before_paragraph: false,
        }
    }

    fn again(&self) -> Box<dyn Watch> {
        Box::new(Self)
    }
}
