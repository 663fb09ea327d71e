//! What the first few samples of a problem tell without its right answer.

use std::collections::BTreeMap;

use outthink_core::Scoring;

/// One of the first samples, as the features see it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeFeatures {
    /// The class of its answer; none without one.
    pub class: Option<usize>,
    /// Its tokens.
    pub tokens: usize,
    /// The sum of their log-probabilities.
    pub logprob: f64,
    /// Its rewards; none without a verifier, or if it was cut off.
    pub rewards: Vec<f64>,
}

/// The names of the features, in order; those of rewards come last.
pub const NAMES: [&str; 11] = [
    "agreement",
    "distinct answers",
    "unanswered",
    "log tokens",
    "spread of log tokens",
    "log-probability a token",
    "lowest log-probability a token",
    "leader's reward",
    "best reward",
    "mean lowest reward",
    "spread of rewards",
];

/// How many of them need no rewards.
pub const WITHOUT_REWARDS: usize = 7;

/// Those that any solutions have, however they were found: what agrees and how far they spread depends on how many were sampled.
pub(crate) const OF_ANY: [usize; 2] = [3, 5];

/// The features of a probe: all of [`NAMES`], or those that need no rewards.
pub fn features(glimpses: &[ProbeFeatures], rewarded: bool) -> Vec<f64> {
    let count = glimpses.len().max(1) as f64;
    let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
    for class in glimpses.iter().filter_map(|glimpse| glimpse.class) {
        *votes.entry(class).or_insert(0) += 1;
    }
    let most = votes.values().copied().max().unwrap_or_default();
    let leader = votes.iter().find(|(_, votes)| **votes == most);
    let lengths = values(glimpses, |glimpse| (glimpse.tokens.max(1) as f64).ln());
    let surprise = values(glimpses, |glimpse| {
        glimpse.logprob / glimpse.tokens.max(1) as f64
    });
    let silent = glimpses.iter().filter(|glimpse| glimpse.class.is_none());
    let mut features = vec![
        most as f64 / count,
        votes.len() as f64,
        silent.count() as f64 / count,
        mean(&lengths),
        spread(&lengths),
        mean(&surprise),
        lowest(&surprise),
    ];
    if rewarded {
        let last = |glimpse: &ProbeFeatures| Scoring::LAST.score(&glimpse.rewards).unwrap_or(0.0);
        let of_leader: Vec<f64> = glimpses
            .iter()
            .filter(|glimpse| glimpse.class.is_some() && glimpse.class == leader.map(|l| *l.0))
            .map(last)
            .collect();
        let all = values(glimpses, last);
        let least = values(glimpses, |glimpse| {
            Scoring::MIN.score(&glimpse.rewards).unwrap_or(0.0)
        });
        features.extend([
            mean(&of_leader),
            all.iter().copied().fold(0.0, f64::max),
            mean(&least),
            spread(&all),
        ]);
    }
    features
}

fn values(glimpses: &[ProbeFeatures], of: impl Fn(&ProbeFeatures) -> f64) -> Vec<f64> {
    glimpses.iter().map(of).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn lowest(values: &[f64]) -> f64 {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    if least.is_finite() { least } else { 0.0 }
}

/// The standard deviation.
fn spread(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares = values.iter().map(|value| (value - centre).powi(2));
    (squares.sum::<f64>() / values.len().max(1) as f64).sqrt()
}
