//! Classes of equal answers, for voting.

use std::collections::HashMap;

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
        let keys: Vec<Vec<Key>> = answer.readings.iter().map(keys).collect();
        let mut candidates: Vec<usize> = keys
            .iter()
            .flatten()
            .filter_map(|key| self.near.get(key))
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
        for key in keys.into_iter().filter_map(|keys| keys.into_iter().next()) {
            let classes = self.near.entry(key).or_default();
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

/// Where a reading is filed, and then where else its equals may be: numbers are cut into cells, and one near an edge may
/// have its equals next door.
fn keys(value: &Value) -> Vec<Key> {
    let mut budget = Budget::full();
    match value {
        Value::Text(text) => vec![Key::Word(text.to_lowercase())],
        Value::Choice(letter) => vec![Key::Word(letter.to_string())],
        Value::Expr(Expr::Symbol(name)) if name.len() == 1 => {
            vec![Key::Word(name.to_ascii_uppercase())]
        }
        value => match number(value, &mut budget) {
            Some(number) if number.is_finite() => {
                // Nine digits of the mantissa, so to speak: cells of equal width in log scale.
                let cell = if number == 0.0 {
                    0
                } else {
                    let place = number.abs().max(1e-250).ln() * 1e9;
                    (place as i64).wrapping_mul(2) + i64::from(number < 0.0) + 4
                };
                vec![
                    Key::Number(cell),
                    Key::Number(cell - 2),
                    Key::Number(cell + 2),
                ]
            }
            _ => vec![Key::Other],
        },
    }
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
        Value::Time(minutes, _) => Some(f64::from(minutes % 720)),
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
