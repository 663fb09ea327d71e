//! News for a person while models are loaded and asked.

use std::fmt;
use std::path::PathBuf;

use crate::StartNotice;

/// Something to be shown to a person; its `Display` is a line without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A name that may be a hub id is a model here, and was taken from here.
    TakenFromHere(String),
    /// A name that may be a path is no model here, and is the hub's.
    TakenFromHub(String),
    /// Files are fetched from the hub, which may take long.
    Fetching {
        /// `owner/name`.
        repository: String,
        /// The commit.
        commit: String,
        /// How many files.
        files: usize,
    },
    /// Pickled weights are written as safetensors.
    Converting {
        /// The model, `owner/name@revision`.
        id: String,
        /// Where they are written to.
        folder: PathBuf,
    },
    /// Of a server that is started; one that ends too early is told whenever it does.
    Start(StartNotice),
    /// Verdicts of a generative verifier that cannot be read.
    Unreadable {
        /// The verifier.
        name: String,
        /// How many so far.
        unread: u64,
        /// Of how many.
        asked: u64,
        /// The last of them.
        text: String,
    },
    /// Of a model's servers; these may come as long as the model is used.
    Servers(outthink_remote::Notice),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakenFromHere(name) => write!(f, "{name} is taken from here, not from the hub"),
            Self::TakenFromHub(name) => write!(f, "{name} is no model here, so it is the hub's"),
            Self::Fetching {
                repository,
                commit,
                files,
            } => write!(f, "fetching {repository} at {commit}: {files} files"),
            Self::Converting { id, folder } => write!(
                f,
                "{id} holds pickled weights; writing them as safetensors to {}",
                folder.display()
            ),
            Self::Start(notice) => notice.fmt(f),
            Self::Servers(notice) => notice.fmt(f),
            Self::Unreadable {
                name,
                unread,
                asked,
                text,
            } => {
                let end: Vec<char> = text.trim().chars().rev().take(80).collect();
                let end: String = end.into_iter().rev().collect();
                let end = outthink_core::visible_line(&end).into_owned();
                write!(
                    f,
                    "{name}: {unread} of {asked} verdicts so far cannot be read and do not count, the last of which ends with `{end}`"
                )
            }
        }
    }
}
