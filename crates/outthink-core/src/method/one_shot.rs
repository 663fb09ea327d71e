//! What draws whole solutions: the kernel with one giant step.
//!
//! 1. Draw `N` whole solutions.
//! 2. Keep all. (Best-of-N has them scored; the vote or the choice is [`crate::Selection`]'s.)

use super::{Allocator, Branch, Grown, Plan};
use crate::{NodeId, Tree};

pub(crate) struct OneShot {
    budget: usize,
    kept: Vec<NodeId>,
}

impl OneShot {
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            budget,
            kept: Vec::new(),
        }
    }
}

/// A plan of whole solutions, in words.
pub(super) fn solutions(plan: &Plan) -> String {
    match plan.budget() {
        1 => "1 solution".to_owned(),
        budget => format!("{budget} solutions"),
    }
}

impl Allocator for OneShot {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.budget,
            part: 0,
        }]
    }

    fn next(&mut self, _: &Tree, grown: &[Grown]) -> Vec<Branch> {
        for &node in grown.iter().flat_map(|grown| &grown.children) {
            if !self.kept.contains(&node) {
                self.kept.push(node);
            }
        }
        Vec::new()
    }

    fn kept(&self) -> Vec<NodeId> {
        self.kept.clone()
    }
}
