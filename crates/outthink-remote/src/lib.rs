//! Model servers as a [`Policy`](outthink_core::Policy) and a [`Verifier`](outthink_core::Verifier).
//!
//! A [`RemotePolicy`] or [`RemoteVerifier`] is a pool of replicas of one model. At the start the servers are asked
//! which kind they are; everything specific to a kind is in `dialect/`, one file each. Requests run on a thread of this
//! crate, so callers can poll on any executor; dropping the future closes the connection, and the server stops.
//!
//! ```no_run
//! use outthink_remote::{RemotePolicy, Servers};
//!
//! # fn main() -> Result<(), outthink_remote::Error> {
//! let servers = Servers::parse("http://host-a:8000/v1,http://host-b:8000/v1")?;
//! let policy = RemotePolicy::connect(&servers, None, |notice| println!("{notice}"))?;
//! println!("{} on {}", policy.model(), policy.facts()[0].dialect);
//! # Ok(())
//! # }
//! ```

mod address;
mod background;
mod balance;
mod breaker;
mod call;
mod change;
mod config;
mod dialect;
mod draw;
mod endpoint;
mod error;
mod fleet;
mod forward;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod http;
mod key;
mod limit;
mod models;
mod notice;
mod policy;
mod pool;
mod probe;
mod prompt;
mod refusal;
mod request;
mod segment;
mod server_error;
mod sse;
mod usage;
mod verifier;

pub use config::{Config, Role, Servers};
pub use dialect::DialectId;
pub use error::Error;
pub use forward::Forwarded;
pub use notice::Notice;
pub use policy::RemotePolicy;
pub use pool::EndpointStats;
pub use probe::Facts;
pub use verifier::RemoteVerifier;
