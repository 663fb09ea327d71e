//! `outthink audit`: what is wrong with a verifier.

mod outcome;
mod text;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use futures::executor::block_on;
use indicatif::{ProgressBar, ProgressStyle};
use outthink_core::{Extension, Policy, Problem, Stop, Until, draw_seed, problem_seed};
use outthink_lab::audit::{
    Ability, Audit, Audited, CalibrationFile, Example, Lengths, Measured, POOLED, Scored,
    SolutionRow, hazards, read_labelled, score, stored,
};
use outthink_lab::{Analysis, Report, Store};
use outthink_micro::domain;
use outthink_micro::family::{Family, MICRO};

use crate::cli::{AuditArguments, PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::input::Input;
use crate::models::{self, AnyVerifier};
use crate::{data, stores, tree, wiring};
use outthink_models::limits;

/// Solutions scored at once.
const BATCH: usize = 32;

/// Solutions that hazards are tried on.
const TRIED: usize = 32;

/// Solutions drawn of each problem of the micro domain.
const DRAWS: usize = 2;

type Rows<'a> = Box<dyn Iterator<Item = Result<SolutionRow, Failure>> + 'a>;

/// A verifier to audit.
struct Asked {
    name: String,
    choice: VerifierChoice,
    /// Its place in the study.
    place: Option<usize>,
}

pub(crate) fn run(arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    if let Some(pool) = &arguments.pool {
        return outcome::run(pool, arguments);
    }
    if arguments.store.is_some() && arguments.study.is_none() {
        return Err(Failure::Input(anyhow!(
            "--store names the store of --study or --pool; name one of them"
        )));
    }
    let mut study = match &arguments.study {
        Some(name) => {
            let mut store = stores::read(arguments.store.as_deref(), Some(name))?;
            let study = store.study(Some(name)).map_err(Failure::input)?;
            let analysis = Analysis::of(study, &mut store)?;
            Some(Stored { store, analysis })
        }
        None => None,
    };
    let mut asked = asked(arguments, study.as_ref())?;
    let data = arguments.data.as_deref();
    let named = data.filter(|data| data.as_os_str() != "micro");
    let found = named.map(labelled_set).transpose()?;
    let from_file = found.as_deref();
    // Rewards that stand in the file are what is audited, where nobody names a verifier.
    if let (Some(file), true) = (from_file, arguments.verifier.is_empty() && study.is_none())
        && has_rewards(file)?
    {
        asked.truncate(1);
        for own in &mut asked {
            STORED.clone_into(&mut own.name);
        }
    }
    if arguments.problems == 0 {
        return Err(Failure::Input(anyhow!("--problems must be at least 1")));
    }
    if from_file.is_some_and(|file| file.as_os_str() == "-") && asked.len() > 1 {
        return Err(Failure::Input(anyhow!(
            "standard input can be read once; name a file to compare verifiers"
        )));
    }
    if arguments.save_calibration.is_some() && asked.len() > 1 {
        return Err(Failure::Input(anyhow!(
            "--save-calibration writes one verifier's map; name one with --verifier"
        )));
    }
    if let Some(folder) = &arguments.report {
        // better to hear of it now than after the work
        make(folder)?;
    }
    // Drawn once: every verifier judges the same solutions.
    let drawn = match (from_file, data, &study) {
        (Some(_), ..) | (None, None, Some(_)) => Vec::new(),
        _ => draw(arguments)?,
    };
    let mut audits = Vec::new();
    for asked in &asked {
        let mut audited = match (&mut study, data, from_file) {
            (Some(study), None, _) => study.audit(asked)?,
            (_, _, Some(file)) => {
                let count = lines(file)?;
                let Input { name, lines } = Input::open(file)?;
                let rows = read_labelled(&name, lines);
                let rows = rows.map(|row| row.map_err(Failure::from));
                match asked.name.as_str() {
                    STORED => of_rewards(&name, rows, arguments)?,
                    _ => audit(asked, name.clone(), Box::new(rows), count, arguments)?,
                }
            }
            _ => {
                let data = format!(
                    "{DRAWS} solutions of {} to each of {} problems of the micro domain, seed {}",
                    arguments.policy, arguments.problems, arguments.seed
                );
                let rows = Box::new(drawn.iter().cloned().map(Ok));
                audit(asked, data, rows, Some(drawn.len()), arguments)?
            }
        };
        if let (Some(study), Some(place)) = (&study, asked.place) {
            audited.selection = study.analysis.selection(place);
        }
        if !arguments.json {
            println!("{}", text::plain(&audited));
        }
        audits.push(audited);
    }
    let abilities = study
        .as_ref()
        .map_or_else(Vec::new, |study| study.ability(&asked, &audits));
    if audits.len() > 1 && !arguments.json {
        print!("{}", text::comparison(&audits));
    }
    if let (Some(study), Some(folder)) = (&mut study, &arguments.report) {
        study.pages(folder, &mut audits)?;
    }
    let mut lines = String::new();
    for audited in &audits {
        lines.push_str(&serde_json::to_string(audited)?);
        lines.push('\n');
    }
    if !abilities.is_empty() {
        lines.push_str(&serde_json::to_string(
            &serde_json::json!({"ability": abilities}),
        )?);
        lines.push('\n');
    }
    if arguments.json {
        crate::print::json(lines.trim_end());
    }
    if let Some(folder) = &arguments.report {
        let report = Report::of_audits(&audits, &abilities);
        write(&folder.join("index.html"), &report.html())?;
        write(&folder.join("README.md"), &report.markdown())?;
        write(&folder.join("audit.jsonl"), &lines)?;
        let figures = folder.join("figures");
        make(&figures)?;
        for (name, svg) in report.figures() {
            write(&figures.join(name), &svg)?;
        }
    }
    Ok(match audits.iter().all(|audited| audited.failed == 0) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The verifiers: those that are named, or the study's that do not know the answer, or the embedded ones.
fn asked(arguments: &AuditArguments, study: Option<&Stored>) -> Result<Vec<Asked>, Failure> {
    let typed = |name: &str| Asked {
        name: name.to_owned(),
        choice: VerifierChoice {
            verifier_reference: arguments.verifier_reference.clone(),
            verifier_windows: arguments.verifier_windows,
            ..VerifierChoice::of(name)
        },
        place: None,
    };
    let Some(stored) = study else {
        let own = Family::of_member(&arguments.policy)
            .unwrap_or(MICRO)
            .verifiers;
        return Ok(match arguments.verifier.is_empty() {
            true => own.iter().map(|member| typed(member.name)).collect(),
            false => arguments.verifier.iter().map(|name| typed(name)).collect(),
        });
    };
    let study = &stored.analysis.study;
    let of_study = |place: usize| -> Result<Asked, Failure> {
        let entry = study.recipe.verifiers.get(place);
        let entry = entry.map(|entry| entry.table()).unwrap_or_default();
        Ok(Asked {
            name: study.verifiers[place].name.clone(),
            choice: wiring::verifier_choice(&entry)?,
            place: Some(place),
        })
    };
    if arguments.verifier.is_empty() {
        let known = (0..study.verifiers.len()).filter(|&place| !study.verifiers[place].oracle);
        return known.map(of_study).collect();
    }
    let places = arguments.verifier.iter().map(|name| {
        let place = study.verifiers.iter().position(|own| own.name == *name);
        place.ok_or_else(|| {
            let names: Vec<&str> = study
                .verifiers
                .iter()
                .map(|own| own.name.as_str())
                .collect();
            Failure::Input(anyhow!(
                "the study {} has no verifier `{name}`; it has {}",
                study.name,
                names.join(", ")
            ))
        })
    });
    places.map(|place| of_study(place?)).collect()
}

/// A study with its store.
struct Stored {
    store: Store,
    analysis: Analysis,
}

impl Stored {
    /// Audits the rewards that the store holds.
    fn audit(&mut self, asked: &Asked) -> Result<Audited, Failure> {
        let study = &self.analysis.study;
        let labels = |problem: &outthink_lab::Problem, steps: &[String]| {
            let problem = domain::Problem::parse(&problem.text).ok()?;
            Some(problem.check(steps))
        };
        let mut audit = Audit::new("tokens");
        let place = asked.place.unwrap_or_default();
        let unit = stored(&mut self.store, study, place, &labels, &mut |scored| {
            audit.push(scored);
        })?;
        audit.count_in(unit);
        if audit.is_empty() {
            return Err(Failure::Input(anyhow!(
                "the study {} holds no solutions with rewards of {} whose steps can be checked; name labelled ones with --data",
                study.name,
                asked.name
            )));
        }
        let policies: Vec<&str> = study.policies.iter().map(|own| own.name.as_str()).collect();
        Ok(Audited {
            verifier: asked.name.clone(),
            data: format!(
                "the first {POOLED} solutions of {} to each problem of {} in the study {}",
                policies.join(", "),
                study.dataset,
                study.name
            ),
            failed: 0,
            first_failure: None,
            hazards: Vec::new(),
            selection: Vec::new(),
            report: audit.report(),
        })
    }

    fn ability(&self, asked: &[Asked], audits: &[Audited]) -> Vec<Ability> {
        let known: Vec<(usize, Measured)> = asked
            .iter()
            .zip(audits)
            .filter_map(|(asked, audited)| {
                Some((asked.place?, audited.report.judgement.as_ref()?.f1))
            })
            .collect();
        self.analysis.ability(&known)
    }

    /// Writes the trees that the worst examples stand in, and links them.
    fn pages(&mut self, folder: &Path, audits: &mut [Audited]) -> Result<(), Failure> {
        let trees = folder.join("trees");
        let examples = audits.iter_mut().flat_map(|audited| {
            let report = &mut audited.report;
            report.criticised.iter_mut().chain(&mut report.neglected)
        });
        for example in examples {
            let Example {
                unit: Some(unit),
                path,
                ..
            } = &*example
            else {
                continue;
            };
            let study = &self.analysis.study;
            let Some((name, tree)) = tree::of_scores(&mut self.store, study, *unit, POOLED)? else {
                continue;
            };
            if let Some(step) = tree.find(path) {
                make(&trees)?;
                write(&trees.join(format!("{name}.html")), &tree.html())?;
                example.link = Some(format!("trees/{name}.html#step-{step}"));
            }
        }
        Ok(())
    }
}

/// What the verifier is called whose rewards stand in the file.
const STORED: &str = "the file's rewards";

/// A file, or one of the labelled sets that are known by name.
fn labelled_set(data: &Path) -> Result<std::path::PathBuf, Failure> {
    match data.exists() || data.as_os_str() == "-" {
        true => Ok(data.to_owned()),
        false => data::find(&data.display().to_string()),
    }
}

/// Do its rows have rewards? A pipe can be read but once.
fn has_rewards(file: &Path) -> Result<bool, Failure> {
    if !file.is_file() {
        return Ok(false);
    }
    let Input { name, lines } = Input::open(file)?;
    let first = read_labelled(&name, lines).next();
    Ok(matches!(first, Some(Ok(row)) if row.rewards.is_some()))
}

/// Audits rewards that stand with the solutions.
fn of_rewards(
    name: &str,
    rows: impl Iterator<Item = Result<SolutionRow, Failure>>,
    arguments: &AuditArguments,
) -> Result<Audited, Failure> {
    let mut audit = Audit::new("characters");
    if let Some(threshold) = arguments.threshold {
        audit.at_threshold(threshold);
    }
    let (mut failed, mut first_failure) = (0, None);
    for row in rows {
        let row = row?;
        let Some(rewards) = row.rewards else {
            failed += 1;
            first_failure.get_or_insert_with(|| "a solution has no rewards".to_owned());
            continue;
        };
        audit.push(Scored {
            problem: row.problem,
            lengths: row.steps.iter().map(|step| step.chars().count()).collect(),
            steps: row.steps,
            first_error: row.first_error,
            rewards,
            unit: None,
            kind: row.kind,
        });
    }
    Ok(Audited {
        verifier: STORED.into(),
        data: name.to_owned(),
        failed,
        first_failure,
        hazards: Vec::new(),
        selection: Vec::new(),
        report: audit.report(),
    })
}

fn make(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make {}", folder.display()))
        .map_err(Failure::Input)
}

/// Lines of a file that are not blank, to know how far a reader is; a pipe can be read but once, and is not counted.
fn lines(file: &Path) -> Result<Option<usize>, Failure> {
    if !file.is_file() {
        return Ok(None);
    }
    let opened = std::fs::File::open(file);
    let opened = opened.with_context(|| format!("cannot read {}", file.display()));
    let mut count = 0;
    for line in BufReader::new(opened.map_err(Failure::Input)?).split(b'\n') {
        count += usize::from(!line?.trim_ascii().is_empty());
    }
    Ok(Some(count))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let mut out =
        std::fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    out.write_all(text.as_bytes())?;
    Ok(())
}

/// Audits a model on rows, of which there are so many.
fn audit(
    Asked { name, choice, .. }: &Asked,
    data: String,
    mut rows: Rows<'_>,
    count: Option<usize>,
    arguments: &AuditArguments,
) -> Result<Audited, Failure> {
    let Some(verifier) = models::verifier(choice)? else {
        return Err(Failure::Input(anyhow!("--verifier none judges nothing")));
    };
    let lengths = lengths(&verifier);
    let bar = match count {
        Some(count) => ProgressBar::new(count as u64),
        None => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template(match count {
        Some(_) => "{prefix}  {bar:24} {pos}/{len} solutions  {elapsed}, {eta} left",
        None => "{prefix}  {spinner} {pos} solutions  {elapsed}",
    });
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(name.clone());
    let mut audit = Audit::new(lengths.unit);
    if let Some(threshold) = arguments.threshold {
        audit.at_threshold(threshold);
    }
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
                let made = CalibrationFile::new(
                    name,
                    &models::identity(&verifier, choice)?,
                    &data,
                    &report,
                );
                write(file, &made?.text()?)?;
            }
            Ok(Audited {
                verifier: name.clone(),
                data,
                failed,
                first_failure,
                hazards: block_on(hazards(&verifier, &tried)),
                selection: Vec::new(),
                report,
            })
        }
    }
}

/// A step's length in the verifier's own tokens, or in characters where it has none.
fn lengths(verifier: &AnyVerifier) -> Lengths<'_> {
    let characters = |text: &str| text.chars().count();
    match verifier.bare() {
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
    let kind = Family::of_profile(policy.profile_name()).and_then(|family| family.kind);
    let problems: Vec<domain::Problem> =
        domain::generate(arguments.seed, domain::Split::Test, kind, None)
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
                offset: 0,
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
                    ..SolutionRow::default()
                });
            }
        }
    }
    Ok(rows)
}
