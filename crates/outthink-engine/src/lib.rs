//! Embedded inference: an ordinary Hugging Face checkpoint as a [`Policy`](outthink_core::Policy) or a
//! [`Verifier`](outthink_core::Verifier), on this machine's CPU.
//!
//! One thread owns a model and its tree of keys and values. Whatever is asked for, by any problem, joins the next
//! forward pass; every token of the tree is computed once.

mod attention;
mod checkpoint;
mod config;
mod convert;
mod decoder;
mod engine;
mod error;
mod gguf;
mod linear;
mod policy;
mod precision;
mod rotary;
mod sampler;
mod shards;
mod tree;
mod verifier;
mod weights;

pub use checkpoint::Checkpoint;
pub use convert::convert;
pub use decoder::{Head, Readout};
pub use engine::{Counts, Draw, Drawing, Engine, Reading};
pub use error::Error;
pub use gguf::gguf_parts;
pub use policy::EmbeddedPolicy;
pub use precision::Precision;
pub use verifier::EmbeddedVerifier;
pub use weights::Weights;
