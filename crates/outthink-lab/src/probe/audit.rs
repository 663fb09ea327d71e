//! What a probe is worth, by folds: does it rank within problems, better than the policy's own log-probability, and do votes by it beat
//! majority?

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use outthink_core::{Scoring, Selection};
use serde::{Deserialize, Serialize};

use super::data::{Path, ProbeData};
use crate::audit::Measured;
use crate::audit::outcome::{OutcomeSample, auc, grouped, won};
use crate::audit::resample::Sums;
use crate::estimate::binomial::Factorials;
use crate::estimate::votes::{GradedSample, chances};

/// How the verdict on a probe that is worth nothing ends.
pub const VERDICT_USELESS: &str = "do not use it";

/// One kind of head in the folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KindAudit {
    /// Units of its inner layer; 0 for a linear head.
    pub units: usize,
    /// Was it fitted on pairs within problems? Else on single states.
    pub within: bool,
    /// The mean over problems of the chance that a right sample is above a wrong one.
    pub auc_within: Option<f64>,
}

impl fmt::Display for KindAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.units {
            0 => f.write_str("linear")?,
            units => write!(f, "{units} units")?,
        }
        f.write_str(if self.within { ", pairs" } else { ", states" })
    }
}

/// What a rule makes of some samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleAudit {
    /// The rule.
    pub rule: String,
    /// How many samples it chooses from.
    pub n: usize,
    /// Share of problems that it gets right.
    pub accuracy: Option<Measured>,
    /// That less majority's, on the same samples.
    pub over_majority: Option<Measured>,
}

/// All that is known of what a probe is worth. Intervals are 95 % bootstraps over problems.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeAudit {
    /// Problems.
    pub problems: usize,
    /// Of them with right and wrong samples.
    pub mixed: usize,
    /// Samples with an answer's end.
    pub samples: usize,
    /// Of them right.
    pub right: usize,
    /// Different states that the heads were fitted on.
    pub states: usize,
    /// The heads that were tried.
    pub tried: Vec<KindAudit>,
    /// Which of them was taken.
    pub taken: usize,
    /// The chance that a right sample of any problem is above a wrong one of any.
    pub auc: Option<Measured>,
    /// The mean over problems of the chance that a right sample is above a wrong one.
    pub auc_within: Option<Measured>,
    /// The same of the mean log-probability of a sample's tokens, where it is stored.
    pub likelihood_within: Option<Measured>,
    /// The difference of the two, problem by problem; without log-probabilities, that to chance.
    pub gain_within: Option<Measured>,
    /// What votes make of the rewards.
    pub rules: Vec<RuleAudit>,
    /// Does it rank within problems better than what costs nothing?
    pub useful: bool,
    /// In words.
    pub verdict: String,
}

/// Of each of some problems with both, the chance that a right sample's last state is said to be better than a wrong one's.
pub(super) fn areas_within(data: &ProbeData, said: &[f64], of: &dyn Fn(usize) -> bool) -> Vec<f64> {
    let judged: Vec<&Path> = complete(data).filter(|path| of(path.problem)).collect();
    let scores: Vec<f64> = judged.iter().map(|path| last(path, said)).collect();
    areas(&outcomes(&judged), &scores).into_values().collect()
}

fn complete(data: &ProbeData) -> impl Iterator<Item = &Path> {
    data.paths.iter().filter(|path| path.complete)
}

fn last(path: &Path, said: &[f64]) -> f64 {
    path.states.last().map_or(f64::NAN, |&state| said[state])
}

fn outcomes(paths: &[&Path]) -> Vec<OutcomeSample> {
    let of = |path: &&Path| OutcomeSample {
        problem: path.problem,
        rewards: Vec::new(),
        characters: Vec::new(),
        tokens: 0,
        right: path.right,
    };
    paths.iter().map(of).collect()
}

/// The area under the curve of each problem that has one.
fn areas(samples: &[OutcomeSample], scores: &[f64]) -> BTreeMap<usize, f64> {
    let area = |(problem, places): (usize, Vec<usize>)| {
        let (won, all) = won(samples, scores, &places);
        (all > 0.0).then(|| (problem, won / all))
    };
    grouped(samples).into_iter().filter_map(area).collect()
}

/// The mean of a value of each problem.
fn mean_of(values: impl IntoIterator<Item = (usize, f64)>) -> Option<Measured> {
    let mut sums = Sums::new(2);
    for (problem, value) in values {
        let own = sums.of(problem);
        own[0] += value;
        own[1] += 1.0;
    }
    sums.measure(|sums| sums[0] / sums[1])
}

impl ProbeAudit {
    /// Measures; `rewards` are those of each state, by heads that did not see its problem.
    pub(super) fn of(
        data: &ProbeData,
        rewards: &[f64],
        tried: Vec<KindAudit>,
        taken: usize,
        seed: u64,
    ) -> Self {
        let judged: Vec<&Path> = complete(data).collect();
        let samples = outcomes(&judged);
        let scores: Vec<f64> = judged.iter().map(|path| last(path, rewards)).collect();
        let own = areas(&samples, &scores);
        let likelihoods: Option<Vec<f64>> = judged.iter().map(|path| path.likelihood).collect();
        let baseline = likelihoods.map(|scores| areas(&samples, &scores));
        let gain = own.iter().map(|(problem, area)| {
            let other = baseline.as_ref().and_then(|own| own.get(problem));
            (*problem, area - other.copied().unwrap_or(0.5))
        });
        let gain_within = mean_of(gain);
        let useful = gain_within.is_some_and(|gain| gain.interval.low > 0.0);
        let mut audit = Self {
            problems: data.problems(),
            mixed: own.len(),
            samples: judged.len(),
            right: judged.iter().filter(|path| path.right).count(),
            states: data.states(),
            tried,
            taken,
            auc: auc(&samples, &scores),
            auc_within: mean_of(own),
            likelihood_within: baseline.and_then(mean_of),
            gain_within,
            rules: rules(data, rewards, seed),
            useful,
            verdict: String::new(),
        };
        audit.verdict = audit.said();
        audit
    }

    fn said(&self) -> String {
        let value = |own: &Option<Measured>| match own {
            Some(own) => format!("{:.3}", own.value),
            None => "unknown".into(),
        };
        let gain = match &self.gain_within {
            Some(Measured { value, interval }) => format!(
                "{value:+.3}, 95 % CI {:+.3} to {:+.3}",
                interval.low, interval.high
            ),
            None => "unknown".into(),
        };
        let (than, against) = match &self.likelihood_within {
            Some(_) => ("log-probability", value(&self.likelihood_within)),
            None => ("chance", "0.500".into()),
        };
        let own = value(&self.auc_within);
        if !self.useful {
            return format!(
                "ranks within problems no better than {than} ({own} against {against}; {gain}): {VERDICT_USELESS}"
            );
        }
        let ranks =
            format!("ranks within problems better than {than} ({own} against {against}; {gain})");
        let most = self.rules.iter().map(|rule| rule.n).max();
        let votes = self.rules.iter().filter(|rule| Some(rule.n) == most);
        let gains: Vec<Measured> = votes.filter_map(|rule| rule.over_majority).collect();
        let worse = gains.iter().all(|gain| gain.interval.high < 0.0);
        let better = gains.iter().any(|gain| gain.interval.low > 0.0);
        match (most, gains.is_empty()) {
            (Some(n), false) if worse => {
                format!(
                    "{ranks}, but every vote by it is worse than majority at N = {n}: use it in searches step by step, if at all"
                )
            }
            (Some(n), false) if better => {
                format!("{ranks}, and a vote by it beats majority at N = {n}")
            }
            (Some(n), false) => {
                format!("{ranks}; no vote by it is shown to beat majority at N = {n}")
            }
            _ => ranks,
        }
    }
}

/// What the votes make of each run's samples, at powers of 4 and at all of them.
fn rules(data: &ProbeData, rewards: &[f64], seed: u64) -> Vec<RuleAudit> {
    let scorings = Scoring::rewarded();
    let mut runs: BTreeMap<(usize, usize), Vec<GradedSample>> = BTreeMap::new();
    for path in &data.paths {
        let Some(run) = path.run else { continue };
        let own: Vec<f64> = path.states.iter().map(|&state| rewards[state]).collect();
        let score = |scoring: &Scoring| scoring.score(&own).unwrap_or(f64::NAN);
        let scores = path
            .complete
            .then(|| scorings.iter().map(score).collect::<Arc<[f64]>>());
        let sample = GradedSample {
            class: path.class,
            right: path.right,
            scores,
            told: None,
        };
        let votes = runs.entry((path.problem, run)).or_default();
        votes.extend(std::iter::repeat_n(sample, path.draws));
    }
    let Some(most) = runs.values().map(Vec::len).min().filter(|most| *most > 1) else {
        return Vec::new();
    };
    let mut budgets: Vec<usize> = std::iter::successors(Some(4), |n| Some(4 * n))
        .take_while(|n| *n < most)
        .collect();
    budgets.push(most);
    let choosing: Vec<Selection> = ["majority", "last-max", "last-vote", "mean-vote"]
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let factorials = Factorials::to(runs.values().map(Vec::len).max().unwrap_or(most) as u64);
    // By rule and budget: the sums of its chances and of what they are above majority's, and the runs.
    let mut sums: Vec<Vec<[Sums; 2]>> = choosing
        .iter()
        .map(|_| {
            budgets
                .iter()
                .map(|_| [Sums::new(2), Sums::new(2)])
                .collect()
        })
        .collect();
    for ((problem, _), votes) in &runs {
        let table = chances(votes, &choosing, &budgets, seed, &factorials);
        for (rule, curve) in table.iter().enumerate() {
            for (place, chance) in curve.iter().enumerate() {
                let majority = table[0][place].value;
                let values = [chance.value, chance.value - majority];
                for (sums, value) in sums[rule][place].iter_mut().zip(values) {
                    let own = sums.of(*problem);
                    own[0] += value;
                    own[1] += 1.0;
                }
            }
        }
    }
    let mut rules = Vec::new();
    for (place, &n) in budgets.iter().enumerate() {
        for (rule, name) in choosing.iter().enumerate() {
            let [own, over] = &sums[rule][place];
            let mean = |sums: &[f64]| sums[0] / sums[1];
            rules.push(RuleAudit {
                rule: name.to_string(),
                n,
                accuracy: own.ratio(),
                over_majority: (*name != Selection::Majority)
                    .then(|| over.measure(mean))
                    .flatten(),
            });
        }
    }
    rules
}
