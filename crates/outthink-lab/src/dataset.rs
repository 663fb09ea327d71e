//! Problem sets in the layouts in which they are met: one JSON object a line, or CSV with a header.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

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
    /// A line that cannot be read.
    #[error("{file} line {line}: {reason}")]
    Line {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A column is not there.
    #[error("{file} has no column for the {what}; it has {known}: name one with --{what}-column")]
    Column {
        /// Which file.
        file: String,
        /// `problem` or `answer`.
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
    #[error("{file} is no problem set: its name ends with none of .jsonl, .csv, .parquet")]
    Kind {
        /// Which file.
        file: String,
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

/// Which columns hold problem and answer, where they are not to be guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The problem's.
    pub problem: Option<String>,
    /// The answer's.
    pub answer: Option<String>,
}

/// The usual names, the surest first.
const PROBLEM: [&str; 6] = [
    "problem", "question", "Problem", "Question", "prompt", "input",
];
const ANSWER: [&str; 8] = [
    "answer",
    "Answer",
    "extracted_groundtruth",
    "final_answer",
    "gold",
    "target",
    "expected_answer",
    "solution",
];
const ID: [&str; 5] = ["unique_id", "id", "ID", "problem_id", "url"];
const LEVEL: [&str; 2] = ["level", "difficulty"];
const SUBJECT: [&str; 4] = ["subject", "type", "category", "kind"];

/// Reads a problem set from a `.jsonl` (or `.json`), `.csv` or `.parquet` file.
pub fn read_dataset(file: &Path, columns: &Columns) -> Result<Vec<Problem>, DatasetError> {
    let name = file.display().to_string();
    let kind = file
        .extension()
        .and_then(|kind| kind.to_str())
        .unwrap_or_default();
    let rows = match kind {
        "jsonl" | "json" | "ndjson" => json_lines(file, &name)?,
        "csv" => csv_rows(file, &name)?,
        "parquet" => crate::parquet_file::rows(file).map_err(|reason| DatasetError::Parquet {
            file: name.clone(),
            reason,
        })?,
        _ => return Err(DatasetError::Kind { file: name }),
    };
    problems(&name, rows, columns)
}

type Rows = Vec<(usize, Map<String, Value>)>;

fn open(file: &Path, name: &str) -> Result<File, DatasetError> {
    File::open(file).map_err(|source| DatasetError::File {
        file: name.to_owned(),
        source,
    })
}

fn json_lines(file: &Path, name: &str) -> Result<Rows, DatasetError> {
    let mut rows = Vec::new();
    for (line, number) in BufReader::new(open(file, name)?).lines().zip(1..) {
        let bad = |reason: String| DatasetError::Line {
            file: name.to_owned(),
            line: number,
            reason,
        };
        let line = line.map_err(|error| bad(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = serde_json::from_str(&line).map_err(|error| bad(error.to_string()))?;
        rows.push((number, row));
    }
    Ok(rows)
}

fn csv_rows(file: &Path, name: &str) -> Result<Rows, DatasetError> {
    let bad = |line: usize, error: csv::Error| DatasetError::Line {
        file: name.to_owned(),
        line,
        reason: error.to_string(),
    };
    let mut reader = csv::Reader::from_reader(open(file, name)?);
    let header = reader.headers().map_err(|error| bad(1, error))?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| bad(rows.len() + 2, error))?;
        let line = record.position().map_or(0, |place| place.line() as usize);
        let cells = header.iter().zip(record.iter());
        let row = cells.map(|(column, cell)| (column.to_owned(), Value::String(cell.to_owned())));
        rows.push((line, row.collect()));
    }
    Ok(rows)
}

fn problems(name: &str, rows: Rows, columns: &Columns) -> Result<Vec<Problem>, DatasetError> {
    let Some((_, first)) = rows.first() else {
        return Err(DatasetError::Empty {
            file: name.to_owned(),
        });
    };
    let pick = |named: &Option<String>, usual: &[&str], what| {
        let known = |column: &str| first.contains_key(column);
        let found = match named {
            Some(column) => known(column).then(|| column.clone()),
            None => usual
                .iter()
                .find(|column| known(column))
                .map(|&column| column.to_owned()),
        };
        let keys: Vec<&str> = first.keys().map(String::as_str).collect();
        found.ok_or_else(|| DatasetError::Column {
            file: name.to_owned(),
            what,
            known: keys.join(", "),
        })
    };
    let problem_column = pick(&columns.problem, &PROBLEM, "problem")?;
    let answer_column = pick(&columns.answer, &ANSWER, "answer")?;
    let stem = Path::new(name)
        .file_stem()
        .map_or("problem".into(), |stem| stem.to_string_lossy());
    let mut problems = Vec::with_capacity(rows.len());
    for (line, row) in &rows {
        let missing = |column: &str| DatasetError::Line {
            file: name.to_owned(),
            line: *line,
            reason: format!("it has no text in column `{column}`"),
        };
        let text = row.get(&problem_column).and_then(text_of);
        let text = text.ok_or_else(|| missing(&problem_column))?;
        let answer = row.get(&answer_column).and_then(text_of);
        let answer = answer.ok_or_else(|| missing(&answer_column))?;
        // A worked solution in the place of an answer ends with one.
        let gold = match answer_column.as_str() {
            "solution" => outthink_answer::extract(&answer).map_or(answer, |found| found.text),
            _ => answer,
        };
        let usual = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| row.get(*name).and_then(text_of))
        };
        problems.push(Problem {
            id: usual(&ID).unwrap_or_else(|| format!("{stem}-{}", problems.len())),
            text: text.trim().to_owned(),
            gold: gold.trim().to_owned(),
            level: usual(&LEVEL).and_then(|level| level_of(&level)),
            subject: usual(&SUBJECT),
        });
    }
    Ok(problems)
}

/// A cell as text. A whole number that was written as a float (`27.0`) is that whole number.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => format!("{float:.0}"),
            _ => number.to_string(),
        }),
        _ => None,
    }
}

/// `3` or `Level 3`.
fn level_of(text: &str) -> Option<i64> {
    text.trim().trim_start_matches("Level").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[&str]) -> Result<Vec<Problem>, DatasetError> {
        let rows = rows.iter().zip(1..);
        let parsed = rows.map(|(row, line)| (line, serde_json::from_str(row).expect("json")));
        problems("set.jsonl", parsed.collect(), &Columns::default())
    }

    #[test]
    fn every_layout_of_the_benchmarks_is_read() {
        let found = read(&[
            r#"{"problem": "p", "solution": "so \\boxed{2}", "answer": "2", "level": "Level 3", "unique_id": "a/1", "subject": "Algebra"}"#,
            r#"{"problem": "p", "solution": "x", "answer": "2", "level": 4, "unique_id": "a/2", "subject": "Algebra"}"#,
        ]);
        let found = found.expect("rows");
        assert_eq!((found[0].level, found[1].level), (Some(3), Some(4)));
        assert_eq!(found[0].id, "a/1");
        let amc = read(&[
            r#"{"problem": "p", "solution": 27.0, "extracted_groundtruth": 27.0, "url": "u"}"#,
        ]);
        assert_eq!(amc.expect("rows")[0].gold, "27");
        let aime = read(&[
            r#"{"problem": "p", "solution": "s", "extracted_groundtruth": "025", "url": "u"}"#,
        ]);
        assert_eq!(aime.expect("rows")[0].gold, "025");
        let worked = read(&[r#"{"question": "p", "solution": "so it is \\boxed{\\frac12}"}"#]);
        assert_eq!(worked.expect("rows")[0].gold, r"\frac12");
    }

    #[test]
    fn what_is_missing_is_named() {
        let told = read(&[r#"{"text": "p", "answer": 1}"#])
            .expect_err("no problem")
            .to_string();
        assert!(
            told.contains("answer, text") && told.contains("--problem-column"),
            "{told}"
        );
        let told = read(&[r#"{"problem": "p", "answer": 1}"#, r#"{"problem": "q"}"#]);
        assert!(told.expect_err("no answer").to_string().contains("line 2"));
    }
}
