//! Server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::ready;
use futures::stream::{self, Stream, StreamExt};
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::apart::Panicked;
use crate::error::ApiError;
use crate::observe::{broke, failed};

/// Between signs of life on a stream that has nothing to tell.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

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

/// Hears the frames of a stream. Nobody may hear them once the client has gone.
#[derive(Clone)]
pub(crate) struct Teller(mpsc::UnboundedSender<Frame>);

impl Teller {
    pub(crate) fn tell(&self, frame: Frame) {
        drop(self.0.unbounded_send(frame));
    }
}

/// A response of the frames that `work` tells until it ends. A client that leaves ends the work; one that reads slowly does not hold
/// it up. What waits for such a client is at most what its own request has to tell. An error is told as an event; after a panic
/// there is no proper end either, so that nobody takes the stream for a whole one.
pub(crate) fn told<F>(id: String, work: impl FnOnce(Teller) -> F) -> Response
where
    F: Future<Output = Result<Result<(), ApiError>, Panicked>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded();
    let work = Work {
        doing: tokio::spawn(work(Teller(sender))),
        id,
    };
    let frames = stream::unfold(Some((receiver, work)), |state| async {
        let (mut receiver, mut work) = state?;
        match tokio::time::timeout(KEEP_ALIVE, receiver.next()).await {
            Ok(Some(frame)) => Some((Ok(frame.bytes()), Some((receiver, work)))),
            Err(_) => Some((
                Ok(Frame::Comment("searching".into()).bytes()),
                Some((receiver, work)),
            )),
            Ok(None) => Some((work.end().await, None)),
        }
    });
    let frames = frames.flat_map(|frame| match frame {
        Ok(bytes) => stream::once(ready(Ok(bytes))).left_stream(),
        Err(event) => broken_off(event).right_stream(),
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // Proxies that gather what they pass on would hold the stream back.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ];
    (headers, Body::from_stream(frames)).into_response()
}

/// An event, and when that is on its way the break.
fn broken_off(event: Bytes) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    let broken = async {
        tokio::task::yield_now().await;
        Err(std::io::Error::other("it broke"))
    };
    stream::once(ready(Ok(event))).chain(stream::once(broken))
}

/// What a stream tells of; it ends when this is dropped.
struct Work {
    doing: JoinHandle<Result<Result<(), ApiError>, Panicked>>,
    id: String,
}

impl Work {
    /// The last bytes of the stream; an error for those of one that broke.
    async fn end(&mut self) -> Result<Bytes, Bytes> {
        let event = |error: &ApiError| Frame::Data(error.body()).bytes();
        let panicked = match (&mut self.doing).await {
            Ok(Ok(Ok(()))) => return Ok(Frame::Done.bytes()),
            Ok(Ok(Err(error))) => {
                if let Some(reason) = error.reason() {
                    failed(&self.id, reason);
                }
                return Ok([event(&error), Frame::Done.bytes()].concat().into());
            }
            Ok(Err(panicked)) => panicked,
            Err(error) => match error.try_into_panic() {
                Ok(payload) => Panicked::of(&*payload),
                Err(_) => Panicked("it was stopped".into()),
            },
        };
        Err(event(&broke(&self.id, &panicked)))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.doing.abort();
    }
}
