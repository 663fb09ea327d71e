//! Slices of tokens: what brackets enclose, and what stands outside of them.

use crate::token::{Order, Spaced, Token};

/// Without punctuation around.
pub(super) fn trim(mut tokens: &[Spaced]) -> &[Spaced] {
    while let [rest @ .., last] = tokens
        && matches!(
            last.token,
            Token::Dot | Token::Comma | Token::Semicolon | Token::Colon | Token::Row
        )
    {
        tokens = rest;
    }
    while let [first, rest @ ..] = tokens
        && matches!(
            first.token,
            Token::Colon
                | Token::Comma
                | Token::Row
                | Token::Implies
                | Token::Order(Order::Equal | Order::Approximately)
        )
    {
        tokens = rest;
    }
    // "3.14…" goes on, and "1, 2, …" has more elements.
    if let [rest @ .., before, last] = tokens
        && last.token == Token::Ellipsis
        && !matches!(before.token, Token::Comma | Token::Semicolon)
    {
        return trim(&tokens[..rest.len() + 1]);
    }
    tokens
}

/// The place after what opens at `at`; none if it never closes, or nothing is there. One for a token that opens nothing.
pub(super) fn end_of(tokens: &[Spaced], at: usize) -> Option<usize> {
    fn opens(token: &Token) -> bool {
        matches!(
            token,
            Token::Open(_)
                | Token::OpenSet
                | Token::OpenGroup
                | Token::OpenAngle
                | Token::OpenFloor
                | Token::OpenCeil
                | Token::OpenMatrix
                | Token::OpenSystem
        )
    }
    fn closes(token: &Token) -> bool {
        matches!(
            token,
            Token::Close(_)
                | Token::CloseSet
                | Token::CloseGroup
                | Token::CloseAngle
                | Token::CloseFloor
                | Token::CloseCeil
                | Token::CloseMatrix
                | Token::CloseSystem
        )
    }
    if closes(&tokens.get(at)?.token) {
        return None;
    }
    let mut depth = 0usize;
    for (i, spaced) in tokens.iter().enumerate().skip(at) {
        if opens(&spaced.token) {
            depth += 1;
        } else if closes(&spaced.token) {
            depth = depth.checked_sub(1)?;
        }
        if depth == 0 {
            return Some(i + 1);
        }
    }
    None
}

/// Places outside of all brackets where a token is of some kind; none if brackets do not match.
pub(super) fn outside(tokens: &[Spaced], wanted: impl Fn(&Token) -> bool) -> Option<Vec<usize>> {
    // Most answers have no such token anywhere.
    if !tokens.iter().any(|spaced| wanted(&spaced.token)) {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let end = end_of(tokens, at)?;
        if end == at + 1 && wanted(&tokens[at].token) {
            found.push(at);
        }
        at = end;
    }
    Some(found)
}

pub(super) fn split<'t>(tokens: &'t [Spaced], places: &[usize]) -> Vec<&'t [Spaced]> {
    let mut parts = Vec::with_capacity(places.len() + 1);
    let mut from = 0;
    for &place in places {
        parts.push(&tokens[from..place]);
        from = place + 1;
    }
    parts.push(&tokens[from..]);
    parts
}

/// Without brackets that enclose everything and separate nothing: `((5))`. By the thousand, if need be.
pub(super) fn peel(tokens: &[Spaced]) -> &[Spaced] {
    let opens = |token: &Token| matches!(token, Token::Open('(') | Token::OpenGroup);
    let outer = tokens
        .iter()
        .take_while(|spaced| opens(&spaced.token))
        .count();
    if outer < 2 {
        return tokens;
    }
    // Which place each of the brackets at the beginning closes at.
    let mut open: Vec<usize> = Vec::new();
    let mut ends = vec![0; outer];
    for (at, spaced) in tokens.iter().enumerate() {
        match spaced.token {
            Token::Open(_) | Token::OpenGroup => open.push(at),
            Token::Close(_) | Token::CloseGroup => match open.pop() {
                Some(start) if start < outer => {
                    let pair = (&tokens[start].token, &spaced.token);
                    let matching = matches!(
                        pair,
                        (Token::Open('('), Token::Close(')'))
                            | (Token::OpenGroup, Token::CloseGroup)
                    );
                    ends[start] = if matching { at } else { 0 };
                }
                Some(_) => {}
                None => return tokens,
            },
            _ => {}
        }
    }
    let layers = (0..outer)
        .take_while(|&layer| ends[layer] + layer + 1 == tokens.len())
        .count();
    // One layer is left to those who read brackets, and costs nothing there.
    let layers = layers.saturating_sub(1);
    &tokens[layers..tokens.len() - layers]
}
