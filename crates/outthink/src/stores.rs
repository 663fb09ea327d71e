//! Which store is meant where none is named.

use std::path::Path;

use anyhow::anyhow;
use outthink_lab::Store;

use crate::failure::Failure;

/// The store that is named; else `STUDY.sqlite`, where `outthink study` keeps it, or else the only store in this folder.
pub(crate) fn place(named: Option<&str>, study: Option<&str>) -> Result<String, Failure> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let own = study.map(|study| format!("{study}.sqlite"));
    if let Some(own) = own.filter(|own| Path::new(own).is_file()) {
        return Ok(own);
    }
    let mut here: Vec<String> = std::fs::read_dir(".")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".sqlite") && Store::read(name).is_ok())
        .collect();
    here.sort();
    match here.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::Input(anyhow!(
            "there is no store in this folder; name one with --store"
        ))),
        several => Err(Failure::Input(anyhow!(
            "there are several stores in this folder; name one with --store: {}",
            several.join(", ")
        ))),
    }
}

/// The same, opened to be read.
pub(crate) fn read(named: Option<&str>, study: Option<&str>) -> Result<Store, Failure> {
    Store::read(&place(named, study)?).map_err(Failure::input)
}
