//! What a question is about: one file a domain.

mod maths;

pub use maths::Maths;
