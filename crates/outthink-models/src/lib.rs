//! From a name to a model that can be searched with.
//!
//! A name is that of an embedded model (or of two, joined by `+`), a checkpoint folder, a .gguf file, an id of the Hugging
//! Face hub, addresses of servers, an outthink.toml, or a program and what it is started with (`llama.cpp:FILE.gguf`,
//! `vllm:MODEL`, `sglang:MODEL`). [`policy`] and [`verifier`] load what it means, with its profile, its size and an identity that
//! stays the same wherever the model lies:
//!
//! ```no_run
//! let policy = outthink_models::policy("Qwen/Qwen2.5-0.5B-Instruct")?;
//! let verifier = outthink_models::verifier("Qwen/Qwen2.5-Math-PRM-7B")?;
//! println!("{} under profile {}", policy.info.name, policy.model.profile_name());
//! # Ok::<(), outthink_models::LoadError>(())
//! ```
//!
//! [`ModelSpec`] says more than a name; a [`Loader`] tells what takes long, as a download does. This crate prints nothing.

mod combination;
mod digest;
mod error;
mod files;
pub mod hub;
mod identity;
mod judge;
mod loader;
mod notice;
mod policy;
mod probe;
mod spec;
mod started;
mod verifier;

pub use combination::CombinedVerifier;
pub use digest::{digest, hex};
pub use error::{AskError, LoadError};
pub use hub::HubError;
pub use judge::{Candidate, Judge, is_self, policy_of};
pub use loader::{Loader, is_served, servers};
pub use notice::Notice;
pub use policy::{AnyPolicy, LoadedPolicy, PolicyExperts, limits};
pub use probe::{Beside, LoadedProbe, is_probe};
pub use spec::ModelSpec;
pub use started::{StartError, StartNotice};
pub use verifier::{AnyVerifier, LoadedVerifier, STEP_CHECKER, mismatch};

/// Loads a policy, without a word: `policy("micro-0.3m")`, or from a [`ModelSpec`].
///
/// # Errors
///
/// Where there is no such model, or it is no policy, or cannot be read or reached.
pub fn policy(spec: impl Into<ModelSpec>) -> Result<LoadedPolicy, LoadError> {
    Loader::default().policy(spec)
}

/// Loads a verifier, without a word: `verifier("micro-prm")`, or from a [`ModelSpec`].
///
/// # Errors
///
/// Where there is no such model, or it is no verifier, or cannot be read or reached.
pub fn verifier(spec: impl Into<ModelSpec>) -> Result<LoadedVerifier, LoadError> {
    Loader::default().verifier(spec)
}
