//! From a model's name to its files: of the embedded families, of a folder, a GGUF file, or the hub's.

use std::ffi::OsStr;
use std::path::Path;

use outthink_core::did_you_mean;
use outthink_engine::{Checkpoint, Precision};
use outthink_micro::family::Member;

use crate::hub::{HubError, HubId};
use crate::{LoadError, Notice};

/// The files of a model: of the micro family, of a folder, a GGUF file, or the hub's. A name that may be either is the path if
/// a model is there, and the hub's else; which it was is told.
pub(crate) fn checkpoint(
    name: &str,
    precision: Precision,
    tell: &dyn Fn(Notice),
) -> Result<Checkpoint, LoadError> {
    let path = Path::new(name);
    let id = HubId::parse(name).filter(|_| !is_gguf(name));
    let mut checkpoint = if let Some(member) = Member::find(name) {
        member.checkpoint()
    } else if path.exists() && (id.is_none() || holds_model(path)) {
        let own = read(path, tell)?;
        if id.is_some() {
            tell(Notice::TakenFromHere(name.to_owned()));
        }
        own
    } else if let Some(id) = id {
        if lies_here(path) {
            tell(Notice::TakenFromHub(name.to_owned()));
        }
        read(
            &id.fetch(tell).map_err(|error| fetching(error, path))?,
            tell,
        )?
    } else {
        return Err(unknown(name));
    };
    checkpoint.precision = precision;
    Ok(checkpoint)
}

/// Is a name that of a GGUF file, there or not? `owner/name/FILE.gguf` is a file of the hub.
fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf") && name.split('/').count() != 3
}

/// Is the folder there that a path would lie in?
fn lies_here(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.is_some_and(Path::is_dir)
}

/// Is there a model, or what is left of one, as opposed to a folder that happens to be called so?
fn holds_model(path: &Path) -> bool {
    let of_model = |name: &OsStr| {
        let ending = Path::new(name).extension().and_then(OsStr::to_str);
        name == "config.json" || matches!(ending, Some("gguf" | "safetensors" | "bin"))
    };
    let mut files = std::fs::read_dir(path).into_iter().flatten().flatten();
    path.is_file() || files.any(|file| of_model(&file.file_name()))
}

/// What a name may have been meant for.
fn unknown(name: &str) -> LoadError {
    if is_gguf(name) || lies_here(Path::new(name)) {
        return LoadError::Missing {
            name: name.to_owned(),
            meant: neighbour(Path::new(name)),
        };
    }
    let known: Vec<&str> = Member::all().map(|member| member.name).collect();
    let meant = did_you_mean(name, known.iter().copied());
    LoadError::Unknown {
        name: name.to_owned(),
        known: known.join(", "),
        meant,
    }
}

/// What a missing file may have been meant for: the one in its folder whose name is most like it.
pub(crate) fn neighbour(missing: &Path) -> String {
    let folder = missing
        .parent()
        .filter(|folder| *folder != Path::new(""))
        .unwrap_or(Path::new("."));
    let beside = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = beside.map(|file| file.file_name().to_string_lossy().into_owned());
    let names: Vec<String> = names.collect();
    let typed = missing.file_name().unwrap_or_default().to_string_lossy();
    did_you_mean(&typed, names.iter().map(String::as_str))
}

/// A path that was meant is missing here.
fn fetching(error: HubError, path: &Path) -> LoadError {
    let error = Box::new(error);
    if path.exists() {
        LoadError::HoldsNoModel {
            path: path.to_owned(),
            source: error,
        }
    } else if lies_here(path) {
        LoadError::NotHere {
            path: path.to_owned(),
            meant: neighbour(path),
            source: error,
        }
    } else {
        LoadError::Hub(error)
    }
}

/// An adapter is read with the model that it changes, from the hub if that is no folder here.
fn read(path: &Path, tell: &dyn Fn(Notice)) -> Result<Checkpoint, LoadError> {
    let ending = path.extension().and_then(OsStr::to_str);
    if path.is_file() && matches!(ending, Some("safetensors" | "bin" | "json" | "pt" | "pth")) {
        return Err(LoadError::OnePart(path.to_owned()));
    }
    let base = match path.is_dir() {
        true => outthink_engine::missing_base(path).map_err(LoadError::Checkpoint)?,
        false => None,
    };
    if let Some(id) = base.as_deref().and_then(HubId::parse) {
        let base = id
            .fetch(tell)
            .map_err(|error| LoadError::Hub(Box::new(error)))?;
        return Checkpoint::read_adapter(path, &base).map_err(LoadError::Checkpoint);
    }
    // Of the files, only GGUF's are whole models, whatever they are called.
    let read = if path.is_file() {
        Checkpoint::read_gguf(path)
    } else {
        Checkpoint::read(path)
    };
    read.map_err(LoadError::Checkpoint)
}
