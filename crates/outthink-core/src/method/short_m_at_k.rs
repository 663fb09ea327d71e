//! short-m@k (arXiv 2505.17813): `N` samples are started, the first `m` that finish end the rest, and vote.
//!
//! 1. Draw `N` solutions, `tokens` tokens at a time.
//! 2. When `m` are finished, stop the others: they have as many tokens as the `m`-th.
//! 3. Keep the `m` with the fewest tokens; ties go to the earlier sample. The vote is [`crate::Selection`]'s.
//!
//! The first are those with the fewest tokens, not those that a machine happened to finish first, so a search is the same
//! wherever it runs. What was drawn of the others counts.

use serde::{Deserialize, Serialize};

use super::any::Named;
use super::one_shot::solutions;
use super::{
    Allocator, AnyMethod, Branch, Ends, Grown, Method, Parameters, Plan, Round, Traits, Watch,
};
use crate::{NodeId, Stop, Tree};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ShortMAtK {
    /// How many finish.
    m: usize,
    /// Tokens between two looks at who has finished: what the others may have drawn too much, each.
    tokens: usize,
}

const USUAL: ShortMAtK = ShortMAtK { m: 3, tokens: 64 };

/// `N` samples of which the first `m` to finish end the rest, and vote.
pub const SHORT_M_AT_K: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "short-m-at-k",
});

impl Default for ShortMAtK {
    fn default() -> Self {
        USUAL
    }
}

impl Method for ShortMAtK {
    fn name(&self) -> &'static str {
        SHORT_M_AT_K.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["short-m@k", "short"]
    }

    fn title(&self) -> &'static str {
        "short-m@k"
    }

    fn traits(&self) -> Traits {
        Traits {
            live: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        match (own.m, own.tokens) {
            (0, _) => Err("`m` is at least 1".into()),
            (_, 0) => Err("`tokens` is at least 1".into()),
            _ => Ok(Box::new(own)),
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        format!("the first {} of {}", self.m, solutions(plan))
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Race {
            method: *self,
            budget: plan.budget(),
            kept: Vec::new(),
        })
    }
}

struct Race {
    method: ShortMAtK,
    budget: usize,
    kept: Vec<NodeId>,
}

impl Allocator for Race {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.budget,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let length = |&node: &NodeId| -> usize {
            let steps = tree.steps(node);
            steps.iter().map(|step| step.tokens.len()).sum()
        };
        let finished =
            |node: &NodeId| matches!(tree.nodes()[*node].finished, Some((Stop::Answer, _)));
        let children = grown.iter().flat_map(|grown| &grown.children).copied();
        let mut first: Vec<NodeId> = children.filter(finished).collect();
        // A stable sort: ties stay in the order of samples.
        first.sort_by_key(length);
        first.truncate(self.method.m);
        for node in first {
            if !self.kept.contains(&node) {
                self.kept.push(node);
            }
        }
        Vec::new()
    }

    fn round(&self) -> Round {
        Round {
            watch: Some(Watch {
                ends: Ends::Finished(self.method.m),
                tokens: self.method.tokens,
            }),
            ..Round::default()
        }
    }

    fn kept(&self) -> Vec<NodeId> {
        self.kept.clone()
    }
}
