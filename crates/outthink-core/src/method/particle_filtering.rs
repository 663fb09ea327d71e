//! Particle filtering (arXiv 2502.01618, "rollout roulette"): solutions are sampled in proportion to their rewards, where
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
//! PRM that is sure of itself early leaves copies of one particle (2510.05825 anneals for that), and 2510.20272 finds searches
//! by a PRM no better than best-of-N, at a higher cost.

use serde::{Deserialize, Serialize};

use super::entropic_particle_filtering::Annealing;
use super::resampling::{Chance, exponentials, logit, systematic};
use super::{
    Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, counted,
};
use crate::parameters::above_zero;
use crate::{Limits, NodeId, Stop, Tree};

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
        above_zero("temperature", own.temperature)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        in_particles(plan)
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        Box::new(Particles::new(plan.budget(), self.temperature, seed))
    }
}

/// A plan of particles, in words.
pub(super) fn in_particles(plan: &Plan) -> String {
    match plan.budget() {
        1 => "1 particle".to_owned(),
        budget => format!("{budget} particles"),
    }
}

/// The allocator of particle filtering, with or without annealing.
pub(super) struct Particles {
    particles: usize,
    temperature: f64,
    annealing: Option<Annealing>,
    chance: Chance,
    /// Steps drawn so far, and the most.
    steps: usize,
    most: usize,
    /// Ended paths in the order in which they ended, and how many particles each is.
    ended: Vec<(NodeId, usize)>,
}

impl Particles {
    pub(super) fn new(particles: usize, temperature: f64, seed: u64) -> Self {
        Self {
            particles,
            temperature,
            annealing: None,
            chance: Chance::new(seed),
            steps: 0,
            most: usize::MAX,
            ended: Vec::new(),
        }
    }

    pub(super) fn annealed(self, annealing: Annealing) -> Self {
        Self {
            annealing: Some(annealing),
            ..self
        }
    }

    /// Takes all particles anew from these, in proportion to their weights.
    fn resample(&mut self, tree: &Tree, from: &mut Vec<(NodeId, usize)>) {
        let logit = |&(node, _): &(NodeId, usize)| logit(tree.nodes()[node].reward);
        let logits: Vec<f64> = from.iter().map(logit).collect();
        let particles: Vec<usize> = from.iter().map(|&(_, particles)| particles).collect();
        let mut weights = exponentials(&logits, self.temperature);
        if let Some(annealing) = &self.annealing {
            let time = self.steps as f64 / self.most as f64;
            let flatter = annealing.temperature(&weights, &particles, time);
            weights = exponentials(&logits, self.temperature * flatter);
        }
        for (weight, particles) in weights.iter_mut().zip(particles) {
            *weight *= particles as f64;
        }
        let copies = systematic(&weights, self.particles, self.chance.uniform());
        for ((_, own), copies) in from.iter_mut().zip(copies) {
            *own = copies;
        }
        from.retain(|&(_, copies)| copies > 0);
    }
}

impl Allocator for Particles {
    fn begin(&mut self, limits: &Limits) {
        self.most = limits.steps.max(1);
    }

    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.particles,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        self.steps += 1;
        let stop = |node: NodeId| tree.nodes()[node].finished.map(|(stop, _)| stop);
        let live = |&(node, _): &(NodeId, usize)| stop(node).is_none();
        let mut all = std::mem::take(&mut self.ended);
        all.extend(counted(grown).filter(|&(node, _)| stop(node) != Some(Stop::Length)));
        if all.iter().any(live) {
            self.resample(tree, &mut all);
        }
        let branch = |&(node, draws): &(NodeId, usize)| Branch {
            node,
            draws,
            part: 0,
        };
        let next = all.iter().filter(|own| live(own)).map(branch).collect();
        all.retain(|own| !live(own));
        self.ended = all;
        next
    }

    fn kept(&self) -> Vec<NodeId> {
        self.ended.iter().map(|&(node, _)| node).collect()
    }
}
