//! Server-sent events.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use serde_json::Value;

/// One frame of the stream.
pub(crate) enum Frame {
    /// An ordinary event.
    Data(Value),
    /// An event of a kind that clients ignore unless they ask for it.
    Named(&'static str, Value),
    /// What every client skips.
    Comment(String),
    /// OpenAI's end.
    Done,
}

impl Frame {
    fn bytes(&self) -> Bytes {
        let text = match self {
            Self::Data(value) => format!("data: {value}\n\n"),
            Self::Named(name, value) => format!("event: {name}\ndata: {value}\n\n"),
            Self::Comment(text) => format!(": {}\n\n", text.replace(['\n', '\r'], " ")),
            Self::Done => "data: [DONE]\n\n".to_owned(),
        };
        text.into()
    }
}

/// A response of frames.
pub(crate) fn response(frames: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let body = frames.map(|frame| Ok::<_, std::convert::Infallible>(frame.bytes()));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Proxies that gather what they pass on would hold the stream back.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, Body::from_stream(body)).into_response()
}
