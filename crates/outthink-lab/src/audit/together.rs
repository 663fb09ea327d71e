//! What several verifiers are worth together: weights from one half of the problems, the vote's accuracy on the other.

use std::collections::BTreeMap;

use outthink_core::{Combination, Weighted, log_odds};
use serde::Serialize;

use super::combination::{Rated, Weights, with_labels, without_labels};
use super::outcome::WRONG_PROBLEM;
use super::resample::{Measured, Sums};
use crate::analysis::Analysis;
use crate::store::{Store, StoreError};
use crate::study::recipe::ModelEntry;
use crate::study::{Config, unit_id};

/// Several verifiers on one policy's samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Together {
    /// Whose samples.
    pub policy: String,
    /// Samples that all verifiers have scored.
    pub samples: usize,
    /// Of how many problems.
    pub problems: usize,
    /// How the weights were found.
    pub labels: bool,
    /// Each verifier with its weight.
    pub weights: Vec<(String, f64)>,
    /// Added to the weighted log-odds.
    pub bias: f64,
    /// On the half of the problems that the weights were not fitted on: the weighted vote over all samples of a problem by each
    /// verifier and by all together, as its accuracy and its difference to majority.
    pub votes: Vec<Vote>,
}

/// How often a vote is right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vote {
    /// Whose rewards weigh.
    pub by: String,
    /// Share of problems with the right answer.
    pub accuracy: Option<Measured>,
    /// Minus that of majority, over the same problems.
    pub over_majority: Option<Measured>,
}

/// A sample with what votes need of it.
struct Voter {
    rated: Rated,
    class: Option<usize>,
}

/// A problem chooses weights or measures them, by the parity of its number's bits, as in all audits.
fn chooses(problem: usize) -> bool {
    problem.count_ones() % 2 == 1
}

/// Combines the verifiers that a study has of each policy's samples, those that know the answer left out. The file's weights are
/// fitted on all problems; what is measured is fitted on half of them. Policies with fewer than two verifiers, and those on which
/// nothing can be fitted, are left out.
///
/// # Errors
///
/// The store failed.
pub fn together(
    analysis: &Analysis,
    store: &mut Store,
    named: &[String],
    labels: bool,
) -> Result<Vec<(Together, Combination)>, StoreError> {
    let study = &analysis.study;
    let mut all = Vec::new();
    for (policy, model) in study.policies.iter().enumerate() {
        let wanted = |verifier: usize| {
            let own = &study.verifiers[verifier];
            // The file names models, and its members are loaded by name alone: what is read in another way here is not what would be
            // loaded there.
            let entry = study.recipe.verifiers.get(verifier);
            let by_name = |entry: &ModelEntry| {
                let table = entry.table();
                let read = [&table.profile, &table.tokenizer, &table.prompt];
                let other = read.iter().any(|own| own.is_some());
                !other && table.votes.is_none() && table.calibration.is_none()
            };
            if !entry.is_none_or(by_name) {
                return false;
            }
            match named.is_empty() {
                true => !own.oracle && !own.name.ends_with(WRONG_PROBLEM),
                false => named.contains(&own.name),
            }
        };
        let scored = study
            .cells
            .iter()
            .filter_map(|cell| match (cell.config(), cell.verifier) {
                (Config::Score { pool, .. }, Some(verifier))
                    if cell.policy == policy && wanted(verifier) =>
                {
                    Some((verifier, cell.hash(), pool.as_str()))
                }
                _ => None,
            });
        let scored: Vec<(usize, &str, &str)> = scored.collect();
        let Some(&(_, _, pool)) = scored.first() else {
            continue;
        };
        let cells: Vec<&(usize, &str, &str)> = scored.iter().filter(|own| own.2 == pool).collect();
        if cells.len() < 2 {
            continue;
        }
        let mut voters = Vec::new();
        for (number, problem) in study.problems.iter().enumerate() {
            for (run, &seed) in study.seeds.iter().enumerate() {
                let mut rewards: Vec<BTreeMap<usize, f64>> = Vec::new();
                for (_, cell, _) in &cells {
                    let own = store
                        .rewards(unit_id(cell, problem.key(), seed))?
                        .into_iter();
                    let last = own.filter_map(|(sample, rewards)| Some((sample, *rewards.last()?)));
                    rewards.push(last.collect());
                }
                for sample in store.samples(unit_id(pool, problem.key(), seed))? {
                    let own = rewards.iter().map(|own| own.get(&sample.number).copied());
                    let Some(rewards) = own.collect::<Option<Vec<f64>>>() else {
                        continue;
                    };
                    voters.push(Voter {
                        rated: Rated {
                            // Samples of another run are another vote; halves are by problem all the same.
                            problem: number * study.seeds.len() + run,
                            rewards,
                            right: sample.drawn.correct,
                        },
                        class: sample.drawn.class,
                    });
                }
            }
        }
        let names: Vec<String> = cells
            .iter()
            .map(|own| study.verifiers[own.0].name.clone())
            .collect();
        let models = cells.iter().map(|own| {
            let table = study.recipe.verifiers.get(own.0);
            table.map_or_else(
                || study.verifiers[own.0].name.clone(),
                |entry| entry.table().model,
            )
        });
        let about = (model.name.as_str(), study.seeds.len());
        let Some((told, (weights, bias))) = measured(about, &names, &voters, labels) else {
            continue;
        };
        let verifiers = models
            .zip(weights)
            .map(|(model, weight)| Weighted { model, weight });
        let how = if labels {
            "right and wrong solutions"
        } else {
            "agreement, without labels"
        };
        all.push((
            told,
            Combination {
                fitted_on: format!(
                    "{} samples of {} in the study {}, by {how}",
                    voters.len(),
                    model.name,
                    study.name
                ),
                bias,
                verifiers: verifiers.collect(),
            },
        ));
    }
    Ok(all)
}

/// A combination as the text of a file that `--verifier` takes.
///
/// # Errors
///
/// Where a weight is no number.
pub fn combination_file(combination: &Combination) -> Result<String, toml::ser::Error> {
    toml::to_string(combination)
}

fn fit(samples: &[Rated], labels: bool) -> Option<Weights> {
    match labels {
        true => with_labels(samples),
        false => without_labels(samples),
    }
}

/// What the votes come to where the weights were not fitted, and the weights of all problems.
fn measured(
    (policy, runs): (&str, usize),
    names: &[String],
    voters: &[Voter],
    labels: bool,
) -> Option<(Together, Weights)> {
    let problem = |own: &Voter| own.rated.problem / runs;
    let rated = |kept: &dyn Fn(&Voter) -> bool| -> Vec<Rated> {
        let own = voters.iter().filter(|own| kept(own));
        own.map(|own| own.rated.clone()).collect()
    };
    let (half, bias_of_half) = fit(&rated(&|own| chooses(problem(own))), labels)?;
    let (weights, bias) = fit(&rated(&|_| true), labels)?;
    let combined = |own: &Rated| {
        let sum: f64 = half
            .iter()
            .zip(&own.rewards)
            .map(|(weight, &reward)| weight * log_odds(reward))
            .sum();
        1.0 / (1.0 + (-(bias_of_half + sum)).exp())
    };
    type Weigh<'a> = Box<dyn Fn(&Rated) -> f64 + 'a>;
    let mut ways: Vec<(String, Weigh)> = vec![("majority".into(), Box::new(|_| 1.0))];
    for (place, name) in names.iter().enumerate() {
        ways.push((
            name.clone(),
            Box::new(move |own: &Rated| own.rewards[place]),
        ));
    }
    ways.push(("together".into(), Box::new(combined)));
    // By vote: how many right, of how many.
    let mut elections: BTreeMap<usize, Vec<&Voter>> = BTreeMap::new();
    for own in voters.iter().filter(|own| !chooses(problem(own))) {
        elections.entry(own.rated.problem).or_default().push(own);
    }
    let mut sums = Sums::new(ways.len() + 1);
    for (election, voters) in &elections {
        let row = sums.of(election / runs);
        for (place, (_, weigh)) in ways.iter().enumerate() {
            row[place] += elected(voters, weigh);
        }
        row[ways.len()] += 1.0;
    }
    let last = ways.len();
    let votes = ways.iter().enumerate().map(|(place, (by, _))| Vote {
        by: by.clone(),
        accuracy: sums.measure(|sums| sums[place] / sums[last]),
        over_majority: (place > 0)
            .then(|| sums.measure(|sums| (sums[place] - sums[0]) / sums[last]))
            .flatten(),
    });
    let told = Together {
        policy: policy.to_owned(),
        samples: voters.len(),
        problems: voters
            .iter()
            .map(problem)
            .collect::<std::collections::BTreeSet<_>>()
            .len(),
        labels,
        weights: names.iter().cloned().zip(weights.iter().copied()).collect(),
        bias,
        votes: votes.collect(),
    };
    Some((told, (weights, bias)))
}

/// The chance that the answer of most weight is right, tied answers sharing.
fn elected(voters: &[&Voter], weigh: &dyn Fn(&Rated) -> f64) -> f64 {
    let mut classes: BTreeMap<usize, (f64, bool)> = BTreeMap::new();
    for own in voters {
        if let Some(class) = own.class {
            let entry = classes.entry(class).or_insert((0.0, own.rated.right));
            entry.0 += weigh(&own.rated);
        }
    }
    let most = classes
        .values()
        .map(|(weight, _)| *weight)
        .fold(f64::NEG_INFINITY, f64::max);
    let tied: Vec<bool> = classes
        .values()
        .filter(|(weight, _)| *weight == most)
        .map(|(_, right)| *right)
        .collect();
    let right = tied.iter().filter(|right| **right).count();
    right as f64 / tied.len().max(1) as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Half of the samples give the right answer, the others one wrong answer; two verifiers see different things.
    fn voters(problems: usize) -> Vec<Voter> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut all = Vec::new();
        for problem in 0..problems {
            for _ in 0..9 {
                let right = rng.random_bool(0.45);
                let mut sees = |chance: f64| {
                    if rng.random_bool(chance) == right {
                        0.8
                    } else {
                        0.2
                    }
                };
                let rewards = vec![sees(0.75), sees(0.75), sees(0.5)];
                all.push(Voter {
                    rated: Rated {
                        problem,
                        rewards,
                        right,
                    },
                    class: Some(usize::from(right)),
                });
            }
        }
        all
    }

    #[test]
    fn two_that_see_different_things_are_worth_more_together() {
        let names = ["a", "b", "blind"].map(str::to_owned);
        for labels in [true, false] {
            let (told, (weights, _)) = measured(("p", 1), &names, &voters(2000), labels).unwrap();
            assert!(weights[2].abs() < 0.2 * weights[0], "{weights:?}");
            let accuracy = |by: &str| {
                let vote = told.votes.iter().find(|own| own.by == by).unwrap();
                vote.accuracy.unwrap().value
            };
            assert!(
                accuracy("together") > accuracy("a").max(accuracy("b")) + 0.01,
                "{told:?}"
            );
            assert!(accuracy("a") > accuracy("majority") + 0.02, "{told:?}");
            let gain = told.votes.last().unwrap().over_majority.unwrap();
            assert!(gain.interval.low > 0.0);
            assert_eq!((told.samples, told.problems), (18_000, 2000));
        }
    }
}
