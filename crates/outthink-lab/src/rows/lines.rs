//! Lines that are read as they come: unpacked, without marks of encoding, and the objects of a JSON array a line each.

use std::io::{BufRead, BufReader, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::{encoding, json};
use crate::dataset::DatasetError;

/// The lines of what is read, for whoever parses JSON line by line; the name is for messages. Nothing is read ahead, unless it is
/// one JSON array.
pub fn json_lines<'r>(
    name: &str,
    reader: impl Read + 'r,
) -> Result<Box<dyn BufRead + 'r>, DatasetError> {
    let told = |source| DatasetError::File {
        file: name.to_owned(),
        source,
    };
    let mut lines: Box<dyn BufRead + 'r> = Box::new(BufReader::new(reader));
    if lines.fill_buf().map_err(told)?.starts_with(b"\x1f\x8b") {
        lines = Box::new(BufReader::new(MultiGzDecoder::new(lines)));
    }
    let start = lines.fill_buf().map_err(told)?;
    if matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        let mut bytes = Vec::new();
        lines.read_to_end(&mut bytes).map_err(told)?;
        lines = Box::new(Cursor::new(encoding::text(name, bytes)?.into_bytes()));
    } else if start.starts_with(b"\xef\xbb\xbf") {
        lines.consume(3);
    }
    let start = lines.fill_buf().map_err(told)?;
    if start.trim_ascii_start().first() != Some(&b'[') {
        return Ok(lines);
    }
    let text = encoding::text(name, encoding::unpacked(name, lines)?)?;
    let rows = json::rows(&text).map_err(|bad| bad.of(name))?;
    let mut spread = String::new();
    let mut line = 1;
    for row in rows {
        // On the line where it begins, so that messages name that.
        if let super::Place::Line(own) = row.place {
            let before = own.saturating_sub(line);
            spread.push_str(&"\n".repeat(before));
            line += before;
        }
        spread.push_str(&serde_json::Value::Object(row.cells).to_string());
        spread.push('\n');
        line += 1;
    }
    Ok(Box::new(Cursor::new(spread.into_bytes())))
}
