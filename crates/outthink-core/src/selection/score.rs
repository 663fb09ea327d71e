//! From the signals of a solution to one score.

use std::sync::{PoisonError, RwLock};

use super::table::{Entry, handle};
use crate::{Solution, TokenStats};

/// What speaks for a solution.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a> {
    /// The verifier's reward of each step, in [0, 1]; empty without a verifier, or for a solution that was cut off.
    pub rewards: &'a [f64],
    /// What the policy told of its tokens.
    pub tokens: &'a TokenStats,
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Step rewards, so a verifier is needed.
    Rewards,
    /// Token statistics, which the policy tells.
    Tokens,
}

/// Makes one score of a solution's signals; the higher, the better.
pub trait Score: Send + Sync {
    /// Its name in lower case, one word.
    fn name(&self) -> &'static str;

    /// What it is made of.
    fn signal(&self) -> Signal {
        Signal::Rewards
    }

    /// The score; none where the signal is missing, and then the solution does not vote.
    fn score(&self, signals: &Signals<'_>) -> Option<f64>;
}

/// Any [`Score`], by its name.
#[derive(Clone, Copy)]
pub struct Scoring(&'static Entry<dyn Score>);

handle!(Scoring of Score, BUILT_IN and ADDED);

/// The table of scores. A new one is a type and a line here.
static BUILT_IN: [Scoring; 4] = [Scoring::MIN, Scoring::LAST, Scoring::MEAN, Scoring::PRODUCT];
static ADDED: RwLock<Vec<Scoring>> = RwLock::new(Vec::new());

impl Scoring {
    /// The lowest reward.
    pub const MIN: Self = Self(&Entry::built_in(&Min, "min", 0));
    /// The newest reward.
    pub const LAST: Self = Self(&Entry::built_in(&Last, "last", 1));
    /// The average reward.
    pub const MEAN: Self = Self(&Entry::built_in(&Mean, "mean", 2));
    /// The product of all rewards.
    pub const PRODUCT: Self = Self(&Entry::built_in(&Product, "product", 3));

    /// One score for a solution's rewards; none for no rewards.
    pub fn score(self, rewards: &[f64]) -> Option<f64> {
        let tokens = &TokenStats::default();
        self.0.item.score(&Signals { rewards, tokens })
    }

    /// A solution's score.
    pub fn of(self, solution: &Solution) -> Option<f64> {
        match self.signal() {
            Signal::Rewards => self.score(&solution.rewards),
            Signal::Tokens => self.0.item.score(&Signals {
                rewards: &solution.rewards,
                tokens: &TokenStats::joined(solution.steps.iter().map(AsRef::as_ref)),
            }),
        }
    }

    /// What it is made of.
    pub fn signal(self) -> Signal {
        self.0.item.signal()
    }
}

struct Min;
struct Last;
struct Mean;
struct Product;

impl Score for Min {
    fn name(&self) -> &'static str {
        "min"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        signals.rewards.iter().copied().reduce(f64::min)
    }
}

impl Score for Last {
    fn name(&self) -> &'static str {
        "last"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        signals.rewards.last().copied()
    }
}

impl Score for Mean {
    fn name(&self) -> &'static str {
        "mean"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let rewards = signals.rewards;
        (!rewards.is_empty()).then(|| rewards.iter().sum::<f64>() / rewards.len() as f64)
    }
}

impl Score for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn score(&self, signals: &Signals<'_>) -> Option<f64> {
        let rewards = signals.rewards;
        (!rewards.is_empty()).then(|| rewards.iter().product())
    }
}
