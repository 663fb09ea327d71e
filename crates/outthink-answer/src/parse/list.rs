//! Items beside each other: lists, points by name, unions, and the two values of `±`.

use crate::expr::Expr;
use crate::value::{Combination, Relation, Value};

/// Items beside each other.
pub(super) fn list(items: Vec<Value>, or: bool, and: bool) -> Value {
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
pub(super) fn branches(value: Value) -> Vec<Value> {
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

pub(super) fn spread(value: Value) -> Value {
    let mut all = branches(value);
    match (all.len(), all.pop()) {
        (1, Some(only)) => only,
        (_, last) => Value::List(all.into_iter().chain(last).collect()),
    }
}
