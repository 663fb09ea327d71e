//! Answers that cannot be read.

use crate::Error;
use crate::http::TransportError;
use crate::server_error::ServerError;

/// Why a body or an event cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is cut short or no JSON, or the server gave up: another try may mend it.
    Broken(String),
    /// It has another format than was asked for, and will have it again.
    Misshaped(String),
    /// It is an error of the server.
    ServerError(ServerError),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        match error.is_data() {
            true => Self::Misshaped(error.to_string()),
            false => Self::Broken(error.to_string()),
        }
    }
}

impl From<String> for Unreadable {
    fn from(reason: String) -> Self {
        Self::Misshaped(reason)
    }
}

impl From<&str> for Unreadable {
    fn from(reason: &str) -> Self {
        Self::Misshaped(reason.to_owned())
    }
}

impl Unreadable {
    /// What it means for the request that `endpoint` was sent.
    pub(crate) fn at(self, endpoint: &str) -> TransportError {
        match self {
            Self::Broken(reason) => TransportError::Malformed(reason),
            Self::Misshaped(reason) => TransportError::Fatal(Error::Misshaped {
                endpoint: endpoint.to_owned(),
                reason,
            }),
            Self::ServerError(error) => error.into_transport_error(None, None),
        }
    }
}
