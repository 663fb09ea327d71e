//! A request of somebody else's, passed on as it is.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use outthink_core::ModelError;

use crate::policy::{RemotePolicy, key};
use crate::{Error, background};

/// What a server replied, unread.
pub struct Forwarded {
    /// HTTP status.
    pub status: u16,
    /// Its `content-type`.
    pub content_type: String,
    /// Its body as it comes; dropping it hangs up, and the server stops.
    pub body: BoxStream<'static, Result<Bytes, ModelError>>,
}

impl RemotePolicy {
    /// Posts a body to a path as `/v1/chat/completions`. A refused connection is tried at the next server; whatever a
    /// server replies is the reply, errors too. Fails at once where no server is up.
    pub async fn forward(&self, path: &'static str, body: Bytes) -> Result<Forwarded, Error> {
        let pool = self.pool();
        let place = key(&String::from_utf8_lossy(&body));
        let sent = async move { pool.pass(place, path, body).await };
        let (response, lease) = background::start(sent)?.await?;
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok());
        Ok(Forwarded {
            status: response.status().as_u16(),
            content_type: kind.unwrap_or("application/json").to_owned(),
            body: response
                .into_body()
                .into_data_stream()
                .map(move |data| {
                    // The place is taken until the last byte.
                    let _held = &lease;
                    Ok(data?)
                })
                .boxed(),
        })
    }
}
