//! The report of a study: the paper's tables and figures for it, beside what the paper prints.
//!
//! One HTML file that any browser opens without a network, the same as Markdown, and every figure as an SVG.

mod audit;
pub(crate) mod chart;
mod figure;
mod figures;
mod outcome;
pub(crate) mod pools;
pub(crate) mod published;
mod side_by_side;
mod strategies;
mod table;
mod tables;
mod view;

use std::fmt::Write;

use outthink_core::method::MAJORITY;

use crate::analysis::{Analysis, HEADLINE};
use crate::exchange::import::PoolSource;
use crate::report::published::{Published, SOURCE};
use crate::store::shown;
use figure::Figure;
use table::{Table, TableCell, escape, points};

const STYLE: &str = include_str!("style.css");

/// A report, laid out.
pub struct Report {
    title: String,
    lead: Vec<String>,
    sections: Vec<Section>,
}

struct Section {
    id: String,
    title: String,
    items: Vec<Item>,
}

enum Item {
    Text(String),
    Code(String),
    Table(Table),
    /// What the paper prints, smaller.
    Published(Table),
    Figure(Box<Figure>),
}

impl Report {
    /// Lays out what an analysis says.
    pub fn new(analysis: &Analysis, published: &Published) -> Self {
        let benchmark = Benchmark::of(&analysis.study.dataset);
        let told = |number| published_table(published, number, benchmark?);
        let mut sections = Vec::new();
        let mut section = |id: &str, title: &str, items: Vec<Option<Item>>| {
            let items: Vec<Item> = items.into_iter().flatten().collect();
            if items
                .iter()
                .any(|item| !matches!(item, Item::Published(_) | Item::Text(_)))
            {
                let (id, title) = (id.to_owned(), title.to_owned());
                sections.push(Section { id, title, items });
            }
        };
        // What the paper has, too, says as which of its tables or figures; the numbers before the titles are the report's own.
        let table = |table: Option<Table>, paper: &str| {
            table.map(|table| {
                Item::Table(Table {
                    title: titled(table.title, paper),
                    ..table
                })
            })
        };
        let figure = |figure: Option<Figure>, paper: &str| {
            figure.map(|figure| {
                Item::Figure(Box::new(Figure {
                    title: titled(figure.title, paper),
                    ..figure
                }))
            })
        };
        section(
            "small-large",
            "Small against large",
            vec![
                figure(analysis.figure_1(), "Figure 1"),
                table(analysis.table_3(), "Table 3"),
                table(analysis.table_3_pairs(), ""),
                told(3),
            ],
        );
        section(
            "compute",
            "Accuracy and computation",
            vec![
                figure(analysis.figure_flops(), ""),
                table(analysis.table_4(published), "Table 4"),
                told(4),
                table(analysis.table_costs(), ""),
            ],
        );
        section(
            "gains",
            "Gains",
            vec![table(analysis.table_5(), "Table 5"), told(5), told(6)],
        );
        section(
            "methods",
            "Methods and verifiers",
            vec![
                figure(analysis.figure_4(), "Figures 4, 5, 10, 11"),
                figure(analysis.figure_7(), "Figure 7"),
                table(analysis.table_equal_budget(), ""),
                table(analysis.table_equal_computation(), ""),
                Some(Item::Table(analysis.table_all())),
            ],
        );
        section(
            "strategies",
            "Strategies",
            vec![table(analysis.table_strategies(), "")],
        );
        let methods = analysis.study.compared_methods().into_iter();
        let scored = methods.filter(|method| method.needs_verifier());
        let rules = scored.map(|method| table(analysis.table_2(method), "Table 2"));
        section(
            "selection",
            "Scoring and voting",
            rules.chain([told(2)]).collect(),
        );
        section(
            "difficulty",
            "Difficulty",
            vec![
                figure(analysis.figure_3(), "Figure 3"),
                figure(analysis.figure_8(), "Figures 8, 9"),
                table(analysis.table_difficulty(false), ""),
                table(analysis.table_difficulty(true), ""),
                table(analysis.table_quintiles(), ""),
                table(analysis.table_levels(), ""),
            ],
        );
        sections.push(Section {
            id: "reading".into(),
            title: "How to read this".into(),
            items: READING
                .iter()
                .copied()
                .chain(benchmark.map(|_| PUBLISHED))
                .map(|text| Item::Text(text.to_owned()))
                .collect(),
        });
        sections.push(Section {
            id: "made".into(),
            title: "How it was made".into(),
            items: made(analysis),
        });
        number(&mut sections);
        Self {
            title: format!(
                "{}: test-time scaling on {}",
                analysis.study.name, analysis.study.dataset
            ),
            lead: lead(analysis),
            sections,
        }
    }

    /// The report as one HTML file.
    pub fn html(&self) -> String {
        let mut out = String::new();
        let title = escape(&self.title);
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><style>{STYLE}</style></head><body>\n<header><h1>{title}</h1>"
        );
        for line in &self.lead {
            let _ = write!(out, "<p>{}</p>", emphasised(line));
        }
        out.push_str("</header>\n<nav aria-label=\"Contents\">");
        for section in &self.sections {
            let _ = write!(
                out,
                "<a href=\"#{}\">{}</a>",
                section.id,
                escape(&section.title)
            );
        }
        out.push_str("</nav>\n<main>\n");
        for section in &self.sections {
            let _ = writeln!(
                out,
                "<section id=\"{}\"><h2>{}</h2>",
                section.id,
                escape(&section.title)
            );
            for item in &section.items {
                match item {
                    Item::Text(text) => {
                        let _ = writeln!(out, "<p>{}</p>", emphasised(text));
                    }
                    Item::Code(code) => {
                        let _ = writeln!(out, "<pre>{}</pre>", escape(code));
                    }
                    Item::Table(table) => out.push_str(&table.html()),
                    Item::Published(table) => {
                        let _ = write!(out, "<div class=\"published\">{}</div>", table.html());
                    }
                    Item::Figure(figure) => {
                        let _ = writeln!(
                            out,
                            "<figure id=\"{}\"><figcaption>{}</figcaption>{}<p class=\"note\">{}</p></figure>",
                            figure.id,
                            escape(&figure.title),
                            figure.svg(),
                            escape(&figure.caption)
                        );
                    }
                }
            }
            out.push_str("</section>\n");
        }
        out.push_str("</main></body></html>\n");
        out
    }

    /// The report as Markdown; figures are files in the folder `figures`.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n", self.title);
        for line in &self.lead {
            let _ = writeln!(out, "{line}\n");
        }
        for section in &self.sections {
            let _ = writeln!(out, "## {}\n", section.title);
            for item in &section.items {
                match item {
                    Item::Text(text) => {
                        let _ = writeln!(out, "{text}\n");
                    }
                    Item::Code(code) => {
                        let _ = writeln!(out, "```\n{}\n```\n", code.trim_end());
                    }
                    Item::Table(table) | Item::Published(table) => out.push_str(&table.markdown()),
                    Item::Figure(figure) => {
                        let _ = writeln!(
                            out,
                            "![{}](figures/{}.svg)\n\n{}\n",
                            figure.title, figure.id, figure.caption
                        );
                    }
                }
            }
        }
        out
    }

    /// Each figure's file name, without folder, and its SVG.
    pub fn figures(&self) -> Vec<(String, String)> {
        let items = self.sections.iter().flat_map(|section| &section.items);
        items
            .filter_map(|item| match item {
                Item::Figure(figure) => Some((format!("{}.svg", figure.id), figure.svg())),
                _ => None,
            })
            .collect()
    }
}

/// What the numbers mean, for whoever reads the report alone.
const READING: [&str; 5] = [
    "**N** is at most so many samples, or as many tokens as so many solutions in a search step by step, for every method. **M**, the beam width, is how many draws each kept step gets.",
    "**Intervals** are 95 %: Wilson's where every value is a success or a failure, else a percentile bootstrap of 10,000 draws over problems \
     (and over the runs of a problem, where there are several). Differences are paired: both sides are resampled with the same problems.",
    "**Majority, best-of-N and Pass@N** at every N come from one pool of samples. Pass@N and the choice of the best are exact averages over all \
     subsets, majority too where that is cheap; what is left is averaged over random subsets, and pointing at a number shows its standard error.",
    "**Beam search and DVTS** are one tree for each problem, N and verifier.",
    "**Compute-optimal** takes for each band of difficulty the method that did best on these same problems. That needs the right answers \
     (oracle) and chooses in-sample: it says what could be gained, not what a chooser would gain on new problems.",
];

/// The same of published numbers.
const PUBLISHED: &str = "**Published** numbers are the paper's, with its own models. They stand here for orientation: prompts, graders and problems may differ.";

/// A title that names what it is in the paper.
fn titled(title: String, paper: &str) -> String {
    match paper {
        "" => title,
        one => format!("{title} (the paper's {one})"),
    }
}

/// Numbers tables and figures as they follow each other; what is quoted keeps its own numbers.
fn number(sections: &mut [Section]) {
    let (mut tables, mut figures) = (0, 0);
    for item in sections.iter_mut().flat_map(|section| &mut section.items) {
        match item {
            Item::Table(table) => {
                tables += 1;
                table.title = format!("Table {tables}. {}", table.title);
            }
            Item::Figure(figure) => {
                figures += 1;
                figure.title = format!("Figure {figures}. {}", figure.title);
            }
            Item::Published(_) | Item::Text(_) | Item::Code(_) => {}
        }
    }
}

/// A benchmark that the paper has numbers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Benchmark {
    Math500,
    Aime24,
}

impl Benchmark {
    /// By the data set's name, or its file's.
    fn of(dataset: &str) -> Option<Self> {
        let letters = dataset
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric());
        let plain: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
        let has = |names: &[&str]| names.iter().any(|name| plain.contains(name));
        if has(&["math500", "test500"]) {
            Some(Self::Math500)
        } else if has(&["aime24", "aime2024"]) {
            Some(Self::Aime24)
        } else {
            None
        }
    }

    /// Does a table of the paper have numbers for it? Tables 3 and 6 have both benchmarks, the others only MATH-500.
    fn is_in(self, table: usize) -> bool {
        self == Self::Math500 || matches!(table, 3 | 6)
    }
}

/// Links to other reports, which have a page beside their Markdown.
fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[')
        && let Some((name, target)) = after.split_once("](")
        && let Some((place, after)) = target.split_once(')')
        && !name.contains('[')
    {
        let place = place.replace("README.md", "index.html");
        let _ = write!(
            out,
            "{}<a href=\"{}\">{}</a>",
            escape(before),
            escape(&place),
            escape(name)
        );
        rest = after;
    }
    out.push_str(&escape(rest));
    out
}

/// The commands, and the recipe in full.
fn made(analysis: &Analysis) -> Vec<Item> {
    let Analysis { study, count, .. } = analysis;
    let place = study.recipe.store.as_deref();
    let store = place.map_or_else(|| format!("{}.sqlite", study.name), shown);
    if let Some(source) = &study.source {
        let commands = format!(
            "outthink import FILE --name {0} --store {store}\noutthink report {0} --store {store}",
            study.name
        );
        let told = format!(
            "Samples of another program ({}; their hash is {}), by these commands:",
            source.formats.join("; "),
            source.file
        );
        return vec![Item::Text(told), Item::Code(commands)];
    }
    let commands = format!(
        "outthink study recipe.toml --store {store}\noutthink report {} --store {store}",
        study.name
    );
    let mut items = vec![
        Item::Text(format!(
            "{} units of work, by these commands and this recipe.toml:",
            count.done + count.open + count.failed
        )),
        Item::Code(commands),
    ];
    // What was parsed from TOML is written as TOML.
    items.extend(toml::to_string(&study.recipe).ok().map(Item::Code));
    items
}

fn published_table(published: &Published, number: usize, benchmark: Benchmark) -> Option<Item> {
    let table = published
        .table(number)
        .filter(|_| benchmark.is_in(number))?;
    let rows = table.rows.iter();
    Some(Item::Published(Table {
        title: format!("Published: {SOURCE}, Table {number}. {}", table.title),
        header: table.header.clone(),
        words: 1,
        rows: rows
            .map(|row| row.iter().map(TableCell::text).collect())
            .collect(),
        note: "As printed there, without intervals.".into(),
    }))
}

/// What the study was and what came of it, in a few sentences.
fn lead(analysis: &Analysis) -> Vec<String> {
    let study = &analysis.study;
    let names = |models: &[outthink_core::ModelInfo]| {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        names.join(", ")
    };
    let budgets: Vec<String> = study.budgets.iter().map(usize::to_string).collect();
    let methods: Vec<&str> = study
        .recipe
        .methods
        .iter()
        .map(|method| method.title())
        .collect();
    let count = analysis.count;
    let mut lead = vec![format!(
        "{} problems of {}, {} run{}; policies: {}; verifiers: {}; {} at N = {}. Answers of searches and best-of-N are chosen by {HEADLINE}.",
        study.problems.len(),
        study.dataset,
        study.seeds.len(),
        if study.seeds.len() == 1 { "" } else { "s" },
        names(&study.policies),
        names(&study.verifiers),
        methods.join(", "),
        budgets.join(", ")
    )];
    if count.open + count.failed > 0 {
        let failures: Vec<String> = analysis
            .failures
            .iter()
            .map(|(error, count)| format!("{count} × {error}"))
            .collect();
        lead.push(format!(
            "**Incomplete**: {} units done, {} not yet, {} failed{}{}. Every number says on how many problems it rests.",
            count.done,
            count.open,
            count.failed,
            if failures.is_empty() { "" } else { ": " },
            failures.join("; ")
        ));
    }
    if let Some(source) = &study.source {
        lead.push(imported(analysis, source));
        lead.extend(
            source
                .warnings
                .iter()
                .map(|own| format!("**Doubtful**: {own}.")),
        );
    }
    if let Some(told) = &analysis.old_verdicts {
        lead.push(format!("**Graders**: {told}."));
    }
    lead.extend(headline(analysis));
    lead
}

/// Where imported samples come from, and how many problems have how many of them.
fn imported(analysis: &Analysis, source: &PoolSource) -> String {
    let problems = analysis.study.problems.len();
    let mut parts = Vec::new();
    for policy in analysis.by_size() {
        let at = |n: usize| {
            let entry = analysis.entry(&analysis.key(policy, None, MAJORITY, n));
            entry.map_or(0, |entry| entry.problems)
        };
        let reached = analysis.study.budgets.iter().map(|&n| (n, at(n)));
        let short: Vec<String> = reached
            .filter(|(_, reached)| *reached > 0 && *reached < problems)
            .map(|(n, reached)| format!("N = {n} in {reached}"))
            .collect();
        if !short.is_empty() {
            let name = analysis.policy_name(policy);
            parts.push(format!("{name} reaches {}", short.join(", ")));
        }
    }
    let files = match source.files {
        1 => "1 file".to_owned(),
        files => format!("{files} files"),
    };
    let ragged = match parts.is_empty() {
        true => String::new(),
        false => format!(
            " Not every one of the {problems} problems has as many samples: {}.",
            parts.join("; ")
        ),
    };
    format!(
        "**Imported** from {files} ({}); samples of one run are left out together where intervals are made.{ragged}",
        source.formats.join("; ")
    )
}

/// The smallest policy that, scaled, significantly beats a larger one alone by the most.
fn headline(analysis: &Analysis) -> Option<String> {
    let verifier = analysis.main_verifier();
    let largest = analysis.largest();
    let order = analysis.by_size();
    if order.len() < 2 && analysis.study.source.is_some() {
        return None;
    }
    let mut found: Option<(f64, String)> = None;
    for (rank, &small) in order.iter().enumerate() {
        for &large in &order[rank + 1..] {
            // Nobody is an ensemble alone.
            if analysis.is_ensemble(large) {
                continue;
            }
            let n = match analysis.study.source {
                Some(_) => analysis.largest_of(small),
                None => largest,
            };
            let Some(best) = analysis.best(small, verifier, n).filter(|_| n > 1) else {
                continue;
            };
            let method = best.key.method;
            let scaled = analysis.place(&best.key)?;
            let alone = analysis.place(&analysis.alone(large))?;
            let (difference, interval) = analysis.difference(scaled, alone);
            let ratio = match (analysis.parameters(small), analysis.parameters(large)) {
                (Some(small), Some(large)) => large as f64 / small as f64,
                _ => continue,
            };
            if interval.low <= 0.0 || found.as_ref().is_some_and(|(best, _)| ratio <= *best) {
                continue;
            }
            let voted = analysis.place(&analysis.key(small, None, MAJORITY, n));
            let vote = voted.map_or(String::new(), |voted| {
                let (difference, interval) = analysis.difference(voted, alone);
                format!("; majority at the same N: {}", points(difference, interval))
            });
            let text = format!(
                "**{} with {} at N = {n} beats {}, {ratio:.1} times its size, alone: {} points** \
                 (paired 95 % interval; method chosen on these problems){vote}.",
                analysis.policy_name(small),
                method.title(),
                analysis.policy_name(large),
                points(difference, interval)
            );
            found = Some((ratio, text));
        }
    }
    let none = "No smaller policy with test-time scaling significantly beats a larger one without it in this study.".to_owned();
    Some(found.map_or(none, |(_, text)| text))
}

/// `**bold**` and `[links](folder/README.md)` as HTML.
fn emphasised(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split("**").enumerate() {
        match index % 2 {
            0 => out.push_str(&linked(part)),
            _ => {
                let _ = write!(out, "<strong>{}</strong>", escape(part));
            }
        }
    }
    out
}
