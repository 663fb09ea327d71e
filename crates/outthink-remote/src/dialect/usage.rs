//! What a server says that a request cost, as far as it can be believed.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// No request has as many tokens: the longest contexts have some ten million.
const MOST: u64 = 1 << 25;

/// What a server says that a request cost; what it does not say, or cannot be, is counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedUsage {
    pub(crate) prompt: Option<u64>,
    /// Not every server tells.
    pub(crate) cached: Option<u64>,
    pub(crate) generated: Option<u64>,
}

impl ReportedUsage {
    pub(crate) fn new(prompt: u64, cached: Option<u64>, generated: u64) -> Self {
        let sound = |tokens: u64| (tokens <= MOST).then_some(tokens);
        Self {
            prompt: sound(prompt),
            cached: cached.and_then(sound),
            generated: sound(generated),
        }
    }

    /// The usage of OpenAI's endpoints, and the names that others have for its parts.
    fn read(usage: &Value) -> Option<Self> {
        let part = |names: &[&str]| names.iter().find_map(|name| tokens(usage.pointer(name)?));
        usage.is_object().then(|| Self {
            prompt: part(&["/prompt_tokens", "/input_tokens"]),
            cached: part(&[
                "/prompt_tokens_details/cached_tokens",
                "/prompt_cache_hit_tokens",
                "/cached_tokens",
                "/input_tokens_details/cached_tokens",
            ]),
            generated: part(&["/completion_tokens", "/output_tokens"]),
        })
    }
}

/// A count of tokens, as a number or as text.
fn tokens(value: &Value) -> Option<u64> {
    let number = match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .or_else(|| whole(text.trim().parse().ok()?)),
        _ => None,
    };
    number.filter(|tokens| *tokens <= MOST)
}

fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=MOST as f64).contains(&number)).then_some(number as u64)
}

/// Usage of any shape; what says nothing is none.
pub(super) fn usage<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ReportedUsage>, D::Error> {
    Ok(ReportedUsage::read(&Value::deserialize(from)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn usage_is_believed_as_far_as_it_can_be() {
        let read = |text: &str| ReportedUsage::read(&serde_json::from_str(text).unwrap());
        let told = |prompt, cached, generated| {
            Some(ReportedUsage {
                prompt,
                cached,
                generated,
            })
        };
        for (text, expected) in [
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}"#,
                told(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":4}}"#,
                told(Some(10), Some(4), Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":null}"#,
                told(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"prompt_cache_hit_tokens":4}"#,
                told(Some(10), Some(4), None),
            ),
            (
                r#"{"input_tokens":10,"output_tokens":20}"#,
                told(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":"10","completion_tokens":20.0}"#,
                told(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":18446744073709551615,"completion_tokens":-1}"#,
                told(None, None, None),
            ),
            (
                r#"{"prompt_tokens":1e300,"completion_tokens":2.5}"#,
                told(None, None, None),
            ),
            (
                r#"{"prompt_tokens":null,"completion_tokens":[3]}"#,
                told(None, None, None),
            ),
            ("{}", told(None, None, None)),
            ("null", None),
            ("[]", None),
            ("\"none\"", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            ReportedUsage::new(u64::MAX, Some(u64::MAX), 3),
            told(None, None, Some(3)).unwrap()
        );
    }
}
