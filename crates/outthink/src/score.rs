//! `outthink score`: rewards of given solutions.

use std::io::{BufRead, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use outthink_core::{Prefix, Problem, Step, Verifier};
use serde::Deserialize;

use crate::cli::Score;
use crate::failure::Failure;
use crate::input::Input;
use crate::models;

#[derive(Deserialize)]
struct Written {
    problem: String,
    steps: Vec<String>,
}

impl Written {
    fn prefix(self) -> Prefix {
        let step = |text: String| Arc::new(Step::written(text));
        Prefix {
            problem: Arc::new(Problem {
                id: self.problem.clone(),
                text: self.problem,
            }),
            steps: self.steps.into_iter().map(step).collect(),
            complete: true,
        }
    }
}

pub(crate) fn run(arguments: &Score) -> Result<ExitCode, Failure> {
    let Some(verifier) = models::verifier(&arguments.verifier)? else {
        return Err(Failure::Input(anyhow!(
            "score needs a verifier; name one with --verifier"
        )));
    };
    let Input { name, lines } = Input::open(&arguments.jsonl)?;
    let mut out = BufWriter::new(crate::print::stdout());
    let (mut scored, mut failed) = (0usize, 0usize);
    for (line, number) in lines.split(b'\n').zip(1usize..) {
        let line = line.with_context(|| format!("{name} line {number}"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let judged = serde_json::from_slice::<Written>(&line)
            .map_err(|error| error.to_string())
            .and_then(|written| {
                match written.steps.iter().any(|step| step.trim().is_empty())
                    || written.steps.is_empty()
                {
                    true => {
                        Err("a solution has at least one step, and no step is empty".to_owned())
                    }
                    false => Ok(written.prefix()),
                }
            })
            .and_then(|prefix| {
                let judged = block_on(verifier.score(vec![prefix]));
                judged.map_err(|error| error.to_string())
            });
        let report = match judged.as_ref().map(|judgements| judgements.first()) {
            Ok(Some(judgement)) => {
                scored += 1;
                serde_json::json!({"rewards": judgement.rewards, "usage": judgement.usage})
            }
            Ok(None) => {
                failed += 1;
                eprintln!("{name} line {number}: no judgement came back");
                serde_json::json!({"line": number, "error": "no judgement came back"})
            }
            Err(error) => {
                failed += 1;
                eprintln!("{name} line {number}: {error}");
                serde_json::json!({"line": number, "error": error})
            }
        };
        writeln!(out, "{report}")?;
    }
    out.flush()?;
    if scored + failed == 0 {
        return Err(Failure::Input(anyhow!("{name} holds no solutions")));
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
