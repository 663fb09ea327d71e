//! Rows written as a table with a header: commas, semicolons, tabs or bars between the cells.

use csv::{ReaderBuilder, StringRecord};
use serde_json::Value;

use super::{Bad, Place, Row};
use crate::exchange::columns;

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A table in one reading.
struct Table {
    header: Vec<String>,
    records: Vec<(usize, StringRecord)>,
}

impl Table {
    fn read(text: &str, separator: u8, first_line: usize) -> Result<Self, Bad> {
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            .flexible(true)
            .has_headers(false)
            .from_reader(text.as_bytes());
        let mut records = Vec::new();
        let (mut at, mut line) = (0, first_line);
        for record in reader.records() {
            let record = record.map_err(|error| Bad::line(first_line, error.to_string()))?;
            // A record begins after the blank lines before it.
            let place = record.position().map_or(at, |place| place.byte() as usize);
            let blank = text[place..].len() - text[place..].trim_start_matches(['\r', '\n']).len();
            line += text[at..place + blank].matches('\n').count();
            at = place + blank;
            if record.iter().any(|cell| !cell.trim().is_empty()) {
                records.push((line, record));
            }
        }
        let mut rows = records.into_iter();
        let header = rows.next().map(|(_, header)| header).unwrap_or_default();
        Ok(Self {
            header: header.iter().map(|name| name.trim().to_owned()).collect(),
            records: rows.collect(),
        })
    }

    /// How many rows are as wide as the header, in a thousand.
    fn fit(&self) -> usize {
        let fits = |record: &StringRecord| record.len() == self.header.len();
        let fitting = self
            .records
            .iter()
            .filter(|(_, record)| fits(record))
            .count();
        fitting * 1000 / self.records.len().max(1)
    }

    fn names_a_problem(&self) -> bool {
        self.header.iter().any(|name| columns::asks(name))
    }

    fn rows(self) -> Result<Vec<Row>, Bad> {
        let width = self.header.len();
        let mut rows = Vec::new();
        for (line, record) in self.records {
            let empty = |cell: &str| cell.trim().is_empty();
            if record.len() < width || record.iter().skip(width).any(|cell| !empty(cell)) {
                return Err(Bad::line(
                    line,
                    format!(
                        "{} cell{}, where the header has {width}; a cell with a separator or a line break in it stands in double quotes",
                        record.len(),
                        if record.len() == 1 { "" } else { "s" }
                    ),
                ));
            }
            let cells = self.header.iter().zip(record.iter());
            rows.push(Row {
                place: Place::Line(line),
                cells: cells
                    .map(|(name, cell)| (name.clone(), Value::String(cell.to_owned())))
                    .collect(),
            });
        }
        Ok(rows)
    }
}

/// The rows of a table. What is not called one must have a column that is known to hold problems.
pub(super) fn rows(text: &str, is_table: bool) -> Result<Vec<Row>, Bad> {
    // Spreadsheets may say the separator first.
    let first = text.lines().next().unwrap_or_default().trim();
    let said = first
        .strip_prefix("sep=")
        .and_then(|said| match said.as_bytes() {
            [separator] => Some(*separator),
            _ => None,
        });
    let (text, first_line) = match said {
        Some(_) => (text.split_once('\n').map_or("", |(_, rest)| rest), 2),
        None => (text, 1),
    };
    let tried: Vec<u8> = said.map_or(SEPARATORS.to_vec(), |separator| vec![separator]);
    let tables: Result<Vec<Table>, Bad> = tried
        .into_iter()
        .map(|separator| Table::read(text, separator, first_line))
        .collect();
    // The first of the best.
    let best = tables?.into_iter().rev().max_by_key(|table| {
        let columns = table.header.len() > 1;
        (
            table.names_a_problem(),
            columns,
            table.fit(),
            table.header.len(),
        )
    });
    match best {
        Some(table) if is_table || table.names_a_problem() => table.rows(),
        _ => Err(Bad::line(
            1,
            "this is neither JSON nor a table whose first line names a column with problems (`problem`, `question`, …)",
        )),
    }
}
