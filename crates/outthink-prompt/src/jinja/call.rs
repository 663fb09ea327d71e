//! Attributes, items and calls.

use super::Failure;
use super::arguments::{Arguments, given, int, text};
use super::date::strftime;
use super::methods;
use super::render::{Loop, Object, Renderer};
use super::value::{Range, Value};

/// What every template can call.
pub(crate) const FUNCTIONS: [&str; 7] = [
    "range",
    "dict",
    "namespace",
    "cycler",
    "joiner",
    "raise_exception",
    "strftime_now",
];

/// As Jinja's sandbox has it.
const LONGEST_RANGE: usize = 100_000;

type Called<T> = Result<T, Failure>;

impl Renderer<'_> {
    /// `value.name`
    pub(crate) fn attribute(&mut self, value: &Value, name: &str) -> Called<Value> {
        value.defined()?;
        if let Value::Object(number) = value {
            let missing = || Value::Undefined(format!("object has no attribute '{name}'").into());
            return Ok(self.of_object(*number, name).unwrap_or_else(missing));
        }
        if let (Value::Macro(closure), "name") = (value, name) {
            return Ok(Value::Text(closure.code.name.clone()));
        }
        if methods::has(value, name) {
            return Ok(Value::Method(Box::new(value.clone()), name.into()));
        }
        if name.starts_with("__") || methods::changes(value, name) {
            return Ok(Value::Undefined(
                format!(
                    "access to attribute '{name}' of '{}' object is unsafe.",
                    value.kind()
                )
                .into(),
            ));
        }
        let missing = || {
            let why = format!("'{} object' has no attribute '{name}'", value.kind());
            Value::Undefined(why.into())
        };
        Ok(value.named(name).unwrap_or_else(missing))
    }

    /// `value[key]`
    pub(crate) fn item(&mut self, value: &Value, key: &Value) -> Called<Value> {
        value.defined()?;
        if let (Value::Text(text), Some(_)) = (value, key.int()) {
            self.meter.bytes(text.len())?;
        }
        let found = match value {
            Value::Dict(_) => value.entry(key, self.meter)?,
            _ => key.int().and_then(|index| value.at(index)),
        };
        match (found, key) {
            (Some(found), _) => Ok(found),
            (None, Value::Text(name)) => self.attribute(value, name),
            (None, _) => {
                let mut why = format!("{} object has no element ", value.kind());
                key.write_repr(&mut why, self.meter)?;
                Ok(Value::Undefined(why.into()))
            }
        }
    }

    fn of_object(&self, number: usize, name: &str) -> Option<Value> {
        let method = || Value::Method(Box::new(Value::Object(number)), name.into());
        match self.objects.get(number)? {
            Object::Namespace(names) => {
                let found = names.iter().find(|(known, _)| known.as_ref() == name);
                found.map(|(_, value)| value.clone())
            }
            Object::Loop(it) => match name {
                "cycle" | "changed" => Some(method()),
                _ => it.attribute(name),
            },
            Object::Cycler(items, at) => match name {
                "next" | "reset" => Some(method()),
                "current" => items.get(*at).cloned(),
                _ => None,
            },
            Object::Joiner(..) => None,
        }
    }

    pub(crate) fn call(&mut self, callee: &Value, arguments: Arguments) -> Called<Value> {
        callee.defined()?;
        match callee {
            Value::Function(name) => self.function(name, arguments),
            Value::Macro(closure) => self.deeper(|renderer| renderer.invoke(closure, arguments)),
            Value::Method(of, name) => match of.as_ref() {
                Value::Object(number) => self.object_method(*number, name, arguments),
                of => methods::call(self.meter, of, name, arguments),
            },
            Value::Object(number) => match self.objects.get_mut(*number) {
                Some(Object::Joiner(separator, used)) => Ok(match std::mem::replace(used, true) {
                    true => separator.clone(),
                    false => Value::text(""),
                }),
                Some(Object::Loop(_)) => self.recurse(*number, arguments),
                _ => Err(Failure::new("object is not callable")),
            },
            _ => Err(Failure::new(format!(
                "'{}' object is not callable",
                callee.kind()
            ))),
        }
    }

    fn object_method(&mut self, number: usize, name: &str, given: Arguments) -> Called<Value> {
        let values = given.positional;
        let meter = self.meter;
        match (self.objects.get_mut(number), name) {
            (Some(Object::Loop(it)), "cycle") => match values.len() {
                0 => Err(Failure::new("no items for cycling given")),
                length => Ok(values[it.index % length].clone()),
            },
            (Some(Object::Loop(it)), "changed") => {
                let mut same = it
                    .last
                    .as_ref()
                    .is_some_and(|last| last.len() == values.len());
                for (a, b) in it.last.iter().flatten().zip(&values) {
                    same = same && a.equals(b, meter)?;
                }
                it.last = Some(values);
                Ok(Value::Bool(!same))
            }
            (Some(Object::Cycler(items, at)), "next") => {
                let item = items.get(*at).cloned().unwrap_or(Value::None);
                *at = (*at + 1) % items.len().max(1);
                Ok(item)
            }
            (Some(Object::Cycler(_, at)), _) => {
                *at = 0;
                Ok(Value::None)
            }
            _ => Err(Failure::new("object is not callable")),
        }
    }

    fn object(&mut self, object: Object) -> Value {
        self.objects.push(object);
        Value::Object(self.objects.len() - 1)
    }

    fn function(&mut self, name: &str, mut arguments: Arguments) -> Called<Value> {
        match name {
            "range" => range(arguments),
            "dict" => self
                .pairs(arguments)
                .and_then(|pairs| Value::dict(pairs, self.meter)),
            "namespace" => {
                let pairs = self.pairs(arguments)?;
                self.meter.items(pairs.len())?;
                let mut names = Vec::new();
                for (key, value) in pairs {
                    names.push((text(&key)?.into(), value));
                }
                Ok(self.object(Object::Namespace(names)))
            }
            "cycler" => Ok(self.object(Object::Cycler(arguments.positional, 0))),
            "joiner" => {
                let separator = arguments.shift().or_else(|| arguments.pop("sep"));
                let separator = separator.unwrap_or_else(|| Value::text(", "));
                Ok(self.object(Object::Joiner(separator, false)))
            }
            "raise_exception" => {
                let [message] = arguments.of(name, ["message"])?;
                let message = message.unwrap_or_else(|| Value::text("it refuses these messages"));
                Err(Failure::refusal(message.to_text(self.meter)?))
            }
            _ => {
                let [format] = arguments.of(name, ["format"])?;
                let missing = || Failure::new("strftime_now needs a format".to_owned());
                let date = strftime(text(&format.ok_or_else(missing)?)?);
                self.meter.bytes(date.len())?;
                Ok(Value::text(date))
            }
        }
    }

    /// What `dict` and `namespace` are made of: a mapping or pairs, and named values.
    fn pairs(&self, mut arguments: Arguments) -> Called<Vec<(Value, Value)>> {
        let mut pairs = Vec::new();
        match arguments.shift() {
            Some(Value::Dict(mapping)) => pairs.extend(mapping.entries.iter().cloned()),
            Some(items) => {
                for item in items.iterate(self.meter)? {
                    let pair = item.iterate(self.meter)?;
                    let [key, value] = <[Value; 2]>::try_from(pair)
                        .map_err(|_| Failure::new("an entry needs a key and a value"))?;
                    pairs.push((key, value));
                }
            }
            None => {}
        }
        let named = arguments.named.into_iter();
        pairs.extend(named.map(|(name, value)| (Value::Text(name), value)));
        Ok(pairs)
    }
}

impl Loop {
    fn attribute(&self, name: &str) -> Option<Value> {
        Some(match name {
            "index" => Value::from(self.index + 1),
            "index0" => Value::from(self.index),
            "first" => Value::Bool(self.index == 0),
            "last" => Value::Bool(self.index + 1 == self.length),
            "length" => Value::from(self.length),
            "revindex" => Value::from(self.length - self.index),
            "revindex0" => Value::from(self.length - self.index - 1),
            "depth" => Value::from(self.depth + 1),
            "depth0" => Value::from(self.depth),
            "previtem" => {
                let before = self.index.checked_sub(1);
                let item = before.and_then(|index| self.items.get(index).cloned());
                item.unwrap_or_else(|| Value::Undefined("there is no previous item".into()))
            }
            "nextitem" => {
                let item = self.items.get(self.index + 1).cloned();
                item.unwrap_or_else(|| Value::Undefined("there is no next item".into()))
            }
            _ => return None,
        })
    }
}

fn range(arguments: Arguments) -> Called<Value> {
    let [start, stop, step] = arguments.of("range", ["start", "stop", "step"])?;
    let number = |value: Option<Value>, or: i128| {
        let value = given(value).map_or(Ok(or), |value| int(&value))?;
        // What two such numbers come to is still a number.
        i64::try_from(value)
            .map(i128::from)
            .map_err(|_| Failure::new("a number is too large"))
    };
    let (start, stop) = match (start, stop) {
        (None, _) => return Err(Failure::new("range expected at least 1 argument, got 0")),
        (Some(stop), None) => (0, number(Some(stop), 0)?),
        (Some(start), Some(stop)) => (number(Some(start), 0)?, number(Some(stop), 0)?),
    };
    let step = number(step, 1)?;
    if step == 0 {
        return Err(Failure::new("range() arg 3 must not be zero"));
    }
    let range = Range { start, stop, step };
    if range.len() > LONGEST_RANGE {
        return Err(Failure::new(format!(
            "range too big: a template's may have {LONGEST_RANGE} items"
        )));
    }
    Ok(Value::Range(range))
}
