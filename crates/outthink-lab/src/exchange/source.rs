//! Where samples lie: a file, a folder of files, or an archive of them, as one list of files.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::ExchangeError;
use super::dataset::DatasetError;
use super::rows::{Row, plain_rows, rows_of};

/// All files of a source together are not larger, unpacked.
const LARGEST: u64 = 4 << 30;
/// More files than this are no folder of samples.
const MOST: usize = 1 << 20;
/// How names of files with rows end.
const ENDINGS: [&str; 6] = ["json", "jsonl", "ndjson", "parquet", "eval", "gz"];

/// A file of a source.
pub(crate) struct SourceFile {
    /// Its path below the source, with `/`.
    pub(crate) name: String,
    content: Content,
}

enum Content {
    Here(Vec<u8>),
    At(PathBuf),
}

impl SourceFile {
    fn bytes(&self) -> Result<std::borrow::Cow<'_, [u8]>, DatasetError> {
        match &self.content {
            Content::Here(bytes) => Ok(bytes.into()),
            Content::At(path) => {
                let told = |source| DatasetError::File {
                    file: self.name.clone(),
                    source,
                };
                let mut bytes = Vec::new();
                let opened = outthink_core::file::open(path).map_err(told)?;
                opened.take(LARGEST).read_to_end(&mut bytes).map_err(told)?;
                Ok(bytes.into())
            }
        }
    }

    /// Its rows, where they lie inside of an object or column by column.
    pub(crate) fn inner_rows(&self) -> Result<Vec<Row>, DatasetError> {
        rows_of(&self.name, self.bytes()?.as_ref())
    }

    /// Its rows as they stand there.
    pub(crate) fn rows(&self) -> Result<Vec<Row>, DatasetError> {
        plain_rows(&self.name, &self.bytes()?)
    }

    /// The files of settings in its folder and the two above it, where it lies on a disk.
    pub(crate) fn beside(&self, is_settings: impl Fn(&str) -> bool) -> Vec<Self> {
        let Content::At(path) = &self.content else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for folder in path.ancestors().skip(1).take(3) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries.take(MOST) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if is_settings(&name) && entry.path().is_file() {
                    found.push(Self {
                        name: entry.path().display().to_string(),
                        content: Content::At(entry.path()),
                    });
                }
            }
        }
        found
    }

    /// The part of its path before the last `/`.
    pub(crate) fn folder(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// The files of a path, sorted by name; `-` is standard input.
pub(crate) fn files(path: &Path) -> Result<Vec<SourceFile>, ExchangeError> {
    let name = path.display().to_string();
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(LARGEST)
            .read_to_end(&mut bytes)?;
        return unpacked("standard input", bytes);
    }
    let about = std::fs::metadata(path).map_err(|source| DatasetError::File {
        file: name.clone(),
        source,
    })?;
    // An entry of no folder stands in this one.
    let name = match path.is_relative() && !name.contains('/') {
        true => format!("./{name}"),
        false => name,
    };
    let mut found = Vec::new();
    if about.is_dir() {
        walk(path, name.trim_end_matches('/'), &mut found)?;
    } else {
        let file = SourceFile {
            name: name.clone(),
            content: Content::At(path.to_owned()),
        };
        let bytes = file.bytes()?.into_owned();
        found = match is_packed(&bytes) {
            true => unpacked(&name, bytes)?,
            false => vec![file],
        };
    }
    found.sort_by_cached_key(|file| natural(&file.name));
    match found.is_empty() {
        true => Err(DatasetError::Empty { file: name }.into()),
        false => Ok(found),
    }
}

/// `question_2` before `question_10`.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts: Vec<(u64, String)> = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let text = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (text, next) = after.split_at(text);
        parts.push((number.parse().unwrap_or_default(), text.to_owned()));
        rest = next;
    }
    parts
}

fn is_wanted(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let last = name.rsplit('/').next().unwrap_or(name);
    !last.starts_with('.') && ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

fn walk(folder: &Path, below: &str, found: &mut Vec<SourceFile>) -> Result<(), ExchangeError> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().into_owned();
        let hidden = own.starts_with('.');
        let name = format!("{below}/{own}");
        let path = entry.path();
        if path.is_dir() && !hidden {
            // A link may lead back up.
            if !entry.file_type()?.is_symlink() {
                walk(&path, &name, found)?;
            }
        } else if path.is_file() && is_wanted(&name) {
            if found.len() == MOST {
                return Err(ExchangeError::Format(format!(
                    "the folder holds more than {MOST} files"
                )));
            }
            match name.ends_with(".eval") {
                true => {
                    let bytes = std::fs::read(&path)?;
                    found.extend(zipped(&name, &bytes)?);
                }
                false => found.push(SourceFile {
                    name,
                    content: Content::At(path),
                }),
            }
        }
    }
    Ok(())
}

fn is_packed(bytes: &[u8]) -> bool {
    let starts = |start: &[u8]| bytes.starts_with(start);
    starts(b"\x1f\x8b") || starts(b"PK\x03\x04") || bytes.get(257..262) == Some(b"ustar")
}

/// What bytes hold: an archive's files, or themselves.
pub(crate) fn unpacked(name: &str, mut bytes: Vec<u8>) -> Result<Vec<SourceFile>, ExchangeError> {
    let mut bare = name;
    while bytes.starts_with(b"\x1f\x8b") {
        let mut plain = Vec::new();
        let told = |source| DatasetError::File {
            file: name.to_owned(),
            source,
        };
        MultiGzDecoder::new(bytes.as_slice())
            .take(LARGEST)
            .read_to_end(&mut plain)
            .map_err(told)?;
        bytes = plain;
        bare = bare.strip_suffix(".gz").unwrap_or(bare);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return zipped(name, &bytes);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return tarred(name, &bytes);
    }
    Ok(vec![SourceFile {
        name: bare.to_owned(),
        content: Content::Here(bytes),
    }])
}

fn tarred(name: &str, bytes: &[u8]) -> Result<Vec<SourceFile>, ExchangeError> {
    let told = |source| DatasetError::File {
        file: name.to_owned(),
        source,
    };
    let mut found = Vec::new();
    let mut left = LARGEST;
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(told)? {
        let entry = entry.map_err(told)?;
        let own = entry.path().map_err(told)?.to_string_lossy().into_owned();
        if entry.header().entry_type().is_file() && is_wanted(&own) {
            let mut content = Vec::new();
            entry.take(left).read_to_end(&mut content).map_err(told)?;
            left -= content.len() as u64;
            found.push(SourceFile {
                name: own,
                content: Content::Here(content),
            });
        }
    }
    Ok(found)
}

fn zipped(below: &str, bytes: &[u8]) -> Result<Vec<SourceFile>, ExchangeError> {
    let told = |error: zip::result::ZipError| DatasetError::Kind {
        file: below.to_owned(),
        is: format!("a zip archive that cannot be read ({error})"),
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(told)?;
    let mut found = Vec::new();
    let mut left = LARGEST;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(told)?;
        let own = entry.name().map_err(told)?.into_owned();
        if entry.is_file() && is_wanted(&own) {
            let mut content = Vec::new();
            let read = entry.by_ref().take(left).read_to_end(&mut content);
            read.map_err(|source| DatasetError::File {
                file: own.clone(),
                source,
            })?;
            left -= content.len() as u64;
            found.push(SourceFile {
                name: format!("{below}/{own}"),
                content: Content::Here(content),
            });
        }
    }
    Ok(found)
}
