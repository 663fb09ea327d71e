//! A file of JSON lines, or standard input by the name `-`; as `.gz`, with a mark of encoding or as one array as well.

use std::io::{BufRead, Read};
use std::path::Path;

use anyhow::Context;
use outthink_lab::json_lines;

use crate::failure::Failure;

pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    pub(crate) lines: Box<dyn BufRead>,
}

impl Input {
    pub(crate) fn open(file: &Path) -> Result<Self, Failure> {
        let (name, reader): (String, Box<dyn Read>) = if file == Path::new("-") {
            ("standard input".into(), Box::new(std::io::stdin().lock()))
        } else {
            let name = file.display().to_string();
            let opened =
                outthink_core::file::open(file).with_context(|| format!("cannot read {name}"));
            (name, Box::new(opened.map_err(Failure::Input)?))
        };
        let lines = json_lines(&name, reader).map_err(Failure::input)?;
        Ok(Self { name, lines })
    }
}
