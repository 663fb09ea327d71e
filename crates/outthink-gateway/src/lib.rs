//! An OpenAI-compatible server whose answers are searched for, and a console that shows the search.
//!
//! `model` says what is wanted: a policy's name passes the request on, `method:policy` and `auto@policy` search. The crate
//! sees models only through the traits of `outthink-core`; whoever serves brings them ([`Models`]) and calls [`serve()`].

mod apart;
mod ask;
mod auth;
mod body;
mod conversation;
mod door;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handlers;
mod head;
mod listing;
mod live;
mod metrics;
mod models;
mod observe;
mod once;
mod passing;
mod patience;
mod peers;
mod queue;
mod record;
mod reply;
mod request;
mod search;
mod serve;
mod span;
mod sse;
mod stop;
mod traces;
mod watch;

pub use auth::{Key, KeyFileError, Keys, LiveKeys};
pub use body::read;
pub use error::{ApiError, Blame, Fault};
pub use models::{
    Finish, Forward, Forwarded, Models, Piece, ServedPolicy, ServedVerifier, Talk, Turn, Utterance,
    Voice,
};
pub use serve::{Gateway, Routes, Settings, host, serve};
pub use traces::{Traces, TracesError};
