//! The evaluator of Qwen2.5-Math with `data_name = "math"`, as the paper's code calls it: extraction, `strip_string`
//! and `math_equal`, rule by rule and in their order. Where the original asks sympy, it asks this crate.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::{argument, python_float, symbolically_equal};
use crate::evaluate::Budget;
use crate::identity::{proportional, real_value};
use crate::value::{Answer, Value};
use crate::verdict::Verdict;
use crate::words;

/// The words that `strip_string` deletes as units, in its order; then the same with an s. Single letters are among them.
const UNITS: &[&str] = &[
    "east",
    "degree",
    "mph",
    "kmph",
    "ft",
    "m sqaure",
    " m east",
    "sq m",
    "deg",
    "mile",
    "q .",
    "monkey",
    "prime",
    "ratio",
    "profit of rs",
    "rd",
    "o",
    "gm",
    "p . m",
    "lb",
    "tile",
    "per",
    "dm",
    "lt",
    "gain",
    "ab",
    "way",
    "west",
    "a .",
    "b .",
    "c .",
    "d .",
    "e .",
    "f .",
    "g .",
    "h .",
    "t",
    "a",
    "h",
    "no change",
    "men",
    "soldier",
    "pie",
    "bc",
    "excess",
    "st",
    "inches",
    "noon",
    "percent",
    "by",
    "gal",
    "kmh",
    "c",
    "acre",
    "rise",
    "a . m",
    "th",
    "π r 2",
    "sq",
    "mark",
    "l",
    "toy",
    "coin",
    "sq . m",
    "gallon",
    "° f",
    "profit",
    "minw",
    "yr",
    "women",
    "feet",
    "am",
    "pm",
    "hr",
    "cu cm",
    "square",
    "v â € ™",
    "are",
    "rupee",
    "rounds",
    "cubic",
    "cc",
    "mtr",
    "s",
    "ohm",
    "number",
    "kmph",
    "day",
    "hour",
    "minute",
    "min",
    "second",
    "man",
    "woman",
    "sec",
    "cube",
    "mt",
    "sq inch",
    "mp",
    "∏ cm ³",
    "hectare",
    "more",
    "sec",
    "unit",
    "cu . m",
    "cm 2",
    "rs .",
    "rs",
    "kg",
    "g",
    "month",
    "km",
    "m",
    "cm",
    "mm",
    "apple",
    "liter",
    "loss",
    "yard",
    "pure",
    "year",
    "increase",
    "decrease",
    "d",
    "less",
    "Surface",
    "litre",
    "pi sq m",
    "s .",
    "metre",
    "meter",
    "inch",
];

fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)*) => {
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| regex($pattern));)*
    };
}

patterns! {
    NUMBER = r"-?[0-9]*\.?[0-9]+";
    LINES = r"\n\s*";
    ARRAY_BEGIN = r"\\begin\{array\}\{.*?\}";
    ARRAY_END = r"\\end\{array\}";
    LAST_TEXT = r"\\text\{.*?\}$";
    TEXT = r"\\text\{(.*?)\}";
    MBOX = r"\\mbox\{.*?\}";
    INFINITY = r"(inf)([^a-z]|$)";
    ZEROS = r"([0-9]+)\.0*([^0-9])";
    LAST_ZEROS = r"([0-9]+)\.0*$";
    ROOT = r"\\sqrt(\w+)";
    CHOICE = r"\b(A|B|C|D|E)\b";
    BRACKETED = r"^(\(|\[).+(\)|\])$";
}

fn replace(pattern: &LazyLock<Option<Regex>>, text: &str, with: &str) -> String {
    match pattern.as_ref() {
        Some(pattern) => pattern.replace_all(text, with).into_owned(),
        None => text.to_owned(),
    }
}

/// Each unit, its pattern, and a part that any match contains.
static UNIT_PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for plural in ["", "s"] {
        for unit in UNITS {
            // The original escapes nothing, so a dot stands for any character.
            let escaped = unit.replace('(', "\\(").replace(')', "\\)");
            if let Some(pattern) = regex(&format!(r"(^|\W){escaped}{plural}($|\W)")) {
                let sure = unit
                    .split('.')
                    .max_by_key(|part| part.len())
                    .unwrap_or(unit);
                all.push((pattern, sure));
            }
        }
    }
    all
});

/// §1 of the original: the answer of a response, or nothing as "".
pub(super) fn extract(response: &str) -> String {
    let text = response.replace("ки", "");
    let found =
        if let (Some(start), true) = (text.find("final answer is $"), text.contains("$. I hope")) {
            let tail = &text[start + "final answer is $".len()..];
            tail.split("$. I hope")
                .next()
                .unwrap_or_default()
                .to_owned()
        } else if let Some(start) = text.rfind("boxed") {
            boxed(&text[start + "boxed".len()..])
        } else if let Some(start) = text.rfind("he answer is") {
            text[start + "he answer is".len()..].to_owned()
        } else if let Some(start) = text.rfind("final answer is") {
            text[start + "final answer is".len()..].to_owned()
        } else if let Some(start) = text.rfind("答案是") {
            let tail = text[start + "答案是".len()..].trim();
            tail.split("\n\n").next().unwrap_or_default().to_owned()
        } else {
            let plain = text.replace(',', "");
            let last = NUMBER.as_ref().and_then(|number| {
                number
                    .find_iter(&plain)
                    .last()
                    .map(|found| found.as_str().to_owned())
            });
            last.unwrap_or_default()
        };
    let found = replace(&LINES, &found, "");
    let found = found.strip_prefix(':').unwrap_or(&found);
    let found = found.strip_suffix('.').unwrap_or(found);
    let found = found.strip_suffix('/').unwrap_or(found);
    strip_string(found)
}

fn boxed(tail: &str) -> String {
    if tail.starts_with('{') {
        // A box that never closes holds all the rest.
        argument(tail).0.to_owned()
    } else {
        tail.split('$').next().unwrap_or_default().trim().to_owned()
    }
}

fn strip_string(text: &str) -> String {
    let mut text = text.trim().replace('\n', "");
    text = text.trim_end_matches('.').replace("\\!", "");
    text = replace(&ARRAY_BEGIN, &text, "\\begin{pmatrix}");
    text = replace(&ARRAY_END, &text, "\\end{pmatrix}");
    for (from, to) in [
        ("bmatrix", "pmatrix"),
        ("tfrac", "frac"),
        ("dfrac", "frac"),
        ("\\neq", "\\ne"),
        ("\\leq", "\\le"),
        ("\\geq", "\\ge"),
        ("\\left", ""),
        ("\\right", ""),
        ("\\{", "{"),
        ("\\}", "}"),
    ] {
        text = text.replace(from, to);
    }
    let without_text = replace(&LAST_TEXT, &text, "").trim().to_owned();
    if !without_text.is_empty() && without_text != text {
        text = without_text;
    }
    for _ in 0..2 {
        for (pattern, sure) in UNIT_PATTERNS.iter() {
            if text.contains(sure) {
                let stripped = pattern.replace_all(&text, "${1}${2}").into_owned();
                if !stripped.is_empty() {
                    text = stripped;
                }
            }
        }
    }
    for (from, to) in [
        ("^{\\circ}", ""),
        ("^\\circ", ""),
        ("\\$", ""),
        ("$", ""),
        ("\\(", ""),
        ("\\)", ""),
    ] {
        text = text.replace(from, to);
    }
    // Words that spell a number, if the whole does.
    let parts: Vec<&str> = text.split_whitespace().collect();
    if let Some(number) = words::number(&parts) {
        text = number.to_string();
    }
    text = replace(&TEXT, &text, "${1}");
    for key in [
        "x=", "y=", "z=", "x\\in", "y\\in", "z\\in", "x\\to", "y\\to", "z\\to",
    ] {
        text = text.replace(key, "");
    }
    for (from, to) in [
        ("\\emptyset", "{}"),
        ("(-\\infty,\\infty)", "\\mathbb{R}"),
        ("\\%", ""),
        ("%", ""),
        (" .", " 0."),
        ("{.", "{0."),
        ("infinity", "\\infty"),
    ] {
        text = text.replace(from, to);
    }
    if !text.contains("\\infty") {
        text = replace(&INFINITY, &text, "\\infty${2}");
        text = text.replace("+\\inity", "\\infty");
    }
    text = text.replace("and", "").replace("\\mathbf", "");
    text = replace(&MBOX, &text, "");
    if text.contains('j') && !text.contains('i') {
        text = text.replace('j', "i");
    }
    text = replace(&ZEROS, &text, "${1}${2}");
    text = replace(&LAST_ZEROS, &text, "${1}");
    if text.is_empty() {
        return text;
    }
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    if let [name, value] = text.split('=').collect::<Vec<_>>()[..]
        && name.chars().count() <= 2
    {
        text = value.to_owned();
    }
    text = replace(&ROOT, &text, "\\sqrt{${1}}").replace(' ', "");
    fix_slash(&fix_fractions(&text))
}

fn fix_fractions(text: &str) -> String {
    let mut parts = text.split("\\frac");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("\\frac");
        let mut chars = part.chars();
        match (chars.next(), chars.next()) {
            (Some(a), Some(b)) if a != '{' => {
                let rest = chars.as_str();
                if b == '{' {
                    out.push_str(&format!("{{{a}}}{{{rest}"));
                } else {
                    out.push_str(&format!("{{{a}}}{{{b}}}{rest}"));
                }
            }
            (Some('{'), _) => out.push_str(part),
            _ => return text.to_owned(),
        }
    }
    out
}

fn fix_slash(text: &str) -> String {
    let [above, below] = text.split('/').collect::<Vec<_>>()[..] else {
        return text.to_owned();
    };
    let integer = |side: &str| side.contains("sqrt") || side.parse::<i128>().is_ok();
    if integer(above) && integer(below) {
        format!("\\frac{{{above}}}{{{below}}}")
    } else {
        text.to_owned()
    }
}

pub(super) fn equal(prediction: &str, gold: &str) -> Verdict {
    let (equal, rule) = math_equal(&strip_string(prediction), &strip_string(gold), 0);
    Verdict::new(equal, rule, format!("by the rules of Qwen2.5-Math: {rule}"))
}

fn math_equal(prediction: &str, gold: &str, depth: usize) -> (bool, &'static str) {
    const CLOSE: f64 = 1e-4;
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= CLOSE * a.abs().max(b.abs());
    if depth > 8 {
        return (false, "too deep");
    }
    if prediction.trim().to_lowercase() == gold.trim().to_lowercase() {
        return (true, "equal strings");
    }
    if matches!(gold, "A" | "B" | "C" | "D" | "E")
        && last_choice(prediction) == Some(gold.to_owned())
    {
        return (true, "last letter");
    }
    if let (Some(own), Some(other)) = (number(prediction), number(gold)) {
        // 100 times too large or too small is right as well.
        let same = [other / 100.0, other, other * 100.0]
            .into_iter()
            .any(|gold| close(own, gold));
        return (same, "number within 1e-4");
    }
    if prediction.is_empty() {
        return (false, "nothing");
    }
    let (own, other) = (unbracketed(prediction), unbracketed(gold));
    let bare = |text: &str| text.replace(['{', '}', '(', ')'], "").to_lowercase();
    let both_bracketed = [prediction, gold]
        .iter()
        .all(|text| BRACKETED.as_ref().is_some_and(|p| p.is_match(text)));
    if bare(own) == bare(other) {
        return (true, "equal strings without brackets");
    }
    if both_bracketed {
        let elements = |text: &str| -> Vec<String> {
            let mut inner = text.chars();
            inner.next();
            inner.next_back();
            inner.as_str().split(',').map(str::to_owned).collect()
        };
        let (a, b) = (elements(prediction), elements(gold));
        if a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| math_equal(a, b, depth + 1).0) {
            return (true, "elements, whatever the brackets");
        }
    }
    if let (Some(a), Some(b)) = (cells(prediction), cells(gold)) {
        let same = a.len() == b.len()
            && a.iter().zip(&b).all(|(a, b)| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| math_equal(a, b, depth + 1).0)
            });
        if same {
            return (true, "cells");
        }
    }
    let sides = |text: &str| {
        text.split_once('=')
            .filter(|(_, right)| !right.contains('='))
            .map(|(l, r)| (l.trim().to_owned(), r.trim().to_owned()))
    };
    match (sides(prediction), sides(gold)) {
        (Some(_), Some(_)) if same_equation(prediction, gold) => {
            return (true, "difference of the sides");
        }
        (Some((name, value)), None) if name.chars().count() <= 2 => {
            return math_equal(&value, gold, depth + 1);
        }
        (None, Some((name, value))) if name.chars().count() <= 2 => {
            return math_equal(prediction, &value, depth + 1);
        }
        _ => {}
    }
    if symbolically_equal(prediction, gold) {
        return (true, "symbolic equality");
    }
    let near = match (value(prediction), value(gold)) {
        (Some(a), Some(b)) => close(a, b),
        _ => false,
    };
    (
        near,
        if near {
            "number within 1e-4"
        } else {
            "symbolic difference"
        },
    )
}

fn last_choice(text: &str) -> Option<String> {
    let upper = text.to_uppercase();
    let found = CHOICE.as_ref()?.find_iter(&upper).last()?;
    Some(found.as_str().to_owned())
}

/// A number, with commas and at most one trailing percent sign.
fn number(text: &str) -> Option<f64> {
    let text = text.replace(',', "");
    python_float(&text).or_else(|| {
        let percent = text.strip_suffix('%')?;
        Some(python_float(percent.strip_suffix('\\').unwrap_or(percent))? / 100.0)
    })
}

fn value(text: &str) -> Option<f64> {
    let readings = Answer::parse(text).readings.into_iter();
    readings
        .filter_map(|reading| match reading {
            Value::Expr(expr) => Some(real_value(&expr, &mut Budget::full())?.value.hi),
            _ => None,
        })
        .next()
}

/// Brackets go only where both ends match and only one kind is there, as in the original.
fn unbracketed(text: &str) -> &str {
    let pairs = [('(', ')'), ('[', ']')];
    let pair = pairs
        .into_iter()
        .find(|(open, close)| text.starts_with(*open) && text.ends_with(*close));
    match pair {
        Some(_) if text.len() > 1 => &text[1..text.len() - 1],
        _ => text,
    }
}

fn cells(text: &str) -> Option<Vec<Vec<String>>> {
    let inner = text
        .strip_prefix("\\begin{pmatrix}")?
        .strip_suffix("\\end{pmatrix}")?;
    let rows = inner
        .split("\\\\")
        .map(str::trim)
        .filter(|row| !row.is_empty());
    Some(
        rows.map(|row| row.split('&').map(|cell| cell.trim().to_owned()).collect())
            .collect(),
    )
}

/// Equal differences of the sides, or opposite ones.
fn same_equation(a: &str, b: &str) -> bool {
    let difference = |text: &str| match Answer::parse(text).readings.into_iter().next()? {
        Value::Relation(sides, _) => match <[Value; 2]>::try_from(sides) {
            Ok([Value::Expr(left), Value::Expr(right)]) => Some(crate::Expr::Add(vec![
                left,
                crate::Expr::Negate(Box::new(right)),
            ])),
            _ => None,
        },
        _ => None,
    };
    let (Some(a), Some(b)) = (difference(a), difference(b)) else {
        return false;
    };
    proportional(&a, &b, &mut Budget::full()) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        assert_eq!(UNIT_PATTERNS.len(), 2 * UNITS.len());
        let all = [
            &NUMBER,
            &LINES,
            &ARRAY_BEGIN,
            &ARRAY_END,
            &LAST_TEXT,
            &TEXT,
            &MBOX,
            &INFINITY,
            &ZEROS,
            &LAST_ZEROS,
            &ROOT,
            &CHOICE,
            &BRACKETED,
        ];
        assert!(all.into_iter().all(|pattern| pattern.is_some()));
    }

    #[test]
    fn strings_are_stripped_as_the_original_strips_them() {
        for (text, stripped) in [
            ("3 - h", "3-"),
            ("t+1", "+1"),
            (r"\frac{a}{b}", r"\frac{}{b}"),
            ("x^{2}+c", "x^{2}+"),
            ("random", "rom"),
            ("2 m^2", "2^2"),
            ("j+1", "i+1"),
            ("5 or 6", "5or6"),
            (r"10,\!000", "10,000"),
            ("12.0", "12"),
            (r"1\pm\sqrt{19}", r"1\\sqrt{19}"),
            ("(a+5)(b+2)", "(+5)(b+2)"),
        ] {
            assert_eq!(strip_string(text), stripped, "{text}");
        }
    }

    #[test]
    fn answers_are_extracted_as_the_original_extracts_them() {
        for (text, found) in [
            (
                "The final answer is: $\\boxed{5}$. I hope it is correct. ки\n",
                "5",
            ),
            ("The final answer is $7$. I hope it is correct.", "7"),
            ("a 3 and 4,500 b", "4500"),
            (r"\boxed{\frac{1}{2", r"\frac{1}{2"),
            ("no numbers", ""),
            (r"see \boxed{3} and the unboxed", ""),
        ] {
            assert_eq!(extract(text), found, "{text}");
        }
    }

    #[test]
    fn its_verdicts_are_kept_with_their_mistakes() {
        let verdict = |prediction, gold| math_equal(prediction, gold, 0).0;
        for (prediction, gold) in [
            ("27", "27.0"),
            ("1", "100"),
            ("5", "0.05"),
            ("025", "25"),
            ("1000", "1,000"),
            ("0.3333", "1/3"),
            ("(1,2)", "[1,2]"),
            ("3.00029", "3"),
            ("12", "(12)"),
            ("a", "A"),
        ] {
            assert!(verdict(prediction, gold), "{gold} <- {prediction}");
        }
        for (prediction, gold) in [("1,2", "2,1"), ("", "5")] {
            assert!(!verdict(prediction, gold), "{gold} <- {prediction}");
        }
    }
}
