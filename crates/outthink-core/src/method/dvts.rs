//! Diverse verifier tree search: independent subtrees, each a beam of one (Beeching et al. 2024, "Scaling test-time
//! compute"; arXiv 2502.06703 §2.2).
//!
//! With budget `N` and beam width `M`, `N / M` subtrees. In each:
//! 1. Draw `M` steps.
//! 2. Keep the one of highest reward; if it completes the answer, the subtree is done.
//! 3. Draw `M` next steps of it and repeat from 2.
//!
//! `granularity=2` chooses among every second step only (see `granularity.rs`).

use serde::{Deserialize, Serialize};

use super::{
    Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, granularity,
    ranked,
};
use crate::{NodeId, Stop, Tree};

const USUAL: Dvts = Dvts { granularity: 1 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dvts {
    granularity: usize,
}

/// Diverse verifier tree search, independent beams: `dvts:granularity=1`.
pub const DVTS: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "dvts",
});

impl Default for Dvts {
    fn default() -> Self {
        USUAL
    }
}

impl Method for Dvts {
    fn name(&self) -> &'static str {
        DVTS.name()
    }

    fn title(&self) -> &'static str {
        "DVTS"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            width: true,
            // Subtrees are drawn alike whatever their number.
            nested: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        granularity::checked(own.granularity)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        plan.in_parts("subtree")
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        granularity::every(self.granularity, Subtrees::new(plan))
    }
}

/// The allocator of DVTS.
pub(super) struct Subtrees {
    subtrees: usize,
    width: usize,
    done: Vec<NodeId>,
}

impl Subtrees {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            subtrees: plan.budget() / plan.width(),
            width: plan.width(),
            done: Vec::new(),
        }
    }
}

impl Allocator for Subtrees {
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
