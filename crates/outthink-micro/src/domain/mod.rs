//! The checkable maths domain: problems whose worked solution is unique, so that every step has an exact label.
//!
//! A problem is plain text. Its derivation follows from the text alone ([`solve`]), so the generator, the grader and
//! the step checker cannot disagree: the generator writes a text and [`solve`] does the rest.

mod arithmetic;
mod expression;
mod grid;
mod linear;
mod recurrence;

use std::collections::HashSet;
use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

pub use grid::{Clash, Grid, StepVerdict, Verdict};

/// Every number that a problem or a derivation holds is at most this.
pub const LIMIT: u32 = 999;

/// What separates the steps of a written solution.
pub const STEP_SEPARATOR: &str = "\n\n";

/// A text that is not a problem of this domain.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("not a problem of the micro domain: {reason}")]
pub struct NotInDomain {
    reason: String,
}

impl NotInDomain {
    fn new(reason: String) -> Self {
        Self { reason }
    }
}

/// The subject of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Evaluate an expression.
    Arithmetic,
    /// Solve a nested linear equation.
    Linear,
    /// Follow a linear recurrence modulo a number.
    Recurrence,
    /// Fill a grid.
    Grid,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Arithmetic, Self::Linear, Self::Recurrence, Self::Grid];

    /// The kinds with numbers to work out: what a stream without a kind draws from.
    pub const NUMBERS: [Self; 3] = [Self::Arithmetic, Self::Linear, Self::Recurrence];

    fn name(self) -> &'static str {
        match self {
            Self::Arithmetic => "arithmetic",
            Self::Linear => "linear",
            Self::Recurrence => "recurrence",
            Self::Grid => "grid",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                format!(
                    "unknown kind `{name}` (one of {})",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

/// Difficulty by construction, 1 to 5: the length of the derivation and the size of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(u8);

impl Level {
    /// All levels.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The level as a number from 1 to 5.
    pub fn number(self) -> usize {
        self.0.into()
    }

    fn index(self) -> usize {
        self.number() - 1
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.0.to_string() == text)
            .ok_or_else(|| format!("unknown level `{text}` (1 to 5)"))
    }
}

/// Which set a problem text belongs to. Decided by a hash of the text alone, so the sets are disjoint whatever the
/// seed, and every seed gives fresh test problems that no model was trained or tuned on. Grids that differ in the names
/// of digits or in a symmetry of the rules are one text here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For training models: fourteen sixteenths of all texts.
    Train,
    /// For choosing settings: one sixteenth.
    Tune,
    /// For reporting: one sixteenth.
    Test,
}

impl Split {
    /// The set that a problem text belongs to.
    pub fn of(text: &str) -> Self {
        match puzzle_hash(text) % 16 {
            0 => Self::Test,
            1 => Self::Tune,
            _ => Self::Train,
        }
    }
}

impl FromStr for Split {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "train" => Ok(Self::Train),
            "tune" => Ok(Self::Tune),
            "test" => Ok(Self::Test),
            _ => Err(format!("unknown split `{name}` (one of train, tune, test)")),
        }
    }
}

fn text_hash(text: &str) -> u64 {
    // Not std's hasher: this value decides what a model was trained on and must never change.
    let mut hasher = SipHasher13::new_with_keys(0x6f75_7474, 0x6869_6e6b);
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// The hash of a text, the same for all texts that are the same puzzle.
fn puzzle_hash(text: &str) -> u64 {
    match Grid::parse(text) {
        Ok(grid) => text_hash(&grid::canonical(&grid).to_string()),
        Err(_) => text_hash(text),
    }
}

/// The derivation of a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Solution {
    /// The steps in order, the last of which states the answer in `\boxed{}`.
    pub steps: Vec<String>,
    /// What stands in the box.
    pub answer: String,
    /// The level that such a problem is generated at.
    pub level: Level,
}

impl Solution {
    fn new(mut steps: Vec<String>, answer: String, level: usize) -> Self {
        steps.push(format!("The answer is $\\boxed{{{answer}}}$."));
        Self::with_answer(steps, answer, level)
    }

    /// Of steps that state the answer already.
    fn with_answer(steps: Vec<String>, answer: String, level: usize) -> Self {
        let level = Level(u8::try_from(level.clamp(1, 5)).unwrap_or(5));
        Self {
            steps,
            answer,
            level,
        }
    }
}

/// A problem with its worked solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Kind, level and a hash of the text: the same text has the same id everywhere.
    pub id: String,
    /// The text that a policy is asked.
    pub problem: String,
    /// The answer, as it stands in the box.
    pub answer: String,
    /// Difficulty by construction.
    pub level: Level,
    /// Subject.
    pub kind: Kind,
    /// The unique derivation.
    pub steps: Vec<String>,
}

impl Problem {
    /// Reads a problem text and works it out.
    pub fn parse(text: &str) -> Result<Self, NotInDomain> {
        let (kind, solution) = solve(text)?;
        let Solution {
            steps,
            answer,
            level,
        } = solution;
        let id = format!("{kind}-{}-{:08x}", level.number(), text_hash(text) >> 32);
        Ok(Self {
            id,
            problem: text.to_owned(),
            answer,
            level,
            kind,
            steps,
        })
    }

    /// One label per step: is the solution up to and including this step still the derivation?
    pub fn check<S: AsRef<str>>(&self, steps: &[S]) -> Vec<bool> {
        let mut right = true;
        steps
            .iter()
            .enumerate()
            .map(|(index, step)| {
                right &= self
                    .steps
                    .get(index)
                    .is_some_and(|own| own == step.as_ref());
                right
            })
            .collect()
    }

    /// Of a grid: what is right or wrong with each step; nothing of any other kind.
    pub fn verdicts<S: AsRef<str>>(&self, steps: &[S]) -> Vec<StepVerdict> {
        Grid::parse(&self.problem).map_or_else(
            |_| Vec::new(),
            |given| grid::verdicts(&given, &self.steps, steps),
        )
    }
}

/// Works out a problem text.
pub fn solve(text: &str) -> Result<(Kind, Solution), NotInDomain> {
    match text.split_once(' ').map_or("", |(verb, _)| verb) {
        "Evaluate" => Ok((Kind::Arithmetic, arithmetic::solve(text)?)),
        "Solve" => Ok((Kind::Linear, linear::solve(text)?)),
        "Let" => Ok((Kind::Recurrence, recurrence::solve(text)?)),
        "Fill" => Ok((Kind::Grid, grid::solve(text)?)),
        _ => Err(NotInDomain::new(
            "it begins with none of `Evaluate`, `Solve`, `Let`, `Fill`".into(),
        )),
    }
}

/// A stream of problems of one split, the same for the same seed. Levels take turns unless one is asked for; without a
/// kind, those with numbers are drawn at random. Texts repeat in the training split alone (easy problems are few); the stream of the others
/// ends when no new text turns up.
pub fn generate(
    seed: u64,
    split: Split,
    kind: Option<Kind>,
    level: Option<Level>,
) -> impl Iterator<Item = Problem> {
    /// Far more draws than the sparsest cell needs while it still holds a new text.
    const PATIENCE: usize = 100_000;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen = HashSet::new();
    let mut turn = 0;
    std::iter::from_fn(move || {
        let level = level.unwrap_or(Level::ALL[turn % Level::ALL.len()]);
        turn += 1;
        for _ in 0..PATIENCE {
            let kind =
                kind.unwrap_or_else(|| Kind::NUMBERS[rng.random_range(0..Kind::NUMBERS.len())]);
            let text = match kind {
                Kind::Arithmetic => arithmetic::generate(&mut rng, level),
                Kind::Linear => linear::generate(&mut rng, level),
                Kind::Recurrence => recurrence::generate(&mut rng, level),
                Kind::Grid => grid::generate(&mut rng, level),
            };
            let fresh = split == Split::Train || seen.insert(puzzle_hash(&text));
            if Split::of(&text) == split && fresh {
                let problem = Problem::parse(&text).ok()?;
                let id = format!("{kind}-{}-{:08x}", level.number(), text_hash(&text) >> 32);
                return Some(Problem {
                    id,
                    level,
                    ..problem
                });
            }
        }
        None
    })
}
