//! The folder that the hub's own tools keep files in: `REPOSITORY/{refs,blobs,snapshots}`, each blob once.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::HubError;
use super::answer::{Answer, Hub, Refusal};
use crate::digest::hex;

/// How often a download that breaks off is gone on with.
const TRIES: usize = 4;

/// A repository, as the hub and its folder name it.
pub(super) struct Repository {
    /// `models` or `datasets`.
    pub(super) kind: &'static str,
    pub(super) owner: String,
    pub(super) name: String,
}

/// Where the hub's own tools keep what they fetched.
pub(super) fn root() -> PathBuf {
    let named = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    named("HF_HUB_CACHE")
        .or_else(|| named("HUGGINGFACE_HUB_CACHE"))
        .unwrap_or_else(|| home().join("hub"))
}

/// Where the hub's own tools keep all else.
fn home() -> PathBuf {
    let named = |name: &str| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    named("HF_HOME")
        .or_else(|| named("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/huggingface")))
        .unwrap_or_default()
}

/// `HF_TOKEN`, or what `hf auth login` left.
pub(super) fn token() -> Option<String> {
    let named = |name: &str| std::env::var(name).ok();
    let kept = || {
        let path = std::env::var_os("HF_TOKEN_PATH").map(PathBuf::from);
        std::fs::read_to_string(path.unwrap_or_else(|| home().join("token"))).ok()
    };
    let token = named("HF_TOKEN")
        .or_else(|| named("HUGGING_FACE_HUB_TOKEN"))
        .or_else(kept)?;
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

impl Repository {
    /// Its folder in the cache.
    pub(super) fn folder(&self) -> PathBuf {
        let Self { kind, owner, name } = self;
        root().join(format!("{kind}--{owner}--{name}"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder().join("snapshots").join(commit)
    }

    /// The path of a file at the hub.
    fn address(&self, revision: &str, file: &str) -> String {
        let Self { kind, owner, name } = self;
        let kind = if *kind == "models" { "" } else { "datasets/" };
        format!("{kind}{owner}/{name}/resolve/{revision}/{file}")
    }

    /// Notes what commit a revision is.
    pub(super) fn refer(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        let reference = self.folder().join("refs").join(revision);
        write_whole(&reference, commit.as_bytes()).map_err(HubError::writing(&reference))
    }

    /// A file of a commit, fetched unless it is there; what was cut off goes on where it stopped.
    pub(super) fn fetch(&self, hub: &Hub, commit: &str, file: &str) -> Result<PathBuf, Trouble> {
        let path = self.snapshot(commit).join(file);
        if path.exists() {
            return Ok(path);
        }
        let address = self.address(commit, file);
        let Facts { etag, size } = Facts::of(&hub.get(&address, Some("bytes=0-0"))?);
        // A hub that does not say what it holds: then what is held for is the name.
        let etag = etag.unwrap_or_else(|| hex(&Sha256::digest(address.as_bytes())[..20]));
        let blob = self.folder().join("blobs").join(&etag);
        if !blob.exists() {
            let partial = blob.with_file_name(format!("{etag}.incomplete"));
            let taken = self.lock(&etag).map_err(HubError::from)?;
            if !blob.exists() {
                download(hub, &address, &partial, size)?;
                check(&partial, &etag)?;
                std::fs::rename(&partial, &blob).map_err(HubError::writing(&blob))?;
            }
            drop(taken);
        }
        link(&blob, &path).map_err(HubError::writing(&path))?;
        Ok(path)
    }

    /// A file of the newest commit, which its answer names.
    pub(super) fn fetch_latest(&self, hub: &Hub, file: &str) -> Result<PathBuf, Trouble> {
        let answer = hub.get(&self.address("main", file), Some("bytes=0-0"))?;
        let commit = answer
            .header("x-repo-commit")
            .filter(|commit| super::is_plain(commit));
        let commit = commit.unwrap_or("main").to_owned();
        let path = self.fetch(hub, &commit, file)?;
        self.refer("main", &commit)?;
        Ok(path)
    }

    /// Nobody else downloads a blob while this is held.
    fn lock(&self, etag: &str) -> std::io::Result<File> {
        let folder = self.folder();
        let name = folder.file_name().unwrap_or_default();
        let path = root()
            .join(".locks")
            .join(name)
            .join(format!("{etag}.lock"));
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::create_dir_all(folder.join("blobs"))?;
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.lock()?;
        Ok(file)
    }
}

/// Why a file is not there now.
pub(super) enum Trouble {
    Refused(Refusal),
    Other(HubError),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<HubError> for Trouble {
    fn from(error: HubError) -> Self {
        Self::Other(error)
    }
}

/// What a hub says of a file.
struct Facts {
    /// What a blob is called by; the SHA-256 of a large file.
    etag: Option<String>,
    size: Option<u64>,
}

impl Facts {
    fn of(answer: &Answer) -> Self {
        let linked = answer.header("x-linked-etag");
        let etag = linked.or_else(|| answer.header("etag"));
        let etag = etag.map(|etag| etag.trim_start_matches("W/").trim_matches('"'));
        // It becomes the name of a file.
        let named = |etag: &&str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (1..=128).contains(&etag.len()) && !etag.starts_with('.') && etag.chars().all(plain)
        };
        let number = |text: &str| text.trim().parse().ok();
        let linked = answer.header("x-linked-size").and_then(number);
        let ranged = answer.last_header("content-range");
        let ranged = ranged.and_then(|range| number(range.rsplit_once('/')?.1));
        let whole = || answer.last_header("content-length").and_then(number);
        let whole = (answer.status == 200).then(whole).flatten();
        Self {
            etag: etag.filter(named).map(str::to_owned),
            size: linked.or(ranged).or(whole),
        }
    }
}

/// Adds what is missing to a file, from where it stops.
fn download(hub: &Hub, address: &str, path: &Path, size: Option<u64>) -> Result<(), Trouble> {
    let broken = HubError::writing(path);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)
        .map_err(&broken)?;
    let mut last = Refusal::Broken("nothing came".into());
    for _ in 0..TRIES {
        let mut there = file.seek(SeekFrom::End(0)).map_err(&broken)?;
        if size.is_some_and(|size| there > size) {
            file.set_len(0).map_err(&broken)?;
            there = 0;
        }
        if size == Some(there) {
            return Ok(());
        }
        let mut answer = match hub.get(address, Some(&format!("bytes={there}-"))) {
            Ok(answer) => answer,
            Err(refusal @ Refusal::Status(..)) => return Err(refusal.into()),
            Err(refusal) => {
                last = refusal;
                continue;
            }
        };
        // A range from the end on: all is there already.
        if answer.status == 416 {
            return Ok(());
        }
        // Not every server gives parts.
        if answer.status == 200 && there > 0 {
            file.set_len(0).map_err(&broken)?;
            there = 0;
        }
        let promised = answer.last_header("content-length");
        let promised: Option<u64> = promised.and_then(|length| length.parse().ok());
        let mut reader = answer.body.with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 1 << 16];
        let mut got = 0;
        let ended = loop {
            match reader.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    file.write_all(&buffer[..read]).map_err(&broken)?;
                    got += read as u64;
                }
                Err(error) => break Err(Refusal::Broken(error.to_string())),
            }
        };
        let whole = match (size, promised) {
            (Some(size), _) => there + got == size,
            (None, Some(promised)) => got == promised,
            (None, None) => ended.is_ok(),
        };
        match (whole, ended) {
            (true, _) => return Ok(()),
            (false, Err(error)) => last = error,
            (false, Ok(())) => last = Refusal::Broken("it broke off".into()),
        }
    }
    Err(last.into())
}

/// Large files are named by the SHA-256 of what they hold.
fn check(path: &Path, name: &str) -> Result<(), HubError> {
    if name.len() != 64 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    let found = hex(&hash.finalize());
    if !found.eq_ignore_ascii_case(name) {
        // Whoever asks again fetches it again.
        std::fs::remove_file(path)?;
        return Err(HubError::Damaged {
            found,
            name: name.to_owned(),
        });
    }
    Ok(())
}

/// Writes a file beside its place, then moves it there.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}

/// A snapshot's file is a link to its blob, as the hub's own tools make it.
fn link(blob: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    #[cfg(unix)]
    {
        // One step up for each folder below the repository's.
        let repository = blob.parent().and_then(Path::parent).unwrap_or(blob);
        let below = path.strip_prefix(repository).unwrap_or(path);
        let ups = below.components().count().saturating_sub(1);
        let inner = blob.strip_prefix(repository).unwrap_or(blob);
        let target = PathBuf::from_iter(std::iter::repeat_n("..", ups)).join(inner);
        match std::os::unix::fs::symlink(&target, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.exists() => {
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                // A link to what is no longer there.
                let _ = error;
                std::fs::remove_file(path)?;
                std::os::unix::fs::symlink(&target, path)
            }
            done => done,
        }
    }
    #[cfg(not(unix))]
    {
        std::fs::copy(blob, path).map(drop)
    }
}
