//! Verifying every `g`-th step only (VG-Search, arXiv 2505.11730): any method that keeps steps by their rewards, with fewer
//! rewards.
//!
//! With granularity `g`:
//! 1. The method draws, has its steps scored, and says which to go on with and how many samples each gets.
//! 2. Draw one sample of each of these, without a reward, `g − 1` times in a row.
//! 3. Draw the samples of 1 from where these stand, and repeat from 1.
//!
//! With `g = 1` it is the method itself; with `g` as large as the most steps, only first steps are chosen among. A path that ends in 2 is
//! scored there, as complete solutions always are, and is a candidate beside those of 3; the samples that it would have got are
//! not drawn. As the paper counts, a step of 2 is one sample for each kept path, so that a search with `g > 1` draws less than
//! one with `g = 1` and not only scores less.
//!
//! The paper's adaptive `g` is the one of best accuracy in a pilot: that is what `outthink tune` does with `beam`,
//! `beam:granularity=2` and so on as candidates, so there is no other pilot here. Doubts: its gain of up to 3 points
//! is the adaptive `g`'s, in its authors' comparison; where a step is wrong, `g` steps may be drawn before it is seen.

use super::{Allocator, Branch, Grown, Round};
use crate::{Limits, NodeId, Tree};

/// The largest granularity: more steps than a solution has.
const LARGEST: usize = 1 << 20;

/// Refuses what is no granularity.
pub(super) fn checked(granularity: usize) -> Result<(), String> {
    match (1..=LARGEST).contains(&granularity) {
        true => Ok(()),
        false => Err(format!(
            "a granularity is from 1 to {LARGEST} steps, not {granularity}"
        )),
    }
}

/// The allocator with its decisions taken at every `granularity`-th step.
pub(super) fn every(granularity: usize, allocator: impl Allocator + 'static) -> Box<dyn Allocator> {
    match granularity {
        0 | 1 => Box::new(allocator),
        _ => Box::new(Sparse {
            allocator: Box::new(allocator),
            between: granularity - 1,
            left: 0,
            kept: Vec::new(),
            ended: Vec::new(),
        }),
    }
}

struct Sparse {
    allocator: Box<dyn Allocator>,
    /// `g − 1`.
    between: usize,
    /// Steps to the next decision that are still to be asked for.
    left: usize,
    /// Where the paths stand that the method goes on with.
    kept: Vec<Branch>,
    /// Those of them that have ended since its last decision.
    ended: Vec<Grown>,
}

impl Sparse {
    /// One step of each path, or where that was the last, the samples that the method asked for.
    fn ask(&self) -> Vec<Branch> {
        let one = |branch: &Branch| Branch {
            draws: 1,
            ..*branch
        };
        match self.left {
            0 => self.kept.clone(),
            _ => self.kept.iter().map(one).collect(),
        }
    }

    /// Moves each path to where its one sample led.
    fn follow(&mut self, tree: &Tree, grown: &[Grown]) {
        let ended = |node: NodeId| tree.nodes()[node].finished.is_some();
        let mut live = Vec::new();
        for (branch, grown) in self.kept.drain(..).zip(grown) {
            match grown.children.first() {
                Some(&node) if ended(node) => self.ended.push(grown.clone()),
                Some(&node) => live.push(Branch { node, ..branch }),
                None => {}
            }
        }
        self.kept = live;
        self.left -= 1;
    }
}

impl Allocator for Sparse {
    fn begin(&mut self, limits: &Limits) {
        self.allocator.begin(limits);
    }

    fn first(&mut self) -> Vec<Branch> {
        self.allocator.first()
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let mut drawn = Vec::new();
        match self.left {
            0 => drawn.extend_from_slice(grown),
            _ => {
                self.follow(tree, grown);
                if !self.kept.is_empty() {
                    return self.ask();
                }
            }
        }
        drawn.splice(..0, std::mem::take(&mut self.ended));
        self.kept = self.allocator.next(tree, &drawn);
        self.left = self.between;
        self.ask()
    }

    fn round(&self) -> Round {
        Round {
            scored: self.left == 0,
            ..self.allocator.round()
        }
    }

    fn kept(&self) -> Vec<NodeId> {
        self.allocator.kept()
    }
}
