//! `outthink audit`: what is wrong with a verifier.

mod text;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use outthink_core::{Extension, Policy, Problem, Stop, Until, draw_seed, problem_seed};
use outthink_lab::audit::{
    Audit, AuditReport, CalibrationFile, Hazard, Lengths, SolutionRow, hazards, read_process_bench,
    score,
};
use outthink_micro::domain;
use serde::Serialize;

use crate::cli::{AuditArguments, PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::input::Input;
use crate::models::{self, AnyVerifier};
use crate::solve::limits;

/// Solutions scored at once.
const BATCH: usize = 32;

/// Solutions that hazards are tried on.
const TRIED: usize = 8;

/// Solutions drawn of each problem of the micro domain.
const DRAWS: usize = 2;

/// One verifier's audit.
#[derive(Serialize)]
pub(crate) struct Audited {
    verifier: String,
    data: String,
    /// Solutions that could not be scored, and the first reason.
    failed: usize,
    first_failure: Option<String>,
    /// What texts that must not matter did to rewards of the first solutions.
    hazards: Vec<Hazard>,
    #[serde(flatten)]
    report: AuditReport,
}

type Rows<'a> = Box<dyn Iterator<Item = Result<SolutionRow, Failure>> + 'a>;

pub(crate) fn run(arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    let mut names = arguments.verifier.clone();
    if names.is_empty() {
        let own = outthink_micro::family::VERIFIERS;
        names.extend(own.iter().map(|member| member.name.to_owned()));
    }
    let micro = arguments.data.as_os_str() == "micro";
    if micro && arguments.problems == 0 {
        return Err(Failure::Input(anyhow!("--problems must be at least 1")));
    }
    if !micro && arguments.data.as_os_str() == "-" && names.len() > 1 {
        return Err(Failure::Input(anyhow!(
            "standard input can be read once; name a file to compare verifiers"
        )));
    }
    if arguments.save_calibration.is_some() && names.len() > 1 {
        return Err(Failure::Input(anyhow!(
            "--save-calibration writes one verifier's map; name one with --verifier"
        )));
    }
    if let Some(folder) = &arguments.report {
        // better to hear of it now than after the work
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))
            .map_err(Failure::Input)?;
    }
    // Drawn once: every verifier judges the same solutions.
    let drawn = match micro {
        true => draw(arguments)?,
        false => Vec::new(),
    };
    let mut audits = Vec::new();
    for name in &names {
        let input;
        let (data, rows): (String, Rows<'_>) = match micro {
            true => (
                format!(
                    "{DRAWS} solutions of {} to each of {} problems of the micro domain, seed {}",
                    arguments.policy, arguments.problems, arguments.seed
                ),
                Box::new(drawn.iter().cloned().map(Ok)),
            ),
            false => {
                let Input { name, lines } = Input::open(&arguments.data)?;
                input = name;
                let rows = read_process_bench(&input, lines);
                (
                    input.clone(),
                    Box::new(rows.map(|row| row.map_err(Failure::from))),
                )
            }
        };
        let audited = audit(name, data, rows, arguments)?;
        if arguments.json {
            println!("{}", serde_json::to_string(&audited)?);
        } else {
            println!("{}", text::plain(&audited));
        }
        audits.push(audited);
    }
    if audits.len() > 1 && !arguments.json {
        print!("{}", text::comparison(&audits));
    }
    if let Some(folder) = &arguments.report {
        write(&folder.join("README.md"), &text::markdown(&audits))?;
        let mut lines = String::new();
        for audited in &audits {
            lines.push_str(&serde_json::to_string(audited)?);
            lines.push('\n');
        }
        write(&folder.join("audit.jsonl"), &lines)?;
    }
    Ok(match audits.iter().all(|audited| audited.failed == 0) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn write(file: &std::path::Path, text: &str) -> Result<(), Failure> {
    let mut out =
        std::fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

fn audit(
    name: &str,
    data: String,
    mut rows: Rows<'_>,
    arguments: &AuditArguments,
) -> Result<Audited, Failure> {
    let choice = VerifierChoice {
        verifier_reference: arguments.verifier_reference.clone(),
        verifier_windows: arguments.verifier_windows,
        ..VerifierChoice::of(name)
    };
    let Some(verifier) = models::verifier(&choice)? else {
        return Err(Failure::Input(anyhow!("--verifier none judges nothing")));
    };
    let lengths = lengths(&verifier);
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{prefix}  {spinner} {pos} solutions  {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_prefix(name.to_owned());
    let mut audit = Audit::new(lengths.unit);
    let (mut failed, mut first_failure) = (0, None);
    let mut tried: Vec<SolutionRow> = Vec::new();
    loop {
        let batch: Vec<SolutionRow> = rows.by_ref().take(BATCH).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            break;
        }
        bar.inc(batch.len() as u64);
        let missing = TRIED.saturating_sub(tried.len());
        tried.extend(batch.iter().take(missing).cloned());
        for outcome in block_on(score(&verifier, batch, &lengths)) {
            match outcome {
                Ok(scored) => audit.push(scored),
                Err(failure) => {
                    failed += 1;
                    first_failure.get_or_insert(failure.error);
                }
            }
        }
    }
    bar.finish_and_clear();
    match (audit.is_empty(), &first_failure) {
        (true, Some(error)) => Err(Failure::Run(anyhow!(
            "{name} scored none of {failed} solutions: {error}"
        ))),
        (true, None) => Err(Failure::Input(anyhow!("{data} holds no solutions"))),
        (false, _) => {
            let report = audit.report();
            if let Some(file) = &arguments.save_calibration {
                let made = CalibrationFile::new(name, &verifier.identity(&choice), &data, &report);
                write(file, &made?.text()?)?;
            }
            Ok(Audited {
                verifier: name.to_owned(),
                data,
                failed,
                first_failure,
                hazards: block_on(hazards(&verifier, &tried)),
                report,
            })
        }
    }
}

/// A step's length in the verifier's own tokens, or in characters where it has none.
fn lengths(verifier: &AnyVerifier) -> Lengths<'_> {
    let characters = |text: &str| text.chars().count();
    match verifier {
        AnyVerifier::Model(model) => Lengths {
            unit: "tokens",
            of: Box::new(move |text| model.tokens(text).unwrap_or_else(|_| characters(text))),
        },
        _ => Lengths {
            unit: "characters",
            of: Box::new(characters),
        },
    }
}

/// Solutions of a policy to problems that no model was trained on, with the exact first error of each.
fn draw(arguments: &AuditArguments) -> Result<Vec<SolutionRow>, Failure> {
    let policy = models::policy(&PolicyChoice::of(&arguments.policy))?;
    let problems: Vec<domain::Problem> =
        domain::generate(arguments.seed, domain::Split::Test, None, None)
            .take(arguments.problems)
            .collect();
    let mut rows = Vec::with_capacity(DRAWS * problems.len());
    for problems in problems.chunks(BATCH) {
        let extension = |problem: &domain::Problem| {
            let seed = problem_seed(arguments.seed, &problem.id);
            Extension {
                problem: Arc::new(Problem {
                    id: problem.id.clone(),
                    text: problem.problem.clone(),
                }),
                steps: Vec::new(),
                seeds: (0..DRAWS).map(|index| draw_seed(seed, [], index)).collect(),
                until: Until::Answer,
                sampling: policy.sampling(),
                max_tokens: limits(policy.profile()).solution_tokens,
            }
        };
        let replies = block_on(policy.extend(problems.iter().map(extension).collect()))
            .map_err(|error| anyhow!("{error}"))?;
        for (problem, (continuations, _)) in problems.iter().zip(replies) {
            for continuation in continuations {
                let steps: Vec<String> = continuation
                    .steps
                    .into_iter()
                    // whole answers come with their separators
                    .map(|step| step.text.trim().to_owned())
                    .filter(|text| !text.is_empty())
                    .collect();
                if steps.is_empty() {
                    continue;
                }
                rows.push(SolutionRow {
                    first_error: problem.check(&steps).iter().position(|right| !right),
                    problem: problem.problem.clone(),
                    complete: continuation.stop == Stop::Answer,
                    steps,
                });
            }
        }
    }
    Ok(rows)
}
