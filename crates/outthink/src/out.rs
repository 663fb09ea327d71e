//! The file of answers of `outthink solve --jsonl`, its journal, and what is there from an earlier run of the same kind.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use outthink_lab::{JournalError, JournalFile};
use outthink_models::hex;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// What all answers of a run depend on: its words, and a hash of everything. Lines of another run are never mixed with its own.
pub(crate) fn run_name(words: &str, identity: &Value) -> String {
    let digest = hex(&Sha256::digest(identity.to_string()));
    format!("{words} ({})", &digest[..12])
}

/// A line that an earlier run has written.
#[derive(Deserialize)]
struct Before {
    id: String,
    spent: Option<f64>,
    run: Option<String>,
    error: Option<IgnoredAny>,
}

/// Where lines go, and what is there already.
pub(crate) struct Out {
    pub(crate) lines: Box<dyn Write>,
    pub(crate) journal: JournalFile,
    /// The journal's file.
    path: Option<PathBuf>,
    /// The problems that have an answer.
    pub(crate) done: HashSet<String>,
    pub(crate) spent: f64,
}

impl Out {
    pub(crate) fn open(file: Option<&Path>, run: &str) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self {
                lines: Box::new(crate::print::stdout()),
                journal: JournalFile::default(),
                path: None,
                done: HashSet::new(),
                spent: 0.0,
            });
        };
        let name = file.display();
        let other = |own: &str, what: &str| {
            Failure::Input(anyhow!(
                "{what} is of another run: {own}; this one is {run}: name another file with --out, or remove it"
            ))
        };
        let (mut done, mut spent, mut unnamed) = (HashSet::new(), 0.0, 0);
        if file.exists() {
            let lines = File::open(file).with_context(|| format!("cannot read {name}"))?;
            for line in BufReader::new(lines).split(b'\n') {
                // What was cut off, or has failed, is tried again.
                let Ok(before) = serde_json::from_slice::<Before>(&line?) else {
                    continue;
                };
                match &before.run {
                    Some(own) if own != run => return Err(other(own, &name.to_string())),
                    Some(_) => {}
                    None => unnamed += 1,
                }
                if before.error.is_none() && done.insert(before.id) {
                    spent += before.spent.unwrap_or_default();
                }
            }
        }
        if unnamed > 0 {
            eprintln!(
                "note: {unnamed} lines of {name} do not say which run they are of, as an earlier version wrote them; they are kept as they are"
            );
        }
        let path = PathBuf::from(format!("{name}.journal"));
        let journal = match JournalFile::open(&path, run) {
            Err(JournalError::Other(own)) => {
                return Err(other(&own, &path.display().to_string()));
            }
            Err(error) => {
                return Err(anyhow!(error)
                    .context(format!("cannot open {}", path.display()))
                    .into());
            }
            Ok(journal) => journal,
        };
        let opened = OpenOptions::new().create(true).append(true).open(file);
        let mut lines = opened.with_context(|| format!("cannot write {name}"))?;
        let length = lines.metadata().map_or(0, |about| about.len());
        if length > 0 && !ends_with_newline(file)? {
            writeln!(lines)?;
        }
        Ok(Self {
            lines: Box::new(lines),
            journal,
            path: Some(path),
            done,
            spent,
        })
    }

    /// Can the same command go on?
    pub(crate) fn goes_on(&self) -> bool {
        self.path.is_some()
    }

    pub(crate) fn line(&mut self, line: &str) -> std::io::Result<()> {
        writeln!(self.lines, "{line}")?;
        self.lines.flush()
    }

    /// When all is done the journal has done its work.
    pub(crate) fn close(self, is_whole: bool) -> Result<(), Failure> {
        if let Some(error) = self.journal.failure() {
            return Err(anyhow!(error).context("cannot write the journal").into());
        }
        match self.path {
            Some(journal) if is_whole => std::fs::remove_file(&journal)
                .with_context(|| format!("cannot remove {}", journal.display()))
                .map_err(Failure::Run),
            _ => Ok(()),
        }
    }
}

fn ends_with_newline(file: &Path) -> std::io::Result<bool> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}
