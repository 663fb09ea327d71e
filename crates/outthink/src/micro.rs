//! `outthink micro`: problems, and exact labels for steps.

use std::io::{BufRead, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_micro::domain::{Clash, Grid, Problem, generate};
use serde::{Deserialize, Serialize};

use crate::cli::Micro;
use crate::failure::Failure;
use crate::input::Input;

pub(crate) fn run(command: Micro) -> Result<(), Failure> {
    match command {
        Micro::Generate {
            seed,
            count,
            kind,
            level,
            split,
        } => {
            let mut out = BufWriter::new(crate::print::stdout());
            let mut written = 0;
            for problem in generate(seed, split, kind, level).take(count) {
                serde_json::to_writer(&mut out, &problem).map_err(std::io::Error::from)?;
                writeln!(out)?;
                written += 1;
            }
            out.flush()?;
            if written < count {
                return Err(Failure::Run(anyhow!(
                    "there are only {written} such problems, not {count}"
                )));
            }
            Ok(())
        }
        Micro::Check { file } => check(&file),
    }
}

#[derive(Deserialize)]
struct Written {
    problem: String,
    steps: Vec<String>,
}

#[derive(Serialize)]
struct Labels {
    id: String,
    labels: Vec<bool>,
    /// Every step right, and none missing.
    correct: bool,
    first_error: Option<usize>,
    /// Of a grid: what is right or wrong with each step, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    /// And the rules that each of its digits breaks; none where a step is not a row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clashes: Vec<Option<[Vec<Clash>; Grid::SIZE]>>,
}

fn check(file: &Path) -> Result<(), Failure> {
    let Input { name, lines } = Input::open(file)?;
    let mut out = BufWriter::new(crate::print::stdout());
    let mut checked = 0;
    for (line, number) in lines.lines().zip(1..) {
        let line = line
            .with_context(|| format!("{name} line {number}"))
            .map_err(Failure::Input)?;
        if line.trim().is_empty() {
            continue;
        }
        let at = || format!("{name} line {number}");
        let Written { problem, steps } = serde_json::from_str(&line)
            .with_context(at)
            .map_err(Failure::Input)?;
        let problem = Problem::parse(&problem)
            .with_context(at)
            .map_err(Failure::Input)?;
        let labels = problem.check(&steps);
        let first_error = labels.iter().position(|right| !right);
        let correct = first_error.is_none() && labels.len() == problem.steps.len();
        let verdicts = problem.verdicts(&steps);
        serde_json::to_writer(
            &mut out,
            &Labels {
                id: problem.id,
                labels,
                correct,
                first_error,
                reasons: verdicts
                    .iter()
                    .map(|step| step.verdict.to_string())
                    .collect(),
                clashes: verdicts.into_iter().map(|step| step.clashes).collect(),
            },
        )
        .map_err(std::io::Error::from)?;
        writeln!(out)?;
        checked += 1;
    }
    out.flush()?;
    if checked == 0 {
        return Err(Failure::Input(anyhow!("{name} holds no solutions")));
    }
    Ok(())
}
