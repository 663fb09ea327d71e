//! How other programs write samples: one file a format, and their table.

mod cells;
mod compute_optimal_tts;
mod inspect;
mod lighteval;
mod lm_eval;
mod outthink;
mod plain;
mod pool;
mod search_and_learn;
mod steps;
mod stepwise;
mod zero_eval;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

use self::cells::base_name;
use super::line::{Line, fingerprint};
use super::rows::{Cells, Row};
use super::source::{SourceFile, files, unpacked};
use super::{ExchangeError, GrownTree};

/// How a program writes samples.
pub(crate) trait Format: Sync {
    /// What it is called in messages.
    fn name(&self) -> &'static str;

    /// Is this row one of its rows, by what the row holds?
    fn recognises(&self, row: &Cells) -> bool;

    /// Under which name a row stands that the program writes several times, as once for each way to grade it.
    fn repeated(&self, _: &Cells) -> Option<String> {
        None
    }

    /// The samples of a row, or what is wrong with it.
    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String>;
}

/// The table of formats: the first that recognises a row reads its file. A new format is a file and a line here.
const FORMATS: [&dyn Format; 10] = [
    &outthink::Outthink,
    &pool::Pool,
    &compute_optimal_tts::ComputeOptimalTts,
    &lm_eval::LmEval,
    &lighteval::Lighteval,
    &inspect::Inspect,
    &zero_eval::ZeroEval,
    &stepwise::Stepwise,
    &search_and_learn::SearchAndLearn,
    &plain::Plain,
];

/// Where a row stands among the files of its source.
pub(crate) struct Place<'a> {
    /// The file's path below the source.
    pub(crate) file: &'a str,
    /// What stands beside it, by file name: the settings of the run.
    pub(crate) beside: &'a HashMap<String, Value>,
}

impl Place<'_> {
    /// The last `depth`-th folder of the file's path; 1 is the one that it lies in.
    pub(crate) fn folder(&self, depth: usize) -> Option<&str> {
        let mut parts = self.file.rsplit('/').skip(depth);
        parts.next().filter(|part| !part.is_empty() && *part != ".")
    }

    /// The file's own name.
    pub(crate) fn name(&self) -> &str {
        self.file.rsplit('/').next().unwrap_or(self.file)
    }

    /// An object of settings, in the file's folder or one above it.
    pub(crate) fn settings(&self, name: &str) -> Option<&Value> {
        let mut folder = self.file;
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            if let Some(found) = self.beside.get(&format!("{folder}/{name}")) {
                return Some(found);
            }
        }
        self.beside.get(name)
    }
}

/// What is found in a source.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) lines: Vec<Line>,
    /// Trees by the id and text of their problem.
    pub(crate) trees: Vec<GrownTree>,
    /// Samples whose rewards do not fit their steps: how many, and the first.
    pub(crate) misfits: Misfits,
    /// Rows of a problem without any sample.
    pub(crate) empty: usize,
}

/// Rewards that were left out, as there are not as many as steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misfits {
    /// How many samples, by verifier.
    pub samples: BTreeMap<String, usize>,
    /// Of the first: its problem, the rewards and the steps.
    pub first: Option<(String, usize, usize)>,
}

impl Misfits {
    fn append(&mut self, other: Self) {
        for (verifier, samples) in other.samples {
            *self.samples.entry(verifier).or_default() += samples;
        }
        self.first = self.first.take().or(other.first);
    }
}

impl Found {
    fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.trees.extend(other.trees);
        self.misfits.append(other.misfits);
        self.empty += other.empty;
    }

    /// Takes in a sample's text with the rewards that a verifier gave its steps.
    pub(crate) fn push(&mut self, mut line: Line, text: &str, rewards: Vec<(String, Vec<f64>)>) {
        // What is no number fits no step.
        let sound = rewards
            .iter()
            .filter(|(_, own)| own.iter().all(|reward| reward.is_finite()));
        let counts = sound.map(|(_, own)| own.len());
        let cut = steps::cut(text, counts.max());
        line.steps = cut.steps;
        for (verifier, own) in rewards {
            self.reward(&mut line, verifier, own, &cut.kept);
        }
        self.add(line);
    }

    /// Rewards of the pieces that a verifier saw, of which those at `kept` are the steps.
    fn reward(&mut self, line: &mut Line, verifier: String, rewards: Vec<f64>, kept: &[usize]) {
        if rewards.is_empty() {
            return;
        }
        let own: Option<Vec<f64>> = match rewards.len() == line.steps.len() {
            true => Some(rewards.clone()),
            false => kept.iter().map(|&at| rewards.get(at).copied()).collect(),
        };
        let pieces = kept.last().map_or(0, |last| last + 1);
        match own {
            Some(own)
                if own.len() == line.steps.len()
                    && rewards.len() <= pieces.max(own.len())
                    && own.iter().all(|reward| reward.is_finite()) =>
            {
                line.rewards.insert(verifier, own);
            }
            _ => {
                *self.misfits.samples.entry(verifier).or_default() += 1;
                let problem = match line.problem_id.is_empty() {
                    true => line.problem.chars().take(40).collect(),
                    false => line.problem_id.clone(),
                };
                let told = (problem, rewards.len(), line.steps.len());
                self.misfits.first.get_or_insert(told);
            }
        }
    }

    /// Leaves out rewards that are not one for each step.
    pub(crate) fn fitting(&mut self, line: &mut Line) {
        let all = std::mem::take(&mut line.rewards);
        let kept: Vec<usize> = (0..line.steps.len()).collect();
        for (verifier, own) in all {
            self.reward(line, verifier, own, &kept);
        }
    }

    /// Takes in a sample that is cut into steps.
    pub(crate) fn add(&mut self, mut line: Line) {
        line.draws = line.draws.max(1);
        if line.finish.is_empty() {
            line.finish = "answer".into();
        }
        if line.method.is_empty() {
            line.method = "pool".into();
        }
        self.lines.push(line);
    }
}

/// Samples as a source holds them.
pub struct Samples {
    /// The samples.
    pub lines: Vec<Line>,
    /// Trees that other programs grew.
    pub(crate) trees: Vec<GrownTree>,
    /// In which formats they were written.
    pub formats: Vec<&'static str>,
    /// In how many files.
    pub files: usize,
    /// What they, or the folders that hold them, are called.
    pub names: Vec<String>,
    /// Files with JSON in them that are no samples, and why.
    pub others: Vec<(String, String)>,
    /// Rewards that were left out.
    pub misfits: Misfits,
    /// Problems without any sample.
    pub empty: usize,
    /// A hash of them all.
    pub fingerprint: String,
}

impl Samples {
    /// Takes in another source's samples.
    pub fn append(&mut self, other: Self) {
        self.lines.extend(other.lines);
        self.fingerprint = fingerprint(&self.lines);
        self.trees.extend(other.trees);
        for format in other.formats {
            if !self.formats.contains(&format) {
                self.formats.push(format);
            }
        }
        self.files += other.files;
        self.names.extend(other.names);
        self.others.extend(other.others);
        self.empty += other.empty;
        self.misfits.append(other.misfits);
    }
}

/// Reads all samples of a file, of a folder of files or of an archive; `-` is standard input. What they are is told by what they
/// hold.
///
/// # Errors
///
/// Nothing there is a sample, or something that looks like one is none: which file, which row, and what is wrong.
pub fn read_samples(path: &Path) -> Result<Samples, ExchangeError> {
    read(&path.display().to_string(), &files(path)?)
}

/// The same of bytes that are at hand; the name is for messages, and what it tells of a model counts.
///
/// # Errors
///
/// As [`read_samples`].
pub fn samples_of(name: &str, bytes: Vec<u8>) -> Result<Samples, ExchangeError> {
    read(name, &unpacked(name, bytes)?)
}

fn read(name: &str, files: &[SourceFile]) -> Result<Samples, ExchangeError> {
    let alone = files.len() == 1;
    let around = match files {
        [one] => one.beside(is_settings),
        _ => Vec::new(),
    };
    let beside = settings(files.iter().chain(&around));
    let mut found = Found::default();
    let mut formats: Vec<&'static str> = Vec::new();
    let (mut read, mut others) = (0, Vec::new());
    for file in files {
        let mut rows = match file.rows() {
            Ok(rows) => rows,
            Err(error) if alone => return Err(error.into()),
            Err(error) => {
                others.push((file.name.clone(), without_name(&error.to_string(), file)));
                continue;
            }
        };
        let mut format = format_of(&rows);
        if format.is_none()
            && alone
            && let Ok(inner) = file.inner_rows()
        {
            format = format_of(&inner);
            rows = inner;
        }
        let Some(format) = format else {
            let told = unknown(&rows);
            if alone {
                return Err(ExchangeError::Format(format!("{}: {told}", file.name)));
            }
            if !is_settings(&file.name) {
                others.push((file.name.clone(), told));
            }
            continue;
        };
        let place = Place {
            file: &file.name,
            beside: &beside,
        };
        match one(format, &rows, &place) {
            Ok(own) => found.append(own),
            Err(error) if alone => return Err(error),
            Err(error) => {
                others.push((file.name.clone(), without_name(&error.to_string(), file)));
                continue;
            }
        }
        if !formats.contains(&format.name()) {
            formats.push(format.name());
        }
        read += 1;
    }
    if found.lines.is_empty() {
        return Err(match others.first() {
            Some((file, reason)) => ExchangeError::Format(format!(
                "no file of {name} holds samples; for example {file}: {reason}"
            )),
            None => ExchangeError::Empty,
        });
    }
    Ok(Samples {
        fingerprint: fingerprint(&found.lines),
        lines: found.lines,
        trees: found.trees,
        formats,
        names: vec![base_name(name)],
        files: read,
        others,
        misfits: found.misfits,
        empty: found.empty,
    })
}

/// What an error says beside the file's name.
fn without_name(told: &str, file: &SourceFile) -> String {
    let bare = told.strip_prefix(&file.name).unwrap_or(told);
    bare.trim_start().to_owned()
}

/// The samples of one file.
fn one(format: &dyn Format, rows: &[Row], place: &Place<'_>) -> Result<Found, ExchangeError> {
    let mut found = Found::default();
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        let again = format
            .repeated(&row.cells)
            .is_some_and(|name| !seen.insert(name));
        if again {
            continue;
        }
        let before = found.lines.len();
        let result = format.read(&row.cells, place, &mut found);
        let counted = result.and_then(|()| {
            let mut new = found.lines[before..].iter();
            new.try_for_each(Line::countable)
        });
        counted.map_err(|reason| ExchangeError::Row {
            file: place.file.to_owned(),
            place: row.place,
            reason,
        })?;
    }
    Ok(found)
}

fn format_of(rows: &[Row]) -> Option<&'static dyn Format> {
    let first = rows.first()?;
    FORMATS
        .into_iter()
        .find(|format| format.recognises(&first.cells))
}

/// Is it what programs write beside samples: how they were drawn, and what came of them?
fn is_settings(path: &str) -> bool {
    const NAMES: [&str; 8] = [
        "config.json",
        "header.json",
        "start.json",
        "avg_result.json",
        "summaries.json",
        "reductions.json",
        "eval_config.json",
        "results.json",
    ];
    let name = path.rsplit('/').next().unwrap_or(path);
    NAMES.contains(&name)
        || (name.starts_with("results_") && name.ends_with(".json"))
        || path.contains("_journal/")
}

/// Small objects beside the samples, by path.
fn settings<'f>(files: impl Iterator<Item = &'f SourceFile>) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    for file in files {
        let name = file.name.rsplit('/').next().unwrap_or(&file.name);
        if is_settings(name)
            && let Ok(rows) = file.rows()
            && let [row] = rows.as_slice()
        {
            let name = match name.starts_with("results") {
                true => "results.json",
                false => name,
            };
            let path = match file.folder() {
                "" => name.to_owned(),
                folder => format!("{folder}/{name}"),
            };
            found.insert(path, Value::Object(row.cells.clone()));
        }
    }
    found
}

/// What to say of rows that no format knows.
fn unknown(rows: &[Row]) -> String {
    let Some(first) = rows.first() else {
        return "there are no rows".into();
    };
    let has = |name: &str| first.cells.contains_key(name);
    if has("steps") && has("label") && !has("gold") {
        return "these are step-labelled solutions, not samples with a gold answer: outthink audit --data FILE reads them".into();
    }
    let names: Vec<&str> = first.cells.keys().take(12).map(String::as_str).collect();
    let known: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
    format!(
        "no format of samples that is known here (its columns: {}); known are {}",
        names.join(", "),
        known.join("; ")
    )
}
