//! Errors of loading and running models.

use std::path::PathBuf;

use crate::memory::DoesNotFit;

/// Why a model cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the checkpoint is missing or unreadable.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the checkpoint is no JSON of the expected shape.
    #[error("{file} is malformed: {reason}")]
    Malformed {
        /// Which.
        file: &'static str,
        /// Why.
        reason: String,
    },
    /// A weight file is cut off, or lacks a tensor, or has it in another shape.
    #[error("{file}: {reason}")]
    Weights {
        /// Which.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A model that the engine does not run.
    #[error(
        "cannot run {what}. A server may: `llama-server -m FILE` or `vllm serve MODEL`, then --policy http://127.0.0.1:8080/v1"
    )]
    Unsupported {
        /// What the checkpoint asks for.
        what: String,
    },
    /// A model for which there is not enough memory; nothing of it was loaded.
    #[error("{0}")]
    Memory(DoesNotFit),
    /// A checkpoint in a role that it cannot play.
    #[error("this checkpoint is a {architecture} and cannot be a {role}")]
    Role {
        /// The architecture that its `config.json` names.
        architecture: String,
        /// The role it was loaded for.
        role: &'static str,
    },
    /// An implicit PRM that needs its reference model and was given none.
    #[error(
        "the profile {0} compares a verifier with the model it was trained from; name that as its reference"
    )]
    NoReference(String),
    /// A reference model for a verifier that does not use one.
    #[error("the profile {0} reads a verifier by itself; it takes no reference")]
    NeedsNoReference(String),
    /// A tensor is missing or has another shape, or a kernel failed.
    #[error("the model cannot be run")]
    Tensor(#[from] candle_core::Error),
    /// Text that cannot become tokens.
    #[error(transparent)]
    Prompt(#[from] outthink_prompt::Error),
    /// A sequence that is longer than the model's context.
    #[error("{tokens} tokens exceed the model's context of {limit}")]
    TooLong {
        /// Length of the sequence, in tokens.
        tokens: usize,
        /// The model's `max_position_embeddings`.
        limit: usize,
    },
    /// An empty sequence: there is no token to continue from.
    #[error("the prompt is empty: a model goes on from one token at least")]
    EmptyPrompt,
    /// A position beyond the end of its sequence.
    #[error("there is no place {place} in a sequence of {tokens} tokens")]
    NoSuchPlace {
        /// The position asked for, from 0.
        place: usize,
        /// Length of the sequence.
        tokens: usize,
    },
    /// A token that the model has no embedding for.
    #[error("token {token} is not among the model's {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Size of the embedding.
        vocabulary: usize,
    },
    /// The model's output is not a number.
    #[error("the model's output is not a number: the weights are damaged")]
    NotANumber,
    /// The engine panicked over a request, or over another in the same pass. It goes on with what is asked next.
    #[error("the engine panicked, which is a fault of this program: {0}")]
    Panicked(String),
    /// The engine's thread has ended.
    #[error("the engine has stopped; start the program again")]
    Stopped,
}
