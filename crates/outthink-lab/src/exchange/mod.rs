//! Samples as files: out of a store one line per sample, and into a store, from whoever wrote them, as pools that can be scored and
//! chosen from anew.

pub(crate) mod columns;
pub(crate) mod dataset;
pub(crate) mod export;
pub(crate) mod formats;
pub(crate) mod import;
pub(crate) mod line;
pub(crate) mod parquet_file;
pub(crate) mod results;
pub(crate) mod rows;
pub(crate) mod source;
pub(crate) mod suspicion;

use outthink_core::Tree;

use crate::exchange::dataset::DatasetError;
use crate::exchange::rows::Place;
use crate::store::StoreError;
pub use line::Line;

/// Why samples cannot be exchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file failed.
    #[error("the file of samples")]
    File(#[from] std::io::Error),
    /// The file cannot be read as rows.
    #[error(transparent)]
    Rows(#[from] DatasetError),
    /// A row that is no sample.
    #[error("{file} {place}: {reason}")]
    Row {
        /// Which file.
        file: String,
        /// Which row.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// Samples of no format that is known.
    #[error("{0}")]
    Format(String),
    /// The domain cannot grade them.
    #[error(transparent)]
    Domain(#[from] outthink_core::Error),
    /// A study without pools, where only pools can be written.
    #[error(
        "the study {0} has no pools, and only these can be written so; --format jsonl writes what its searches kept"
    )]
    NoPools(String),
    /// Nothing there.
    #[error("there are no samples")]
    Empty,
    /// Problems without a right answer.
    #[error(
        "{count} of {all} problems have no gold answer, for example {example}; take them from a problem set with --dataset, or the file's own verdicts with --verdicts file (labels of steps are what outthink audit --data reads)"
    )]
    NoGold {
        /// How many.
        count: usize,
        /// Of how many.
        all: usize,
        /// One of them.
        example: String,
    },
    /// Samples without a verdict of the file.
    #[error("{count} of {all} samples have no verdict in the file, for example one of {example}")]
    NoVerdict {
        /// How many.
        count: usize,
        /// Of how many.
        all: usize,
        /// The problem of one of them.
        example: String,
    },
    /// An ensemble of policies that are not there.
    #[error("the ensemble {name} has no member `{member}` among the policies {known}")]
    NoMember {
        /// The ensemble.
        name: String,
        /// Who is missing.
        member: String,
        /// Who is there.
        known: String,
    },
    /// An archive cannot be written.
    #[error("the archive of samples")]
    Archive(#[from] zip::result::ZipError),
    /// Parquet's own words.
    #[error("Parquet: {0}")]
    Parquet(String),
}

/// A tree that another program grew.
#[derive(Clone, Debug)]
pub(crate) struct GrownTree {
    pub(crate) policy: String,
    pub(crate) tree: Tree,
    /// Is the path to each node right, where that is known exactly?
    pub(crate) labels: Vec<Option<bool>>,
}
