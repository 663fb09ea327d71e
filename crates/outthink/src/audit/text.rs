//! An audit for people: plain text and Markdown.

use std::fmt::Write;

use outthink_lab::audit::{Effect, Example, Harm, Hazard, Measured};

use super::Audited;
use crate::table;

fn mark(harm: Harm) -> &'static str {
    match harm {
        Harm::Harmful => "harmful",
        Harm::Slight => "slight",
        Harm::None => "fine",
    }
}

fn percent(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        let [value, low, high] = [*value, interval.low, interval.high].map(|share| 100.0 * share);
        format!("{value:.1} % ({low:.1}–{high:.1})")
    };
    measured.map_or_else(|| "not measured".into(), show)
}

fn signed(measured: Option<&Measured>) -> String {
    let show = |Measured { value, interval }: &Measured| {
        let text = format!(
            "{value:+.3} ({:+.3} to {:+.3})",
            interval.low, interval.high
        );
        text.replace('-', "−")
    };
    measured.map_or_else(|| "not measured".into(), show)
}

fn data(audited: &Audited) -> String {
    let report = &audited.report;
    let lengths = &report.lengths;
    let mut text = format!(
        "{}: {} scored, {} with an error, {} problems; {:.1} {} a step, {:.1} a response, {:.1} steps",
        audited.data,
        report.solutions,
        report.erroneous,
        report.problems,
        lengths.per_step,
        lengths.unit,
        lengths.per_response,
        lengths.steps
    );
    if let Some(reason) = &audited.first_failure {
        let _ = write!(text, "; {} could not be scored: {reason}", audited.failed);
    }
    text
}

/// What was measured, by name.
fn measures(audited: &Audited) -> Vec<(&'static str, String)> {
    let report = &audited.report;
    let judged = report.judgement.as_ref();
    let effect = |effect: &Option<Effect>| signed(effect.as_ref().map(|effect| &effect.difference));
    let calibration = report.calibration.as_ref();
    vec![
        (
            "threshold",
            judged.map_or_else(
                || "not measured".into(),
                |judged| format!("{:.4}", judged.threshold),
            ),
        ),
        (
            "first error named, erroneous solutions",
            percent(judged.map(|judged| &judged.erroneous)),
        ),
        (
            "called right, right solutions",
            percent(judged.map(|judged| &judged.correct)),
        ),
        ("F1", percent(judged.map(|judged| &judged.f1))),
        ("over-criticism", percent(report.over_criticism.as_ref())),
        ("error neglect", percent(report.error_neglect.as_ref())),
        (
            "called − first error, steps",
            signed(report.localisation.as_ref()),
        ),
        ("its absolute value", signed(report.distance.as_ref())),
        (
            "lowest reward − first error, steps",
            signed(report.lowest.as_ref()),
        ),
        ("reward of long steps − short ones", effect(&report.length)),
        (
            "reward of late steps − early ones",
            effect(&report.position),
        ),
        (
            "ECE",
            signed(calibration.map(|calibration| &calibration.ece)),
        ),
        (
            "ECE after isotonic map",
            signed(calibration.and_then(|calibration| calibration.ece_isotonic.as_ref())),
        ),
    ]
}

/// What a hazard did, in words.
fn hazard(hazard: &Hazard) -> String {
    let mut text = match (hazard.change, hazard.largest) {
        (Some(mean), Some(largest)) => format!(
            "{mean:+.3} on the mean of {}, at most {largest:+.3}",
            hazard.scored
        )
        .replace('-', "−"),
        _ => String::from("never scored"),
    };
    if let Some(words) = &hazard.refused {
        let _ = write!(text, "; refused: {words}");
    }
    text
}

/// One line of a step.
fn step(example: &Example) -> String {
    let flat = example.text.replace('\n', " ");
    let mut text: String = flat.chars().take(90).collect();
    if text.len() < flat.len() {
        text.push('…');
    }
    format!("{:.3}  step {}: {text}", example.reward, example.step)
}

pub(crate) fn plain(audited: &Audited) -> String {
    let mut out = format!("{}\n  {}\n\n", audited.verifier, data(audited));
    for finding in &audited.report.findings {
        let _ = writeln!(
            out,
            "  {:<8} {:<25} {}",
            mark(finding.harm),
            finding.name,
            finding.verdict
        );
    }
    out.push('\n');
    for (name, value) in measures(audited) {
        let _ = writeln!(out, "  {name:<40} {value}");
    }
    out.push_str("\n  change of a step's reward by text that must not matter\n");
    for found in &audited.hazards {
        let _ = writeln!(out, "    {:<28} {}", found.name, hazard(found));
    }
    for (title, examples) in [
        (
            "right steps with the lowest rewards",
            &audited.report.criticised,
        ),
        (
            "first errors with the highest rewards",
            &audited.report.neglected,
        ),
    ] {
        if !examples.is_empty() {
            let _ = writeln!(out, "\n  {title}");
        }
        for example in examples {
            let _ = writeln!(out, "    {}", step(example));
        }
    }
    out
}

/// All verifiers side by side.
pub(crate) fn comparison(audits: &[Audited]) -> String {
    let mut header = vec![""];
    header.extend(audits.iter().map(|audited| audited.verifier.as_str()));
    table::render(&header, 1, &rows(audits))
}

fn rows(audits: &[Audited]) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for audited in audits {
        for (index, (name, value)) in measures(audited).into_iter().enumerate() {
            match rows.get_mut(index) {
                Some(row) => row.push(value),
                None => rows.push(vec![name.to_owned(), value]),
            }
        }
    }
    rows
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

pub(crate) fn markdown(audits: &[Audited]) -> String {
    let mut out = String::from("# Audit of verifiers\n\n");
    if let Some(first) = audits.first() {
        let _ = writeln!(
            out,
            "{}. Intervals are 95 % bootstraps over problems; thresholds and isotonic maps are chosen on one half of the problems, and measured on the other.\n",
            data(first)
        );
    }
    let names: Vec<&str> = audits
        .iter()
        .map(|audited| audited.verifier.as_str())
        .collect();
    let _ = writeln!(
        out,
        "| | {} |\n|---|{}",
        names.join(" | "),
        "---|".repeat(names.len())
    );
    for row in rows(audits) {
        let cells: Vec<String> = row.iter().map(|text| cell(text)).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    for audited in audits {
        let report = &audited.report;
        let _ = writeln!(out, "\n## {}\n", audited.verifier);
        for finding in &report.findings {
            let _ = writeln!(
                out,
                "- **{}**, {}: {}",
                finding.name,
                mark(finding.harm),
                finding.verdict
            );
        }
        for (title, effect) in [("length", &report.length), ("place", &report.position)] {
            let Some(effect) = effect else { continue };
            let unit = if title == "length" {
                report.lengths.unit.as_str()
            } else {
                "the step's number"
            };
            let _ = writeln!(
                out,
                "\nReward by {title} ({unit}), against all other steps that are alike:\n\n| {title} | steps | difference |\n|---|---|---|"
            );
            for bin in &effect.bins {
                let from = bin.above.map_or(1, |above| above + 1);
                let to = bin.up_to.map_or("".into(), |to| to.to_string());
                let _ = writeln!(
                    out,
                    "| {from}–{to} | {} | {} |",
                    bin.steps,
                    signed(bin.difference.as_ref())
                );
            }
        }
        if let Some(calibration) = &report.calibration {
            let _ = writeln!(
                out,
                "\n| mean reward | share right | steps |\n|---|---|---|"
            );
            for bin in &calibration.reliability {
                let _ = writeln!(
                    out,
                    "| {:.3} | {:.3} | {} |",
                    bin.reward, bin.right, bin.steps
                );
            }
        }
        out.push_str("\n| text that must not matter | change of the step's reward |\n|---|---|\n");
        for found in &audited.hazards {
            let _ = writeln!(out, "| {} | {} |", found.name, cell(&hazard(found)));
        }
        for (title, examples) in [
            ("Right steps with the lowest rewards", &report.criticised),
            ("First errors with the highest rewards", &report.neglected),
        ] {
            if !examples.is_empty() {
                let _ = writeln!(
                    out,
                    "\n{title}:\n\n| reward | step | text | problem |\n|---|---|---|---|"
                );
            }
            for example in examples {
                let _ = writeln!(
                    out,
                    "| {:.3} | {} | {} | {} |",
                    example.reward,
                    example.step,
                    cell(&example.text),
                    cell(&example.problem)
                );
            }
        }
    }
    out
}
