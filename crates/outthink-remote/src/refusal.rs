//! What to change of a request that a server refuses. It is then sent again, and if that helps, the server gets such
//! requests from then on.
//!
//! A parameter is only left out if the request means something without it: never the prompt, or the request for token
//! ids. A value that the server wants changed (a lower temperature, say) is not changed, and the refusal stands.

use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::change::{Change, has_system, is};
use crate::server_error::ServerError;

/// Most changes that are tried for one request.
const MOST_CHANGES: usize = 8;

/// Parameters that may be left out.
const OPTIONAL: [&str; 17] = [
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "n",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "stop_token_ids",
    "include_stop_str_in_output",
    "logprobs",
    "stream_options",
    "stream",
    "chat_template_kwargs",
    "add_generation_prompt",
    "cache_prompt",
];

/// Phrases that refuse a parameter altogether, rather than its value.
const NOT_AT_ALL: [&str; 24] = [
    "support",
    "unknown",
    "unrecognized",
    "unrecognised",
    "unexpected",
    "extra",
    "not permitted",
    "not allowed",
    "forbid",
    "only the default",
    "deprecated",
    "cannot both",
    "can't both",
    "use only one",
    "only one of",
    "cannot be specified",
    "cannot find field",
    "no such",
    "not available",
    "not implemented",
    "not enabled",
    "additional propert",
    "not accepted",
    "does not accept",
];

/// Adds to `found` what to change of a refused request, if it was not tried yet. `body`: as it was sent. True if there
/// is something.
pub(crate) fn learns(
    error: &ServerError,
    status: StatusCode,
    body: &[u8],
    found: &mut Vec<Change>,
) -> bool {
    if !matches!(status.as_u16(), 400 | 403 | 413 | 422 | 500 | 501) || found.len() >= MOST_CHANGES
    {
        return false;
    }
    // A 5xx status is a failure of the server, unless its message says that something is not supported.
    if status.is_server_error()
        && !error.mentions(&[
            "not supported",
            "unsupported",
            "not implemented",
            "unrecognized",
            "unknown",
        ])
    {
        return false;
    }
    match change(error, body) {
        Some(change) if !found.contains(&change) => {
            found.push(change);
            true
        }
        _ => false,
    }
}

/// What to change of a refused request, if anything may help. `body`: as it was sent.
pub(crate) fn change(error: &ServerError, body: &[u8]) -> Option<Change> {
    let request: Map<String, Value> = serde_json::from_slice(body).ok()?;
    if has_system(&request)
        && error.mentions(&[
            "system role",
            "system message",
            "system instruction",
            "developer instruction",
            "'system'",
            "\"system\"",
            "roles must alternate",
        ])
        && error.mentions(&[
            "support",
            "not enabled",
            "not allowed",
            "must alternate",
            "invalid",
            "unknown",
        ])
    {
        return Some(Change::NoSystem);
    }
    match culprit(error, &request) {
        Some(name) => cure(error, name, &request),
        None => beyond_context(error, &request),
    }
}

/// The parameter of the request that a refusal is about: the one that it names in a field of its own, or else the first
/// in its message.
fn culprit(error: &ServerError, request: &Map<String, Value>) -> Option<&'static str> {
    let sent = || {
        OPTIONAL
            .into_iter()
            .filter(|name| request.contains_key(*name))
    };
    let named = |name: &&'static str| error.parameters.iter().any(|parameter| parameter == name);
    if let Some(name) = sent().find(named) {
        return Some(name);
    }
    let words = error.message.to_lowercase();
    let first = sent()
        .filter_map(|name| Some((mentioned(&words, name)?, name)))
        .min();
    if let Some((_, name)) = first {
        return Some(name);
    }
    let several = [
        "multiple candidates",
        "candidate count",
        "candidatecount",
        "candidate_count",
        "multiple completions",
        "multiple choices",
        "more than one completion",
        "more than one choice",
        "single completion",
    ];
    (request.contains_key("n") && several.iter().any(|words_for| words.contains(words_for)))
        .then_some("n")
}

/// Where a text names a parameter as a whole word. A name of one letter only counts between quotes or before a
/// condition.
fn mentioned(words: &str, name: &str) -> Option<usize> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let at = words.match_indices(name).find(|(at, _)| {
        let before = words[..*at].chars().next_back();
        let after = words[at + name.len()..].trim_start_matches(['\'', '"', '`']);
        let next = words[at + name.len()..].chars().next();
        if before.is_some_and(part) || next.is_some_and(|c| part(c) || c == '-') {
            return false;
        }
        let quoted = before.is_some_and(|c| "'\"`[(.".contains(c)) && next.is_some();
        let condition = [
            "must",
            "should",
            "value",
            "parameter",
            "is ",
            "cannot",
            ">",
            "<",
            "=",
            "!",
            ":",
            "(",
            "greater",
            "larger",
            "has to",
        ];
        name.len() > 1
            || quoted
            || (next.is_none() && before.is_some_and(|c| c == ' '))
            || condition
                .iter()
                .any(|word| after.trim_start().starts_with(word))
    });
    at.map(|(at, _)| at)
}

fn cure(error: &ServerError, name: &'static str, request: &Map<String, Value>) -> Option<Change> {
    let not_at_all = error.mentions(&NOT_AT_ALL);
    if error.mentions(&["field required", "is required", "missing"]) && !not_at_all {
        return None;
    }
    match name {
        "max_tokens" => {
            let too_many = error.mentions(&[
                "too large",
                "too big",
                "at most",
                "less than",
                "maximum",
                "exceed",
                "<=",
                "greater than",
            ]);
            Some(match too_many && !error.mentions(&["instead"]) {
                true => Change::Without(name),
                false => Change::CompletionTokens,
            })
        }
        "n" => {
            let n = request.get(name).and_then(Value::as_u64)?;
            let numbers = error.message.split(|c: char| !c.is_ascii_digit());
            let less = numbers.filter_map(|number| number.parse().ok());
            let most = less.filter(|most| (1..n).contains(most)).max().unwrap_or(1);
            Some(Change::AtMost(usize::try_from(most).unwrap_or(1)))
        }
        "temperature" => {
            let positive = error.mentions(&[
                "positive",
                "greater than 0",
                "> 0",
                "above 0",
                "larger than 0",
                "non-zero",
                "nonzero",
            ]);
            match (positive && is(request, name, 0.0), not_at_all) {
                (true, _) => Some(Change::Warm),
                // Of two that cannot be combined, drop the one that has no effect at its value.
                (_, true) if error.message.contains("top_p") && is(request, "top_p", 1.0) => {
                    Some(Change::Without("top_p"))
                }
                (_, true) => Some(Change::Without(name)),
                (_, false) => None,
            }
        }
        "top_p" | "top_k" | "min_p" => {
            let neutral = if name == "top_p" { 1.0 } else { 0.0 };
            (not_at_all || is(request, name, neutral)).then_some(Change::Without(name))
        }
        _ => Some(Change::Without(name)),
    }
}

/// A request beyond the context may fit without a limit on its answer, for which it reserves room.
fn beyond_context(error: &ServerError, request: &Map<String, Value>) -> Option<Change> {
    let long = error.mentions(&[
        "context length",
        "context_length",
        "context window",
        "context size",
        "maximum length",
        "max_model_len",
        "too many tokens",
    ]);
    let limit = ["max_completion_tokens", "max_tokens"]
        .into_iter()
        .find(|name| request.contains_key(*name));
    limit.filter(|_| long).map(Change::Without)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn cured(refusal: &Value, request: &Value) -> Option<Change> {
        let refusal = match refusal {
            Value::String(text) => text.clone().into_bytes(),
            other => other.to_string().into_bytes(),
        };
        change(&ServerError::read(&refusal), request.to_string().as_bytes())
    }

    fn usual() -> Value {
        json!({"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Q"}],
            "max_tokens": 100, "temperature": 0.7, "top_p": 1.0, "seed": 5, "n": 8})
    }

    #[test]
    fn the_parameter_that_a_server_refuses_is_found_in_the_wordings_of_many() {
        use Change::{AtMost, CompletionTokens, NoSystem, Without};
        let openai = |message: &str, param: Value| json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": null}});
        for (refusal, change) in [
            (
                openai(
                    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                    json!("max_tokens"),
                ),
                CompletionTokens,
            ),
            (
                json!({"error": "this model uses max_completion_tokens and not max_tokens"}),
                CompletionTokens,
            ),
            (
                openai(
                    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
                    json!("temperature"),
                ),
                Without("temperature"),
            ),
            (
                openai("Unrecognized request argument supplied: seed", Value::Null),
                Without("seed"),
            ),
            (
                openai(
                    "Invalid 'n': integer above maximum value. Expected a value <= 4, but got 8 instead.",
                    json!("n"),
                ),
                AtMost(4),
            ),
            (
                openai(
                    "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                    json!("messages[0].role"),
                ),
                NoSystem,
            ),
            (
                openai(
                    "max_tokens is too large: 100. This model supports at most 50 completion tokens.",
                    json!("max_tokens"),
                ),
                Without("max_tokens"),
            ),
            (
                openai(
                    "This model's maximum context length is 64 tokens. However, you requested 120 tokens (20 in the messages, 100 in the completion).",
                    json!("messages"),
                ),
                Without("max_tokens"),
            ),
            (
                json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 5}]}),
                Without("seed"),
            ),
            (
                json!({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra inputs are not permitted"}]}}),
                Without("top_p"),
            ),
            (
                json!({"detail": [{"loc": ["body", "n"], "msg": "Input should be less than or equal to 1", "type": "less_than_equal"}]}),
                AtMost(1),
            ),
            (
                json!({"error": {"message": "'n' : number must be at most 1"}}),
                AtMost(1),
            ),
            (
                json!({"error": {"message": "Invalid n value (currently only n = 1 is supported)"}}),
                AtMost(1),
            ),
            (json!({"error": {"message": "n must be 1"}}), AtMost(1)),
            (
                json!({"error": {"message": "one reply a request: n is 1"}}),
                AtMost(1),
            ),
            (
                json!({"message": "Multiple candidates is not enabled for this model"}),
                AtMost(1),
            ),
            (
                json!([{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name \"seed\": Cannot find field.", "status": "INVALID_ARGUMENT"}}]),
                Without("seed"),
            ),
            (
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` and `top_p` cannot both be specified for this model. Please use only one."}}),
                Without("top_p"),
            ),
            (
                json!({"type": "error", "error": {"type": "invalid_request_error", "message": "seed: Extra inputs are not permitted"}}),
                Without("seed"),
            ),
            (
                json!({"error": "Input validation error: `top_p` must be > 0.0 and < 1.0", "error_type": "validation"}),
                Without("top_p"),
            ),
            (
                json!(
                    "Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `model`, `messages`, `n`, `max_tokens`, `temperature` at line 1 column 90"
                ),
                Without("seed"),
            ),
            (
                json!({"error": {"message": "`max_tokens` must be less than or equal to `64`, the maximum value for `max_tokens`"}}),
                Without("max_tokens"),
            ),
            (
                json!({"error": {"message": "Extra inputs are not permitted, field: 'seed', value: 5"}}),
                Without("seed"),
            ),
            (
                json!({"error": "Argument not supported on this model: seed"}),
                Without("seed"),
            ),
            (
                json!({"error": {"message": "System role not supported"}}),
                NoSystem,
            ),
        ] {
            assert_eq!(cured(&refusal, &usual()), Some(change), "{refusal}");
        }
        let greedy = json!({"temperature": 0.0, "messages": []});
        assert_eq!(
            cured(&json!("`temperature` must be strictly positive"), &greedy),
            Some(Change::Warm)
        );
    }

    #[test]
    fn what_another_request_would_not_mend_is_left_alone() {
        for refusal in [
            json!({"error": {"message": "Incorrect API key provided"}}),
            json!({"error": {"message": "The model `m` does not exist."}}),
            json!({"error": {"message": "temperature: Input should be less than or equal to 1", "param": "temperature"}}),
            json!({"error": {"message": "the prompt holds an n-gram that is blocked"}}),
            json!("no"),
            json!({}),
        ] {
            assert_eq!(cured(&refusal, &usual()), None, "{refusal}");
        }
        let prompt = json!({"prompt": [1, 2], "return_token_ids": true, "model": "m"});
        assert_eq!(
            cured(&json!("unknown field `return_token_ids`"), &prompt),
            None
        );
    }
}
