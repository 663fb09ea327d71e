//! `outthink data`: the benchmarks' problems, fetched once and checked.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use outthink_lab::{Columns, Dataset, Golds, Problem, read_dataset};
use outthink_models::{hex, hub};
use sha2::{Digest, Sha256};

use crate::cli::Data;
use crate::failure::Failure;
use crate::sets::{KNOWN, Known, Part};
use crate::table::render;

/// No problem set is larger.
const LARGEST: u64 = 64 << 20;

pub(crate) fn run(command: Data) -> Result<(), Failure> {
    match command {
        Data::List => {
            list();
            Ok(())
        }
        Data::Get { name } => {
            let file = get(&name)?;
            if let Some(known) = Known::find(&name).filter(|known| known.labelled) {
                println!(
                    "{} solutions with labelled steps in {}: outthink audit --data {}",
                    known.problems,
                    file.display(),
                    known.name
                );
                return Ok(());
            }
            let set = read_dataset(&file, &Columns::default(), Golds::Needed);
            let Dataset {
                problems,
                columns,
                notes,
            } = set
                .with_context(|| format!("it is in {}, but is no problem set", file.display()))
                .map_err(Failure::Input)?;
            println!(
                "{} problems in {} (columns {columns})",
                problems.len(),
                file.display()
            );
            tell(&notes);
            Ok(())
        }
    }
}

/// The problems of a file or known set, for a study; says which columns were read, and what someone should know before anything
/// is spent.
pub(crate) fn problems(name: &str, columns: &Columns) -> Result<Vec<Problem>, Failure> {
    let set = read_dataset(&find(name)?, columns, Golds::Needed).map_err(Failure::input)?;
    eprintln!(
        "{name}: {} problems, columns {}",
        set.problems.len(),
        set.columns
    );
    tell(&set.notes);
    Ok(set.problems)
}

/// What someone should know of a problem set.
pub(crate) fn tell(notes: &[String]) {
    for note in notes {
        eprintln!("note: {note}");
    }
}

fn list() {
    let rows: Vec<Vec<String>> = KNOWN
        .iter()
        .map(|known| {
            vec![
                known.name.into(),
                known.problems.to_string(),
                if known.labelled { "steps" } else { "answers" }.into(),
                known.licence.into(),
                match place(known) {
                    Ok(file) if file.is_file() => file.display().to_string(),
                    _ => format!("outthink data get {}", known.name),
                },
            ]
        })
        .collect();
    print!(
        "{}",
        render(&["name", "rows", "labels", "licence", "here"], 1, &rows)
    );
    println!(
        "micro                             any  made fresh: micro, micro:SEED, micro-tune:SEED"
    );
    println!("grid                              any  made fresh: grid, grid:SEED, grid-tune:SEED");
    println!(
        "both                              any  made fresh, in turn from the two: both, both:SEED, both-tune:SEED"
    );
}

/// The file of a set: a file, or one that is known by name and fetched.
pub(crate) fn find(name: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    if let Some(known) = Known::find(name) {
        let file = place(known).map_err(Failure::Input)?;
        return match file.is_file() {
            true => Ok(file),
            false => Err(Failure::Input(anyhow!(
                "{} is not here yet; fetch it with `outthink data get {0}`",
                known.name
            ))),
        };
    }
    if path.exists() {
        return Ok(path);
    }
    let meant = match Known::like(name) {
        Some(known) => format!("did you mean {}?", known.name),
        None => format!("known sets are micro, grid, {}", Known::names()),
    };
    Err(Failure::Input(anyhow!(
        "there is no file `{name}` and no known set of that name; {meant} (`outthink data list` shows them)"
    )))
}

fn get(name: &str) -> Result<PathBuf, Failure> {
    if let Some(known) = Known::find(name) {
        return fetch(known).map_err(Failure::Run);
    }
    // owner/name/FILE is a file of a dataset on the hub.
    let parts: Vec<&str> = name.splitn(3, '/').collect();
    if let [owner, set, file] = parts[..] {
        return hub::fetch_dataset(&format!("{owner}/{set}"), file)
            .map_err(|error| Failure::Run(error.into()));
    }
    let meant = Known::like(name).map_or(String::new(), |known| {
        format!("; did you mean {}?", known.name)
    });
    Err(Failure::Input(anyhow!(
        "unknown set `{name}`: none of {}, and no file of a hub dataset (owner/name/FILE){meant}",
        Known::names()
    )))
}

/// Fetches a known set, unless it is here; what does not have its checksums is never kept.
fn fetch(known: &Known) -> Result<PathBuf, anyhow::Error> {
    let file = place(known)?;
    if file.is_file() {
        whole(&std::fs::read(&file)?, known)
            .with_context(|| format!("{} is damaged; remove it", file.display()))?;
        return Ok(file);
    }
    let mut bytes = Vec::new();
    for part in known.parts {
        bytes.extend(download(known, part)?);
    }
    let folder = folder()?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    // Under another name until it is whole.
    let unfinished = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, &file))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn download(known: &Known, part: &Part) -> Result<Vec<u8>, anyhow::Error> {
    let endpoint = std::env::var("OUTTHINK_DATA_ENDPOINT");
    let endpoint = endpoint.unwrap_or_else(|_| known.endpoint.into());
    let url = format!("{}/{}", endpoint.trim_end_matches('/'), part.path);
    let offline = || {
        format!(
            "cannot fetch {url}; without a network, bring the file here by other means and name its path as the dataset"
        )
    };
    let mut answer = ureq::get(&url).call().with_context(offline)?;
    let bytes = answer
        .body_mut()
        .with_config()
        .limit(LARGEST)
        .read_to_vec()
        .with_context(offline)?;
    check(&bytes, known.name, part).with_context(|| format!("what {url} sent"))?;
    Ok(bytes)
}

/// Is it the set, part by part?
fn whole(mut bytes: &[u8], known: &Known) -> Result<(), anyhow::Error> {
    for (number, part) in known.parts.iter().enumerate() {
        let last = number + 1 == known.parts.len();
        let end = if last {
            bytes.len()
        } else {
            part.bytes.min(bytes.len())
        };
        check(&bytes[..end], known.name, part)?;
        bytes = &bytes[end..];
    }
    Ok(())
}

fn check(bytes: &[u8], name: &str, part: &Part) -> Result<(), anyhow::Error> {
    let found = hex(&Sha256::digest(bytes));
    if found != part.sha256 {
        bail!(
            "it is not {name}: its SHA-256 is {found}, not {}",
            part.sha256
        );
    }
    Ok(())
}

/// Where a known set is kept.
fn place(known: &Known) -> Result<PathBuf, anyhow::Error> {
    Ok(folder()?.join(known.name).with_extension(known.kind))
}

/// Where fetched sets are kept.
fn folder() -> Result<PathBuf, anyhow::Error> {
    if let Some(folder) = std::env::var_os("OUTTHINK_DATA") {
        return Ok(folder.into());
    }
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let cache =
        cache.ok_or_else(|| anyhow!("neither OUTTHINK_DATA nor HOME says where to keep data"))?;
    Ok(cache.join("outthink/data"))
}
