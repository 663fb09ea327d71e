//! The paper's compute-optimal choice: by oracle difficulty, on the very problems that are reported.

use std::collections::HashMap;

use outthink_core::AnyMethod;
use outthink_core::method::BEST_OF_N;

use crate::analysis::{Choice, Cost, Entry, Key, Rule, headline};
use crate::estimate::difficulty::Difficulty;
use crate::estimate::interval::Interval;
use crate::study::Study;

/// Which method was taken, by policy, verifier, budget and band.
pub(crate) type Choices = HashMap<(usize, usize, usize, usize), AnyMethod>;

/// For each policy, verifier and budget: the method that is best in each band of oracle difficulty, as the paper
/// chooses (its tables choose on the problems that they report, too).
pub(crate) fn in_sample(
    study: &Study,
    entries: &[Entry],
    rows: &HashMap<Key, Vec<f64>>,
    difficulty: &[Difficulty],
    choices: &mut Choices,
) -> Vec<(Entry, Vec<f64>)> {
    let runs = study.seeds.len();
    let mut made = Vec::new();
    for (policy, difficulty) in difficulty.iter().enumerate() {
        let bands = difficulty.bands();
        for verifier in 0..study.verifiers.len() {
            for &budget in &study.budgets {
                let open: Vec<&Entry> = entries
                    .iter()
                    .filter(|entry| {
                        let Key {
                            policy: p,
                            verifier: v,
                            budget: n,
                            method,
                            rule,
                            ..
                        } = entry.key;
                        let headline = headline(method);
                        let rule_fits =
                            !method.is_greedy() && rule == Rule::Chosen(Choice(headline));
                        p == policy && n == budget && v.is_none_or(|v| v == verifier) && rule_fits
                    })
                    .collect();
                if open.len() < 2 {
                    continue;
                }
                let mut chosen = vec![f64::NAN; study.problems.len() * runs];
                let mut cost = Some(Cost::default());
                for (band, problems) in bands.iter().enumerate() {
                    let of = |entry: &Entry| {
                        let rows = &rows[&entry.key];
                        let values = problems
                            .iter()
                            .flat_map(|problem| &rows[problem * runs..(problem + 1) * runs])
                            .filter(|value| !value.is_nan());
                        let (sum, count) = values.fold((0.0, 0), |(s, c), v| (s + v, c + 1));
                        if count == 0 {
                            f64::NEG_INFINITY
                        } else {
                            sum / f64::from(count)
                        }
                    };
                    let mut best: Option<(&Entry, f64)> = None;
                    for entry in &open {
                        let accuracy = of(entry);
                        if best.is_none_or(|(_, before)| accuracy > before) {
                            best = Some((entry, accuracy));
                        }
                    }
                    let Some((best, _)) = best.filter(|_| !problems.is_empty()) else {
                        continue;
                    };
                    choices.insert((policy, verifier, budget, band), best.key.method);
                    let share = problems.len() as f64 / study.problems.len() as f64;
                    cost = cost.zip(best.cost).map(|(mut cost, own)| {
                        cost.policy += own.policy.scaled(share);
                        cost.verifier += own.verifier.scaled(share);
                        cost
                    });
                    for &problem in problems {
                        let range = problem * runs..(problem + 1) * runs;
                        chosen[range.clone()].copy_from_slice(&rows[&best.key][range]);
                    }
                }
                let key = Key {
                    policy,
                    verifier: Some(verifier),
                    method: BEST_OF_N,
                    width: None,
                    budget,
                    rule: Rule::InSample,
                };
                let entry = Entry {
                    key,
                    accuracy: f64::NAN,
                    interval: Interval {
                        low: 0.0,
                        high: 1.0,
                    },
                    sampling_error: 0.0,
                    problems: 0,
                    cost,
                };
                made.push((entry, chosen));
            }
        }
    }
    made
}
