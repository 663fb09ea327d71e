//! GSM8K as lm-evaluation-harness grades it: the filters `strict-match` and `flexible-extract` of its `gsm8k.yaml` (and the
//! latter of `gsm8k-cot.yaml`), then `exact_match` with what that file has it ignore.
//!
//! The harness stops a model at "Question:" and the end of its turn; these rules read what they are given.

use std::sync::LazyLock;

use regex_lite::Regex;

use crate::verdict::Verdict;

static STRICT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"#### (\-?[0-9\.\,]+)").ok());
static FLEXIBLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"-?[$0-9.,]{2,}|-?[0-9]+").ok());

/// The first number after `#### `.
pub(super) fn extract_strict(response: &str) -> Option<String> {
    let found = STRICT.as_ref()?.captures(response)?;
    Some(found.get(1)?.as_str().to_owned())
}

/// The last run of digits, dollar signs, dots and commas; two of the latter are a match too, as in "18...".
pub(super) fn extract_flexible(response: &str) -> Option<String> {
    let found = FLEXIBLE.as_ref()?.find_iter(response).last()?;
    Some(found.as_str().to_owned())
}

pub(super) fn equal(prediction: &str, gold: &str) -> Verdict {
    // What no filter matches is "[invalid]" there, which is no gold answer.
    let equal = !prediction.is_empty() && normal(prediction) == normal(gold);
    let rule = "equal strings";
    Verdict::new(
        equal,
        rule,
        format!("by lm-evaluation-harness's rules for GSM8K: {rule}"),
    )
}

/// Without commas, dollar signs, all up to the last `#### ` and a dot at the end, in this order; in lower case.
fn normal(text: &str) -> String {
    let kept = text.replace([',', '$'], "");
    let last = kept.rsplit_once("#### ").map_or(&*kept, |(_, last)| last);
    let (body, end) = match last.strip_suffix('\n') {
        Some(body) => (body, "\n"),
        None => (last, ""),
    };
    format!("{}{end}", body.strip_suffix('.').unwrap_or(body)).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_takes_the_first_mark_and_flexible_the_last_number() {
        for (response, strict, flexible) in [
            ("so 48 + 24 = 72\n#### 72", Some("72"), Some("72")),
            ("#### 1,234.50 and then #### 5", Some("1,234.50"), Some("5")),
            ("#### -7.", Some("-7."), Some("-7.")),
            ("####72", None, Some("72")),
            ("#### $72", None, Some("$72")),
            ("#### \\boxed{72}", None, Some("72")),
            ("The answer is $1,000.", None, Some("$1,000.")),
            ("He has -5 of 7 left", None, Some("7")),
            ("It is -5", None, Some("-5")),
            ("It is 18...", None, Some("18...")),
            ("It is 18, or so I think...", None, Some("...")),
            ("20% of 50 is 10, isn't it", None, Some("10,")),
            ("no number", None, None),
        ] {
            assert_eq!(extract_strict(response).as_deref(), strict, "{response}");
            assert_eq!(
                extract_flexible(response).as_deref(),
                flexible,
                "{response}"
            );
        }
    }

    #[test]
    fn what_is_ignored_is_ignored_and_nothing_else() {
        let gold = "Natalia sold <<48/2=24>>24 clips.\n#### 1,072";
        for (prediction, equal) in [
            ("1072", true),
            ("$1,072.", true),
            ("1072.00", false),
            ("1072..", false),
            ("01072", false),
            ("", false),
        ] {
            assert_eq!(super::equal(prediction, gold).equal, equal, "{prediction}");
        }
        assert!(super::equal("72", "72").equal);
        assert!(!super::equal("", "").equal);
    }
}
