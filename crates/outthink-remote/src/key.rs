//! API keys: sent to servers, and never shown.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::HeaderValue;

use crate::Error;

/// Replaces a key in text.
const HIDDEN: &str = "[key]";
/// A key shorter than this (bytes) is taken for a placeholder such as `EMPTY`, which models may well write, and is left
/// in what they write.
const SHORTEST_SECRET: usize = 8;
/// A key shorter than this (bytes) is never struck out: it would occur in any text.
const SHORTEST_STRUCK: usize = 4;

/// An API key. Its `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct ApiKey(Arc<Inner>);

struct Inner {
    header: HeaderValue,
    /// The key as a text may spell it: as it is, and as JSON or an address escape it.
    spellings: Vec<String>,
}

impl ApiKey {
    /// Parses the text of a variable or file, which `source` names.
    ///
    /// # Errors
    ///
    /// Where the key is empty or cannot be sent in a header.
    pub(crate) fn parse(text: &str, source: &str) -> Result<Self, Error> {
        let unusable = |reason| Error::UnusableKey {
            key: source.to_owned(),
            reason,
        };
        let text = text.trim_start_matches('\u{feff}').trim();
        // Some paste the whole header.
        let scheme = text.split(char::is_whitespace).next().unwrap_or_default();
        let key = match scheme.eq_ignore_ascii_case("bearer") {
            true => text[scheme.len()..].trim(),
            false => text,
        };
        if key.is_empty() {
            return Err(unusable("it is empty"));
        }
        if key.contains(['\n', '\r']) {
            return Err(unusable("it has several lines"));
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unusable(
                "it holds a blank, a control character or a letter beyond ASCII, which no header can carry",
            ));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| unusable("no header can carry it"))?;
        header.set_sensitive(true);
        Ok(Self(Arc::new(Inner {
            header,
            spellings: spellings(key),
        })))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.header.clone()
    }

    /// Strikes the key from text that is shown in a message.
    pub(crate) fn hide(&self, text: &str) -> String {
        let hidden = |text: String, key: &String| text.replace(key.as_str(), HIDDEN);
        self.spellings_of(SHORTEST_STRUCK)
            .fold(text.to_owned(), hidden)
    }

    /// Strikes the key from data that is parsed, stored or passed on.
    pub(crate) fn strike(&self, data: Bytes) -> Bytes {
        self.spellings_of(SHORTEST_SECRET).fold(data, replace)
    }

    /// The spellings of at least this many bytes.
    fn spellings_of(&self, least: usize) -> impl Iterator<Item = &String> {
        self.0
            .spellings
            .iter()
            .filter(move |key| key.len() >= least)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

fn spellings(key: &str) -> Vec<String> {
    let quoted = serde_json::Value::from(key).to_string();
    let quoted = quoted.trim_matches('"').to_owned();
    let escaped = |byte: u8| match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let mut spellings = vec![key.to_owned()];
    for other in [
        quoted,
        key.replace('/', "\\/"),
        key.bytes().map(escaped).collect(),
    ] {
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

fn find(data: &[u8], what: &[u8]) -> Option<usize> {
    data.windows(what.len()).position(|window| window == what)
}

fn replace(data: Bytes, key: &String) -> Bytes {
    let key = key.as_bytes();
    if find(&data, key).is_none() {
        return data;
    }
    let (mut rest, mut kept) = (&data[..], Vec::with_capacity(data.len()));
    while let Some(at) = find(rest, key) {
        kept.extend_from_slice(&rest[..at]);
        kept.extend_from_slice(HIDDEN.as_bytes());
        rest = &rest[at + key.len()..];
    }
    kept.extend_from_slice(rest);
    kept.into()
}

/// Strikes a key from a body that arrives in pieces, even where the key is cut in two.
pub(crate) struct KeyRedactor {
    key: Option<ApiKey>,
    /// Shorter spellings are not struck out, in bytes.
    least: usize,
    /// The end of the data so far, which may be the beginning of the key.
    held: Vec<u8>,
}

impl KeyRedactor {
    /// `text`: may the body be what a model wrote, rather than an error?
    pub(crate) fn new(key: Option<&ApiKey>, text: bool) -> Self {
        Self {
            key: key.cloned(),
            least: if text {
                SHORTEST_SECRET
            } else {
                SHORTEST_STRUCK
            },
            held: Vec::new(),
        }
    }

    /// Takes data, and returns what can be handed on already.
    pub(crate) fn push(&mut self, data: Bytes) -> Bytes {
        let Some(key) = &self.key else { return data };
        let data = match self.held.is_empty() {
            true => data,
            false => [&self.held[..], &data].concat().into(),
        };
        let mut data = key.spellings_of(self.least).fold(data, replace);
        let begun = |spelling: &String| {
            let longest = spelling.len().saturating_sub(1).min(data.len());
            let begins = |length: &usize| data.ends_with(&spelling.as_bytes()[..*length]);
            (1..=longest).rev().find(begins).unwrap_or(0)
        };
        let held = key.spellings_of(self.least).map(begun).max().unwrap_or(0);
        self.held = data.split_off(data.len() - held).to_vec();
        data
    }

    /// What was held back, when no more data follows.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_no_header_can_hold_is_refused_and_never_shown() {
        for (text, reason) in [
            ("", "empty"),
            ("\u{feff} \n", "empty"),
            ("Bearer \n", "empty"),
            ("sk-one\nsk-two", "several lines"),
            ("sk-one\r\nsk-two", "several lines"),
            ("sk-schlüssel", "beyond ASCII"),
            ("sk one", "a blank"),
            ("sk-\u{7}", "control"),
        ] {
            let error = ApiKey::parse(text, "KEY").unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
            assert!(!error.contains("sk-") && error.contains("KEY"), "{error}");
        }
        let header = |text| ApiKey::parse(text, "KEY").unwrap().header();
        assert_eq!(header("\u{feff}sk-1/+=\r\n"), "Bearer sk-1/+=");
        assert_eq!(header("bearer sk-1"), "Bearer sk-1");
    }

    #[test]
    fn a_key_is_hidden_as_json_and_addresses_spell_it_and_a_placeholder_is_no_secret() {
        let key = ApiKey::parse("sk-a/b+c\"d", "KEY").unwrap();
        for said in ["sk-a/b+c\"d", "sk-a/b+c\\\"d", "sk-a%2Fb%2Bc%22d"] {
            assert_eq!(key.hide(&format!("no {said}!")), "no [key]!");
        }
        let empty = ApiKey::parse("EMPTY", "KEY").unwrap();
        assert_eq!(empty.hide("wrong key EMPTY"), "wrong key [key]");
        let text = Bytes::from_static(b"the EMPTY set");
        assert_eq!(empty.strike(text.clone()), text);
        assert_eq!(ApiKey::parse("x", "KEY").unwrap().hide("x = 1"), "x = 1");
    }

    proptest! {
        #[test]
        fn a_body_is_struck_alike_however_it_was_cut(
            parts in prop::collection::vec("[sk\\-ab12]{0,6}|sk-ab12ab12", 0..8),
            cuts in prop::collection::vec(0usize..80, 0..6),
        ) {
            const KEY: &str = "sk-ab12ab12";
            let text = parts.concat();
            let key = ApiKey::parse(KEY, "KEY").unwrap();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let mut redactor = KeyRedactor::new(Some(&key), true);
            let mut got = Vec::new();
            for pair in cuts.windows(2) {
                got.extend(redactor.push(text.as_bytes()[pair[0]..pair[1]].to_vec().into()));
            }
            got.extend(redactor.rest());
            prop_assert_eq!(String::from_utf8(got).unwrap(), text.replace(KEY, HIDDEN));
        }
    }
}
