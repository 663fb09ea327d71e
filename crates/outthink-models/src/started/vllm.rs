//! vLLM.

use std::ffi::OsString;

use super::{Job, Program, Source};

/// The program.
pub(super) const VLLM: Program = Program {
    name: "vllm",
    command: "vllm",
    path: "OUTTHINK_VLLM",
    flags: "OUTTHINK_VLLM_FLAGS",
    install: "`pip install vllm` (docs.vllm.ai)",
    reads_gguf: false,
    tokenises: true,
    arguments,
};

fn arguments(job: &Job<'_>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["serve".into()];
    match &job.source {
        Source::Path(folder) => arguments.push(folder.into()),
        Source::Hub { id, revision } => {
            arguments.push(id.into());
            let revision = revision.iter();
            arguments.extend(revision.flat_map(|revision| ["--revision".into(), revision.into()]));
        }
    }
    arguments.extend(["--served-model-name".into(), job.served.into()]);
    match job.pools {
        true => arguments.extend(["--runner", "pooling"].map(Into::into)),
        false => arguments
            .extend(["--enable-prefix-caching", "--enable-prompt-tokens-details"].map(Into::into)),
    }
    arguments
}
