//! `outthink report` and `outthink sql`: what a store says.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use outthink_core::{AnyMethod, Selection};
use outthink_lab::{
    Analysis, Choice, HEADLINE, Interval, Key, Published, Regraded, Report, Rule, Store, regrade,
    short,
};
use serde::Serialize;

use crate::cli::{RegradeArguments, ReportArguments, SqlArguments};
use crate::failure::Failure;
use crate::{stores, table};

/// An entry, as `--json` prints it.
#[derive(Serialize)]
struct JsonEntry<'a> {
    policy: &'a str,
    verifier: Option<&'a str>,
    method: AnyMethod,
    n: usize,
    width: Option<usize>,
    rule: String,
    accuracy: f64,
    ci: [f64; 2],
    problems: usize,
    sampling_error: f64,
    tokens_drawn: Option<f64>,
    policy_tokens: Option<f64>,
    verifier_tokens: Option<f64>,
    flops_paper: Option<f64>,
    flops_full: Option<f64>,
}

/// A strategy at a budget, as `--json` prints it.
#[derive(Serialize)]
struct JsonStrategy<'a> {
    policy: &'a str,
    strategy: &'a str,
    budget: f64,
    unit: &'a str,
    accuracy: f64,
    ci: [f64; 2],
    problems: usize,
    samples: f64,
    tokens_drawn: f64,
    policy_tokens: f64,
    verifier_tokens: f64,
    flops_full: Option<f64>,
    /// What was chosen how often.
    chosen: &'a [(String, usize)],
    calibration_error: Option<f64>,
}

pub(crate) fn run(arguments: &ReportArguments) -> Result<(), Failure> {
    let study = arguments.study.as_deref();
    let mut store = stores::read(arguments.store.as_deref(), study)?;
    let study = store
        .study(arguments.study.as_deref())
        .map_err(Failure::input)?;
    let name = study.name.clone();
    let analysis = Analysis::of(study, &mut store)?;
    if arguments.json {
        return json(&analysis);
    }
    let report = Report::new(&analysis, &Published::load()?);
    let folder = arguments
        .out
        .clone()
        .unwrap_or_else(|| format!("{name}-report").into());
    let figures = folder.join("figures");
    std::fs::create_dir_all(&figures)
        .with_context(|| format!("cannot make {}", figures.display()))?;
    write(&folder.join("index.html"), &report.html())?;
    write(&folder.join("README.md"), &report.markdown())?;
    for (name, svg) in report.figures() {
        write(&figures.join(name), &svg)?;
    }
    if let Some(told) = &analysis.old_verdicts {
        eprintln!("{told}");
    }
    let count = analysis.count;
    if count.open + count.failed > 0 {
        eprintln!(
            "incomplete: {} units not yet done, {} failed",
            count.open, count.failed
        );
    }
    print!("{}", summary(&analysis));
    println!("report: {}", folder.join("index.html").display());
    Ok(())
}

/// The main numbers of a study, a row per policy, method, verifier and N.
pub(crate) fn summary(analysis: &Analysis) -> String {
    let study = &analysis.study;
    let share = |accuracy: f64, interval: Interval| {
        let [low, high] = [interval.low, interval.high].map(|end| 100.0 * end);
        format!("{:.1} ({low:.1} to {high:.1})", 100.0 * accuracy)
    };
    let mut rows = Vec::new();
    for entry in &analysis.entries {
        let Key {
            policy,
            verifier,
            method,
            width,
            budget,
            rule,
        } = entry.key;
        let shown = match method.needs_verifier() {
            true => HEADLINE,
            false => Selection::Majority,
        };
        if rule != Rule::Chosen(Choice(shown)) {
            continue;
        }
        let width = width.filter(|_| study.recipe.widths.len() > 1);
        rows.push(vec![
            study.policies[policy].name.clone(),
            width.map_or(method.to_string(), |width| format!("{method}, M = {width}")),
            verifier.map_or(String::new(), |own| study.verifiers[own].name.clone()),
            budget.to_string(),
            entry.problems.to_string(),
            share(entry.accuracy, entry.interval),
            entry
                .cost
                .map_or("–".into(), |cost| short(cost.policy.generated)),
        ]);
    }
    for own in &analysis.strategies {
        let info = &study.strategies[own.strategy];
        rows.push(vec![
            study.policies[info.policy].name.clone(),
            info.name.clone(),
            String::new(),
            short(own.budget),
            own.problems.to_string(),
            share(own.accuracy, own.interval),
            short(own.policy.generated),
        ]);
    }
    let header = [
        "policy",
        "method",
        "verifier",
        "N",
        "problems",
        "% right (95 % CI)",
        "tokens per problem",
    ];
    table::render(&header, 3, &rows)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .with_context(|| format!("cannot write {}", file.display()))
        .map_err(Failure::Run)
}

fn json(analysis: &Analysis) -> Result<(), Failure> {
    let mut out = BufWriter::new(crate::print::stdout());
    for entry in &analysis.entries {
        let Key {
            policy,
            verifier,
            method,
            width,
            budget,
            rule,
        } = entry.key;
        let (flops_paper, flops_full) = analysis.flops(entry);
        let study = &analysis.study;
        let line = JsonEntry {
            policy: &study.policies[policy].name,
            verifier: verifier.map(|number| study.verifiers[number].name.as_str()),
            method,
            n: budget,
            width,
            rule: match rule {
                Rule::Ceiling => "pass".into(),
                Rule::Chosen(Choice(rule)) => rule.to_string(),
                Rule::InSample => "compute-optimal-in-sample".into(),
            },
            accuracy: entry.accuracy,
            ci: [entry.interval.low, entry.interval.high],
            problems: entry.problems,
            sampling_error: entry.sampling_error,
            tokens_drawn: entry.cost.map(|cost| cost.policy.generated),
            policy_tokens: entry.cost.map(|cost| cost.policy.computed),
            verifier_tokens: analysis.verifier_tokens(entry),
            flops_paper,
            flops_full,
        };
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    for own in &analysis.strategies {
        let info = &analysis.study.strategies[own.strategy];
        let line = JsonStrategy {
            policy: &analysis.study.policies[info.policy].name,
            strategy: &info.name,
            budget: own.budget,
            unit: info.unit.name(),
            accuracy: own.accuracy,
            ci: [own.interval.low, own.interval.high],
            problems: own.problems,
            samples: own.samples,
            tokens_drawn: own.policy.generated,
            policy_tokens: own.policy.computed,
            verifier_tokens: own.read,
            flops_full: own.flops,
            chosen: &own.taken,
            calibration_error: (!own.reliability.0.is_empty()).then_some(own.reliability.1),
        };
        serde_json::to_writer(&mut out, &line).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(())
}

pub(crate) fn grade_anew(arguments: &RegradeArguments) -> Result<(), Failure> {
    let place = stores::place(arguments.store.as_deref(), arguments.study.as_deref())?;
    let mut store = Store::existing(&place).map_err(Failure::input)?;
    let study = store
        .study(arguments.study.as_deref())
        .map_err(Failure::input)?;
    let Regraded {
        units,
        solutions,
        right,
        wrong,
        failed,
    } = {
        let domain = study
            .recipe
            .domain()
            .map_err(|error| Failure::Input(anyhow!(error)))?;
        regrade(&study, &mut store, domain.get())?
    };
    println!(
        "{units} units with {solutions} solutions graded anew: {right} right that were wrong, {wrong} wrong that were right"
    );
    match failed {
        None => Ok(()),
        Some((units, reason)) => Err(Failure::Run(anyhow!(
            "{units} units could not be graded and stay as they were: {reason}"
        ))),
    }
}

pub(crate) fn sql(arguments: &SqlArguments) -> Result<(), Failure> {
    let mut store = stores::read(arguments.store.as_deref(), None)?;
    let mut out = BufWriter::new(crate::print::stdout());
    let mut said = false;
    let mut broken = Ok(());
    let asked = store.ask(&arguments.query, &mut |names, values| {
        if broken.is_err() {
            return;
        }
        let clean =
            |text: &str| outthink_core::visible(&text.replace(['\t', '\n'], " ")).into_owned();
        let mut line = |cells: Vec<String>| writeln!(out, "{}", cells.join("\t"));
        broken = (|| {
            if !said {
                line(names.to_vec())?;
                said = true;
            }
            line(
                values
                    .iter()
                    .map(|value| value.as_deref().map_or(String::new(), clean))
                    .collect(),
            )
        })();
    });
    asked.map_err(Failure::input)?;
    broken?;
    out.flush()?;
    Ok(())
}
