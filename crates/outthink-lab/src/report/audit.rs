//! The report of audits: verifiers side by side, each by itself, and what their judgement is worth in a study.

use super::figure::{Content, Dot, Drawn, Figure, Line, Panel};
use super::table::{Table, TableCell, percent, points};
use super::view::coloured;
use super::{Item, Report, Section, number, titled};
use crate::audit::{
    Ability, Audited, Effect, Example, JudgedKind, Measured, Ruled, Sensitivity, signed, size,
};
use crate::study::compared;

const READING: [&str; 4] = [
    "**Intervals** are 95 % percentile bootstraps over problems; a share that is all or none has Wilson's. Thresholds and isotonic maps are \
     chosen on one half of the problems and measured on the other.",
    "**Harmful** means that the whole interval lies beyond what is tolerable, slight that it lies beyond a fifth of it.",
    "**A rule** makes one score of a solution's rewards (min, last, mean, product) and takes the answer of the best solution (max) or the one \
     whose solutions' scores add up highest (vote). Differences are paired: both sides are resampled with the same problems.",
    "**Published** numbers are the paper's, on its own problems and models, for orientation.",
];

/// The paper's curve of its Figure 6.
const CURVE: &str = "arXiv 2502.06703 fits Y = 7.66 log X + 44.31 to its verifiers' ProcessBench scores and accuracies on MATH (its Figure 6).";

impl Report {
    /// Lays out audits, with what a study says of their verifiers if there is one.
    pub fn of_audits(audits: &[Audited], abilities: &[Ability]) -> Self {
        let mut sections = vec![section(
            "side-by-side",
            "Side by side",
            vec![Item::Table(side_by_side(audits))],
        )];
        for (number, audited) in audits.iter().enumerate() {
            sections.push(section(
                &format!("verifier-{}", number + 1),
                &audited.verifier,
                verifier(audited),
            ));
        }
        let mut selection = Vec::new();
        for audited in audits.iter().filter(|own| !own.selection.is_empty()) {
            selection.extend(rules(audited).map(|table| {
                Item::Table(Table {
                    title: titled(table.title, "Table 2"),
                    ..table
                })
            }));
        }
        if !selection.is_empty() {
            sections.push(section("selection", "Scoring and voting", selection));
        }
        if let Some((table, figure)) = ability(abilities) {
            let items = vec![
                Item::Figure(Box::new(Figure {
                    title: titled(figure.title, "Figure 6"),
                    ..figure
                })),
                Item::Table(table),
                Item::Text(CURVE.to_owned()),
            ];
            sections.push(section("ability", "Judgement and search", items));
        }
        let reading = READING.iter().map(|text| Item::Text((*text).to_owned()));
        sections.push(section("reading", "How to read this", reading.collect()));
        number(&mut sections);
        let names: Vec<&str> = audits.iter().map(|own| own.verifier.as_str()).collect();
        Self {
            title: format!("Audit of {}", names.join(", ")),
            lead: audits
                .first()
                .map(|first| format!("{}.", first.basis()))
                .into_iter()
                .collect(),
            sections,
        }
    }
}

fn section(id: &str, title: &str, items: Vec<Item>) -> Section {
    Section {
        id: id.to_owned(),
        title: title.to_owned(),
        items,
    }
}

fn table(title: &str, header: &[&str], words: usize, rows: Vec<Vec<TableCell>>) -> Table {
    Table {
        title: title.to_owned(),
        header: header.iter().map(|name| (*name).to_owned()).collect(),
        words,
        rows,
        note: String::new(),
    }
}

fn side_by_side(audits: &[Audited]) -> Table {
    let mut header = vec![""];
    header.extend(audits.iter().map(|audited| audited.verifier.as_str()));
    let mut rows: Vec<Vec<TableCell>> = Vec::new();
    for audited in audits {
        for (index, (name, value)) in audited.measures().into_iter().enumerate() {
            match rows.get_mut(index) {
                Some(row) => row.push(TableCell::text(value)),
                None => rows.push(vec![TableCell::text(name), TableCell::text(value)]),
            }
        }
    }
    table("All measures", &header, 1, rows)
}

fn verifier(audited: &Audited) -> Vec<Item> {
    let report = &audited.report;
    let findings = report.findings.iter().map(|finding| {
        vec![
            TableCell::text(finding.name),
            TableCell::text(finding.harm.name()),
            TableCell::text(&finding.verdict),
        ]
    });
    let mut items = vec![Item::Table(table(
        "Ways to fail",
        &["failure", "", "finding"],
        3,
        findings.collect(),
    ))];
    if !report.kinds.is_empty() {
        items.push(Item::Table(kinds(&report.kinds)));
    }
    for (title, unit, effect) in [
        ("length", report.lengths.unit.as_str(), &report.length),
        ("place", "the step's number", &report.position),
    ] {
        items.extend(
            effect
                .as_ref()
                .map(|effect| Item::Table(bins(title, unit, effect))),
        );
    }
    items.extend(reliability(audited).map(|figure| Item::Figure(Box::new(figure))));
    if !audited.hazards.is_empty() {
        let rows = audited
            .hazards
            .iter()
            .map(|hazard| vec![TableCell::text(hazard.name), TableCell::text(hazard.told())]);
        items.push(Item::Table(table(
            "Irrelevant changes to a text, and how they change the reward of its step",
            &["text", "change"],
            2,
            rows.collect(),
        )));
    }
    for (title, examples) in [
        ("Right steps with the lowest rewards", &report.criticised),
        ("First errors with the highest rewards", &report.neglected),
    ] {
        if !examples.is_empty() {
            items.push(Item::Table(worst(title, examples)));
        }
    }
    items
}

fn kinds(kinds: &[JudgedKind]) -> Table {
    let share = |own: &Option<Measured>| match own {
        Some(own) => TableCell::text(percent(own.value, own.interval)),
        None => TableCell::missing("none of these"),
    };
    let rows = kinds.iter().map(|own| {
        vec![
            TableCell::text(own.kind.clone()),
            TableCell::text(own.solutions.to_string()),
            TableCell::text(own.errors.to_string()),
            share(&own.erroneous),
            share(&own.correct),
            share(&own.f1),
            share(&own.caught),
            share(&own.criticised),
        ]
    });
    table(
        "By kind of error or part of the set, %",
        &[
            "kind",
            "solutions",
            "erroneous",
            "first error named exactly",
            "right solutions passed",
            "F1",
            "first errors below the threshold",
            "right steps below it",
        ],
        1,
        rows.collect(),
    )
}

fn bins(title: &str, unit: &str, effect: &Effect) -> Table {
    let rows = effect.bins.iter().map(|bin| {
        let from = bin.above.map_or(1, |above| above + 1);
        let range = match bin.up_to {
            None => format!("{from} and more"),
            Some(to) if to == from => from.to_string(),
            Some(to) => format!("{from} to {to}"),
        };
        vec![
            TableCell::text(range),
            TableCell::text(bin.steps.to_string()),
            TableCell::text(signed(bin.difference.as_ref())),
        ]
    });
    table(
        &format!("Reward by {title} ({unit}), against all other steps that are alike"),
        &[title, "steps", "difference"],
        1,
        rows.collect(),
    )
}

/// A step is at its best 80 characters long in a table.
fn short(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.chars().count() > 80 {
        true => flat.chars().take(79).chain(['…']).collect(),
        false => flat,
    }
}

fn worst(title: &str, examples: &[Example]) -> Table {
    let rows = examples.iter().map(|example| {
        vec![
            TableCell::text(short(&example.problem)).hint(&example.problem),
            TableCell::text(example.step.to_string()).link(example.link.clone()),
            TableCell::text(short(&example.text)).hint(&example.text),
            TableCell::text(format!("{:.3}", example.reward)),
        ]
    });
    let mut table = table(
        title,
        &["problem", "step", "text", "reward"],
        3,
        rows.collect(),
    );
    if examples.iter().any(|example| example.link.is_some()) {
        table.note =
            "A step's number leads to its place among all solutions of the problem.".into();
    }
    table
}

/// The reliability diagram: the share of right steps against the mean reward, bin by bin.
fn reliability(audited: &Audited) -> Option<Figure> {
    let calibration = audited.report.calibration.as_ref()?;
    let dot = |x: f64, y: f64, hint: String| Dot {
        x,
        y,
        low: y,
        high: y,
        hint,
        label: String::new(),
    };
    let bins = calibration.reliability.iter().map(|bin| {
        let hint = format!(
            "mean reward {:.3}: {:.1} % of {} steps are right",
            bin.reward,
            100.0 * bin.right,
            bin.steps
        );
        Dot {
            label: crate::short(bin.steps as f64),
            ..dot(bin.reward, bin.right, hint)
        }
    });
    let knots = calibration.isotonic.knots.iter();
    let lines = vec![
        Line {
            colour: 6,
            dashed: true,
            drawn: Drawn::Path,
            dots: vec![dot(0.0, 0.0, String::new()), dot(1.0, 1.0, String::new())],
        },
        Line {
            colour: 2,
            drawn: Drawn::Path,
            dots: knots.map(|&(x, y)| dot(x, y, String::new())).collect(),
            ..Line::default()
        },
        Line {
            colour: 0,
            drawn: Drawn::Points,
            dots: bins.collect(),
            ..Line::default()
        },
    ];
    let marks = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0].map(|at| (at, format!("{at:.1}")));
    let id: String = audited
        .verifier
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    Some(Figure {
        id: format!("reliability-{id}"),
        title: "Reliability".into(),
        caption: format!(
            "Share of right steps against their mean reward, in ten bins of the half that reports, each with its number of steps; the map is fitted on the other half. \
             Expected calibration error {}, after the map {}.",
            size(Some(&calibration.ece)),
            size(calibration.ece_isotonic.as_ref())
        ),
        axis: "reward".into(),
        vertical: "% of steps that are right",
        square: true,
        columns: 2,
        panels: vec![Panel {
            title: audited.verifier.clone(),
            content: Content::Lines {
                linear: true,
                marks: marks.into(),
                lines,
            },
        }],
        legend: vec![
            (0, false, "steps".into()),
            (2, false, "isotonic map".into()),
            (6, true, "perfect calibration".into()),
        ],
    })
}

/// Table 2 for one verifier: every rule, and what it has over the majority and over the verifier without its calibration.
fn rules(audited: &Audited) -> impl Iterator<Item = Table> {
    let columns = &audited.selection;
    let mut header = vec!["rule".to_owned()];
    header.extend(
        columns
            .iter()
            .map(|own| format!("{}, {}", own.policy, own.method.title())),
    );
    let budget = columns.first().map_or(0, |own| own.budget);
    let names = columns.first().map_or(&[][..], |own| &own.rules);
    let lay = |title: String, note: String, cell: &dyn Fn(&Ruled) -> Option<TableCell>| {
        let row = |(place, rule): (usize, &Ruled)| {
            let mut row = vec![TableCell::text(&rule.rule)];
            let cells = columns
                .iter()
                .map(|own| own.rules.get(place).and_then(cell));
            let cells: Vec<Option<TableCell>> = cells.collect();
            cells.iter().any(Option::is_some).then(|| {
                row.extend(cells.into_iter().map(Option::unwrap_or_default));
                row
            })
        };
        let rows: Vec<_> = names.iter().enumerate().filter_map(row).collect();
        (!rows.is_empty()).then(|| Table {
            title,
            header: header.clone(),
            words: 1,
            rows,
            note,
        })
    };
    let difference = |measured: &Option<Measured>| {
        let Measured { value, interval } = (*measured)?;
        let sure = interval.low > 0.0 || interval.high < 0.0;
        Some(TableCell::text(points(value, interval)).strong(sure))
    };
    let name = &audited.verifier;
    let accuracy = lay(
        format!("{name}: % right by rule, N = {budget}"),
        columns
            .iter()
            .filter_map(spread)
            .collect::<Vec<_>>()
            .join(" "),
        &|rule| {
            Some(TableCell::text(percent(
                rule.accuracy.value,
                rule.accuracy.interval,
            )))
        },
    );
    let over_majority = lay(
        format!("{name}: a rule minus the majority of the same solutions, points"),
        "Paired, 95 %. Bold: the interval leaves out zero.".into(),
        &|rule| difference(&rule.over_majority),
    );
    let over_bare = lay(
        format!("{name}: calibrated minus as it is, points"),
        "The same rule and budget with the verifier's own rewards; searches are run anew. Paired, 95 %. Bold: the interval leaves out zero.".into(),
        &|rule| difference(&rule.over_bare),
    );
    [accuracy, over_majority, over_bare].into_iter().flatten()
}

fn spread(own: &Sensitivity) -> Option<String> {
    let spread = own.spread.as_ref()?;
    let Measured { value, interval } = spread.difference;
    Some(format!(
        "{}, {}: {} beats {} by {} points (paired, chosen on these problems).",
        own.policy,
        own.method.title(),
        spread.best,
        spread.worst,
        points(value, interval)
    ))
}

/// Figure 6 and its fits.
fn ability(abilities: &[Ability]) -> Option<(Table, Figure)> {
    let first = abilities.first()?;
    let mut policies: Vec<&str> = abilities.iter().map(|own| own.policy.as_str()).collect();
    policies.dedup();
    let xs = || {
        abilities
            .iter()
            .flat_map(|own| &own.points)
            .map(|point| 100.0 * point.f1.value)
    };
    let (low, high) = (
        xs().filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min),
        xs().fold(0.0, f64::max),
    );
    let mut rows = Vec::new();
    let mut panels = Vec::new();
    let methods = coloured(compared(abilities.iter().map(|own| own.method)));
    for policy in policies {
        let mut lines = Vec::new();
        for own in abilities.iter().filter(|own| own.policy == policy) {
            let colour = methods.iter().find(|(method, _)| *method == own.method);
            let colour = colour.map_or(0, |(_, colour)| *colour);
            let seen = own.points.iter().filter(|point| point.f1.value > 0.0);
            let dots = seen.map(|point| Dot {
                label: String::new(),
                x: 100.0 * point.f1.value,
                y: point.accuracy.value,
                low: point.accuracy.interval.low,
                high: point.accuracy.interval.high,
                hint: format!(
                    "{}, {}\nF1 {:.1} % ({:.1} to {:.1}), right {} %",
                    point.verifier,
                    own.method.title(),
                    100.0 * point.f1.value,
                    100.0 * point.f1.interval.low,
                    100.0 * point.f1.interval.high,
                    percent(point.accuracy.value, point.accuracy.interval)
                ),
            });
            lines.push(Line {
                colour,
                drawn: Drawn::Points,
                dots: dots.collect(),
                ..Line::default()
            });
            if let Some(fit) = &own.fit {
                let end = |x: f64| Dot {
                    x,
                    y: fit.at(x) / 100.0,
                    low: fit.at(x) / 100.0,
                    high: fit.at(x) / 100.0,
                    hint: String::new(),
                    label: String::new(),
                };
                lines.push(Line {
                    colour,
                    dashed: true,
                    drawn: Drawn::Path,
                    dots: vec![end(low), end(high)],
                });
            }
            rows.push(vec![
                TableCell::text(policy),
                TableCell::text(own.method.title()),
                TableCell::text(own.points.len().to_string()),
                match &own.fit {
                    Some(fit) => TableCell::text(
                        format!("{:.2} ln X {:+.2}", fit.slope, fit.offset).replace('-', "−"),
                    ),
                    None => TableCell::missing("none"),
                },
                match own.fit.and_then(|fit| fit.interval) {
                    Some(interval) => TableCell::text(
                        format!("{:+.2} to {:+.2}", interval.low, interval.high).replace('-', "−"),
                    ),
                    None => TableCell::missing("too few verifiers"),
                },
            ]);
        }
        let mut marks: Vec<(f64, String)> = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
            .into_iter()
            .filter(|mark| (low * 0.8..=high * 1.2).contains(mark))
            .map(|mark| (mark, format!("{mark:.0} %")))
            .collect();
        marks.dedup_by(|a, b| a.0 == b.0);
        panels.push(Panel {
            title: policy.to_owned(),
            content: Content::Lines {
                linear: false,
                marks,
                lines,
            },
        });
    }
    let mut fits = table(
        "The curves Y = a ln X + b, in per cent",
        &["policy", "method", "verifiers", "Y", "95 % interval of a"],
        2,
        rows,
    );
    fits.note = "Least squares; the interval is Student's t over verifiers, and fewer than five have none worth naming. The verifiers are those \
                 at hand, no sample of all verifiers."
        .into();
    let figure = Figure {
        id: "figure-6".into(),
        title: "Accuracy with test-time scaling against judgement of steps".into(),
        caption: format!(
            "A point is a verifier: its F1 on steps, and the share of right answers at N = {} with the last reward's vote. Bars are 95 % intervals.",
            first.budget
        ),
        axis: "F1 of the verifier's judgement of steps, logarithmic".into(),
        vertical: "% right",
        square: false,
        columns: 2,
        panels,
        legend: methods
            .iter()
            .filter(|(method, _)| abilities.iter().any(|own| own.method == *method))
            .map(|(method, colour)| (*colour, false, method.title().to_owned()))
            .collect(),
    };
    Some((fits, figure))
}
