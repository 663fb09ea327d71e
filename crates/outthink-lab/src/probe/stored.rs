//! Solutions of a stored study with their verdicts, as a probe is fitted on them.

use std::collections::HashMap;
use std::sync::Arc;

use outthink_core::{Step, TokenStats};

use super::data::{ProbeError, ProbeSample};
use crate::store::{Drawn, Sample, Store};
use crate::study::{Config, Study, unit_id};

/// The solutions of one problem: of every pool of the policy the first `most`, and of its searches those that they kept. Solutions whose
/// tokens are not stored are left out.
///
/// # Errors
///
/// The store failed.
pub fn stored_samples(
    store: &mut Store,
    study: &Study,
    policy: usize,
    problem: usize,
    most: usize,
) -> Result<Vec<ProbeSample>, ProbeError> {
    let mut samples = Vec::new();
    let Some(question) = study.problems.get(problem) else {
        return Ok(samples);
    };
    let mut run = 0;
    for cell in study.cells.iter().filter(|cell| cell.policy == policy) {
        for &seed in &study.seeds {
            let unit = unit_id(cell.hash(), question.key(), seed);
            match cell.config() {
                Config::Pool { imported: None, .. } if !cell.is_greedy() => {
                    let told: HashMap<usize, TokenStats> =
                        store.token_stats(unit)?.into_iter().collect();
                    for Sample { number, drawn } in store.samples(unit)?.into_iter().take(most) {
                        if drawn.token_ids.len() != drawn.steps.len() || drawn.steps.is_empty() {
                            continue;
                        }
                        let steps = steps(&drawn, told.get(&number));
                        samples.push(sample(problem, Some(run), &drawn, steps));
                    }
                    run += 1;
                }
                Config::Search { imported: None, .. } => {
                    let Some(tree) = store.tree(unit)? else {
                        continue;
                    };
                    let solved = tree.solutions().into_iter();
                    for (solution, Sample { drawn, .. }) in solved.zip(store.samples(unit)?) {
                        let steps = solution.steps;
                        if steps.is_empty() || steps.iter().any(|step| step.tokens.is_empty()) {
                            continue;
                        }
                        samples.push(sample(problem, None, &drawn, steps));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(samples)
}

fn sample(problem: usize, run: Option<usize>, drawn: &Drawn, steps: Vec<Arc<Step>>) -> ProbeSample {
    let known = drawn.tokens > 0 && drawn.logprob < 0.0;
    ProbeSample {
        problem,
        run,
        steps,
        stop: drawn.stop,
        draws: drawn.draws,
        class: drawn.class,
        right: drawn.correct,
        likelihood: known.then(|| drawn.logprob / drawn.tokens as f64),
    }
}

/// Steps of a pool's solution, each with its part of what was told of all tokens.
fn steps(drawn: &Drawn, told: Option<&TokenStats>) -> Vec<Arc<Step>> {
    let mut at = 0;
    let texts = drawn.steps.iter().zip(&drawn.token_ids);
    let step = |(text, tokens): (&String, &Vec<u32>)| {
        let part = |values: &[f32]| {
            let own = values.get(at..at + tokens.len());
            own.map_or_else(Vec::new, <[f32]>::to_vec)
        };
        let stats = told.map(|told| TokenStats {
            logprobs: part(&told.logprobs),
            entropies: part(&told.entropies),
        });
        at += tokens.len();
        Arc::new(Step {
            text: text.clone(),
            tokens: tokens.clone(),
            stats: stats.unwrap_or_default(),
            ..Step::default()
        })
    };
    texts.map(step).collect()
}
