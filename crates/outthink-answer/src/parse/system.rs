//! Lines below each other: systems of equations, derivations, functions given piece by piece.

use super::list::list;
use super::slices::{end_of, outside, split, trim};
use super::{item, read};
use crate::token::{Order, Spaced, Token};
use crate::value::Value;

/// Without a brace or bracket before or after an environment that nothing closes or opens: `\left\{ … \right.`
pub(super) fn without_brace(tokens: &[Spaced]) -> &[Spaced] {
    match tokens {
        [first, rest @ ..]
            if matches!(
                first.token,
                Token::OpenSet | Token::Open(_) | Token::OpenGroup | Token::Bar
            ) && matches!(
                rest.first().map(|t| &t.token),
                Some(Token::OpenSystem | Token::OpenMatrix)
            ) && end_of(rest, 0) == Some(rest.len()) =>
        {
            rest
        }
        [rest @ .., last]
            if matches!(last.token, Token::CloseSet | Token::CloseGroup)
                && matches!(
                    rest.first().map(|t| &t.token),
                    Some(Token::OpenSystem | Token::OpenMatrix)
                )
                && end_of(rest, 0) == Some(rest.len()) =>
        {
            rest
        }
        tokens => tokens,
    }
}

/// An environment around everything, if it holds lines and no matrix.
pub(super) fn system(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let (first, inner) = match tokens {
        [first, inner @ .., _] if end_of(tokens, 0) == Some(tokens.len()) => (&first.token, inner),
        _ => return None,
    };
    let relates = |spaced: &Spaced| matches!(spaced.token, Token::Order(_));
    let lines = match first {
        Token::OpenSystem => true,
        Token::OpenMatrix => inner.iter().any(relates),
        _ => false,
    };
    if !lines {
        return None;
    }
    let rows = split(inner, &outside(inner, |token| *token == Token::Row)?);
    let rows: Vec<&[Spaced]> = rows
        .into_iter()
        .map(trim)
        .filter(|row| !row.is_empty())
        .collect();
    let pieces: Option<Vec<Value>> = rows.iter().map(|row| piece(row, depth)).collect();
    if let Some(pieces) = pieces {
        return Some(Value::List(pieces));
    }
    // A line that starts with a relation or a sign goes on with the one before.
    let mut joined: Vec<Vec<Spaced>> = Vec::new();
    for row in split(inner, &outside(inner, |token| *token == Token::Row)?) {
        let goes_on = |token: &Token| {
            matches!(
                token,
                Token::Order(_) | Token::Plus | Token::Minus | Token::Times
            )
        };
        let cells = row
            .iter()
            .filter(|spaced| spaced.token != Token::Cell)
            .cloned();
        let row: Vec<Spaced> = cells.collect();
        let Some(first) = row.first() else {
            continue;
        };
        match joined.last_mut() {
            Some(before) if goes_on(&first.token) => before.extend(row),
            _ => joined.push(row),
        }
    }
    if let [only] = &joined[..] {
        return read(trim(only), depth + 1);
    }
    let items = joined.iter().map(|row| item(trim(row), depth + 1));
    Some(list(items.collect::<Option<_>>()?, false, false))
}

/// One line of a function given piece by piece: its value and the condition.
fn piece(row: &[Spaced], depth: usize) -> Option<Value> {
    let aligns = |cell: &[Spaced]| {
        let relates =
            |spaced: Option<&Spaced>| matches!(spaced.map(|s| &s.token), Some(Token::Order(_)));
        relates(cell.first()) || relates(cell.last())
    };
    let mut cells = split(row, &outside(row, |token| *token == Token::Cell)?);
    if cells.len() == 1 {
        cells = split(row, &outside(row, |token| *token == Token::Comma)?);
    }
    let [value, condition] = cells[..] else {
        return None;
    };
    if aligns(trim(value)) || matches!(condition.first().map(|t| &t.token), Some(Token::Order(_))) {
        return None;
    }
    let relation =
        |token: &Token| matches!(token, Token::Order(order) if *order != Order::Approximately);
    let word = |spaced: &Spaced| matches!(spaced.token, Token::Word(_));
    if !outside(value, relation)?.is_empty() {
        return None;
    }
    let mut condition = trim(condition);
    while let [first, rest @ ..] = condition
        && let Token::Word(own) = &first.token
        && matches!(
            own.to_lowercase().as_str(),
            "if" | "for" | "when" | "where" | "whenever"
        )
    {
        condition = trim(rest);
    }
    // "if" in maths mode is two letters.
    if let [i, f, rest @ ..] = condition
        && (&i.token, &f.token) == (&Token::Letter('i'), &Token::Letter('f'))
    {
        condition = rest;
    }
    let condition = if condition.iter().all(word) {
        Value::Text("otherwise".into())
    } else if outside(condition, relation)?.is_empty() {
        return None;
    } else {
        read(condition, depth + 1)?
    };
    Some(Value::Tuple(vec![item(trim(value), depth + 1)?, condition]))
}
