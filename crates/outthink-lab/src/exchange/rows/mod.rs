//! Rows of named cells, in whatever form a file has them: JSON lines, a JSON array or object, a table with commas, semicolons
//! or tabs, Parquet; plain or as `.gz`. What a file holds decides, not what its name ends with.

mod encoding;
mod json;
mod lines;
mod table;

use std::fmt;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::exchange::columns;
use crate::exchange::dataset::DatasetError;
pub use lines::json_lines;

/// No file of rows is larger, packed or not.
const LARGEST: u64 = 2 << 30;

/// A pipe does not say how much is to come, and need not end.
const PIPED: u64 = 256 << 20;

/// Where a row stands, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this line of the text.
    Line(usize),
    /// As this row, where there are no lines.
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// Cells by the names of their columns.
pub type Cells = Map<String, Value>;

/// A row with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where it stands.
    pub place: Place,
    /// What it holds.
    pub cells: Cells,
}

/// What is wrong with the rows of a text.
#[derive(Debug, PartialEq)]
struct Bad {
    place: Place,
    reason: String,
}

impl Bad {
    fn line(line: usize, reason: impl Into<String>) -> Self {
        Self {
            place: Place::Line(line),
            reason: reason.into(),
        }
    }

    fn of(self, file: &str) -> DatasetError {
        DatasetError::Row {
            file: file.to_owned(),
            place: self.place,
            reason: self.reason,
        }
    }
}

/// The rows of a file.
pub fn read_rows(file: &Path) -> Result<Vec<Row>, DatasetError> {
    let name = file.display().to_string();
    let told = |source| DatasetError::File {
        file: name.clone(),
        source,
    };
    let about = std::fs::metadata(file).map_err(told)?;
    if about.is_dir() {
        return Err(DatasetError::Kind {
            file: name,
            is: "a folder; name a file in it".into(),
        });
    }
    let opened = outthink_core::file::open(file).map_err(told)?;
    match about.is_file() {
        true => rows_within(&name, opened, LARGEST),
        false => rows_of(&name, opened),
    }
}

/// The rows of what is read; the name is for messages, and a hint where the contents leave it open.
pub fn rows_of(name: &str, reader: impl Read) -> Result<Vec<Row>, DatasetError> {
    rows_within(name, reader, PIPED)
}

fn rows_within(name: &str, reader: impl Read, most: u64) -> Result<Vec<Row>, DatasetError> {
    let bytes = encoding::unpacked(name, reader, most)?;
    let rows = if bytes.starts_with(b"PAR1") {
        parquet(name, bytes)?
    } else {
        let text = encoding::text(name, bytes)?;
        text_rows(name, &text).map_err(|bad| bad.of(name))?
    };
    let rows = unwrapped(rows);
    if rows.is_empty() {
        return Err(DatasetError::Empty {
            file: name.to_owned(),
        });
    }
    Ok(rows)
}

/// The rows of bytes as they stand there: one object is one row, whatever lists it holds.
pub(crate) fn plain_rows(name: &str, bytes: &[u8]) -> Result<Vec<Row>, DatasetError> {
    let bytes = encoding::unpacked(name, bytes, LARGEST)?;
    if bytes.starts_with(b"PAR1") {
        return parquet(name, bytes);
    }
    let text = encoding::text(name, bytes)?;
    let rows = match text.trim_start().starts_with(['{', '[']) {
        true => json::plain_rows(&text),
        false => text_rows(name, &text),
    };
    rows.map_err(|bad| bad.of(name))
}

fn parquet(name: &str, bytes: Vec<u8>) -> Result<Vec<Row>, DatasetError> {
    let rows =
        crate::exchange::parquet_file::rows_of(bytes).map_err(|reason| DatasetError::Parquet {
            file: name.to_owned(),
            reason,
        })?;
    let numbered = rows.into_iter().zip(1..);
    Ok(numbered
        .map(|(cells, row)| Row {
            place: Place::Row(row),
            cells,
        })
        .collect())
}

fn text_rows(name: &str, text: &str) -> Result<Vec<Row>, Bad> {
    let ends = name.strip_suffix(".gz").unwrap_or(name);
    let kind = ends.rsplit_once('.').map_or("", |(_, kind)| kind);
    let kind = kind.to_ascii_lowercase();
    let is_table = matches!(kind.as_str(), "csv" | "tsv" | "tab");
    let start = text.trim_start();
    match start.chars().next() {
        None => Ok(Vec::new()),
        Some('{' | '[') if !is_table || json::is_json(start) => json::rows(text),
        Some(_) if matches!(kind.as_str(), "json" | "jsonl" | "ndjson") => {
            let before = &text[..text.len() - start.len()];
            Err(Bad::line(
                1 + before.matches('\n').count(),
                "this is no JSON: it starts with neither `{` nor `[`",
            ))
        }
        Some(_) => table::rows(text, is_table),
    }
}

/// The datasets server of the hub puts each row under `row`.
fn unwrapped(mut rows: Vec<Row>) -> Vec<Row> {
    let wrapped = |row: &Row| {
        row.cells.get("row").is_some_and(Value::is_object)
            && !row.cells.keys().any(|key| columns::asks(key))
    };
    if rows.iter().all(wrapped) {
        for row in &mut rows {
            if let Some(Value::Object(cells)) = row.cells.remove("row") {
                row.cells = cells;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests;
