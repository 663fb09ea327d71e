//! Words of answers: numbers, units, and prose compared as prose.

/// A unit: its dimension and its size in the dimension's first unit. Words that are not here are units too, comparable
/// only with themselves.
const UNITS: &[(&str, &str, f64)] = &[
    ("mm", "length", 0.001),
    ("millimeter", "length", 0.001),
    ("cm", "length", 0.01),
    ("centimeter", "length", 0.01),
    ("m", "length", 1.0),
    ("meter", "length", 1.0),
    ("km", "length", 1000.0),
    ("kilometer", "length", 1000.0),
    ("in", "length", 0.0254),
    ("inch", "length", 0.0254),
    ("ft", "length", 0.3048),
    ("foot", "length", 0.3048),
    ("yd", "length", 0.9144),
    ("yard", "length", 0.9144),
    ("mi", "length", 1609.344),
    ("mile", "length", 1609.344),
    ("s", "time", 1.0),
    ("sec", "time", 1.0),
    ("second", "time", 1.0),
    ("min", "time", 60.0),
    ("minute", "time", 60.0),
    ("h", "time", 3600.0),
    ("hr", "time", 3600.0),
    ("hour", "time", 3600.0),
    ("day", "time", 86400.0),
    ("week", "time", 604_800.0),
    ("month", "month", 1.0),
    ("yr", "month", 12.0),
    ("year", "month", 12.0),
    ("g", "mass", 1.0),
    ("gram", "mass", 1.0),
    ("kg", "mass", 1000.0),
    ("kilogram", "mass", 1000.0),
    ("mg", "mass", 0.001),
    ("lb", "weight", 16.0),
    ("pound", "weight", 16.0),
    ("oz", "weight", 1.0),
    ("ounce", "weight", 1.0),
    ("ml", "volume", 0.001),
    ("l", "volume", 1.0),
    ("liter", "volume", 1.0),
    ("cent", "money", 0.01),
    ("dollar", "money", 1.0),
    ("degree", "angle", 1.0),
    ("mph", "speed", 1.0),
    ("unit", "unit", 1.0),
];

/// Short words that are units after a number, outside of `\text{}` too.
pub(crate) fn is_unit(lower: &str) -> bool {
    UNITS.iter().any(|(name, ..)| *name == lower)
}

/// A word as a unit is written: lower case, singular, one spelling.
pub(crate) fn singular(word: &str) -> String {
    let lower = word.to_lowercase();
    match lower.as_str() {
        "feet" => return "foot".into(),
        "inches" => return "inch".into(),
        "metre" | "metres" => return "meter".into(),
        "litre" | "litres" => return "liter".into(),
        "lbs" => return "lb".into(),
        "hrs" => return "hr".into(),
        "people" | "persons" => return "person".into(),
        "sq" => return "square".into(),
        "cu" => return "cubic".into(),
        "s" => return lower,
        _ => {}
    }
    match lower.strip_suffix('s') {
        Some(stem) if stem.len() > 1 && !stem.ends_with('s') => stem.to_owned(),
        _ => lower,
    }
}

/// How two units compare.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Units {
    Same,
    /// A number of the first is this many of the second.
    Converted(f64),
    Different,
}

/// Compares units given as words; powers and the like are ignored (cm for cm²).
pub(crate) fn compare_units(a: &[String], b: &[String]) -> Units {
    let plain = |words: &[String]| -> Vec<String> {
        let words = words.iter().map(|word| singular(word));
        words
            .filter(|word| !matches!(word.as_str(), "square" | "cubic" | "of"))
            .collect()
    };
    let (a, b) = (plain(a), plain(b));
    let (Some(first), Some(second)) = (a.first(), b.first()) else {
        return Units::Same;
    };
    // "cents" and "cents per stamp" are one unit.
    if first == second || first == "unit" || second == "unit" {
        return Units::Same;
    }
    let find = |name: &String| UNITS.iter().find(|(known, ..)| known == name);
    match (find(first), find(second)) {
        (Some((_, dimension, size)), Some((_, other, unit))) if dimension == other => {
            if size == unit {
                Units::Same
            } else {
                Units::Converted(size / unit)
            }
        }
        _ => Units::Different,
    }
}

/// The number that words spell: "twenty-one", "two hundred".
pub(crate) fn number(words: &[&str]) -> Option<u64> {
    let mut total = 0u64;
    let mut part = 0u64;
    let mut any = false;
    for word in words.iter().flat_map(|word| word.split('-')) {
        let lower = word.to_ascii_lowercase();
        let small = [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ];
        let tens = [
            "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
        ];
        if let Some(value) = small.iter().position(|name| *name == lower) {
            part += value as u64;
        } else if let Some(value) = tens.iter().position(|name| *name == lower) {
            part += 10 * (value as u64 + 2);
        } else {
            match lower.as_str() {
                "hundred" => part = part.max(1).checked_mul(100)?,
                "thousand" => (total, part) = (total + part.max(1).checked_mul(1000)?, 0),
                "million" => (total, part) = (total + part.max(1).checked_mul(1_000_000)?, 0),
                "and" if any => {}
                _ => return None,
            }
        }
        any = true;
    }
    any.then_some(total + part)
}

/// Words that turn a sentence around.
fn negates(word: &str) -> bool {
    matches!(
        word,
        "not"
            | "no"
            | "none"
            | "never"
            | "neither"
            | "nor"
            | "without"
            | "except"
            | "cannot"
            | "non"
            | "or"
            | "and"
    ) || word.ends_with("n't")
}

/// Is the prediction the gold text: the same words, or the gold's words whole within it and nothing that denies them?
pub(crate) fn same_text(gold: &str, prediction: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'))
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let (gold, prediction) = (words(gold), words(prediction));
    if gold == prediction {
        return !gold.is_empty();
    }
    let denied = |words: &[String]| words.iter().any(|word| negates(word));
    !gold.is_empty()
        && denied(&gold) == denied(&prediction)
        && !denied(&prediction)
        && prediction.windows(gold.len()).any(|window| window == gold)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_spell_numbers() {
        assert_eq!(number(&["five"]), Some(5));
        assert_eq!(number(&["twenty-one"]), Some(21));
        assert_eq!(number(&["two", "hundred", "and", "six"]), Some(206));
        assert_eq!(number(&["one", "thousand", "three"]), Some(1003));
        assert_eq!(number(&["apples"]), None);
        assert_eq!(number(&["and"]), None);
    }

    #[test]
    fn a_text_may_say_more_but_not_the_opposite() {
        assert!(same_text("east", "East."));
        assert!(same_text("odd", "an odd function"));
        assert!(!same_text("east", "southeast"));
        assert!(!same_text("even", "not even"));
        assert!(!same_text("even", "even or odd"));
        assert!(!same_text("", ""));
    }
}
