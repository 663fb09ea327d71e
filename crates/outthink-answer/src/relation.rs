//! Equations and inequalities: the same up to a factor, or what they say a name is.

use crate::equivalent::{Comparison, KIND, decided};
use crate::expr::{Expr, Function};
use crate::identity::{Identity, exact_value, identity, proportional, signature};
use crate::value::{Relation, Value};

impl Comparison<'_> {
    pub(crate) fn relations(
        &mut self,
        gold: (&[Value], &[Relation]),
        prediction: (&[Value], &[Relation]),
    ) -> Identity {
        let equations = |relations: &[Relation]| {
            relations
                .iter()
                .all(|relation| *relation == Relation::Equal)
        };
        match (equations(gold.1), equations(prediction.1)) {
            (true, true) => {}
            (false, false) => return self.inequalities(gold, prediction),
            _ => return KIND,
        }
        if let ([Value::Expr(a), Value::Expr(b)], [Value::Expr(c), Value::Expr(d)]) =
            (gold.0, prediction.0)
        {
            let (own, other) = (difference_of(a, b), difference_of(c, d));
            let same = if self.conventions.scaled_equation {
                self.same_solutions(&own, &other)
            } else {
                Some(matches!(
                    identity(&own, &other, &mut self.budget),
                    Identity::Same(_)
                ))
            };
            if same == Some(true) {
                return Identity::Same("equation up to a factor");
            }
        }
        if !self.conventions.other_name {
            return Identity::Different("equation");
        }
        match (
            self.assigned(gold.0, gold.1, true),
            self.assigned(prediction.0, prediction.1, true),
        ) {
            (Some(a), Some(b)) => self.compare(a, b),
            _ => Identity::Different("equation"),
        }
    }

    /// Are two expressions zero in the same places, for all that shows: do they differ by a constant, or by what one of
    /// them divides by? `y = 1/x` is `xy = 1`, but `y = x` is not `y^2 = xy`.
    fn same_solutions(&mut self, a: &Expr, b: &Expr) -> Option<bool> {
        let outcome = proportional(a, b, &mut self.budget);
        if outcome == Some(true) {
            return outcome;
        }
        let mut below: Vec<(Expr, i64)> = Vec::new();
        for expr in [a, b] {
            denominators(expr, &mut below);
        }
        // More than a few is no equation of one answer.
        if below.is_empty() || below.len() > 3 {
            return outcome;
        }
        let most = |power: i64| power.min(4);
        let count: i64 = below
            .iter()
            .map(|(_, power)| 2 * most(*power) + 1)
            .product();
        for number in 0..count {
            let mut number = number;
            let mut factors = vec![a.clone()];
            for (base, power) in &below {
                let width = 2 * most(*power) + 1;
                let power = number % width - most(*power);
                number /= width;
                if power != 0 {
                    factors.push(Expr::Power(Box::new([base.clone(), Expr::integer(power)])));
                }
            }
            if proportional(&Expr::Multiply(factors), b, &mut self.budget) == Some(true) {
                return Some(true);
            }
        }
        outcome
    }

    fn inequalities(
        &mut self,
        gold: (&[Value], &[Relation]),
        prediction: (&[Value], &[Relation]),
    ) -> Identity {
        let whole =
            |side: (&[Value], &[Relation])| Value::Relation(side.0.to_vec(), side.1.to_vec());
        if let Some(outcome) = self.real_sets(&whole(gold), &whole(prediction)) {
            return outcome;
        }
        // In several variables: the same up to a positive factor, the larger side first.
        let normal = |side: (&[Value], &[Relation])| match side {
            ([Value::Expr(a), Value::Expr(b)], [relation]) => match relation {
                Relation::Less | Relation::LessEqual => {
                    Some((difference_of(b, a), relation.flipped()))
                }
                relation => Some((difference_of(a, b), *relation)),
            },
            _ => None,
        };
        let (Some((a, relation)), Some((b, other))) = (normal(gold), normal(prediction)) else {
            return KIND;
        };
        if relation != other {
            return Identity::Different("inequality");
        }
        let same = proportional(&a, &b, &mut self.budget) == Some(true);
        let positive = match (
            signature(&a, &mut self.budget),
            signature(&b, &mut self.budget),
        ) {
            (Some(a), Some(b)) => a * b > 0.0 || relation == Relation::NotEqual,
            _ => return Identity::Unknown,
        };
        decided(same && positive, "inequality up to a factor")
    }

    /// What `x = 5`, `m + n = 73`, `1/2 + 1/3 = 5/6` or `5 = x` says the answer is. Of a gold answer, the other side must
    /// be no more than a name: an equation is not its right side.
    pub(crate) fn assigned<'v>(
        &mut self,
        sides: &'v [Value],
        relations: &[Relation],
        strict: bool,
    ) -> Option<&'v Value> {
        if relations
            .iter()
            .any(|relation| *relation != Relation::Equal)
        {
            return None;
        }
        let [.., left, right] = sides else {
            return None;
        };
        let constant = |value: &Value| match value {
            Value::Expr(expr) | Value::Percent(expr) | Value::Quantity(expr, _) => {
                !expr.make().variables
            }
            _ => false,
        };
        if is_name(right) && constant(left) {
            return Some(left);
        }
        if sides.iter().all(constant) {
            return matches!(self.compare(left, right), Identity::Same(_)).then_some(right);
        }
        // m + n = 0 tells a sum; 2x + 1 = 0 is an equation.
        let zero = matches!(right, Value::Expr(expr) if exact_value(expr, &mut self.budget).is_some_and(|v| v.is_zero()));
        let named = sides.len() > 2 && is_name(&sides[0]);
        let tells = named
            || !strict
                && !constant(left)
                && (!zero || matches!(left, Value::Expr(expr) if names_alone(expr)));
        (tells || is_name(left)).then_some(right)
    }
}

fn difference_of(a: &Expr, b: &Expr) -> Expr {
    Expr::Add(vec![a.clone(), Expr::Negate(Box::new(b.clone()))])
}

/// A variable, a function of one, a tuple of them, or words.
fn is_name(value: &Value) -> bool {
    fn name(expr: &Expr) -> bool {
        match expr {
            Expr::Symbol(name) => !matches!(&**name, "π" | "e" | "i"),
            // f(x), AB, AB/CD, |AB|
            Expr::Multiply(parts) | Expr::Call(Function::Abs, parts) => parts.iter().all(name),
            Expr::Divide(parts) => parts.iter().all(name),
            _ => false,
        }
    }
    match value {
        Value::Expr(expr) => name(expr),
        Value::Ratio(parts) => parts.iter().all(name),
        Value::Tuple(items) => items.iter().all(is_name),
        Value::Text(_) => true,
        _ => false,
    }
}

/// Sums and products of variables without numbers between.
fn names_alone(expr: &Expr) -> bool {
    match expr {
        Expr::Symbol(_) => true,
        Expr::Add(parts) | Expr::Multiply(parts) => parts.iter().all(names_alone),
        _ => false,
    }
}

/// What an expression divides by, with variables in it, and to what power.
fn denominators(expr: &Expr, found: &mut Vec<(Expr, i64)>) {
    fn note(expr: &Expr, power: i64, found: &mut Vec<(Expr, i64)>) {
        match expr {
            Expr::Multiply(parts) => parts.iter().for_each(|part| note(part, power, found)),
            Expr::Power(pair) => match &pair[1] {
                Expr::Number(exponent) if *exponent > 0.into() => {
                    let exponent = exponent.to_string().parse::<i64>().unwrap_or(1);
                    note(&pair[0], power.saturating_mul(exponent), found);
                }
                _ => push(expr, power, found),
            },
            expr => push(expr, power, found),
        }
    }
    fn push(expr: &Expr, power: i64, found: &mut Vec<(Expr, i64)>) {
        if !expr.make().variables {
            return;
        }
        match found.iter_mut().find(|(own, _)| own == expr) {
            Some((_, own)) => *own = (*own).max(power),
            None => found.push((expr.clone(), power)),
        }
    }
    match expr {
        Expr::Divide(pair) => {
            note(&pair[1], 1, found);
            denominators(&pair[0], found);
        }
        Expr::Power(pair) => {
            let negative = match &pair[1] {
                Expr::Negate(power) => Some(&**power),
                _ => None,
            };
            if let Some(Expr::Number(power)) = negative {
                note(
                    &pair[0],
                    power.to_string().parse::<i64>().unwrap_or(1),
                    found,
                );
            }
            denominators(&pair[0], found);
        }
        Expr::Negate(x) => denominators(x, found),
        Expr::Add(parts) | Expr::Multiply(parts) => {
            parts.iter().for_each(|part| denominators(part, found));
        }
        _ => {}
    }
}
