//! Dynasor (arXiv 2412.20993): every `tokens` tokens the model is asked for its answer; when the last `equal` answers are the
//! same, the thought is closed.
//!
//! Answers are compared as normalised text (see [`ForcedAnswer::answer`]), since a policy does not know the domain. An answer that
//! is empty, unfinished or hesitates agrees with none.

use serde::{Deserialize, Serialize};

use super::any::Named;
use super::forced::ANSWER_TOKENS;
use super::{Control, ForcedAnswer, Move, Thinking, Thought, Watch};
use crate::method::Parameters;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dynasor {
    /// Tokens of thought between two questions.
    tokens: usize,
    /// How many answers in a row are the same.
    equal: usize,
}

/// Where nobody says otherwise.
const USUAL: Dynasor = Dynasor {
    tokens: 64,
    equal: 3,
};

/// Until the answer stays the same.
pub(super) const DYNASOR: Thinking = Thinking::new(&Named {
    control: &USUAL,
    written: "dynasor",
});

impl Default for Dynasor {
    fn default() -> Self {
        USUAL
    }
}

impl Control for Dynasor {
    fn name(&self) -> &'static str {
        "dynasor"
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Control>, String> {
        let own: Self = parameters.read()?;
        match (own.tokens, own.equal) {
            (0, _) => Err("`tokens` is at least 1".into()),
            (_, 0) => Err("`equal` is at least 1".into()),
            _ => Ok(Box::new(own)),
        }
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        Some(Box::new(Watching {
            control: *self,
            asked_at: None,
            last: None,
            same: 0,
        }))
    }
}

#[derive(Clone)]
struct Watching {
    control: Dynasor,
    /// Tokens of the thought when it was asked last.
    asked_at: Option<usize>,
    /// The last answer, if it counts.
    last: Option<String>,
    /// How often it was given in a row.
    same: usize,
}

impl Watch for Watching {
    fn next(&mut self, thought: &Thought<'_>) -> Move {
        let Dynasor { tokens, equal } = self.control;
        if let Some(answer) = thought.answer {
            let answer = sure(answer);
            self.same = match (&answer, &self.last) {
                (None, _) => 0,
                (Some(own), Some(last)) if own == last => self.same + 1,
                (Some(_), _) => 1,
            };
            self.last = answer;
            if self.same >= equal {
                return Move::Close {
                    before_paragraph: false,
                };
            }
        }
        let due = thought.tokens > 0 && thought.tokens.is_multiple_of(tokens);
        if due && self.asked_at != Some(thought.tokens) {
            self.asked_at = Some(thought.tokens);
            return Move::Ask {
                tokens: ANSWER_TOKENS,
                before_paragraph: false,
                measured: false,
            };
        }
        Move::Think {
            tokens: tokens - thought.tokens % tokens,
            paragraph: false,
        }
    }

    fn again(&self) -> Box<dyn Watch> {
        Box::new(self.clone())
    }
}

/// The answer, unless the model would rather think on.
fn sure(answer: &ForcedAnswer) -> Option<String> {
    const HESITATION: [&str; 6] = ["wait", "hold", "but", "okay", "no", "hmm"];
    let said = answer.text.to_lowercase();
    let mut words = said.split(|c: char| !c.is_alphabetic());
    match words.any(|word| HESITATION.contains(&word)) {
        true => None,
        false => answer.answer().filter(|own| !own.is_empty()),
    }
}
