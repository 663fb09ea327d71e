//! A budget laid out for a method.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::AnyMethod;
use crate::Error;

/// What beam search does with a path whose answer is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finished {
    /// It holds its slot for good: the beam shrinks (the paper's code).
    Official,
    /// It is set aside and the beam stays as wide as it was (search-and-learn).
    Refill,
    /// It stays in the ranking and may be displaced by a better path.
    #[default]
    Compete,
}

impl FromStr for Finished {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.to_lowercase().as_str() {
            "official" => Ok(Self::Official),
            "refill" => Ok(Self::Refill),
            "compete" => Ok(Self::Compete),
            _ => Err(format!(
                "unknown treatment of finished paths `{name}` (one of official, refill, compete)"
            )),
        }
    }
}

/// A method with its budget laid out. `N` means the same for all: at most `N` samples, or as many tokens in partial solutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Plan {
    method: AnyMethod,
    budget: usize,
    width: usize,
    finished: Finished,
}

/// A plan as it was written somewhere; whether it can be laid out is to be checked.
#[derive(Deserialize)]
struct Written {
    method: AnyMethod,
    budget: usize,
    width: usize,
    finished: Finished,
}

impl TryFrom<Written> for Plan {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let Written {
            method,
            budget,
            width,
            finished,
        } = written;
        Self::new(method, budget, width, finished)
    }
}

impl Plan {
    /// The budget where none is named.
    pub const USUAL_BUDGET: usize = 16;

    /// The beam width where none is named: the paper's 4, or the largest below it that divides the budget.
    pub fn usual_width(budget: usize) -> usize {
        let divides = |width: &usize| budget.is_multiple_of(*width);
        (1..=4).rev().find(divides).unwrap_or(1)
    }

    /// The largest budget of one search.
    pub const LARGEST: usize = 1 << 20;

    /// Lays out a budget of `N` with beam width `M`: the draws each kept step gets. Stepwise methods keep `N / M`
    /// paths, so `M` must divide `N`, and a budget below `M` is its own width; the others have no use for `M`.
    pub fn new(
        method: AnyMethod,
        budget: usize,
        width: usize,
        finished: Finished,
    ) -> Result<Self, Error> {
        let fail = |reason: String| {
            Err(Error::Budget {
                method: method.name(),
                budget,
                reason,
            })
        };
        if budget == 0 {
            return fail("a budget is at least one solution".into());
        }
        if budget > Self::LARGEST {
            return fail(format!("a budget is at most {} solutions", Self::LARGEST));
        }
        if method.is_greedy() && budget != 1 {
            return fail("it is one greedy solution, so its budget is 1".into());
        }
        let width = match method.has_width() {
            true => width.min(budget),
            false => width,
        };
        if method.has_width() && width == 0 {
            return fail("a beam width is at least 1".into());
        }
        if method.has_width() && !budget.is_multiple_of(width) {
            return fail(format!(
                "the beam width of {width} must divide it; {}",
                fitting(budget, width)
            ));
        }
        Ok(Self {
            method,
            budget,
            width,
            finished,
        })
    }

    /// Lays out a budget with the usual width and treatment of finished paths.
    pub fn of(method: AnyMethod, budget: usize) -> Result<Self, Error> {
        Self::new(
            method,
            budget,
            Self::usual_width(budget),
            Finished::default(),
        )
    }

    /// The method.
    pub fn method(&self) -> AnyMethod {
        self.method
    }

    /// The budget `N`.
    pub fn budget(&self) -> usize {
        self.budget
    }

    /// The beam width `M`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What happens to paths whose answer is complete.
    pub fn finished(&self) -> Finished {
        self.finished
    }

    /// The budget as equal parts of `M` samples: `64 = 16 beams × 4`.
    pub fn in_parts(&self, one: &str) -> String {
        let Self { budget, width, .. } = self;
        let parts = budget / width.max(&1);
        let plural = if parts == 1 { "" } else { "s" };
        format!("{budget} = {parts} {one}{plural} × {width}")
    }
}

/// The nearest budgets for a width that does not divide a budget above it, and the widths for this budget.
fn fitting(budget: usize, width: usize) -> String {
    let below = budget - budget % width;
    let widths: Vec<String> = (2..=16)
        .filter(|own| budget.is_multiple_of(*own))
        .map(|own| own.to_string())
        .collect();
    let widths = match widths.as_slice() {
        [] => String::new(),
        [one] => format!(", or a width of {one}"),
        [some @ .., last] => format!(", or a width of {} or {last}", some.join(", ")),
    };
    format!("try a budget of {below} or {}{widths}", below + width)
}

/// How the budget is spent, as `64 = 16 beams × 4`.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.method.describe(self))
    }
}
