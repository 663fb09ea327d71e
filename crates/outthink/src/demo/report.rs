//! What the demo shows: a table and a headline for each ground, one solved problem's tree, a chart, and all of it as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use futures::executor::block_on;
use outthink_answer::AnyDomain;
use outthink_core::method::{BEAM, BEST_OF_N, COT, DVTS, MAJORITY};
use outthink_core::{AnyMethod, ExactAnswers, NodeId, Selection, Stop, Tree};
use outthink_lab::{Chart, Interval, Point, Proportion, Series, paired_difference};
use serde::Serialize;

use super::ground::{BUDGET, Entry, GRIDS, Ground};
use super::mixture::{Mixture, Single};
use super::{Measured, Reuse, Row};
use crate::models::STEP_CHECKER;
use crate::table::render;

pub(super) struct Report<'a> {
    grounds: &'a [Measured<'a>],
    mixture: &'a Mixture,
    seed: u64,
}

#[derive(Serialize)]
pub(super) struct Json {
    seed: u64,
    grounds: Vec<JsonGround>,
    mixture: JsonMixture,
}

/// As many problems of each ground, and one strategy.
#[derive(Serialize)]
struct JsonMixture {
    problems: usize,
    /// Samples that the strategy took, a problem.
    samples: f64,
    accuracy: f64,
    ci: [f64; 2],
    flops_full: f64,
    /// Methods that it took, by ground.
    choices: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
    singles: Vec<JsonSingle>,
}

/// One method for all problems, and the strategy minus it.
#[derive(Serialize)]
struct JsonSingle {
    name: String,
    n: usize,
    accuracy: f64,
    ci: [f64; 2],
    flops_full: f64,
    strategy_minus: Difference,
}

#[derive(Serialize)]
struct JsonGround {
    name: &'static str,
    problems: usize,
    rows: Vec<JsonRow>,
    headline: Headline,
    reuse: JsonReuse,
}

#[derive(Serialize)]
struct JsonRow {
    policy: &'static str,
    parameters: u64,
    method: AnyMethod,
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

/// The small policy's search against what else could answer; differences are paired, problem by problem.
#[derive(Serialize)]
struct Headline {
    small: String,
    large: String,
    size_ratio: f64,
    /// The search at the largest budget minus one greedy answer of the large policy.
    against_large: Difference,
    /// Minus a majority vote over as many samples.
    against_majority: Difference,
    /// Minus what the verifier that is a language model answers itself.
    against_speaker: Difference,
    /// The search at the largest budget that computes no more than the large policy's one answer, if there is one.
    at_equal_flops: Option<AtEqualFlops>,
}

#[derive(Serialize)]
struct AtEqualFlops {
    n: usize,
    /// Its operations over those of the large policy's answer.
    flops_ratio: f64,
    against_large: Difference,
}

#[derive(Clone, Copy, Serialize)]
struct Difference {
    points: f64,
    ci: [f64; 2],
}

impl Difference {
    fn of(row: &Row, other: &Row) -> Self {
        Self::paired(&row.trial.correct(), &other.trial.correct())
    }

    fn paired(ours: &[bool], theirs: &[bool]) -> Self {
        let pairs = paired_difference(ours, theirs);
        let nothing = Interval {
            low: -1.0,
            high: 1.0,
        };
        let (difference, ci) = pairs.unwrap_or((0.0, nothing));
        Self {
            points: 100.0 * difference,
            ci: [100.0 * ci.low, 100.0 * ci.high],
        }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { points, ci } = self;
        write!(f, "{points:+.1} points ({:+.1} to {:+.1})", ci[0], ci[1])
    }
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
    pub(super) fn new(grounds: &'a [Measured<'a>], mixture: &'a Mixture, seed: u64) -> Self {
        Self {
            grounds,
            mixture,
            seed,
        }
    }

    pub(super) fn json(&self) -> Json {
        let ground = |own: &Measured<'_>| JsonGround {
            name: own.ground.name,
            problems: own.questions.len(),
            rows: own.rows.iter().map(|row| own.json_row(row)).collect(),
            headline: own.headline(),
            reuse: own.row(own.ground.headline()).reuse.into(),
        };
        Json {
            seed: self.seed,
            grounds: self.grounds.iter().map(ground).collect(),
            mixture: self.json_mixture(),
        }
    }

    /// What the strategy is compared with.
    fn singles(&self) -> Vec<Single> {
        let methods = [BEST_OF_N, BEAM, DVTS, MAJORITY];
        let mut singles = vec![self.mixture.large(self.grounds)];
        singles.extend(methods.map(|method| self.mixture.method(self.grounds, method)));
        singles
    }

    fn json_mixture(&self) -> JsonMixture {
        let Mixture {
            correct,
            samples,
            flops_full,
            choices,
            ..
        } = self.mixture;
        let measured = |correct: &[bool]| {
            let share = Proportion::of(correct.iter().copied());
            let interval = share.interval();
            (share.mean(), [interval.low, interval.high])
        };
        let (accuracy, ci) = measured(correct);
        let single = |single: Single| {
            let (accuracy, ci) = measured(&single.correct);
            JsonSingle {
                accuracy,
                ci,
                flops_full: single.flops_full,
                strategy_minus: Difference::paired(correct, &single.correct),
                name: single.name,
                n: single.budget,
            }
        };
        JsonMixture {
            problems: correct.len(),
            samples: *samples,
            accuracy,
            ci,
            flops_full: *flops_full,
            choices: choices.clone(),
            singles: self.singles().into_iter().map(single).collect(),
        }
    }

    /// The strategy's table and what it says.
    fn write_mixture(&self, out: &mut String) -> std::fmt::Result {
        let told = self.json_mixture();
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let ends = |ends: [f64; 2]| format!("{:.1} to {:.1}", 100.0 * ends[0], 100.0 * ends[1]);
        let gflop = |flops: f64| format!("{:.3}", flops / 1e9);
        let difference = |own: &Difference| {
            let Difference { points, ci } = own;
            format!("{points:+.1} ({:+.1} to {:+.1})", ci[0], ci[1])
        };
        let mut rows: Vec<Vec<String>> = told
            .singles
            .iter()
            .map(|own| {
                vec![
                    own.name.clone(),
                    own.n.to_string(),
                    percent(own.accuracy),
                    ends(own.ci),
                    gflop(own.flops_full),
                    difference(&own.strategy_minus),
                ]
            })
            .collect();
        rows.push(vec![
            "the strategy".into(),
            format!("{:.1}", told.samples),
            percent(told.accuracy),
            ends(told.ci),
            gflop(told.flops_full),
            String::new(),
        ]);
        let each = self.mixture.each;
        writeln!(
            out,
            "\nBOTH, {each} problems of each\n{}\n",
            wrapped(
                "One strategy for the small policies of both domains, which is not told which problem is of which: it looks at the first samples and chooses (docs/strategy.md). The single methods have the best width and selection of each domain, which the strategy has to find."
            )
        )?;
        let header = [
            "method",
            "N",
            "correct",
            "95 % CI",
            "GFLOP",
            "strategy minus it",
        ];
        out.push_str(&render(&header, 1, &rows));
        let share = |count: usize| 100.0 * count as f64 / each.max(1) as f64;
        let mut choices = Vec::new();
        for (ground, taken) in &told.choices {
            let mut taken: Vec<(&str, usize)> = taken.iter().map(|own| (*own.0, *own.1)).collect();
            taken.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            // What it took in less than one problem of a hundred is no choice worth a word.
            let taken = taken.into_iter().filter(|(_, count)| share(*count) >= 1.0);
            let taken = taken.map(|(method, count)| format!("{method} for {:.0} %", share(count)));
            let taken: Vec<String> = taken.collect();
            choices.push(format!("on {ground} {}", taken.join(", ")));
        }
        let choices = format!("The strategy chose {}.", choices.join("; "));
        writeln!(out, "\n{}", wrapped(&choices))
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for own in self.grounds {
            own.write_text(&mut out).unwrap_or_default();
        }
        self.write_mixture(&mut out).unwrap_or_default();
        let seed = self.seed;
        let read = format!(
            "Intervals are 95 %, differences paired by problem. GFLOP is for one problem, verifier included. These are the problems from seed {seed} on; other seeds differ by some points (--seed)."
        );
        let _ = writeln!(out, "\n{}", wrapped(&read));
        for own in self.grounds {
            own.write_example(&mut out).unwrap_or_default();
        }
        out
    }

    /// Both grounds, one under the other.
    pub(super) fn chart(&self) -> String {
        let charts: Vec<Chart> = self.grounds.iter().map(Measured::chart).collect();
        let (wide, all) = (Chart::WIDTH, charts.iter().map(Chart::height).sum::<f64>());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {all}\" width=\"{wide}\" height=\"{all}\">\n"
        );
        let mut y = 0.0;
        for chart in charts {
            let _ = writeln!(svg, "<g transform=\"translate(0 {y})\">{}</g>", chart.svg());
            y += chart.height();
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Measured<'_> {
    pub(super) fn row(&self, entry: Entry) -> &Row {
        self.rows
            .iter()
            .find(|row| row.entry == entry)
            .expect("both lists of entries hold what the report speaks of")
    }

    fn headline(&self) -> Headline {
        let Ground {
            small,
            large,
            verifier,
            method,
            speaker,
            budgets,
            ..
        } = *self.ground;
        let searched = self.row(self.ground.headline());
        let alone = self.row(Entry::cot(large));
        let affordable = budgets.iter().rev().find_map(|&n| {
            let row = self.row(self.ground.searched(n));
            let flops_ratio = row.flops_full / alone.flops_full;
            (flops_ratio <= 1.0).then(|| AtEqualFlops {
                n,
                flops_ratio,
                against_large: Difference::of(row, alone),
            })
        });
        let majority = self.ground.search(small, MAJORITY, BUDGET, verifier);
        Headline {
            small: format!("{small} + {verifier}, {method}, N = {BUDGET}"),
            large: format!("{large}, cot"),
            size_ratio: alone.parameters as f64 / searched.parameters as f64,
            against_large: Difference::of(searched, alone),
            against_majority: Difference::of(searched, self.row(majority)),
            against_speaker: Difference::of(searched, self.row(Entry::cot(speaker))),
            at_equal_flops: affordable,
        }
    }

    fn json_row(&self, row: &Row) -> JsonRow {
        let accuracy = row.trial.accuracy();
        let interval = accuracy.interval();
        let right = |selection: Selection| {
            let domain = AnyDomain::MATHS.get();
            let correct = row.trial.reselect(self.questions, selection, domain);
            // Mathematics never fails.
            block_on(correct)
                .unwrap_or_default()
                .into_iter()
                .filter(|&correct| correct)
                .count()
        };
        let selections = Selection::rewarded().filter(|&selection| {
            selection == Selection::Majority || row.entry.method.needs_verifier()
        });
        JsonRow {
            policy: row.entry.policy,
            parameters: row.parameters,
            method: row.entry.method,
            n: row.entry.budget,
            width: row.entry.width,
            verifier: row.entry.verifier,
            selection: self.ground.selection(&row.entry).to_string(),
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

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let own = self.ground;
        let header = [
            "policy", "method", "verifier", "N", "correct", "95 % CI", "GFLOP",
        ];
        let problems = self.questions.len();
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| cells(row, problems)).collect();
        let family = own.small.split('-').next().unwrap_or_default();
        let about = format!("{} The models' names begin with `{family}-`.", own.about);
        writeln!(
            out,
            "\n{}, {problems} fresh problems\n{}\n",
            own.name.to_uppercase(),
            wrapped(&about)
        )?;
        out.push_str(&render(&header, 3, &cells));
        let told = self.headline();
        let accuracy =
            |entry: Entry| format!("{:.1} %", 100.0 * self.row(entry).trial.accuracy().mean());
        let mut told_of = format!(
            "{small} with {verifier} and {method} (N = {BUDGET}) gets {}; {large}, {:.1} times as large, gets {} alone: {}. Against a majority vote of {BUDGET}: {}. {speaker}, as a policy by itself, gets {}: {}. With exact step labels ({STEP_CHECKER}) the same search would get {}.",
            accuracy(own.headline()),
            told.size_ratio,
            accuracy(Entry::cot(own.large)),
            told.against_large,
            told.against_majority,
            accuracy(Entry::cot(own.speaker)),
            told.against_speaker,
            accuracy(own.search(own.small, own.method, BUDGET, STEP_CHECKER)),
            small = own.small,
            verifier = own.verifier,
            method = own.method,
            large = own.large,
            speaker = own.speaker,
        );
        if let Some(AtEqualFlops {
            n,
            flops_ratio,
            against_large,
        }) = told.at_equal_flops
        {
            let _ = write!(
                told_of,
                " At N = {n} it computes {flops_ratio:.2} times what one answer of {} does, verifier included: {against_large}.",
                own.large
            );
        }
        writeln!(out, "\n{}", wrapped(&told_of))?;
        let Reuse { policy, verifier } = self.row(own.headline()).reuse;
        writeln!(
            out,
            "Tokens computed per distinct token: policy {policy:.3}, verifier {verifier:.3}."
        )
    }

    /// A problem that the search solves and the policy alone does not, and how.
    fn write_example(&self, out: &mut String) -> std::fmt::Result {
        // A grid's samples are no tree worth reading.
        if *self.ground == GRIDS {
            return Ok(());
        }
        let alone = self.row(Entry::cot(self.ground.small)).trial.correct();
        // The smaller tree is the one to read.
        let example = self
            .row(self.ground.searched(16))
            .trial
            .outcomes
            .iter()
            .zip(alone)
            .zip(self.questions)
            .find(|((outcome, alone), _)| outcome.correct && !alone);
        let Some(((outcome, _), question)) = example else {
            return Ok(());
        };
        let told = format!(
            "One that {} gets wrong alone and right with {} (N = 16). Each line is a step: how many samples took it, its reward, its text.",
            self.ground.small, self.ground.method
        );
        writeln!(out, "\n{}\n", wrapped(&told))?;
        writeln!(out, "{}", outcome.tree.problem.text)?;
        write_tree(out, &outcome.tree, Tree::ROOT, "")?;
        writeln!(out, "right answer: {}", question.gold)
    }

    fn chart(&self) -> Chart {
        let own = self.ground;
        let problems = self.questions.len() as f64;
        let point = |row: &Row, label: String| Point {
            flops: row.flops_full.max(1.0) / problems,
            accuracy: row.trial.accuracy(),
            label,
        };
        let cot = self.rows.iter().filter(|row| row.entry.method == COT);
        let mut series = vec![Series {
            name: "one greedy solution".into(),
            points: cot.map(|row| point(row, row.entry.policy.into())).collect(),
            line: false,
        }];
        for method in [MAJORITY, BEST_OF_N, BEAM, DVTS] {
            let drawn = self.rows.iter().filter(|row| {
                row.entry.policy == own.small
                    && row.entry.method == method
                    && row.entry.verifier.is_none_or(|used| used == own.verifier)
            });
            series.push(Series {
                name: format!("{}, {method}", own.small),
                points: drawn
                    .map(|row| point(row, format!("N = {}", row.entry.budget)))
                    .collect(),
                line: true,
            });
        }
        let oracle = self.row(own.search(own.small, own.method, BUDGET, STEP_CHECKER));
        series.push(Series {
            name: format!("{}, exact checker (free)", own.method),
            points: vec![point(oracle, format!("N = {BUDGET}"))],
            line: false,
        });
        Chart {
            title: format!(
                "A small model with search: {}, {} problems",
                own.name,
                self.questions.len()
            ),
            axis: "floating-point operations per problem, verifier included".into(),
            series,
        }
    }
}

/// Lines of at most 79 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > 79 {
            lines.push(String::new());
        }
        if let Some(last) = lines.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.join("\n")
}

/// A model's name in its family, which the table names once: a row has to fit into 80 columns.
fn own_name(name: &'static str) -> &'static str {
    let own = name.strip_prefix("grid-");
    own.or_else(|| name.strip_prefix("micro-")).unwrap_or(name)
}

fn cells(row: &Row, problems: usize) -> Vec<String> {
    let accuracy = row.trial.accuracy();
    let interval = accuracy.interval();
    vec![
        own_name(row.entry.policy).into(),
        row.entry.method.to_string(),
        own_name(row.entry.verifier.unwrap_or("")).into(),
        row.entry.budget.to_string(),
        format!("{:.1} %", accuracy.mean() * 100.0),
        format!(
            "{:.1} to {:.1}",
            interval.low * 100.0,
            interval.high * 100.0
        ),
        format!("{:.3}", row.flops_full / problems as f64 / 1e9),
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
                let answer = ExactAnswers::find(text).unwrap_or_default();
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
