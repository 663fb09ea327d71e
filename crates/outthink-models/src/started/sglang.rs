//! SGLang, by its documentation (docs.sglang.io, server arguments); not tested against the program.

use std::ffi::OsString;

use super::{Job, Program, Source};

/// The program.
pub(super) const SGLANG: Program = Program {
    name: "sglang",
    command: "sglang",
    path: "OUTTHINK_SGLANG",
    flags: "OUTTHINK_SGLANG_FLAGS",
    install: "`pip install sglang` (docs.sglang.io)",
    reads_gguf: false,
    tokenises: false,
    arguments,
};

/// Prefixes are cached unless one says otherwise.
fn arguments(job: &Job<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["serve", "--model-path"].map(Into::into).into();
    match &job.source {
        Source::Path(folder) => arguments.push(folder.into()),
        Source::Hub { id, revision } => {
            arguments.push(id.into());
            let revision = revision.iter();
            arguments.extend(revision.flat_map(|revision| ["--revision".into(), revision.into()]));
        }
    }
    arguments.extend(["--served-model-name".into(), job.served.into()]);
    arguments.push("--enable-cache-report".into());
    arguments
}
