//! What a function, a filter or a method is called with.

use std::sync::Arc;

use super::Failure;
use super::value::Value;

#[derive(Clone, Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Vec<Value>,
    pub(crate) named: Vec<(Arc<str>, Value)>,
}

impl Arguments {
    /// Arguments by the names of the parameters of `what`, in their order; one too many is an error.
    pub(crate) fn of<const N: usize>(
        self,
        what: &str,
        names: [&str; N],
    ) -> Result<[Option<Value>; N], Failure> {
        if self.positional.len() > N {
            return Err(Failure::new(format!(
                "{what} takes at most {N} arguments ({} given)",
                self.positional.len()
            )));
        }
        let mut values = [const { None }; N];
        for (place, value) in values.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let Some(index) = names.iter().position(|known| *known == name.as_ref()) else {
                return Err(Failure::new(format!(
                    "{what} got an unexpected keyword argument '{name}'"
                )));
            };
            if values[index].replace(value).is_some() {
                return Err(Failure::new(format!(
                    "{what} got multiple values for argument '{name}'"
                )));
            }
        }
        Ok(values)
    }

    /// The first argument, by place.
    pub(crate) fn shift(&mut self) -> Option<Value> {
        match self.positional.is_empty() {
            true => None,
            false => Some(self.positional.remove(0)),
        }
    }

    /// Takes an argument out by its name.
    pub(crate) fn pop(&mut self, name: &str) -> Option<Value> {
        let index = self
            .named
            .iter()
            .position(|(known, _)| known.as_ref() == name)?;
        Some(self.named.remove(index).1)
    }
}

/// A text that was asked for.
pub(crate) fn text(value: &Value) -> Result<&str, Failure> {
    value.defined()?;
    value
        .str()
        .ok_or_else(|| Failure::new(format!("expected str, got {}", value.kind())))
}

/// A whole number that was asked for.
pub(crate) fn int(value: &Value) -> Result<i128, Failure> {
    value.defined()?;
    value.int().ok_or_else(|| {
        Failure::new(format!(
            "'{}' object cannot be interpreted as an integer",
            value.kind()
        ))
    })
}

/// A width, which is never negative.
pub(crate) fn width(value: &Value) -> Result<usize, Failure> {
    Ok(usize::try_from(int(value)?.max(0)).unwrap_or(usize::MAX))
}

/// None for Python's `None` and for what was not given.
pub(crate) fn given(value: Option<Value>) -> Option<Value> {
    value.filter(|value| !matches!(value, Value::None))
}
