//! The parts of a split GGUF file: `NAME-00001-of-00003.gguf` and so on, as `llama-gguf-split` writes them.

use std::path::{Path, PathBuf};

use super::header::Header;
use crate::Error;

/// Files of more parts than this are not meant seriously.
const MOST: u64 = 9999;

/// All parts of a file.
pub(super) struct SplitFile {
    /// In order.
    pub paths: Vec<PathBuf>,
    /// The part with the metadata.
    pub first: Header,
    pub tensors: Tensors,
}

/// What the tensors of all parts together tell of the model.
pub(super) struct Tensors {
    /// Rows of the embedding, if there is one.
    pub vocabulary: Option<usize>,
    /// Is the embedding the output layer too?
    pub tied: bool,
}

/// The parts of the file that `path` is one of; most files have just one.
pub(super) fn parts(path: &Path) -> Result<SplitFile, Error> {
    let header = Header::read(path)?;
    let (paths, headers) = match header.number("split.count") {
        Some(count) if count > 1 => siblings(path, &header, count)?,
        _ => (vec![path.to_owned()], vec![header]),
    };
    let tensor = |name| headers.iter().find_map(|header| header.tensor(name));
    let tensors = Tensors {
        vocabulary: tensor("token_embd.weight").and_then(|info| info.shape.first().copied()),
        tied: tensor("output.weight").is_none(),
    };
    let first = headers.into_iter().next();
    let first = first.ok_or_else(|| Error::Weights {
        file: path.display().to_string(),
        reason: "it has no parts".into(),
    })?;
    Ok(SplitFile {
        paths,
        first,
        tensors,
    })
}

/// The names of all parts of a file, by the name of one; just that of a file that is not split.
pub fn gguf_parts(name: &str) -> Vec<String> {
    let count = name
        .strip_suffix(".gguf")
        .and_then(|name| name.rsplit_once("-of-"))
        .and_then(|(_, count)| count.parse().ok())
        .filter(|count| (2..=MOST).contains(count));
    let stem = |count| Some((count, stem(name.strip_suffix(".gguf")?, count)?));
    match count.and_then(stem) {
        Some((count, stem)) => part_names(stem, count),
        None => vec![name.to_owned()],
    }
}

fn part_names(stem: &str, count: u64) -> Vec<String> {
    (1..=count)
        .map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf"))
        .collect()
}

/// All parts, in order, whichever of them is at `path`.
fn siblings(
    path: &Path,
    header: &Header,
    count: u64,
) -> Result<(Vec<PathBuf>, Vec<Header>), Error> {
    let own = header.number("split.no").unwrap_or(0);
    let part = format!("it is part {} of {count}", own.saturating_add(1));
    if own >= count || count > MOST {
        return Err(header.broken(format!("its metadata says that {part}")));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem(&name, count).unwrap_or(&name);
    let names = part_names(stem, count);
    let mut paths: Vec<PathBuf> = names.iter().map(|name| path.with_file_name(name)).collect();
    // One under a name of its own stands for what it says it is.
    if !paths.iter().any(|known| known == path) {
        paths[own as usize] = path.to_owned();
    }
    let missing: Vec<String> = paths
        .iter()
        .filter(|path| !path.exists())
        .map(|path| path.display().to_string())
        .collect();
    if !missing.is_empty() {
        return Err(header.broken(format!("{part}, and there is no {}", missing.join(", "))));
    }
    let mut parts = Vec::new();
    for path in paths {
        let header = Header::read(&path)?;
        parts.push((header.number("split.no").unwrap_or(0), path, header));
    }
    parts.sort_by_key(|(number, ..)| *number);
    for ((number, _, header), expected) in parts.iter().zip(0..) {
        if *number != expected || header.number("split.count") != Some(count) {
            return Err(header.broken(format!(
                "it says that it is part {} of a file; the parts beside it do not belong to it",
                number.saturating_add(1)
            )));
        }
    }
    Ok(parts
        .into_iter()
        .map(|(_, path, header)| (path, header))
        .unzip())
}

/// The name that all parts begin with.
fn stem(name: &str, count: u64) -> Option<&str> {
    let numbered = name.strip_suffix(&format!("-of-{count:05}"))?;
    let (stem, number) = numbered.rsplit_once('-')?;
    (number.len() == 5 && number.bytes().all(|c| c.is_ascii_digit())).then_some(stem)
}
