//! Answers in `\boxed{}`.

use std::collections::HashMap;

use super::formulas::joins;
use super::says_something;

/// The boxes of a text.
pub(crate) enum Boxes {
    /// There is none.
    None,
    /// None of them closes and says something.
    Open,
    /// The content of the last that does, with those that only a comma or a word joins to it, and the place after it.
    Closed { text: String, end: usize },
}

/// Finds `\boxed{}`, `\fbox{}` and `\framebox{}`, also where the backslash was lost or taken for an escape.
pub(crate) fn boxes(text: &str) -> Boxes {
    // (start of the command, content, end)
    let mut closed: Vec<(usize, &str, usize)> = Vec::new();
    let mut any = false;
    let mut at = 0;
    let closings = closings(text);
    while let Some((start, name_end)) = opening(text, at) {
        any = true;
        at = name_end;
        let body = at + (text[at..].len() - text[at..].trim_start().len());
        let Some(first) = text[body..].chars().next() else {
            break;
        };
        let (content, end) = if first == '{' {
            match closings.get(&body) {
                Some(&close) => (&text[body + 1..close], close + 1),
                None => continue,
            }
        } else {
            let length = text[body..]
                .find(|c: char| !c.is_alphanumeric())
                .unwrap_or(text.len() - body);
            (&text[body..body + length], body + length)
        };
        closed.push((start, content, end));
        at = end;
    }
    if !any {
        return Boxes::None;
    }
    // An empty one is the form of an answer, not the answer.
    while let Some((_, content, _)) = closed.last()
        && !says_something(content)
    {
        closed.pop();
    }
    let Some(&(mut first, content, end)) = closed.last() else {
        return Boxes::Open;
    };
    // Boxes that only a comma or a word stands between are one answer.
    let mut parts = vec![content];
    for &(start, content, end) in closed.iter().rev().skip(1) {
        let between = text.get(end..first);
        if !between.is_some_and(|between| between.trim().is_empty() || joins(between)) {
            break;
        }
        first = start;
        parts.push(content);
    }
    parts.reverse();
    let text = parts.join(", ");
    Boxes::Closed { text, end }
}

/// What stands before and after the letters "ox" of a command that makes a box; a `\b` or `\f` may have been read as an escape.
const COMMANDS: [(&str, &str); 6] = [
    ("\\b", "ed"),
    ("\\fb", ""),
    ("\\frameb", ""),
    ("\u{8}", "ed"),
    ("\u{c}b", ""),
    ("\u{c}rameb", ""),
];

/// The next command that makes a box: its place and the place after its name.
fn opening(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(found) = text[at..].find("ox") {
        let place = at + found;
        at = place + "ox".len();
        for (before, after) in COMMANDS {
            if text[from..place].ends_with(before) && text[at..].starts_with(after) {
                return Some((place - before.len(), at + after.len()));
            }
        }
        // boxed{7}, its backslash lost.
        if let Some(before) = text[from..place].strip_suffix('b')
            && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && text[at..].starts_with("ed{")
        {
            return Some((place - 1, at + "ed".len()));
        }
    }
    None
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
