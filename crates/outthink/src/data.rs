//! `outthink data`: the benchmarks' problems, fetched once and checked.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use outthink_lab::{Columns, read_dataset};
use sha2::{Digest, Sha256};

use crate::cli::Data;
use crate::failure::Failure;
use crate::hub;
use crate::table::render;

/// A set that is known by name.
struct Known {
    name: &'static str,
    problems: usize,
    /// Below the endpoint.
    path: &'static str,
    sha256: &'static str,
    licence: &'static str,
}

/// The files of the paper's own code: what its numbers were measured on.
const KNOWN: [Known; 3] = [
    Known {
        name: "math-500",
        problems: 500,
        path: "RyanLiu112/compute-optimal-tts/main/src/envs/MATH/dataset/test500.jsonl",
        sha256: "5a424d924a5f09323bb008b487e6971210dc5b2846db0699c777cd53982f08eb",
        licence: "MIT",
    },
    Known {
        name: "aime24",
        problems: 30,
        path: "RyanLiu112/compute-optimal-tts/main/src/envs/MATH/dataset/test_aime.jsonl",
        sha256: "05e3fec6cf168bdbadba7f737a47efff8fafef9a11bf2d8c93e4eb334c54251f",
        licence: "problems (c) MAA",
    },
    Known {
        name: "amc23",
        problems: 40,
        path: "RyanLiu112/compute-optimal-tts/main/src/envs/MATH/dataset/test_amc.jsonl",
        sha256: "f05df430d24227cad6c2c1cafb1253fed25b96e2b568a469400e048accd57d26",
        licence: "problems (c) MAA",
    },
];

/// Where the known sets come from, if not from a mirror.
const ENDPOINT: &str = "https://raw.githubusercontent.com";

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
            let problems = read_dataset(&file, &Columns::default()).map_err(Failure::input)?;
            println!("{} problems in {}", problems.len(), file.display());
            Ok(())
        }
    }
}

fn list() {
    let rows: Vec<Vec<String>> = KNOWN
        .iter()
        .map(|known| {
            let here = folder().map(|folder| folder.join(known.name).with_extension("jsonl"));
            vec![
                known.name.into(),
                known.problems.to_string(),
                known.licence.into(),
                match here {
                    Ok(file) if file.is_file() => file.display().to_string(),
                    _ => format!("outthink data get {}", known.name),
                },
            ]
        })
        .collect();
    print!(
        "{}",
        render(&["name", "problems", "licence", "here"], 1, &rows)
    );
    println!("micro           any  made fresh: micro, micro:SEED, micro-tune:SEED");
}

/// The file of a set: one that is known by name and fetched, or the path itself.
pub(crate) fn find(name: &str) -> Result<PathBuf, Failure> {
    let Some(known) = KNOWN.iter().find(|known| known.name == name) else {
        return Ok(PathBuf::from(name));
    };
    let file = folder()
        .map_err(Failure::Input)?
        .join(known.name)
        .with_extension("jsonl");
    if file.is_file() {
        return Ok(file);
    }
    Err(Failure::Input(anyhow!(
        "{name} is not here yet; fetch it with `outthink data get {name}`"
    )))
}

fn get(name: &str) -> Result<PathBuf, Failure> {
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        return fetch(known).map_err(Failure::Run);
    }
    // owner/name/FILE is a file of a dataset on the hub.
    let parts: Vec<&str> = name.splitn(3, '/').collect();
    if let [owner, set, file] = parts[..] {
        return hub::fetch_dataset(&format!("{owner}/{set}"), file).map_err(Failure::Run);
    }
    let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    Err(Failure::Input(anyhow!(
        "unknown set `{name}`: none of {}, and no file of a hub dataset (owner/name/FILE)",
        known.join(", ")
    )))
}

/// Fetches a known set, unless it is here; what does not have its checksum is never kept.
fn fetch(known: &Known) -> Result<PathBuf, anyhow::Error> {
    let folder = folder()?;
    let file = folder.join(known.name).with_extension("jsonl");
    if file.is_file() {
        check(&std::fs::read(&file)?, known)
            .with_context(|| format!("{} is damaged; remove it", file.display()))?;
        return Ok(file);
    }
    let endpoint = std::env::var("OUTTHINK_DATA_ENDPOINT").unwrap_or_else(|_| ENDPOINT.into());
    let url = format!("{endpoint}/{}", known.path);
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
    check(&bytes, known).with_context(|| format!("what {url} sent"))?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    // Under another name until it is whole.
    let unfinished = file.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, &file))
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

fn check(bytes: &[u8], known: &Known) -> Result<(), anyhow::Error> {
    let found = hub::hex(&Sha256::digest(bytes));
    if found != known.sha256 {
        bail!(
            "it is not {}: its SHA-256 is {found}, not {}",
            known.name,
            known.sha256
        );
    }
    Ok(())
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
