//! A value without anything beside it: brackets, matrices, bases, residues, ratios.

use super::expression::expression;
use super::list::{branches, spread};
use super::quantity::measured;
use super::slices::{end_of, outside, split, trim};
use super::{item, read};
use crate::expr::Expr;
use crate::token::{Order, Spaced, Token};
use crate::value::Value;
use crate::words;

/// A value without anything beside it.
pub(super) fn single(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let tokens = trim(tokens);
    match tokens {
        [] => return None,
        [only] if only.token == Token::Empty => return Some(Value::Set(Vec::new())),
        [only] if only.token == Token::Reals => return Some(Value::Reals),
        [only] if only.token == Token::Ellipsis => return Some(Value::Ellipsis),
        _ => {}
    }
    if end_of(tokens, 0) == Some(tokens.len())
        && let Some(value) = enclosed(tokens, depth)
    {
        return Some(value);
    }
    if tokens
        .iter()
        .any(|spaced| spaced.token == Token::OpenMatrix)
    {
        return matrix(tokens);
    }
    if let Some(value) = based(tokens) {
        return Some(value);
    }
    if let Some(value) = residue(tokens) {
        return Some(value);
    }
    let colon = |token: &Token| match token {
        Token::Word(word) => word == "to",
        token => *token == Token::Colon,
    };
    let colons = outside(tokens, colon)?;
    if !colons.is_empty() {
        let parts = split(tokens, &colons);
        let parts: Vec<Expr> = parts.into_iter().map(expr).collect::<Option<_>>()?;
        return Some(Value::Ratio(parts));
    }
    measured(tokens)
}

pub(super) fn expr(tokens: &[Spaced]) -> Option<Expr> {
    let expr = expression(trim(tokens))?;
    Some(if expr.make().degrees {
        expr.settle_degrees()
    } else {
        expr
    })
}

/// What brackets around everything make of their content.
fn enclosed(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let [first, inner @ .., last] = tokens else {
        return None;
    };
    if depth >= super::DEEPEST {
        return None;
    }
    let commas = |token: &Token| matches!(token, Token::Comma | Token::Semicolon);
    let elements = || -> Option<Vec<Value>> {
        let places = outside(inner, commas)?;
        split(inner, &places)
            .into_iter()
            .map(|part| item(part, depth + 1))
            .collect()
    };
    match (&first.token, &last.token) {
        // {1, 2} without backslashes is meant as a set.
        (Token::OpenSet, Token::CloseSet) | (Token::OpenGroup, Token::CloseGroup)
            if first.token == Token::OpenSet || !outside(inner, commas)?.is_empty() =>
        {
            if inner.is_empty() {
                return Some(Value::Set(Vec::new()));
            }
            let such = outside(inner, |token| {
                matches!(token, Token::Such | Token::Bar | Token::Colon)
            })?;
            if let [place, ..] = such[..]
                && let condition @ Value::Relation(..) | condition @ Value::Combined(..) =
                    read(&inner[place + 1..], depth + 1)?
            {
                return Some(condition);
            }
            Some(Value::Set(
                elements()?.into_iter().flat_map(branches).collect(),
            ))
        }
        // Braces that only hold together, around a quantity or a relation.
        (Token::OpenGroup, Token::CloseGroup) => match read(inner, depth + 1)? {
            Value::Expr(_) | Value::Percent(_) => None,
            value => Some(value),
        },
        (Token::OpenAngle, Token::CloseAngle) => Some(Value::Tuple(elements()?)),
        (Token::Open(open), Token::Close(close)) => {
            let places = outside(inner, commas)?;
            if places.is_empty() {
                // Brackets around one thing say nothing, unless that is no expression.
                return match read(inner, depth + 1)? {
                    Value::Expr(_) | Value::Percent(_) => None,
                    value => (*open == '(' || matches!(value, Value::Matrix(_))).then_some(value),
                };
            }
            let mut items = elements()?;
            if items.len() == 2
                && (*open, *close) != ('(', ')')
                && let (Value::Expr(low), Value::Expr(high)) = (&items[0], &items[1])
            {
                let closed = (*open == '[', *close == ']');
                let (low, high) = (low.clone(), high.clone());
                return Some(Value::Interval { low, high, closed });
            }
            if items.len() == 2 && (*open, *close) != ('(', ')') {
                return None;
            }
            Some(spread(Value::Tuple(std::mem::take(&mut items))))
        }
        _ => None,
    }
}

/// `]3,4]`, the other way to write a half-open interval.
pub(super) fn reversed_brackets(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let [first, inner @ .., last] = tokens else {
        return None;
    };
    let closed = match (&first.token, &last.token) {
        (Token::Close(']'), Token::Close(']')) => (false, true),
        (Token::Close(']'), Token::Open('[')) => (false, false),
        (Token::Open('['), Token::Open('[')) => (true, false),
        _ => return None,
    };
    let places = outside(inner, |token| {
        matches!(token, Token::Comma | Token::Semicolon)
    })?;
    let [place] = places[..] else {
        return None;
    };
    if depth > 0 {
        return None;
    }
    let (low, high) = (expr(&inner[..place])?, expr(&inner[place + 1..])?);
    Some(Value::Interval { low, high, closed })
}

/// `<1, 2, 3>`
pub(super) fn angle_brackets(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let [first, inner @ .., last] = tokens else {
        return None;
    };
    let angles =
        first.token == Token::Order(Order::Less) && last.token == Token::Order(Order::Greater);
    if !angles {
        return None;
    }
    let places = outside(inner, |token| *token == Token::Comma)?;
    let items = split(inner, &places)
        .into_iter()
        .map(|part| item(part, depth + 1));
    Some(Value::Tuple(items.collect::<Option<_>>()?))
}

/// A matrix, brackets around it, and a factor before it.
fn matrix(tokens: &[Spaced]) -> Option<Value> {
    let start = tokens
        .iter()
        .position(|spaced| spaced.token == Token::OpenMatrix)?;
    let end = end_of(tokens, start)?;
    let (mut before, mut after) = (&tokens[..start], &tokens[end..]);
    if let ([factor @ .., open], [close]) = (before, after)
        && matches!(
            (&open.token, &close.token),
            (Token::Open(_), Token::Close(_)) | (Token::Bar, Token::Bar)
        )
    {
        (before, after) = (factor, &[]);
    }
    if !after.is_empty() {
        return None;
    }
    let factor = match before {
        [] => None,
        [minus] if minus.token == Token::Minus => Some(Expr::integer(-1)),
        [factor @ .., times] if times.token == Token::Times => Some(expr(factor)?),
        factor => Some(expr(factor)?),
    };
    let inner = &tokens[start + 1..end - 1];
    let rows = split(inner, &outside(inner, |token| *token == Token::Row)?);
    let rows = rows.into_iter().filter(|row| !row.is_empty());
    let rows: Vec<Vec<Expr>> = rows
        .map(|row| {
            let cells = split(row, &outside(row, |token| *token == Token::Cell)?);
            let cell = |cell: &[Spaced]| {
                let value = expr(cell)?;
                Some(match &factor {
                    Some(factor) => Expr::Multiply(vec![factor.clone(), value]),
                    None => value,
                })
            };
            cells.into_iter().map(cell).collect::<Option<_>>()
        })
        .collect::<Option<_>>()?;
    (!rows.is_empty()).then_some(Value::Matrix(rows))
}

/// `1011_2`
fn based(tokens: &[Spaced]) -> Option<Value> {
    let place = tokens
        .iter()
        .position(|spaced| spaced.token == Token::Underscore)?;
    let mut written = &tokens[..place];
    if let [open, inner @ .., close] = written
        && matches!(
            (&open.token, &close.token),
            (Token::Open(_), Token::Close(_)) | (Token::OpenGroup, Token::CloseGroup)
        )
    {
        written = inner;
    }
    let mut digits = String::new();
    for spaced in written {
        match &spaced.token {
            Token::Number(literal) if literal.places.is_none() => digits.push_str(&literal.whole),
            Token::Letter(letter) if letter.is_ascii_uppercase() => digits.push(*letter),
            Token::Word(word) => digits.push_str(&word.to_ascii_uppercase()),
            _ => return None,
        }
    }
    let mut subscript = &tokens[place + 1..];
    if let [open, inner @ .., close] = subscript
        && (&open.token, &close.token) == (&Token::OpenGroup, &Token::CloseGroup)
    {
        subscript = inner;
    }
    let base = match subscript {
        [only] => match &only.token {
            Token::Number(literal) => literal.whole.parse().ok()?,
            Token::Word(word) => words::whole_number(&[word])?,
            _ => return None,
        },
        _ => return None,
    };
    let base = u32::try_from(base)
        .ok()
        .filter(|base| (2..=36).contains(base))?;
    let fits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    // A name with an index has letters where a number has digits: F_1.
    let number = digits.starts_with(|c: char| c.is_ascii_digit()) || digits.len() > 1;
    (fits && number).then(|| {
        let digits = digits.trim_start_matches('0');
        let digits = if digits.is_empty() { "0" } else { digits };
        Value::Based {
            digits: digits.to_owned(),
            base,
        }
    })
}

/// `3 \pmod 7`
fn residue(tokens: &[Spaced]) -> Option<Value> {
    let place = tokens
        .iter()
        .position(|spaced| spaced.token == Token::Modulo)?;
    let mut value = &tokens[..place];
    if let [rest @ .., open] = value
        && matches!(open.token, Token::Open(_))
    {
        value = rest;
    }
    let mut modulus = &tokens[place + 1..];
    if let [rest @ .., close] = modulus
        && matches!(close.token, Token::Close(_))
        && value.len() < place
    {
        modulus = rest;
    }
    Some(Value::Residue(expr(value)?, expr(modulus)?))
}
