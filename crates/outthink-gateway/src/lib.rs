//! An OpenAI-compatible server whose answers are searched for, and a console that shows the search.
//!
//! `model` says what is wanted: a policy's name passes the request on, `method:policy` and `auto@policy` search. The crate
//! sees models only through the traits of `outthink-core`; whoever serves brings them ([`Models`]) and calls [`serve()`].

mod auth;
mod conversation;
mod error;
mod handlers;
mod metrics;
mod models;
mod patience;
mod queue;
mod reply;
mod request;
mod search;
mod serve;
mod sse;
mod watch;

pub use auth::{Key, KeyFileError, Keys};
pub use error::ApiError;
pub use models::{
    Forward, Forwarded, Models, Performed, Piece, ServedPolicy, ServedVerifier, Strategist, Talk,
    Task, Turn, Utterance, Voice,
};
pub use serve::{Gateway, Settings, serve};
