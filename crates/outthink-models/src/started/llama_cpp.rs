//! llama.cpp's `llama-server`.

use std::ffi::OsString;

use super::{Job, Program, Source};

/// Slots: requests at once, each with a prefix cache and a context of its own, which is memory.
const SLOTS: usize = 4;

/// The program.
pub(super) const LLAMA_CPP: Program = Program {
    name: "llama.cpp",
    command: "llama-server",
    path: "OUTTHINK_LLAMA_SERVER",
    flags: "OUTTHINK_LLAMA_FLAGS",
    install: "`brew install llama.cpp`, or a release of github.com/ggml-org/llama.cpp",
    reads_gguf: true,
    tokenises: true,
    arguments,
};

fn arguments(job: &Job<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = match &job.source {
        Source::Path(file) => vec!["-m".into(), file.into()],
        Source::Hub { id, .. } => vec!["-hf".into(), id.into()],
    };
    arguments.extend(["--alias".into(), job.served.into()]);
    arguments.extend(["-np".into(), SLOTS.to_string().into()]);
    // The slots divide it among themselves.
    arguments.extend(["-c".into(), (SLOTS * job.context).to_string().into()]);
    arguments
}
