//! The embedded checkpoints, read from their folders.

use std::path::PathBuf;
use std::sync::Arc;

use outthink_engine::{Checkpoint, Engine, Readout};
use outthink_prompt::Tokenizer;

pub(crate) fn checkpoint(name: &str) -> Checkpoint {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro");
    Checkpoint::read(&folder.join(name)).unwrap()
}

pub(crate) fn tokenizer(checkpoint: &Checkpoint) -> Arc<Tokenizer> {
    Arc::new(Tokenizer::from_bytes(&checkpoint.tokenizer).unwrap())
}

/// An engine that reads rewards if the checkpoint has a reward head, log-probabilities otherwise.
pub(crate) fn engine(name: &str) -> Engine {
    let checkpoint = checkpoint(name);
    let tokenizer = tokenizer(&checkpoint);
    let has_rewards = String::from_utf8_lossy(&checkpoint.config).contains("ProcessReward");
    let has_labels = String::from_utf8_lossy(&checkpoint.config).contains("TokenClassification");
    let readout = if has_labels {
        Readout::NextLabel
    } else if has_rewards {
        Readout::Label(1)
    } else {
        Readout::Likelihood
    };
    Engine::load(&checkpoint, tokenizer, readout).unwrap()
}
