//! One request and its answer, over connections that are kept.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use crate::Error;

/// Longer than it takes to reach any server that is there.
const CONNECT: Duration = Duration::from_secs(10);
/// Servers close idle connections, some after 5 seconds; one that is older is not worth the race.
const IDLE: Duration = Duration::from_secs(4);
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody is there.
    Gone(String),
    /// The connection broke, or the answer is cut off.
    Cut(String),
    /// No answer in time.
    Late(Duration),
    /// The server has too much to do, and may say when to come back.
    Busy(Option<Duration>, String),
    /// The server failed.
    Failed(StatusCode, String),
    /// An answer that cannot be read.
    Garbled(String),
    /// The server refuses, and would refuse again.
    Refused(StatusCode, String),
    /// Asking again will not help.
    Fatal(Error),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone(reason) => write!(f, "no connection: {reason}"),
            Self::Cut(reason) => write!(f, "the connection broke: {reason}"),
            Self::Late(after) => write!(f, "no answer within {after:?}"),
            Self::Busy(_, message) => write!(f, "it is overloaded: {message}"),
            Self::Failed(status, message) => write!(f, "{}: {message}", status.as_u16()),
            Self::Garbled(reason) => write!(f, "an answer that cannot be read: {reason}"),
            Self::Refused(status, message) => write!(f, "refused ({}): {message}", status.as_u16()),
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

/// The connections to all servers.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Http {
    /// `https`: is any server to be reached so? Without, the system's certificates are not asked for.
    pub(crate) fn new(https: bool) -> Result<Self, Error> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let provider = rustls::crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = if https {
            builder
                .with_provider_and_native_roots(provider)
                .map_err(Error::Certificates)?
        } else {
            let config = rustls::ClientConfig::builder_with_provider(provider.into())
                .with_safe_default_protocol_versions()
                .map_err(|error| Error::Certificates(std::io::Error::other(error)))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            builder.with_tls_config(config)
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client })
    }

    /// The whole body of a successful answer.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        uri: Uri,
        key: Option<&HeaderValue>,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, Trouble> {
        let work = async {
            let response = self.open(method, uri, key, body).await?;
            let status = response.status();
            let headers = response.headers().clone();
            let body = response.into_body().collect().await;
            let body = body
                .map_err(|error| Trouble::Cut(chain(&error)))?
                .to_bytes();
            check(status, &headers, &body)?;
            Ok(body)
        };
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Err(Trouble::Late(timeout)))
    }

    /// Hands over the data of a successful answer as it comes, until `take` has enough: then the connection is closed,
    /// which tells the server to stop.
    pub(crate) async fn stream(
        &self,
        uri: Uri,
        key: Option<&HeaderValue>,
        body: Bytes,
        timeout: Duration,
        take: &mut (dyn FnMut(&[u8]) -> Result<bool, Trouble> + Send),
    ) -> Result<(), Trouble> {
        let work = async {
            let response = self.open(Method::POST, uri, key, body).await?;
            let status = response.status();
            if !status.is_success() {
                let headers = response.headers().clone();
                let body = response.into_body().collect().await;
                let body = body
                    .map_err(|error| Trouble::Cut(chain(&error)))?
                    .to_bytes();
                return check(status, &headers, &body);
            }
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| Trouble::Cut(chain(&error)))?;
                if let Ok(data) = frame.into_data()
                    && take(&data)?
                {
                    return Ok(());
                }
            }
            Err(Trouble::Cut(
                "the stream ended before the answer did".into(),
            ))
        };
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Err(Trouble::Late(timeout)))
    }

    /// The head of an answer, with its body still to come.
    pub(crate) async fn open(
        &self,
        method: Method,
        uri: Uri,
        key: Option<&HeaderValue>,
        body: Bytes,
    ) -> Result<Response<Incoming>, Trouble> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        if let Some(key) = key {
            request.headers_mut().insert(AUTHORIZATION, key.clone());
        }
        self.client.request(request).await.map_err(|error| {
            let reason = chain(&error);
            match error.is_connect() {
                true => Trouble::Gone(reason),
                false => Trouble::Cut(reason),
            }
        })
    }
}

/// Sorts an answer by its status.
fn check(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), Trouble> {
    if status.is_success() {
        return Ok(());
    }
    let message = message(body);
    Err(match status.as_u16() {
        429 | 503 | 529 => Trouble::Busy(headers.get(RETRY_AFTER).and_then(retry_after), message),
        408 | 500.. => Trouble::Failed(status, message),
        _ => Trouble::Refused(status, message),
    })
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// What an error body says, in the shapes that servers use.
fn message(body: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Text(String),
        Object { message: String },
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        #[serde(alias = "detail", alias = "message")]
        error: Words,
    }
    const LONGEST: usize = 300;
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(ErrorBody {
            error: Words::Text(text) | Words::Object { message: text },
        }) => text,
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if text.is_empty() => "no reason given".to_owned(),
        None => text,
    }
}

/// An error with its causes; each is said once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_in_many_ways_what_is_wrong() {
        for body in [
            r#"{"error":{"message":"too long","type":"BadRequestError"}}"#,
            r#"{"detail":"too long"}"#,
            r#"{"error":"too long"}"#,
            r#"{"object":"error","message":"too long","code":400}"#,
            " too long\n",
        ] {
            assert_eq!(message(body.as_bytes()), "too long");
        }
        assert_eq!(message(b""), "no reason given");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |text: &'static str| retry_after(&HeaderValue::from_static(text));
        assert_eq!(after("2"), Some(Duration::from_secs(2)));
        assert_eq!(after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(after("-1"), None);
        assert_eq!(after("soon"), None);
    }
}
