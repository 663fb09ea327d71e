//! Model profiles and rendering: from a problem and its steps to token ids, and from drawn tokens back to steps.
//!
//! Everything that depends on the model family stands in a profile (TOML, `profiles/`), chosen by the checkpoint's own
//! architecture and tokens and never by its name. Chat templates are the checkpoint's own.

mod error;
mod files;
mod jinja;
mod layout;
mod profile;
mod segment;
mod template;
mod tokenizer;

pub use error::Error;
pub use files::{PromptFiles, end_tokens, template};
pub use layout::{Rendered, Reward, RewardLayout};
pub use profile::{Detect, PolicyProfile, Profile, Role, VerifierProfile};
pub use segment::{End, Likelihood, Segment, Segmenter};
pub use template::{ChatTemplate, Message};
pub use tokenizer::Tokenizer;
