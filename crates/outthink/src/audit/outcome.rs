//! `outthink audit --pool`: what stored rewards and outcomes say of a verifier.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use outthink_answer::AnyDomain;
use outthink_lab::audit::{
    Measured, OutcomeAudit, Together, combination_file, outcome_audits, together,
};
use outthink_lab::{Analysis, ImportOptions, Report, Store, import, read_samples};

use super::{make, write};
use crate::cli::AuditArguments;
use crate::failure::Failure;
use crate::{stores, table};

pub(super) fn run(pool: &str, arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    if let Some(file) = &arguments.save_combination {
        return combine(pool, file, arguments);
    }
    let file = Path::new(pool);
    let audits = match arguments.store.is_none() && file.exists() {
        true => of_file(file, &arguments.verifier)?,
        false => {
            let mut store = stores::read(arguments.store.as_deref(), Some(pool))?;
            let study = store.study(Some(pool)).map_err(Failure::input)?;
            let analysis = Analysis::of(study, &mut store)?;
            outcome_audits(&analysis, &mut store, &arguments.verifier)?
        }
    };
    if audits.is_empty() {
        return Err(Failure::Input(anyhow!(
            "{pool} holds no samples with rewards{}",
            match arguments.verifier.is_empty() {
                true => String::new(),
                false => format!(" of {}", arguments.verifier.join(", ")),
            }
        )));
    }
    let mut lines = String::new();
    for own in &audits {
        lines.push_str(&serde_json::to_string(own)?);
        lines.push('\n');
        if !arguments.json {
            print!("{}", plain(own));
        }
    }
    if arguments.json {
        crate::print::json(lines.trim_end());
    }
    if let Some(folder) = &arguments.report {
        make(folder)?;
        let report = Report::of_outcomes(&audits);
        write(&folder.join("index.html"), &report.html())?;
        write(&folder.join("README.md"), &report.markdown())?;
        write(&folder.join("audit.jsonl"), &lines)?;
        let figures = folder.join("figures");
        make(&figures)?;
        for (name, svg) in report.figures() {
            write(&figures.join(name), &svg)?;
        }
        if !arguments.json {
            println!("report: {}", folder.join("index.html").display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Combines the verifiers of a stored study, says what that is worth, and writes the weights.
fn combine(pool: &str, file: &Path, arguments: &AuditArguments) -> Result<ExitCode, Failure> {
    let mut store = stores::read(arguments.store.as_deref(), Some(pool))?;
    let study = store.study(Some(pool)).map_err(Failure::input)?;
    let analysis = Analysis::of(study, &mut store)?;
    let labels = !arguments.without_labels;
    let mut all = together(&analysis, &mut store, &arguments.verifier, labels)?;
    let Some((told, combination)) = all.pop() else {
        return Err(Failure::Input(anyhow!(
            "{pool} has nothing to combine: a combination needs whole samples (best-of-n) that at least two verifiers have scored{}",
            if labels {
                ", of problems with right and wrong ones"
            } else {
                ""
            }
        )));
    };
    // The last policy is the one that other commands show, too.
    if arguments.json {
        crate::print::json(&serde_json::to_string(&told)?);
    } else {
        print!("{}", combined(&told));
    }
    write(
        file,
        &combination_file(&combination).map_err(anyhow::Error::from)?,
    )?;
    if !arguments.json {
        println!("weights: {} (for --verifier)", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn combined(told: &Together) -> String {
    let mut out = format!(
        "{} verifiers on {} samples of {} ({} problems), {}\n\n",
        told.weights.len(),
        told.samples,
        told.policy,
        told.problems,
        if told.labels {
            "by which solutions are right"
        } else {
            "by what they agree on, without labels"
        }
    );
    let rows: Vec<Vec<String>> = told
        .votes
        .iter()
        .map(|vote| {
            let weight = told.weights.iter().find(|(name, _)| *name == vote.by);
            vec![
                vote.by.clone(),
                weight.map_or_else(String::new, |(_, weight)| {
                    format!("{weight:.3}").replace('-', "−")
                }),
                share(vote.accuracy.as_ref()),
                vote.over_majority
                    .as_ref()
                    .map_or_else(String::new, |own| share(Some(own))),
            ]
        })
        .collect();
    let header = ["vote by", "weight", "right", "minus majority"];
    out.push_str(&table::render(&header, 1, &rows));
    out.push_str("\nRight: share of the problems that the weights were not fitted on, with 95 % intervals; the file's weights are fitted on all.\n");
    out
}

/// Audits a file's samples; the store is gone with the command.
fn of_file(file: &Path, verifiers: &[String]) -> Result<Vec<OutcomeAudit>, Failure> {
    let samples = read_samples(file).map_err(Failure::input)?;
    let name = file.display().to_string();
    // The one verifier that a file does not name is the one that is asked for.
    let verifier = match verifiers {
        [one] => Some(one.as_str()),
        _ => None,
    };
    let options = ImportOptions {
        verifier,
        ..ImportOptions::new(&name, AnyDomain::default().get())
    };
    let place = std::env::temp_dir().join(format!("outthink-audit-{}.sqlite", std::process::id()));
    let shown = place.display().to_string();
    let audited = (|| {
        let mut store = Store::open(&shown)?;
        let imported = import(samples, &options, Some(&mut store)).map_err(Failure::input)?;
        for warning in &imported.warnings {
            eprintln!("warning: {warning}");
        }
        let analysis = Analysis::of(imported.study, &mut store)?;
        Ok(outcome_audits(&analysis, &mut store, verifiers)?)
    })();
    for end in ["", "-wal", "-shm"] {
        // What was never made cannot be removed.
        let _ = std::fs::remove_file(format!("{shown}{end}"));
    }
    audited
}

fn share(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        let text = format!("{value:.3} ({:.3} to {:.3})", interval.low, interval.high);
        text.replace('-', "−")
    };
    measured.map_or_else(|| "–".into(), show)
}

fn plain(audit: &OutcomeAudit) -> String {
    let mut out = format!(
        "{} on {} samples of {} ({} problems, {} of them with right and wrong samples)\n\n",
        audit.verifier, audit.samples, audit.policy, audit.problems, audit.mixed
    );
    for own in &audit.findings {
        let _ = writeln!(
            out,
            "  {:<8} {:<27} {}",
            own.harm.name(),
            own.name,
            own.verdict
        );
    }
    out.push('\n');
    let rows: Vec<Vec<String>> = audit
        .scores
        .iter()
        .map(|own| {
            vec![
                own.score.clone(),
                format!("{:.3}", own.right),
                format!("{:.3}", own.wrong),
                share(own.auc.as_ref()),
                share(own.auc_within.as_ref()),
                share(own.ece.as_ref()),
            ]
        })
        .collect();
    let header = [
        "score",
        "right",
        "wrong",
        "AUC, all",
        "AUC within problems",
        "ECE",
    ];
    out.push_str(&table::render(&header, 1, &rows));
    out.push('\n');
    for (which, lengths) in &audit.lengths {
        let _ = writeln!(
            out,
            "  {which:<6} {:.1} {} per step, {:.1} per solution, {:.1} steps",
            lengths.per_step, lengths.unit, lengths.per_response, lengths.steps
        );
    }
    if let Some(chosen) = &audit.chosen_length {
        let _ = writeln!(
            out,
            "  the best by the last reward is {} times as long as the mean sample of its problem",
            share(Some(chosen))
        );
    }
    for course in &audit.courses {
        let fifths: Vec<String> = course
            .fifths
            .iter()
            .map(|own| format!("{own:.3}"))
            .collect();
        let _ = writeln!(
            out,
            "  {} solutions: mean reward by fifths {}; last − first {}",
            if course.right { "right" } else { "wrong" },
            fifths.join(" "),
            share(course.last_over_first.as_ref())
        );
    }
    for own in &audit.selection {
        let _ = writeln!(
            out,
            "\n  {} at N = {}, {} problems: % right by rule, and points over majority",
            own.method, own.budget, own.problems
        );
        let longest = own.rules.iter().map(|rule| rule.rule.len()).max();
        let longest = longest.unwrap_or_default();
        for rule in &own.rules {
            let points = |Measured { value, interval }: &Measured| {
                let [value, low, high] =
                    [*value, interval.low, interval.high].map(|own| 100.0 * own);
                format!("{value:+.1} ({low:+.1} to {high:+.1})").replace('-', "−")
            };
            let _ = writeln!(
                out,
                "    {:<longest$} {:5.1} ({:.1} to {:.1})  {}",
                rule.rule,
                100.0 * rule.accuracy.value,
                100.0 * rule.accuracy.interval.low,
                100.0 * rule.accuracy.interval.high,
                rule.over_majority.as_ref().map_or(String::new(), points)
            );
        }
    }
    out.push('\n');
    out
}
