//! A method of one's own: `cargo run -p outthink-core --example own_method`.
//!
//! *Threshold* draws `N` first steps and goes on with every path whose newest reward is above a threshold. A method is a type
//! with its name, what it needs and its parameters, and an allocator that says where the next round's samples go.
#![allow(clippy::print_stdout, reason = "an example")]

#[path = "own_policy/sums.rs"]
mod sums;

use futures::executor::block_on;
use outthink_core::method::{Allocator, Branch, Grown, Method, Parameters, Plan, Traits};
use outthink_core::{AnyMethod, NodeId, Problem, Search, Stop, Tree};
use serde::{Deserialize, Serialize};

/// Its parameters, with their usual values.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Threshold {
    above: f64,
}

impl Default for Threshold {
    fn default() -> Self {
        Self { above: 0.5 }
    }
}

impl Method for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
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
        parameters.method::<Self>()
    }

    fn start(&self, plan: &Plan, _seed: u64) -> Box<dyn Allocator> {
        Box::new(Paths {
            paths: plan.budget(),
            above: self.above,
            done: Vec::new(),
        })
    }
}

struct Paths {
    paths: usize,
    above: f64,
    done: Vec<NodeId>,
}

impl Allocator for Paths {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.paths,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let mut live: Vec<Branch> = Vec::new();
        for &id in grown.iter().flat_map(|grown| &grown.children) {
            let node = &tree.nodes()[id];
            let good = node.reward.is_some_and(|reward| reward > self.above);
            match (node.finished, good) {
                (Some((Stop::Answer, _)), true) if !self.done.contains(&id) => self.done.push(id),
                (None, true) => match live.iter_mut().find(|branch| branch.node == id) {
                    Some(branch) => branch.draws += 1,
                    None => live.push(Branch {
                        node: id,
                        draws: 1,
                        part: 0,
                    }),
                },
                _ => {}
            }
        }
        live
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    AnyMethod::register(Threshold::default())?;
    // From here on it is a method like any other, by its name and with its parameters.
    let method: AnyMethod = "threshold:above=0.8".parse()?;
    let search = Search::new(&sums::Adder).verifier(&sums::Checker);
    let search = search.method(method).budget(8);
    let outcome = block_on(search.solve(&Problem::new("What is 2 + 3 + 4?")))?;
    println!("{method}: {}", outcome.plan);
    println!("{}", outcome.answer.ok_or("no path is good enough")?);
    Ok(())
}
