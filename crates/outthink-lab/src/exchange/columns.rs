//! What columns of problem sets are called, and which of a file's hold problem and answer.

use serde_json::Value;

use crate::exchange::dataset::{Columns, DatasetError};
use crate::exchange::rows::{Cells, Row};

/// Names of columns with problems, the surest first. Case and what stands between words do not count.
const PROBLEM: [&str; 14] = [
    "problem",
    "question",
    "prompt",
    "input",
    "query",
    "problemstatement",
    "problemtext",
    "questiontext",
    "originalquestion",
    "questioncontent",
    "instruction",
    "squestion",
    "content",
    "task",
];
/// Names of columns with answers.
const ANSWER: [&str; 20] = [
    "answer",
    "extractedgroundtruth",
    "finalanswer",
    "gold",
    "target",
    "expectedanswer",
    "groundtruth",
    "goldanswer",
    "correctanswer",
    "trueanswer",
    "referenceanswer",
    "finalans",
    "answernumber",
    "numericanswer",
    "expected",
    "reference",
    "gt",
    "ans",
    "lsolutions",
    "solution",
];
/// Names of columns that hold answers only where nothing else does: a model's output and a step's label are called so as well.
const PERHAPS: [&str; 6] = [
    "correct",
    "label",
    "response",
    "output",
    "completion",
    "rationale",
];
/// Columns with a worked solution, which ends with the answer.
const WORKED: [&str; 5] = ["solution", "response", "output", "completion", "rationale"];
/// What is read before the question, as part of the problem.
const BEFORE: [&str; 4] = ["body", "context", "passage", "instruction"];
/// What the question cannot be answered without, and is not shown.
const OPTIONS: [&str; 2] = ["options", "choices"];

const ID: [&str; 4] = ["uniqueid", "id", "problemid", "url"];
const LEVEL: [&str; 2] = ["level", "difficulty"];
const SUBJECT: [&str; 4] = ["subject", "type", "category", "kind"];

/// `Final Answer`, `final_answer` and `finalAnswer` are one name.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// Is it the name of a column with problems?
pub(crate) fn asks(name: &str) -> bool {
    PROBLEM.contains(&plain(name).as_str())
}

/// Which of a row's cells is meant, as keys from the outside in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<String>);

impl Path {
    pub(crate) fn of<'c>(&self, cells: &'c Cells) -> Option<&'c Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter()
            .try_fold(cells.get(first)?, |value, key| value.get(key))
    }

    pub(crate) fn name(&self) -> String {
        self.0.join(".")
    }

    fn last(&self) -> String {
        self.0.last().map_or(String::new(), |name| plain(name))
    }

    /// Does it hold worked solutions, by its name?
    pub(crate) fn is_worked(&self) -> bool {
        WORKED.contains(&self.last().as_str())
    }
}

/// The columns of a file by what they hold.
#[derive(Debug)]
pub(crate) struct Found {
    /// Read one after the other as the problem.
    pub(crate) problem: Vec<Path>,
    pub(crate) answer: Option<Path>,
    pub(crate) id: Vec<Path>,
    pub(crate) level: Vec<Path>,
    pub(crate) subject: Vec<Path>,
    /// Options of a choice, which are not part of the problem.
    pub(crate) options: Option<Path>,
}

/// All columns of some rows, those inside of others as well.
struct Known<'r> {
    rows: &'r [Row],
    paths: Vec<Path>,
}

impl<'r> Known<'r> {
    /// Rows that are looked at to choose columns.
    const SOME: usize = 1000;
    /// How deep a column may lie.
    const DEEP: usize = 3;

    fn of(rows: &'r [Row]) -> Self {
        let mut known = Self {
            rows: &rows[..rows.len().min(Self::SOME)],
            paths: Vec::new(),
        };
        for row in known.rows {
            known.add(&row.cells, &mut Vec::new());
        }
        known
    }

    fn add(&mut self, cells: &Cells, outer: &mut Vec<String>) {
        for (key, value) in cells {
            outer.push(key.clone());
            let is_new = !self.paths.iter().any(|path| path.0 == *outer);
            if is_new {
                self.paths.push(Path(outer.clone()));
            }
            if let Value::Object(inner) = value
                && outer.len() < Self::DEEP
            {
                self.add(inner, outer);
            }
            outer.pop();
        }
    }

    /// Does the column hold text in some row?
    fn holds(&self, path: &Path, text: impl Fn(&Value) -> Option<String>) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| path.of(&row.cells));
        cells.any(|value| text(value).is_some())
    }

    /// The columns of these names, the surest first; at the top, or inside of others.
    fn called(&self, names: &[&str], inside: bool) -> Vec<&Path> {
        let mut found = Vec::new();
        for name in names {
            let own = self.paths.iter();
            let own = own.filter(|path| (path.0.len() > 1) == inside && path.last() == *name);
            // As it stands there, before other ways to write it.
            let (exact, other): (Vec<&Path>, Vec<&Path>) =
                own.partition(|path| path.0.last().is_some_and(|own| own == name));
            found.extend(exact);
            found.extend(other);
        }
        found
    }

    fn named(&self, name: &str) -> Option<Path> {
        let paths = || self.paths.iter();
        let whole = paths().find(|path| path.0.len() == 1 && path.0[0] == name);
        whole
            .or_else(|| paths().find(|path| path.name() == name))
            .cloned()
    }

    fn names(&self) -> String {
        let top = self.paths.iter().filter(|path| path.0.len() == 1);
        let names: Vec<String> = top.map(Path::name).collect();
        names.join(", ")
    }

    /// The first of the columns that hold text; inside of others only if there is one, or if they agree.
    fn first(
        &self,
        names: &[&str],
        text: impl Fn(&Value) -> Option<String>,
    ) -> Result<Option<Path>, Vec<String>> {
        let top = self.called(names, false);
        if let Some(path) = top.into_iter().find(|path| self.holds(path, &text)) {
            return Ok(Some(path.clone()));
        }
        for name in names {
            let inside = self.called(&[name], true);
            let mut inside = inside.into_iter().filter(|path| self.holds(path, &text));
            let Some(first) = inside.next() else { continue };
            let agrees = |other: &&Path| {
                let own = |row: &Row| first.of(&row.cells).and_then(&text);
                self.rows
                    .iter()
                    .all(|row| own(row) == other.of(&row.cells).and_then(&text))
            };
            let others: Vec<String> = inside
                .filter(|path| !agrees(path))
                .map(Path::name)
                .collect();
            if others.is_empty() {
                return Ok(Some(first.clone()));
            }
            return Err([vec![first.name()], others].concat());
        }
        Ok(None)
    }
}

/// Finds the columns: those that are named, else those of the usual names that hold something. An answer is not needed
/// where `needed` says so.
pub(crate) fn find(
    file: &str,
    rows: &[Row],
    columns: &Columns,
    needed: bool,
    readable: impl Fn(&str) -> bool,
) -> Result<Found, DatasetError> {
    let known = Known::of(rows);
    let missing = |what, candidates: &[String]| DatasetError::Column {
        file: file.to_owned(),
        what,
        known: match candidates {
            [] => format!("it has {}", known.names()),
            several => format!("several could be it: {}", several.join(", ")),
        },
    };
    let named = |what, name: &String| known.named(name).ok_or_else(|| missing(what, &[]));
    let problem = match &columns.problem {
        Some(name) => vec![named("problem", name)?],
        None => problem(&known)
            .map_err(|several| missing("problem", &several))?
            .ok_or_else(|| missing("problem", &[]))?,
    };
    let answer = match &columns.answer {
        Some(name) => Some(named("answer", name)?),
        None => answer(&known, &problem, needed, readable)
            .map_err(|several| missing("answer", &several))?,
    };
    if needed && answer.is_none() {
        return Err(missing("answer", &[]));
    }
    let all = |names: &[&str]| known.called(names, false).into_iter().cloned().collect();
    let id = match &columns.id {
        Some(name) => vec![named("id", name)?],
        None => all(&ID),
    };
    let options = known.called(&OPTIONS, false).into_iter();
    let mut options = options.filter(|path| {
        let mut cells = known.rows.iter().filter_map(|row| path.of(&row.cells));
        cells.any(|value| !value.is_null() && *value != "")
    });
    Ok(Found {
        options: options.next().cloned(),
        problem,
        answer,
        id,
        level: all(&LEVEL),
        subject: all(&SUBJECT),
    })
}

fn problem(known: &Known<'_>) -> Result<Option<Vec<Path>>, Vec<String>> {
    let plain_text = |value: &Value| text_of(value).filter(|_| !value.is_array());
    let question = match known.first(&PROBLEM, plain_text) {
        // A conversation whose user says one thing.
        Ok(None) => known.first(
            &[&PROBLEM[..], &["messages", "conversation"]].concat(),
            asked,
        )?,
        found => found?,
    };
    let Some(question) = question else {
        return Ok(None);
    };
    let before = known.called(&BEFORE, false).into_iter().find(|path| {
        **path != question
            && question.0.len() == 1
            && known.holds(path, |value| value.as_str().and_then(kept))
    });
    Ok(Some(
        before.into_iter().cloned().chain([question]).collect(),
    ))
}

/// The first column of the usual names; one that cannot be read for the most part gives way to one that can.
fn answer(
    known: &Known<'_>,
    problem: &[Path],
    needed: bool,
    readable: impl Fn(&str) -> bool,
) -> Result<Option<Path>, Vec<String>> {
    let (solution, sure) = ANSWER
        .split_last()
        .map_or(("", &[][..]), |(last, rest)| (*last, rest));
    let is_free = |path: &&Path| !problem.contains(path) && known.holds(path, text_of);
    let top: Vec<&Path> = known
        .called(sure, false)
        .into_iter()
        .filter(is_free)
        .collect();
    let is_read = |path: &&&Path| {
        let cells = known
            .rows
            .iter()
            .filter_map(|row| path.of(&row.cells).and_then(text_of));
        let cells: Vec<String> = cells.collect();
        cells.iter().filter(|text| readable(text)).count() * 2 >= cells.len()
    };
    if let Some(path) = top.iter().find(is_read).or(top.first()) {
        return Ok(Some((*path).clone()));
    }
    if let Some(path) = known.first(&[solution], text_of)? {
        return Ok(Some(path));
    }
    if let Some(path) = known.first(sure, text_of)? {
        return Ok(Some(path));
    }
    let labelled = !known.called(&["steps"], false).is_empty();
    match needed && !labelled {
        // That something is correct is no answer.
        true => known.first(&PERHAPS, |value| {
            text_of(value).filter(|_| !value.is_boolean())
        }),
        false => Ok(None),
    }
}

fn kept(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A cell as text. A whole number that was written as a float (`27.0`) is that whole number; a list of one is its one.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => kept(text),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if number.is_f64() && float.abs() < 1e21 => float.to_string(),
            _ => number.to_string(),
        }),
        Value::Array(items) => match items.as_slice() {
            [one] if !one.is_array() => text_of(one),
            _ => None,
        },
        _ => None,
    }
}

/// What the user asks in a conversation of one question.
pub(crate) fn asked(value: &Value) -> Option<String> {
    let said = |message: &Value, key: &str| -> Option<String> {
        let said = message.get(key)?;
        match said.as_array() {
            Some(parts) => {
                let parts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                kept(&parts.collect::<Vec<_>>().join("\n"))
            }
            None => text_of(said),
        }
    };
    let mut questions = value.as_array()?.iter().filter_map(|message| {
        let by = said(message, "role").or_else(|| said(message, "from"))?;
        matches!(by.as_str(), "user" | "human")
            .then(|| said(message, "content").or_else(|| said(message, "value")))
    });
    match (questions.next(), questions.next()) {
        (Some(question), None) => question,
        _ => None,
    }
}
