//! A file of lines, or standard input by the name `-`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use crate::failure::Failure;

pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    pub(crate) lines: Box<dyn BufRead>,
}

impl Input {
    pub(crate) fn open(file: &Path) -> Result<Self, Failure> {
        if file == Path::new("-") {
            return Ok(Self {
                name: "standard input".into(),
                lines: Box::new(std::io::stdin().lock()),
            });
        }
        let name = file.display().to_string();
        let opened = File::open(file).with_context(|| format!("cannot read {name}"));
        Ok(Self {
            lines: Box::new(BufReader::new(opened.map_err(Failure::Input)?)),
            name,
        })
    }
}
