//! Jinja's tests: what stands after `is`.

use std::cmp::Ordering;

use super::arguments::Arguments;
use super::value::Value;
use super::{Failure, Meter, filters};

pub(crate) fn holds(
    meter: &Meter,
    name: &str,
    value: &Value,
    mut arguments: Arguments,
) -> Result<bool, Failure> {
    let argument = arguments.shift();
    let other = || {
        argument
            .clone()
            .ok_or_else(|| Failure::new(format!("test `{name}` needs an argument")))
    };
    let order = |sign| value.order(&other()?, sign, meter);
    let text = || value.to_text(meter);
    Ok(match name {
        "defined" => !matches!(value, Value::Undefined(_)),
        "undefined" => matches!(value, Value::Undefined(_)),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "true" => matches!(value, Value::Bool(true)),
        "false" => matches!(value, Value::Bool(false)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "number" => value.float().is_some(),
        "string" => matches!(value, Value::Text(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "iterable" => value.is_iterable(),
        "sequence" => matches!(
            value,
            Value::Text(_)
                | Value::List(_)
                | Value::Tuple(_)
                | Value::Dict(_)
                | Value::Range(_)
                | Value::Undefined(_)
        ),
        "callable" => matches!(
            value,
            Value::Function(_) | Value::Macro(_) | Value::Method(..) | Value::Undefined(_)
        ),
        "escaped" => false,
        "lower" => cased(&text()?, char::is_lowercase, char::is_uppercase),
        "upper" => cased(&text()?, char::is_uppercase, char::is_lowercase),
        "odd" => remainder(value, &Value::Int(2))? == 1.0,
        "even" => remainder(value, &Value::Int(2))? == 0.0,
        "divisibleby" => remainder(value, &other()?)? == 0.0,
        "in" => other()?.contains(value, meter)?,
        "sameas" => value.kind() == other()?.kind() && value.equals(&other()?, meter)?,
        "eq" | "==" | "equalto" => value.equals(&other()?, meter)?,
        "ne" | "!=" => !value.equals(&other()?, meter)?,
        "lt" | "<" | "lessthan" => order("<")? == Some(Ordering::Less),
        "le" | "<=" => matches!(order("<=")?, Some(Ordering::Less | Ordering::Equal)),
        "gt" | ">" | "greaterthan" => order(">")? == Some(Ordering::Greater),
        "ge" | ">=" => matches!(order(">=")?, Some(Ordering::Greater | Ordering::Equal)),
        "filter" => value
            .str()
            .is_some_and(|name| filters::NAMES.contains(&name)),
        "test" => value.str().is_some_and(|name| NAMES.contains(&name)),
        _ => return Err(Failure::new(format!("no test named '{name}'"))),
    })
}

const NAMES: [&str; 38] = [
    "defined",
    "undefined",
    "none",
    "boolean",
    "true",
    "false",
    "integer",
    "float",
    "number",
    "string",
    "mapping",
    "iterable",
    "sequence",
    "callable",
    "escaped",
    "lower",
    "upper",
    "odd",
    "even",
    "divisibleby",
    "in",
    "sameas",
    "eq",
    "==",
    "equalto",
    "ne",
    "!=",
    "lt",
    "<",
    "lessthan",
    "le",
    "<=",
    "gt",
    ">",
    "greaterthan",
    "ge",
    ">=",
    "test",
];

fn remainder(value: &Value, divisor: &Value) -> Result<f64, Failure> {
    if let (Some(number), Some(divisor)) = (value.int(), divisor.int()) {
        let rest = number.checked_rem_euclid(divisor);
        return rest
            .map(|rest| rest as f64)
            .ok_or_else(|| Failure::new("division by zero"));
    }
    value.defined()?;
    divisor.defined()?;
    let both = value.float().zip(divisor.float());
    let (number, divisor) = both.ok_or_else(|| {
        Failure::new(format!(
            "{} has no remainder by {}",
            value.kind(),
            divisor.kind()
        ))
    })?;
    match divisor == 0.0 {
        true => Err(Failure::new("division by zero")),
        false => Ok(number.rem_euclid(divisor)),
    }
}

/// Letters of one case, at least one, and none of the other.
pub(crate) fn cased(text: &str, one: fn(char) -> bool, other: fn(char) -> bool) -> bool {
    text.chars().any(one) && !text.chars().any(other)
}
