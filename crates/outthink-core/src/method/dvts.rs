//! Diverse verifier tree search: independent subtrees, each a beam of one (Beeching et al. 2024, "Scaling test-time
//! compute"; arXiv 2502.06703 §2.2).
//!
//! With budget `N` and beam width `M`, `N / M` subtrees. In each:
//! 1. Draw `M` steps.
//! 2. Keep the one of highest reward; if it completes the answer, the subtree is done.
//! 3. Draw `M` next steps of it and repeat from 2.

use super::{Allocator, Branch, Grown, ranked};
use crate::{NodeId, Stop, Tree};

pub(crate) struct Dvts {
    subtrees: usize,
    width: usize,
    done: Vec<NodeId>,
}

impl Dvts {
    pub(crate) fn new(budget: usize, width: usize) -> Self {
        Self {
            subtrees: budget / width,
            width,
            done: Vec::new(),
        }
    }
}

impl Allocator for Dvts {
    fn first(&mut self) -> Vec<Branch> {
        (0..self.subtrees)
            .map(|part| Branch {
                node: Tree::ROOT,
                draws: self.width,
                part,
            })
            .collect()
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let mut live = Vec::new();
        for Grown { branch, children } in grown {
            let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
            let candidates = children
                .iter()
                .copied()
                .filter(|&node| stop(node) != Some(Stop::Length));
            match ranked(tree, candidates).first() {
                // Subtrees that drew the same path share its node, and its count has the draws of all.
                Some(&best) if self.done.contains(&best) => {}
                Some(&best) if stop(best).is_some() => self.done.push(best),
                Some(&best) => live.push(Branch {
                    node: best,
                    ..*branch
                }),
                None => {}
            }
        }
        live
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}
