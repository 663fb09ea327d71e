//! Model profiles and rendering: from a problem and its steps to token ids, and from drawn tokens back to steps.
//!
//! Everything that depends on the model family stands in a profile (TOML, `profiles/`), chosen by what the checkpoint's
//! own tokenizer knows and never by its name. Chat templates are the checkpoint's own.

mod error;
mod layout;
mod profile;
mod segment;
mod template;
mod tokenizer;

pub use error::Error;
pub use layout::{Rendered, RewardLayout};
pub use profile::{LikelihoodLayout, PolicyProfile, ProcessRewardLayout, Profile};
pub use segment::{End, Segment, Segmenter};
pub use template::ChatTemplate;
pub use tokenizer::Tokenizer;
