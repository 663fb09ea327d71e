//! What a request cost: as the server reports it, as far as that can be believed, or else as counted here.

use outthink_core::Usage;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Larger counts are not believed: the longest contexts have some ten million tokens.
const MOST: u64 = 1 << 25;

/// Tokens of a request as its server reports them. None is what it does not report, or what cannot be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedUsage {
    pub(crate) prompt: Option<u64>,
    /// Those of the prompt that came from its prefix cache; not every server tells.
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

    /// Reads OpenAI's `usage` object, and the names that others have for its fields.
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

/// Reads the usage of an answer, whatever its shape; what says nothing is none.
pub(crate) fn reported<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<ReportedUsage>, D::Error> {
    Ok(ReportedUsage::read(&Value::deserialize(from)?))
}

/// Tokens that were drawn, as counted here.
#[derive(Clone, Copy)]
pub(crate) struct CountedTokens {
    pub(crate) tokens: u64,
    /// A lower bound.
    pub(crate) least: u64,
}

impl CountedTokens {
    pub(crate) fn exactly(tokens: u64) -> Self {
        Self {
            tokens,
            least: tokens,
        }
    }
}

/// What a request cost: as its server reports, or else as counted here and marked as estimated. `prompt`: tokens sent.
pub(crate) fn usage(reported: Option<ReportedUsage>, prompt: u64, drawn: CountedTokens) -> Usage {
    let reported = reported.unwrap_or_default();
    let reported_prompt = reported.prompt.filter(|tokens| *tokens > 0 || prompt == 0);
    let generated = reported.generated.filter(|tokens| *tokens >= drawn.least);
    let exact = reported_prompt.is_some() && generated.is_some() && reported.cached.is_some();
    let prompt = reported_prompt.unwrap_or(prompt);
    let generated = generated.unwrap_or(drawn.tokens);
    let cached = reported.cached.unwrap_or(0).min(prompt);
    let up_to = |tokens: u64| tokens * (tokens + 1) / 2;
    Usage {
        requests: 1,
        prompt,
        cached,
        generated,
        computed: prompt - cached + generated,
        attended: up_to(prompt + generated) - up_to(cached),
        estimated: u64::from(!exact),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn usage_is_believed_as_far_as_it_can_be() {
        let read = |text: &str| ReportedUsage::read(&serde_json::from_str(text).unwrap());
        let reported = |prompt, cached, generated| {
            Some(ReportedUsage {
                prompt,
                cached,
                generated,
            })
        };
        for (text, expected) in [
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}"#,
                reported(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":4}}"#,
                reported(Some(10), Some(4), Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":null}"#,
                reported(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":10,"prompt_cache_hit_tokens":4}"#,
                reported(Some(10), Some(4), None),
            ),
            (
                r#"{"input_tokens":10,"output_tokens":20}"#,
                reported(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":"10","completion_tokens":20.0}"#,
                reported(Some(10), None, Some(20)),
            ),
            (
                r#"{"prompt_tokens":18446744073709551615,"completion_tokens":-1}"#,
                reported(None, None, None),
            ),
            (
                r#"{"prompt_tokens":1e300,"completion_tokens":2.5}"#,
                reported(None, None, None),
            ),
            (
                r#"{"prompt_tokens":null,"completion_tokens":[3]}"#,
                reported(None, None, None),
            ),
            ("{}", reported(None, None, None)),
            ("null", None),
            ("[]", None),
            ("\"none\"", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            ReportedUsage::new(u64::MAX, Some(u64::MAX), 3),
            reported(None, None, Some(3)).unwrap()
        );
    }
}
