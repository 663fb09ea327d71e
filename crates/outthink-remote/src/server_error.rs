//! Errors as servers report them, in the formats that they use: with a status of their own, or in a body with the
//! status of a success.

use std::time::Duration;

use hyper::StatusCode;
use outthink_core::visible_line;
use serde_json::Value;

use crate::http::TransportError;

/// Most characters of a message.
const LONGEST: usize = 300;

/// An error as a server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// Its message, safe to show.
    pub(crate) message: String,
    /// Parameters that it names in fields of their own.
    pub(crate) parameters: Vec<String>,
    /// Its codes and types, in lower case.
    kinds: String,
    /// The status in its body.
    status: Option<u16>,
}

impl ServerError {
    /// Reads the body of an answer with the status of an error.
    pub(crate) fn read(body: &[u8]) -> Self {
        let mut error = match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value),
            Err(_) => Self {
                message: match page(body) {
                    Some(page) => page,
                    None => String::from_utf8_lossy(body).into_owned(),
                },
                ..Self::default()
            },
        };
        error.message = visible_line(error.message.trim()).into_owned();
        if let Some((end, _)) = error.message.char_indices().nth(LONGEST) {
            error.message.truncate(end);
            error.message.push('…');
        }
        if error.message.is_empty() {
            error.message = match error.kinds.trim() {
                "" => "no reason given".to_owned(),
                kinds => visible_line(kinds).into_owned(),
            };
        }
        error
    }

    /// Reads a body or an event with the status of a success, if it is an error nevertheless.
    pub(crate) fn read_success(body: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(body).ok()?;
        is_error(&value).then(|| Self::read(body))
    }

    fn of(value: &Value) -> Self {
        let mut error = Self::default();
        error.gather(value, 0);
        error
    }

    fn gather(&mut self, value: &Value, depth: usize) {
        const DEEPEST: usize = 6;
        if depth > DEEPEST {
            return;
        }
        match value {
            Value::String(text) => self.say(text),
            // Gemini puts its error in a list; pydantic's errors are a list.
            Value::Array(errors) => errors
                .iter()
                .for_each(|error| self.gather(error, depth + 1)),
            Value::Object(error) => {
                let place = error.get("loc").and_then(Value::as_array);
                let place: Vec<&str> = place
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                if let Some(name) = place
                    .iter()
                    .find(|part| !matches!(**part, "body" | "query"))
                {
                    self.parameters.push((*name).to_owned());
                    self.say(&place.join("."));
                }
                for name in ["param", "parameter", "field"] {
                    match error.get(name) {
                        Some(Value::String(name)) if !name.is_empty() => {
                            self.parameters.push(name.clone());
                        }
                        _ => {}
                    }
                }
                for name in ["code", "type", "status", "kind"] {
                    match error.get(name) {
                        Some(Value::String(kind)) => {
                            self.kinds.push_str(&kind.to_lowercase());
                            self.kinds.push(' ');
                            self.status = self.status.or(kind.parse().ok());
                        }
                        Some(Value::Number(code)) => {
                            let code = code.as_u64().and_then(|code| u16::try_from(code).ok());
                            self.status = self.status.or(code);
                        }
                        _ => {}
                    }
                }
                self.status = self.status.filter(|status| (400..=599).contains(status));
                let before = self.message.len();
                for name in [
                    "error",
                    "detail",
                    "message",
                    "msg",
                    "errors",
                    "error_description",
                    "title",
                    "reason",
                ] {
                    // The first field with a message is enough, beside `msg`.
                    if self.message.len() == before || name == "msg" {
                        error
                            .get(name)
                            .into_iter()
                            .for_each(|inner| self.gather(inner, depth + 1));
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn say(&mut self, text: &str) {
        let text = text.trim();
        if self.message.contains(text) {
            return;
        }
        if !self.message.is_empty() {
            self.message.push_str(": ");
        }
        self.message.push_str(text);
    }

    /// Its message and codes in lower case, to be searched.
    pub(crate) fn words(&self) -> String {
        format!("{} {}", self.message.to_lowercase(), self.kinds)
    }

    pub(crate) fn mentions(&self, any: &[&str]) -> bool {
        let words = self.words();
        any.iter().any(|phrase| words.contains(phrase))
    }

    /// What it means for the request. `status`: of the answer, unless that is a success. `after`: when the server wants
    /// to be asked again.
    pub(crate) fn into_transport_error(
        self,
        status: Option<StatusCode>,
        after: Option<Duration>,
    ) -> TransportError {
        let stated = self.status.and_then(|code| StatusCode::from_u16(code).ok());
        // No waiting helps where money is missing.
        let hopeless =
            self.mentions(&["insufficient_quota", "billing", "credit balance", "payment"]);
        let status = match status.or(stated) {
            Some(status) => status,
            None if hopeless => StatusCode::PAYMENT_REQUIRED,
            None if self.mentions(&[
                "rate limit",
                "rate_limit",
                "too many requests",
                "too_many",
                "overloaded",
                "slow down",
                "try again",
                "capacity",
                "resource_exhausted",
            ]) =>
            {
                StatusCode::TOO_MANY_REQUESTS
            }
            None if self.mentions(&[
                "invalid_request",
                "invalid_argument",
                "badrequest",
                "bad_request",
                "validation",
                "authentication",
                "api key",
                "api_key",
                "unauthorized",
                "permission",
                "not found",
                "not_found",
                "does not exist",
                "unsupported",
                "not supported",
                "unrecognized",
                "extra_forbidden",
                "context length",
                "context_length",
            ]) =>
            {
                StatusCode::BAD_REQUEST
            }
            None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match status.as_u16() {
            429 if hopeless => TransportError::Refused(status, self),
            429 | 503 | 529 => TransportError::Busy(after, self.message),
            408 | 425 | 500.. => TransportError::Failed(status, self),
            _ => TransportError::Refused(status, self),
        }
    }
}

/// Is a body with the status of a success an error nevertheless?
fn is_error(value: &Value) -> bool {
    let says = |value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Array(array) => !array.is_empty(),
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
    };
    match value {
        Value::Object(object) => {
            let kind = |name| object.get(name).and_then(Value::as_str);
            ["error", "errors", "detail"]
                .into_iter()
                .any(|name| object.get(name).is_some_and(says))
                || kind("object") == Some("error")
                || kind("type") == Some("error")
                || (object.contains_key("message") && !object.contains_key("choices"))
        }
        Value::Array(list) => !list.is_empty() && list.iter().all(is_error),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A web page's name in messages; None if the body is no web page.
pub(crate) fn page(body: &[u8]) -> Option<String> {
    const LOOKED_AT: usize = 1 << 16;
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]);
    let start = text.trim_start().get(..9)?.to_lowercase();
    if !(start.starts_with("<!doctype") || start.starts_with("<html") || start.starts_with("<?xml"))
    {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").map(|at| at + "<title>".len());
    let title = title.and_then(|at| text[at..].split('<').next());
    Some(match title.map(str::trim) {
        Some(title) if !title.is_empty() => format!("a web page, “{title}”"),
        _ => "a web page".to_owned(),
    })
}

/// The beginning of a body, safe to show.
pub(crate) fn beginning(body: &[u8]) -> String {
    // No character takes more than four bytes.
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * LONGEST)]);
    let mut text = visible_line(text.trim()).into_owned();
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Why a body is no JSON, in few words.
pub(crate) fn unreadable(body: &[u8], error: &serde_json::Error) -> String {
    if body.starts_with(&[0x1f, 0x8b]) {
        return "it is compressed, which was not asked for".to_owned();
    }
    match page(body) {
        Some(page) => format!("{page}; is the address right?"),
        None if body.trim_ascii().is_empty() => "nothing at all".to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn servers_say_in_many_ways_what_is_wrong() {
        for body in [
            r#"{"error":{"message":"too long","type":"BadRequestError"}}"#,
            r#"{"detail":"too long"}"#,
            r#"{"error":"too long"}"#,
            r#"{"error":{"error":"too long"}}"#,
            r#"{"object":"error","message":"too long","code":400}"#,
            r#"[{"error":{"code":400,"message":"too long","status":"INVALID_ARGUMENT"}}]"#,
            r#"{"errors":[{"message":"too long"}]}"#,
            " too long\n",
        ] {
            assert_eq!(ServerError::read(body.as_bytes()).message, "too long");
        }
        assert_eq!(ServerError::read(b"").message, "no reason given");
        assert_eq!(ServerError::read(b"{}").message, "no reason given");
        let page = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title>";
        assert_eq!(
            ServerError::read(page).message,
            "a web page, “502 Bad Gateway”"
        );
        let steering = ServerError::read(b"{\"error\":\"a\\u001b[31m\\nforged: b\"}");
        assert_eq!(steering.message, "a\\u{1b}[31m forged: b");
    }

    #[test]
    fn a_parameter_is_told_apart_from_the_words() {
        for (body, message) in [
            (
                r#"{"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not permitted","input":1}]}"#,
                "body.seed: Extra inputs are not permitted",
            ),
            (
                r#"{"message":{"detail":[{"loc":["body","seed"],"msg":"no"}]}}"#,
                "body.seed: no",
            ),
            (
                r#"{"error":{"message":"no","param":"seed","code":null}}"#,
                "no",
            ),
        ] {
            let error = ServerError::read(body.as_bytes());
            assert_eq!(
                (error.parameters, &*error.message),
                (vec!["seed".to_owned()], message)
            );
        }
    }

    #[test]
    fn an_error_with_the_status_of_a_success_is_one() {
        let kind = |body: &str| {
            let error = ServerError::read_success(body.as_bytes()).unwrap();
            match error.into_transport_error(None, None) {
                TransportError::Busy(..) => "busy",
                TransportError::Refused(..) => "refused",
                TransportError::Failed(..) => "failed",
                _ => "other",
            }
        };
        assert_eq!(kind(r#"{"error":{"message":"slow","code":429}}"#), "busy");
        assert_eq!(kind(r#"{"error":{"message":"slow","code":"429"}}"#), "busy");
        assert_eq!(kind(r#"{"detail":"Too many requests"}"#), "busy");
        assert_eq!(kind(r#"{"error":{"code":"rate_limit_exceeded"}}"#), "busy");
        assert_eq!(
            kind(r#"{"object":"error","message":"no","code":400}"#),
            "refused"
        );
        assert_eq!(
            kind(r#"{"error":{"message":"no","type":"invalid_request_error"}}"#),
            "refused"
        );
        assert_eq!(
            kind(r#"{"error":{"code":429,"type":"insufficient_quota"}}"#),
            "refused"
        );
        assert_eq!(kind(r#"{"error":"upstream"}"#), "failed");
        assert_eq!(kind(r#"{"error":{"message":"x","code":502}}"#), "failed");
        for fine in [
            r#"{"error":null,"choices":[]}"#,
            r#"{"choices":[{"message":{}}]}"#,
            r#"{"data":[],"detail":""}"#,
            "[]",
            "3",
        ] {
            assert_eq!(ServerError::read_success(fine.as_bytes()), None, "{fine}");
        }
    }
}
