//! Changes of requests for servers that do not take them as they are.

use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

/// One change of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `max_tokens` is renamed `max_completion_tokens`.
    CompletionTokens,
    /// A parameter is left out.
    Without(&'static str),
    /// `n` is at most this.
    AtMost(usize),
    /// A temperature of 0 becomes 0.01.
    Warm,
    /// The system message is put at the head of the user's.
    NoSystem,
}

/// As it is told to the user, after the server's name.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CompletionTokens => {
                f.write_str("takes `max_completion_tokens`, not `max_tokens`")
            }
            Self::Without("seed") => {
                f.write_str("takes no `seed`: what it draws cannot be repeated")
            }
            Self::Without(name @ ("temperature" | "top_p" | "top_k" | "min_p")) => {
                write!(f, "takes no such `{name}`: its own setting holds")
            }
            Self::Without(name @ ("max_tokens" | "max_completion_tokens")) => {
                write!(f, "takes no such `{name}`: its own limit holds")
            }
            Self::Without(name) => write!(f, "takes no `{name}`: request without"),
            Self::AtMost(1) => {
                f.write_str("gives one answer a request: request as often as needed")
            }
            Self::AtMost(n) => write!(f, "gives at most {n} answers a request"),
            Self::Warm => f.write_str("takes no temperature of 0: request with 0.01"),
            Self::NoSystem => f.write_str("takes no system message: it stands before the question"),
        }
    }
}

/// All changes that one server needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Vec<Change>);

impl Changes {
    /// Adds a change. True if it is new.
    pub(crate) fn add(&mut self, change: Change) -> bool {
        let new = !self.0.contains(&change);
        if new {
            self.0.push(change);
        }
        new
    }

    /// The most answers that one request may ask for (`n`), if the server has a limit.
    pub(crate) fn answers(&self) -> Option<usize> {
        let most = self.0.iter().filter_map(|change| match change {
            Change::AtMost(n) => Some(*n),
            _ => None,
        });
        most.min()
    }

    /// A request's body with all changes applied. A body that is no JSON object is left as it is.
    pub(crate) fn apply(&self, body: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return body.clone();
        }
        let Ok(mut request) = serde_json::from_slice::<Map<String, Value>>(body) else {
            return body.clone();
        };
        for change in &self.0 {
            match change {
                Change::CompletionTokens => {
                    if let Some(most) = request.remove("max_tokens") {
                        request.insert("max_completion_tokens".into(), most);
                    }
                }
                Change::Without(name) => {
                    request.remove(*name);
                }
                Change::AtMost(most) => {
                    if let Some(n) = request.get("n").and_then(Value::as_u64) {
                        match (*most as u64).min(n) {
                            0 | 1 => request.remove("n"),
                            n => request.insert("n".into(), n.into()),
                        };
                    }
                }
                Change::Warm => {
                    if is(&request, "temperature", 0.0) {
                        request.insert("temperature".into(), 0.01.into());
                    }
                }
                Change::NoSystem => merge_system(&mut request),
            }
        }
        serde_json::to_vec(&request).map_or_else(|_| body.clone(), Bytes::from)
    }
}

/// Does a parameter of the request have this value?
pub(crate) fn is(request: &Map<String, Value>, name: &str, value: f64) -> bool {
    request.get(name).and_then(Value::as_f64) == Some(value)
}

fn messages(request: &Map<String, Value>) -> &[Value] {
    request
        .get("messages")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Does the conversation begin with a system message that another message follows?
pub(crate) fn has_system(request: &Map<String, Value>) -> bool {
    let messages = messages(request);
    messages.len() > 1
        && messages
            .first()
            .is_some_and(|first| first["role"] == "system")
}

/// Puts the system message at the head of the user's.
fn merge_system(request: &mut Map<String, Value>) {
    if !has_system(request) {
        return;
    }
    let Some(Value::Array(messages)) = request.get_mut("messages") else {
        return;
    };
    let system = messages.remove(0);
    let user = messages
        .first_mut()
        .and_then(|user| user.get_mut("content"));
    if let (Some(system), Some(Value::String(text))) = (system["content"].as_str(), user) {
        *text = format!("{system}\n\n{text}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn usual() -> Value {
        json!({"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
            "max_tokens": 100, "temperature": 0.7, "top_p": 1.0, "seed": 5, "n": 8})
    }

    #[test]
    fn a_body_is_changed_and_nothing_else_of_it() {
        let mut changes = Changes::default();
        for change in [
            Change::CompletionTokens,
            Change::Without("seed"),
            Change::AtMost(1),
            Change::NoSystem,
        ] {
            assert!(changes.add(change) && !changes.add(change));
        }
        let body = changes.apply(&usual().to_string().into());
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"model": "m", "messages": [{"role": "user", "content": "S\n\nQ"}], "max_completion_tokens": 100, "temperature": 0.7, "top_p": 1.0})
        );
        assert_eq!(changes.answers(), Some(1));
        assert_eq!(Changes::default().apply(&"x".into()), "x");
    }
}
