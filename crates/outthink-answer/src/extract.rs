//! The final answer of a response.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::value::Answer;

/// How an answer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the last `\boxed{}`, or in several side by side.
    Box,
    /// After words like "the answer is" or `####`.
    Phrase,
    /// The last formula.
    Maths,
    /// The last number.
    Number,
}

/// An answer as it stands in a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extracted {
    /// The answer, for [`crate::Answer::parse`]; never one that reads as nothing.
    pub text: String,
    /// Where it stood.
    pub source: Source,
}

/// Finds the final answer of a response; nothing found is nothing. Where a response thinks first (`</think>`), only what
/// follows counts. A box that never closes holds no answer, and neither do the words before it; one that reads as nothing,
/// like `\boxed{...}`, is none either.
pub fn extract(response: &str) -> Option<Extracted> {
    let response = response
        .rsplit_once("</think>")
        .map_or(response, |(_, after)| after);
    let response = first_turn(response);
    let found = |text: &str, source| {
        let text = text.trim();
        (!Answer::parse(text).is_empty()).then(|| Extracted {
            text: text.to_owned(),
            source,
        })
    };
    // "The final answer is" after the last box overrules it.
    if let Some(after) = response.rfind("inal answer is")
        && response.rfind("\\boxed").is_some_and(|last| last < after)
        && let Some(text) = first_formula(
            response[after + "inal answer is".len()..].trim_start_matches([' ', ':', '\n']),
        )
        && let Some(extracted) = found(&text, Source::Phrase)
    {
        return Some(extracted);
    }
    match boxes(response) {
        Boxes::Closed(text) => return found(&text, Source::Box),
        Boxes::Open => return None,
        Boxes::None => {}
    }
    if let Some(text) = after_phrase(response)
        && let Some(extracted) = found(&text, Source::Phrase)
    {
        return Some(extracted);
    }
    let formula = last_formula(response);
    // A conclusion in words after the last formula.
    if let (Some((_, number)), Some(end)) =
        (last_number(response), formula.as_ref().map(|(end, _)| *end))
        && let Some(tail) = response.get(end..)
        && ["herefore", "hus", "ence", "So "]
            .iter()
            .any(|word| tail.contains(word))
        && last_number(tail).is_some()
        && let Some(extracted) = found(number, Source::Number)
    {
        return Some(extracted);
    }
    if let Some((_, text)) = formula
        && let Some(extracted) = found(&text, Source::Maths)
    {
        return Some(extracted);
    }
    if is_formula(response) || is_letter(response) {
        return found(response, Source::Maths);
    }
    let (_, number) = last_number(response)?;
    found(number, Source::Number)
}

/// What comes before a token that ends a turn of a chat.
fn first_turn(response: &str) -> &str {
    let ends = [
        "<|im_end|>",
        "<|im_start|>",
        "<|endoftext|>",
        "<|eot_id|>",
        "<|end|>",
        "</s>",
    ];
    let end = ends
        .iter()
        .filter_map(|end| response.find(end).filter(|at| *at > 0))
        .min();
    end.map_or(response, |end| &response[..end])
}

/// Is a text without dollar signs a formula, that is, LaTeX without a word of prose?
fn is_formula(text: &str) -> bool {
    text.contains('\\') && text.len() < 1000 && !has_prose(text)
}

/// Nothing but the letter of a choice?
fn is_letter(text: &str) -> bool {
    let letter = text.trim_matches(|c: char| c.is_whitespace() || "*().:".contains(c));
    letter.len() == 1 && letter.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Is there a word of three letters or more that is no command?
fn has_prose(text: &str) -> bool {
    let separates = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | '(' | ')' | '$');
    let letters = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count();
    text.split(separates)
        .any(|word| !word.contains('\\') && letters(word) >= 3)
}

pub(crate) enum Boxes {
    None,
    /// There is one, and it does not close.
    Open,
    Closed(String),
}

pub(crate) fn boxes(response: &str) -> Boxes {
    // (start of the command, content, end)
    let mut closed: Vec<(usize, &str, usize)> = Vec::new();
    let mut any = false;
    let mut at = 0;
    let closings = closings(response);
    while let Some(found) = response[at..].find('\\') {
        let start = at + found;
        at = start + 1;
        let name = ["boxed", "fbox", "framebox"]
            .into_iter()
            .find(|name| response[at..].starts_with(name));
        let Some(name) = name else {
            continue;
        };
        let after = at + name.len();
        let gap = response[after..].len() - response[after..].trim_start().len();
        let body = after + gap;
        let Some(first) = response[body..].chars().next() else {
            any = true;
            continue;
        };
        any = true;
        let (content, end) = if first == '{' {
            match closings.get(&body) {
                Some(&close) => (&response[body + 1..close], close + 1),
                None => continue,
            }
        } else {
            let length = response[body..]
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(response.len() - body);
            (&response[body..body + length], body + length)
        };
        closed.push((start, content, end));
        at = end;
    }
    let Some(&(mut first, content, _)) = closed.last() else {
        return if any { Boxes::Open } else { Boxes::None };
    };
    // Boxes that only a comma or a word stands between are one answer.
    let mut parts = vec![content];
    for &(start, content, end) in closed.iter().rev().skip(1) {
        let between = response.get(end..first);
        if !between.is_some_and(|between| between.trim().is_empty() || joins(between)) {
            break;
        }
        first = start;
        parts.push(content);
    }
    parts.reverse();
    Boxes::Closed(parts.join(", "))
}

/// Does this text only join two answers?
fn joins(between: &str) -> bool {
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

/// Where each brace closes, if it does; in one pass, whatever a response holds.
fn closings(text: &str) -> HashMap<usize, usize> {
    let mut open = Vec::new();
    let mut closings = HashMap::new();
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => open.push(at),
            b'}' => {
                if let Some(start) = open.pop() {
                    closings.insert(start, at);
                }
            }
            _ => {}
        }
    }
    closings
}

/// What follows the last phrase that announces an answer, up to the end of its sentence.
fn after_phrase(response: &str) -> Option<Cow<'_, str>> {
    const PHRASES: [&str; 10] = [
        "final answer is",
        "answer is",
        "option is",
        "choice is",
        "final answer:",
        "answer:",
        "final answer",
        "####",
        "答案是",
        "答案为",
    ];
    let lower = response.to_ascii_lowercase();
    let end = PHRASES
        .iter()
        .filter_map(|phrase| Some(lower.rfind(phrase)? + phrase.len()))
        .max()?;
    let tail = response[end..]
        .trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '*' | '：'));
    if let Some(formula) = first_formula(tail) {
        return Some(formula);
    }
    let line = tail.lines().next()?;
    // The sentence, without the reason that may follow the answer.
    let stop = [". ", " because", ", since", ", as ", " since "]
        .into_iter()
        .filter_map(|end| line.find(end))
        .min()
        .unwrap_or(line.len());
    let sentence = line[..stop].trim_end_matches(['.', '*', ' ', '。']);
    // A sentence of its own says the answer last: "Jane started growing 3 hours ago".
    let starts = |c: char| !c.is_alphabetic() && c != '$';
    let short = sentence.split_whitespace().count() < 3;
    if short || sentence.starts_with(starts) || !has_prose(sentence) {
        return Some(sentence.into());
    }
    match (last_formula(sentence), last_number(sentence)) {
        (Some((at, formula)), Some((place, number))) => {
            Some(if at > place { formula } else { number.into() })
        }
        (Some((_, formula)), None) => Some(formula),
        (None, Some((_, number))) => Some(number.into()),
        (None, None) => Some(sentence.into()),
    }
}

const DELIMITERS: [(&str, &str); 4] = [("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")];

/// The formula that a text starts with, and those that a word joins to it.
fn first_formula(text: &str) -> Option<Cow<'_, str>> {
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
                    self.at = end + close.len();
                    return Some((&self.text[body..end], start, self.at));
                }
                None => self.unclosed[kind] = true,
            }
        }
        None
    }
}

/// The last formula that closes, with those that are joined to it, and the place after it.
fn last_formula(text: &str) -> Option<(usize, Cow<'_, str>)> {
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
            _ => (end, formula.into()),
        });
    }
    last
}

/// The last number that is no part of a word, and its place.
fn last_number(text: &str) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = text.len();
    loop {
        let last = text[..end].rfind(|c: char| c.is_ascii_digit())?;
        let mut start = last;
        while start > 0 {
            let follows = start > 1 && digit(start - 2);
            let inner = matches!(bytes[start - 1], b'.' | b',' | b'/') && follows;
            // 1 000
            let group = bytes[start - 1] == b' '
                && follows
                && (start..start + 3).all(digit)
                && !digit(start + 3);
            if !(digit(start - 1) || inner || group) {
                break;
            }
            start -= 1;
        }
        let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
        let before = text[..start].chars().next_back();
        if letter(before) && letter(text[last + 1..].chars().next()) {
            end = start;
            continue;
        }
        for sign in ['.', '-'] {
            let rest = text[..start].strip_suffix(sign);
            if rest.is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric())) {
                start -= 1;
            }
        }
        let tail = &text[last + 1..];
        let percent = ["%", "\\%"].into_iter().find(|sign| tail.starts_with(sign));
        return Some((start, &text[start..last + 1 + percent.map_or(0, str::len)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, Source)> {
        extract(text).map(|extracted| (extracted.text, extracted.source))
    }

    #[test]
    fn the_last_box_is_the_answer_and_boxes_side_by_side_are_one() {
        let boxed = |text: &str| Some((text.to_owned(), Source::Box));
        assert_eq!(
            found(r"\boxed{1} no: \boxed{\frac{1}{2}}."),
            boxed(r"\frac{1}{2}")
        );
        assert_eq!(found(r"$\boxed{2}$ and $\boxed{-3}$."), boxed("2, -3"));
        assert_eq!(
            found(r"first \boxed{2}, which fails, then \boxed{3}"),
            boxed("3")
        );
        assert_eq!(
            found(r"<think>\boxed{1}</think> it is \boxed{2}"),
            boxed("2")
        );
        assert_eq!(found(r"\boxed{\{1, 2\}}"), boxed(r"\{1, 2\}"));
        assert_eq!(found(r"\fbox{7}"), boxed("7"));
        assert_eq!(found(r"$x=\boxed{2}$ or $x=\boxed{3}$"), boxed("2, 3"));
    }

    #[test]
    fn a_response_that_opens_and_never_closes_is_read_in_one_pass() {
        // Quadratic work on these would take minutes.
        for part in ["\\boxed{", "\\(", "\\[", "$\\", "\\$", "$$ $", "$a$, "] {
            extract(&part.repeat(200_000));
        }
    }

    #[test]
    fn nothing_is_nothing() {
        for text in [
            "",
            "I am not able to solve this problem.",
            r"The final answer is $\boxed{",
            r"The final answer is $\boxed{}$.",
            r"\boxed",
            "<think>it is 5</think>",
            r"\boxed{...}",
            r"\boxed{\text{}}",
            r"$\boxed{~}$",
            r"so \boxed{{,}}",
            r"\boxed{$}",
            r"\boxed{\quad}",
            "The answer is $",
            r"The answer is \(",
            "Final Answer: $$",
            r"**Answer:** \[",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn without_a_box_phrases_come_before_formulas_before_numbers() {
        let by = |text: &str, source| Some((text.to_owned(), source));
        assert_eq!(
            found("The answer is -1. (Check: 3 + 4 = 7.)"),
            by("-1", Source::Phrase)
        );
        let bare = found("Answer: x^5 - x^4 + 2x - 1");
        assert_eq!(bare, by("x^5 - x^4 + 2x - 1", Source::Phrase));
        assert_eq!(
            found("The answer is 5 because 2+3=5."),
            by("5", Source::Phrase)
        );
        assert_eq!(found("**A**"), by("**A**", Source::Maths));
        assert_eq!(found("so\n\n#### 1,940"), by("1,940", Source::Phrase));
        assert_eq!(found("The answer is: **5**"), by("5", Source::Phrase));
        assert_eq!(
            found(r"the answer is: \[ 16 \sqrt{3} \] as said"),
            by(r"16 \sqrt{3}", Source::Phrase)
        );
        assert_eq!(
            found("we get $x=3$ and then $y = 4$."),
            by("y = 4", Source::Maths)
        );
        assert_eq!(
            found("5 rows, and the total is 1940."),
            by("1940", Source::Number)
        );
        assert_eq!(found("it is -12.5 or so"), by("-12.5", Source::Number));
    }
}
