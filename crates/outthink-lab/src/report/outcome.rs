//! The report of outcome audits: verifiers' stored rewards beside what became of the solutions.

use super::figure::{Content, Dot, Drawn, Figure, Line, Panel};
use super::table::{Table, TableCell, percent, points};
use super::{Item, Report, Section, number};
use crate::audit::{Measured, OutcomeAudit, signed, size};

const READING: [&str; 4] = [
    "**AUC** is the chance that a right solution scores above a wrong one. Over all samples much of it is difficulty: easy problems have high rewards and right \
     solutions. **Within problems** both are of one problem, which is all that selection can use; all such pairs count alike.",
    "**Preferences** compare two solutions of one problem with the same outcome. What is preferred there is preferred for no good reason.",
    "**ECE** is the mean distance between a score and the share of right solutions, in ten bins.",
    "**Intervals** are 95 % percentile bootstraps over problems.",
];

impl Report {
    /// Lays out outcome audits.
    pub fn of_outcomes(audits: &[OutcomeAudit]) -> Self {
        let mut sections = Vec::new();
        for (place, audit) in audits.iter().enumerate() {
            sections.push(Section {
                id: format!("verifier-{}", place + 1),
                title: format!("{} on {}", audit.verifier, audit.policy),
                items: items(audit, place),
            });
        }
        sections.push(Section {
            id: "reading".into(),
            title: "How to read this".into(),
            items: READING
                .iter()
                .map(|text| Item::Text((*text).to_owned()))
                .collect(),
        });
        number(&mut sections);
        let mut names: Vec<&str> = audits.iter().map(|own| own.verifier.as_str()).collect();
        names.dedup();
        Self {
            title: format!("Outcome audit of {}", names.join(", ")),
            lead: Vec::new(),
            sections,
        }
    }
}

fn items(audit: &OutcomeAudit, place: usize) -> Vec<Item> {
    let mut items = vec![Item::Text(format!(
        "{} samples of {} problems, {} of which have right and wrong ones.",
        audit.samples, audit.problems, audit.mixed
    ))];
    items.push(findings(audit, "Findings"));
    let scores = audit.scores.iter().map(|own| {
        vec![
            TableCell::text(own.score.clone()),
            TableCell::text(format!("{:.3}", own.right)),
            TableCell::text(format!("{:.3}", own.wrong)),
            measured(own.auc.as_ref()),
            measured(own.auc_within.as_ref()),
            measured(own.auc_by_problem.as_ref()),
            measured(own.ece.as_ref()),
            measured(own.brier.as_ref()),
        ]
    });
    items.push(table(
        "Scores of right and wrong solutions",
        &[
            "score",
            "right",
            "wrong",
            "AUC, all",
            "AUC within problems",
            "mean of problems",
            "ECE",
            "Brier",
        ],
        1,
        scores.collect(),
    ));
    let lengths = audit.lengths.iter().map(|(which, own)| {
        vec![
            TableCell::text(*which),
            TableCell::text(format!("{:.1}", own.per_step)),
            TableCell::text(format!("{:.1}", own.per_response)),
            TableCell::text(format!("{:.1}", own.steps)),
        ]
    });
    let unit = audit
        .lengths
        .first()
        .map_or("characters", |(_, own)| &own.unit);
    items.push(table(
        "Lengths of solutions (the paper's Table 1)",
        &[
            "solutions",
            &format!("{unit} per step"),
            &format!("{unit} per solution"),
            "steps",
        ],
        1,
        lengths.collect(),
    ));
    let preferences = audit.preferences.iter().map(|own| {
        let sure = own
            .preferred
            .is_some_and(|own| own.interval.low > 0.5 || own.interval.high < 0.5);
        vec![
            TableCell::text(format!("more {}", own.more)),
            TableCell::text(own.score.clone()),
            TableCell::text(if own.right { "right" } else { "wrong" }),
            measured(own.preferred.as_ref()).strong(sure),
            TableCell::text(signed(own.difference.as_ref())),
        ]
    });
    items.push(table(
        "What is preferred at equal problem and outcome",
        &[
            "of two solutions",
            "score",
            "both are",
            "chance to score higher",
            "by, on average",
        ],
        3,
        preferences.collect(),
    ));
    if !audit.courses.is_empty() {
        let rows = audit.courses.iter().map(|own| {
            let mut row = vec![TableCell::text(if own.right { "right" } else { "wrong" })];
            row.extend(
                own.fifths
                    .iter()
                    .map(|fifth| TableCell::text(format!("{fifth:.3}"))),
            );
            row.push(TableCell::text(signed(own.last_over_first.as_ref())));
            row
        });
        items.push(table(
            "Mean rewards along solutions, by fifths",
            &["solutions", "1", "2", "3", "4", "5", "last − first step"],
            1,
            rows.collect(),
        ));
    }
    items.push(Item::Figure(Box::new(reliability(audit, place))));
    for own in &audit.selection {
        let rows = own.rules.iter().map(|rule| {
            let over = rule.over_majority.as_ref();
            vec![
                TableCell::text(rule.rule.clone()),
                TableCell::text(percent(rule.accuracy.value, rule.accuracy.interval)),
                TableCell::text(over.map_or(String::new(), |own| points(own.value, own.interval)))
                    .strong(over.is_some_and(|own| own.interval.low > 0.0)),
            ]
        });
        items.push(table(
            &format!(
                "Scoring and voting: {} at N = {} (the paper's Table 2)",
                own.method.title(),
                own.budget
            ),
            &["rule", "% right", "points over majority"],
            1,
            rows.collect(),
        ));
    }
    items
}

/// What is wrong with a verifier and how much, the worst first.
pub(super) fn findings(audit: &OutcomeAudit, title: &str) -> Item {
    let rows = audit.findings.iter().map(|own| {
        vec![
            TableCell::text(own.harm.name()),
            TableCell::text(own.name),
            TableCell::text(own.verdict.clone()),
        ]
    });
    table(title, &["", "what", "how much"], 3, rows.collect())
}

fn measured(own: Option<&Measured>) -> TableCell {
    match own {
        Some(_) => TableCell::text(size(own)),
        None => TableCell::missing("not measured"),
    }
}

fn table(title: &str, header: &[&str], words: usize, rows: Vec<Vec<TableCell>>) -> Item {
    Item::Table(Table {
        title: title.to_owned(),
        header: header.iter().map(|own| (*own).to_owned()).collect(),
        words,
        rows,
        note: String::new(),
    })
}

/// The last reward against the share of right solutions.
fn reliability(audit: &OutcomeAudit, place: usize) -> Figure {
    let dot = |x: f64, y: f64| Dot {
        x,
        y,
        low: y,
        high: y,
        hint: String::new(),
        label: String::new(),
    };
    let bins = audit.reliability.iter().map(|bin| Dot {
        hint: format!(
            "{} solutions with a last reward of {:.3} on average: {:.1} % are right",
            bin.steps,
            bin.reward,
            100.0 * bin.right
        ),
        label: crate::short(bin.steps as f64),
        ..dot(bin.reward, bin.right)
    });
    let lines = vec![
        Line {
            colour: 6,
            dashed: true,
            drawn: Drawn::Path,
            dots: vec![dot(0.0, 0.0), dot(1.0, 1.0)],
        },
        Line {
            colour: 0,
            drawn: Drawn::Points,
            dots: bins.collect(),
            ..Line::default()
        },
    ];
    let marks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|at| (at, format!("{at:.1}")));
    Figure {
        id: format!("reliability-{}", place + 1),
        title: format!("Reliability of {}", audit.verifier),
        caption: "Share of right solutions against their last reward, in ten bins, each with its number of solutions. On the diagonal a reward is a probability.".into(),
        axis: "last reward".into(),
        vertical: "right solutions, %",
        square: true,
        columns: 1,
        panels: vec![Panel {
            title: String::new(),
            content: Content::Lines {
                linear: true,
                marks: marks.to_vec(),
                lines,
            },
        }],
        legend: Vec::new(),
    }
}
