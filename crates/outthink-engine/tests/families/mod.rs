//! The families' checkpoints: tiny, random, in the layout of the real ones. `make.py` wrote them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use outthink_core::{Prefix, Problem, Step};
use outthink_engine::Checkpoint;

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/families")
        .join(name)
}

pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    Checkpoint::read(&folder(name)).unwrap()
}

pub(crate) fn problem(text: &str) -> Arc<Problem> {
    Arc::new(Problem {
        id: text.into(),
        text: text.into(),
    })
}

/// A complete solution.
pub(crate) fn prefix(question: &str, steps: &[String]) -> Prefix {
    let step = |text: &String| Arc::new(Step::written(text.clone()));
    Prefix {
        problem: problem(question),
        steps: steps.iter().map(step).collect(),
        complete: true,
    }
}
