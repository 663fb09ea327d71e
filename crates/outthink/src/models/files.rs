//! From a model's name to its files: of the embedded families, of a folder, a GGUF file, or the hub's.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::anyhow;
use outthink_core::did_you_mean;
use outthink_engine::{Checkpoint, Precision};
use outthink_micro::family::Member;

use crate::failure::Failure;
use crate::hub::HubId;

/// The files of a model: of the micro family, of a folder, a GGUF file, or the hub's. A name that may be either is the path if
/// a model is there, and the hub's else; which it was is told.
pub(crate) fn checkpoint(name: &str, precision: Precision) -> Result<Checkpoint, Failure> {
    let path = Path::new(name);
    let id = HubId::parse(name).filter(|_| !is_gguf(name));
    let mut checkpoint = if let Some(member) = Member::find(name) {
        member.checkpoint()
    } else if path.exists() && (id.is_none() || holds_model(path)) {
        let own = read(path)?;
        if id.is_some() {
            tell_once(format!("{name} is taken from here, not from the hub"));
        }
        own
    } else if let Some(id) = id {
        if lies_here(path) {
            tell_once(format!("{name} is no model here, so it is the hub's"));
        }
        read(&id.fetch().map_err(|error| fetching(error, path))?)?
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

/// A model's files are asked for more than once, and where they are from is told once.
fn tell_once(told: String) {
    static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut known = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !known.contains(&told) {
        eprintln!("{told}");
        known.push(told);
    }
}

/// What a name may have been meant for.
fn unknown(name: &str) -> Failure {
    if is_gguf(name) || lies_here(Path::new(name)) {
        return Failure::Input(anyhow!(
            "there is no file or folder {name}{}",
            neighbour(Path::new(name))
        ));
    }
    let known: Vec<&str> = Member::all().map(|member| member.name).collect();
    let meant = did_you_mean(name, known.iter().copied());
    Failure::Input(anyhow!(
        "unknown model `{name}`: no folder or file of that name, no hub id, no server's address, and none of {}{meant}",
        known.join(", ")
    ))
}

/// What a missing file may have been meant for: the one in its folder whose name is most like it.
fn neighbour(missing: &Path) -> String {
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

/// What the hub refuses is asked for wrongly; what cannot be reached is not. A path that was meant is missing here.
fn fetching(error: anyhow::Error, path: &Path) -> Failure {
    let later = ["cannot fetch", "the hub asks to wait"];
    let says = |cause: &(dyn std::error::Error + 'static)| {
        let told = cause.to_string();
        later.iter().any(|start| told.starts_with(start))
    };
    let is_later = error.chain().any(says);
    let error = if path.exists() {
        error.context(format!("{} holds no model", path.display()))
    } else if lies_here(path) {
        let meant = neighbour(path);
        error.context(format!("there is no model {} here{meant}", path.display()))
    } else {
        error
    };
    match is_later {
        true => Failure::Run(error),
        false => Failure::Input(error),
    }
}

fn read(path: &Path) -> Result<Checkpoint, Failure> {
    let ending = path.extension().and_then(OsStr::to_str);
    if path.is_file() && matches!(ending, Some("safetensors" | "bin" | "json" | "pt" | "pth")) {
        return Err(Failure::Input(anyhow!(
            "{} is one file of a checkpoint; name its folder",
            path.display()
        )));
    }
    // Of the files, only GGUF's are whole models, whatever they are called.
    let read = if path.is_file() {
        Checkpoint::read_gguf(path)
    } else {
        Checkpoint::read(path)
    };
    read.map_err(Failure::input)
}
