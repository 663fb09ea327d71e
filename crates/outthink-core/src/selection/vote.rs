//! From scored solutions to a weight for each answer.

use std::sync::{PoisonError, RwLock};

use super::score::Signal;
use super::table::{Entry, handle};
use super::votes::{self, BUILT_IN};
use crate::parameters::{Parameters, Settings};

/// A solution with an answer and a score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredAnswer {
    /// The number of its answer's class: equal answers, equal numbers, from 0 on.
    pub class: usize,
    /// Its score.
    pub score: f64,
    /// How many samples it stands for.
    pub count: usize,
}

/// What a vote needs to know of an answer's scores. Where that is little, a vote over many subsets of a pool is counted as
/// they grow, and some chances are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The best score only.
    Best,
    /// The sum of all scores.
    Sum,
    /// All of them.
    All,
}

/// Weighs answers by the scores of their solutions; the heaviest is taken. Ties go to the answer with more samples, then to
/// the one found first.
///
/// ```
/// use outthink_core::selection::{ScoredAnswer, Vote, Voting};
///
/// /// The sum of squares: a few good solutions outweigh many poor ones.
/// struct Squares;
///
/// impl Vote for Squares {
///     fn name(&self) -> &'static str {
///         "squares"
///     }
///
///     fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
///         let mut weights = vec![0.0; classes];
///         for ScoredAnswer { class, score, count } in solutions {
///             weights[*class] += score * score * *count as f64;
///         }
///         weights
///     }
/// }
///
/// Voting::register(Squares)?;
/// assert!("last-squares".parse::<outthink_core::Selection>().is_ok());
/// # Ok::<(), String>(())
/// ```
pub trait Vote: Send + Sync {
    /// Its name in lower case, one word.
    fn name(&self) -> &'static str;

    /// What it needs to know of an answer's scores.
    fn reads(&self) -> Reads {
        Reads::All
    }

    /// Is it meant for scores that are made of this? Studies read it from, and tuners try it with, those alone; by name it goes
    /// with any score.
    fn suits(&self, _signal: Signal) -> bool {
        true
    }

    /// Its parameters with their values.
    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    /// The same with other values of its parameters, or why they cannot be.
    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Vote>, String> {
        Err(parameters.unknown_to(self.name()))
    }

    /// Other settings that a tuner tries, as they are written.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// The weight of each of so many classes. `solutions` come in the order in which they were drawn, and each class has at least
    /// one.
    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64>;
}

/// Any [`Vote`], by its name and, where they are not the usual ones, its parameters: `vote`, `mob:m=4`.
#[derive(Clone, Copy)]
pub struct Voting(pub(super) &'static Entry<dyn Vote>);

handle!(Voting of Vote, BUILT_IN, ADDED and SETTINGS);

static ADDED: RwLock<Vec<Voting>> = RwLock::new(Vec::new());
static SETTINGS: Settings<Voting> = Settings::new();

impl Voting {
    /// The answer of the best solution.
    pub const MAX: Self = votes::MAX;
    /// The answer whose solutions' scores add up highest.
    pub const VOTE: Self = votes::VOTE;

    /// What it needs to know of an answer's scores.
    pub fn reads(self) -> Reads {
        self.0.item.reads()
    }

    /// Is it meant for scores that are made of this?
    pub fn suits(self, signal: Signal) -> bool {
        self.0.item.suits(signal)
    }

    /// The weight of each class; see [`Vote::weights`]. Whatever a vote returns, there is a weight for each class.
    pub fn weights(self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = self.0.item.weights(solutions, classes);
        weights.resize(classes, f64::NEG_INFINITY);
        weights
    }
}
