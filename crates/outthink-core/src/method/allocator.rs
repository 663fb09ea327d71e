//! What tells one method from another: where the next round's samples go.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::{Limits, NodeId, Step, Tree, Until};

/// A node to grow, and how many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The node.
    pub node: NodeId,
    /// Samples to draw from it.
    pub draws: usize,
    /// Which independent part of the search it belongs to (a subtree of DVTS); 0 where there is one.
    pub part: usize,
}

/// A branch and the node that each of its samples led to; equal samples lead to the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grown {
    /// What was grown.
    pub branch: Branch,
    /// A node a sample, in the order of their seeds.
    pub children: Vec<NodeId>,
}

/// A prompt of the method's own, made of what was drawn so far, and how many whole answers to draw from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What the policy is asked in place of the problem's text.
    pub text: String,
    /// Samples to draw.
    pub draws: usize,
}

/// How a round is drawn, and whether it is scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Takes the likeliest continuations, where otherwise they are sampled.
    pub greedy: bool,
    /// Asks the verifier about every new step. Otherwise it is asked about complete solutions only, and the other steps get
    /// their rewards together with the first steps below them that are scored.
    pub scored: bool,
    /// Draws so many tokens and on to the end of the step, where otherwise a draw ends with its first step. Where it does, the
    /// most steps of a solution are the most rounds of a search.
    pub block: Option<usize>,
    /// Draws whole solutions side by side, and looks now and then which are to end.
    pub watch: Option<Watch>,
}

/// A round of whole solutions that may end before they do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Watch {
    /// Which draws end.
    pub ends: Ends,
    /// Tokens of each draw between two looks.
    pub tokens: usize,
}

/// Which draws of a watched round end before they are finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ends {
    /// When so many have finished, all that have as many tokens as the last of these.
    Finished(usize),
    /// Those of which the mean confidence over a window of tokens, minus their entropy or their log-probability in nats, falls
    /// below a value.
    Unsure {
        /// The value.
        below: f64,
        /// Tokens of a window.
        window: usize,
    },
}

impl Default for Round {
    /// Sampled step by step, and scored.
    fn default() -> Self {
        Self {
            greedy: false,
            scored: true,
            block: None,
            watch: None,
        }
    }
}

impl Round {
    /// Where the next continuation of a draw ends, and its most tokens, when these steps have been drawn.
    pub(crate) fn next_of(self, until: Until, drawn: &[Step], step: usize) -> (Until, usize) {
        let tokens: usize = drawn.iter().map(|step| step.tokens.len()).sum();
        if let (Some(watch), Until::Answer) = (self.watch, until) {
            return (Until::Answer, watch.tokens.max(1));
        }
        match (self.block, until) {
            (Some(block), _) if tokens < block => (Until::Answer, block - tokens),
            (Some(_), _) | (None, Until::Step) => (Until::Step, step),
            (None, Until::Answer) => (Until::Answer, usize::MAX),
        }
    }
}

/// Decides where the next round's samples go. This is all that tells one method from another.
pub trait Allocator: Send {
    /// Told before the first round: where paths end. Most methods need not know.
    fn begin(&mut self, _limits: &Limits) {}

    /// The first round.
    fn first(&mut self) -> Vec<Branch>;

    /// The next round, given what the last one grew, with its rewards; empty when the search is over.
    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch>;

    /// What else the next round asks: prompts made of earlier solutions, each a node below the root from which its samples are
    /// drawn. They follow the branches of [`Self::next`], after which this is called, and the search goes on while there is
    /// either; in what the round grew they come in the same order. Only a method that says so ([`Traits::prompts`]) has any.
    ///
    /// [`Traits::prompts`]: super::Traits::prompts
    fn questions(&mut self) -> Vec<Question> {
        Vec::new()
    }

    /// How the round is drawn that was asked for last, by [`Self::first`] or [`Self::next`].
    fn round(&self) -> Round {
        Round::default()
    }

    /// The complete paths that the method keeps, in order of completion.
    fn kept(&self) -> Vec<NodeId>;
}

/// Distinct nodes, best newest reward first. Nodes with equal rewards stay in the given order, not the tree's: what one
/// subtree drew first must not decide a tie in another.
pub fn ranked(tree: &Tree, nodes: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
    let reward = |node: NodeId| tree.nodes()[node].reward.unwrap_or(f64::NEG_INFINITY);
    ranked_by(reward, nodes)
}

/// The same, by another value than the newest reward.
pub(super) fn ranked_by(
    value: impl Fn(NodeId) -> f64,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Vec<NodeId> {
    let mut seen = HashSet::new();
    let nodes = nodes.into_iter().filter(|&node| seen.insert(node));
    let mut nodes: Vec<NodeId> = nodes.collect();
    nodes.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
    nodes
}

/// The nodes that a round led to, in order of appearance, each with how many samples led to it.
pub fn counted(grown: &[Grown]) -> impl Iterator<Item = (NodeId, usize)> + use<> {
    let mut places: HashMap<NodeId, usize> = HashMap::new();
    let mut nodes: Vec<(NodeId, usize)> = Vec::new();
    for &node in grown.iter().flat_map(|grown| &grown.children) {
        match places.entry(node) {
            Entry::Occupied(place) => nodes[*place.get()].1 += 1,
            Entry::Vacant(place) => {
                place.insert(nodes.len());
                nodes.push((node, 1));
            }
        }
    }
    nodes.into_iter()
}

/// Deals samples out as evenly as they go, more to the first.
pub fn deal(draws: usize, live: &[NodeId]) -> Vec<Branch> {
    live.iter()
        .enumerate()
        .map(|(rank, &node)| Branch {
            node,
            draws: draws / live.len() + usize::from(rank < draws % live.len()),
            part: 0,
        })
        .collect()
}
