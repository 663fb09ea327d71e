//! Scoring in bounded batches.

use std::sync::Arc;

use outthink_core::{Prefix, Problem, Step, Verifier};

use super::{Scored, SolutionRow};

/// Lengths of steps: what is counted, and how.
pub struct Lengths<'a> {
    /// In the plural, such as `tokens`.
    pub unit: &'static str,
    /// The length of a text.
    pub of: Box<dyn Fn(&str) -> usize + 'a>,
}

/// A row that the verifier could not score, and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What was asked.
    pub problem: String,
    /// Why not.
    pub error: String,
}

pub(super) fn prefix(row: &SolutionRow) -> Prefix {
    let step = |text: &String| Arc::new(Step::written(text.trim()));
    Prefix {
        problem: Arc::new(Problem {
            id: row.problem.clone(),
            text: row.problem.clone(),
        }),
        steps: row.steps.iter().map(step).collect(),
        complete: row.complete,
    }
}

/// Rewards of a batch of rows, in order. What fails as a batch is tried one by one, so that a row too long for the verifier
/// costs no other.
pub async fn score(
    verifier: &dyn Verifier,
    rows: Vec<SolutionRow>,
    lengths: &Lengths<'_>,
) -> Vec<Result<Scored, Failed>> {
    let together = verifier.score(rows.iter().map(prefix).collect()).await;
    let mut judged = Vec::with_capacity(rows.len());
    match together {
        Ok(judgements) if judgements.len() == rows.len() => {
            judged.extend(
                judgements
                    .into_iter()
                    .map(|judgement| Ok(judgement.rewards)),
            );
        }
        _ => {
            for row in &rows {
                judged.push(match verifier.score(vec![prefix(row)]).await {
                    Ok(judgements) => match <[_; 1]>::try_from(judgements) {
                        Ok([judgement]) => Ok(judgement.rewards),
                        Err(others) => Err(format!("{} judgements of one solution", others.len())),
                    },
                    Err(error) => Err(error.to_string()),
                });
            }
        }
    }
    let check = |(row, rewards): (SolutionRow, Result<Vec<f64>, String>)| {
        let sound = rewards.and_then(|rewards| {
            if rewards.len() != row.steps.len() {
                let (got, steps) = (rewards.len(), row.steps.len());
                return Err(format!("{got} rewards of {steps} steps"));
            }
            match rewards.iter().find(|reward| !(0.0..=1.0).contains(*reward)) {
                Some(reward) => Err(format!("a reward of {reward}; rewards lie in [0, 1]")),
                None => Ok(rewards),
            }
        });
        match sound {
            Ok(rewards) => Ok(Scored {
                lengths: row.steps.iter().map(|step| (lengths.of)(step)).collect(),
                problem: row.problem,
                steps: row.steps,
                first_error: row.first_error,
                kind: row.kind,
                rewards,
                unit: None,
            }),
            Err(error) => Err(Failed {
                problem: row.problem,
                error,
            }),
        }
    };
    rows.into_iter().zip(judged).map(check).collect()
}
