//! The methods: each file is an allocator, told as its paper tells it.

mod beam;
mod dvts;
mod one_shot;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, NodeId, Sampling, Tree, Until, did_you_mean};

/// How a budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// One greedy solution (chain of thought).
    Cot,
    /// `N` solutions, the commonest answer (arXiv 2203.11171).
    Majority,
    /// `N` solutions, the verifier's choice (arXiv 2110.14168).
    BestOfN,
    /// Step-level beam search (arXiv 2408.03314, 2502.06703 §2.2).
    Beam,
    /// Diverse verifier tree search: independent beams (Beeching et al. 2024; 2502.06703 §2.2).
    Dvts,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 5] = [
        Self::Cot,
        Self::Majority,
        Self::BestOfN,
        Self::Beam,
        Self::Dvts,
    ];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cot => "cot",
            Self::Majority => "majority",
            Self::BestOfN => "best-of-n",
            Self::Beam => "beam",
            Self::Dvts => "dvts",
        }
    }

    /// Does it need step rewards?
    pub fn needs_verifier(self) -> bool {
        matches!(self, Self::BestOfN | Self::Beam | Self::Dvts)
    }

    /// Does it grow solutions a step at a time?
    pub fn is_stepwise(self) -> bool {
        self.until() == Until::Step
    }

    pub(crate) fn until(self) -> Until {
        match self {
            Self::Cot | Self::Majority | Self::BestOfN => Until::Answer,
            Self::Beam | Self::Dvts => Until::Step,
        }
    }

    pub(crate) fn sampling(self, sampling: Sampling) -> Sampling {
        match self {
            Self::Cot => Sampling::GREEDY,
            _ => sampling,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = String;

    /// Reads a name, or another one in use, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, String> {
        let plain = name.trim().to_lowercase().replace(['_', ' '], "-");
        let known = Self::ALL.iter().map(|method| (method.name(), *method));
        let found = known.chain(ALIASES).find(|own| own.0 == plain);
        found.map(|own| own.1).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let meant = did_you_mean(&plain, names);
            format!(
                "unknown method `{name}` (one of {}){meant}",
                names.join(", ")
            )
        })
    }
}

/// Other names in use.
const ALIASES: [(&str, Method); 8] = [
    ("greedy", Method::Cot),
    ("chain-of-thought", Method::Cot),
    ("majority-vote", Method::Majority),
    ("majority-voting", Method::Majority),
    ("self-consistency", Method::Majority),
    ("bon", Method::BestOfN),
    ("offline-bon", Method::BestOfN),
    ("beam-search", Method::Beam),
];

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
    method: Method,
    budget: usize,
    width: usize,
    finished: Finished,
}

/// A plan as it was written somewhere; whether it can be laid out is to be checked.
#[derive(Deserialize)]
struct Written {
    method: Method,
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
        method: Method,
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
        if method == Method::Cot && budget != 1 {
            return fail("it is one greedy solution, so its budget is 1".into());
        }
        let width = match method.is_stepwise() {
            true => width.min(budget),
            false => width,
        };
        if method.is_stepwise() && width == 0 {
            return fail("a beam width is at least 1".into());
        }
        if method.is_stepwise() && !budget.is_multiple_of(width) {
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

    /// The method.
    pub fn method(&self) -> Method {
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

    pub(crate) fn allocator(&self) -> Box<dyn Allocator> {
        let Self {
            method,
            budget,
            width,
            finished,
        } = *self;
        match method {
            Method::Cot | Method::Majority | Method::BestOfN => {
                Box::new(one_shot::OneShot::new(budget))
            }
            Method::Beam => Box::new(beam::Beam::new(budget, width, finished)),
            Method::Dvts => Box::new(dvts::Dvts::new(budget, width)),
        }
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            budget,
            width,
            ..
        } = self;
        let parts = |one: &str| {
            let count = budget / width.max(&1);
            format!("{count} {one}{}", if count == 1 { "" } else { "s" })
        };
        match method {
            Method::Cot => write!(f, "1 greedy solution"),
            Method::Majority | Method::BestOfN if *budget == 1 => write!(f, "1 solution"),
            Method::Majority | Method::BestOfN => write!(f, "{budget} solutions"),
            Method::Beam => write!(f, "{budget} = {} × {width}", parts("beam")),
            Method::Dvts => write!(f, "{budget} = {} × {width}", parts("subtree")),
        }
    }
}

/// A node to grow, and how many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub node: NodeId,
    pub draws: usize,
    /// Which independent part of the search it belongs to.
    pub part: usize,
}

/// A branch and the node that each of its draws led to; equal draws lead to the same one.
#[derive(Debug)]
pub(crate) struct Grown {
    pub branch: Branch,
    pub children: Vec<NodeId>,
}

/// Decides where the next round's draws go. This is all that tells one method from another.
pub(crate) trait Allocator: Send {
    /// The first round.
    fn first(&mut self) -> Vec<Branch>;

    /// The next round, given what the last one grew; empty when the search is over.
    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch>;

    /// The complete paths that the method keeps, in order of completion.
    fn kept(&self) -> Vec<NodeId>;
}

/// Distinct nodes, best reward first; equal rewards keep the order in which they are given. (Not that of the tree: what
/// one subtree drew first must not decide a tie in another.)
pub(crate) fn ranked(tree: &Tree, nodes: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let mut seen = HashSet::new();
    let nodes = nodes.into_iter().filter(|&node| seen.insert(node));
    let mut nodes: Vec<NodeId> = nodes.collect();
    let reward = |node: NodeId| tree.nodes()[node].reward.unwrap_or(f64::NEG_INFINITY);
    nodes.sort_by(|&a, &b| reward(b).total_cmp(&reward(a)));
    nodes
}
