//! Lookahead search (arXiv 2408.03314 §5): beam search whose rewards are those of where a step leads.
//!
//! With budget `N`, `k` steps ahead and beam width `M`, `n = N / (k + 1)` candidates a round, of `n / M` beams:
//! 1. Draw `n` first steps.
//! 2. From each candidate take the likeliest next step, `k` times in a row, or until the answer is complete. The reward of the end
//!    is the candidate's.
//! 3. Keep the candidates of highest reward, draw `M` next steps of each, and repeat from 2 until the kept paths are complete.
//!
//! As the paper counts, the looks ahead are paid from the budget: `N` pays for `N / (k + 1)` candidates. A budget below `k + 1`
//! looks `N − 1` steps ahead. The verifier reads the ends of the looks, and solutions. A look that is cut off before an answer
//! ranks last. Looks are in the tree, as all that was drawn; the answers that they reach are not kept, unless a sample reaches the
//! same, and then they count as one sample more.
//!
//! Counter-evidence: in the paper lookahead is below beam search and best-of-N at equal budgets, since its looks are paid and
//! discarded.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::beam::Beams;
use super::{
    Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Round, Traits, counted,
};
use crate::{NodeId, Stop, Tree};

/// The paper looks 1 and 3 steps ahead.
const USUAL: Lookahead = Lookahead { steps: 1 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Lookahead {
    steps: usize,
}

/// Lookahead search: `lookahead:steps=1`.
pub const LOOKAHEAD: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "lookahead",
});

impl Default for Lookahead {
    fn default() -> Self {
        USUAL
    }
}

impl Lookahead {
    /// Steps ahead, beams, and samples of each.
    fn laid_out(&self, plan: &Plan) -> (usize, usize, usize) {
        let ahead = self.steps.min(plan.budget() - 1);
        let candidates = plan.budget() / (ahead + 1);
        let width = plan.width().clamp(1, candidates);
        (ahead, candidates / width, width)
    }
}

impl Method for Lookahead {
    fn name(&self) -> &'static str {
        LOOKAHEAD.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["lookahead-search"]
    }

    fn title(&self) -> &'static str {
        "lookahead search"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            width: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        parameters.method::<Self>()
    }

    fn describe(&self, plan: &Plan) -> String {
        let (ahead, beams, width) = self.laid_out(plan);
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        format!(
            "{beams} beam{} × {width}, looking {ahead} step{} ahead of each sample",
            plural(beams),
            plural(ahead)
        )
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        let (ahead, beams, width) = self.laid_out(plan);
        Box::new(Looks {
            beams: Beams::new(beams, width, plan.finished()),
            ahead,
            looked: 0,
            candidates: Vec::new(),
        })
    }
}

struct Looks {
    beams: Beams,
    /// `k`.
    ahead: usize,
    /// Steps ahead asked for since the candidates were drawn.
    looked: usize,
    candidates: Vec<Candidate>,
}

struct Candidate {
    node: NodeId,
    /// Where the look ahead from it stands.
    end: NodeId,
}

impl Allocator for Looks {
    fn first(&mut self) -> Vec<Branch> {
        self.beams.first()
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
        if self.looked == 0 {
            let whole = counted(grown).filter(|&(node, _)| stop(node) != Some(Stop::Length));
            self.candidates = whole
                .map(|(node, _)| Candidate { node, end: node })
                .collect();
        } else {
            let step = |grown: &Grown| Some((grown.branch.node, *grown.children.first()?));
            let steps: HashMap<NodeId, NodeId> = grown.iter().filter_map(step).collect();
            for candidate in &mut self.candidates {
                candidate.end = steps.get(&candidate.end).copied().unwrap_or(candidate.end);
            }
        }
        let open = self.candidates.iter().filter(|own| stop(own.end).is_none());
        let looks: Vec<Branch> = open
            .map(|candidate| Branch {
                node: candidate.end,
                draws: 1,
                part: 0,
            })
            .collect();
        if self.looked < self.ahead && !looks.is_empty() {
            self.looked += 1;
            return looks;
        }
        self.looked = 0;
        let candidates = std::mem::take(&mut self.candidates);
        let ends: HashMap<NodeId, NodeId> =
            candidates.iter().map(|own| (own.node, own.end)).collect();
        // A path that is complete is its own end.
        let value = |node: NodeId| {
            let end = ends.get(&node).copied().unwrap_or(node);
            tree.nodes()[end].reward.unwrap_or(f64::NEG_INFINITY)
        };
        self.beams
            .keep(tree, candidates.iter().map(|own| own.node), value)
    }

    fn round(&self) -> Round {
        Round {
            greedy: self.looked > 0,
            scored: self.looked == self.ahead,
            ..Round::default()
        }
    }

    fn kept(&self) -> Vec<NodeId> {
        self.beams.kept()
    }
}
