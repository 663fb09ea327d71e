//! The report of pools that others published: what each says at every N, beside what its own tool or the paper says, what its verifier is
//! worth, and what choosing is worth on problems that nobody has seen.

mod recipe;

use std::collections::BTreeMap;

use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{AnyMethod, Selection};
pub use recipe::{PoolEntry, PoolsRecipe, PublishedFigure, VerdictsEntry};

use super::figure::{Content, Dot, Drawn, Figure, Line, Panel};
use super::outcome::findings;
use super::table::{Table, TableCell, percent, points};
use super::{Item, Report, Section, number};
use crate::analysis::{Analysis, Choice, Entry, Key, Rule};
use crate::audit::OutcomeAudit;
use crate::estimate::gain::{Efficiency, efficiency_gain};
use crate::estimate::interval::Interval;
use crate::exchange::import::Imported;
use crate::tuning::{Chooser, HeldOut};

/// A pool with all that was made of it.
pub struct PoolResult {
    /// What the recipe says of it.
    pub entry: PoolEntry,
    /// What came of the import.
    pub imported: Imported,
    /// Its numbers.
    pub analysis: Analysis,
    /// Its verifiers.
    pub audits: Vec<OutcomeAudit>,
    /// What choosing is worth, by policy.
    pub held_out: Vec<(String, Vec<HeldOut>)>,
    /// What the labels of steps are of, where there are any.
    pub labelled: Vec<String>,
}

const READING: [&str; 5] = [
    "**N = k** is the average over all subsets of k samples, with ties split. **single** is the mean of single samples. Bold: the best rule of each N.",
    "**Intervals** are 95 % and over problems; what samples of one run share in every problem is added where a pool has runs.",
    "**Rules** make one score of a solution's rewards (min, last, mean, product) and take the answer of the best solution (max) or the one whose solutions' \
     scores add up highest (vote). Ties go to the answer with more votes; what is then still tied is split.",
    "**Held out**: everything is chosen on one half of the problems and measured on the other, both ways, over several deals of problems and orders of samples; each order is cut at N, so its N = 1 \
     is one sample a problem and not the mean of all. \
     *blind* is the best choice without rewards, *single best* the best one for all problems, *bands* the paper's choice by bands of oracle difficulty, *strategy* what \
     `outthink tune` fits and anyone can use, *oracle* knows what \
     each choice comes to on each problem; as every N is a mean over problems, it spends little on most and is soon at its ceiling. Gains are paired, against the single best.",
    "**Published** numbers are what others printed, with their graders, subsets and ties.",
];

impl PoolResult {
    /// The keys of what is asked for of a policy.
    fn key(&self, policy: usize, rule: &str, n: usize) -> Option<Key> {
        let chosen = |method: AnyMethod, selection: Selection| Key {
            policy,
            verifier: None,
            method,
            width: None,
            budget: n,
            rule: Rule::Chosen(Choice(selection)),
        };
        match rule {
            "pass" => Some(Key {
                rule: Rule::Ceiling,
                ..chosen(MAJORITY, Selection::Majority)
            }),
            "single" => Some(Key {
                budget: 1,
                ..chosen(MAJORITY, Selection::Majority)
            }),
            rule => {
                let rule: Selection = rule.parse().ok()?;
                Some(match rule.needs_rewards() {
                    false => chosen(MAJORITY, rule),
                    true => Key {
                        verifier: self.analysis.main_verifier(),
                        ..chosen(BEST_OF_N, rule)
                    },
                })
            }
        }
    }

    fn found(&self, policy: usize, rule: &str, n: usize) -> Option<&Entry> {
        let entry = self.analysis.entry(&self.key(policy, rule, n)?);
        entry.filter(|entry| entry.problems > 0)
    }

    fn policy(&self, name: &str) -> Option<usize> {
        let policies = &self.analysis.study.policies;
        policies.iter().position(|own| own.name == name)
    }

    /// Policies with several samples of a problem.
    fn pooled(&self) -> Vec<usize> {
        let has = |policy: &usize| self.found(*policy, "majority", 2).is_some();
        self.analysis.by_size().into_iter().filter(has).collect()
    }

    fn rules(&self) -> Vec<String> {
        let scored = self.analysis.main_verifier().is_some();
        let known = Selection::all().filter(|own| scored || !own.needs_rewards());
        let names = known.map(|own| own.to_string());
        std::iter::once("pass".to_owned()).chain(names).collect()
    }

    fn items(&self) -> Vec<Item> {
        let entry = &self.entry;
        let study = &self.analysis.study;
        let mut items = vec![Item::Text(format!(
            "{} samples of {} problems ({}). Source: {}. Terms: {}.",
            self.imported.samples,
            study.problems.len(),
            entry.dataset,
            entry.source,
            entry.licence
        ))];
        items.extend(entry.notes.iter().cloned().map(Item::Text));
        let warnings = self.imported.warnings.iter();
        items.extend(warnings.map(|own| Item::Text(format!("**Doubtful**: {own}."))));
        if self.imported.judged > 0 && entry.verdicts == VerdictsEntry::Ours {
            items.push(Item::Text(format!(
                "{} of the file's {} verdicts differ from ours.",
                self.imported.other_verdicts.len(),
                self.imported.judged
            )));
        }
        for &policy in &self.pooled() {
            items.push(Item::Table(self.curves(policy)));
        }
        if entry.verdicts == VerdictsEntry::Ours {
            items.extend(self.other_verdicts().map(Item::Table));
        }
        items.extend(self.alone().map(Item::Table));
        items.extend(self.ensembles().map(Item::Table));
        items.extend(self.published().map(Item::Table));
        for (policy, held_out) in &self.held_out {
            items.push(Item::Table(chosen(policy, held_out)));
            items.push(Item::Text(self.efficiency(policy, held_out)));
        }
        for audit in &self.audits {
            let title = format!(
                "What {} is like on these {} samples",
                audit.verifier, audit.samples
            );
            items.push(findings(audit, &title));
        }
        items.extend(self.labelled.iter().cloned().map(Item::Text));
        items.push(Item::Text(format!(
            "All tables and figures of this pool: [{0}]({0}/README.md){1}.",
            entry.name,
            match self.audits.is_empty() {
                true => String::new(),
                false => format!(
                    "; its verifier: [{0}/audit]({0}/audit/README.md)",
                    entry.name
                ),
            }
        )));
        items
    }

    /// Answers that the file judges otherwise, each once.
    fn other_verdicts(&self) -> Option<Table> {
        /// More of them are left to `outthink import --differences`.
        const SHOWN: usize = 80;
        let mut counts: BTreeMap<(&str, &str, String, String, bool), usize> = BTreeMap::new();
        let shown = |answer: &Option<String>| answer.clone().unwrap_or_else(|| "–".into());
        for own in &self.imported.other_verdicts {
            let key = (
                own.problem_id.as_str(),
                own.gold.as_str(),
                shown(&own.answer),
                shown(&own.their_answer),
                own.correct,
            );
            *counts.entry(key).or_default() += 1;
        }
        let all = counts.len();
        let rows = counts.into_iter().take(SHOWN);
        let rows = rows.map(|((problem, gold, answer, theirs, right), count)| {
            let code = |text: &str| {
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let start: String = flat.chars().take(40).collect();
                TableCell::text(if start.len() < flat.len() {
                    format!("{start}…")
                } else {
                    start
                })
            };
            vec![
                TableCell::text(problem),
                code(gold),
                code(&answer),
                code(&theirs),
                TableCell::text(if right { "right" } else { "wrong" }),
                TableCell::text(if right { "wrong" } else { "right" }),
                TableCell::text(count.to_string()),
            ]
        });
        let rows: Vec<Vec<TableCell>> = rows.collect();
        (!rows.is_empty()).then(|| Table {
            title: "Answers that the file judges otherwise".into(),
            header: ["problem", "gold", "answer, as read here", "as read there", "here", "there", "samples"]
                .map(str::to_owned)
                .to_vec(),
            words: 6,
            rows,
            note: match all > SHOWN {
                true => format!("{} more are left out.", all - SHOWN),
                false => "A dash stands for no answer: what others read only in a box stands in the text, too.".into(),
            },
        })
    }

    fn curves(&self, policy: usize) -> Table {
        let budgets = &self.analysis.study.budgets;
        let mut rows = Vec::new();
        for rule in self.rules() {
            let cells: Vec<Option<&Entry>> = budgets
                .iter()
                .map(|&n| self.found(policy, &rule, n))
                .collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let name = match rule.as_str() {
                "pass" => "Pass@N".to_owned(),
                rule => rule.to_owned(),
            };
            let mut row = vec![TableCell::text(name)];
            row.extend(cells.into_iter().map(|cell| match cell {
                Some(entry) => {
                    let mut text = percent(entry.accuracy, entry.interval);
                    if entry.problems < self.analysis.study.problems.len() {
                        text.push_str(&format!(", n = {}", entry.problems));
                    }
                    TableCell::text(text)
                }
                None => TableCell::missing("not measured"),
            }));
            rows.push(row);
        }
        // The best rule of each N; Pass@N is no rule.
        // One sample is one sample by every rule.
        for column in (1..=budgets.len()).filter(|column| budgets[column - 1] > 1) {
            let value = |row: &Vec<TableCell>| -> Option<f64> {
                row[column].text.split(' ').next()?.parse().ok()
            };
            let best = rows
                .iter()
                .skip(1)
                .filter_map(value)
                .fold(f64::MIN, f64::max);
            for row in rows.iter_mut().skip(1) {
                row[column].strong = value(row) == Some(best);
            }
        }
        let mut header = vec!["% right".to_owned()];
        header.extend(budgets.iter().map(|n| format!("N = {n}")));
        Table {
            title: format!(
                "Every rule at every N: {}",
                self.analysis.policy_name(policy)
            ),
            header,
            words: 1,
            rows,
            note: String::new(),
        }
    }

    /// Policies by themselves, where there are several.
    fn alone(&self) -> Option<Table> {
        let study = &self.analysis.study;
        let mut rows: Vec<(f64, Vec<TableCell>)> = Vec::new();
        for policy in 0..study.policies.len() {
            if self
                .entry
                .ensembles
                .contains_key(&study.policies[policy].name)
            {
                continue;
            }
            let Some(entry) = self.found(policy, "single", 1) else {
                continue;
            };
            let size = match study.policies[policy].cost {
                Some(cost) => TableCell::text(billions(cost.parameters)),
                None => TableCell::missing("unknown"),
            };
            rows.push((
                entry.accuracy,
                vec![
                    TableCell::text(study.policies[policy].name.clone()),
                    size,
                    TableCell::text(percent(entry.accuracy, entry.interval)),
                ],
            ));
        }
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        (rows.len() > 1).then(|| Table {
            title: "Policies by themselves".into(),
            header: ["policy", "parameters", "% right"]
                .map(str::to_owned)
                .to_vec(),
            words: 1,
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            note: String::new(),
        })
    }

    /// Each ensemble's vote beside the largest policy and the best of its own members, paired.
    fn ensembles(&self) -> Option<Table> {
        let study = &self.analysis.study;
        let size = |policy: usize| {
            study.policies[policy]
                .cost
                .map_or(0, |cost| cost.parameters)
        };
        let single = |policy: usize| self.key(policy, "single", 1);
        let is_ensemble = |name: &str| self.entry.ensembles.contains_key(name);
        let others =
            (0..study.policies.len()).filter(|own| !is_ensemble(&study.policies[*own].name));
        let largest = others.max_by_key(|own| size(*own))?;
        let mut rows = Vec::new();
        for (name, members) in &self.entry.ensembles {
            let (Some(place), n) = (self.policy(name), members.len()) else {
                continue;
            };
            let voted = self.analysis.place(&self.key(place, "majority", n)?)?;
            let entry = &self.analysis.entries[voted];
            let minus = |other: usize| {
                let other = self.analysis.place(&single(other)?)?;
                let (difference, interval) = self.analysis.difference(voted, other);
                Some(TableCell::text(points(difference, interval)).strong(interval.low > 0.0))
            };
            let members: Vec<usize> = members.iter().filter_map(|own| self.policy(own)).collect();
            let accuracy = |own: &usize| {
                self.found(*own, "single", 1)
                    .map_or(0.0, |own| own.accuracy)
            };
            let best = members
                .iter()
                .copied()
                .max_by(|a, b| accuracy(a).total_cmp(&accuracy(b)))?;
            // One member of unknown size makes the sum unknown.
            let sizes = members
                .iter()
                .map(|own| study.policies[*own].cost.map(|cost| cost.parameters));
            let total: Option<u64> = sizes.sum();
            let none = || TableCell::missing("not measured");
            rows.push(vec![
                TableCell::text(name.clone()),
                TableCell::text(n.to_string()),
                match total {
                    Some(total) => TableCell::text(billions(total)),
                    None => TableCell::missing("unknown"),
                },
                TableCell::text(percent(entry.accuracy, entry.interval)),
                minus(largest).unwrap_or_else(none),
                minus(best).unwrap_or_else(none),
                TableCell::text(study.policies[best].name.clone()),
            ]);
        }
        let large = format!("minus {}, points", study.policies[largest].name);
        (!rows.is_empty()).then(|| Table {
            title: "Votes of several policies, one answer each".into(),
            header: [
                "ensemble",
                "members",
                "parameters together",
                "% right by majority",
                &large,
                "minus its best member, points",
                "which",
            ]
            .map(str::to_owned)
            .to_vec(),
            words: 1,
            rows,
            note: "Differences are paired over problems, 95 %. Bold: the interval is above zero."
                .into(),
        })
    }

    fn published(&self) -> Option<Table> {
        let mut rows = Vec::new();
        for own in &self.entry.published {
            let policy = match &own.policy {
                Some(name) => self.policy(name),
                None => Some(0),
            };
            let rule = own.rule.as_deref();
            let ours = policy
                .zip(rule)
                .and_then(|(policy, rule)| self.found(policy, rule, own.n));
            rows.push(vec![
                TableCell::text(own.what.clone()),
                TableCell::text(own.by.clone()),
                TableCell::text(own.because.clone()),
                TableCell::text(format!("{:.1}", own.value)),
                match ours {
                    Some(entry) => TableCell::text(percent(entry.accuracy, entry.interval)),
                    None => TableCell::missing("no such number here"),
                },
                match ours {
                    Some(entry) => {
                        let gap = 100.0 * entry.accuracy - own.value;
                        // What rounds to nothing has no sign.
                        let gap = if gap.abs() < 0.05 { 0.0 } else { gap };
                        TableCell::text(format!("{gap:+.1}").replace('-', "−"))
                    }
                    None => TableCell::text(""),
                },
            ]);
        }
        (!rows.is_empty()).then(|| Table {
            title: "Beside what others published".into(),
            header: [
                "what",
                "by",
                "why it differs",
                "published, %",
                "here, %",
                "difference",
            ]
            .map(str::to_owned)
            .to_vec(),
            words: 3,
            rows,
            note: String::new(),
        })
    }

    /// How many times less a choice needs than majority at its best.
    fn efficiency(&self, policy: &str, held_out: &[HeldOut]) -> String {
        let place = self.policy(policy).unwrap_or_default();
        let budgets = self.analysis.study.budgets.iter();
        let majority: Vec<(f64, f64)> = budgets
            .filter_map(|&n| Some((n as f64, self.found(place, "majority", n)?.accuracy)))
            .collect();
        let curve = |chooser: Chooser| -> Vec<(f64, f64)> {
            let points = held_out.iter();
            points
                .filter_map(|own| Some((own.budget as f64, own.accuracy[chooser as usize]?.0)))
                .collect()
        };
        let told = |chooser| match efficiency_gain(&majority, &curve(chooser)) {
            Efficiency::Times(times) => format!("{times:.1} times"),
            Efficiency::MoreThan(times) => format!("more than {times:.0} times"),
            Efficiency::Never => "never".into(),
        };
        format!(
            "**Efficiency over majority** (as the paper's Table 5 defines it: the N at the peak of majority over the N at which a choice reaches that accuracy, \
             interpolated; choices held out): single best {}, bands {}, strategy {}.",
            told(Chooser::Fixed),
            told(Chooser::Bands),
            told(Chooser::Strategy)
        )
    }

    fn panel(&self) -> Option<Panel> {
        let policy = *self.pooled().first()?;
        let budgets = &self.analysis.study.budgets;
        let line = |rule: &str, colour: usize, dashed: bool| {
            let dots = budgets.iter().filter_map(|&n| {
                let entry = self.found(policy, rule, n)?;
                Some(dot(n as f64, entry.accuracy, entry.interval, rule))
            });
            Line {
                colour,
                dashed,
                drawn: Drawn::Joined,
                dots: dots.collect(),
            }
        };
        let mut lines = vec![line("pass", 6, true), line("majority", 6, false)];
        if self.analysis.main_verifier().is_some() {
            lines.push(line("last-vote", 0, false));
            lines.push(line("last-max", 1, false));
        }
        if let Some((_, held_out)) = self.held_out.first() {
            let dots = held_out.iter().filter_map(|own| {
                let (value, interval) = own.accuracy[Chooser::Strategy as usize]?;
                Some(dot(
                    own.budget as f64,
                    value,
                    interval,
                    "strategy, held out",
                ))
            });
            lines.push(Line {
                colour: 2,
                dashed: false,
                drawn: Drawn::Joined,
                dots: dots.collect(),
            });
        }
        lines.retain(|line| !line.dots.is_empty());
        Some(Panel {
            title: self.entry.title.clone(),
            content: Content::Lines {
                linear: false,
                marks: marks(budgets),
                lines,
            },
        })
    }
}

/// Budgets with room between them: each at least half as much again as the one before.
fn marks(budgets: &[usize]) -> Vec<(f64, String)> {
    let mut kept: Vec<usize> = Vec::new();
    for &n in budgets {
        if kept.last().is_none_or(|last| n * 2 >= last * 3) {
            kept.push(n);
        }
    }
    kept.into_iter()
        .map(|n| (n as f64, n.to_string()))
        .collect()
}

/// `9.2 B`.
fn billions(parameters: u64) -> String {
    format!("{:.1} B", parameters as f64 / 1e9)
}

fn dot(x: f64, y: f64, interval: Interval, what: &str) -> Dot {
    Dot {
        x,
        y,
        low: interval.low,
        high: interval.high,
        hint: format!("{what} at N = {x}: {} %", percent(y, interval)),
        label: String::new(),
    }
}

fn chosen(policy: &str, held_out: &[HeldOut]) -> Table {
    let rows = held_out.iter().map(|own| {
        let mut row = vec![TableCell::text(own.budget.to_string())];
        row.extend(own.accuracy.iter().map(|cell| match cell {
            Some((value, interval)) => TableCell::text(percent(*value, *interval)),
            None => TableCell::missing("no choice"),
        }));
        for chooser in [
            Chooser::Majority,
            Chooser::Blind,
            Chooser::Bands,
            Chooser::Strategy,
        ] {
            row.push(match &own.gain[chooser as usize] {
                Some(gain) => TableCell::text(points(gain.mean, gain.interval))
                    .strong(gain.interval.low > 0.0),
                None => TableCell::missing("no choice"),
            });
        }
        let all: usize = own.usual.iter().map(|(_, count)| count).sum();
        let most = own.usual.first().map_or(String::new(), |(name, count)| {
            format!("{name} ({count} of {all})")
        });
        row.push(TableCell::text(most));
        row
    });
    let problems = held_out.first().map_or(0, |own| own.problems);
    Table {
        title: format!("Chosen on one half, measured on the other: {policy}, {problems} problems"),
        header: [
            "N",
            "majority",
            "blind",
            "single best",
            "bands*",
            "strategy",
            "oracle*",
            "majority − single best",
            "blind − single best",
            "bands* − single best",
            "strategy − single best",
            "the single best, usually",
        ]
        .map(str::to_owned)
        .to_vec(),
        words: 1,
        rows: rows.collect(),
        note: "* needs the right answers. Differences are paired, in points. Bold: the interval is above zero.".into(),
    }
}

impl Report {
    /// Lays out pools, with the command that makes the page again.
    pub fn of_pools(recipe: &PoolsRecipe, results: &[PoolResult], command: &str) -> Self {
        let mut sections = Vec::new();
        let panels: Vec<Panel> = results.iter().filter_map(PoolResult::panel).collect();
        if !panels.is_empty() {
            let legend = [
                (6, true, "Pass@N"),
                (6, false, "majority"),
                (0, false, "last-vote"),
                (1, false, "last-max"),
                (2, false, "strategy, held out"),
            ];
            sections.push(Section {
                id: "at-a-glance".into(),
                title: "At a glance".into(),
                items: vec![Item::Figure(Box::new(Figure {
                    id: "pools".into(),
                    title: "Real samples: what more of them bring, by rule".into(),
                    caption: "Share of right answers against N, with 95 % intervals. Pass@N is the share of problems with any right sample.".into(),
                    axis: "N".into(),
                    vertical: "% right",
                    square: false,
                    columns: 3,
                    panels,
                    legend: legend.map(|(colour, dashed, name)| (colour, dashed, name.to_owned())).to_vec(),
                }))],
            });
        }
        for own in results {
            sections.push(Section {
                id: own.entry.name.clone(),
                title: own.entry.title.clone(),
                items: own.items(),
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
        let mut made = vec![
            Item::Text("Made by this command from the pool files, with this recipe:".into()),
            Item::Code(command.to_owned()),
        ];
        made.extend(toml::to_string(recipe).ok().map(Item::Code));
        sections.push(Section {
            id: "made".into(),
            title: "How it was made".into(),
            items: made,
        });
        number(&mut sections);
        Self {
            title: recipe.name.clone(),
            lead: recipe.lead.clone(),
            sections,
        }
    }
}
