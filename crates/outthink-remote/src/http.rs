//! HTTP requests over kept-alive connections. Sizes are bounded, and the API key is struck from answers before anything
//! else sees them.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use outthink_core::{traceparent, visible_line};

use crate::Error;
use crate::endpoint::Endpoint;
use crate::key::KeyRedactor;
use crate::server_error::ServerError;

/// Time to connect. Long enough for two lost packets, which are sent again after 1 and 3 seconds.
const CONNECT: Duration = Duration::from_secs(5);
/// Idle connections are closed after this. Some servers close them after 5 seconds, and a request that is sent at that
/// moment is lost.
const IDLE: Duration = Duration::from_secs(4);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Longest body of an answer, in bytes.
const LARGEST: usize = 64 << 20;
/// Longest body of an error, in bytes; the rest is cut off.
const LARGEST_ERROR: usize = 64 << 10;
/// Longest stream, in bytes.
const LONGEST_STREAM: usize = 256 << 20;
/// Most redirects that are followed for one request.
const REDIRECTS: usize = 3;

/// Why a request has no usable answer.
#[derive(Debug)]
pub(crate) enum TransportError {
    /// There is no connection.
    Unreachable(String),
    /// The connection broke, or the answer is cut short.
    Broken(String),
    /// No answer within this time.
    TimedOut(Duration),
    /// The server is overloaded; the time after which it wants to be asked again, if it says so, and its message.
    Busy(Option<Duration>, String),
    /// The server failed (5xx).
    Failed(StatusCode, ServerError),
    /// An answer that cannot be read.
    Malformed(String),
    /// A well-formed answer without a single choice; its beginning.
    NoChoice(String),
    /// The server refuses this request and would refuse it again.
    Refused(StatusCode, ServerError),
    /// Another error that trying again does not mend.
    Fatal(Error),
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(reason) => write!(f, "no connection: {reason}"),
            Self::Broken(reason) => write!(f, "the connection broke: {reason}"),
            Self::TimedOut(after) => write!(f, "no answer within {after:?}"),
            Self::Busy(_, message) => write!(f, "it is overloaded: {message}"),
            Self::Failed(status, error) => write!(f, "{}: {}", status.as_u16(), error.message),
            Self::Malformed(reason) => write!(f, "an answer that cannot be read: {reason}"),
            Self::NoChoice(sent) => write!(f, "an answer without a choice: {sent}"),
            Self::Refused(status, error) => {
                write!(f, "refused ({}): {}", status.as_u16(), error.message)
            }
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

/// A successful answer.
pub(crate) struct HttpAnswer {
    pub(crate) body: Bytes,
    /// Is the body a stream of server-sent events?
    pub(crate) events: bool,
}

type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The connections to all servers.
pub(crate) struct Http {
    plain: Connections,
    /// Created when first needed, because it loads the system's certificates.
    secure: OnceLock<Connections>,
}

impl Http {
    /// `https`: does any server need it? Only then are the system's certificates loaded.
    pub(crate) fn new(https: bool) -> Result<Self, Error> {
        let http = Self {
            plain: connections(false)?,
            secure: OnceLock::new(),
        };
        if https {
            http.secure()?;
        }
        Ok(http)
    }

    fn secure(&self) -> Result<&Connections, Error> {
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let client = connections(true)?;
        Ok(self.secure.get_or_init(|| client))
    }

    /// Sends a request and returns the body of a successful answer.
    pub(crate) async fn exchange(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &'static str,
        body: Bytes,
        timeout: Duration,
    ) -> Result<HttpAnswer, TransportError> {
        let work = async {
            let response = self.open(endpoint, method, path, body).await?;
            let response = check(endpoint, response).await?;
            let events = is(response.headers(), "text/event-stream");
            let mut body = response.into_body();
            let data = collect(&mut body, LARGEST).await?;
            if data.len() >= LARGEST {
                return Err(too_long(endpoint, LARGEST));
            }
            Ok(HttpAnswer {
                body: strike(endpoint, data),
                events,
            })
        };
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Err(TransportError::TimedOut(timeout)))
    }

    /// Hands over the data of a successful answer as it arrives. When `take` returns true, the connection is closed,
    /// which tells the server to stop. A server that does not stream answers with one body.
    pub(crate) async fn stream(
        &self,
        endpoint: &Endpoint,
        path: &'static str,
        body: Bytes,
        timeout: Duration,
        take: &mut (dyn FnMut(BodyPart) -> Result<bool, TransportError> + Send),
    ) -> Result<(), TransportError> {
        let work = async {
            let response = self.open(endpoint, Method::POST, path, body).await?;
            let response = check(endpoint, response).await?;
            let whole = is(response.headers(), "application/json");
            let mut body = response.into_body();
            if whole {
                let data = collect(&mut body, LARGEST).await?;
                return take(BodyPart::Whole(strike(endpoint, data))).map(|_| ());
            }
            let (mut redactor, mut length) = (KeyRedactor::new(endpoint.key(), true), 0);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| TransportError::Broken(chain(&error)))?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                length += data.len();
                if length > LONGEST_STREAM {
                    return Err(too_long(endpoint, LONGEST_STREAM));
                }
                if take(BodyPart::Data(redactor.push(data)))? {
                    return Ok(());
                }
            }
            if take(BodyPart::Data(redactor.rest()))? || take(BodyPart::End)? {
                return Ok(());
            }
            Err(TransportError::Broken(
                "the stream ended before the answer did".into(),
            ))
        };
        tokio::time::timeout(timeout, work)
            .await
            .unwrap_or(Err(TransportError::TimedOut(timeout)))
    }

    /// Sends a request and returns the head of the answer, its body still to come. Redirects are followed on the same
    /// host and from http to https there; anywhere else, the key and the prompt would be disclosed.
    pub(crate) async fn open(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &'static str,
        body: Bytes,
    ) -> Result<Response<Incoming>, TransportError> {
        let mut uri = endpoint.uri(path).map_err(TransportError::Fatal)?;
        for _ in 0..=REDIRECTS {
            let response = self
                .send(endpoint, method.clone(), uri.clone(), body.clone())
                .await?;
            let target = match response.status().as_u16() {
                301 | 302 | 307 | 308 => response.headers().get(LOCATION),
                _ => None,
            };
            let Some(target) = target else {
                return Ok(response);
            };
            let target = String::from_utf8_lossy(target.as_bytes()).into_owned();
            uri = endpoint
                .redirected(&uri, &target, path)
                .map_err(TransportError::Fatal)?;
        }
        Err(TransportError::Fatal(Error::Misshaped {
            endpoint: endpoint.name().to_owned(),
            reason: "redirects that lead in a circle".into(),
        }))
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        method: Method,
        uri: Uri,
        body: Bytes,
    ) -> Result<Response<Incoming>, TransportError> {
        let client = match uri.scheme_str() {
            Some("https") => self.secure().map_err(TransportError::Fatal)?,
            _ => &self.plain,
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(CONTENT_TYPE, JSON);
        if let Some(key) = endpoint.key() {
            request.headers_mut().insert(AUTHORIZATION, key.header());
        }
        let parent = traceparent().and_then(|parent| HeaderValue::from_str(&parent).ok());
        if let Some(parent) = parent {
            request.headers_mut().insert(TRACEPARENT, parent);
        }
        client.request(request).await.map_err(|error| {
            let reason = chain(&error);
            match error.is_connect() {
                true => TransportError::Unreachable(reason),
                false => TransportError::Broken(reason),
            }
        })
    }
}

/// A part of an answer's body.
pub(crate) enum BodyPart {
    /// Some bytes of a stream, cut anywhere.
    Data(Bytes),
    /// The whole body: it is no stream.
    Whole(Bytes),
    /// The end of a stream.
    End,
}

fn connections(https: bool) -> Result<Connections, Error> {
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
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}

/// The answer if its status is a success, or else the error that it is.
async fn check(
    endpoint: &Endpoint,
    response: Response<Incoming>,
) -> Result<Response<Incoming>, TransportError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let after = retry_after(response.headers());
    let body = collect(&mut response.into_body(), LARGEST_ERROR).await?;
    Err(server_error(endpoint, &body).into_transport_error(Some(status), after))
}

/// Reads the body of an error, and strikes the key from it.
pub(crate) fn server_error(endpoint: &Endpoint, body: &[u8]) -> ServerError {
    let mut error = ServerError::read(body);
    error.message = endpoint.hide(&error.message);
    error
}

/// A body, cut off after `most` bytes.
pub(crate) async fn collect(body: &mut Incoming, most: usize) -> Result<Bytes, TransportError> {
    let mut data = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| TransportError::Broken(chain(&error)))?;
        if let Ok(part) = frame.into_data() {
            let room = most - data.len();
            data.extend_from_slice(&part[..part.len().min(room)]);
            if data.len() == most {
                break;
            }
        }
    }
    Ok(data.freeze())
}

fn too_long(endpoint: &Endpoint, most: usize) -> TransportError {
    TransportError::Fatal(Error::Misshaped {
        endpoint: endpoint.name().to_owned(),
        reason: format!("more than {} MiB", most >> 20),
    })
}

fn strike(endpoint: &Endpoint, data: Bytes) -> Bytes {
    match endpoint.key() {
        Some(key) => key.strike(data),
        None => data,
    }
}

fn is(headers: &HeaderMap, kind: &str) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    content_type.is_some_and(|content_type| {
        content_type
            .trim_start()
            .to_ascii_lowercase()
            .starts_with(kind)
    })
}

/// When the server wants to be asked again, by its `retry-after-ms` or `retry-after`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds = HeaderName::from_static("retry-after-ms");
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let exact = text(milliseconds).and_then(|text| text.trim().parse::<f64>().ok());
    let exact = exact.and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
    exact.or_else(|| text(RETRY_AFTER).and_then(seconds_or_date))
}

fn seconds_or_date(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An error's message with its causes, each once; causes that only name the layer where it was noticed are left out.
fn chain(error: &dyn std::error::Error) -> String {
    const PLACES: [&str; 4] = [
        "client error (Connect)",
        "client error (SendRequest)",
        "tcp connect error",
        "dns error",
    ];
    let mut causes: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        next = error.source();
        let known = causes.iter().any(|cause| cause.contains(&text));
        let place = next.is_some() && PLACES.contains(&text.as_str());
        if !known && !place {
            causes.push(text);
        }
    }
    visible_line(&causes.join(": ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |name: &'static str, text: &'static str| {
            let name = HeaderName::from_static(name);
            retry_after(&HeaderMap::from_iter([(
                name,
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(after("retry-after", " 2"), Some(Duration::from_secs(2)));
        assert_eq!(
            after("retry-after", "0.5"),
            Some(Duration::from_millis(500))
        );
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(after("retry-after", past), Some(Duration::ZERO));
        assert_eq!(after("retry-after", "-1"), None);
        assert_eq!(after("retry-after", "soon"), None);
        assert_eq!(
            after("retry-after-ms", "250"),
            Some(Duration::from_millis(250))
        );
    }
}
