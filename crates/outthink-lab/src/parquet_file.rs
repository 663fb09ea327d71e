//! Parquet files, read and written.

use std::path::Path;

use serde_json::{Map, Value};

/// The rows of a file.
pub(crate) fn rows(_: &Path) -> Result<Vec<(usize, Map<String, Value>)>, String> {
    Err("not yet".into())
}
