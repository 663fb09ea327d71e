//! Embedded inference: an ordinary Hugging Face checkpoint as a [`Policy`](outthink_core::Policy) or a
//! [`Verifier`](outthink_core::Verifier), on this machine's CPU.
//!
//! One thread owns a model and its tree of keys and values. Whatever is asked for, by any problem, joins the next
//! forward pass; every token of the tree is computed once.

mod adapter;
mod architectures;
mod batch;
mod bytes;
mod cache;
mod checkpoint;
mod convert;
mod decoder;
mod engine;
mod error;
mod gguf;
mod kernels;
mod layers;
mod memory;
mod policy;
mod precision;
mod probe;
mod readout;
mod sampler;
mod shards;
mod sizes;
mod stacked;
mod tree;
mod verifier;
mod weights;
mod worker;

pub use adapter::{Adapter, missing_base};
pub use bytes::Bytes;
pub use checkpoint::Checkpoint;
pub use convert::convert;
pub use engine::{DrawRequest, DrawnText, Engine, EngineCounts, Reading};
pub use error::Error;
pub use gguf::gguf_parts;
pub use layers::head::Head;
pub use memory::{DoesNotFit, MemoryPlan};
pub use policy::EmbeddedPolicy;
pub use precision::Precision;
pub use probe::{ProbeFile, ProbeFileError, ProbeVerifier, StateReader};
pub use readout::Readout;
pub use verifier::EmbeddedVerifier;
pub use weights::Weights;

/// The vector instructions that models are computed with here, as `AVX-512 VNNI`.
pub fn instructions() -> String {
    kernels::Isa::here().to_string()
}

/// Threads that compute a model.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
