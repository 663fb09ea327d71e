//! Answers that hold nothing that was asked for.

use crate::Error;
use crate::http::TransportError;
use crate::server_error::ServerError;

/// Why a body or an event says nothing.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is cut off or no JSON, or the server gave up: another try may mend it.
    Broken(String),
    /// It is something else than was asked for, and will be again.
    Other(String),
    /// It says what is wrong.
    ServerError(ServerError),
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        match error.is_data() {
            true => Self::Other(error.to_string()),
            false => Self::Broken(error.to_string()),
        }
    }
}

impl From<String> for Unreadable {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl From<&str> for Unreadable {
    fn from(reason: &str) -> Self {
        Self::Other(reason.to_owned())
    }
}

impl Unreadable {
    /// What it means for the request that `endpoint` was sent.
    pub(crate) fn at(self, endpoint: &str) -> TransportError {
        match self {
            Self::Broken(reason) => TransportError::Garbled(reason),
            Self::Other(reason) => TransportError::Fatal(Error::Misshaped {
                endpoint: endpoint.to_owned(),
                reason,
            }),
            Self::ServerError(error) => error.into_transport_error(None, None),
        }
    }
}
