//! Rows written as JSON: an object per line, objects after one another, an array of them, or one object that holds them.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Bad, Cells, Place, Row};
use crate::exchange::columns;

pub(super) fn rows(text: &str) -> Result<Vec<Row>, Bad> {
    let rows = plain_rows(text)?;
    if text.trim_start().starts_with('[') {
        return Ok(rows);
    }
    let [Row { cells, .. }] = rows.as_slice() else {
        return Ok(rows);
    };
    match held(cells)? {
        Some(held) => Ok(held),
        None => Ok(rows),
    }
}

/// The objects as they stand there.
pub(super) fn plain_rows(text: &str) -> Result<Vec<Row>, Bad> {
    if text.trim_start().starts_with('[') {
        return array(text);
    }
    match lines(text).next() {
        Some((_, line)) if is_object(line) => by_line(text),
        _ => one_after_another(text),
    }
}

/// The lines that are not blank, with their numbers. A mark of encoding in the middle comes from files that were joined.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split('\n')
        .map(|line| line.trim_start_matches('\u{feff}').trim())
        .zip(1..)
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| (number, line))
}

/// Is it JSON, as a whole or in its first line?
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
        || lines(text).next().is_some_and(|(_, line)| is_object(line))
}

fn is_object(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<IgnoredAny>(line.trim_end_matches(',')).is_ok()
}

fn by_line(text: &str) -> Result<Vec<Row>, Bad> {
    let mut rows = Vec::new();
    for (number, line) in lines(text) {
        let cells = object(line.trim_end_matches(','));
        let cells = cells.map_err(|(_, reason)| Bad::line(number, reason))?;
        rows.push(Row {
            place: Place::Line(number),
            cells,
        });
    }
    Ok(rows)
}

/// An object, or on which of its lines it is none, and why.
fn object(text: &str) -> Result<Cells, (usize, String)> {
    let read = serde_json::from_str::<Cells>(text);
    let read = read.or_else(|error| match without_nan(text) {
        Some(clean) => serde_json::from_str(&clean),
        None => Err(error),
    });
    read.map_err(|error| told(&error, text))
}

/// What an error says, and on which line of the text; the column stands with it, in characters.
fn told(error: &serde_json::Error, text: &str) -> (usize, String) {
    let whole = error.to_string();
    let reason = whole
        .rsplit_once(" at line ")
        .map_or(whole.as_str(), |(reason, _)| reason);
    let reason = match reason.split_once("invalid type: ") {
        Some((_, rest)) => format!(
            "a row is an object, not {}",
            rest.split(',').next().unwrap_or(rest)
        ),
        None => reason.to_owned(),
    };
    let line = text.split('\n').nth(error.line().saturating_sub(1));
    let before = line.and_then(|line| line.get(..error.column()));
    let column = before.map_or(error.column(), |before| before.chars().count());
    (error.line(), format!("{reason} (column {})", column.max(1)))
}

fn array(text: &str) -> Result<Vec<Row>, Bad> {
    let clean;
    let mut text = text;
    let mut items = serde_json::from_str::<Vec<&RawValue>>(text);
    if items.is_err()
        && let Some(without) = without_nan(text)
    {
        clean = without;
        text = &clean;
        items = serde_json::from_str(text);
    }
    let items = items.map_err(|error| {
        let (line, reason) = told(&error, text);
        Bad::line(line, reason)
    })?;
    let mut rows = Vec::new();
    let (mut at, mut line) = (0, 1);
    for item in items {
        let start = item.get().as_ptr() as usize - text.as_ptr() as usize;
        line += text[at..start].matches('\n').count();
        at = start;
        let cells = object(item.get());
        let cells = cells.map_err(|(own, reason)| Bad::line(line + own - 1, reason))?;
        rows.push(Row {
            place: Place::Line(line),
            cells,
        });
    }
    Ok(rows)
}

/// Objects that each may take several lines.
fn one_after_another(text: &str) -> Result<Vec<Row>, Bad> {
    let clean = without_nan(text);
    let text = clean.as_deref().unwrap_or(text);
    let mut rows = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Cells>();
    let mut line = 1;
    let mut at = 0;
    loop {
        let next = at + text[at..].len() - text[at..].trim_start().len();
        line += text[at..next].matches('\n').count();
        at = next;
        let Some(value) = values.next() else {
            return Ok(rows);
        };
        let cells = value.map_err(|error| {
            // A line that should be a row, among others that are.
            let alone = lines(text).skip(1).any(|(_, line)| is_object(line));
            match lines(text).next().filter(|_| alone && rows.is_empty()) {
                Some((number, line)) => {
                    let reason = object(line)
                        .err()
                        .map_or(String::new(), |(_, reason)| reason);
                    Bad::line(number, reason)
                }
                None => {
                    let (line, reason) = told(&error, text);
                    Bad::line(line, reason)
                }
            }
        })?;
        rows.push(Row {
            place: Place::Line(line),
            cells,
        });
        let end = values.byte_offset();
        line += text[at..end].matches('\n').count();
        at = end;
    }
}

/// The rows that one object holds, if it is not a row itself.
fn held(object: &Cells) -> Result<Option<Vec<Row>>, Bad> {
    let asks = |cells: &Cells| {
        cells
            .iter()
            .any(|(key, value)| columns::asks(key) && value.is_string())
    };
    if asks(object) {
        return Ok(None);
    }
    if let Some(rows) = by_column(object) {
        return Ok(Some(numbered(rows)));
    }
    // What is said in a conversation is no row.
    let is_row = |cells: &Cells| {
        cells.keys().any(|key| columns::asks(key))
            && !cells.contains_key("role")
            && !cells.contains_key("from")
    };
    let named = |key: &String| matches!(key.as_str(), "rows" | "data");
    let lists: Vec<(&String, Vec<Cells>)> = object
        .iter()
        .filter_map(|(key, value)| Some((key, objects(value.as_array()?.iter())?)))
        .filter(|(key, rows)| named(key) || rows.iter().all(is_row))
        .collect();
    // The hub's datasets server lists features beside rows, others describe what they hold beside `data`.
    let own = ["rows", "data"]
        .into_iter()
        .find_map(|name| lists.iter().find(|(key, _)| *key == name));
    match (own, lists.as_slice()) {
        (Some((_, rows)), _) | (None, [(_, rows)]) => return Ok(Some(numbered(rows.clone()))),
        (None, []) => {}
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|(key, _)| key.as_str()).collect();
            return Err(Bad::line(
                1,
                format!(
                    "it holds several lists of rows ({}); keep one of them",
                    names.join(", ")
                ),
            ));
        }
    }
    // Rows by their ids.
    if object
        .values()
        .all(|value| value.as_object().is_some_and(asks))
    {
        let mut rows = Vec::new();
        for (id, value) in object {
            let mut cells = value.as_object().cloned().unwrap_or_default();
            cells
                .entry("id")
                .or_insert_with(|| Value::String(id.clone()));
            rows.push(cells);
        }
        return Ok(Some(numbered(rows)));
    }
    Ok(None)
}

fn numbered(rows: Vec<Cells>) -> Vec<Row> {
    let place = |(cells, row)| Row {
        place: Place::Row(row),
        cells,
    };
    rows.into_iter().zip(1..).map(place).collect()
}

/// Objects alone, and at least one.
fn objects<'v>(values: impl Iterator<Item = &'v Value>) -> Option<Vec<Cells>> {
    let rows: Option<Vec<Cells>> = values.map(|value| value.as_object().cloned()).collect();
    rows.filter(|rows| !rows.is_empty())
}

/// A column's cells: a list, or an object by row number.
fn cells_of(column: &Value) -> Option<Vec<&Value>> {
    match column {
        Value::Array(cells) => Some(cells.iter().collect()),
        Value::Object(cells) => {
            let numbered: Option<Vec<(u64, &Value)>> = cells
                .iter()
                .map(|(row, cell)| Some((row.parse().ok()?, cell)))
                .collect();
            let mut numbered = numbered?;
            numbered.sort_by_key(|(row, _)| *row);
            Some(numbered.into_iter().map(|(_, cell)| cell).collect())
        }
        _ => None,
    }
}

/// Rows that are written column by column, as pandas and `datasets` do.
fn by_column(object: &Cells) -> Option<Vec<Cells>> {
    if !object.keys().any(|key| columns::asks(key)) {
        return None;
    }
    let table: Option<Vec<(&String, Vec<&Value>)>> = object
        .iter()
        .map(|(key, column)| Some((key, cells_of(column)?)))
        .collect();
    let table = table?;
    let height = table.first()?.1.len();
    if table.iter().any(|(_, cells)| cells.len() != height) {
        return None;
    }
    let row = |number: usize| -> Map<String, Value> {
        let cells = table.iter();
        cells
            .map(|(key, cells)| ((*key).clone(), cells[number].clone()))
            .collect()
    };
    Some((0..height).map(row).collect())
}

/// The text with `NaN` and `Infinity`, which Python writes, as `null`; none where there is neither.
fn without_nan(text: &str) -> Option<String> {
    const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];
    if !WORDS.iter().any(|word| text.contains(word)) {
        return None;
    }
    let mut clean = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if !quoted && let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
            // As long as it was, so that places in the text stay true.
            clean.push_str(&format!("{:<width$}", "null", width = word.len()));
            rest = &rest[word.len()..];
            continue;
        }
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        clean.push(next);
        rest = &rest[next.len_utf8()..];
    }
    Some(clean)
}
