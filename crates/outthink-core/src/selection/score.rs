//! From the signals of a solution to one score.

use std::sync::{PoisonError, RwLock};

use super::scores::{self, BUILT_IN};
use super::table::{Entry, handle};
use crate::parameters::{Parameters, Settings};
use crate::{Solution, Stop, TokenStats};

/// What speaks for a solution.
#[derive(Clone, Copy, Debug)]
pub struct Signals<'a> {
    /// The verifier's reward of each step, in [0, 1]; empty without a verifier, or for a solution that was cut off.
    pub rewards: &'a [f64],
    /// What the policy told of its tokens.
    pub tokens: &'a TokenStats,
    /// How many tokens were drawn until it was finished; none where nobody told, or it was cut off.
    pub length: Option<usize>,
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Step rewards, so a verifier is needed.
    Rewards,
    /// Token statistics, which the policy tells.
    Tokens,
    /// How many tokens it took.
    Length,
}

/// Makes one score of a solution's signals; the higher, the better.
pub trait Score: Send + Sync {
    /// Its name in lower case, one word.
    fn name(&self) -> &'static str;

    /// What it is made of.
    fn signal(&self) -> Signal {
        Signal::Rewards
    }

    /// Its parameters with their values.
    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    /// The same with other values of its parameters, or why they cannot be.
    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Score>, String> {
        Err(parameters.unknown_to(self.name()))
    }

    /// Other settings that a tuner tries, as they are written.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// The score; none where the signal is missing, and then the solution does not vote.
    fn score(&self, signals: &Signals<'_>) -> Option<f64>;
}

/// Any [`Score`], by its name and, where they are not the usual ones, its parameters: `last`, `group:window=64`.
#[derive(Clone, Copy)]
pub struct Scoring(pub(super) &'static Entry<dyn Score>);

handle!(Scoring of Score, BUILT_IN, ADDED and SETTINGS);

static ADDED: RwLock<Vec<Scoring>> = RwLock::new(Vec::new());
static SETTINGS: Settings<Scoring> = Settings::new();

impl Scoring {
    /// The lowest reward.
    pub const MIN: Self = scores::MIN;
    /// The newest reward.
    pub const LAST: Self = scores::LAST;
    /// The average reward.
    pub const MEAN: Self = scores::MEAN;
    /// The product of all rewards.
    pub const PRODUCT: Self = scores::PRODUCT;

    /// Those that are made of rewards, in every setting that is tried.
    pub fn rewarded() -> Vec<Self> {
        let own = |scoring: &Self| scoring.signal() == Signal::Rewards;
        let all = Self::all().into_iter().filter(own);
        all.flat_map(Self::tried).collect()
    }

    /// Those that are made of what the policy tells, in every setting that is tried.
    pub fn told() -> Vec<Self> {
        let own = |scoring: &Self| scoring.signal() != Signal::Rewards;
        let all = Self::all().into_iter().filter(own);
        all.flat_map(Self::tried).collect()
    }

    /// One score for a solution's rewards; none for no rewards.
    pub fn score(self, rewards: &[f64]) -> Option<f64> {
        self.read(&Signals {
            rewards,
            tokens: &TokenStats::default(),
            length: None,
        })
    }

    /// One score for what speaks for a solution; what is no number is none.
    pub fn read(self, signals: &Signals<'_>) -> Option<f64> {
        self.0.item.score(signals).filter(|score| !score.is_nan())
    }

    /// A solution's score.
    pub fn of(self, solution: &Solution) -> Option<f64> {
        let rewards = &solution.rewards;
        let steps = || solution.steps.iter().map(AsRef::as_ref);
        match self.signal() {
            Signal::Rewards => self.score(rewards),
            Signal::Tokens => self.read(&Signals {
                rewards,
                tokens: &TokenStats::joined(steps()),
                length: None,
            }),
            Signal::Length => {
                let tokens = steps().map(|step| step.tokens.len()).sum();
                let told = tokens > 0 && solution.stop != Stop::Length;
                self.read(&Signals {
                    rewards,
                    tokens: &TokenStats::default(),
                    length: told.then_some(tokens),
                })
            }
        }
    }

    /// What it is made of.
    pub fn signal(self) -> Signal {
        self.0.item.signal()
    }
}
