//! Parquet files: problem sets and pools of samples, read and written row by row as JSON objects.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use outthink_core::guard::attempt;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value};

use crate::exchange::rows::Cells;

/// The rows of a file's bytes. The `parquet` crate panics on some damaged files.
pub(crate) fn rows_of(bytes: Vec<u8>) -> Result<Vec<Cells>, String> {
    attempt(|| read(bytes))
        .unwrap_or_else(|panicked| Err(format!("it is damaged ({})", panicked.said())))
}

fn read(bytes: Vec<u8>) -> Result<Vec<Cells>, String> {
    let told = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(Bytes::from(bytes)).map_err(told)?;
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(told)? {
        match row.map_err(told)?.to_json_value() {
            Value::Object(row) => rows.push(row),
            _ => return Err(format!("row {} is no object", rows.len() + 1)),
        }
    }
    Ok(rows)
}

/// What a column holds: text, whole numbers or numbers, under so many lists.
#[derive(Clone, Copy, PartialEq)]
enum Leaf {
    Text,
    Int,
    Real,
}

pub(crate) fn write(file: &Path, rows: &[Map<String, Value>]) -> Result<(), String> {
    let mut names: Vec<&String> = rows.iter().flat_map(Map::keys).collect();
    names.sort();
    names.dedup();
    let columns: Vec<(&String, Leaf, usize)> = names
        .into_iter()
        .map(|name| {
            let (leaf, depth) = shape(rows.iter().filter_map(|row| row.get(name)));
            (name, leaf, depth)
        })
        .collect();
    let fields: Vec<String> = columns.iter().map(field).collect();
    let schema = format!("message rows {{ {} }}", fields.join(" "));
    written(file, &schema, &columns, rows).map_err(|error| error.to_string())
}

fn written(
    file: &Path,
    schema: &str,
    columns: &[(&String, Leaf, usize)],
    rows: &[Map<String, Value>],
) -> Result<(), Box<dyn std::error::Error>> {
    let schema = Arc::new(parse_message_type(schema)?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = SerializedFileWriter::new(File::create(file)?, schema, Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for (name, leaf, depth) in columns {
        let Some(mut column) = group.next_column()? else {
            break;
        };
        let mut levels = Levels::default();
        for row in rows {
            levels.add(row.get(*name).unwrap_or(&Value::Null), *depth, 0, 0);
        }
        let Levels {
            values,
            definitions,
            repetitions,
        } = levels;
        let repetitions = (*depth > 0).then_some(repetitions.as_slice());
        let definitions = Some(definitions.as_slice());
        match leaf {
            Leaf::Text => {
                let text = |value: &&Value| ByteArray::from(value.as_str().unwrap_or_default());
                let values: Vec<ByteArray> = values.iter().map(text).collect();
                let typed = column.typed::<ByteArrayType>();
                typed.write_batch(&values, definitions, repetitions)?;
            }
            Leaf::Int => {
                let values: Vec<i64> = values
                    .iter()
                    .map(|value| value.as_i64().unwrap_or_default())
                    .collect();
                column
                    .typed::<Int64Type>()
                    .write_batch(&values, definitions, repetitions)?;
            }
            Leaf::Real => {
                let values: Vec<f64> = values
                    .iter()
                    .map(|value| value.as_f64().unwrap_or_default())
                    .collect();
                column
                    .typed::<DoubleType>()
                    .write_batch(&values, definitions, repetitions)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(())
}

fn field((name, leaf, depth): &(&String, Leaf, usize)) -> String {
    let kind = match leaf {
        Leaf::Text => "BYTE_ARRAY",
        Leaf::Int => "INT64",
        Leaf::Real => "DOUBLE",
    };
    let logical = if *leaf == Leaf::Text { " (UTF8)" } else { "" };
    match depth {
        0 => format!("OPTIONAL {kind} {name}{logical};"),
        1 => format!(
            "OPTIONAL group {name} (LIST) {{ REPEATED group list {{ OPTIONAL {kind} element{logical}; }} }}"
        ),
        _ => format!(
            "OPTIONAL group {name} (LIST) {{ REPEATED group list {{ OPTIONAL group element (LIST) \
             {{ REPEATED group list {{ OPTIONAL {kind} element{logical}; }} }} }} }}"
        ),
    }
}

/// The type of a column's leaves, and under how many lists (at most two) they are.
fn shape<'v>(values: impl Iterator<Item = &'v Value>) -> (Leaf, usize) {
    let (mut leaf, mut depth) = (None, 0);
    for value in values {
        let mut open = vec![(value, 0)];
        while let Some((value, level)) = open.pop() {
            match value {
                Value::Array(items) => {
                    depth = depth.max((level + 1).min(2));
                    open.extend(items.iter().map(|item| (item, level + 1)));
                }
                Value::Number(number) if number.is_i64() || number.is_u64() => {
                    leaf.get_or_insert(Leaf::Int);
                }
                Value::Number(_) => leaf = Some(Leaf::Real),
                Value::String(_) => leaf = Some(Leaf::Text),
                _ => {}
            }
        }
    }
    (leaf.unwrap_or(Leaf::Text), depth)
}

/// Dremel's levels: how much of a path is there, and at which list it repeats.
#[derive(Default)]
struct Levels<'v> {
    values: Vec<&'v Value>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

impl<'v> Levels<'v> {
    /// `list` is how deep we are in lists already.
    fn add(&mut self, value: &'v Value, depth: usize, list: usize, repetition: i16) {
        let here = 2 * list as i16;
        match value {
            Value::Array(items) if list < depth => {
                if items.is_empty() {
                    self.absent(here + 1, repetition);
                }
                for (index, item) in items.iter().enumerate() {
                    let again = if index == 0 {
                        repetition
                    } else {
                        list as i16 + 1
                    };
                    self.add(item, depth, list + 1, again);
                }
            }
            Value::Null | Value::Array(_) | Value::Object(_) => self.absent(here, repetition),
            _ if list < depth => self.absent(here, repetition),
            value => {
                self.values.push(value);
                self.absent(here + 1, repetition);
            }
        }
    }

    fn absent(&mut self, definition: i16, repetition: i16) {
        self.definitions.push(definition);
        self.repetitions.push(repetition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_come_back_as_they_were() {
        let rows = [
            json!({"problem": "p", "level": 3, "completions": ["a", "b"], "scores": [[0.5, 1.0], []]}),
            json!({"problem": "ü", "level": null, "completions": [], "scores": [[0.25]]}),
        ];
        let rows: Vec<Map<String, Value>> = rows
            .iter()
            .filter_map(|row| row.as_object().cloned())
            .collect();
        let file = std::env::temp_dir().join(format!("outthink-{}.parquet", std::process::id()));
        write(&file, &rows).expect("written");
        let read = super::rows_of(std::fs::read(&file).expect("a file")).expect("read");
        std::fs::remove_file(&file).expect("removed");
        assert_eq!(read, rows);
    }

    /// Every byte of a file, changed in three ways: rows or an error come back, and some would have ended the program.
    #[test]
    fn a_damaged_file_ends_nothing() {
        let rows = json!({"problem": "p", "level": 3, "completions": ["a", "b"]});
        let rows: Vec<Map<String, Value>> = rows.as_object().cloned().into_iter().collect();
        let name = format!("outthink-damaged-{}.parquet", std::process::id());
        let file = std::env::temp_dir().join(name);
        write(&file, &rows).expect("written");
        let whole = std::fs::read(&file).expect("read");
        std::fs::remove_file(&file).expect("removed");
        let damaged = (0..whole.len()).flat_map(|at| [1, 0x40, 0xff].map(|change| (at, change)));
        let errors = damaged.filter_map(|(at, change)| {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            rows_of(bytes).err()
        });
        assert!(
            errors
                .filter(|told| told.starts_with("it is damaged"))
                .count()
                > 0
        );
    }
}
