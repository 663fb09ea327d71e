//! Lists with dots: `1, 2, …, n` is `1, 2, 3, …, n`.

use crate::equivalent::{Comparison, KIND};
use crate::expr::Expr;
use crate::identity::{Identity, exact_value};
use crate::value::Value;

/// Most elements that dots stand for, where they are written out.
const MOST: usize = 1000;
const RULE: &str = "elements with dots between";

/// How the elements of a list follow each other.
enum Rule {
    /// By adding.
    Sum(Expr),
    /// By multiplying.
    Product(Expr),
    /// As the values of the last element's formula: its variable, and its value at the first element.
    Formula(Expr, Box<str>, i64),
    /// By their indices: the letter, the first index, and the last.
    Index(Box<str>, i64, Box<str>),
}

impl Comparison<'_> {
    /// Compares lists, at least one of which has dots.
    pub(crate) fn progressions(&mut self, gold: &[Value], prediction: &[Value]) -> Identity {
        let (Some(own), Some(other)) = (Dotted::of(gold), Dotted::of(prediction)) else {
            // Dots at both ends, or within each other: as they stand.
            return self.in_order(gold, prediction);
        };
        match (own.dots, other.dots) {
            (true, true) => self.dotted(&own, &other),
            (true, false) => match self.written_out(&own) {
                Some(all) => self.in_order(&all, prediction),
                None => KIND,
            },
            _ => match self.written_out(&other) {
                Some(all) => self.in_order(gold, &all),
                None => KIND,
            },
        }
    }

    fn dotted(&mut self, own: &Dotted<'_>, other: &Dotted<'_>) -> Identity {
        if own.last.is_empty() != other.last.is_empty() {
            return Identity::Different(RULE);
        }
        let heads = own.first.len().min(other.first.len());
        let tails = own.last.len().min(other.last.len());
        let ends = |list: &Dotted<'_>| list.last[list.last.len() - tails..].to_vec();
        for (a, b) in [
            (own.first[..heads].to_vec(), other.first[..heads].to_vec()),
            (ends(own), ends(other)),
        ] {
            match self.in_order(&a, &b) {
                Identity::Same(_) => {}
                other => return other,
            }
        }
        if heads == 0 && tails == 0 {
            return Identity::Different(RULE);
        }
        // What one of them writes beyond the other has to follow from the other's elements.
        for (short, long) in [(own, other), (other, own)] {
            let beyond = long.first.len() > short.first.len() || long.last.len() > short.last.len();
            if !beyond {
                continue;
            }
            let Some(rule) = self.rule(short) else {
                return Identity::Different(RULE);
            };
            let follows = (short.first.len()..long.first.len())
                .map(|place| (&long.first[place], place as i64));
            let ends = long.last.len();
            let precedes = (0..ends - short.last.len().min(ends))
                .map(|place| (&long.last[place], place as i64 + 1 - ends as i64));
            let mut all: Vec<(&Value, Option<Expr>)> = Vec::new();
            all.extend(follows.map(|(value, place)| (value, rule.at_start(short.first, place))));
            all.extend(precedes.map(|(value, back)| (value, rule.at_end(long.last, back))));
            for (value, expected) in all {
                let (Value::Expr(value), Some(expected)) = (value, expected) else {
                    return Identity::Different(RULE);
                };
                match self.expressions(&expected, value) {
                    Identity::Same(_) => {}
                    Identity::Different(_) => return Identity::Different(RULE),
                    Identity::Unknown => return Identity::Unknown,
                }
            }
        }
        Identity::Same(RULE)
    }

    /// By what rule a list goes on: its last element's formula if it gives the first ones, else a sum or a product.
    fn rule(&mut self, list: &Dotted<'_>) -> Option<Rule> {
        let exprs: Vec<&Expr> = list
            .first
            .iter()
            .map(|value| match value {
                Value::Expr(expr) => Some(expr),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let first = *exprs.first()?;
        if let (Some(Value::Expr(Expr::Symbol(last))), Expr::Symbol(first)) =
            (list.last.last(), first)
            && let (Some((letter, end)), Some((own, start))) =
                (last.split_once('_'), first.split_once('_'))
        {
            let start = start.parse().ok().filter(|_| letter == own)?;
            return Some(Rule::Index(letter.into(), start, end.into()));
        }
        if let Some(Value::Expr(last)) = list.last.last()
            && let [name] = &last.variables()[..]
        {
            for start in 0..3 {
                let rule = Rule::Formula(last.clone(), name.clone(), start);
                let fits = exprs.iter().enumerate().all(|(place, own)| {
                    rule.at_start(list.first, place as i64)
                        .is_some_and(|value| self.same(&value, own))
                });
                if fits {
                    return Some(rule);
                }
            }
        }
        let step = match exprs.get(1) {
            Some(second) => subtract(second, first),
            None => Expr::integer(1),
        };
        let sum = Rule::Sum(step);
        if self.fits(&sum, list, &exprs) {
            return Some(sum);
        }
        let product = Rule::Product(divide(exprs.get(1)?, first));
        self.fits(&product, list, &exprs).then_some(product)
    }

    /// Does a rule give all elements that are written, and come to the last one?
    fn fits(&mut self, rule: &Rule, list: &Dotted<'_>, exprs: &[&Expr]) -> bool {
        let written = exprs.iter().enumerate().all(|(place, own)| {
            rule.at_start(list.first, place as i64)
                .is_some_and(|value| self.same(&value, own))
        });
        let Some(Value::Expr(last)) = list.last.last() else {
            return written;
        };
        written && (last.make().variables || self.steps(rule, list).is_some())
    }

    /// After how many elements a list of numbers comes to its last one.
    fn steps(&mut self, rule: &Rule, list: &Dotted<'_>) -> Option<usize> {
        let Some(Value::Expr(last)) = list.last.last() else {
            return None;
        };
        if last.make().variables {
            return None;
        }
        (1..=MOST).find(|place| {
            let value = rule.at_start(list.first, *place as i64);
            value.is_some_and(|value| self.same(&value, last))
        })
    }

    /// All elements of a list of numbers.
    fn written_out(&mut self, list: &Dotted<'_>) -> Option<Vec<Value>> {
        let rule = self.rule(list)?;
        let steps = self.steps(&rule, list)?;
        (0..=steps)
            .map(|place| rule.at_start(list.first, place as i64).map(Value::Expr))
            .collect()
    }

    fn same(&mut self, a: &Expr, b: &Expr) -> bool {
        if let (Some(a), Some(b)) = (
            exact_value(a, &mut self.budget),
            exact_value(b, &mut self.budget),
        ) {
            return a == b;
        }
        matches!(self.expressions(a, b), Identity::Same(_))
    }
}

impl Rule {
    /// The element at a place, the first being 0.
    fn at_start(&self, first: &[Value], place: i64) -> Option<Expr> {
        let Some(Value::Expr(start)) = first.first() else {
            return None;
        };
        Some(match self {
            Self::Sum(step) => add(start, &multiply(step, place)),
            Self::Product(factor) => Expr::Multiply(vec![start.clone(), power(factor, place)]),
            Self::Index(letter, start, _) => {
                Expr::Symbol(format!("{letter}_{}", start + place).into())
            }
            Self::Formula(formula, name, at) => {
                formula.substitute(name, &Expr::integer(at + place))
            }
        })
    }

    /// The element at a place counted back from the last, which is 0.
    fn at_end(&self, last: &[Value], back: i64) -> Option<Expr> {
        let Some(Value::Expr(end)) = last.last() else {
            return None;
        };
        Some(match self {
            Self::Sum(step) => add(end, &multiply(step, back)),
            Self::Product(factor) => Expr::Multiply(vec![end.clone(), power(factor, back)]),
            Self::Index(letter, _, end) if back == 0 => {
                Expr::Symbol(format!("{letter}_{end}").into())
            }
            Self::Index(letter, _, end) => Expr::Symbol(format!("{letter}_{end}{back}").into()),
            Self::Formula(formula, name, _) => formula.substitute(
                name,
                &add(&Expr::Symbol(name.clone()), &Expr::integer(back)),
            ),
        })
    }
}

/// A list in front of its dots and behind them.
struct Dotted<'v> {
    first: &'v [Value],
    dots: bool,
    last: &'v [Value],
}

impl<'v> Dotted<'v> {
    /// None with dots in several places.
    fn of(items: &'v [Value]) -> Option<Self> {
        let mut places = (0..items.len()).filter(|&place| items[place] == Value::Ellipsis);
        let place = places.next();
        if places.next().is_some() {
            return None;
        }
        Some(match place {
            Some(place) => Self {
                first: &items[..place],
                dots: true,
                last: &items[place + 1..],
            },
            None => Self {
                first: items,
                dots: false,
                last: &[],
            },
        })
    }
}

fn add(a: &Expr, b: &Expr) -> Expr {
    Expr::Add(vec![a.clone(), b.clone()])
}

fn subtract(a: &Expr, b: &Expr) -> Expr {
    Expr::Add(vec![a.clone(), Expr::Negate(Box::new(b.clone()))])
}

fn multiply(a: &Expr, times: i64) -> Expr {
    Expr::Multiply(vec![a.clone(), Expr::integer(times)])
}

fn divide(a: &Expr, b: &Expr) -> Expr {
    Expr::Divide(Box::new([a.clone(), b.clone()]))
}

fn power(a: &Expr, exponent: i64) -> Expr {
    Expr::Power(Box::new([a.clone(), Expr::integer(exponent)]))
}
