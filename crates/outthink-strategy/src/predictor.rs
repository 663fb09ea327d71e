//! What a candidate's chance of being right and its cost are, by what a probe of the first samples shows.

use serde::{Deserialize, Serialize};

use crate::features::{ProbeFeatures, features};
use crate::linear::{Linear, Scale, logistic};
use crate::multiplier::best;

/// Who reads the first samples before a method is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Probe {
    /// No verifier: answers, lengths and log-probabilities only.
    Votes,
    /// The verifier of this number.
    Verifier(usize),
}

impl Probe {
    /// Where it stands among all: the one without a verifier first, then the verifiers in order.
    pub fn place(self) -> usize {
        match self {
            Self::Votes => 0,
            Self::Verifier(number) => number + 1,
        }
    }

    /// The features of some first samples.
    pub fn features_of(self, glimpses: &[ProbeFeatures]) -> Vec<f64> {
        features(glimpses, self != Self::Votes)
    }
}

/// What a candidate's chance and cost are, given the features of a probe.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// Who reads the probe.
    pub probe: Probe,
    /// The scale of its features.
    pub scale: Scale,
    /// Of each candidate of the shortlist.
    pub models: Vec<Forecast>,
}

/// What is expected of a candidate.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// Its number.
    pub candidate: usize,
    /// The logit of its chance.
    pub chance: Linear,
    /// Its cost.
    pub cost: Linear,
    /// The least that it has cost.
    pub least: f64,
}

/// A prediction: candidates' numbers, chances and costs.
#[derive(Clone, Debug, Default)]
pub struct Predicted {
    /// The candidates.
    pub candidates: Vec<usize>,
    /// Their chances of being right.
    pub chances: Vec<f64>,
    /// What they are expected to cost.
    pub costs: Vec<f64>,
}

impl Predictor {
    /// What it says of a problem with these features.
    pub fn predict(&self, features: &[f64]) -> Predicted {
        let input = self.scale.apply(features);
        let mut predicted = Predicted::default();
        for own in &self.models {
            predicted.candidates.push(own.candidate);
            predicted.chances.push(logistic(own.chance.at(&input)));
            predicted.costs.push(own.cost.at(&input).max(own.least));
        }
        predicted
    }
}

impl Predicted {
    /// The choice at a price of compute: the candidate and its predicted chance.
    pub fn choose(&self, multiplier: f64) -> (usize, f64) {
        let place = best(&self.chances, &self.costs, multiplier);
        (self.candidates[place], self.chances[place])
    }
}
