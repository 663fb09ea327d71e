//! The final answer of a response.

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
    /// The answer, for [`crate::Answer::parse`]; never blank.
    pub text: String,
    /// Where it stood.
    pub source: Source,
}

/// Finds the final answer of a response; nothing found is nothing. Where a response thinks first (`</think>`), only what
/// follows counts. A box that never closes holds no answer, and neither do the words before it.
pub fn extract(response: &str) -> Option<Extracted> {
    let response = response
        .rsplit_once("</think>")
        .map_or(response, |(_, after)| after);
    let found = |text: &str, source| {
        let text = text.trim();
        (!text.is_empty()).then(|| Extracted {
            text: text.to_owned(),
            source,
        })
    };
    match boxes(response) {
        Boxes::Closed(text) => return found(&text, Source::Box),
        Boxes::Open => return None,
        Boxes::None => {}
    }
    if let Some(text) = after_phrase(response)
        && let Some(extracted) = found(text, Source::Phrase)
    {
        return Some(extracted);
    }
    if let Some(text) = last_formula(response)
        && let Some(extracted) = found(text, Source::Maths)
    {
        return Some(extracted);
    }
    found(last_number(response)?, Source::Number)
}

enum Boxes {
    None,
    /// There is one, and it does not close.
    Open,
    Closed(String),
}

fn boxes(response: &str) -> Boxes {
    // (start of the command, content, end)
    let mut closed: Vec<(usize, &str, usize)> = Vec::new();
    let mut any = false;
    let mut at = 0;
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
            match closing(&response[body + 1..]) {
                Some(length) => (&response[body + 1..body + 1 + length], body + length + 2),
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
        if end > first || !joins(&response[end..first]) {
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
            None => return any && rest.is_empty(),
        }
    }
}

/// Length of the text before the brace that closes the one before it.
fn closing(body: &str) -> Option<usize> {
    let mut depth = 1usize;
    let mut escaped = false;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What follows the last phrase that announces an answer, up to the end of its sentence.
fn after_phrase(response: &str) -> Option<&str> {
    const PHRASES: [&str; 8] = [
        "final answer is",
        "answer is",
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
    let mut stop = line.len();
    for (at, _) in line.match_indices(". ") {
        stop = stop.min(at);
    }
    Some(line[..stop].trim_end_matches(['.', '*', ' ', '。']))
}

const DELIMITERS: [(&str, &str); 4] = [("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")];

/// The formula that a text starts with.
fn first_formula(text: &str) -> Option<&str> {
    let (open, close) = DELIMITERS
        .into_iter()
        .find(|(open, _)| text.starts_with(open))?;
    let body = &text[open.len()..];
    body.find(close).map(|end| &body[..end])
}

/// The last formula that closes.
fn last_formula(text: &str) -> Option<&str> {
    let mut last = None;
    let mut at = 0;
    while let Some(next) = text[at..].find(['$', '\\']) {
        let start = at + next;
        at = start + 1;
        let Some((open, close)) = DELIMITERS
            .into_iter()
            .find(|(open, _)| text[start..].starts_with(open))
        else {
            continue;
        };
        let body = start + open.len();
        let Some(length) = text[body..].find(close) else {
            continue;
        };
        let formula = &text[body..body + length];
        if !formula.trim().is_empty() {
            last = Some(formula);
        }
        at = body + length + close.len();
    }
    last
}

fn last_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let last = text.rfind(|c: char| c.is_ascii_digit())?;
    let mut start = last;
    while start > 0 {
        let before = bytes[start - 1];
        let inner =
            matches!(before, b'.' | b',' | b'/') && start > 1 && bytes[start - 2].is_ascii_digit();
        if !(before.is_ascii_digit() || inner) {
            break;
        }
        start -= 1;
    }
    let signed = start > 0
        && bytes[start - 1] == b'-'
        && !(start > 1 && bytes[start - 2].is_ascii_alphanumeric());
    Some(&text[start - usize::from(signed)..=last])
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
