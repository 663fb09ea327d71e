//! Particle filtering (arXiv 2502.01618 §3, "rollout roulette"): solutions are sampled in proportion to their rewards, where
//! beam search takes the best.
//!
//! With budget `N` and temperature `T`:
//! 1. Draw a first step for each of `N` particles.
//! 2. Weigh each particle: `w = softmax(logit(s) / T)`, where `s` is the reward of its newest step.
//! 3. Take `N` particles from these by systematic resampling, in proportion to `w`.
//! 4. Draw a next step of each that has not ended, and repeat from 2 until all have.
//!
//! A particle that has ended keeps its last reward and takes part in the resampling (`--resample-inactive` of the authors'
//! code), so that it may be copied or lost; its copies draw nothing. One that was cut off has no reward and no weight. Equal
//! particles are one node with the weight of all. Where every particle has ended, all are kept, for the largest weight
//! (`last-max`, the paper's) or a vote; a path counts there for the samples that drew it, not for its copies.
//!
//! The authors' code resamples by independent draws; systematic resampling has the same expectation and less variance. Doubts: a
//! PRM that is sure of itself early leaves copies of one particle (2510.05825 anneals for that), the paper's best claims are of
//! few particles on hard sets, and 2510.20272 finds searches by a PRM no better than best-of-N at equal cost.

use serde::{Deserialize, Serialize};

use super::resampling::{Chance, exponentials, logit, systematic};
use super::{
    Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, counted,
};
use crate::{NodeId, Stop, Tree};

/// With the temperature of the authors' code.
const USUAL: ParticleFiltering = ParticleFiltering { temperature: 1.0 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ParticleFiltering {
    temperature: f64,
}

/// Particle filtering: `particle-filtering:temperature=1`.
pub const PARTICLE_FILTERING: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "particle-filtering",
});

impl Default for ParticleFiltering {
    fn default() -> Self {
        USUAL
    }
}

impl Method for ParticleFiltering {
    fn name(&self) -> &'static str {
        PARTICLE_FILTERING.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["pf", "smc"]
    }

    fn title(&self) -> &'static str {
        "particle filtering"
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
        match own.temperature > 0.0 {
            true => Ok(Box::new(own)),
            false => Err(format!("a temperature is above 0, not {}", own.temperature)),
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        in_particles(plan)
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        Box::new(Particles {
            particles: plan.budget(),
            temperature: self.temperature,
            chance: Chance::new(seed),
            ended: Vec::new(),
        })
    }
}

/// A plan of particles, in words.
pub(super) fn in_particles(plan: &Plan) -> String {
    match plan.budget() {
        1 => "1 particle".to_owned(),
        budget => format!("{budget} particles"),
    }
}

pub(super) struct Particles {
    pub(super) particles: usize,
    pub(super) temperature: f64,
    pub(super) chance: Chance,
    /// Ended paths in the order in which they ended, and how many particles each is.
    pub(super) ended: Vec<(NodeId, usize)>,
}

impl Allocator for Particles {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.particles,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
        let mut all = std::mem::take(&mut self.ended);
        let drawn = counted(grown);
        all.extend(drawn.filter(|&(node, _)| stop(node) != Some(Stop::Length)));
        if all.iter().any(|&(node, _)| stop(node).is_none()) {
            let logits: Vec<f64> = all
                .iter()
                .map(|&(node, _)| logit(tree.nodes()[node].reward))
                .collect();
            let weights = exponentials(&logits, self.temperature);
            let weights: Vec<f64> = weights
                .iter()
                .zip(&all)
                .map(|(weight, &(_, own))| weight * own as f64)
                .collect();
            let copies = systematic(&weights, self.particles, self.chance.uniform());
            for ((_, own), copies) in all.iter_mut().zip(copies) {
                *own = copies;
            }
            all.retain(|&(_, copies)| copies > 0);
        }
        let (live, ended) = all.into_iter().partition(|&(node, _)| stop(node).is_none());
        self.ended = ended;
        let live: Vec<(NodeId, usize)> = live;
        live.into_iter()
            .map(|(node, draws)| Branch {
                node,
                draws,
                part: 0,
            })
            .collect()
    }

    fn kept(&self) -> Vec<NodeId> {
        self.ended.iter().map(|&(node, _)| node).collect()
    }
}
