//! Errors in OpenAI's shape.

use std::borrow::Cow;
use std::error::Error;

use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use outthink_core::ModelError;
use serde_json::json;

/// What a message may hold of what a client sent.
const QUOTED: usize = 80;

/// The longest message.
const LONGEST: usize = 1000;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<Cow<'static, str>>,
    code: Option<&'static str>,
    /// A header that tells a client what to do.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// What only the log tells.
    reason: Option<Box<str>>,
}

/// Why a model cannot serve a request, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Whose);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    /// The same request fails whoever asks again.
    Request {
        code: Option<&'static str>,
        message: String,
    },
    /// This program is broken.
    Internal,
}

impl Fault {
    /// More tokens than the model's context.
    pub fn too_long(message: impl Into<String>) -> Self {
        Self(Whose::Request {
            code: Some("context_length_exceeded"),
            message: message.into(),
        })
    }

    /// Text that the model cannot read, or a conversation that its template does not take.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self(Whose::Request {
            code: None,
            message: message.into(),
        })
    }

    /// A fault of this program, as a panic is.
    pub fn internal() -> Self {
        Self(Whose::Internal)
    }
}

/// Whose fault is a cause of a model's failure? None is the model's own.
pub type Blame = fn(&(dyn Error + 'static)) -> Option<Fault>;

/// Why a reply says no more: only the log does.
#[derive(Clone, Debug)]
pub(crate) struct Reason(pub String);

/// A text that a client sent, as a message may repeat it.
pub(crate) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short.chars().flat_map(char::escape_debug).collect()
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        let mut message: String = message.into();
        if message.len() > LONGEST {
            message = message.chars().take(LONGEST).chain(['…']).collect();
        }
        Self {
            status,
            kind,
            message,
            param: None,
            code: None,
            header: None,
            reason: None,
        }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }

    fn refused(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message)
    }

    /// The request is wrong in one of its fields.
    pub(crate) fn invalid(param: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            ..Self::malformed(message)
        }
    }

    /// The request is wrong as a whole.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn no_model(message: impl Into<String>) -> Self {
        Self {
            param: Some("model".into()),
            code: Some("model_not_found"),
            ..Self::refused(StatusCode::NOT_FOUND, message)
        }
    }

    pub(crate) fn no_route() -> Self {
        let message = "there is no such route; see /openapi.json";
        Self::refused(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn no_method() -> Self {
        let message = "this route takes another method; see /openapi.json";
        Self::refused(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    pub(crate) fn no_key() -> Self {
        let message = "a valid API key is needed, as `Authorization: Bearer KEY`";
        Self {
            code: Some("invalid_api_key"),
            header: Some(Box::new((
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            ))),
            ..Self::new(StatusCode::UNAUTHORIZED, "authentication_error", message)
        }
    }

    /// Sent by a page of another site, or for another host than this machine.
    pub(crate) fn stranger(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_error", message)
    }

    pub(crate) fn no_json(kind: &str) -> Self {
        let message = format!(
            "the body is `{}`, where application/json is wanted",
            quoted(kind)
        );
        Self::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    pub(crate) fn large_head(limit: usize) -> Self {
        let message = format!("the request's head is larger than {limit} bytes");
        Self::refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the body is larger than {limit} bytes");
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    pub(crate) fn late_body(seconds: u64) -> Self {
        let message = format!("the body did not arrive within {seconds} s");
        Self::refused(StatusCode::REQUEST_TIMEOUT, message)
    }

    pub(crate) fn busy(message: impl Into<String>, seconds: u64) -> Self {
        Self {
            code: Some("rate_limit_exceeded"),
            header: Some(Box::new((RETRY_AFTER, HeaderValue::from(seconds)))),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
        }
    }

    /// A model failed; clients learn no more than that.
    pub(crate) fn upstream(message: &'static str, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into().into()),
            ..Self::new(StatusCode::BAD_GATEWAY, "upstream_error", message)
        }
    }

    /// A model failed: the request's fault where one of the causes says so.
    pub(crate) fn model(error: &ModelError, blame: Blame) -> Self {
        Self::failed(error.as_ref(), blame)
    }

    pub(crate) fn failed(error: &(dyn Error + 'static), blame: Blame) -> Self {
        let mut cause = Some(error);
        let mut last = String::new();
        while let Some(error) = cause {
            match blame(error) {
                Some(Fault(Whose::Request { code, message })) => {
                    return Self {
                        param: Some("messages".into()),
                        code,
                        ..Self::malformed(message)
                    };
                }
                Some(Fault(Whose::Internal)) => {
                    return Self {
                        reason: Some(error.to_string().into()),
                        ..Self::internal()
                    };
                }
                None => {}
            }
            last = error.to_string();
            cause = error.source();
        }
        // The outer ones name the problem, which is what the client wrote; the log has no word of that.
        Self::upstream("the model failed; the server's log says why", last)
    }

    /// Something here is broken.
    pub(crate) fn internal() -> Self {
        let message =
            "the server failed on this request; its log says more under the same x-request-id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    pub(crate) fn closing() -> Self {
        Self {
            header: Some(Box::new((RETRY_AFTER, HeaderValue::from(5_u64)))),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server_error",
                "the server is shutting down",
            )
        }
    }

    /// With what a server upstream said of the request.
    pub(crate) fn passed(
        status: StatusCode,
        message: impl Into<String>,
        code: Option<&'static str>,
    ) -> Self {
        Self {
            code,
            ..Self::refused(status, message)
        }
    }

    /// What only the log tells.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The body, also as an event of a stream that has begun.
    pub(crate) fn body(&self) -> serde_json::Value {
        json!({"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}})
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, axum::Json(self.body())).into_response();
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(Reason(reason.into()));
        }
        response
    }
}
