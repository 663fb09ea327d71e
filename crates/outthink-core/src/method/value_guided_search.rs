//! Value-guided search (VGS, arXiv 2505.17373): DVTS over blocks of tokens, for long thoughts that no step divides well.
//!
//! With budget `N`, beam width `M` and blocks of `B` tokens, `N / M` subtrees. In each:
//! 1. Draw `M` blocks.
//! 2. Keep the one of highest value: the verifier's newest reward, which for a value model is the chance to end rightly.
//! 3. Draw `M` next blocks of it and repeat from 2, until it completes the answer.
//!
//! The answer is a weighted vote of all subtrees. The paper has `M = 2` and `B = 4096`, and a value model of its own (1.5B, for
//! R1-style thoughts); any verifier takes its place here, and a PRM of short answers is a poor one.
//!
//! A block is `B` tokens and what is left of the step they end in, since verifiers read whole steps. Where they end just between
//! two steps, these are one step of the tree. The most steps of a solution are its most blocks here. The policy must tell its
//! tokens: from one that does not, a block that is cut off cannot go on.
//!
//! Doubts: the evidence is its authors' own, on competition mathematics with distilled R1 models and the value model that was
//! trained on their thoughts; 2512.02008 finds that beams rarely pay for models that think.

use serde::{Deserialize, Serialize};

use super::dvts::Subtrees;
use super::{Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Round, Traits};
use crate::{NodeId, Tree};

/// With the paper's blocks.
const USUAL: ValueGuidedSearch = ValueGuidedSearch { block: 4096 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ValueGuidedSearch {
    block: usize,
}

/// Value-guided search in blocks of tokens: `value-guided-search:block=4096`.
pub const VALUE_GUIDED_SEARCH: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "value-guided-search",
});

impl Default for ValueGuidedSearch {
    fn default() -> Self {
        USUAL
    }
}

impl Method for ValueGuidedSearch {
    fn name(&self) -> &'static str {
        VALUE_GUIDED_SEARCH.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["vgs"]
    }

    fn title(&self) -> &'static str {
        "value-guided search"
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
        match own.block {
            0 => Err("a block has at least 1 token".to_owned()),
            _ => Ok(Box::new(own)),
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        let tokens = self.block;
        format!("{}, in blocks of {tokens} tokens", plan.in_parts("subtree"))
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Blocks {
            subtrees: Subtrees::new(plan),
            tokens: self.block,
        })
    }
}

struct Blocks {
    subtrees: Subtrees,
    tokens: usize,
}

impl Allocator for Blocks {
    fn first(&mut self) -> Vec<Branch> {
        self.subtrees.first()
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        self.subtrees.next(tree, grown)
    }

    fn round(&self) -> Round {
        Round {
            block: Some(self.tokens),
            ..Round::default()
        }
    }

    fn kept(&self) -> Vec<NodeId> {
        self.subtrees.kept()
    }
}
