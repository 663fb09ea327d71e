//! DEER, dynamic early exit (arXiv 2504.15895): where the model turns to another thought, it is asked for its answer first; if it
//! is sure of it, the thought is closed there.
//!
//! A turn is a paragraph that begins with "Wait" or "Alternatively". It is drawn as a whole before the question, which stands
//! before it; where the thought is closed, that paragraph is dropped, and counts as drawn.

use serde::{Deserialize, Serialize};

use super::any::Named;
use super::forced::ANSWER_TOKENS;
use super::{Control, Move, Thinking, Thought, Watch};
use crate::method::Parameters;

/// What a turn begins with.
const TURNS: [&str; 2] = ["Wait", "Alternatively"];
/// Most questions about one thought.
const TRIALS: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Deer {
    /// The mean probability of the answer's tokens from which the model is sure of it.
    confidence: f64,
    /// Which mean.
    mean: Mean,
}

/// A mean of probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mean {
    Geometric,
    Arithmetic,
}

/// Where nobody says otherwise.
const USUAL: Deer = Deer {
    confidence: 0.95,
    mean: Mean::Geometric,
};

/// Until the model is sure.
pub(super) const DEER: Thinking = Thinking::new(&Named {
    control: &USUAL,
    written: "deer",
});

impl Default for Deer {
    fn default() -> Self {
        USUAL
    }
}

impl Control for Deer {
    fn name(&self) -> &'static str {
        "deer"
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Control>, String> {
        let own: Self = parameters.read()?;
        match own.confidence > 0.0 && own.confidence <= 1.0 {
            true => Ok(Box::new(own)),
            false => Err(format!(
                "`confidence` is above 0 and at most 1, not {}",
                own.confidence
            )),
        }
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Watching {
            control: *self,
            trials: 0,
        }))
    }
}

#[derive(Clone)]
struct Watching {
    control: Deer,
    /// Questions so far.
    trials: usize,
}

impl Watch for Watching {
    fn next(&mut self, thought: &Thought<'_>) -> Move {
        let think = Move::Think {
            tokens: usize::MAX,
            paragraph: true,
        };
        if let Some(answer) = thought.answer {
            let mean = match self.control.mean {
                Mean::Geometric => answer.geometric_mean(),
                Mean::Arithmetic => answer.arithmetic_mean(),
            };
            let sure = mean.is_some_and(|mean| mean >= self.control.confidence);
            return match sure && answer.answer().is_some_and(|own| !own.is_empty()) {
                true => Move::Close {
                    before_paragraph: true,
                },
                false if self.trials >= TRIALS => Move::Leave,
                false => think,
            };
        }
        let turns = |text: &str| {
            let text = text.trim_start();
            TURNS.iter().any(|turn| text.starts_with(turn))
        };
        if thought.paragraph.is_some_and(turns) {
            self.trials += 1;
            return Move::Ask {
                tokens: ANSWER_TOKENS,
                before_paragraph: true,
                measured: true,
            };
        }
        think
    }

    fn again(&self) -> Box<dyn Watch> {
        Box::new(self.clone())
    }
}
