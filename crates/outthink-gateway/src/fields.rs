//! Fields that ask for nothing: the defaults of OpenAI's API, vLLM's and llama.cpp's, where a client spells them out, and what
//! changes no reply.

use serde_json::Value;
use serde_json::value::RawValue;

/// They change nothing in a reply, whatever they say.
const IGNORED: [&str; 22] = [
    // OpenAI's
    "user",
    "metadata",
    "store",
    "service_tier",
    "parallel_tool_calls",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "prediction",
    "verbosity",
    // vLLM's and SGLang's
    "priority",
    "request_id",
    "rid",
    "cache_salt",
    "return_tokens_as_token_ids",
    // llama.cpp's
    "cache_prompt",
    "id_slot",
    "timings_per_token",
    "return_progress",
    "repeat_last_n",
    // Ollama's
    "keep_alive",
];

/// Defaults are short.
const SHORT: usize = 200;

/// Does a field, as it stands there, ask for nothing?
pub(crate) fn asks_nothing(name: &str, value: &RawValue) -> bool {
    if IGNORED.contains(&name) {
        return true;
    }
    if value.get().len() > SHORT {
        return false;
    }
    let Ok(value) = serde_json::from_str::<Value>(value.get()) else {
        return false;
    };
    match name {
        "response_format" => is_empty(&value) || value == serde_json::json!({"type": "text"}),
        // Anything else in the place of the list is a mistake, which the model's side tells.
        "tools" | "functions" => value.is_null() || value.as_array().is_some_and(Vec::is_empty),
        "tool_choice" | "function_call" => matches!(value.as_str(), Some("none" | "auto")),
        "modalities" => value == serde_json::json!(["text"]),
        "repetition_penalty" | "repeat_penalty" | "length_penalty" | "typical_p" | "tfs_z" => {
            value.as_f64() == Some(1.0)
        }
        "top_n_sigma" => value.as_f64().is_some_and(|sigma| sigma <= 0.0),
        "skip_special_tokens"
        | "spaces_between_special_tokens"
        | "add_generation_prompt"
        | "include_reasoning"
        | "separate_reasoning"
        | "stream_reasoning"
        | "detokenize" => value == Value::Bool(true),
        "reasoning_format" => matches!(value.as_str(), Some("none" | "auto")),
        "truncation" => value.as_str() == Some("disabled"),
        // 0 asks for the token that was drawn.
        "logprobs" => value == Value::Bool(false),
        _ => is_empty(&value),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_default_that_is_spelled_out_asks_for_nothing() {
        let asks = |name: &str, json: &str| {
            !asks_nothing(name, &RawValue::from_string(json.to_owned()).unwrap())
        };
        for (name, json) in [
            ("response_format", r#"{"type": "text"}"#),
            ("logit_bias", "{}"),
            ("tools", "[]"),
            ("tool_choice", "\"auto\""),
            ("logprobs", "false"),
            ("top_logprobs", "0"),
            ("presence_penalty", "0"),
            ("frequency_penalty", "0.0"),
            ("store", "false"),
            ("parallel_tool_calls", "true"),
            ("service_tier", "\"auto\""),
            ("metadata", "{\"a\": \"b\"}"),
            ("modalities", "[\"text\"]"),
            ("repetition_penalty", "1.0"),
            ("skip_special_tokens", "true"),
            ("ignore_eos", "false"),
            ("chat_template_kwargs", "{}"),
            ("suffix", "\"\""),
            ("anything", "null"),
        ] {
            assert!(!asks(name, json), "{name}: {json}");
        }
        for (name, json) in [
            ("response_format", r#"{"type": "json_object"}"#),
            ("logit_bias", r#"{"50256": -100}"#),
            ("tools", "[{}]"),
            ("tools", "{}"),
            ("tools", "false"),
            ("tool_choice", "\"required\""),
            ("logprobs", "true"),
            ("logprobs", "0"),
            ("top_logprobs", "2"),
            ("presence_penalty", "0.5"),
            ("modalities", "[\"audio\"]"),
            ("repetition_penalty", "1.1"),
            ("repetition_penalty", "0"),
            ("skip_special_tokens", "false"),
            ("ignore_eos", "true"),
            ("echo", "true"),
            ("guided_json", "{\"type\": \"object\"}"),
            ("anything", "1"),
        ] {
            assert!(asks(name, json), "{name}: {json}");
        }
    }
}
