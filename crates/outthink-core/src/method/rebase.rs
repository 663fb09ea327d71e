//! REBASE, reward-balanced search (arXiv 2408.00724 §3.2).
//!
//! With budget `N` and temperature `T`:
//! 1. Draw `N` first steps.
//! 2. `W = N −` the paths that have ended.
//! 3. Over the live steps by falling reward `s`: `n = ⌈W · e^(s/T) / Σ e^(s/T)⌉`, the sum over the steps that are left; draw
//!    `n` next steps of it, and take `n` from `W`. Repeat from 2 until no path is live.
//!
//! A step that several samples drew counts once for each of them, as if they had not been merged. All complete paths are
//! kept, for a weighted vote.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, ranked};
use crate::parameters::above_zero;
use crate::{NodeId, Stop, Tree};

/// With the temperature of the authors' code (thu-wyz/inference_scaling): the lower, the more goes to the best steps.
const USUAL: Rebase = Rebase { temperature: 0.2 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rebase {
    temperature: f64,
}

/// Reward-balanced search: `rebase:temperature=0.2`.
pub const REBASE: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "rebase",
});

impl Default for Rebase {
    fn default() -> Self {
        USUAL
    }
}

impl Method for Rebase {
    fn name(&self) -> &'static str {
        REBASE.name()
    }

    fn title(&self) -> &'static str {
        "REBASE"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        above_zero("temperature", own.temperature)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        match plan.budget() {
            1 => "1 path".to_owned(),
            budget => format!("{budget} paths, balanced by reward at each step"),
        }
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Balanced {
            left: plan.budget(),
            temperature: self.temperature,
            done: Vec::new(),
        })
    }
}

struct Balanced {
    /// `W`.
    left: usize,
    temperature: f64,
    done: Vec<NodeId>,
}

impl Allocator for Balanced {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.left,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let drawn = || {
            grown
                .iter()
                .flat_map(|grown| grown.children.iter().copied())
        };
        let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
        for node in drawn() {
            self.left -= usize::from(stop(node).is_some());
            if stop(node) == Some(Stop::Answer) && !self.done.contains(&node) {
                self.done.push(node);
            }
        }
        let mut samples: HashMap<NodeId, f64> = HashMap::new();
        for node in drawn().filter(|&node| stop(node).is_none()) {
            *samples.entry(node).or_default() += 1.0;
        }
        let live = ranked(tree, drawn().filter(|node| samples.contains_key(node)));
        let reward = |node: NodeId| tree.nodes()[node].reward.unwrap_or_default();
        let best = live.first().map_or(0.0, |&node| reward(node));
        let weight =
            |node: &NodeId| samples[node] * ((reward(*node) - best) / self.temperature).exp();
        let weights: Vec<f64> = live.iter().map(weight).collect();
        // Of each step and all after it: the last one's share is the whole of what is left.
        let mut rest = weights.clone();
        for place in (1..rest.len()).rev() {
            rest[place - 1] += rest[place];
        }
        let mut left = self.left;
        let mut branches = Vec::new();
        for ((&node, weight), rest) in live.iter().zip(weights).zip(rest) {
            let draws = (left as f64 * weight / rest).ceil() as usize;
            let draws = draws.min(left);
            left -= draws;
            if draws > 0 {
                branches.push(Branch {
                    node,
                    draws,
                    part: 0,
                });
            }
        }
        branches
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}
