//! What the demo shows: a table, the headline, one solved problem's tree, a chart, and all of it as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use outthink_core::{Answers, ExactAnswers, Method, NodeId, Selection, Stop, Tree};
use outthink_lab::{Chart, Interval, Point, Question, Series, paired_difference, short};
use serde::Serialize;

use super::{BUDGET, Entry, LARGE, METHOD, Reuse, Row, SMALL, VERIFIER};
use crate::models::STEP_CHECKER;
use crate::table::render;

pub(super) struct Report<'a> {
    rows: &'a [Row],
    questions: &'a [Question],
}

#[derive(Serialize)]
pub(super) struct Json {
    rows: Vec<JsonRow>,
    headline: Headline,
    reuse: JsonReuse,
}

#[derive(Serialize)]
struct JsonRow {
    policy: &'static str,
    parameters: u64,
    method: Method,
    n: usize,
    width: Option<usize>,
    verifier: Option<&'static str>,
    selection: String,
    correct: usize,
    problems: usize,
    accuracy: f64,
    ci: [f64; 2],
    flops_paper: f64,
    flops_full: f64,
    policy_tokens: u64,
    verifier_tokens: u64,
    seconds: f64,
    reuse: JsonReuse,
    /// Right answers under every selection rule, from the same trees.
    correct_by_selection: BTreeMap<String, usize>,
}

#[derive(Serialize)]
struct Headline {
    small: String,
    large: String,
    size_ratio: f64,
    difference: f64,
    ci: [f64; 2],
    majority_difference: f64,
    majority_ci: [f64; 2],
}

#[derive(Serialize)]
struct JsonReuse {
    policy: f64,
    verifier: f64,
}

impl From<Reuse> for JsonReuse {
    fn from(Reuse { policy, verifier }: Reuse) -> Self {
        Self { policy, verifier }
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(rows: &'a [Row], questions: &'a [Question]) -> Self {
        Self { rows, questions }
    }

    fn row(&self, entry: Entry) -> &Row {
        self.rows
            .iter()
            .find(|row| row.entry == entry)
            .expect("both lists of entries hold what the report speaks of")
    }

    fn searched(&self) -> &Row {
        self.row(Entry::search(SMALL, METHOD, BUDGET, VERIFIER))
    }

    fn headline(&self) -> Headline {
        let large = self.row(Entry::cot(LARGE));
        let majority = self.row(Entry::search(SMALL, Method::Majority, BUDGET, VERIFIER));
        let searched = self.searched();
        let against = |row: &Row| {
            let pairs = paired_difference(&row.trial.correct(), &large.trial.correct());
            pairs.unwrap_or((
                0.0,
                Interval {
                    low: -1.0,
                    high: 1.0,
                },
            ))
        };
        let ((difference, ci), (majority_difference, majority_ci)) =
            (against(searched), against(majority));
        Headline {
            small: format!("{SMALL} + {VERIFIER}, {METHOD}, N = {BUDGET}"),
            large: format!("{LARGE}, cot"),
            size_ratio: large.parameters as f64 / searched.parameters as f64,
            difference,
            ci: [ci.low, ci.high],
            majority_difference,
            majority_ci: [majority_ci.low, majority_ci.high],
        }
    }

    pub(super) fn json(&self) -> Json {
        let searched = self.searched();
        Json {
            rows: self.rows.iter().map(|row| self.json_row(row)).collect(),
            headline: self.headline(),
            reuse: searched.reuse.into(),
        }
    }

    fn json_row(&self, row: &Row) -> JsonRow {
        let accuracy = row.trial.accuracy();
        let interval = accuracy.interval();
        let right = |selection: Selection| {
            let correct = row.trial.reselect(self.questions, selection, &ExactAnswers);
            correct.into_iter().filter(|&correct| correct).count()
        };
        let selections = Selection::all().filter(|&selection| {
            selection == Selection::Majority || row.entry.method.needs_verifier()
        });
        JsonRow {
            policy: row.entry.policy,
            parameters: row.parameters,
            method: row.entry.method,
            n: row.entry.budget,
            width: row.entry.width(),
            verifier: row.entry.verifier,
            selection: row.entry.selection().to_string(),
            correct: accuracy.successes,
            problems: accuracy.trials,
            accuracy: accuracy.mean(),
            ci: [interval.low, interval.high],
            flops_paper: row.flops_paper,
            flops_full: row.flops_full,
            policy_tokens: row.policy.generated,
            verifier_tokens: row.verifier.computed,
            seconds: row.trial.elapsed.as_secs_f64(),
            reuse: row.reuse.into(),
            correct_by_selection: selections.map(|s| (s.to_string(), right(s))).collect(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write_text(&mut out).unwrap_or_default();
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let header = [
            "policy",
            "method",
            "verifier",
            "parameters",
            "N",
            "M",
            "accuracy",
            "95 % interval",
            "paper FLOP",
            "full FLOP",
            "tokens",
            "verifier tokens",
            "seconds",
        ];
        let cells: Vec<Vec<String>> = self.rows.iter().map(cells).collect();
        writeln!(
            out,
            "\n{} fresh problems; FLOP and tokens are for all of them\n",
            self.questions.len()
        )?;
        out.push_str(&render(&header, 3, &cells));
        let searched = self.searched();
        let Headline {
            size_ratio,
            difference,
            ci,
            majority_difference,
            majority_ci,
            ..
        } = self.headline();
        let points = |share: f64| format!("{:+.1}", share * 100.0);
        let accuracy = |row: &Row| format!("{:.1} %", row.trial.accuracy().mean() * 100.0);
        writeln!(
            out,
            "\n{SMALL} with {VERIFIER} and {METHOD} (N = {BUDGET}) gets {}; {LARGE}, {size_ratio:.1} times as large, gets {} alone:\n{} points (95 % interval {} to {}, paired). By majority vote over {BUDGET} it gets {} points ({} to {}).",
            accuracy(searched),
            accuracy(self.row(Entry::cot(LARGE))),
            points(difference),
            points(ci[0]),
            points(ci[1]),
            points(majority_difference),
            points(majority_ci[0]),
            points(majority_ci[1]),
        )?;
        writeln!(
            out,
            "Beside it: the verifier alone, as a policy, gets {}; with exact step labels ({STEP_CHECKER}) the same search would reach {}.",
            accuracy(self.row(Entry::cot(VERIFIER))),
            accuracy(self.row(Entry::search(SMALL, METHOD, BUDGET, STEP_CHECKER))),
        )?;
        writeln!(
            out,
            "Tokens computed over distinct tokens of the trees: policy {:.3}, verifier {:.3}.",
            searched.reuse.policy, searched.reuse.verifier
        )?;
        self.write_example(out)
    }

    /// A problem that the search solves and the policy alone does not, and how.
    fn write_example(&self, out: &mut String) -> std::fmt::Result {
        let alone = self.row(Entry::cot(SMALL)).trial.correct();
        // The smaller tree is the one to read.
        let example = self
            .row(Entry::search(SMALL, METHOD, 16, VERIFIER))
            .trial
            .outcomes
            .iter()
            .zip(alone)
            .zip(self.questions)
            .find(|((outcome, alone), _)| outcome.correct && !alone);
        let Some(((outcome, _), question)) = example else {
            return Ok(());
        };
        writeln!(
            out,
            "\nOne that {SMALL} gets wrong alone and right with {METHOD} (N = 16); draws, reward, step:\n"
        )?;
        writeln!(out, "{}", outcome.tree.problem.text)?;
        write_tree(out, &outcome.tree, Tree::ROOT, "")?;
        writeln!(out, "gold: {}", question.gold)
    }

    pub(super) fn chart(&self) -> String {
        let problems = self.questions.len() as f64;
        let point = |row: &Row, label: String| Point {
            flops: row.flops_full.max(1.0) / problems,
            accuracy: row.trial.accuracy(),
            label,
        };
        let cot = self
            .rows
            .iter()
            .filter(|row| row.entry.method == Method::Cot);
        let mut series = vec![Series {
            name: "one greedy solution".into(),
            points: cot.map(|row| point(row, row.entry.policy.into())).collect(),
            line: false,
        }];
        for method in [
            Method::Majority,
            Method::BestOfN,
            Method::Beam,
            Method::Dvts,
        ] {
            let own = self.rows.iter().filter(|row| {
                row.entry.policy == SMALL
                    && row.entry.method == method
                    && row
                        .entry
                        .verifier
                        .is_none_or(|verifier| verifier == VERIFIER)
            });
            series.push(Series {
                name: format!("{SMALL}, {method}"),
                points: own
                    .map(|row| point(row, format!("{}", row.entry.budget)))
                    .collect(),
                line: true,
            });
        }
        let oracle = self.row(Entry::search(SMALL, METHOD, BUDGET, STEP_CHECKER));
        series.push(Series {
            name: format!("{METHOD}, exact checker (free)"),
            points: vec![point(oracle, format!("{BUDGET}"))],
            line: false,
        });
        Chart {
            title: format!(
                "A small model with search, {} problems",
                self.questions.len()
            ),
            axis: "floating-point operations a problem, verifier included".into(),
            series,
        }
        .svg()
    }
}

fn cells(row: &Row) -> Vec<String> {
    let accuracy = row.trial.accuracy();
    let interval = accuracy.interval();
    vec![
        row.entry.policy.into(),
        row.entry.method.to_string(),
        row.entry.verifier.unwrap_or("").into(),
        short(row.parameters as f64),
        row.entry.budget.to_string(),
        row.entry
            .width()
            .map_or_else(String::new, |width| width.to_string()),
        format!("{:.1} %", accuracy.mean() * 100.0),
        format!(
            "{:.1} to {:.1}",
            interval.low * 100.0,
            interval.high * 100.0
        ),
        short(row.flops_paper),
        short(row.flops_full),
        short(row.policy.generated as f64),
        short(row.verifier.computed as f64),
        format!("{:.1}", row.trial.elapsed.as_secs_f64()),
    ]
}

fn write_tree(out: &mut String, tree: &Tree, node: NodeId, indent: &str) -> std::fmt::Result {
    let children = tree.children(node);
    for (index, &child) in children.iter().enumerate() {
        let last = index + 1 == children.len();
        let own = &tree.nodes()[child];
        let text = own.step.as_ref().map_or("", |step| step.text.as_str());
        let reward = own
            .reward
            .map_or_else(|| "  –  ".into(), |reward| format!("{reward:.3}"));
        let end = match own.finished {
            Some((Stop::Answer, _)) if tree.kept.contains(&child) => {
                let answer = ExactAnswers.extract(text).unwrap_or_default();
                format!("  ◀ kept: {answer}")
            }
            _ => String::new(),
        };
        writeln!(
            out,
            "{indent}{} {:>2}× {reward}  {text}{end}",
            if last { "└" } else { "├" },
            own.draws
        )?;
        let below = format!("{indent}{}  ", if last { " " } else { "│" });
        write_tree(out, tree, child, &below)?;
    }
    Ok(())
}
