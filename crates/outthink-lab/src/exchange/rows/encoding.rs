//! From bytes to text: gzip, UTF-8 and UTF-16 with their marks.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::{Bad, LARGEST, PIPED};
use crate::exchange::dataset::DatasetError;

/// First bytes of what is no file of rows, and what it is.
const OTHERS: [(&[u8], &str); 8] = [
    (
        b"PK\x03\x04",
        "a zip archive (or a spreadsheet); unpack it or save it as CSV first",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd; decompress it with `zstd -d` first",
    ),
    (
        b"\xfd7zXZ",
        "compressed with xz; decompress it with `xz -d` first",
    ),
    (
        b"BZh",
        "compressed with bzip2; decompress it with `bzip2 -d` first",
    ),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself; fetch that with `git lfs pull`",
    ),
    (b"<!DOCTYPE", "a web page; fetch the file itself"),
    (b"<!doctype", "a web page; fetch the file itself"),
    (b"<html", "a web page; fetch the file itself"),
];

/// As much of a file is looked at before the rest is read.
const START: u64 = 1 << 16;

/// All that is read, without its gzip.
pub(super) fn unpacked(name: &str, reader: impl Read, most: u64) -> Result<Vec<u8>, DatasetError> {
    let mut bytes = bounded(name, reader, most)?;
    while bytes.starts_with(b"\x1f\x8b") {
        bytes = bounded(name, MultiGzDecoder::new(bytes.as_slice()), LARGEST)?;
    }
    for (start, is) in OTHERS {
        if bytes.starts_with(start) {
            return Err(DatasetError::Kind {
                file: name.to_owned(),
                is: is.to_owned(),
            });
        }
    }
    Ok(bytes)
}

fn bounded(name: &str, mut reader: impl Read, most: u64) -> Result<Vec<u8>, DatasetError> {
    let told = |source| DatasetError::File {
        file: name.to_owned(),
        source,
    };
    let kind = |is: String| DatasetError::Kind {
        file: name.to_owned(),
        is,
    };
    let mut bytes = Vec::new();
    let start = reader.by_ref().take(START).read_to_end(&mut bytes);
    start.map_err(told)?;
    if is_binary(&bytes) {
        return Err(kind("no text, and no Parquet or gzip".into()));
    }
    let rest = (most + 1).saturating_sub(bytes.len() as u64);
    reader.take(rest).read_to_end(&mut bytes).map_err(told)?;
    match bytes.len() as u64 > most {
        true if most == PIPED => Err(kind(format!(
            "more than {} MiB from a pipe; write it to a file and name that",
            most >> 20
        ))),
        true => Err(kind(format!("larger than {} GiB", most >> 30))),
        false => Ok(bytes),
    }
}

/// Is it, by how it begins, neither text nor what is known here? Text in UTF-16 that does not say so is none either.
pub(super) fn is_binary(start: &[u8]) -> bool {
    const KNOWN: [&[u8]; 4] = [b"\x1f\x8b", b"PAR1", b"\xff\xfe", b"\xfe\xff"];
    let mut named = OTHERS.iter().map(|(start, _)| *start).chain(KNOWN);
    start.contains(&0) && !named.any(|known| start.starts_with(known))
}

/// The text, without the mark of its encoding.
pub(super) fn text(name: &str, bytes: Vec<u8>) -> Result<String, DatasetError> {
    let units = |pair: fn([u8; 2]) -> u16| {
        let pairs = bytes[2..].chunks(2);
        let units = pairs.map(move |two| pair([two[0], two.get(1).copied().unwrap_or_default()]));
        char::decode_utf16(units).collect::<Result<String, _>>()
    };
    let wide = match bytes.as_slice() {
        [0xff, 0xfe, ..] => Some(units(u16::from_le_bytes)),
        [0xfe, 0xff, ..] => Some(units(u16::from_be_bytes)),
        _ => None,
    };
    let text = match wide {
        Some(wide) => {
            wide.map_err(|_| Bad::line(1, "the text is not UTF-16, as its mark says").of(name))?
        }
        None => String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            Bad::line(line, "the text is not UTF-8; save the file as UTF-8").of(name)
        })?,
    };
    Ok(match text.trim_start_matches('\u{feff}') {
        bare if bare.len() < text.len() => bare.to_owned(),
        _ => text,
    })
}
