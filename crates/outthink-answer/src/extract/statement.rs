//! Answers after words that announce them.

use super::formulas::{first_formula, last_formula};
use super::number::last_number;
use super::{has_prose, is_letter, json, reads};

/// Words that announce an answer. Those that may also be said in passing need a colon, a verb or a new line after them.
const PHRASES: [&str; 18] = [
    "\na:",
    "answer is",
    "answers are",
    "option is",
    "choice is",
    "answer:",
    "answer：",
    "answers:",
    "answer**",
    "answer =",
    "final answer",
    "\"answer\"",
    "'answer'",
    "\"final_answer\"",
    "####",
    "答案是",
    "答案为",
    "答案：",
];

/// How many announcements are looked at, from the last one on.
const MOST: usize = 8;

/// What was announced.
enum Told {
    /// A value, and nothing else.
    Value(String),
    /// A value within a sentence.
    Within(String),
    /// Words, which may be an answer.
    Words(String),
}

/// What follows the last phrase that announces an answer, up to the end of its sentence. Words count if no value was
/// announced, or if they were announced as final.
pub(super) fn statement(reply: &str) -> Option<String> {
    let lower = reply.to_ascii_lowercase();
    let mut places: Vec<(usize, &str)> = PHRASES
        .iter()
        .flat_map(|phrase| lower.rmatch_indices(phrase).take(MOST))
        .collect();
    places.sort_by_key(|(at, phrase)| std::cmp::Reverse(at + phrase.len()));
    let mut words = None;
    for (at, phrase) in places.into_iter().take(MOST) {
        let tail = &reply[at + phrase.len()..];
        if is_general(&lower[..at], tail) {
            continue;
        }
        match told(phrase, tail) {
            Some(Told::Value(text) | Told::Within(text)) => return Some(text),
            Some(Told::Words(text)) => {
                let to = at + phrase.len();
                let last = phrase == "####" || lower[..to].ends_with("final answer is");
                if last && words.is_none() && text.split_whitespace().count() < 4 {
                    return Some(text);
                }
                words = words.or(Some(text));
            }
            None => {}
        }
    }
    words
}

/// Is it not the answer that is spoken of, but any: "each incorrect answer is worth 2 points"?
fn is_general(before: &str, after: &str) -> bool {
    let general = ["each", "every", "any", "an", "one", "incorrect", "wrong"];
    let mut words = before
        .rsplit(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    after.trim_start().starts_with("worth")
        || words.next().is_some_and(|word| general.contains(&word))
}

/// A value that is stated as the final answer, and by itself.
pub(super) fn final_statement(text: &str) -> Option<String> {
    const PHRASE: &str = "final answer";
    let at = text.to_ascii_lowercase().rfind(PHRASE)?;
    match told(PHRASE, &text[at + PHRASE.len()..])? {
        Told::Value(value)
            if is_letter(&value) || value.contains(|c: char| "\\0123456789".contains(c)) =>
        {
            Some(value)
        }
        _ => None,
    }
}

fn told(phrase: &str, tail: &str) -> Option<Told> {
    if phrase.ends_with(['"', '\'']) {
        return classify(&json::value(tail)?);
    }
    let mut tail = tail;
    // The options of a question stand in lines like the last one of a solution.
    if phrase == "\na:" && tail.trim_end().contains('\n') {
        return None;
    }
    if phrase == "final answer" {
        // Said in passing: "to get the final answer, add".
        let rest = tail.trim_start_matches(['*', ' ']);
        tail = ["is ", "is:", ":", "：", "=", "\n"]
            .iter()
            .find_map(|verb| rest.strip_prefix(verb))?;
    }
    let tail =
        tail.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '：' | '*' | '='));
    if let Some(formula) = first_formula(tail) {
        return Some(Told::Value(formula.into_owned()));
    }
    let line = tail.lines().next()?;
    // The sentence, without the reason that may follow the answer.
    let reasons = [" because", ", since", ", as ", " since "];
    let stop = reasons.into_iter().filter_map(|reason| line.find(reason));
    let stop = stop.chain(sentence_end(line)).min().unwrap_or(line.len());
    let line = &line[..stop];
    // A clause ends the answer where one stands before it: "5, where n is 2", not "the length, which is 5".
    let clauses = [", where ", ", which ", " which ", ", so "];
    let stop = clauses
        .into_iter()
        .filter_map(|clause| line.find(clause))
        .min();
    let stop = stop.filter(|stop| line[..*stop].contains(|c: char| c.is_ascii_digit()));
    let stop = stop.unwrap_or(line.len());
    classify(&line[..stop])
}

/// A full stop that a space follows, unless it only shortens a word.
fn sentence_end(line: &str) -> Option<usize> {
    let shortened = |before: &str| {
        let word = before.rsplit(' ').next().unwrap_or_default();
        ["no", "approx", "a.m", "p.m", "vs"]
            .iter()
            .any(|short| word.eq_ignore_ascii_case(short))
    };
    let mut stops = line.match_indices(". ").map(|(at, _)| at);
    stops.find(|at| !shortened(&line[..*at]))
}

fn classify(sentence: &str) -> Option<Told> {
    let sentence = sentence
        .trim()
        .trim_end_matches(['.', '*', ' ', '。', '`', '"']);
    if sentence.is_empty() {
        return None;
    }
    let digits = sentence.contains(|c: char| c.is_ascii_digit() || c == '\\');
    // A sentence of its own says the answer last: "Jane started growing 3 hours ago".
    let starts = |c: char| !c.is_alphabetic() && c != '$';
    let short = sentence.split_whitespace().count() < 3;
    let whole = short || sentence.starts_with(starts) || !has_prose(sentence);
    if whole && reads(sentence) {
        let words = has_prose(sentence) && !digits;
        return Some(if words {
            Told::Words(sentence.to_owned())
        } else {
            Told::Value(sentence.to_owned())
        });
    }
    Some(match (last_formula(sentence), last_number(sentence)) {
        (Some((at, formula)), Some((place, number))) => Told::Within(if at > place {
            formula.into_owned()
        } else {
            number.to_owned()
        }),
        (Some((_, formula)), None) => Told::Within(formula.into_owned()),
        (None, Some((_, number))) => Told::Within(number.to_owned()),
        (None, None) => Told::Words(sentence.to_owned()),
    })
}
