//! `outthink solve --jsonl`: many problems, one budget, a line each.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use indicatif::ProgressBar;
use outthink_core::{Answers, Problem};
use outthink_lab::strategy::{Batch, SolveError, Solved, Tariff, Unit};
use outthink_lab::{JournalFile, MathAnswers, ModelInfo, short};
use serde::{Deserialize, Serialize};

use crate::cli::Solve;
use crate::failure::Failure;
use crate::input::Input;
use crate::interrupt::{self, Standing};
use crate::strategy::{self, Loaded, Named};

/// A problem of the file.
#[derive(Deserialize)]
struct Asked {
    id: Option<String>,
    problem: String,
    gold: Option<String>,
}

/// What is said of a problem.
#[derive(Serialize)]
struct Told<'a> {
    id: &'a str,
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    choice: String,
    reason: &'a str,
    samples: usize,
    /// In the strategy's unit.
    spent: f64,
    agreement: Option<f64>,
    confidence: Option<f64>,
    /// Why there is no confidence though the strategy was fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    unlike: Option<&'a str>,
}

/// A line that an earlier run has written.
#[derive(Deserialize)]
struct Before {
    id: String,
    spent: Option<f64>,
}

pub(crate) fn run(arguments: &Solve, file: &Path) -> Result<ExitCode, Failure> {
    let Some(named) = &arguments.strategy else {
        return Err(Failure::Input(anyhow!("--jsonl needs a --strategy")));
    };
    let parsed = Named::parse(named)?;
    let asked = read(file)?;
    let count = asked.len() as f64;
    let total = match (arguments.total, arguments.budget) {
        (Some(total), _) => total,
        (None, budget) => budget.unwrap_or(16.0 * parsed.sample()) * count,
    };
    let share = total / count;
    let Loaded {
        strategy,
        policy,
        verifiers,
    } = strategy::load(parsed, arguments, share, true)?;
    let unit = strategy.unit();
    if unit == Unit::Seconds {
        return Err(Failure::Input(anyhow!(
            "seconds depend on what else runs; share a total of samples, tokens, flops or money"
        )));
    }
    let infos: Vec<ModelInfo> = verifiers.iter().map(|own| own.info.clone()).collect();
    let tariff = Tariff::new(unit, &policy.info, &infos).map_err(Failure::input)?;
    let mut out = Out::open(arguments.out.as_deref())?;
    let answers = MathAnswers;
    let names = strategy.asks(share, true).map_err(Failure::input)?;
    let batch = Batch {
        strategy: &strategy,
        policy: &policy,
        verifiers: names.into_iter().zip(&verifiers).collect(),
        tariff: &tariff,
        answers: &answers,
        seed: arguments.seed,
        journal: &out.journal,
    };
    let open: Vec<&Asked> = asked
        .iter()
        .filter(|own| !out.done.contains(own.id()))
        .collect();
    let problems: Vec<Arc<Problem>> = open.iter().map(|own| own.question()).collect();
    let before = out.spent;
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new(asked.len() as u64).with_position(out.done.len() as u64),
        false => ProgressBar::hidden(),
    };
    let standing = Standing::default();
    standing.set(out.done.len(), asked.len());
    let (told, goes_on) = (standing.clone(), out.path.is_some());
    interrupt::tell(move || match goes_on {
        true => format!("{told} problems are answered; the same command goes on"),
        false => {
            format!("{told} problems were answered; with --out FILE the same command would go on")
        }
    })?;
    let (mut answered, all) = (out.done.len(), asked.len());
    let (mut spent, mut failed, mut broken) = (before, 0, Ok(()));
    let mut tell = |place: usize, solved: Result<(Solved, f64), SolveError>| {
        let asked = open[place];
        let line = match solved {
            Ok((solved, cost)) => {
                spent += cost;
                answered += 1;
                asked.told(&solved, cost, &answers)
            }
            Err(error) => {
                failed += 1;
                let told = format!("{:#}", anyhow!(error));
                bar.suspend(|| eprintln!("{}: {told}", asked.id()));
                serde_json::to_string(&serde_json::json!({"id": asked.id(), "error": told}))
            }
        };
        bar.inc(1);
        standing.set(answered, all);
        if broken.is_ok() {
            let line = line.map_err(std::io::Error::from);
            broken = line
                .and_then(|line| writeln!(out.lines, "{line}").and_then(|()| out.lines.flush()));
        }
    };
    let ran = block_on(batch.run(&problems, share, (total - before, total), &mut tell));
    bar.finish_and_clear();
    ran.map_err(Failure::input)?;
    broken?;
    if let Some(error) = out.journal.failure() {
        return Err(anyhow!(error).context("cannot write the journal").into());
    }
    eprintln!(
        "{} of {} problems answered; {} {unit} spent of {}",
        asked.len() - failed,
        asked.len(),
        short(spent),
        short(total)
    );
    if failed > 0 {
        return Ok(ExitCode::FAILURE);
    }
    if let Some(journal) = &out.path {
        std::fs::remove_file(journal)
            .with_context(|| format!("cannot remove {}", journal.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Asked {
    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or(&self.problem)
    }

    fn question(&self) -> Arc<Problem> {
        Arc::new(Problem {
            id: self.id().to_owned(),
            text: self.problem.clone(),
        })
    }

    fn told(
        &self,
        solved: &Solved,
        spent: f64,
        answers: &MathAnswers,
    ) -> serde_json::Result<String> {
        let answer = solved.answer.as_ref();
        serde_json::to_string(&Told {
            id: self.id(),
            answer: answer.map(|own| own.answer.as_str()),
            correct: self
                .gold
                .as_ref()
                .map(|gold| answer.is_some_and(|own| answers.equal(gold, &own.answer))),
            choice: solved.chosen.candidate.to_string(),
            reason: &solved.chosen.reason,
            samples: solved.samples,
            spent,
            agreement: answer.map(|own| own.agreement),
            confidence: solved.confidence,
            unlike: solved.unlike.as_deref(),
        })
    }
}

fn read(file: &Path) -> Result<Vec<Asked>, Failure> {
    let Input { name, lines } = Input::open(file)?;
    let mut asked: Vec<Asked> = Vec::new();
    let mut known = HashSet::new();
    for (line, number) in lines.split(b'\n').zip(1usize..) {
        let at = || format!("{name} line {number}");
        let line = line.with_context(at)?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let mut own: Asked = serde_json::from_slice(&line)
            .with_context(at)
            .map_err(Failure::Input)?;
        own.problem = own.problem.trim().to_owned();
        if own.problem.is_empty() {
            return Err(Failure::Input(anyhow!("{}: the problem is empty", at())));
        }
        if !known.insert(own.id().to_owned()) {
            return Err(Failure::Input(anyhow!(
                "{}: `{}` stands there twice",
                at(),
                own.id()
            )));
        }
        asked.push(own);
    }
    if asked.is_empty() {
        return Err(Failure::Input(anyhow!("{name} holds no problems")));
    }
    Ok(asked)
}

/// Where lines go, and what is there from an earlier run.
struct Out {
    lines: Box<dyn Write>,
    journal: JournalFile,
    /// The journal's file.
    path: Option<PathBuf>,
    done: HashSet<String>,
    spent: f64,
}

impl Out {
    fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self {
                lines: Box::new(crate::print::stdout()),
                journal: JournalFile::default(),
                path: None,
                done: HashSet::new(),
                spent: 0.0,
            });
        };
        let (mut done, mut spent) = (HashSet::new(), 0.0);
        if file.exists() {
            let lines =
                File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
            for line in BufReader::new(lines).split(b'\n') {
                // What was cut off, or has failed, is tried again.
                if let Ok(before) = serde_json::from_slice::<Before>(&line?)
                    && let Some(cost) = before.spent
                    && done.insert(before.id)
                {
                    spent += cost;
                }
            }
        }
        let path = PathBuf::from(format!("{}.journal", file.display()));
        let journal = JournalFile::open(&path);
        let journal = journal.with_context(|| format!("cannot open {}", path.display()))?;
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let mut lines = opened.with_context(|| format!("cannot write {}", file.display()))?;
        let length = lines.metadata().map_or(0, |about| about.len());
        if length > 0 && !ends_with_newline(file)? {
            writeln!(lines)?;
        }
        Ok(Self {
            lines: Box::new(lines),
            journal,
            path: Some(path),
            done,
            spent,
        })
    }
}

fn ends_with_newline(file: &Path) -> std::io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(file)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}
