//! Beam search over steps, guided by the reward of the newest one (arXiv 2502.06703 §2.2; 2408.03314 §5).
//!
//! With budget `N` and beam width `M`, `b = N / M` beams:
//! 1. Draw `N` first steps.
//! 2. Keep the `b` steps of highest reward, over all beams together.
//! 3. Draw `M` next steps of each kept one, and repeat from 2 until the kept paths are complete.
//!
//! Equal draws are one candidate. When fewer than `b` candidates are left, the draws of the missing ones are dealt to
//! those that there are: merging never shrinks the budget of a round.
//!
//! `granularity=2` chooses among every second step only (see `granularity.rs`).

use serde::{Deserialize, Serialize};

use super::allocator::ranked_by;
use super::{
    Allocator, AnyMethod, Branch, Finished, Grown, Method, Named, Parameters, Plan, Traits, deal,
    granularity,
};
use crate::{NodeId, Stop, Tree};

const USUAL: Beam = Beam { granularity: 1 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Beam {
    granularity: usize,
}

/// Step-level beam search: `beam:granularity=1`.
pub const BEAM: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "beam",
});

impl Default for Beam {
    fn default() -> Self {
        USUAL
    }
}

impl Method for Beam {
    fn name(&self) -> &'static str {
        BEAM.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["beam-search"]
    }

    fn title(&self) -> &'static str {
        "beam search"
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
        let own: Self = parameters.read()?;
        granularity::checked(own.granularity)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        plan.in_parts("beam")
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        let beams = plan.budget() / plan.width();
        let beams = Beams::new(beams, plan.width(), plan.finished());
        granularity::every(self.granularity, beams)
    }
}

/// The allocator of beam search.
pub(super) struct Beams {
    beams: usize,
    width: usize,
    finished: Finished,
    done: Vec<NodeId>,
}

impl Beams {
    pub(super) fn new(beams: usize, width: usize, finished: Finished) -> Self {
        Self {
            beams,
            width,
            finished,
            done: Vec::new(),
        }
    }

    /// Keeps the candidates of most value, and says what each is drawn on.
    pub(super) fn keep(
        &mut self,
        tree: &Tree,
        candidates: impl Iterator<Item = NodeId>,
        value: impl Fn(NodeId) -> f64,
    ) -> Vec<Branch> {
        let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
        let is_done = |node: &NodeId| stop(*node) == Some(Stop::Answer);
        // A solution that was cut off has no answer to offer.
        let candidates = candidates.filter(|&node| stop(node) != Some(Stop::Length));
        let live: Vec<NodeId> = match self.finished {
            Finished::Official => {
                let mut top = ranked_by(value, candidates);
                top.truncate(self.beams - self.done.len());
                self.done.extend(top.iter().copied().filter(is_done));
                top.retain(|node| !is_done(node));
                top
            }
            Finished::Refill => {
                let mut top = ranked_by(value, candidates);
                self.done.extend(top.iter().copied().filter(is_done));
                top.retain(|node| !is_done(node));
                top.truncate(if self.done.len() < self.beams {
                    self.beams
                } else {
                    0
                });
                top
            }
            Finished::Compete => {
                let mut top = ranked_by(value, self.done.iter().copied().chain(candidates));
                top.truncate(self.beams);
                self.done.retain(|node| top.contains(node));
                let news = top.iter().copied().filter(is_done);
                let news: Vec<NodeId> = news.filter(|node| !self.done.contains(node)).collect();
                self.done.extend(news);
                top.retain(|node| !is_done(node));
                top
            }
        };
        let slots = match self.finished {
            Finished::Refill => self.beams,
            Finished::Official | Finished::Compete => self.beams - self.done.len(),
        };
        deal(slots * self.width, &live)
    }
}

impl Allocator for Beams {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.beams * self.width,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let candidates = grown
            .iter()
            .flat_map(|grown| grown.children.iter().copied());
        let reward = |node: NodeId| tree.nodes()[node].reward.unwrap_or(f64::NEG_INFINITY);
        self.keep(tree, candidates, reward)
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}
