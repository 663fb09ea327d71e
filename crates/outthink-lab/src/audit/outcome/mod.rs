//! What stored rewards say of a verifier where no step has a label: does it score right solutions above wrong ones, over all and
//! within a problem, are its scores probabilities, and what does a solution's length do to them at equal outcome?
//!
//! The unit is the problem: intervals are 95 % percentile bootstraps over problems, so samples of one problem, and of one run of
//! it, are never taken for independent.

mod measures;
mod verdicts;

use std::collections::HashMap;

use outthink_core::Scoring;
use rayon::prelude::*;
use serde::Serialize;

pub(crate) use measures::{auc, grouped, won};
use measures::{chosen_length, lengths, preferences, reliability, sums};
use verdicts::findings;

use super::findings::Finding;
use super::{LengthTable, Measured, Reliability, Sensitivity};
use crate::analysis::Analysis;
use crate::store::{Store, StoreError, Told};
use crate::study::{Config, Study, unit_id};

/// What the name of a verifier ends with where it read another problem than the solution's: a control.
pub const WRONG_PROBLEM: &str = " (wrong problem)";

/// Equally wide bins of scores.
const BINS: usize = 10;

/// A solution with its rewards and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct OutcomeSample {
    /// Which problem.
    pub problem: usize,
    /// One reward a step.
    pub rewards: Vec<f64>,
    /// Characters of each step.
    pub characters: Vec<usize>,
    /// Tokens of the whole; 0 where nobody told.
    pub tokens: usize,
    /// Is its answer right?
    pub right: bool,
}

/// How one score tells right solutions from wrong ones.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreAudit {
    /// Which score.
    pub score: String,
    /// Its mean over right solutions.
    pub right: f64,
    /// And over wrong ones.
    pub wrong: f64,
    /// The chance that a right solution of any problem scores above a wrong one of any.
    pub auc: Option<Measured>,
    /// The same of two solutions of one problem, over all such pairs: what selection can use.
    pub auc_within: Option<Measured>,
    /// The mean over problems of that chance.
    pub auc_by_problem: Option<Measured>,
    /// Expected calibration error over ten bins.
    pub ece: Option<Measured>,
    /// Brier's score: the mean square of score minus outcome.
    pub brier: Option<Measured>,
}

/// What more of something does to a score between two solutions of one problem with the same outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Preference {
    /// Of what there is more.
    pub more: &'static str,
    /// Which score.
    pub score: String,
    /// The outcome of both.
    pub right: bool,
    /// The mean difference of their scores, the one with more first.
    pub difference: Option<Measured>,
    /// How often the one with more has the higher score; a half is none of a preference.
    pub preferred: Option<Measured>,
}

/// Mean rewards along solutions of one outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    /// The outcome.
    pub right: bool,
    /// Mean reward of the steps in each fifth of a solution.
    pub fifths: Vec<f64>,
    /// The last step's reward minus the first one's, of solutions with several.
    pub last_over_first: Option<Measured>,
}

/// All that rewards and outcomes say of a verifier on one policy's samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutcomeAudit {
    /// The verifier.
    pub verifier: String,
    /// Whose samples.
    pub policy: String,
    /// The study.
    pub study: String,
    /// Samples with rewards.
    pub samples: usize,
    /// Problems that they are of.
    pub problems: usize,
    /// Problems with right and wrong ones.
    pub mixed: usize,
    /// Share of right samples.
    pub accuracy: Option<Measured>,
    /// Lengths of all, of right and of wrong solutions (the paper's Table 1).
    pub lengths: Vec<(&'static str, LengthTable)>,
    /// By score.
    pub scores: Vec<ScoreAudit>,
    /// Preferences for length at equal outcome.
    pub preferences: Vec<Preference>,
    /// Rewards along solutions.
    pub courses: Vec<Course>,
    /// Mean length of the best by the last reward over that of all samples of the problem; 1 is no preference.
    pub chosen_length: Option<Measured>,
    /// The last reward against the share of right solutions.
    pub reliability: Vec<Reliability>,
    /// What rules make of the rewards.
    pub selection: Vec<Sensitivity>,
    /// In plain words, the worst first.
    pub findings: Vec<Finding>,
}

impl OutcomeAudit {
    /// Measures; `samples` are of problems below `problems`.
    pub fn of(
        (study, policy, verifier): (&str, &str, &str),
        samples: &[OutcomeSample],
        selection: Vec<Sensitivity>,
    ) -> Self {
        let scorings = Scoring::all();
        let scores: Vec<(String, Vec<f64>)> = scorings
            .into_iter()
            .filter_map(|scoring| {
                let own: Option<Vec<f64>> = samples
                    .iter()
                    .map(|own| scoring.score(&own.rewards))
                    .collect();
                Some((scoring.name().to_owned(), own?))
            })
            .collect();
        let mut by_problem: HashMap<usize, [usize; 2]> = HashMap::new();
        for own in samples {
            by_problem.entry(own.problem).or_default()[usize::from(own.right)] += 1;
        }
        let mixed = by_problem.values().filter(|own| own[0] > 0 && own[1] > 0);
        let last = scores.iter().find(|(name, _)| name == "last");
        let mut audit = Self {
            verifier: verifier.to_owned(),
            policy: policy.to_owned(),
            study: study.to_owned(),
            samples: samples.len(),
            problems: by_problem.len(),
            mixed: mixed.count(),
            accuracy: sums(samples, 2, |_, own, sums| {
                sums[0] += f64::from(u8::from(own.right));
                sums[1] += 1.0;
            })
            .ratio(),
            lengths: lengths(samples),
            scores: scores
                .par_iter()
                .map(|(name, own)| ScoreAudit::of(name, samples, own))
                .collect(),
            preferences: preferences(samples, &scores),
            courses: [true, false]
                .into_iter()
                .filter_map(|right| Course::of(samples, right))
                .collect(),
            chosen_length: last.and_then(|(_, own)| chosen_length(samples, own)),
            reliability: last.map_or_else(Vec::new, |(_, own)| reliability(samples, own)),
            selection,
            findings: Vec::new(),
        };
        audit.findings = findings(&audit);
        audit
    }
}

/// Reads what a study stored of each of its verifiers on each policy's samples and audits it. Verifiers that know the answer are
/// left out, unless one is named.
///
/// # Errors
///
/// The store failed.
pub fn outcome_audits(
    analysis: &Analysis,
    store: &mut Store,
    named: &[String],
) -> Result<Vec<OutcomeAudit>, StoreError> {
    let study = &analysis.study;
    let mut audits = Vec::new();
    for cell in &study.cells {
        // A search has its samples and rewards in one unit, a pool in two.
        let (pool, verifier) = match (cell.config(), cell.verifier) {
            (Config::Score { pool, .. }, Some(verifier)) => (pool.as_str(), verifier),
            (Config::Search { .. }, Some(verifier)) if study.source.is_some() => {
                (cell.hash(), verifier)
            }
            _ => continue,
        };
        let model = &study.verifiers[verifier];
        let wanted = match named.is_empty() {
            true => !model.oracle,
            // With a verifier its control, if there is one.
            false => named.iter().any(|own| {
                model.name == *own || model.name.strip_suffix(WRONG_PROBLEM) == Some(own)
            }),
        };
        if !wanted {
            continue;
        }
        let mut samples = Vec::new();
        for (number, problem) in study.problems.iter().enumerate() {
            for &seed in &study.seeds {
                let scored = store.rewards(unit_id(cell.hash(), problem.key(), seed))?;
                if scored.is_empty() {
                    continue;
                }
                let rewards: HashMap<usize, Vec<f64>> = scored.into_iter().collect();
                for sample in store.samples(unit_id(pool, problem.key(), seed))? {
                    let Some(rewards) = rewards.get(&sample.number) else {
                        continue;
                    };
                    samples.push(OutcomeSample {
                        problem: number,
                        rewards: rewards.clone(),
                        characters: sample
                            .drawn
                            .steps
                            .iter()
                            .map(|step| step.chars().count())
                            .collect(),
                        tokens: sample.drawn.tokens,
                        right: sample.drawn.correct,
                    });
                }
            }
        }
        if samples.is_empty() {
            continue;
        }
        let policy = &study.policies[cell.policy].name;
        let mut selection = analysis.selection(verifier);
        selection.retain(|own| own.policy == *policy);
        let about = (study.name.as_str(), policy.as_str(), model.name.as_str());
        audits.push(OutcomeAudit::of(about, &samples, selection));
    }
    Ok(audits)
}

/// How well the values of the trees that other programs grew tell the steps from which the goal can be reached from those from which
/// it cannot: the area under the curve with its interval over problems, and of how many steps. None without labelled trees.
///
/// # Errors
///
/// The store failed.
pub fn tree_judgement(
    study: &Study,
    store: &mut Store,
) -> Result<Option<(Measured, usize)>, StoreError> {
    let mut nodes = Vec::new();
    for unit in store.units(study)? {
        let Some(tree) = store.tree(unit.id)? else {
            continue;
        };
        let told = store.told(unit.id)?;
        let labels = told.into_iter().find(|(number, _)| *number == Told::TREE);
        let Some((_, Told { labels, .. })) = labels else {
            continue;
        };
        for (node, label) in tree.nodes().iter().zip(labels) {
            if let (Some(reward), Some(right)) = (node.reward, label) {
                nodes.push(OutcomeSample {
                    problem: unit.number,
                    rewards: vec![reward],
                    characters: Vec::new(),
                    tokens: 0,
                    right,
                });
            }
        }
    }
    let rewards: Vec<f64> = nodes.iter().map(|own| own.rewards[0]).collect();
    Ok(auc(&nodes, &rewards).map(|area| (area, nodes.len())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use crate::audit::findings::Harm;

    fn sample(problem: usize, rewards: &[f64], characters: usize, right: bool) -> OutcomeSample {
        OutcomeSample {
            problem,
            rewards: rewards.to_vec(),
            characters: vec![characters; rewards.len()],
            tokens: 0,
            right,
        }
    }

    fn audited(samples: &[OutcomeSample]) -> OutcomeAudit {
        OutcomeAudit::of(("study", "policy", "verifier"), samples, Vec::new())
    }

    /// Easy problems score high and hard ones low, whatever the solution: over all that looks like judgement.
    #[test]
    fn difficulty_is_no_judgement() {
        let mut samples = Vec::new();
        for problem in 0..40 {
            let easy = problem % 2 == 0;
            for index in 0..10 {
                let right = if easy { index < 8 } else { index < 2 };
                let score = if easy { 0.9 } else { 0.1 };
                samples.push(sample(problem, &[score], 10, right));
            }
        }
        let audit = audited(&samples);
        let last = audit.scores.iter().find(|own| own.score == "last").unwrap();
        assert!((last.auc.unwrap().value - 0.8).abs() < 1e-9);
        assert_eq!(last.auc_within.unwrap().value, 0.5);
        let ranking = audit
            .findings
            .iter()
            .find(|own| own.name == "ranking within problems");
        assert_eq!(ranking.unwrap().harm, Harm::Harmful);
        assert_eq!(audit.mixed, 40);
    }

    #[test]
    fn areas_and_pairs_are_those_of_brute_force() {
        let mut state = 3u64;
        let mut next = move |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            (state >> 33) % below
        };
        let samples: Vec<OutcomeSample> = (0..300)
            .map(|at| {
                let rewards = [next(5) as f64 / 4.0, next(5) as f64 / 4.0];
                sample(at % 30, &rewards, 1 + next(50) as usize, next(3) == 0)
            })
            .collect();
        let audit = audited(&samples);
        let last = audit.scores.iter().find(|own| own.score == "last").unwrap();
        let (mut all, mut within) = ([0.0; 2], [0.0; 2]);
        for a in samples.iter().filter(|own| own.right) {
            for b in samples.iter().filter(|own| !own.right) {
                let won = match a.rewards[1].total_cmp(&b.rewards[1]) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                all = [all[0] + won, all[1] + 1.0];
                if a.problem == b.problem {
                    within = [within[0] + won, within[1] + 1.0];
                }
            }
        }
        assert!((last.auc.unwrap().value - all[0] / all[1]).abs() < 1e-12);
        assert!((last.auc_within.unwrap().value - within[0] / within[1]).abs() < 1e-12);
    }

    /// Longer solutions score higher at equal outcome, and only then is it called a bias.
    #[test]
    fn length_counts_as_bias_at_equal_outcome_only() {
        let mut biased = Vec::new();
        let mut fair = Vec::new();
        for problem in 0..30 {
            for index in 0..8usize {
                let right = index % 2 == 0;
                let length = 10 + index;
                biased.push(sample(problem, &[0.1 * index as f64], length, right));
                // Right ones are longer and score higher, but among right ones length says nothing.
                let score = if right { 0.8 } else { 0.2 };
                let long = 10 + (index * 7 + problem) % 5 + if right { 50 } else { 0 };
                fair.push(sample(problem, &[score], long, right));
            }
        }
        let harm = |samples: &[OutcomeSample]| {
            let audit = audited(samples);
            let own = audit
                .findings
                .iter()
                .find(|own| own.name == "bias to length");
            own.unwrap().harm
        };
        assert_eq!((harm(&biased), harm(&fair)), (Harm::Harmful, Harm::None));
    }
}
