//! What stored rewards say of a verifier where no step has a label: does it score right solutions above wrong ones, over all and
//! within a problem, are its scores probabilities, and what does a solution's length do to them at equal outcome?
//!
//! The unit is the problem: intervals are 95 % percentile bootstraps over problems, so samples of one problem, and of one run of
//! it, are never taken for independent.

use std::collections::HashMap;

use outthink_core::Scoring;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::findings::{Finding, Harm};
use super::resample::{DRAWS, Sums};
use super::{LengthTable, Measured, Reliability, Sensitivity};
use crate::analysis::Analysis;
use crate::estimate::bootstrap::percentiles;
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

fn sums(
    samples: &[OutcomeSample],
    width: usize,
    mut add: impl FnMut(usize, &OutcomeSample, &mut [f64]),
) -> Sums {
    let mut sums = Sums::new(width);
    for (place, own) in samples.iter().enumerate() {
        add(place, own, sums.of(own.problem));
    }
    sums
}

/// The samples of each problem.
pub(crate) fn grouped(samples: &[OutcomeSample]) -> Vec<(usize, Vec<usize>)> {
    let mut groups: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    for (place, own) in samples.iter().enumerate() {
        groups.entry(own.problem).or_default().push(place);
    }
    groups.into_iter().collect()
}

impl ScoreAudit {
    fn of(name: &str, samples: &[OutcomeSample], scores: &[f64]) -> Self {
        let mean = |right: bool| {
            let own = samples
                .iter()
                .zip(scores)
                .filter(|(own, _)| own.right == right);
            let (sum, count) = own.fold((0.0, 0.0), |(s, c), (_, score)| (s + score, c + 1.0));
            sum / count
        };
        let (mut pairs, mut means) = (Sums::new(2), Sums::new(2));
        for (problem, places) in grouped(samples) {
            let (won, all) = won(samples, scores, &places);
            let own = pairs.of(problem);
            (own[0], own[1]) = (won, all);
            let own = means.of(problem);
            if all > 0.0 {
                (own[0], own[1]) = (won / all, 1.0);
            }
        }
        let binned = sums(samples, 3 * BINS, |place, own, sums| {
            let score = scores[place];
            let bin = 3 * ((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1);
            sums[bin] += 1.0;
            sums[bin + 1] += score;
            sums[bin + 2] += f64::from(u8::from(own.right));
        });
        let squares = sums(samples, 2, |place, own, sums| {
            let gap = scores[place] - f64::from(u8::from(own.right));
            sums[0] += gap * gap;
            sums[1] += 1.0;
        });
        Self {
            score: name.to_owned(),
            right: mean(true),
            wrong: mean(false),
            auc: auc(samples, scores),
            auc_within: pairs.ratio(),
            auc_by_problem: means.ratio(),
            ece: binned.measure(|sums| {
                let gaps = sums.chunks_exact(3).map(|bin| (bin[1] - bin[2]).abs());
                let count: f64 = sums.chunks_exact(3).map(|bin| bin[0]).sum();
                gaps.sum::<f64>() / count
            }),
            brier: squares.ratio(),
        }
    }
}

/// Of the pairs of a right and a wrong sample, how many the right one wins (a tie is half of one), and how many there are.
pub(crate) fn won(samples: &[OutcomeSample], scores: &[f64], places: &[usize]) -> (f64, f64) {
    let of = |right: bool| {
        let own = places
            .iter()
            .filter(move |&&place| samples[place].right == right);
        own.map(|&place| scores[place]).collect::<Vec<f64>>()
    };
    let (right, wrong) = (of(true), of(false));
    let mut won = 0.0;
    for a in &right {
        for b in &wrong {
            won += f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b));
        }
    }
    (won, (right.len() * wrong.len()) as f64)
}

/// The area under the curve over all samples; a bootstrap draw weighs each problem's.
pub(crate) fn auc(samples: &[OutcomeSample], scores: &[f64]) -> Option<Measured> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let problems: Vec<usize> = grouped(samples).into_iter().map(|(own, _)| own).collect();
    let number: HashMap<usize, usize> = problems
        .iter()
        .enumerate()
        .map(|(at, own)| (*own, at))
        .collect();
    let of: Vec<usize> = samples.iter().map(|own| number[&own.problem]).collect();
    let area = |weight: &[f64]| {
        let (mut below, mut won, mut right) = (0.0, 0.0, 0.0);
        let mut at = 0;
        while at < order.len() {
            let (mut tied_right, mut tied_wrong) = (0.0, 0.0);
            let score = scores[order[at]];
            while at < order.len() && scores[order[at]] == score {
                let place = order[at];
                match samples[place].right {
                    true => tied_right += weight[of[place]],
                    false => tied_wrong += weight[of[place]],
                }
                at += 1;
            }
            won += tied_right * (below + 0.5 * tied_wrong);
            below += tied_wrong;
            right += tied_right;
        }
        won / (right * below)
    };
    let value = area(&vec![1.0; problems.len()]);
    if !value.is_finite() {
        return None;
    }
    let mut drawn: Vec<f64> = (0..DRAWS)
        .into_par_iter()
        .map(|draw| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            rng.set_stream(draw as u64);
            let mut weight = vec![0.0; problems.len()];
            for _ in 0..problems.len() {
                weight[rng.random_range(0..problems.len())] += 1.0;
            }
            area(&weight)
        })
        .filter(|value| value.is_finite())
        .collect();
    Some(Measured {
        value,
        interval: percentiles(&mut drawn),
    })
}

fn lengths(samples: &[OutcomeSample]) -> Vec<(&'static str, LengthTable)> {
    let known = samples.iter().all(|own| own.tokens > 0);
    let of = |name: &'static str, wanted: &dyn Fn(&OutcomeSample) -> bool| {
        let own: Vec<&OutcomeSample> = samples.iter().filter(|own| wanted(own)).collect();
        let length = |own: &OutcomeSample| match known {
            true => own.tokens,
            false => own.characters.iter().sum(),
        };
        let total: usize = own.iter().map(|own| length(own)).sum();
        let steps: usize = own.iter().map(|own| own.rewards.len()).sum();
        let count = own.len() as f64;
        let table = LengthTable {
            unit: if known { "tokens" } else { "characters" }.into(),
            per_step: total as f64 / steps as f64,
            per_response: total as f64 / count,
            steps: steps as f64 / count,
        };
        (!own.is_empty()).then_some((name, table))
    };
    let all = of("all", &|_| true);
    let right = of("right", &|own| own.right);
    let wrong = of("wrong", &|own| !own.right);
    [all, right, wrong].into_iter().flatten().collect()
}

/// Pairs of one problem and outcome: what more characters and more steps do to a score.
fn preferences(samples: &[OutcomeSample], scores: &[(String, Vec<f64>)]) -> Vec<Preference> {
    let groups = grouped(samples);
    let size = |more: &str, own: &OutcomeSample| match more {
        "steps" => own.rewards.len(),
        _ => own.characters.iter().sum(),
    };
    let mut found = Vec::new();
    for more in ["characters", "steps"] {
        for (name, scores) in scores {
            for right in [true, false] {
                let (mut differences, mut wins) = (Sums::new(2), Sums::new(2));
                for (problem, places) in &groups {
                    let own: Vec<(usize, f64)> = places
                        .iter()
                        .filter(|&&place| samples[place].right == right)
                        .map(|&place| (size(more, &samples[place]), scores[place]))
                        .collect();
                    let (mut difference, mut won, mut pairs) = (0.0, 0.0, 0.0);
                    for (place, a) in own.iter().enumerate() {
                        for b in &own[..place] {
                            let (long, short) = match a.0.cmp(&b.0) {
                                std::cmp::Ordering::Greater => (a.1, b.1),
                                std::cmp::Ordering::Less => (b.1, a.1),
                                std::cmp::Ordering::Equal => continue,
                            };
                            difference += long - short;
                            won += f64::from(u8::from(long > short));
                            won += 0.5 * f64::from(u8::from(long == short));
                            pairs += 1.0;
                        }
                    }
                    let own = differences.of(*problem);
                    (own[0], own[1]) = (difference, pairs);
                    let own = wins.of(*problem);
                    (own[0], own[1]) = (won, pairs);
                }
                found.push(Preference {
                    more,
                    score: name.clone(),
                    right,
                    difference: differences.ratio(),
                    preferred: wins.ratio(),
                });
            }
        }
    }
    found
}

impl Course {
    fn of(samples: &[OutcomeSample], right: bool) -> Option<Self> {
        const FIFTHS: usize = 5;
        // Of each solution the step that stands at the middle of each fifth, so that short ones count everywhere.
        let mut fifths = vec![(0.0, 0.0); FIFTHS];
        for own in samples.iter().filter(|own| own.right == right) {
            let steps = own.rewards.len();
            for (place, fifth) in fifths.iter_mut().enumerate() {
                let at = (2 * place + 1) * steps / (2 * FIFTHS);
                *fifth = (fifth.0 + own.rewards[at.min(steps - 1)], fifth.1 + 1.0);
            }
        }
        let change = sums(samples, 2, |_, own, sums| {
            if own.right == right
                && let [first, .., last] = own.rewards[..]
            {
                sums[0] += last - first;
                sums[1] += 1.0;
            }
        });
        let fifths: Vec<f64> = fifths.into_iter().map(|(sum, count)| sum / count).collect();
        fifths.iter().all(|own| own.is_finite()).then(|| Self {
            right,
            fifths,
            last_over_first: change.ratio(),
        })
    }
}

fn chosen_length(samples: &[OutcomeSample], scores: &[f64]) -> Option<Measured> {
    let length = |place: usize| samples[place].characters.iter().sum::<usize>() as f64;
    let mut ratios = Sums::new(2);
    for (problem, places) in grouped(samples) {
        let all = places.iter().map(|&place| length(place)).sum::<f64>() / places.len() as f64;
        let top = places
            .iter()
            .map(|&place| scores[place])
            .fold(f64::NEG_INFINITY, f64::max);
        // Of several best ones each as much.
        let best: Vec<f64> = places
            .iter()
            .filter(|&&place| scores[place] == top)
            .map(|&place| length(place))
            .collect();
        if places.len() > 1 && all > 0.0 {
            let own = ratios.of(problem);
            own[0] = best.iter().sum::<f64>() / best.len() as f64 / all;
            own[1] = 1.0;
        }
    }
    ratios.ratio()
}

fn reliability(samples: &[OutcomeSample], scores: &[f64]) -> Vec<Reliability> {
    let mut bins = [(0usize, 0.0, 0.0); BINS];
    for (own, score) in samples.iter().zip(scores) {
        let bin = &mut bins[((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)];
        *bin = (
            bin.0 + 1,
            bin.1 + score,
            bin.2 + f64::from(u8::from(own.right)),
        );
    }
    let filled = bins.into_iter().filter(|bin| bin.0 > 0);
    filled
        .map(|(steps, reward, right)| Reliability {
            steps,
            reward: reward / steps as f64,
            right: right / steps as f64,
        })
        .collect()
}

/// `0.748 (0.741 to 0.757)`.
fn told(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    let text = format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high);
    text.replace('-', "−")
}

/// `+2.0 (−0.4 to +4.4)`, in points.
fn points(measured: &Measured) -> String {
    let Measured { value, interval } = measured;
    let [value, low, high] = [*value, interval.low, interval.high].map(|own| 100.0 * own);
    format!("{value:+.1} ({low:+.1} to {high:+.1})").replace('-', "−")
}

/// What is wrong, and what is right, in sentences.
fn findings(audit: &OutcomeAudit) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut push = |name: &'static str, harm: Harm, verdict: String| {
        found.push(Finding {
            name,
            harm,
            verdict,
        });
    };
    let best = audit
        .scores
        .iter()
        .filter_map(|own| Some((own, own.auc_within?)))
        .max_by(|a, b| a.1.value.total_cmp(&b.1.value));
    match best {
        Some((own, within)) => {
            let control = match audit.verifier.ends_with(WRONG_PROBLEM) {
                true => " (it read another problem: it should be a half)",
                false => "",
            };
            let harm = match within.interval {
                interval if interval.low > 0.6 => Harm::None,
                interval if interval.low > 0.5 => Harm::Slight,
                _ => Harm::Harmful,
            };
            let over = own.auc.as_ref().map_or(String::new(), |all| {
                let why = match all.value > within.value + 0.02 {
                    true => ", much of which is how hard they are",
                    false => "",
                };
                format!("; over all problems {}{why}", told(all))
            });
            push(
                "ranking within problems",
                harm,
                format!(
                    "a right solution outscores a wrong one of its problem with probability {} at best, by {}{over}{control}",
                    told(&within),
                    own.score
                ),
            );
        }
        None => push(
            "ranking within problems",
            Harm::Slight,
            "undecided: no problem has right and wrong solutions with rewards".into(),
        ),
    }
    let last = audit.scores.iter().find(|own| own.score == "last");
    if let Some(last) = last
        && let Some(ece) = &last.ece
    {
        let side = match mean_gap(audit) > 0.0 {
            true => "too high",
            false => "too low",
        };
        let harm = match ece.interval.low {
            low if low > 0.1 => Harm::Harmful,
            low if low > 0.02 => Harm::Slight,
            _ => Harm::None,
        };
        push(
            "calibration",
            harm,
            format!(
                "the last reward is {} away from the share of right solutions, {side} on average (expected calibration error); wrong solutions have {:.2} on average",
                told(ece),
                last.wrong
            ),
        );
    }
    for more in ["characters", "steps"] {
        // Of the scores that do not grow or shrink with the number of steps by themselves, the one that is moved most.
        let own = audit
            .preferences
            .iter()
            .filter(|own| own.more == more && matches!(own.score.as_str(), "last" | "mean"))
            .filter_map(|own| Some((own, own.preferred?, own.difference?)))
            .filter(|(_, preferred, _)| {
                preferred.interval.low > 0.5 || preferred.interval.high < 0.5
            })
            .max_by(|a, b| {
                let size = |own: &Measured| (own.value - 0.5).abs();
                size(&a.1).total_cmp(&size(&b.1))
            });
        let name = if more == "steps" {
            "bias to many steps"
        } else {
            "bias to length"
        };
        match own {
            Some((own, preferred, difference)) => {
                let size = (preferred.interval.low - 0.5)
                    .abs()
                    .min((preferred.interval.high - 0.5).abs());
                let harm = if size > 0.1 {
                    Harm::Harmful
                } else {
                    Harm::Slight
                };
                let which = if own.right { "right" } else { "wrong" };
                push(
                    name,
                    harm,
                    format!(
                        "of two {which} solutions of a problem the one with more {more} has the higher {} with probability {}, by {} on average",
                        own.score,
                        told(&preferred),
                        told(&difference)
                    ),
                );
            }
            None => push(
                name,
                Harm::None,
                format!(
                    "none that is certain: more {more} neither raise nor lower a score at equal outcome"
                ),
            ),
        }
    }
    if let Some(wrong) = audit.courses.iter().find(|own| !own.right)
        && let Some(change) = &wrong.last_over_first
    {
        let harm = match change.interval {
            interval if interval.low > 0.0 => Harm::Harmful,
            _ => Harm::None,
        };
        let says = match change.interval {
            interval if interval.low > 0.0 => "they rise: what went wrong is forgotten by the end",
            interval if interval.high < 0.0 => "they fall: errors are remembered",
            _ => "no certain change",
        };
        push(
            "rewards of wrong solutions",
            harm,
            format!("last minus first step {}: {says}", told(change)),
        );
    }
    for own in &audit.selection {
        let best = own
            .rules
            .iter()
            .filter_map(|rule| Some((rule, rule.over_majority?)))
            .filter(|(_, over)| over.value.is_finite() && over.interval.low.is_finite())
            .max_by(|a, b| a.1.value.total_cmp(&b.1.value));
        if let Some((rule, over)) = best {
            let harm = match over.interval {
                interval if interval.low > 0.0 => Harm::None,
                interval if interval.high > 0.0 => Harm::Slight,
                _ => Harm::Harmful,
            };
            push(
                "worth over majority",
                harm,
                format!(
                    "the best rule at N = {}, {}, minus majority: {} points ({} problems; chosen on these)",
                    own.budget,
                    rule.rule,
                    points(&over),
                    own.problems
                ),
            );
        }
    }
    found.sort_by_key(|own| own.harm);
    found
}

/// How much the last reward lies above the share of right solutions on average.
fn mean_gap(audit: &OutcomeAudit) -> f64 {
    let bins = audit.reliability.iter();
    bins.map(|bin| bin.steps as f64 * (bin.reward - bin.right))
        .sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

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
