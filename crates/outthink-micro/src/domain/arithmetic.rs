//! `Evaluate $E$.`: one operation a step, leftmost innermost first.

use rand::Rng;

use super::expression::{Expression, Op};
use super::{Level, NotInDomain, Solution};

/// Largest operand of a level's generated expressions.
const LARGEST_OPERAND: [u32; 5] = [12, 20, 40, 60, 99];

/// Problem text of an expression with `level + 1` operations.
pub(super) fn generate(rng: &mut impl Rng, level: Level) -> String {
    let largest = LARGEST_OPERAND[level.index()];
    let expression = loop {
        if let Some(expression) = random(rng, level.number() + 1, largest) {
            break expression;
        }
    };
    format!("Evaluate ${expression}$.")
}

/// The worked solution of a problem text.
pub(super) fn solve(text: &str) -> Result<Solution, NotInDomain> {
    let mut rest = Expression::parse(
        text.strip_prefix("Evaluate $")
            .and_then(|t| t.strip_suffix("$."))
            .ok_or_else(|| NotInDomain::new("not of the form `Evaluate $…$.`".into()))?,
    )?;
    let operations = rest.operations();
    if operations == 0 {
        return Err(NotInDomain::new("nothing to evaluate".into()));
    }
    let mut steps = Vec::with_capacity(operations);
    while let Expression::Binary(..) = rest {
        let (equation, left) = rest
            .reduce()
            .ok_or_else(|| NotInDomain::new("a value leaves the domain".into()))?;
        rest = left;
        steps.push(match rest {
            Expression::Number(_) => format!("${equation}$."),
            Expression::Binary(..) => format!("${equation}$, so ${rest}$."),
        });
    }
    Ok(Solution::new(
        steps,
        rest.to_string(),
        operations.saturating_sub(1),
    ))
}

/// A random tree of exactly `operations` operations whose every value is in the domain and whose products have a
/// one-digit factor; `None` when this draw has none.
fn random(rng: &mut impl Rng, operations: usize, largest: u32) -> Option<Expression> {
    if operations == 0 {
        return Some(Expression::Number(rng.random_range(2..=largest)));
    }
    for _ in 0..50 {
        let on_the_left = rng.random_range(0..operations);
        let mut left = random(rng, on_the_left, largest)?;
        let mut right = random(rng, operations - 1 - on_the_left, largest)?;
        let op = [Op::Add, Op::Sub, Op::Mul][rng.random_range(0..3)];
        if op == Op::Mul {
            let digit = Expression::Number(rng.random_range(2..=9));
            match (&left, &right) {
                (Expression::Number(_), _) if rng.random_bool(0.7) => left = digit,
                (_, Expression::Number(_)) => right = digit,
                _ => {}
            }
        }
        let (a, b) = (left.value()?, right.value()?);
        if op == Op::Mul && !(2..=9).contains(&a.min(b)) {
            continue;
        }
        if op.apply(a, b).is_some() {
            return Some(Expression::binary(op, left, right));
        }
    }
    None
}
