//! A request to a server, and the readers of its answer.

use bytes::Bytes;

use crate::Error;
use crate::endpoint::Endpoint;
use crate::http::{BodyPart, TransportError, server_error};
use crate::server_error::{ServerError, page};
use crate::sse::Events;

/// Reads an answer, whole or event by event.
pub(crate) trait ResponseReader: Send {
    /// What is read.
    type Value: Send;

    /// Takes the body, or the next event of a stream, from the server at `endpoint`. True if no more is wanted.
    fn take(&mut self, endpoint: &str, data: &[u8]) -> Result<bool, TransportError>;

    /// The value, and how many tokens the server processed for it.
    fn finish(self, endpoint: &str) -> Result<(Self::Value, u64), TransportError>;
}

/// A request, the same to whichever server gets it.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest {
    pub(crate) path: &'static str,
    pub(crate) body: Bytes,
    pub(crate) stream: bool,
}

impl ApiRequest {
    /// A request with a body of JSON.
    pub(crate) fn json(
        path: &'static str,
        stream: bool,
        body: &impl serde::Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            path,
            body: serde_json::to_vec(body)?.into(),
            stream,
        })
    }
}

/// Hands a part of a body to a reader, event by event where it is a stream. True if the reader wants no more.
pub(crate) fn take<R: ResponseReader>(
    reader: &mut R,
    endpoint: &Endpoint,
    events: &mut Events,
    part: BodyPart,
) -> Result<bool, TransportError> {
    match part {
        BodyPart::Whole(body) => {
            let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&body);
            return read(reader, endpoint, body);
        }
        BodyPart::Data(data) if events.push(&data) => {}
        BodyPart::Data(_) => {
            return Err(TransportError::Fatal(Error::Misshaped {
                endpoint: endpoint.name().to_owned(),
                reason: "an event without end".into(),
            }));
        }
        BodyPart::End => events.end(),
    }
    while let Some(event) = events.next() {
        if read(reader, endpoint, &event)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Hands a body or an event to a reader. What it cannot read may be an error with the status of a success.
fn read<R: ResponseReader>(
    reader: &mut R,
    endpoint: &Endpoint,
    data: &[u8],
) -> Result<bool, TransportError> {
    reader
        .take(endpoint.name(), data)
        .map_err(|failure| match failure {
            TransportError::Malformed(_)
            | TransportError::NoChoice(_)
            | TransportError::Fatal(Error::Misshaped { .. })
                if ServerError::read_success(data).is_some() =>
            {
                server_error(endpoint, data).into_transport_error(None, None)
            }
            TransportError::Malformed(_) if page(data).is_some() => {
                TransportError::Malformed(page(data).unwrap_or_default())
            }
            other => other,
        })
}
