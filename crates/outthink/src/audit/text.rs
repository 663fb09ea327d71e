//! An audit in the terminal.

use std::fmt::Write;

use outthink_lab::audit::{Audited, Example, Measured};

use crate::table;

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
    let mut out = format!("{}\n  {}\n\n", audited.verifier, audited.basis());
    for finding in &audited.report.findings {
        let _ = writeln!(
            out,
            "  {:<8} {:<25} {}",
            finding.harm.name(),
            finding.name,
            finding.verdict
        );
    }
    out.push('\n');
    for (name, value) in audited.measures() {
        let _ = writeln!(out, "  {name:<40} {value}");
    }
    if !audited.report.kinds.is_empty() {
        let share = |measured: &Option<Measured>| {
            measured
                .as_ref()
                .map_or("–".into(), |Measured { value, interval }| {
                    let [value, low, high] =
                        [*value, interval.low, interval.high].map(|share| 100.0 * share);
                    format!("{value:.1} ({low:.1} to {high:.1})")
                })
        };
        let rows: Vec<Vec<String>> = audited
            .report
            .kinds
            .iter()
            .map(|own| {
                vec![
                    format!("  {}", own.kind),
                    own.solutions.to_string(),
                    own.errors.to_string(),
                    share(&own.erroneous),
                    share(&own.correct),
                    share(&own.f1),
                    share(&own.caught),
                ]
            })
            .collect();
        let header = [
            "  kind",
            "solutions",
            "erroneous",
            "% named exactly",
            "% right ones passed",
            "F1",
            "% first errors below the threshold",
        ];
        let _ = write!(out, "\n{}", table::render(&header, 1, &rows));
    }
    if !audited.hazards.is_empty() {
        out.push_str("\n  change of a step's reward by irrelevant changes to a text\n");
    }
    for found in &audited.hazards {
        let _ = writeln!(out, "    {:<28} {}", found.name, found.told());
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
    for own in &audited.selection {
        let _ = writeln!(
            out,
            "\n  {} of {} at N = {}, {} problems, % right by rule and over majority",
            own.method, own.policy, own.budget, own.problems
        );
        for rule in &own.rules {
            let points = |measured: &Option<Measured>, what: &str| {
                measured.map_or(String::new(), |Measured { value, interval }| {
                    let [value, low, high] =
                        [value, interval.low, interval.high].map(|share| 100.0 * share);
                    format!("  {value:+.1} ({low:+.1} to {high:+.1}){what}").replace('-', "−")
                })
            };
            let Measured { value, interval } = rule.accuracy;
            let [value, low, high] =
                [value, interval.low, interval.high].map(|share| 100.0 * share);
            let _ = writeln!(
                out,
                "    {:<14} {value:5.1} ({low:.1} to {high:.1}){}{}",
                rule.rule,
                points(&rule.over_majority, ""),
                points(&rule.over_bare, " over uncalibrated")
            );
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
        for (index, (name, value)) in audited.measures().into_iter().enumerate() {
            match rows.get_mut(index) {
                Some(row) => row.push(value),
                None => rows.push(vec![name.to_owned(), value]),
            }
        }
    }
    rows
}
