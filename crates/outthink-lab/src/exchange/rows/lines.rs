//! Lines that are read as they come: unpacked, without marks of encoding, and the objects of a JSON array a line each.

use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read};

use flate2::read::MultiGzDecoder;

use super::{LARGEST, encoding, json};
use crate::exchange::dataset::DatasetError;

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
    if encoding::is_binary(start) {
        return Err(DatasetError::Kind {
            file: name.to_owned(),
            is: "no text".into(),
        });
    }
    if matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        let mut bytes = Vec::new();
        lines.take(LARGEST).read_to_end(&mut bytes).map_err(told)?;
        lines = Box::new(Cursor::new(encoding::text(name, bytes)?.into_bytes()));
    } else if start.starts_with(b"\xef\xbb\xbf") {
        lines.consume(3);
    }
    let start = lines.fill_buf().map_err(told)?;
    if start.trim_ascii_start().first() != Some(&b'[') {
        return Ok(Box::new(Lines { lines, length: 0 }));
    }
    let text = encoding::text(name, encoding::unpacked(name, lines, LARGEST)?)?;
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

/// No line of JSON is longer.
const LONGEST: usize = 64 << 20;

/// Fails at a line without end.
struct Lines<'r> {
    lines: Box<dyn BufRead + 'r>,
    /// Of the line under way, as far as it was taken.
    length: usize,
}

impl BufRead for Lines<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.length > LONGEST {
            let reason = format!("a line is longer than {} MiB", LONGEST >> 20);
            return Err(Error::new(ErrorKind::InvalidData, reason));
        }
        self.lines.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        // At the end nothing is held, and asking again could wait for more.
        if count == 0 {
            return;
        }
        let held = self.lines.fill_buf().unwrap_or_default();
        let taken = &held[..count.min(held.len())];
        self.length = match taken.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => taken.len() - end - 1,
            None => self.length + taken.len(),
        };
        self.lines.consume(count);
    }
}

impl Read for Lines<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}
