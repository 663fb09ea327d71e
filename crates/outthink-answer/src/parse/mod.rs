//! Text to a typed answer. Total: what cannot be read is an answer too, equal to itself alone.
//!
//! From the outside in: a list of items, an item of sides, a side of sets, a set of expressions.

mod expression;
mod list;
mod quantity;
mod single;
mod slices;
mod special;
mod system;

use dashu_ratio::RBig;

use crate::expr::Expr;
use crate::grid::grid;
use crate::lex::{fold, tokenize};
use crate::token::{Order, Repeats, Spaced, Spelling, Thousands, Token};
use crate::unit::Unit;
use crate::value::{Answer, Combination, Relation, Value};
use crate::words::{self, Stock};
use list::{list, spread};
use quantity::{compound, symbolic};
use single::{angle_brackets, reversed_brackets, single};
use slices::{outside, peel, split, trim};
use special::{choice, date, numbered, prose, time};
use system::{system, without_brace};

/// Longest answer that is read, in bytes; longer ones are compared as they stand.
const LONGEST: usize = 1 << 13;

/// Deepest nesting of lists, sets and brackets.
const DEEPEST: usize = 16;

impl Answer {
    /// Is it written with the same, spaces and punctuation around aside?
    pub(crate) fn is_written_like(&self, other: &Self) -> bool {
        let (own, other) = (trim(&self.tokens), trim(&other.tokens));
        let same = |(a, b): (&Spaced, &Spaced)| a.token == b.token;
        !own.is_empty() && own.len() == other.len() && own.iter().zip(other).all(same)
    }

    /// Reads an answer as it stands inside of `\boxed{}`: LaTeX, Unicode or plain text.
    pub fn parse(text: &str) -> Self {
        let text = without_emphasis(text);
        let mut answer = Self {
            readings: Vec::new(),
            plain: text.to_owned(),
            tokens: Vec::new(),
            spelled: false,
            attached: false,
        };
        // Rows of digits are neither numbers nor a product of them.
        if text.len() <= LONGEST
            && let Some(cells) = grid(text)
        {
            answer.readings.push(Value::Grid(cells));
            return answer;
        }
        let folded = fold(text);
        let Some(lexed) = (text.len() <= LONGEST)
            .then(|| tokenize(&folded, Spelling::USUAL))
            .flatten()
        else {
            answer.readings.push(Value::Unread(unspaced(text)));
            return answer;
        };
        let tokens = trim(&lexed.tokens);
        if tokens.iter().all(|spaced| says_nothing(&spaced.token)) {
            return answer;
        }
        let readings = &mut answer.readings;
        let mut last = read(tokens, 0);
        let bracketed = matches!(
            tokens[0].token,
            Token::Open(_) | Token::OpenSet | Token::OpenAngle
        );
        let separately = Spelling {
            thousands: Thousands::Separate,
            ..Spelling::USUAL
        };
        if lexed.ambiguity.comma
            && (bracketed || !lexed.ambiguity.padded)
            && let Some(separate) = tokenize(&folded, separately)
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
        let time = time(tokens);
        readings.extend(date(tokens));
        // 9:05 is no ratio.
        let padded = |spaced: &Spaced| matches!(&spaced.token, Token::Number(literal) if literal.whole.starts_with('0'));
        let clock = time.is_some() && tokens[1..].iter().any(padded);
        readings.extend(time);
        readings.extend(last.filter(|last| !(clock && matches!(last, Value::Ratio(_)))));
        if let Some((quantity, apart)) = symbolic(tokens) {
            readings.push(quantity);
            answer.attached = !apart;
        }
        if lexed.ambiguity.repeats {
            let written = Spelling {
                repeats: Repeats::Written,
                ..Spelling::USUAL
            };
            readings
                .extend(tokenize(&folded, written).and_then(|lexed| read(trim(&lexed.tokens), 0)));
        }
        if let Some(text) = prose(tokens) {
            let letter = |spaced: &Spaced| matches!(spaced.token, Token::Letter(_));
            answer.spelled = tokens.iter().all(letter);
            say(text, readings);
        }
        if readings.is_empty() {
            readings.push(match numbered(tokens) {
                Some(text) => Value::Text(text),
                None => Value::Unread(unspaced(text)),
            });
        }
        answer.tokens = lexed.tokens;
        answer
    }
}

/// Without the stars of Markdown around.
fn without_emphasis(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let inner = text.trim_end_matches('.');
        let inner = ["**", "__", "*", "_", "'"].into_iter().find_map(|mark| {
            let inner = inner.strip_prefix(mark)?.strip_suffix(mark)?;
            (!inner.is_empty() && !inner.contains(mark)).then_some(inner.trim())
        });
        match inner {
            Some(inner) => text = inner,
            None => return text,
        }
    }
}

/// What prose may mean.
fn say(text: String, readings: &mut Vec<Value>) {
    let words: Vec<&str> = text.split(' ').collect();
    readings.extend(words::number(&words).map(|number| Value::Expr(Expr::Number(number))));
    // "eight days"
    let quantity = (1..words.len()).rev().find_map(|cut| {
        let number = words::whole_number(&words[..cut])?;
        let mut unit = Unit::of(words[cut]);
        for word in &words[cut + 1..] {
            unit.factors.push(((*word).to_owned(), 1));
        }
        Some(Value::Quantity(Expr::Number(RBig::from(number)), unit))
    });
    readings.extend(quantity);
    match words::stock_phrase(&text.to_lowercase()) {
        Some(Stock::Reals) => readings.push(Value::Reals),
        Some(Stock::Nothing) => readings.push(Value::Set(Vec::new())),
        Some(Stock::Said(phrase)) => readings.push(Value::Text(phrase.into())),
        None => {}
    }
    readings.push(Value::Text(text));
}

/// Punctuation, and marks that stand for something left out: `...`, `{,}`, `___`.
fn says_nothing(token: &Token) -> bool {
    matches!(
        token,
        Token::Dot
            | Token::Ellipsis
            | Token::Comma
            | Token::Semicolon
            | Token::Colon
            | Token::Row
            | Token::Minus
            | Token::Underscore
            | Token::OpenGroup
            | Token::CloseGroup
    )
}

fn unspaced(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Any answer.
fn read(tokens: &[Spaced], depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let mut tokens = peel(trim(without_brace(tokens)));
    // What an implication comes to is the answer.
    if let Some(&place) = outside(tokens, |token| *token == Token::Implies)?.last() {
        tokens = peel(trim(&tokens[place + 1..]));
    }
    if let Some(value) = reversed_brackets(tokens, depth)
        .or_else(|| angle_brackets(tokens, depth))
        .or_else(|| system(tokens, depth))
    {
        return Some(value);
    }
    let separates = |token: &Token| {
        matches!(
            token,
            Token::Comma | Token::Semicolon | Token::And | Token::Or | Token::Row
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
        _ => Some(compound(&items).unwrap_or_else(|| list(items, or, and))),
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
    const LEADS: [&str; 24] = [
        "about",
        "approximately",
        "approx",
        "roughly",
        "exactly",
        "the",
        "final",
        "correct",
        "answer",
        "so",
        "therefore",
        "thus",
        "hence",
        "of",
        "total",
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
