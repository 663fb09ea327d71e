//! Traces on their way to a collector: OTLP over HTTP, in JSON. A request never waits for it; what the collector does not take in time is
//! dropped and counted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use metrics::counter;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::span::attribute;

/// Requests whose spans wait for the collector.
const WAITING: usize = 256;
/// Requests whose spans are sent together.
const TOGETHER: usize = 64;
/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take at the end, when nobody waits gladly.
const LAST: Duration = Duration::from_secs(2);
/// Between two lines in the log of what fails again and again.
const SILENCE: Duration = Duration::from_secs(60);

/// Where the traces of requests go.
#[derive(Clone)]
pub struct Traces(Arc<Collector>);

/// Why traces cannot be sent as the variables say.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct TracesError {
    variable: &'static str,
    reason: String,
}

struct Collector {
    uri: Uri,
    headers: HeaderMap,
    resource: Value,
    client: Client<HttpsConnector<HttpConnector>, Body>,
    sender: mpsc::Sender<Vec<Value>>,
    /// Until somebody sends them.
    receiver: Mutex<Option<mpsc::Receiver<Vec<Value>>>>,
}

impl Traces {
    /// As OpenTelemetry's variables say, looked up by `variable`: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, or
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`, turns them on; `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`,
    /// `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SDK_DISABLED` are read, too. An empty variable is not set.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, TracesError> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if set("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        const WHOLE: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let (name, address) = match (set(WHOLE), set(BASE)) {
            (Some(whole), _) => (WHOLE, whole),
            (None, Some(base)) => (BASE, format!("{}/v1/traces", base.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let wrong = |variable, reason: String| TracesError { variable, reason };
        let uri: Uri = address
            .trim()
            .parse()
            .map_err(|error| wrong(name, format!("this is no address: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            let reason = "a collector's address is as http://host:4318 (OTLP over HTTP)";
            return Err(wrong(name, reason.into()));
        }
        const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
        let mut headers = HeaderMap::new();
        for (key, value) in pairs(&set(HEADERS).unwrap_or_default()) {
            // What a header holds may be a key: it is not repeated.
            let header = key.parse::<HeaderName>().ok();
            let header = header.zip(value.parse::<HeaderValue>().ok());
            let header = header.ok_or_else(|| {
                wrong(
                    HEADERS,
                    "headers are written as name=value,name=value".into(),
                )
            })?;
            headers.insert(header.0, header.1);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut resource = pairs(&set("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
        let service = set("OTEL_SERVICE_NAME");
        let named = resource.iter().any(|(key, _)| key == "service.name");
        if service.is_some() || !named {
            resource.retain(|(key, _)| key != "service.name");
            let service = service.unwrap_or_else(|| "outthink".into());
            resource.push(("service.name".into(), service));
        }
        resource.push(("service.version".into(), env!("CARGO_PKG_VERSION").into()));
        let attributes = resource
            .iter()
            .map(|(key, value)| attribute(key, &value.as_str().into()));
        let resource = json!({"attributes": attributes.collect::<Vec<_>>()});
        let client = client(uri.scheme_str() == Some("https"))
            .map_err(|error| wrong(name, format!("the system's certificates: {error}")))?;
        let (sender, receiver) = mpsc::channel(WAITING);
        Ok(Some(Self(Arc::new(Collector {
            uri,
            headers,
            resource,
            client,
            sender,
            receiver: Mutex::new(Some(receiver)),
        }))))
    }

    /// The spans of a request that ended.
    pub(crate) fn hand_over(&self, spans: Vec<Value>) {
        if self.0.sender.try_send(spans).is_err() {
            dropped(1);
        }
    }

    /// Sends what is handed over until `stop`, and then what is left.
    pub(crate) async fn send(self, mut stop: oneshot::Receiver<()>) {
        let receiver = self.0.receiver.lock();
        let receiver = receiver.unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receiver) = receiver else {
            return;
        };
        let mut told = None;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                _ = receiver.recv_many(&mut batch, TOGETHER) => self.post(batch, PATIENCE, &mut told).await,
                _ = &mut stop => break,
            }
        }
        let mut rest = Vec::new();
        while let Ok(spans) = receiver.try_recv() {
            rest.push(spans);
        }
        if !rest.is_empty() {
            self.post(rest, LAST, &mut told).await;
        }
    }

    async fn post(&self, batch: Vec<Vec<Value>>, patience: Duration, told: &mut Option<Instant>) {
        let requests = batch.len() as u64;
        let spans: Vec<Value> = batch.into_iter().flatten().collect();
        let scope = json!({"name": "outthink", "version": env!("CARGO_PKG_VERSION")});
        let body = json!({"resourceSpans": [{
            "resource": self.0.resource,
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }]});
        let mut request = Request::new(Body::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.0.uri.clone();
        *request.headers_mut() = self.0.headers.clone();
        let reply = tokio::time::timeout(patience, self.0.client.request(request)).await;
        let reason = match reply {
            Ok(Ok(reply)) if reply.status().is_success() => return,
            Ok(Ok(reply)) => format!("it answers {}", reply.status()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", patience.as_secs()),
        };
        dropped(requests);
        if told.is_none_or(|told: Instant| told.elapsed() >= SILENCE) {
            *told = Some(Instant::now());
            tracing::warn!(%reason, "the collector of traces does not take them; requests go on");
        }
    }
}

fn dropped(requests: u64) {
    counter!("outthink_traces_dropped_total").increment(requests);
}

/// `key=value,key=value`, with what is percent-encoded in values decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        Some((key.trim().to_owned(), decoded(value.trim())))
    };
    text.split(',').filter_map(pair).collect()
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [high, low, ..]) => [*high, *low].map(|digit| char::from(digit).to_digit(16)),
            _ => [None, None],
        };
        if let [Some(high), Some(low)] = code {
            bytes.push((16 * high + low) as u8);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn client(https: bool) -> Result<Client<HttpsConnector<HttpConnector>, Body>, std::io::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(PATIENCE / 2));
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    let builder = if https {
        builder.with_provider_and_native_roots(provider)?
    } else {
        let config = rustls::ClientConfig::builder_with_provider(provider.into())
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        builder.with_tls_config(config)
    };
    let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Traces>, String> {
        let value = |name: &str| {
            let own = variables.iter().find(|(own, _)| *own == name);
            own.map(|(_, value)| (*value).to_owned())
        };
        Traces::from_variables(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_variables_say_where_traces_go_or_that_they_go_nowhere() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other/spans");
        let uri =
            |variables: &[(&str, &str)]| of(variables).unwrap().map(|own| own.0.uri.to_string());
        assert_eq!(uri(&[]), None);
        assert_eq!(uri(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(uri(&[base, ("OTEL_SDK_DISABLED", "TRUE")]), None);
        assert_eq!(uri(&[base]).unwrap(), "http://collector:4318/v1/traces");
        assert_eq!(uri(&[base, whole]).unwrap(), "http://other/spans");
    }

    #[test]
    fn a_wrong_variable_is_named_and_keys_are_not_repeated() {
        let refused = |variables: &[(&str, &str)]| of(variables).err().unwrap();
        let told = refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]);
        assert!(told.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: "), "{told}");
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
        let told = refused(&[base, ("OTEL_EXPORTER_OTLP_HEADERS", "two words=hush")]);
        assert!(told.starts_with("OTEL_EXPORTER_OTLP_HEADERS: "), "{told}");
        assert!(!told.contains("hush"));
    }

    #[test]
    fn headers_and_resource_are_decoded() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
            (
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Basic%20YTpi,x-team = one",
            ),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=searches,host=%,k8s.pod=a%2Cb",
            ),
        ];
        let traces = of(&variables).unwrap().unwrap();
        assert_eq!(traces.0.headers["authorization"], "Basic YTpi");
        assert_eq!(traces.0.headers["x-team"], "one");
        let resource = traces.0.resource.to_string();
        for known in ["searches", "\"%\"", "a,b"] {
            assert!(resource.contains(known), "{resource}");
        }
    }
}
