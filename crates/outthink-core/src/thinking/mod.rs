//! How long a reasoning model may think: each file is one control, told as its paper tells it.
//!
//! A control watches one thought while it is drawn in pieces. Between two pieces it may let the model answer at once on a side
//! branch, and look at that answer; it may close the thought, and then the model answers. [`Thinker`] does the drawing, so a
//! control is a small state machine and every method and every policy gets it without knowing.

mod any;
mod cap;
mod deer;
mod dynasor;
mod forced;
mod on;
mod progress;
mod skip;
mod thinker;
mod thoughts;

use std::fmt;

pub use any::Thinking;
pub use forced::ForcedAnswer;
pub use thinker::Thinker;
pub use thoughts::Thoughts;

use crate::method::Parameters;

/// The table of controls, in the order in which they are listed. A new one is a file and a line here.
const BUILT_IN: &[Thinking] = &[on::ON, skip::SKIP, cap::CAP, dynasor::DYNASOR, deer::DEER];

/// A rule that says when a thought is over.
pub trait Control: fmt::Debug + Send + Sync {
    /// Its name in lower case.
    fn name(&self) -> &'static str;

    /// Its parameters with their values.
    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    /// The parameter that may be written without its name, as in `cap:512`.
    fn leading(&self) -> Option<&'static str> {
        None
    }

    /// The same control with other values of its parameters, or why they cannot be.
    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Control>, String> {
        Err(parameters.unknown_to(self.name()))
    }

    /// Is the model to think at all? A chat template that can turn thinking off is told so.
    fn thinks(&self) -> bool {
        true
    }

    /// The last words of a thought that is closed, before the mark that ends it.
    fn last_words(&self) -> &'static str {
        ""
    }

    /// What follows that mark, and leads to the answer.
    fn lead_in(&self) -> &'static str {
        "**Final Answer**\n\n"
    }

    /// Begins to watch one thought. None leaves all thoughts alone.
    fn watch(&self) -> Option<Box<dyn Watch>>;
}

/// Watches one thought.
pub trait Watch: Send {
    /// What is to be done next.
    fn next(&mut self, thought: &Thought<'_>) -> Move;

    /// A copy that knows as much, for a thought that was cut off and is taken up again.
    fn again(&self) -> Box<dyn Watch>;
}

/// A thought as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct Thought<'a> {
    /// Its tokens.
    pub tokens: usize,
    /// The text of its last paragraph, if that is whole.
    pub paragraph: Option<&'a str>,
    /// The answer that was asked for last; none unless the last move was [`Move::Ask`].
    pub answer: Option<&'a ForcedAnswer>,
}

/// What a control does with a thought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Think on.
    Think {
        /// Look again after so many tokens,
        tokens: usize,
        /// or at the end of the paragraph.
        paragraph: bool,
    },
    /// Let the model answer at once, greedily, on a side branch that is no part of the solution.
    Ask {
        /// In at most so many tokens.
        tokens: usize,
        /// Before the last paragraph, as if it had not been thought.
        before_paragraph: bool,
        /// Are the probabilities of the answer's tokens looked at? Then these are told from those of what follows it.
        measured: bool,
    },
    /// Close the thought.
    Close {
        /// Before the last paragraph, which is dropped.
        before_paragraph: bool,
    },
    /// Watch no longer.
    Leave,
}
