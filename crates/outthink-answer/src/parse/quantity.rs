//! Numbers with something beside them: a currency, a unit, a label, the same number in words.

use dashu_ratio::RBig;

use super::expression::expression;
use super::single::expr;
use super::slices::{end_of, trim};
use super::special::prose;
use crate::evaluate::Budget;
use crate::expr::Expr;
use crate::identity::exact_value;
use crate::token::{Order, Spaced, Token};
use crate::unit::{Unit, is_unit};
use crate::value::Value;
use crate::words;

/// Words before a number that only name it; the first few say no more than that it is one.
const LABELS: [&str; 44] = [
    "number",
    "no",
    "num",
    "nr",
    "day",
    "week",
    "month",
    "year",
    "step",
    "room",
    "box",
    "door",
    "team",
    "group",
    "player",
    "row",
    "column",
    "page",
    "chapter",
    "problem",
    "question",
    "figure",
    "case",
    "statement",
    "part",
    "item",
    "type",
    "level",
    "round",
    "game",
    "station",
    "bus",
    "line",
    "card",
    "ball",
    "house",
    "floor",
    "grade",
    "class",
    "stage",
    "option",
    "choice",
    "lane",
    "train",
];

/// Symbols of units that are variables as well.
const SYMBOLS: &str = "msghLlNJWV";

/// A number with its percent sign, currency or unit, if it has one.
pub(super) fn measured(tokens: &[Spaced]) -> Option<Value> {
    if let Some(before) = restated(tokens) {
        return before;
    }
    if let Some(value) = labelled(tokens) {
        return Some(value);
    }
    if let Some(value) = negative(tokens) {
        return Some(value);
    }
    if !has_words(tokens) {
        return plain(tokens);
    }
    let quantities: Option<Vec<Value>> = match amounts(tokens)[..] {
        [only] => quantity(only).map(|value| vec![value]),
        ref several => several
            .iter()
            .map(|part| {
                symbolic(part)
                    .map(|(value, _)| value)
                    .or_else(|| quantity(part))
            })
            .collect(),
    };
    match quantities?.as_slice() {
        [only] => Some(only.clone()),
        several => compound(several),
    }
}

fn has_words(tokens: &[Spaced]) -> bool {
    let words = |spaced: &Spaced| matches!(spaced.token, Token::Word(_) | Token::Currency(_));
    tokens.iter().any(words)
}

/// Without a unit.
fn plain(tokens: &[Spaced]) -> Option<Value> {
    Some(match tokens {
        [number @ .., percent] if percent.token == Token::Percent => Value::Percent(expr(number)?),
        _ => angle(expression(trim(tokens))?),
    })
}

/// An expression, or a number of degrees; inside of functions those are radians already.
fn angle(expr: Expr) -> Value {
    if !expr.make().degrees {
        return Value::Expr(expr);
    }
    let degrees = match &expr {
        Expr::Degree(_) => true,
        Expr::Negate(x) => matches!(**x, Expr::Degree(_)),
        Expr::Multiply(parts) => matches!(parts.last(), Some(Expr::Degree(_))),
        _ => false,
    };
    let value = expr.settle_degrees();
    if degrees {
        Value::Quantity(value, Unit::of("degree"))
    } else {
        Value::Expr(value)
    }
}

/// `negative 2`
fn negative(tokens: &[Spaced]) -> Option<Value> {
    let [first, next, ..] = tokens else {
        return None;
    };
    let minus = matches!(&first.token, Token::Word(word) if matches!(word.to_lowercase().as_str(), "negative" | "minus"));
    let number = matches!(next.token, Token::Number(_) | Token::Frac | Token::Sqrt);
    if !(minus && number) {
        return None;
    }
    match measured(&tokens[1..])? {
        Value::Expr(expr) => Some(Value::Expr(Expr::Negate(Box::new(expr)))),
        Value::Quantity(expr, unit) => Some(Value::Quantity(Expr::Negate(Box::new(expr)), unit)),
        _ => None,
    }
}

/// Cut before each number that follows a word: `1 hour 30 minutes`.
fn amounts(tokens: &[Spaced]) -> Vec<&[Spaced]> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, pair) in tokens.windows(2).enumerate() {
        let follows = match &pair[0].token {
            Token::Word(word) => is_unit(word),
            Token::Letter(letter) => pair[0].space && SYMBOLS.contains(*letter),
            Token::Dot => at > from + 1,
            _ => false,
        };
        if follows && matches!(pair[1].token, Token::Number(_)) {
            parts.push(&tokens[from..=at]);
            from = at + 1;
        }
    }
    parts.push(&tokens[from..]);
    parts
}

fn quantity(tokens: &[Spaced]) -> Option<Value> {
    let currency = |spaced: &Spaced| match spaced.token {
        Token::Currency(name) => Some(Unit::of(name)),
        _ => None,
    };
    let paid = tokens.iter().find_map(currency);
    let kept: Vec<Spaced> = tokens
        .iter()
        .filter(|spaced| currency(spaced).is_none())
        .cloned()
        .collect();
    let tokens = trim(&kept);
    let word = |spaced: &Spaced| matches!(spaced.token, Token::Word(_));
    let mut start = tokens.iter().position(word).unwrap_or(tokens.len());
    // What belongs to the unit before its first word: 60 \frac{km}{h}, 5/hour.
    while start > 0
        && start < tokens.len()
        && matches!(
            tokens[start - 1].token,
            Token::OpenGroup | Token::Open(_) | Token::Frac | Token::Slash
        )
    {
        start -= 1;
    }
    let (number, unit) = tokens.split_at(start);
    // "The answer" is no product of three with a unit.
    let spelled = |pair: &[Spaced]| {
        matches!((&pair[0].token, &pair[1].token), (Token::Letter(a), Token::Letter(_)) if *a != 'π')
            && !pair[1].space
    };
    let counts = |spaced: &Spaced| matches!(spaced.token, Token::Number(_));
    if number.is_empty() || number.windows(2).any(spelled) && !number.iter().any(counts) {
        return None;
    }
    let mut reader = UnitReader::default();
    reader.read(unit)?;
    let mut value = match number {
        // 50% of the students
        [number @ .., percent] if percent.token == Token::Percent => {
            return Some(Value::Percent(expr(number)?));
        }
        number => expr(number)?,
    };
    if let Some(scale) = reader.scale {
        value = Expr::Multiply(vec![value, Expr::Number(scale)]);
    }
    let mut whole = paid.unwrap_or_default();
    // Five dollars twice said, "$5 dollars", are five.
    let said = whole.factors.first() == reader.unit.factors.first();
    whole.factors.extend(
        reader
            .unit
            .factors
            .into_iter()
            .skip(usize::from(said && !whole.is_empty())),
    );
    Some(if whole.is_empty() {
        Value::Expr(value)
    } else {
        Value::Quantity(value, whole)
    })
}

/// Amounts of one dimension, each in a smaller unit than the one before, as one: 5 feet 10 inches, 2 hours and 5 minutes.
pub(super) fn compound(parts: &[Value]) -> Option<Value> {
    let mut amounts = Vec::with_capacity(parts.len());
    for part in parts {
        let Value::Quantity(value, unit) = part else {
            return None;
        };
        let (dimension, size) = unit.measure()?;
        if let Some((_, before, larger)) = amounts.last()
            && (*before != dimension || *larger <= size)
        {
            return None;
        }
        amounts.push((value, dimension, size));
    }
    let (_, _, smallest) = amounts.last()?;
    let terms = amounts.iter().map(|(value, _, size)| {
        Expr::Multiply(vec![(*value).clone(), Expr::Number(size / smallest)])
    });
    let Some(Value::Quantity(_, unit)) = parts.last() else {
        return None;
    };
    (parts.len() > 1).then(|| Value::Quantity(Expr::Add(terms.collect()), unit.clone()))
}

/// A number whose last letters are a unit's symbol as well as variables: `5 m`, `9.8 m/s^2`, `60 \frac{km}{h}`; and whether
/// they stand apart, as a factor does not.
pub(super) fn symbolic(tokens: &[Spaced]) -> Option<(Value, bool)> {
    let letter = |spaced: &Spaced| matches!(spaced.token, Token::Letter(c) if c != 'π');
    let mut first = tokens.iter().position(letter)?;
    while first > 0 && matches!(tokens[first - 1].token, Token::OpenGroup | Token::Frac) {
        first -= 1;
    }
    let (number, unit) = tokens.split_at(first);
    let mut at = 0;
    while let Some(spaced) = unit.get(at) {
        match &spaced.token {
            Token::Letter(_) => {
                let word = letters(&unit[at..]);
                if !(is_unit(&word) && (word.len() > 1 || SYMBOLS.contains(&word))) {
                    return None;
                }
                at += word.chars().count();
            }
            Token::Number(_)
            | Token::Slash
            | Token::Caret
            | Token::Frac
            | Token::OpenGroup
            | Token::CloseGroup
            | Token::Minus => at += 1,
            _ => return None,
        }
    }
    let counts = number
        .iter()
        .any(|spaced| matches!(spaced.token, Token::Number(_)));
    let last = number.last()?;
    if !counts
        || matches!(
            last.token,
            Token::Plus | Token::Minus | Token::Times | Token::Slash | Token::Caret
        )
    {
        return None;
    }
    let mut reader = UnitReader::default();
    reader.read(unit)?;
    let quotient = unit
        .iter()
        .any(|spaced| matches!(spaced.token, Token::Slash | Token::Frac));
    Some((
        Value::Quantity(expr(number)?, reader.unit),
        unit[0].space || quotient,
    ))
}

/// `No. 7`, `Day 7`, `# 7`.
fn labelled(tokens: &[Spaced]) -> Option<Value> {
    let (first, rest) = tokens.split_first()?;
    let Token::Word(label) = &first.token else {
        return None;
    };
    let label = label.to_lowercase();
    let place = LABELS.iter().position(|own| *own == label)?;
    let rest = match rest {
        [mark, rest @ ..] if matches!(mark.token, Token::Dot | Token::Colon) => rest,
        [word, rest @ ..] if matches!(&word.token, Token::Word(word) if word == "number") => rest,
        rest => rest,
    };
    let [number] = rest else {
        return None;
    };
    if !matches!(number.token, Token::Number(_)) {
        return None;
    }
    let value = expr(rest)?;
    Some(if place < 4 || label == "option" || label == "choice" {
        Value::Expr(value)
    } else {
        Value::Quantity(value, Unit::of(&label))
    })
}

/// What brackets at the end say again: `7 (seven)`, `\frac13 (\approx 0.33)`. None in it if they say something else.
fn restated(tokens: &[Spaced]) -> Option<Option<Value>> {
    let last = tokens.last()?;
    if last.token != Token::Close(')') {
        return None;
    }
    let open = (1..tokens.len()).rev().find(|&at| {
        tokens[at].token == Token::Open('(') && end_of(tokens, at) == Some(tokens.len())
    })?;
    let (before, inner) = (&tokens[..open], &tokens[open + 1..tokens.len() - 1]);
    let first = inner.first()?;
    if matches!(
        first.token,
        Token::Or | Token::Order(Order::Approximately | Order::Equal)
    ) {
        return Some(measured(before));
    }
    if let Token::Word(word) = &first.token
        && matches!(
            word.to_lowercase().as_str(),
            "approximately" | "approx" | "about" | "roughly" | "rounded"
        )
    {
        return Some(measured(before));
    }
    if tokens[open].space
        && let (Some(value), Some(again)) = (plain(before), plain(inner))
        && says_again(&value, &again)
    {
        return Some(Some(value));
    }
    let spelled = |tokens: &[Spaced]| {
        let said = prose(tokens)?;
        words::number(&said.split(' ').collect::<Vec<_>>())
    };
    // "seven (7)" says it the other way round.
    let (value, said) = match (spelled(inner), spelled(before)) {
        (Some(said), _) => (measured(before)?, said),
        (None, Some(said)) => (plain(inner)?, said),
        (None, None) => return None,
    };
    let same = matches!(&value, Value::Expr(Expr::Number(own)) | Value::Quantity(Expr::Number(own), _) if *own == said);
    Some(same.then_some(value))
}

/// Is it one number in two forms, of which one is a decimal: 0.5 (1/2)?
fn says_again(value: &Value, again: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Expr(expr) => exact_value(expr, &mut Budget::full()),
        Value::Percent(expr) => Some(exact_value(expr, &mut Budget::full())? / RBig::from(100)),
        _ => None,
    };
    let decimal =
        |value: &Value| matches!(value, Value::Expr(Expr::Decimal { .. }) | Value::Percent(_));
    decimal(value) != decimal(again) && number(value).is_some_and(|own| Some(own) == number(again))
}

#[derive(Default)]
struct UnitReader {
    unit: Unit,
    /// Of "million" and the like.
    scale: Option<RBig>,
}

impl UnitReader {
    /// Words and symbols up to what only describes the thing counted; none if there is something else.
    fn read(&mut self, tokens: &[Spaced]) -> Option<()> {
        let mut sign = 1;
        let mut prefix = 1;
        // Does the next word multiply or divide, or does it describe?
        let mut joined = true;
        let mut at = 0;
        while let Some(spaced) = tokens.get(at) {
            match &spaced.token {
                Token::Word(word) => {
                    let lower = word.to_lowercase();
                    let power = match lower.as_str() {
                        "square" | "sq" => Some(2),
                        "cubic" | "cu" => Some(3),
                        _ => None,
                    };
                    if let Some(power) = power {
                        prefix = power;
                    } else if matches!(lower.as_str(), "squared" | "cubed") {
                        if let Some((_, power)) = self.unit.factors.last_mut() {
                            *power *= if lower == "squared" { 2 } else { 3 };
                        }
                    } else if matches!(lower.as_str(), "per" | "each" | "every" | "a" | "an")
                        && (lower == "per" || !self.unit.is_empty())
                    {
                        (sign, joined) = (-1, true);
                    } else if self.unit.is_empty()
                        && let Some(scale) = words::scale(&lower)
                    {
                        self.scale = Some(self.scale.take().unwrap_or(RBig::ONE) * scale);
                    } else if joined || is_unit(word) && self.known() {
                        self.unit.push(word, sign * prefix);
                        (prefix, joined) = (1, false);
                    } else {
                        return describes(&tokens[at..]);
                    }
                }
                Token::Letter(_) if joined || is_unit(&letters(&tokens[at..])) && self.known() => {
                    let word = letters(&tokens[at..]);
                    at += word.chars().count() - 1;
                    self.unit.push(&word, sign * prefix);
                    (prefix, joined) = (1, false);
                }
                Token::Caret => {
                    let (power, length) = exponent(&tokens[at + 1..])?;
                    at += length;
                    if let Some((_, own)) = self.unit.factors.last_mut() {
                        *own *= power;
                    }
                }
                Token::Slash => (sign, joined) = (-1, true),
                Token::Times => joined = true,
                Token::Frac => {
                    let end = end_of(tokens, at + 1)?;
                    self.read(&tokens[at + 1..end])?;
                    (sign, joined) = (-1, true);
                    at = end - 1;
                }
                Token::OpenGroup
                | Token::CloseGroup
                | Token::Open('(')
                | Token::Close(')')
                | Token::Dot => {}
                _ => return describes(&tokens[at..]),
            }
            at += 1;
        }
        Some(())
    }

    fn known(&self) -> bool {
        self.unit.measure().is_some()
    }
}

/// The letters without space between that tokens start with.
fn letters(tokens: &[Spaced]) -> String {
    let letter = |(place, spaced): (usize, &Spaced)| match spaced.token {
        Token::Letter(c) if place == 0 || !spaced.space => Some(c),
        _ => None,
    };
    tokens.iter().enumerate().map_while(letter).collect()
}

/// A whole power, and how many tokens it takes.
fn exponent(tokens: &[Spaced]) -> Option<(i32, usize)> {
    let braced = tokens.first()?.token == Token::OpenGroup;
    let mut at = usize::from(braced);
    let negative = tokens.get(at)?.token == Token::Minus;
    at += usize::from(negative);
    let Token::Number(literal) = &tokens.get(at)?.token else {
        return None;
    };
    let power: i32 = literal.whole.parse().ok().filter(|power| *power < 10)?;
    at += 1;
    if braced && tokens.get(at)?.token != Token::CloseGroup {
        return None;
    }
    Some((
        if negative { -power } else { power },
        at + usize::from(braced),
    ))
}

/// Is this only prose after a unit?
fn describes(tokens: &[Spaced]) -> Option<()> {
    let fits = |spaced: &Spaced| {
        matches!(
            spaced.token,
            Token::Word(_)
                | Token::Caret
                | Token::Number(_)
                | Token::Slash
                | Token::OpenGroup
                | Token::CloseGroup
                | Token::Open('(')
                | Token::Close(')')
                | Token::Dot
                | Token::Minus
                | Token::Letter(_)
                | Token::Times
                | Token::Prime
        )
    };
    let number_first = matches!(tokens.first()?.token, Token::Number(_));
    (!number_first && tokens.iter().all(fits)).then_some(())
}
