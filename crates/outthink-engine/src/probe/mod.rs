//! Verifiers on a policy's own hidden states: what is read, the file of what was fitted, and the verifier.

mod file;
mod states;
mod verifier;

pub use file::{ProbeFile, ProbeFileError};
pub use states::StateReader;
pub use verifier::ProbeVerifier;
