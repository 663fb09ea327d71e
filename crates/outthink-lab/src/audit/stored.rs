//! Solutions of a stored study with a verifier's rewards, labelled: an audit that asks no model.

use std::collections::HashMap;

use super::Scored;
use crate::store::{Sample, Store, StoreError};
use crate::study::{Config, Problem, Study, unit_id};

/// Samples of each pool, from the first: they are of one problem, and more of them say little more.
pub const POOLED: usize = 16;

/// Which steps are right, where that can be known of a problem's solution.
pub type StepLabels<'a> = &'a dyn Fn(&Problem, &[String]) -> Option<Vec<bool>>;

/// Hands over the first samples of every pool that a verifier of the study scored. Returns what lengths count: the policy's
/// tokens, or characters where a pool does not tell them.
pub fn stored(
    store: &mut Store,
    study: &Study,
    verifier: usize,
    labels: StepLabels<'_>,
    take: &mut dyn FnMut(Scored),
) -> Result<&'static str, StoreError> {
    let of = |score: &&crate::study::Cell| score.verifier == Some(verifier);
    let mut unit = "tokens";
    let mut scored = Vec::new();
    for score in study.cells.iter().filter(of) {
        let Config::Score { pool, .. } = score.config() else {
            continue;
        };
        for problem in &study.problems {
            for &seed in &study.seeds {
                let pool = unit_id(pool, problem.key(), seed);
                let score = unit_id(score.hash(), problem.key(), seed);
                let rewards: HashMap<usize, Vec<f64>> = store.rewards(score)?.into_iter().collect();
                for Sample { number, drawn } in store.samples(pool)?.into_iter().take(POOLED) {
                    let Some(rewards) = rewards.get(&number) else {
                        continue;
                    };
                    let Some(labels) = labels(problem, &drawn.steps) else {
                        continue;
                    };
                    if drawn.token_ids.len() != drawn.steps.len() {
                        unit = "characters";
                    }
                    scored.push(Scored {
                        problem: problem.text.clone(),
                        first_error: labels.iter().position(|right| !right),
                        rewards: rewards.clone(),
                        lengths: drawn.token_ids.iter().map(Vec::len).collect(),
                        steps: drawn.steps,
                        unit: Some(score),
                        kind: None,
                    });
                }
            }
        }
    }
    for mut scored in scored {
        if unit == "characters" {
            let lengths = scored.steps.iter().map(|step| step.chars().count());
            scored.lengths = lengths.collect();
        }
        take(scored);
    }
    Ok(unit)
}
