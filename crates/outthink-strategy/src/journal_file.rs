//! Models' replies in a file, a line each, so that a run that was killed asks for none of them again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::recorded::Journal;

/// A journal of many problems.
#[derive(Default)]
pub struct JournalFile {
    known: HashMap<i64, HashMap<i64, String>>,
    file: Option<Mutex<File>>,
    /// The first that could not be written.
    failed: Mutex<Option<std::io::Error>>,
}

/// Why a journal cannot be gone on with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// It is of another run.
    #[error("the journal is of another run: {0}")]
    Other(String),
}

#[derive(Serialize, Deserialize)]
struct Line {
    problem: i64,
    request: i64,
    reply: String,
}

/// The first line: which run the replies are of.
#[derive(Serialize, Deserialize)]
struct Head {
    run: String,
}

impl JournalFile {
    /// Reads what is there of a run, and goes on behind it. A line that was cut off is none, and neither is one that is of no run.
    pub fn open(path: &Path, run: &str) -> Result<Self, JournalError> {
        let mut known: HashMap<i64, HashMap<i64, String>> = HashMap::new();
        let mut is_ours = false;
        if path.exists() {
            for line in BufReader::new(File::open(path)?).split(b'\n') {
                let line = line?;
                if let Ok(head) = serde_json::from_slice::<Head>(&line) {
                    if head.run != run {
                        return Err(JournalError::Other(head.run));
                    }
                    is_ours = true;
                } else if is_ours
                    && let Ok(Line {
                        problem,
                        request,
                        reply,
                    }) = serde_json::from_slice(&line)
                {
                    known.entry(problem).or_default().insert(request, reply);
                }
            }
        }
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        // A line may be open.
        file.write_all(b"\n")?;
        if !is_ours {
            let head = Head {
                run: run.to_owned(),
            };
            let mut head = serde_json::to_vec(&head).map_err(std::io::Error::from)?;
            head.push(b'\n');
            file.write_all(&head)?;
        }
        Ok(Self {
            known,
            file: Some(Mutex::new(file)),
            failed: Mutex::default(),
        })
    }

    /// What was not written.
    pub fn failure(&self) -> Option<std::io::Error> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.take()
    }

    /// A problem's part.
    pub fn of(&self, problem: i64) -> Journal<'_> {
        let note = move |request: i64, reply: String| {
            let Some(file) = &self.file else { return };
            let line = Line {
                problem,
                request,
                reply,
            };
            let written = serde_json::to_vec(&line).map_err(std::io::Error::from);
            let written = written.and_then(|mut line| {
                line.push(b'\n');
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.write_all(&line)
            });
            if let Err(error) = written {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
            }
        };
        Journal {
            known: self.known.get(&problem).cloned().unwrap_or_default(),
            note: Box::new(note),
        }
    }
}
