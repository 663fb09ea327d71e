//! Answers as the value of `"answer"` in an object, also in one that is not quite JSON.

use std::borrow::Cow;

/// The value that follows a key, its quotes and escapes undone; none where no value follows.
pub(super) fn value(after_key: &str) -> Option<Cow<'_, str>> {
    let value = after_key.trim_start().strip_prefix(':')?.trim_start();
    let quote = value.chars().next()?;
    match quote {
        '"' | '\'' => Some(string(&value[1..], quote)),
        '[' | '{' => Some(value[..nested(value)].into()),
        _ => {
            let end = value.find(['}', '\n']).unwrap_or(value.len());
            Some(value[..end].trim().trim_end_matches(',').into())
        }
    }
}

/// A string up to its closing quote. A backslash that no one doubled is meant: `"\frac12"`.
fn string(body: &str, quote: char) -> Cow<'_, str> {
    let mut text = String::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.peek() {
                Some('\\' | '"' | '\'' | '/') => text.extend(chars.next()),
                _ => text.push('\\'),
            },
            c if c == quote => break,
            c => text.push(c),
        }
    }
    text.into()
}

/// Where the bracket that a value starts with closes.
fn nested(value: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in value.char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    value.len()
}
