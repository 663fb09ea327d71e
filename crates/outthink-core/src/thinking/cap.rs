//! Budget forcing (arXiv 2501.19393), its upper bound: after so many tokens the thought is closed and the model answers.
//!
//! s1 also forces longer thoughts, by a "Wait" where a thought would end; that is not done here.

use serde::{Deserialize, Serialize};

use super::any::Named;
use super::{Control, Move, Thinking, Thought, Watch};
use crate::method::Parameters;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Cap {
    /// Most tokens of a thought.
    tokens: usize,
}

/// Where nobody says how many.
const USUAL: Cap = Cap { tokens: 4096 };

/// At most so many tokens of thought.
pub(super) const CAP: Thinking = Thinking::new(&Named {
    control: &USUAL,
    written: "cap",
});

impl Default for Cap {
    fn default() -> Self {
        USUAL
    }
}

impl Control for Cap {
    fn name(&self) -> &'static str {
        "cap"
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn leading(&self) -> Option<&'static str> {
        Some("tokens")
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Control>, String> {
        let own: Self = parameters.read()?;
        match own.tokens {
            0 => Err("`tokens` is at least 1; `skip` is no thought at all".into()),
            _ => Ok(Box::new(own)),
        }
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(*self))
    }
}

impl Watch for Cap {
    fn next(&mut self, thought: &Thought<'_>) -> Move {
        match self.tokens.saturating_sub(thought.tokens) {
            0 => Move::Close {
                before_paragraph: false,
            },
            tokens => Move::Think {
                tokens,
                paragraph: false,
            },
        }
    }

    fn again(&self) -> Box<dyn Watch> {
        Box::new(*self)
    }
}
