//! Expressions and Python's operators.

use std::cmp::Ordering;

use super::Failure;
use super::arguments::Arguments;
use super::render::Renderer;
use super::syntax::{Argument, Comparison, Expression, Operator, Suffix};
use super::value::Value;
use super::{filters, format, predicates};

type Evaluated<T> = Result<T, Failure>;

impl Renderer<'_> {
    pub(crate) fn evaluate(&mut self, expression: &Expression) -> Evaluated<Value> {
        self.meter.step()?;
        self.deeper(|renderer| renderer.value(expression))
    }

    fn value(&mut self, expression: &Expression) -> Evaluated<Value> {
        match expression {
            Expression::None => Ok(Value::None),
            Expression::Bool(yes) => Ok(Value::Bool(*yes)),
            Expression::Int(number) => Ok(Value::Int(*number)),
            Expression::Float(number) => Ok(Value::Float(*number)),
            Expression::Text(text) => Ok(Value::Text(text.clone())),
            Expression::Name(name) => Ok(self.named(name)),
            Expression::List(items) => {
                let items = self.all(items)?;
                Value::list(items, self.meter)
            }
            Expression::Tuple(items) => {
                let items = self.all(items)?;
                Value::tuple(items, self.meter)
            }
            Expression::Dict(entries) => self.dict(entries),
            Expression::Not(value) => Ok(Value::Bool(!self.evaluate(value)?.is_true())),
            Expression::Negative(value) => {
                let value = self.evaluate(value)?;
                signed(&value, true)
            }
            Expression::Positive(value) => {
                let value = self.evaluate(value)?;
                signed(&value, false)
            }
            Expression::And(parts) => self.first(parts, false),
            Expression::Or(parts) => self.first(parts, true),
            Expression::Compare(first, rest) => self.compare(first, rest),
            Expression::Arithmetic(first, rest) => {
                let mut value = self.evaluate(first)?;
                for (operator, other) in rest {
                    let other = self.evaluate(other)?;
                    value = self.arithmetic(*operator, &value, &other)?;
                }
                Ok(value)
            }
            Expression::Concat(parts) => self.concatenated(parts),
            Expression::Choice(choice) => {
                let (test, value, otherwise) = choice.as_ref();
                if self.evaluate(test)?.is_true() {
                    return self.evaluate(value);
                }
                match otherwise {
                    Some(otherwise) => self.evaluate(otherwise),
                    None => Ok(Value::Undefined(
                        "the condition of an inline if without else does not hold".into(),
                    )),
                }
            }
            Expression::Chain(value, suffixes) => {
                let mut value = self.evaluate(value)?;
                for (line, suffix) in suffixes {
                    self.meter.step()?;
                    value = self.suffix(value, suffix).map_err(|e| e.at(*line))?;
                }
                Ok(value)
            }
        }
    }

    fn named(&mut self, name: &str) -> Value {
        let function = || {
            super::call::FUNCTIONS
                .into_iter()
                .find(|known| *known == name)
        };
        match self.variable(name) {
            Some(value) => value,
            None => match function() {
                Some(function) => Value::Function(function),
                None => Value::undefined(name),
            },
        }
    }

    fn all(&mut self, expressions: &[Expression]) -> Evaluated<Vec<Value>> {
        expressions.iter().map(|item| self.evaluate(item)).collect()
    }

    fn dict(&mut self, entries: &[(Expression, Expression)]) -> Evaluated<Value> {
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            pairs.push((self.evaluate(key)?, self.evaluate(value)?));
        }
        Value::dict(pairs, self.meter)
    }

    /// The first value that is true, or not; else the last.
    fn first(&mut self, parts: &[Expression], truth: bool) -> Evaluated<Value> {
        let mut value = Value::None;
        for part in parts {
            value = self.evaluate(part)?;
            if value.is_true() == truth {
                break;
            }
        }
        Ok(value)
    }

    fn concatenated(&mut self, parts: &[Expression]) -> Evaluated<Value> {
        let mut text = String::new();
        for part in parts {
            let value = self.evaluate(part)?;
            value.write(&mut text, self.meter)?;
        }
        Ok(Value::text(text))
    }

    fn compare(
        &mut self,
        first: &Expression,
        rest: &[(Comparison, Expression)],
    ) -> Evaluated<Value> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(right)?;
            let meter = self.meter;
            let order = |sign| left.order(&right, sign, meter);
            let holds = match comparison {
                Comparison::Equal => left.equals(&right, meter)?,
                Comparison::Unequal => !left.equals(&right, meter)?,
                Comparison::In => right.contains(&left, meter)?,
                Comparison::NotIn => !right.contains(&left, meter)?,
                Comparison::Less => order("<")? == Some(Ordering::Less),
                Comparison::Greater => order(">")? == Some(Ordering::Greater),
                Comparison::LessOrEqual => {
                    matches!(order("<=")?, Some(Ordering::Less | Ordering::Equal))
                }
                Comparison::GreaterOrEqual => {
                    matches!(order(">=")?, Some(Ordering::Greater | Ordering::Equal))
                }
            };
            if !holds {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    pub(crate) fn suffix(&mut self, value: Value, suffix: &Suffix) -> Evaluated<Value> {
        match suffix {
            Suffix::Attribute(name) => self.attribute(&value, name),
            Suffix::Item(key) => {
                let key = self.evaluate(key)?;
                self.item(&value, &key)
            }
            Suffix::Slice(bounds) => {
                let mut places = [None; 3];
                for (place, bound) in places.iter_mut().zip(bounds.iter()) {
                    let Some(bound) = bound else { continue };
                    *place = match self.evaluate(bound)? {
                        Value::None => None,
                        bound => Some(super::arguments::int(&bound)?),
                    };
                }
                value.slice(places, self.meter)
            }
            Suffix::Call(arguments) => {
                let arguments = self.arguments(arguments)?;
                self.call(&value, arguments)
            }
            Suffix::Filter(name, arguments) => {
                let arguments = self.arguments(arguments)?;
                filters::apply(self, name, value, arguments)
            }
            Suffix::Test(name, arguments, negated) => {
                let arguments = self.arguments(arguments)?;
                let holds = predicates::holds(self.meter, name, &value, arguments)?;
                Ok(Value::Bool(holds != *negated))
            }
        }
    }

    pub(crate) fn arguments(&mut self, arguments: &[Argument]) -> Evaluated<Arguments> {
        let mut given = Arguments::default();
        for argument in arguments {
            match argument {
                Argument::Plain(value) => given.positional.push(self.evaluate(value)?),
                Argument::Named(name, value) => {
                    let value = self.evaluate(value)?;
                    given.named.push((name.clone(), value));
                }
                Argument::Spread(items) => {
                    let items = self.evaluate(items)?;
                    given.positional.extend(items.iterate(self.meter)?);
                }
                Argument::SpreadNamed(mapping) => {
                    let Value::Dict(mapping) = self.evaluate(mapping)? else {
                        return Err(Failure::new("argument after ** must be a mapping"));
                    };
                    for (key, value) in &mapping.entries {
                        let Value::Text(key) = key else {
                            return Err(Failure::new("keywords must be strings"));
                        };
                        given.named.push((key.clone(), value.clone()));
                    }
                }
            }
        }
        Ok(given)
    }

    /// A call whose callee may call `caller`.
    pub(crate) fn call_with_caller(
        &mut self,
        call: &Expression,
        caller: Value,
    ) -> Evaluated<Value> {
        let Expression::Chain(value, suffixes) = call else {
            return Err(Failure::new("expected a call"));
        };
        let mut value = self.evaluate(value)?;
        for (index, (line, suffix)) in suffixes.iter().enumerate() {
            value = match suffix {
                Suffix::Call(arguments) if index + 1 == suffixes.len() => {
                    let mut arguments = self.arguments(arguments)?;
                    arguments.named.push(("caller".into(), caller.clone()));
                    self.call(&value, arguments)
                }
                suffix => self.suffix(value, suffix),
            }
            .map_err(|e| e.at(*line))?;
        }
        Ok(value)
    }

    pub(crate) fn add(&self, left: &Value, right: &Value) -> Evaluated<Value> {
        self.arithmetic(Operator::Add, left, right)
    }

    fn arithmetic(&self, operator: Operator, left: &Value, right: &Value) -> Evaluated<Value> {
        let meter = self.meter;
        left.defined()?;
        match (operator, left, right) {
            (Operator::Modulo, Value::Text(text), _) => {
                return format::percent(text, right, meter).map(Value::text);
            }
            (_, _, Value::Undefined(_)) => right.defined()?,
            (Operator::Add, Value::Text(a), Value::Text(b)) => {
                meter.bytes(a.len() + b.len())?;
                return Ok(Value::text([a.as_ref(), b.as_ref()].concat()));
            }
            (Operator::Add, Value::List(a), Value::List(b)) => {
                meter.items(a.items.len() + b.items.len())?;
                return Value::list([a.items.as_slice(), &b.items].concat(), meter);
            }
            (Operator::Add, Value::Tuple(a), Value::Tuple(b)) => {
                meter.items(a.items.len() + b.items.len())?;
                return Value::tuple([a.items.as_slice(), &b.items].concat(), meter);
            }
            (Operator::Multiply, many, times) | (Operator::Multiply, times, many)
                if matches!(many, Value::Text(_) | Value::List(_) | Value::Tuple(_))
                    && times.int().is_some() =>
            {
                let times = super::arguments::width(times)?;
                return match many {
                    Value::Text(text) => {
                        meter.bytes(text.len().saturating_mul(times))?;
                        Ok(Value::text(text.repeat(times)))
                    }
                    Value::List(items) => {
                        meter.items(items.items.len().saturating_mul(times))?;
                        Value::list(repeated(&items.items, times), meter)
                    }
                    Value::Tuple(items) => {
                        meter.items(items.items.len().saturating_mul(times))?;
                        Value::tuple(repeated(&items.items, times), meter)
                    }
                    _ => Ok(Value::None),
                };
            }
            _ => {}
        }
        if let (Some(a), Some(b)) = (left.int(), right.int()) {
            return whole(operator, a, b);
        }
        if let (Some(a), Some(b)) = (left.float(), right.float()) {
            return floating(operator, a, b);
        }
        let sign = match operator {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::DivideFloor => "//",
            Operator::Modulo => "%",
            Operator::Power => "** or pow()",
        };
        Err(Failure::new(match (operator, left) {
            (Operator::Add, Value::Text(_)) => {
                format!("can only concatenate str (not \"{}\") to str", right.kind())
            }
            _ => format!(
                "unsupported operand type(s) for {sign}: '{}' and '{}'",
                left.kind(),
                right.kind()
            ),
        }))
    }
}

fn repeated(items: &[Value], times: usize) -> Vec<Value> {
    (0..times).flat_map(|_| items.iter().cloned()).collect()
}

fn signed(value: &Value, negative: bool) -> Evaluated<Value> {
    value.defined()?;
    let flip = |number: i128| match negative {
        true => number.checked_neg(),
        false => Some(number),
    };
    match (value.int(), value.float()) {
        (Some(number), _) => flip(number).map(Value::Int).ok_or_else(too_large),
        (None, Some(number)) => Ok(Value::Float(if negative { -number } else { number })),
        (None, None) => Err(Failure::new(format!(
            "bad operand type for unary {}: '{}'",
            if negative { '-' } else { '+' },
            value.kind()
        ))),
    }
}

fn too_large() -> Failure {
    Failure::new("a number is too large")
}

fn whole(operator: Operator, a: i128, b: i128) -> Evaluated<Value> {
    let by_zero = matches!(
        operator,
        Operator::Divide | Operator::DivideFloor | Operator::Modulo
    );
    if by_zero && b == 0 {
        return Err(Failure::new("division by zero"));
    }
    // Python rounds quotients down, and a remainder has the divisor's sign.
    let uneven = |remainder: i128| remainder != 0 && (remainder < 0) != (b < 0);
    let value = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide => return Ok(Value::Float(a as f64 / b as f64)),
        Operator::DivideFloor => a
            .checked_div(b)
            .zip(a.checked_rem(b))
            .map(|(quotient, remainder)| quotient - i128::from(uneven(remainder))),
        Operator::Modulo => a
            .checked_rem(b)
            .map(|rest| if uneven(rest) { rest + b } else { rest }),
        Operator::Power if b < 0 => return floating(operator, a as f64, b as f64),
        Operator::Power => match u32::try_from(b) {
            Ok(power) => a.checked_pow(power),
            Err(_) if matches!(a, 0 | 1) => Some(a),
            Err(_) => None,
        },
    };
    value.map(Value::Int).ok_or_else(too_large)
}

fn floating(operator: Operator, a: f64, b: f64) -> Evaluated<Value> {
    let by_zero = matches!(
        operator,
        Operator::Divide | Operator::DivideFloor | Operator::Modulo
    );
    if by_zero && b == 0.0 || operator == Operator::Power && a == 0.0 && b < 0.0 {
        return Err(Failure::new("division by zero"));
    }
    Ok(Value::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        // From what is left over, which is exact where the quotient is not.
        Operator::DivideFloor => ((a - left_over(a, b)) / b).round(),
        Operator::Modulo => left_over(a, b),
        Operator::Power => a.powf(b),
    }))
}

/// With the divisor's sign, as Python has it.
fn left_over(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}
