//! Entropic particle filtering (ePF, arXiv 2510.05825): particle filtering whose resampling is flattened where it would leave
//! copies of few particles.
//!
//! As [particle filtering](super::particle_filtering), and before the resampling after step `t` of at most `T_max`:
//! 1. `ESS = 1 / Σ w²`: how many equally weighted particles the `N` are worth.
//! 2. Where `ESS / N < threshold` and `t / T_max < early`: `w = softmax(logit(s) / (T τ))` with
//!    `τ = max(1, (N / ESS) · (1 − t / T_max))`.
//!
//! `T_max` is the most steps of a solution (the policy's limit), and both bounds are the paper's one half. The look-ahead
//! modulation of the paper is not here.
//!
//! Doubts: most solutions have far fewer steps than they may have, so that "early" may last to their end, and `τ` stays near
//! `N / ESS`; the gains that the paper reports are its own, on small `N` and hard problems.

use serde::{Deserialize, Serialize};

use super::particle_filtering::{Particles, in_particles};
use super::resampling::effective_size;
use super::{Allocator, AnyMethod, Method, Named, Parameters, Plan, Traits};
use crate::parameters::above_zero;

/// With the bounds of the paper.
const USUAL: EntropicParticleFiltering = EntropicParticleFiltering {
    temperature: 1.0,
    threshold: 0.5,
    early: 0.5,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EntropicParticleFiltering {
    temperature: f64,
    threshold: f64,
    early: f64,
}

/// Entropic particle filtering: `entropic-particle-filtering:threshold=0.5:early=0.5:temperature=1`.
pub const ENTROPIC_PARTICLE_FILTERING: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "entropic-particle-filtering",
});

impl Default for EntropicParticleFiltering {
    fn default() -> Self {
        USUAL
    }
}

impl Method for EntropicParticleFiltering {
    fn name(&self) -> &'static str {
        ENTROPIC_PARTICLE_FILTERING.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["epf"]
    }

    fn title(&self) -> &'static str {
        "entropic particle filtering"
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
        for (name, share) in [("threshold", own.threshold), ("early", own.early)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(format!("`{name}` is from 0 to 1, not {share}"));
            }
        }
        above_zero("temperature", own.temperature)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        in_particles(plan)
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        let annealing = Annealing {
            threshold: self.threshold,
            early: self.early,
        };
        let particles = Particles::new(plan.budget(), self.temperature, seed);
        Box::new(particles.annealed(annealing))
    }
}

/// When the weights are flattened, and by how much.
pub(super) struct Annealing {
    threshold: f64,
    early: f64,
}

impl Annealing {
    /// `τ` for particles with these weights, several a weight, at this share of the most steps.
    pub(super) fn temperature(&self, weights: &[f64], particles: &[usize], time: f64) -> f64 {
        let all: usize = particles.iter().sum();
        let effective = effective_size(weights, particles);
        let all = all as f64;
        match effective / all < self.threshold && time < self.early {
            true => (all / effective * (1.0 - time)).max(1.0),
            false => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_flattened_early_and_where_few_particles_count() {
        let annealing = Annealing {
            threshold: 0.5,
            early: 0.5,
        };
        let tau = |weights: &[f64], particles: &[usize], time| {
            annealing.temperature(weights, particles, time)
        };
        // One of four particles has all the weight: ESS = 1, so 4 · (1 − t/T).
        assert_eq!(tau(&[1.0, 0.0], &[1, 3], 0.25), 3.0);
        assert_eq!(tau(&[1.0, 0.0], &[1, 3], 0.5), 1.0, "late");
        // ESS = 2 of 4 is not below one half.
        assert_eq!(tau(&[1.0, 0.0], &[2, 2], 0.25), 1.0);
        assert_eq!(tau(&[1.0, 1.0, 1.0], &[1, 1, 1], 0.0), 1.0);
    }
}
