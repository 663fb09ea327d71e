//! The methods: each file is an allocator, told as its paper tells it.

mod beam;
mod dvts;
mod one_shot;

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, NodeId, Sampling, Tree, Until};

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

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == name)
            .ok_or_else(|| {
                format!(
                    "unknown method `{name}` (one of {})",
                    Self::ALL.map(Self::name).join(", ")
                )
            })
    }
}

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
        match name {
            "official" => Ok(Self::Official),
            "refill" => Ok(Self::Refill),
            "compete" => Ok(Self::Compete),
            _ => Err(format!(
                "unknown treatment of finished paths `{name}` (one of official, refill, compete)"
            )),
        }
    }
}

/// A method with its budget laid out. `N` means the same for all: at most `N` solutions' worth of draws.
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
    /// Lays out a budget of `N` with beam width `M`: the draws each kept step gets. Stepwise methods keep `N / M`
    /// paths, so `M` must divide `N`; the others have no use for `M`.
    pub fn new(
        method: Method,
        budget: usize,
        width: usize,
        finished: Finished,
    ) -> Result<Self, Error> {
        let fail = |reason| {
            Err(Error::Budget {
                method: method.name(),
                budget,
                width,
                reason,
            })
        };
        if budget == 0 {
            return fail("a budget is at least one solution");
        }
        if method == Method::Cot && budget != 1 {
            return fail("it is one greedy solution, so its budget is 1");
        }
        if method.is_stepwise() && (width == 0 || !budget.is_multiple_of(width)) {
            return fail("the width must divide the budget");
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            budget,
            width,
            ..
        } = self;
        match method {
            Method::Cot => write!(f, "1 greedy solution"),
            Method::Majority | Method::BestOfN => write!(f, "{budget} = {budget} solutions"),
            Method::Beam => write!(f, "{budget} = {} beams × {width}", budget / width),
            Method::Dvts => write!(f, "{budget} = {} subtrees × {width}", budget / width),
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
