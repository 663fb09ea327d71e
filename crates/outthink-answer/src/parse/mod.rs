//! Text to a typed answer. Total: what cannot be read is an answer too, equal to itself alone.
//!
//! From the outside in: a list of items, an item of sides, a side of sets, a set of expressions.

mod expression;

use dashu_ratio::RBig;

use crate::expr::Expr;
use crate::token::{Order, Spaced, Thousands, Token, tokenize};
use crate::value::{Answer, Combination, Relation, Value};
use crate::words;
use expression::expression;

/// Longest answer that is read, in bytes; longer ones are compared as they stand.
const LONGEST: usize = 1 << 13;

/// Deepest nesting of lists, sets and brackets.
const DEEPEST: usize = 16;

impl Answer {
    /// Reads an answer as it stands inside of `\boxed{}`: LaTeX, Unicode or plain text.
    pub fn parse(text: &str) -> Self {
        let mut text = text.trim();
        while text.len() > 4 && text.starts_with("**") && text.ends_with("**") {
            text = text[2..text.len() - 2].trim();
        }
        let plain = text.to_owned();
        let Some(lexed) = (text.len() <= LONGEST)
            .then(|| tokenize(text, Thousands::Grouped))
            .flatten()
        else {
            let readings = vec![Value::Unread(unspaced(text))];
            return Self { readings, plain };
        };
        let tokens = trim(&lexed.tokens);
        let mut readings = Vec::new();
        if tokens.is_empty() {
            return Self { readings, plain };
        }
        let mut last = read(tokens, 0);
        let bracketed = matches!(
            tokens[0].token,
            Token::Open(_) | Token::OpenSet | Token::OpenAngle
        );
        if lexed.ambiguous_comma
            && (bracketed || !lexed.padded)
            && let Some(separate) = tokenize(text, Thousands::Separate)
        {
            let separate = read(trim(&separate.tokens), 0);
            // Between brackets a comma is likelier to separate, and surely so if it is the only one: (1,000) is a pair.
            let commas = tokens.iter().any(|spaced| spaced.token == Token::Comma);
            let first = match bracketed {
                true if commas => separate,
                true => {
                    last = None;
                    separate
                }
                false => std::mem::replace(&mut last, separate),
            };
            readings.extend(first);
        }
        if let Some((choice, rest)) = choice(tokens) {
            // "(C) 27" is 27 first, and C to whoever asks for a letter.
            readings.extend(read(rest, 0));
            readings.push(Value::Choice(choice));
        }
        readings.extend(time(tokens));
        readings.extend(last);
        if let Some(text) = prose(tokens) {
            let words: Vec<&str> = text.split(' ').collect();
            let number = words::number(&words).map(|n| Value::Expr(Expr::Number(RBig::from(n))));
            readings.extend(number);
            match text.to_lowercase().as_str() {
                "all real numbers" | "all reals" | "real numbers" => readings.push(Value::Reals),
                "empty set" | "the empty set" | "no solution" | "no solutions"
                | "no real solutions" => {
                    readings.push(Value::Set(Vec::new()));
                }
                _ => {}
            }
            readings.push(Value::Text(text));
        }
        if readings.is_empty() {
            readings.push(Value::Unread(unspaced(text)));
        }
        Self { readings, plain }
    }
}

fn unspaced(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Without punctuation around.
fn trim(mut tokens: &[Spaced]) -> &[Spaced] {
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
            Token::Colon | Token::Comma | Token::Order(Order::Equal | Order::Approximately)
        )
    {
        tokens = rest;
    }
    tokens
}

/// One option's letter, in brackets or alone, and what is written after it.
fn choice(tokens: &[Spaced]) -> Option<(char, &[Spaced])> {
    let (letter, rest, marked) = match tokens {
        [open, letter, close, rest @ ..]
            if matches!(
                (&open.token, &close.token),
                (Token::Open('('), Token::Close(')'))
            ) =>
        {
            (letter, rest, true)
        }
        [letter, dot, rest @ ..] if matches!(dot.token, Token::Dot | Token::Colon) => {
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
fn time(tokens: &[Spaced]) -> Option<Value> {
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
fn prose(tokens: &[Spaced]) -> Option<String> {
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

/// The place after what opens at `at`; none if it never closes. One for a token that opens nothing.
fn end_of(tokens: &[Spaced], at: usize) -> Option<usize> {
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
        )
    }
    if closes(&tokens[at].token) {
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
fn outside(tokens: &[Spaced], wanted: impl Fn(&Token) -> bool) -> Option<Vec<usize>> {
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

fn split<'t>(tokens: &'t [Spaced], places: &[usize]) -> Vec<&'t [Spaced]> {
    let mut parts = Vec::with_capacity(places.len() + 1);
    let mut from = 0;
    for &place in places {
        parts.push(&tokens[from..place]);
        from = place + 1;
    }
    parts.push(&tokens[from..]);
    parts
}

/// Any answer.
fn read(tokens: &[Spaced], depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let tokens = peel(trim(tokens));
    if let Some(value) = reversed_brackets(tokens, depth).or_else(|| angle_brackets(tokens, depth))
    {
        return Some(value);
    }
    let separates = |token: &Token| {
        matches!(
            token,
            Token::Comma | Token::Semicolon | Token::And | Token::Or
        )
    };
    let mut places = outside(tokens, separates)?;
    let has = |wanted: Token| places.iter().any(|&place| tokens[place].token == wanted);
    if has(Token::Semicolon) && has(Token::Comma) {
        // "p = 5, q = 2; p = 7, q = 2" are two pairs.
        places.retain(|&place| tokens[place].token == Token::Semicolon);
        let parts = split(tokens, &places)
            .into_iter()
            .map(|part| read(part, depth + 1));
        return Some(Value::List(parts.collect::<Option<_>>()?));
    }
    if places.is_empty() {
        return item(tokens, depth).map(spread);
    }
    let or = places.iter().any(|&place| tokens[place].token == Token::Or);
    let and = places
        .iter()
        .any(|&place| tokens[place].token == Token::And);
    let parts = split(tokens, &places);
    // "a, b, and c" has an empty part between the comma and the word.
    let parts: Vec<&[Spaced]> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let items: Vec<Value> = parts
        .into_iter()
        .map(|part| item(part, depth))
        .collect::<Option<_>>()?;
    match items.len() {
        0 => None,
        1 => items.into_iter().next().map(spread),
        _ => Some(list(items, or, and)),
    }
}

/// Without brackets that enclose everything and separate nothing: `((5))`. By the thousand, if need be.
fn peel(tokens: &[Spaced]) -> &[Spaced] {
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

/// Items beside each other.
fn list(items: Vec<Value>, or: bool, and: bool) -> Value {
    let assigned = |value: &Value| match value {
        Value::Relation(sides, relations) if relations[..] == [Relation::Equal] => {
            match (&sides[0], &sides[1]) {
                (Value::Expr(Expr::Symbol(name)), value) => Some((name.clone(), value.clone())),
                _ => None,
            }
        }
        _ => None,
    };
    if let Some(mut pairs) = items.iter().map(assigned).collect::<Option<Vec<_>>>() {
        // x_1 and x_2 are two values of one unknown.
        let unknown = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
        let first = unknown(&pairs[0].0);
        let distinct = pairs.iter().skip(1).all(|(name, _)| unknown(name) != first);
        if distinct && pairs.len() > 1 && !or {
            // x = 3, y = 4 is the point (3, 4).
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            return Value::Tuple(pairs.into_iter().map(|(_, value)| value).collect());
        }
        if !distinct || pairs.len() == 1 {
            return Value::List(
                pairs
                    .into_iter()
                    .flat_map(|(_, value)| branches(value))
                    .collect(),
            );
        }
    }
    let sets = |value: &Value| match value {
        Value::Relation(_, relations) => !relations.contains(&Relation::Equal),
        Value::Interval { .. } | Value::Combined(..) => or,
        _ => false,
    };
    if items.len() > 1 && items.iter().all(sets) {
        let how = if and {
            Combination::Intersection
        } else {
            Combination::Union
        };
        let mut items = items.into_iter();
        if let Some(first) = items.next() {
            return items.fold(first, |all, next| {
                Value::Combined(how, Box::new([all, next]))
            });
        }
        return Value::Set(Vec::new());
    }
    // "x = 2, 3": the name is said once.
    let mut items = items;
    if items.len() > 1
        && let Some((_, value)) = items.first().and_then(assigned)
        && !items[1..]
            .iter()
            .any(|item| matches!(item, Value::Relation(..)))
    {
        items[0] = value;
    }
    Value::List(items.into_iter().flat_map(branches).collect())
}

/// The values of an expression with `±`.
fn branches(value: Value) -> Vec<Value> {
    match value {
        Value::Expr(expr) if expr.make().plus_minus => {
            vec![
                Value::Expr(expr.branch(true)),
                Value::Expr(expr.branch(false)),
            ]
        }
        Value::List(items) => items,
        Value::Tuple(items) if items.iter().any(|item| matches!(item, Value::List(_))) => {
            let sign = |upper: usize| {
                let pick = |item: &Value| match item {
                    Value::List(pair) => pair[upper.min(pair.len() - 1)].clone(),
                    item => item.clone(),
                };
                Value::Tuple(items.iter().map(pick).collect())
            };
            vec![sign(0), sign(1)]
        }
        value => vec![value],
    }
}

fn spread(value: Value) -> Value {
    let mut all = branches(value);
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => Value::List(all.into_iter().chain(last).collect()),
    }
}

/// One item: a value, or sides with relations between.
fn item(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let tokens = without_lead(trim(tokens));
    let places = outside(tokens, |token| matches!(token, Token::Order(_)))?;
    if places.is_empty() {
        return side(tokens, depth).map(spread);
    }
    let order = |place: usize| match tokens[place].token {
        Token::Order(order) => Some(order),
        _ => None,
    };
    // x ∈ S is S; with more after it, a condition that is not ours to read.
    if let Some(&place) = places
        .iter()
        .rfind(|&&place| order(place) == Some(Order::In))
    {
        return read(&tokens[place + 1..], depth + 1);
    }
    // What stands before ≈ is exact, unless it is but a name.
    if let Some(&place) = places
        .iter()
        .find(|&&place| order(place) == Some(Order::Approximately))
    {
        let (before, after) = (&tokens[..place], &tokens[place + 1..]);
        let bare = before
            .iter()
            .all(|spaced| matches!(spaced.token, Token::Letter(_) | Token::Word(_)));
        return item(if bare { after } else { before }, depth);
    }
    let mut relations: Vec<Relation> = Vec::with_capacity(places.len());
    for &place in &places {
        relations.push(Relation::of(order(place)?)?);
    }
    let sides: Vec<Value> = split(tokens, &places)
        .into_iter()
        .map(|part| named(part).or_else(|| side(part, depth).map(spread)))
        .collect::<Option<_>>()?;
    Some(Value::Relation(sides, relations))
}

/// A side that only says what the other is: words, or a function of letters.
fn named(tokens: &[Spaced]) -> Option<Value> {
    let words = tokens
        .iter()
        .any(|spaced| matches!(spaced.token, Token::Word(_)));
    let all = tokens.iter().all(|spaced| {
        matches!(
            spaced.token,
            Token::Word(_) | Token::Letter(_) | Token::Underscore | Token::Number(_)
        )
    });
    let starts = matches!(
        tokens.first().map(|t| &t.token),
        Some(Token::Word(_) | Token::Letter(_))
    );
    (words && all && starts).then(|| Value::Text("name".into()))
}

/// Without words that introduce a value.
fn without_lead(mut tokens: &[Spaced]) -> &[Spaced] {
    const LEADS: [&str; 16] = [
        "about",
        "approximately",
        "approx",
        "roughly",
        "exactly",
        "the",
        "answer",
        "is",
        "are",
        "option",
        "choice",
        "value",
        "equals",
        "only",
        "just",
        "either",
    ];
    while let [first, rest @ ..] = tokens
        && let Token::Word(word) = &first.token
        && !rest.is_empty()
        && LEADS.contains(&word.to_ascii_lowercase().as_str())
    {
        tokens = trim(rest);
    }
    tokens
}

/// One side: sets joined to sets, or a single value.
fn side(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let joins = |token: &Token| matches!(token, Token::Cup | Token::Cap | Token::Without);
    let mut places = outside(tokens, joins)?;
    if places.is_empty() && tokens.iter().any(|spaced| spaced.token == Token::OpenSet) {
        // (2, 102) - \{12\}
        places = outside(tokens, |token| *token == Token::Minus)?;
        places.retain(|&place| {
            place > 0
                && tokens
                    .get(place + 1)
                    .is_some_and(|t| t.token == Token::OpenSet)
        });
    }
    let Some(&first) = places.first() else {
        return single(tokens, depth);
    };
    let mut all = single(&tokens[..first], depth)?;
    for (i, &place) in places.iter().enumerate() {
        let end = places.get(i + 1).copied().unwrap_or(tokens.len());
        let next = single(&tokens[place + 1..end], depth)?;
        let how = match tokens[place].token {
            Token::Cup => Combination::Union,
            Token::Cap => Combination::Intersection,
            _ => Combination::Difference,
        };
        all = Value::Combined(how, Box::new([all, next]));
    }
    Some(all)
}

/// A value without anything beside it.
fn single(tokens: &[Spaced], depth: usize) -> Option<Value> {
    let tokens = trim(tokens);
    match tokens {
        [] => return None,
        [only] if only.token == Token::Empty => return Some(Value::Set(Vec::new())),
        [only] if only.token == Token::Reals => return Some(Value::Reals),
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
    let colons = outside(tokens, |token| *token == Token::Colon)?;
    if !colons.is_empty() {
        let parts = split(tokens, &colons);
        let parts: Vec<Expr> = parts.into_iter().map(expr).collect::<Option<_>>()?;
        return Some(Value::Ratio(parts));
    }
    measured(tokens)
}

/// A number with its percent sign, currency or unit, if it has one.
fn measured(tokens: &[Spaced]) -> Option<Value> {
    let mut units: Vec<String> = Vec::new();
    let kept: Vec<Spaced>;
    let mut tokens = tokens;
    if tokens
        .iter()
        .any(|spaced| matches!(spaced.token, Token::Currency(_)))
    {
        let currency = |spaced: &Spaced| match spaced.token {
            Token::Currency(name) => Some(name.to_owned()),
            _ => None,
        };
        units.extend(tokens.iter().find_map(currency));
        kept = tokens
            .iter()
            .filter(|spaced| currency(spaced).is_none())
            .cloned()
            .collect();
        tokens = &kept;
    }
    if let Some(first) = tokens
        .iter()
        .position(|spaced| matches!(spaced.token, Token::Word(_)))
    {
        let (number, unit) = tokens.split_at(first);
        let fits = |spaced: &Spaced| {
            matches!(
                spaced.token,
                Token::Word(_)
                    | Token::Caret
                    | Token::Number(_)
                    | Token::Slash
                    | Token::OpenGroup
                    | Token::CloseGroup
                    | Token::Dot
                    | Token::Minus
                    | Token::Letter(_)
                    | Token::Times
            )
        };
        if !unit.iter().all(fits) {
            return None;
        }
        units.extend(unit.iter().filter_map(|spaced| match &spaced.token {
            Token::Word(word) => Some(word.clone()),
            _ => None,
        }));
        tokens = match number {
            [number @ .., slash] if slash.token == Token::Slash => number,
            number => number,
        };
    }
    if let [number @ .., percent] = tokens
        && percent.token == Token::Percent
        && units.is_empty()
    {
        return Some(Value::Percent(expr(number)?));
    }
    let value = expr(tokens)?;
    Some(if units.is_empty() {
        Value::Expr(value)
    } else {
        Value::Quantity(value, units)
    })
}

fn expr(tokens: &[Spaced]) -> Option<Expr> {
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
    if depth >= DEEPEST {
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
fn reversed_brackets(tokens: &[Spaced], depth: usize) -> Option<Value> {
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
fn angle_brackets(tokens: &[Spaced], depth: usize) -> Option<Value> {
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
            Token::Word(word) => words::number(&[word])?,
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
