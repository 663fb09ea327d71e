//! Answers that are no mathematics, or not only: choices, times, dates, prose.

use dashu_ratio::RBig;

use crate::token::{Literal, Spaced, Token};
use crate::value::Value;

/// One option's letter, in brackets or alone, and what is written after it.
pub(super) fn choice(tokens: &[Spaced]) -> Option<(char, &[Spaced])> {
    let (letter, rest, marked) = match tokens {
        [open, letter, close, rest @ ..]
            if matches!(
                (&open.token, &close.token),
                (Token::Open('('), Token::Close(')'))
            ) =>
        {
            (letter, rest, true)
        }
        [letter, dot, rest @ ..]
            if matches!(dot.token, Token::Dot | Token::Colon | Token::Close(')')) =>
        {
            (letter, rest, true)
        }
        [letter, rest @ ..] => (letter, rest, false),
        [] => return None,
    };
    let letter = match &letter.token {
        Token::Letter(letter) => *letter,
        Token::Word(word) if word.len() == 1 => word.chars().next()?,
        _ => return None,
    };
    let continues = rest.first().is_some_and(|next| {
        matches!(
            next.token,
            Token::Number(_) | Token::Frac | Token::Sqrt | Token::Currency(_) | Token::Word(_)
        )
    });
    (letter.is_ascii_uppercase() && letter <= 'J' && (rest.is_empty() || marked && continues))
        .then_some((letter, rest))
}

/// A time of day: `12:30`, `3 PM`, `3.30 p.m.`, `noon`. In seconds, and whether the half of the day was said.
pub(super) fn time(tokens: &[Spaced]) -> Option<Value> {
    const HALF: u32 = 12 * 3600;
    if let [
        Spaced {
            token: Token::Word(word),
            ..
        },
    ] = tokens
    {
        return match word.to_lowercase().as_str() {
            "noon" | "midday" => Some(Value::Time(HALF, true)),
            "midnight" => Some(Value::Time(0, true)),
            _ => None,
        };
    }
    let (first, mut rest) = tokens.split_first()?;
    let (hour, dotted) = match &first.token {
        Token::Number(literal) if literal.whole.len() <= 2 => {
            let minute = match literal.places {
                Some(2) => Some(hundredths(literal)?),
                Some(_) => return None,
                None => None,
            };
            (literal.whole.parse::<u32>().ok()?, minute)
        }
        _ => return None,
    };
    let sixty = |token: &Token| match token {
        Token::Number(literal) if literal.whole.len() == 2 && literal.places.is_none() => literal
            .whole
            .parse::<u32>()
            .ok()
            .filter(|value| *value < 60),
        _ => None,
    };
    let mut parts: Vec<u32> = dotted.into_iter().collect();
    while let [colon, part, after @ ..] = rest
        && colon.token == Token::Colon
        && parts.len() < 2
    {
        parts.push(sixty(&part.token)?);
        rest = after;
    }
    let suffix: String = rest
        .iter()
        .map(|spaced| match &spaced.token {
            Token::Letter(letter) => Some(letter.to_string()),
            Token::Word(word) => Some(word.clone()),
            Token::Dot | Token::Prime => Some(String::new()),
            _ => None,
        })
        .collect::<Option<String>>()?
        .to_lowercase()
        .replace(['\'', '’'], "");
    let bare = dotted.is_none() && !parts.is_empty();
    let (hour, named) = match suffix.as_str() {
        "" if bare => (hour, false),
        "oclock" | "hours" | "h" if bare || suffix == "oclock" => (hour, false),
        "am" if hour <= 12 => (hour % 12, true),
        "pm" if hour <= 12 => (hour % 12 + 12, true),
        // 15:00 PM says it twice.
        "pm" => (hour, true),
        "noon" if hour == 12 => (12, true),
        "midnight" if hour == 12 => (0, true),
        _ => return None,
    };
    if hour > 24 {
        return None;
    }
    let minutes = parts.first().copied().unwrap_or(0);
    let seconds = parts.get(1).copied().unwrap_or(0);
    Some(Value::Time(
        hour % 24 * 3600 + minutes * 60 + seconds,
        named,
    ))
}

/// The two decimals of `3.30`, if they may be minutes.
fn hundredths(literal: &Literal) -> Option<u32> {
    let minutes = (literal.value.clone() - RBig::from(literal.value.floor())) * RBig::from(100);
    let minutes: u32 = minutes.numerator().to_string().parse().ok()?;
    (minutes < 60).then_some(minutes)
}

/// A day of the year: `June 20`, `20th of June, 2023`, `2023-06-20`, `6/20/2023`.
pub(super) fn date(tokens: &[Spaced]) -> Option<Value> {
    if let [a, first, b, second, c] = tokens
        && first.token == second.token
        && [first, b, second, c].iter().all(|spaced| !spaced.space)
        && let (Some(a), Some(b), Some(c)) = (whole(a), whole(b), whole(c))
    {
        let (year, month, day) = match first.token {
            Token::Minus if a > 999 => (a, b, c),
            Token::Slash if c > 999 => (c, a, b),
            _ => return None,
        };
        let fits = (1..=12).contains(&month) && (1..=31).contains(&day);
        return fits.then_some(Value::Date {
            year: Some(year),
            month,
            day: Some(day),
        });
    }
    let (mut month, mut numbers, mut letters) = (None, Vec::new(), String::new());
    for spaced in tokens {
        match &spaced.token {
            Token::Word(word) => match named_month(word) {
                Some(name) if month.is_none() => month = Some(name),
                None if is_beside_date(word) => {}
                _ => return None,
            },
            // Three letters outside of a font are letters: May.
            Token::Letter(letter) => {
                letters.push(*letter);
                if letters.len() == 3 {
                    month = Some(named_month(&letters).filter(|_| month.is_none())?);
                }
            }
            Token::Number(_) => numbers.push(whole(spaced)?),
            Token::Comma | Token::Dot => {}
            _ => return None,
        }
    }
    if !letters.is_empty() && letters.len() != 3 {
        return None;
    }
    let (day, year) = match numbers[..] {
        [day @ 1..=31] => (Some(day), None),
        [year @ 1000..=9999] => (None, Some(year)),
        [day @ 1..=31, year @ 1000..=9999] | [year @ 1000..=9999, day @ 1..=31] => {
            (Some(day), Some(year))
        }
        _ => return None,
    };
    Some(Value::Date {
        year,
        month: month?,
        day,
    })
}

fn whole(spaced: &Spaced) -> Option<u32> {
    match &spaced.token {
        Token::Number(literal) if literal.places.is_none() => literal.whole.parse().ok(),
        _ => None,
    }
}

fn named_month(word: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let lower = word.to_lowercase();
    let short = |month: &str| lower == month[..3] || lower == "sept" && month == "september";
    let place = MONTHS
        .iter()
        .position(|month| *month == lower || short(month))?;
    u32::try_from(place + 1).ok()
}

/// Words beside a date that do not change it: the day of the week, "the", "of".
fn is_beside_date(word: &str) -> bool {
    let lower = word.to_lowercase();
    matches!(lower.as_str(), "the" | "of" | "on")
        || ["mon", "tues", "wednes", "thurs", "fri", "satur", "sun"]
            .iter()
            .any(|day| lower.strip_suffix("day") == Some(*day))
}

/// Words and nothing else.
pub(super) fn prose(tokens: &[Spaced]) -> Option<String> {
    let mut words: Vec<String> = Vec::new();
    let mut any = false;
    let mut spelling = false;
    for spaced in tokens {
        let letter = matches!(spaced.token, Token::Letter(_));
        match &spaced.token {
            Token::Word(word) => {
                any = true;
                words.push(word.clone());
            }
            // Up to three letters may be a word as well as a product; both are tried.
            Token::Letter(letter) => match words.last_mut() {
                Some(word) if spelling && !spaced.space => word.push(*letter),
                _ => words.push(letter.to_string()),
            },
            Token::And => words.push("and".into()),
            Token::Or => words.push("or".into()),
            Token::Comma
            | Token::Dot
            | Token::Prime
            | Token::Minus
            | Token::OpenGroup
            | Token::CloseGroup => {}
            _ => return None,
        }
        spelling = letter;
    }
    // Names that are joined.
    let joins = |word: &String| word == "and" || word == "or";
    any |= words.iter().any(joins) && words.iter().all(|word| word.len() > 1);
    any |= words.len() == 1 && (2..=3).contains(&words[0].len()) && tokens.len() == words[0].len();
    any.then(|| words.join(" "))
}

/// Words with numbers between, which are a name: `Bus 3A`.
pub(super) fn numbered(tokens: &[Spaced]) -> Option<String> {
    let mut words = Vec::new();
    let mut any = false;
    for spaced in tokens {
        match &spaced.token {
            Token::Word(word) => {
                any = true;
                words.push(word.clone());
            }
            Token::Letter(letter) => words.push(letter.to_string()),
            Token::Number(literal) if literal.places.is_none() => words.push(literal.whole.clone()),
            Token::And => words.push("and".into()),
            Token::Or => words.push("or".into()),
            Token::Comma | Token::Dot | Token::Minus | Token::Prime | Token::Colon => {}
            _ => return None,
        }
    }
    any.then(|| words.join(" "))
}
