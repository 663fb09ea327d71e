//! PRM800K's `grade_answer`: strings after two normalisations, then elements of tuples by symbolic equality, with the
//! rule that integers and fractions must be written as such.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{argument, python_float, symbolically_equal};
use crate::verdict::Verdict;

static ENCLOSING_TEXT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\\text\{(.+?)\}$").ok());
static UNITS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    // In the original's order: "centimeter" stands before "meter".
    Regex::new(concat!(
        r"(?:degree|cm|centimeter|meter|mile|second|minute|hour|day|week|month|year|foot|feet|inch|yard)",
        r"(?:es)?(?:s)? *(?:\^[0-9]+)?"
    ))
    .ok()
});
static COMMAS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([0-9]),([0-9][0-9][0-9])($|[^0-9])").ok());
static MIXED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"([0-9]) +([0-9])").ok());
static FRACTION: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^-?[0-9]+.?/0*[1-9][0-9]*.?$").ok());
static POWERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\^[0-9]+\^|\^[0-9][0-9]+").ok());

fn replace(pattern: &LazyLock<Option<Regex>>, text: &str, with: &str) -> String {
    match pattern.as_ref() {
        Some(pattern) => pattern.replace_all(text, with).into_owned(),
        None => text.to_owned(),
    }
}

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern
        .as_ref()
        .is_some_and(|pattern| pattern.is_match(text))
}

pub(super) fn equal(prediction: &str, gold: &str) -> Verdict {
    let verdict = |equal: bool, rule: &'static str| {
        Verdict::new(equal, rule, format!("by the rules of PRM800K: {rule}"))
    };
    if hendrycks(gold) == hendrycks(prediction) {
        return verdict(true, "equal strings");
    }
    let (own, other) = (normalize(gold), normalize(prediction));
    if own == other {
        return verdict(true, "equal strings");
    }
    if other.is_empty() {
        return verdict(false, "nothing");
    }
    let (elements, others) = (split_tuple(&own), split_tuple(&other));
    let brackets = |text: &str| (text.chars().next(), text.chars().last());
    if elements.len() > 1 && brackets(&own) != brackets(&other) {
        return verdict(false, "brackets");
    }
    if elements.len() != others.len() || elements.is_empty() {
        return verdict(false, "number of elements");
    }
    for (a, b) in elements.iter().zip(&others) {
        if matches(&FRACTION, a) && matches(&FRACTION, b) {
            if a != b {
                return verdict(false, "fractions must be written alike");
            }
        } else if is_integer(a) != is_integer(b) {
            return verdict(false, "an integer must be written as one");
        } else if !(may_evaluate(a, b) && symbolically_equal(a, b)) {
            return verdict(false, "symbolic difference");
        }
    }
    verdict(true, "symbolic equality")
}

fn without_text(text: &str) -> &str {
    ENCLOSING_TEXT
        .as_ref()
        .and_then(|pattern| pattern.captures(text))
        .and_then(|found| found.get(1))
        .map_or(text, |inner| inner.as_str())
}

/// The string form of Hendrycks et al. (MATH), as PRM800K has it.
fn hendrycks(answer: &str) -> String {
    let mut text = without_text(answer.trim()).trim().to_owned();
    for (from, to) in [
        ("\n", ""),
        ("\\!", ""),
        ("\\\\", "\\"),
        ("tfrac", "frac"),
        ("dfrac", "frac"),
        ("\\left", ""),
        ("\\right", ""),
        ("^{\\circ}", ""),
        ("^\\circ", ""),
        ("\\$", ""),
    ] {
        text = text.replace(from, to);
    }
    if let Some((value, unit)) = text.split_once("\\text{ ") {
        // More than one such unit makes the original give up, with the answer as it was.
        if unit.contains("\\text{ ") {
            return answer.to_owned();
        }
        text = value.to_owned();
    }
    text = text
        .replace("\\%", "")
        .replace(" .", " 0.")
        .replace("{.", "{0.");
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    if let [name, value] = text.split('=').collect::<Vec<_>>()[..]
        && name.chars().count() <= 2
    {
        text = value.to_owned();
    }
    text = braced(&text, "\\sqrt", 1).replace(' ', "");
    text = braced(&text, "\\frac", 2);
    if text == "0.5" {
        text = "\\frac{1}{2}".into();
    }
    if let [above, below] = text.split('/').collect::<Vec<_>>()[..]
        && let (Ok(a), Ok(b)) = (above.parse::<i128>(), below.parse::<i128>())
        && text == format!("{a}/{b}")
    {
        text = format!("\\frac{{{a}}}{{{b}}}");
    }
    text
}

/// Puts braces around a command's single-character arguments.
fn braced(text: &str, command: &str, count: usize) -> String {
    let mut parts = text.split(command);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(command);
        let mut rest = part;
        for _ in 0..count {
            match rest.chars().next() {
                Some(first) if first != '{' => {
                    out.push('{');
                    out.push(first);
                    out.push('}');
                    rest = &rest[first.len_utf8()..];
                }
                _ => break,
            }
        }
        out.push_str(rest);
    }
    out
}

fn normalize(answer: &str) -> String {
    let mut text = without_text(answer).to_owned();
    for (from, to) in [
        ("\\%", "%"),
        ("\\$", "$"),
        ("$", ""),
        ("%", ""),
        (" or ", " , "),
        (" and ", " , "),
        ("million", "*10^6"),
        ("billion", "*10^9"),
        ("trillion", "*10^12"),
    ] {
        text = text.replace(from, to);
    }
    text = replace(&UNITS, &text, "");
    text = text.replace("^\\circ", "").replace("^ \\circ", "");
    if text.starts_with('{') && text.ends_with('}') && text.len() > 1 {
        text = text[1..text.len() - 1].to_owned();
    }
    text = text.replace(",\\!", "");
    if let Some(number) = python_float(&text)
        && (number - number.round()).abs() <= 1e-7
        && number.abs() < 1e15
    {
        text = format!("{}", number.round());
    }
    if text.contains('\\') {
        text = plain(&text);
    }
    while text.contains("- ") {
        text = text.replace("- ", "-");
    }
    text = replace(&MIXED, &text, "${1}+${2}");
    text = text.replace([' ', '{', '}'], "").to_lowercase();
    if is_integer(&text)
        && let Some(number) = python_float(&text.replace(',', ""))
        && number.abs() < 1e15
    {
        text = format!("{}", number.trunc());
    }
    text
}

/// LaTeX as the text that pylatexenc makes of it, as far as answers go: fractions with a slash, roots without their
/// degree, commands by their sign.
fn plain(text: &str) -> String {
    let text = text
        .replace("\\tfrac", "\\frac")
        .replace("\\dfrac", "\\frac")
        .replace("\\frac", " \\frac");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        rest = after.trim_start();
        match name {
            "frac" => {
                let (above, after) = argument(rest);
                let (below, after) = argument(after.trim_start());
                out.push_str(&format!("{}/{}", plain(above), plain(below)));
                rest = after;
            }
            "sqrt" => {
                if let Some((_, after)) =
                    rest.strip_prefix('[').and_then(|rest| rest.split_once(']'))
                {
                    rest = after;
                }
                let (inner, after) = argument(rest);
                out.push_str(&format!("sqrt({})", plain(inner)));
                rest = after;
            }
            "pi" => out.push_str("pi"),
            "infty" => out.push_str("inf"),
            "cup" => out.push('U'),
            "cdot" | "times" => out.push('*'),
            "le" | "leq" => out.push('≤'),
            "ge" | "geq" => out.push('≥'),
            "pm" => out.push('±'),
            // Delimiters and fonts leave no trace; functions keep their names.
            "left" | "right" | "big" | "Big" | "bigg" | "Bigg" | "text" | "textbf" | "textit"
            | "mathrm" | "mathbf" | "boxed" | "displaystyle" => {}
            "begin" | "end" => {
                // All matrices look alike.
                let (_, after) = argument(rest);
                out.push(if name == "begin" { '[' } else { ']' });
                rest = after;
            }
            "" => {
                let mut chars = rest.chars();
                match chars.next() {
                    Some(c @ ('{' | '}' | '%' | '$')) => out.push(c),
                    // A row of a matrix.
                    Some('\\') => out.push(';'),
                    _ => {}
                }
                rest = chars.as_str();
            }
            name => out.push_str(name),
        }
    }
    out.push_str(rest);
    out.trim().to_owned()
}

fn without_commas(text: &str) -> String {
    let mut text = text.to_owned();
    loop {
        let next = replace(&COMMAS, &text, "${1}${2}${3}");
        if next == text {
            return text;
        }
        text = next;
    }
}

fn is_integer(text: &str) -> bool {
    python_float(&without_commas(text))
        .is_some_and(|number| (number - number.round()).abs() <= 1e-7)
}

fn split_tuple(text: &str) -> Vec<String> {
    let text = without_commas(text);
    let bracket = |c: char| matches!(c, '(' | ')' | '[' | ']');
    let mut inner = text.chars();
    let ends = (inner.next(), inner.next_back());
    if text.is_empty() {
        return Vec::new();
    }
    match ends {
        (Some(first), Some(last))
            if bracket(first)
                && bracket(last)
                && !inner.as_str().contains(bracket)
                && text.len() > 2 =>
        {
            inner
                .as_str()
                .split(',')
                .map(|element| element.trim().to_owned())
                .collect()
        }
        _ => vec![text],
    }
}

/// More than two letters, and powers of more than one digit, are not tried.
fn may_evaluate(a: &str, b: &str) -> bool {
    let both = format!("({a})-({b})");
    let mut letters: Vec<char> = both
        .replace("sqrt", "")
        .replace("frac", "")
        .chars()
        .filter(|c| c.is_alphabetic())
        .collect();
    letters.sort_unstable();
    letters.dedup();
    // What Python cannot read is never equal.
    let readable = |text: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "+-*/^()!.".contains(c);
        !text.ends_with('.') && text.chars().all(known)
    };
    readable(a)
        && readable(b)
        && letters.len() <= 2
        && !both.contains("^{")
        && !both.contains("^(")
        && !matches(&POWERS, &both)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        let all = [&ENCLOSING_TEXT, &UNITS, &COMMAS, &MIXED, &FRACTION, &POWERS];
        assert!(all.into_iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn its_rules_are_kept_with_their_mistakes() {
        for (gold, prediction, expected) in [
            (r"\frac{3}{4}", "3/4", true),
            (r"\frac{3}{4}", r"\frac{6}{8}", false),
            ("2", "2.0", true),
            ("2", r"\frac{4}{2}", false),
            ("x+1", "1+x", true),
            (r"\sqrt[3]{13}", r"\sqrt{13}", true),
            ("1,2", "2,1", false),
            ("10,000", "10000", true),
            ("15^2", "15 cm^2", false),
            (r"\text{east}", "East", true),
            ("(1,2)", "[1,2]", false),
            ("x^{2}", "x*x", true),
            ("x^{10}", "x^5*x^5", false),
        ] {
            assert_eq!(
                equal(prediction, gold).equal,
                expected,
                "{gold} <- {prediction}"
            );
        }
    }
}
