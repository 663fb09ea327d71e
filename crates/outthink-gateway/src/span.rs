//! Spans of one request, as OpenTelemetry writes them: the request, below it the rounds of its search, below these the calls to models.
//! They hold names, numbers and times, and never a text.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::traces::Traces;

/// Most spans of one trace; a long search tells of its beginning, and how much is left out.
const MOST: usize = 1000;

/// What happened, from when to when.
struct Span {
    id: u64,
    parent: u64,
    name: String,
    kind: Kind,
    start: u64,
    end: u64,
    attributes: Vec<(&'static str, Value)>,
    error: Option<String>,
}

/// OpenTelemetry's numbers of kinds.
#[derive(Clone, Copy)]
enum Kind {
    Internal = 1,
    Server = 2,
    Client = 3,
}

/// The trace of one request, or none; told when the last of its copies is gone.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Arc<Open>>);

struct Open {
    traces: Traces,
    trace: u128,
    root: u64,
    state: Mutex<State>,
}

struct State {
    request: Span,
    done: Vec<Span>,
    left_out: usize,
    /// The round that is under way, and how many there were.
    round: Option<Span>,
    rounds: usize,
    /// The round was judged: what is drawn next is the next round.
    judged: bool,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "Trace"
        } else {
            "no trace"
        })
    }
}

impl Trace {
    /// The trace of a request with this head: the client's own, if it brings one that it records; a new one if it brings none.
    pub(crate) fn begin(traces: Option<&Traces>, head: &HeaderMap, route: &'static str) -> Self {
        let Some(traces) = traces else {
            return Self(None);
        };
        let brought = head.get("traceparent").and_then(|own| own.to_str().ok());
        let (trace, parent) = match brought.and_then(parse) {
            Some((_, _, false)) => return Self(None),
            Some((trace, parent, true)) => (trace, parent),
            None => (u128::from(name()) << 64 | u128::from(name()), 0),
        };
        let mut request = Span::new(parent, route.to_owned(), Kind::Server);
        request.attributes.push(("http.route", route.into()));
        let state = State {
            done: Vec::new(),
            left_out: 0,
            round: None,
            rounds: 0,
            judged: true,
            request,
        };
        Self(Some(Arc::new(Open {
            traces: traces.clone(),
            trace,
            root: state.request.id,
            state: Mutex::new(state),
        })))
    }

    /// Says more of the request.
    pub(crate) fn say(&self, attribute: &'static str, value: impl Into<Value>) {
        if let Some(open) = &self.0 {
            open.lock()
                .request
                .attributes
                .push((attribute, value.into()));
        }
    }

    /// What the request is called, once that is known.
    pub(crate) fn name(&self, name: &str) {
        if let Some(open) = &self.0 {
            name.clone_into(&mut open.lock().request.name);
        }
    }

    pub(crate) fn failed(&self, error: &str) {
        if let Some(open) = &self.0 {
            open.lock().request.error = Some(error.to_owned());
        }
    }

    /// The header for a server that answers the whole request.
    pub(crate) fn traceparent(&self) -> Option<Arc<str>> {
        let open = self.0.as_ref()?;
        Some(header(open.trace, open.root))
    }

    /// A policy draws, in the round that is under way or the next.
    pub(crate) fn draw(&self, model: &str, draws: usize) -> Call {
        let attributes = [("outthink.draws", Value::from(draws))];
        self.call("text_completion", model, attributes, |state| {
            if std::mem::take(&mut state.judged) {
                state.close_round();
                let mut round = Span::new(state.request.id, "round".into(), Kind::Internal);
                state.rounds += 1;
                round
                    .attributes
                    .push(("outthink.round", state.rounds.into()));
                state.round = Some(round);
            }
        })
    }

    /// A verifier scores what the round drew.
    pub(crate) fn score(&self, model: &str, prefixes: usize) -> Call {
        let attributes = [("outthink.prefixes", Value::from(prefixes))];
        self.call("score", model, attributes, |state| state.judged = true)
    }

    fn call(
        &self,
        operation: &'static str,
        model: &str,
        attributes: [(&'static str, Value); 1],
        note: impl FnOnce(&mut State),
    ) -> Call {
        let Some(open) = &self.0 else {
            return Call(None);
        };
        let mut state = open.lock();
        note(&mut state);
        let round = state.round.as_ref().map_or(open.root, |round| round.id);
        drop(state);
        let mut span = Span::new(round, format!("{operation} {model}"), Kind::Client);
        span.attributes.extend([
            ("gen_ai.operation.name", operation.into()),
            ("gen_ai.request.model", model.into()),
        ]);
        span.attributes.extend(attributes);
        // Until it says that it ended.
        span.error = Some("cancelled".into());
        Call(Some((Arc::clone(open), span)))
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, mut span: Span) {
        span.end = now();
        match self.done.len() < MOST {
            true => self.done.push(span),
            false => self.left_out += 1,
        }
    }

    fn close_round(&mut self) {
        if let Some(round) = self.round.take() {
            self.keep(round);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.close_round();
        state.request.end = now();
        if state.left_out > 0 {
            let left_out = ("outthink.spans_left_out", state.left_out.into());
            state.request.attributes.push(left_out);
        }
        let spans = std::iter::once(&state.request).chain(&state.done);
        let spans = spans.map(|span| span.json(self.trace)).collect();
        self.traces.hand_over(spans);
    }
}

/// A call to a model that is under way; it ends when this is dropped.
pub(crate) struct Call(Option<(Arc<Open>, Span)>);

impl Call {
    /// The header for the model's server.
    pub(crate) fn traceparent(&self) -> Option<Arc<str>> {
        let (open, span) = self.0.as_ref()?;
        Some(header(open.trace, span.id))
    }

    /// It came to its end, and this is what it cost; or it failed.
    pub(crate) fn ended(&mut self, tokens: Option<(u64, u64)>) {
        let Some((_, span)) = &mut self.0 else { return };
        span.error = match tokens {
            Some((read, drawn)) => {
                span.attributes.extend([
                    ("gen_ai.usage.input_tokens", Value::from(read)),
                    ("gen_ai.usage.output_tokens", Value::from(drawn)),
                ]);
                None
            }
            None => Some("the model failed; the log says how".into()),
        };
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some((open, span)) = self.0.take() {
            open.lock().keep(span);
        }
    }
}

impl Span {
    fn new(parent: u64, name: String, kind: Kind) -> Self {
        Self {
            id: self::name(),
            parent,
            name,
            kind,
            start: now(),
            end: 0,
            attributes: Vec::new(),
            error: None,
        }
    }

    /// As OTLP has it in JSON: ids in hexadecimal, whole numbers and times as strings.
    fn json(&self, trace: u128) -> Value {
        let mut span = json!({
            "traceId": format!("{trace:032x}"),
            "spanId": format!("{:016x}", self.id),
            "name": self.name,
            "kind": self.kind as u8,
            "startTimeUnixNano": self.start.to_string(),
            "endTimeUnixNano": self.end.to_string(),
            "attributes": self.attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
        });
        if self.parent != 0 {
            span["parentSpanId"] = format!("{:016x}", self.parent).into();
        }
        if let Some(error) = &self.error {
            span["status"] = json!({"code": 2, "message": error});
        }
        span
    }
}

/// An attribute in OTLP's JSON.
pub(crate) fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::Bool(yes) => json!({"boolValue": yes}),
        Value::Number(number) if number.is_f64() => json!({"doubleValue": number}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::String(text) => json!({"stringValue": text}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": key, "value": value})
}

/// Trace, parent and whether it is recorded, of a header `traceparent`. Versions that are unknown are read as the first is.
fn parse(header: &str) -> Option<(u128, u64, bool)> {
    let mut parts = header.trim().split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let whole = is_hex(version, 2) && is_hex(trace, 32) && is_hex(parent, 16) && is_hex(flags, 2);
    if !whole || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace, parent, flags & 1 == 1))
}

fn header(trace: u128, span: u64) -> Arc<str> {
    format!("00-{trace:032x}-{span:016x}-01").into()
}

/// An id that no other span has; none is 0.
#[expect(clippy::disallowed_methods, reason = "a name, not a draw")]
fn name() -> u64 {
    rand::random::<u64>().max(1)
}

/// Nanoseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map(|now| now.as_nanos() as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_it_is_written() {
        let written = header(7, 9);
        assert_eq!(parse(&written), Some((7, 9, true)));
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let unsampled = format!("00-{trace}-b7ad6b7169203331-00");
        assert!(matches!(parse(&unsampled), Some((_, _, false))));
        let later = format!("01-{trace}-b7ad6b7169203331-01-more");
        assert!(matches!(parse(&later), Some((_, _, true))));
        for wrong in [
            "",
            "00",
            "00-0-0-01",
            &format!("ff-{trace}-b7ad6b7169203331-01"),
            &format!("00-{trace}-b7ad6b7169203331-01-more"),
            &format!("00-{trace}-0000000000000000-01"),
            &format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            &format!("00-{}-b7ad6b7169203331-01", trace.to_uppercase()),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
