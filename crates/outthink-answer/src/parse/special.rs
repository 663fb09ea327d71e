//! Answers that are no mathematics, or not only: choices, times, prose.

use crate::token::{Spaced, Token};
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

/// `12:30`, `12:30 PM`.
pub(super) fn time(tokens: &[Spaced]) -> Option<Value> {
    let [hour, colon, minute, rest @ ..] = tokens else {
        return None;
    };
    let small = |token: &Token| match token {
        Token::Number(literal) if literal.whole.len() <= 2 && literal.places.is_none() => {
            literal.whole.parse::<u32>().ok()
        }
        _ => None,
    };
    let digits = matches!(&minute.token, Token::Number(literal) if literal.whole.len() == 2);
    let (hour, minute) = (small(&hour.token)?, small(&minute.token)?);
    if colon.token != Token::Colon || !digits || hour > 24 || minute > 59 {
        return None;
    }
    let suffix: String = rest
        .iter()
        .map(|spaced| match &spaced.token {
            Token::Letter(letter) => Some(letter.to_string()),
            Token::Word(word) => Some(word.clone()),
            Token::Dot => Some(String::new()),
            _ => None,
        })
        .collect::<Option<String>>()?
        .to_lowercase();
    match suffix.as_str() {
        "" => Some(Value::Time(hour % 24 * 60 + minute, false)),
        "am" => Some(Value::Time(hour % 12 * 60 + minute, true)),
        "pm" => Some(Value::Time((hour % 12 + 12) * 60 + minute, true)),
        _ => None,
    }
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
    any |= words.len() == 1 && words[0].len() == 3 && tokens.len() == 3;
    any.then(|| words.join(" "))
}
