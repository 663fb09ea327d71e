//! Words of answers: numbers, stock phrases, and prose compared as prose.

use dashu_ratio::RBig;

/// The number that words spell: "twenty-one", "minus two", "three quarters", "seventh".
pub(crate) fn number(words: &[&str]) -> Option<RBig> {
    match words {
        ["minus" | "negative" | "Minus" | "Negative", rest @ ..] => return Some(-number(rest)?),
        ["a" | "A" | "an" | "An", rest @ ..] => {
            let one: Vec<&str> = std::iter::once("one").chain(rest.iter().copied()).collect();
            return number(&one);
        }
        _ => {}
    }
    // A part of a minute too, but not of anything else.
    if let [only] = words
        && only.eq_ignore_ascii_case("second")
    {
        return Some(RBig::from(2));
    }
    if let Some(value) = whole_number(words) {
        return Some(RBig::from(value));
    }
    let parts: Vec<&str> = words.iter().flat_map(|word| word.split('-')).collect();
    let (last, before) = parts.split_last()?;
    let (below, plural) = denominator(last)?;
    // "a third" is a fraction and "third" a place; "a half" and "half" are one.
    let above = match before {
        [] if below == 2 || last.starts_with(['q', 'Q']) => 1,
        [] => return (!plural).then(|| RBig::from(below)),
        ["one"] | ["One"] if !plural => 1,
        before if plural => whole_number(before)?,
        // twenty-first
        before if below < 10 => {
            let tens = whole_number(before).filter(|tens| tens % 10 == 0)?;
            return Some(RBig::from(tens + below));
        }
        _ => return None,
    };
    Some(RBig::from_parts(above.into(), below.into()))
}

/// Of a part or a place: "thirds" is 3, and plural.
fn denominator(word: &str) -> Option<(u64, bool)> {
    const PARTS: [(&str, u64); 24] = [
        ("half", 2),
        ("halve", 2),
        ("quarter", 4),
        ("first", 1),
        ("third", 3),
        ("fourth", 4),
        ("fifth", 5),
        ("sixth", 6),
        ("seventh", 7),
        ("eighth", 8),
        ("ninth", 9),
        ("tenth", 10),
        ("eleventh", 11),
        ("twelfth", 12),
        ("thirteenth", 13),
        ("fourteenth", 14),
        ("fifteenth", 15),
        ("sixteenth", 16),
        ("seventeenth", 17),
        ("eighteenth", 18),
        ("nineteenth", 19),
        ("twentieth", 20),
        ("thirtieth", 30),
        ("hundredth", 100),
    ];
    let lower = word.to_ascii_lowercase();
    let stem = lower.strip_suffix('s').unwrap_or(&lower);
    let (_, below) = PARTS.iter().find(|(name, _)| *name == stem)?;
    Some((*below, stem != lower))
}

/// What "million" and the like multiply by.
pub(crate) fn scale(word: &str) -> Option<RBig> {
    let zeros = match word {
        "hundred" => 2,
        "thousand" => 3,
        "million" => 6,
        "billion" => 9,
        "trillion" => 12,
        _ => return None,
    };
    Some(RBig::from(10u64.pow(zeros)))
}

/// The whole number that words spell: "twenty-one", "two hundred".
pub(crate) fn whole_number(words: &[&str]) -> Option<u64> {
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

/// What a stock phrase comes to, in one of the ways to say it.
pub(crate) fn stock_phrase(lower: &str) -> Option<Stock> {
    let lower = lower
        .strip_prefix("there is ")
        .or_else(|| lower.strip_prefix("there are "))
        .unwrap_or(lower);
    Some(match lower {
        "all real numbers"
        | "all reals"
        | "real numbers"
        | "the real numbers"
        | "any real number"
        | "every real number"
        | "all real values"
        | "the set of all real numbers"
        | "set of all real numbers" => Stock::Reals,
        "empty set"
        | "the empty set"
        | "no solution"
        | "no solutions"
        | "no real solution"
        | "no real solutions"
        | "no solution exists"
        | "no solutions exist"
        | "none"
        | "no such number"
        | "no such numbers"
        | "no such number exists"
        | "no real roots"
        | "no integer solutions"
        | "no such integer exists" => Stock::Nothing,
        "infinite"
        | "infinitely many"
        | "infinitely many solutions"
        | "infinite solutions"
        | "infinite number"
        | "an infinite number"
        | "infinite number of solutions"
        | "an infinite number of solutions"
        | "infinitely many values" => Stock::Said("infinitely many"),
        "dne"
        | "does not exist"
        | "do not exist"
        | "doesn't exist"
        | "doesn’t exist"
        | "undefined"
        | "not defined"
        | "it does not exist"
        | "limit does not exist"
        | "the limit does not exist"
        | "is undefined" => Stock::Said("does not exist"),
        "cannot be determined"
        | "can not be determined"
        | "can't be determined"
        | "it cannot be determined"
        | "cannot determine"
        | "not enough information"
        | "insufficient information"
        | "not enough info"
        | "the answer cannot be determined" => Stock::Said("cannot be determined"),
        "none of these" | "none of the above" => Stock::Said("none of the above"),
        "impossible" | "not possible" | "it is impossible" | "it is not possible" => {
            Stock::Said("impossible")
        }
        _ => return None,
    })
}

/// What a stock phrase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stock {
    Reals,
    /// The empty set.
    Nothing,
    /// Prose, in these words.
    Said(&'static str),
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
    // "No, it is not" is no.
    if let [only] = &gold[..]
        && matches!(only.as_str(), "yes" | "no" | "true" | "false")
    {
        const GOES_ON: [&str; 17] = [
            "it", "they", "he", "she", "there", "this", "that", "these", "because", "since", "the",
            "we", "i", "you", "all", "not", "as",
        ];
        let [first, second, ..] = &prediction[..] else {
            return false;
        };
        return first == only && GOES_ON.contains(&second.as_str());
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
        let number = |text: &str| {
            let value = number(&text.split(' ').collect::<Vec<_>>());
            value.map(|value| value.to_string())
        };
        for (text, expected) in [
            ("five", Some("5")),
            ("twenty-one", Some("21")),
            ("two hundred and six", Some("206")),
            ("one thousand three", Some("1003")),
            ("minus two", Some("-2")),
            ("one-third", Some("1/3")),
            ("three quarters", Some("3/4")),
            ("a half", Some("1/2")),
            ("third", Some("3")),
            ("twenty-first", Some("21")),
            ("thirds", None),
            ("apples", None),
            ("and", None),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text}");
        }
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
