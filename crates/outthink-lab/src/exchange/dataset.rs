//! Problem sets: rows of any layout that people keep them in, as problems with their gold answers.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use outthink_answer::Maths;
use outthink_answer::{Answer, Source, Value, extract, extract_gold};

use crate::exchange::columns::{self, Found, asked, text_of};
use crate::exchange::rows::{Cells, Place, Row, read_rows, rows_of};
use crate::study::Problem;

/// Why a file is no problem set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// It cannot be read.
    #[error("cannot read {file}")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A row that cannot be read.
    #[error("{file} {place}: {reason}")]
    Row {
        /// Which file.
        file: String,
        /// Which row.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// A column is not there, or several could be meant.
    #[error("{file} has no column for the {what}; {known}: name one with --{what}-column")]
    Column {
        /// Which file.
        file: String,
        /// `problem`, `answer` or `id`.
        what: &'static str,
        /// What there is.
        known: String,
    },
    /// No rows.
    #[error("{file} holds no problems")]
    Empty {
        /// Which file.
        file: String,
    },
    /// Another kind of file.
    #[error("{file} is {is}")]
    Kind {
        /// Which file.
        file: String,
        /// What it is.
        is: String,
    },
    /// A Parquet file that cannot be read.
    #[error("{file} cannot be read as Parquet: {reason}")]
    Parquet {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
}

/// Which columns hold problem, answer and id, where they are not to be guessed. A dot leads into a column: `extra_info.answer`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The problem's.
    pub problem: Option<String>,
    /// The answer's.
    pub answer: Option<String>,
    /// The id's.
    pub id: Option<String>,
}

/// What a problem set is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Golds {
    /// Every problem has a gold answer. A problem without an id is called by the file and its number.
    Needed,
    /// Problems may have none, which is a blank one. A problem without an id is called by its text.
    IfAny,
}

/// A problem set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    /// The problems; no two have one id.
    pub problems: Vec<Problem>,
    /// Which columns were read, as `question → answer`.
    pub columns: String,
    /// What someone should know before anything is spent: golds that cannot be read, rows that stand there twice.
    pub notes: Vec<String>,
}

/// Reads a problem set from a file.
pub fn read_dataset(file: &Path, columns: &Columns, golds: Golds) -> Result<Dataset, DatasetError> {
    let name = file.display().to_string();
    dataset(&name, &read_rows(file)?, columns, golds)
}

/// Reads a problem set from what a reader gives; the name is for messages and ids.
pub fn read_dataset_from(
    name: &str,
    reader: impl Read,
    columns: &Columns,
    golds: Golds,
) -> Result<Dataset, DatasetError> {
    dataset(name, &rows_of(name, reader)?, columns, golds)
}

fn dataset(
    file: &str,
    rows: &[Row],
    columns: &Columns,
    golds: Golds,
) -> Result<Dataset, DatasetError> {
    let needed = golds == Golds::Needed;
    let found = columns::find(file, rows, columns, needed, |text| {
        is_read(&gold_of(text, false))
    })?;
    let mut reader = Reader {
        file,
        golds,
        found: &found,
        problems: Vec::new(),
        places: Vec::new(),
        ids: HashSet::new(),
        texts: HashMap::new(),
        twice: Twice::default(),
    };
    for (number, row) in rows.iter().enumerate() {
        reader.add(number, row)?;
    }
    let Reader {
        problems, twice, ..
    } = reader;
    let mut notes = unreadable(&problems, &found)
        .into_iter()
        .collect::<Vec<_>>();
    notes.extend(twice.notes(problems.len()));
    if let Some(options) = &found.options {
        notes.push(format!(
            "column `{}` is not part of the problems' text: the policy does not see it",
            options.name()
        ));
    }
    let question: Vec<String> = found.problem.iter().map(columns::Path::name).collect();
    let answer = found
        .answer
        .map_or(String::new(), |path| format!(" → {}", path.name()));
    Ok(Dataset {
        problems,
        columns: format!("{}{answer}", question.join(" + ")),
        notes,
    })
}

struct Reader<'r> {
    file: &'r str,
    golds: Golds,
    found: &'r Found,
    problems: Vec<Problem>,
    /// Where each of them stands, and the id that it has there.
    places: Vec<(Place, Option<String>)>,
    ids: HashSet<String>,
    /// The problems of each text.
    texts: HashMap<String, Vec<usize>>,
    twice: Twice,
}

impl Reader<'_> {
    fn add(&mut self, number: usize, row: &Row) -> Result<(), DatasetError> {
        let found = self.found;
        let text = self.text(row)?;
        let gold = match &found.answer {
            Some(path) => {
                let cell = path.of(&row.cells).and_then(text_of);
                match (cell, self.golds) {
                    (Some(cell), _) => gold_of(&cell, path.is_worked()),
                    (None, Golds::IfAny) => String::new(),
                    (None, Golds::Needed) => return Err(self.missing(row, "answer", &path.name())),
                }
            }
            None => String::new(),
        };
        let id = first(&found.id, &row.cells);
        if let Some(known) = self.texts.get(&text) {
            let same = known
                .iter()
                .copied()
                .find(|&own| self.problems[own].gold == gold && self.places[own].1 == id);
            // One id says that it is one problem; without ids every row counts, as in the papers.
            if let (Some(same), true) = (same, id.is_some() || self.golds == Golds::IfAny) {
                self.twice.rows.push((self.places[same].0, row.place));
                return Ok(());
            }
            let other = known.iter().copied().find(|&own| {
                let told = &self.problems[own].gold;
                !told.is_empty() && !gold.is_empty() && !Maths::equal(told, &gold)
            });
            match other {
                Some(other) => self.twice.golds.push((
                    self.places[other].0,
                    row.place,
                    [self.problems[other].gold.clone(), gold.clone()],
                )),
                None => self.twice.texts.push((self.places[known[0]].0, row.place)),
            }
        }
        let wanted = match (&id, self.golds) {
            (Some(id), _) => id.clone(),
            (None, Golds::IfAny) => text.clone(),
            (None, Golds::Needed) => format!("{}-{number}", stem(self.file)),
        };
        let own = self.distinct(&wanted);
        if own != wanted && id.is_some() {
            self.twice.ids.push((wanted, own.clone()));
        }
        self.texts
            .entry(text.clone())
            .or_default()
            .push(self.problems.len());
        self.places.push((row.place, id));
        self.problems.push(Problem {
            id: own,
            text,
            gold,
            level: first(&found.level, &row.cells).and_then(|level| level_of(&level)),
            subject: first(&found.subject, &row.cells),
        });
        Ok(())
    }

    fn text(&self, row: &Row) -> Result<String, DatasetError> {
        let mut text = String::new();
        let last = self.found.problem.len().saturating_sub(1);
        for (index, path) in self.found.problem.iter().enumerate() {
            let cell = path.of(&row.cells);
            let part = cell.and_then(|cell| text_of(cell).or_else(|| asked(cell)));
            match part {
                Some(part) => {
                    if !text.is_empty() {
                        // A sentence goes on; a passage stands apart.
                        text.push(if text.len() > 300 { '\n' } else { ' ' });
                    }
                    text.push_str(&part);
                }
                None if index == last && text.is_empty() => {
                    return Err(self.missing(row, "problem", &path.name()));
                }
                None => {}
            }
        }
        Ok(text)
    }

    fn missing(&self, row: &Row, what: &str, column: &str) -> DatasetError {
        DatasetError::Row {
            file: self.file.to_owned(),
            place: row.place,
            reason: format!("it has no {what} in column `{column}`"),
        }
    }

    /// The id, or with a number behind it if it is taken.
    fn distinct(&mut self, wanted: &str) -> String {
        let mut own = wanted.to_owned();
        let mut count = 1;
        while !self.ids.insert(own.clone()) {
            count += 1;
            own = format!("{wanted}#{count}");
        }
        own
    }
}

/// What stands in a problem set more than once.
#[derive(Default)]
struct Twice {
    /// Whole rows: the first, and the one that was left out.
    rows: Vec<(Place, Place)>,
    /// Texts under different ids.
    texts: Vec<(Place, Place)>,
    /// Texts with different answers.
    golds: Vec<(Place, Place, [String; 2])>,
    /// Ids of different problems, and what the later one is called.
    ids: Vec<(String, String)>,
}

impl Twice {
    fn notes(&self, left: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let count = |number: usize, one: &str, more: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {more}"),
        };
        if let Some((first, again)) = self.rows.first() {
            notes.push(format!(
                "{} an earlier one (for example {again} is {first} again); each problem is used once, which leaves {left}",
                count(self.rows.len(), "row repeats", "rows repeat"),
            ));
        }
        if let Some((first, again)) = self.texts.first() {
            notes.push(format!(
                "{} an earlier one's text and answer (for example {again} those of {first}); all are used",
                count(self.texts.len(), "problem has", "problems have"),
            ));
        }
        if let Some((first, again, [one, other])) = self.golds.first() {
            notes.push(format!(
                "{} what an earlier one asks and has another answer (for example {first} `{}` and {again} `{}`); all are used, and not all can be right",
                count(self.golds.len(), "problem asks", "problems ask"),
                short(one),
                short(other),
            ));
        }
        if let Some((id, own)) = self.ids.first() {
            notes.push(format!(
                "{} another problem's (for example `{id}`, which is called `{own}` the second time)",
                count(self.ids.len(), "id is", "ids are"),
            ));
        }
        notes
    }
}

/// How many golds only the same text can match.
fn unreadable(problems: &[Problem], found: &Found) -> Option<String> {
    let golds = problems
        .iter()
        .map(|problem| &problem.gold)
        .filter(|gold| !gold.is_empty());
    let all = golds.clone().count();
    let unread: Vec<&String> = golds.filter(|gold| !is_read(gold)).collect();
    Some(format!(
        "{} of {all} answers in column `{}` cannot be read as mathematics, for example `{}`; only identical text will match",
        unread.len(),
        found.answer.as_ref()?.name(),
        short(unread.first()?),
    ))
}

/// The start of a text, in one line.
fn short(text: &str) -> String {
    /// Characters shown.
    const SHOWN: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Is it mathematics, or a name of a few words? Longer prose is no answer that a model would give word for word.
fn is_read(gold: &str) -> bool {
    /// Words of the longest name.
    const NAME: usize = 4;
    match Answer::parse(gold).readings.first() {
        None | Some(Value::Unread(_)) => false,
        Some(Value::Text(text)) => text.split_whitespace().count() <= NAME,
        Some(_) => true,
    }
}

/// The answer in a cell. A worked solution ends with it: in a box, behind `####`, or in words.
pub(crate) fn gold_of(cell: &str, worked: bool) -> String {
    let whole = || cell.trim().to_owned();
    if !worked {
        return without_unit(&extract_gold(cell).unwrap_or_else(whole)).to_owned();
    }
    match extract(cell) {
        Some(found) if found.source == Source::Box => found.text,
        found => {
            let own = extract_gold(cell).filter(|own| own.len() < cell.trim().len());
            own.or(found.map(|found| found.text)).unwrap_or_else(whole)
        }
    }
}

/// The number of `9 (apples)`, as ASDiv writes it.
fn without_unit(gold: &str) -> &str {
    let split = gold
        .strip_suffix(')')
        .and_then(|bare| bare.split_once(" ("));
    match split {
        Some((number, unit))
            if number.parse::<f64>().is_ok() && unit.starts_with(char::is_alphabetic) =>
        {
            number
        }
        _ => gold,
    }
}

/// The file's name without folders and endings.
fn stem(file: &str) -> String {
    let bare = file.strip_suffix(".gz").unwrap_or(file);
    let stem = Path::new(bare).file_stem();
    stem.map_or("problem".into(), |stem| stem.to_string_lossy().into_owned())
}

fn first(paths: &[columns::Path], cells: &Cells) -> Option<String> {
    paths.iter().find_map(|path| {
        let cell = path.of(cells)?;
        // Some databases write ids as objects.
        text_of(cell).or_else(|| cell.is_object().then(|| cell.to_string()))
    })
}

/// `3` or `Level 3`.
fn level_of(text: &str) -> Option<i64> {
    text.trim().trim_start_matches("Level").trim().parse().ok()
}

#[cfg(test)]
mod tests;
