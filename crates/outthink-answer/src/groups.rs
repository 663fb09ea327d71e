//! Classes of equal answers, for voting.

use std::collections::HashMap;

use crate::constant::may_be_constant;
use crate::equivalent::equivalent;
use crate::evaluate::Budget;
use crate::expr::Expr;
use crate::identity::signature;
use crate::real_set::RealSet;
use crate::value::{Answer, Value};

/// Groups a stream of answers. An answer is compared only with the classes whose numbers are near its own, so the work
/// grows with the number of answers, not with its square.
#[derive(Debug, Default)]
pub struct AnswerGroups {
    /// The first answer of each class.
    classes: Vec<Answer>,
    /// Classes by the signature of a reading.
    near: HashMap<Key, Vec<usize>>,
    /// Texts that were seen before, and their class.
    seen: HashMap<String, Option<usize>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Number(i64),
    Word(String),
    Other,
}

/// Where a reading is filed. Equal answers share one such place at least.
enum Place {
    Number(f64),
    Word(String),
    Other,
}

impl Place {
    fn key(&self) -> Key {
        match self {
            // Nine digits of the mantissa, so to speak: cells of equal width in log scale.
            Self::Number(number) if *number == 0.0 => Key::Number(0),
            Self::Number(number) => {
                let place = number.abs().max(1e-250).ln() * 1e9;
                Key::Number((place as i64).wrapping_mul(2) + i64::from(*number < 0.0) + 4)
            }
            Self::Word(word) => Key::Word(word.clone()),
            Self::Other => Key::Other,
        }
    }

    /// Where its equals may be: numbers are cut into cells, and one near an edge may have its equals next door.
    fn near(&self) -> Vec<Key> {
        match self.key() {
            Key::Number(cell) => vec![
                Key::Number(cell),
                Key::Number(cell.wrapping_sub(2)),
                Key::Number(cell.wrapping_add(2)),
            ],
            key => vec![key],
        }
    }
}

impl AnswerGroups {
    /// No answers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The class of an answer, numbered by first appearance; none for an empty answer.
    pub fn insert(&mut self, text: &str) -> Option<usize> {
        if let Some(class) = self.seen.get(text) {
            return *class;
        }
        let class = self.classify(text);
        self.seen.insert(text.to_owned(), class);
        class
    }

    fn classify(&mut self, text: &str) -> Option<usize> {
        let answer = Answer::parse(text);
        if answer.is_empty() {
            return None;
        }
        let places: Vec<Place> = answer.readings.iter().flat_map(places).collect();
        let mut candidates: Vec<usize> = places
            .iter()
            .flat_map(Place::near)
            .filter_map(|key| self.near.get(&key))
            .flatten()
            .copied()
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let equal = |class: &usize| {
            let first = &self.classes[*class];
            equivalent(first, &answer).equal || equivalent(&answer, first).equal
        };
        if let Some(class) = candidates.into_iter().find(equal) {
            return Some(class);
        }
        let class = self.classes.len();
        for place in places {
            let classes = self.near.entry(place.key()).or_default();
            if classes.last() != Some(&class) {
                classes.push(class);
            }
        }
        self.classes.push(answer);
        Some(class)
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

/// The places of a reading: more than one where conventions make it equal to different things.
fn places(value: &Value) -> Vec<Place> {
    let mut budget = Budget::full();
    let mut numbers = Vec::new();
    let mut other = false;
    match value {
        Value::Text(text) => return vec![Place::Word(text.to_lowercase())],
        Value::Choice(letter) => return vec![Place::Word(letter.to_string())],
        Value::Expr(Expr::Symbol(name)) if name.len() == 1 => {
            return vec![Place::Word(name.to_ascii_uppercase())];
        }
        // Constants of integration may have any letter and size.
        Value::Expr(expr) if expr.variables().iter().any(|name| may_be_constant(name)) => {
            other = true
        }
        // Half a percent is 0.5 %, 0.5 and 0.005.
        Value::Percent(expr) => {
            let number = signature(expr, &mut budget);
            numbers.extend([number, number.map(|number| number / 100.0)]);
        }
        Value::Quantity(expr, unit) => {
            let number = signature(expr, &mut budget);
            let size = unit.measure().map(|(_, size)| size.to_f64().value());
            let radians = unit.is("degree").then_some(std::f64::consts::PI / 180.0);
            numbers.push(number);
            numbers.extend(size.or(radians).map(|size| Some(number? * size)));
            numbers.extend(radians.map(|radians| Some(number? * radians)));
        }
        Value::Ratio(pair) if pair.len() == 2 => {
            let quotient = Expr::Divide(Box::new([pair[0].clone(), pair[1].clone()]));
            numbers.push(signature(&quotient, &mut budget));
        }
        // y = 1/x is 1/x, and xy = 1.
        Value::Relation(..) => {
            numbers.push(number(value, &mut budget));
            other = true;
        }
        value => numbers.push(number(value, &mut budget)),
    }
    let mut places: Vec<Place> = numbers
        .into_iter()
        .flatten()
        .filter(|number| number.is_finite())
        .map(Place::Number)
        .collect();
    if other || places.is_empty() {
        places.push(Place::Other);
    }
    places
}

/// A number that equal answers share, nearly.
fn number(value: &Value, budget: &mut Budget) -> Option<f64> {
    let mut all = |items: &[Value]| {
        items
            .iter()
            .map(|item| number(item, budget))
            .sum::<Option<f64>>()
    };
    match value {
        Value::Tuple(items) | Value::Set(items) | Value::List(items) => match items.len() {
            // Repeats do not count in a list; a pair may be an interval.
            0 => Some(0.0),
            1 | 2 => all(items),
            _ => None,
        },
        Value::Expr(expr) | Value::Quantity(expr, _) | Value::Residue(expr, _) => {
            signature(expr, budget)
        }
        Value::Based { digits, .. } => digits.parse().ok(),
        Value::Time(seconds, _) => Some(f64::from(seconds % 43_200)),
        Value::Relation(sides, relations)
            if relations.iter().all(|r| *r == crate::Relation::Equal) =>
        {
            match &sides[..] {
                [Value::Expr(Expr::Symbol(_)), right] => number(right, budget),
                _ => None,
            }
        }
        Value::Interval { .. } | Value::Combined(..) | Value::Relation(..) => {
            Some(RealSet::of(value, budget)?.signature())
        }
        _ => None,
    }
}
