//! Passing on a client's request unchanged.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::{BodyDataStream, BodyExt};
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use outthink_core::ModelError;
use tokio::runtime::Handle;

use crate::breaker::Fault;
use crate::call::prefix_key;
use crate::key::KeyRedactor;
use crate::policy::RemotePolicy;
use crate::pool::Lease;
use crate::{Error, background};

/// A server's reply, not interpreted.
pub struct Forwarded {
    /// HTTP status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: String,
    /// Its body as it arrives, with the API key struck out. Dropping it closes the connection, so that the server
    /// stops. Yields an error where the connection breaks, or the server is silent for as long as an answer may take.
    pub body: BoxStream<'static, Result<Bytes, ModelError>>,
}

impl RemotePolicy {
    /// Posts a body to a path such as `/v1/chat/completions`. A refused connection is tried at the next server; any
    /// reply of a server is returned, errors too.
    ///
    /// # Errors
    ///
    /// At once where no server is up; where a server is reached and the connection breaks before it replies.
    pub async fn forward(&self, path: &'static str, body: Bytes) -> Result<Forwarded, Error> {
        let pool = self.pool();
        let timeout = pool.timeout();
        let key = prefix_key(&String::from_utf8_lossy(&body));
        let sent = async move { pool.pass(key, path, body).await };
        // On the caller's own runtime, if there is one, so that the body does not change threads.
        let (response, lease) = match Handle::try_current() {
            Ok(_) => sent.await?,
            Err(_) => background::start(sent)?.await?,
        };
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        Ok(Forwarded {
            status: response.status().as_u16(),
            content_type: kind.unwrap_or("application/json").to_owned(),
            body: ForwardedBody {
                status: response.status(),
                redactor: KeyRedactor::new(lease.key(), response.status().is_success()),
                body: response.into_body().into_data_stream(),
                lease,
                bytes: 0,
                timeout,
            }
            .stream(),
        })
    }
}

/// A body that is being passed on. It holds a place at its server until the last byte; how it ends is reported to the
/// pool.
struct ForwardedBody {
    status: StatusCode,
    body: BodyDataStream<Incoming>,
    redactor: KeyRedactor,
    lease: Lease,
    bytes: u64,
    timeout: Duration,
}

impl ForwardedBody {
    fn stream(self) -> BoxStream<'static, Result<Bytes, ModelError>> {
        stream::unfold(Some(self), |passing| async {
            let mut passing = passing?;
            let next = match background::timeout(passing.timeout, passing.body.next()) {
                Ok(next) => next.await,
                Err(error) => return Some((Err(error.into()), None)),
            };
            let reason = match next {
                Ok(Some(Ok(data))) => {
                    passing.bytes += data.len() as u64;
                    let data = passing.redactor.push(data);
                    return Some((Ok(data), Some(passing)));
                }
                Ok(None) => {
                    let rest = passing.redactor.rest();
                    passing.end();
                    return (!rest.is_empty()).then_some((Ok(rest), None));
                }
                Ok(Some(Err(error))) => format!("the connection broke: {error}"),
                Err(_) => format!("no word within {:?}", passing.timeout),
            };
            passing.lease.failed(Fault::BadAnswer, &reason);
            Some((Err(reason.into()), None))
        })
        .boxed()
    }

    fn end(self) {
        match self.status.as_u16() {
            429 | 503 | 529 => self.lease.busy(None),
            // A token is about four bytes. The concurrency limit only compares throughputs, so any measure of work
            // does.
            _ => self.lease.answered(self.bytes.div_ceil(4)),
        }
    }
}
