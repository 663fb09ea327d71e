//! Formulas in a text, told from amounts of money.

use std::borrow::Cow;

const DELIMITERS: [(&str, &str); 4] = [("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")];

/// The formula that a text starts with, and those that a word joins to it.
pub(super) fn first_formula(text: &str) -> Option<Cow<'_, str>> {
    let mut formulas = Formulas::of(text);
    let (first, start, mut end) = formulas.next()?;
    if start > 0 {
        return None;
    }
    let mut all = Cow::Borrowed(first);
    for (next, start, after) in formulas {
        if !joins(&text[end..start]) {
            break;
        }
        let joined = all.to_mut();
        joined.push_str(", ");
        joined.push_str(next);
        end = after;
    }
    Some(all)
}

/// The last formula that closes, with those that are joined to it, and the place after it.
pub(super) fn last_formula(text: &str) -> Option<(usize, Cow<'_, str>)> {
    let mut last: Option<(usize, Cow<'_, str>)> = None;
    for (formula, start, end) in Formulas::of(text) {
        if formula.trim().is_empty() {
            continue;
        }
        last = Some(match last {
            Some((before, mut all)) if joins(&text[before..start]) => {
                let joined = all.to_mut();
                joined.push_str(", ");
                joined.push_str(formula);
                (end, all)
            }
            _ => (end, Cow::Borrowed(formula)),
        });
    }
    last
}

/// The formulas of a text: content, place, and the place after it. One pass: a delimiter that does not close once is not
/// looked for again.
struct Formulas<'t> {
    text: &'t str,
    at: usize,
    unclosed: [bool; DELIMITERS.len()],
}

impl<'t> Formulas<'t> {
    fn of(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            unclosed: [false; DELIMITERS.len()],
        }
    }

    /// Where the formula that starts at `body` closes.
    fn close(&self, body: usize, close: &str) -> Option<usize> {
        let mut end = body + self.text[body..].find(close)?;
        // A dollar sign that is meant ends nothing.
        while close == "$" && self.text[..end].ends_with('\\') {
            end += 1 + self.text[end + 1..].find(close)?;
        }
        Some(end)
    }
}

impl<'t> Iterator for Formulas<'t> {
    type Item = (&'t str, usize, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(next) = self.text[self.at..].find(['$', '\\']) {
            let start = self.at + next;
            self.at = start + 1;
            // A dollar sign that is meant opens nothing either.
            if self.text[start..].starts_with("\\$") {
                self.at += 1;
                continue;
            }
            let kind = DELIMITERS
                .iter()
                .position(|(open, _)| self.text[start..].starts_with(open));
            let Some(kind) = kind.filter(|&kind| !self.unclosed[kind]) else {
                continue;
            };
            let (open, close) = DELIMITERS[kind];
            let body = start + open.len();
            match self.close(body, close) {
                Some(end) => {
                    let content = &self.text[body..end];
                    let after = &self.text[end + close.len()..];
                    if open == "$" && is_money(content, after) {
                        continue;
                    }
                    self.at = end + close.len();
                    return Some((content, start, self.at));
                }
                None => self.unclosed[kind] = true,
            }
        }
        None
    }
}

/// Is a dollar sign before this text an amount's, and the next one no end of a formula? What starts with a digit is an
/// amount if the next sign has a space before it or a digit after it (as Pandoc tells them), or if words stand between.
fn is_money(content: &str, after: &str) -> bool {
    // No formula within a line spans paragraphs.
    if content.contains("\n\n") {
        return true;
    }
    let amount = content.strip_prefix('-').unwrap_or(content);
    // GSM8K's rationales compute after the sign: $<<2*3=6>>6.
    (amount.starts_with(|c: char| c.is_ascii_digit() || c == '.') || amount.starts_with("<<"))
        && (content.ends_with(char::is_whitespace)
            || after.starts_with(|c: char| c.is_ascii_digit())
            || has_words(content))
}

/// Is there a word of two letters or more outside of commands and their arguments?
fn has_words(formula: &str) -> bool {
    let mut depth = 0usize;
    let mut letters = 0usize;
    let mut command = false;
    for c in formula.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '\\' => command = true,
            _ => {}
        }
        if c.is_alphabetic() {
            letters += usize::from(depth == 0 && !command);
            if letters >= 3 {
                return true;
            }
        } else {
            command = c == '\\';
            letters = 0;
        }
    }
    false
}

/// Does this text only join two answers?
pub(super) fn joins(between: &str) -> bool {
    let mut rest = between;
    let mut any = false;
    loop {
        rest = rest.trim_start_matches(|c: char| {
            c.is_whitespace() || matches!(c, '$' | '{' | '}' | '\u{a0}')
        });
        let skip = [
            "\\text", "\\quad", "\\qquad", "\\mbox", "\\(", "\\)", "\\,", "\\ ",
        ];
        if let Some(skip) = skip.into_iter().find(|skip| rest.starts_with(skip)) {
            rest = &rest[skip.len()..];
            continue;
        }
        let word = [",", ";", "and", "or", "&"]
            .into_iter()
            .find(|word| rest.starts_with(word));
        match word {
            Some(word) => {
                any = true;
                rest = &rest[word.len()..];
            }
            None => return any && (rest.is_empty() || names_one(rest)),
        }
    }
}

/// Only `x =`, before the box that says what it is?
fn names_one(text: &str) -> bool {
    let name = text.trim().strip_suffix('=').map(str::trim);
    name.is_some_and(|name| name.len() == 1 && name.starts_with(|c: char| c.is_ascii_alphabetic()))
}
