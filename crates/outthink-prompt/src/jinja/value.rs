//! Values, as Python has them. Each container knows how deep it is, so that nothing that walks one can run out of stack.

use std::cell::Cell;
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use super::syntax::Macro;
use super::{Failure, Meter};

/// Deeper containers are refused where they are made.
const DEPTH: usize = 100;

/// What an expression comes to.
#[derive(Clone)]
pub(crate) enum Value {
    /// Nothing of that name; holds what to say if it is used.
    Undefined(Arc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
    List(Rc<Sequence>),
    Tuple(Rc<Sequence>),
    Dict(Rc<Mapping>),
    Range(Range),
    /// `keys`, `values` or `items` of a mapping.
    View(&'static str, Rc<Sequence>),
    /// What `map`, `select` and their like give: true, without a length, and used up by reading it.
    Generator(Rc<Generator>),
    /// A namespace, a loop, a cycler or a joiner: its number among the interpreter's objects.
    Object(usize),
    Macro(Closure),
    /// A method and what it is of.
    Method(Box<Self>, Arc<str>),
    /// A function that every template knows.
    Function(&'static str),
}

/// Items of a list, a tuple or a view.
pub(crate) struct Sequence {
    pub(crate) items: Vec<Value>,
    depth: usize,
}

/// Entries of a dictionary, in the order in which they came.
pub(crate) struct Mapping {
    pub(crate) entries: Vec<(Value, Value)>,
    depth: usize,
}

pub(crate) struct Generator {
    items: Vec<Value>,
    read: Cell<usize>,
    depth: usize,
}

/// A macro, and the scope that it was defined in.
#[derive(Clone)]
pub(crate) struct Closure {
    pub(crate) code: Arc<Macro>,
    pub(crate) scope: usize,
    /// Tells the scope from a later one at its place.
    pub(crate) stamp: u64,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) start: i128,
    pub(crate) stop: i128,
    pub(crate) step: i128,
}

impl Range {
    pub(crate) fn len(self) -> usize {
        let span = if self.step > 0 {
            self.stop - self.start
        } else {
            self.start - self.stop
        };
        let step = self.step.abs();
        usize::try_from((span.max(0) + step - 1) / step).unwrap_or(usize::MAX)
    }

    fn at(self, index: usize) -> Value {
        Value::Int(self.start + self.step * index as i128)
    }
}

impl Generator {
    /// The next item.
    pub(crate) fn next(&self) -> Option<Value> {
        let item = self.items.get(self.read.get()).cloned();
        self.read.set(self.read.get() + 1);
        item
    }
}

fn deeper<'v>(items: impl Iterator<Item = &'v Value>) -> Result<usize, Failure> {
    let depth = 1 + items.map(Value::depth).max().unwrap_or(0);
    if depth > DEPTH {
        return Err(Failure::new("a value is nested too deeply"));
    }
    Ok(depth)
}

impl Value {
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn undefined(name: &str) -> Self {
        Self::Undefined(format!("'{name}' is undefined").into())
    }

    fn sequence(items: Vec<Self>, meter: &Meter) -> Result<Rc<Sequence>, Failure> {
        meter.items(items.len())?;
        let depth = deeper(items.iter())?;
        Ok(Rc::new(Sequence { items, depth }))
    }

    pub(crate) fn list(items: Vec<Self>, meter: &Meter) -> Result<Self, Failure> {
        Ok(Self::List(Self::sequence(items, meter)?))
    }

    pub(crate) fn tuple(items: Vec<Self>, meter: &Meter) -> Result<Self, Failure> {
        Ok(Self::Tuple(Self::sequence(items, meter)?))
    }

    pub(crate) fn view(
        name: &'static str,
        items: Vec<Self>,
        meter: &Meter,
    ) -> Result<Self, Failure> {
        Ok(Self::View(name, Self::sequence(items, meter)?))
    }

    pub(crate) fn generator(items: Vec<Self>, meter: &Meter) -> Result<Self, Failure> {
        meter.items(items.len())?;
        let depth = deeper(items.iter())?;
        let read = Cell::new(0);
        Ok(Self::Generator(Rc::new(Generator { items, read, depth })))
    }

    /// A dictionary; later values of a key replace earlier ones.
    pub(crate) fn dict(
        pairs: impl IntoIterator<Item = (Self, Self)>,
        meter: &Meter,
    ) -> Result<Self, Failure> {
        let mut entries: Vec<(Self, Self)> = Vec::new();
        for (key, value) in pairs {
            if !key.is_hashable() {
                return Err(Failure::new(format!("unhashable type: '{}'", key.kind())));
            }
            meter.items(2 + entries.len() / 8)?;
            let mut place = None;
            for (index, (known, _)) in entries.iter().enumerate() {
                if known.equals(&key, meter)? {
                    place = Some(index);
                    break;
                }
            }
            match place {
                Some(index) => entries[index].1 = value,
                None => entries.push((key, value)),
            }
        }
        let depth = deeper(entries.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Self::Dict(Rc::new(Mapping { entries, depth })))
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(items) | Self::Tuple(items) | Self::View(_, items) => items.depth,
            Self::Dict(mapping) => mapping.depth,
            Self::Generator(generator) => generator.depth,
            Self::Method(of, _) => 1 + of.depth(),
            _ => 0,
        }
    }

    fn is_hashable(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(_) => false,
            Self::Tuple(items) => items.items.iter().all(Self::is_hashable),
            _ => true,
        }
    }

    /// Python's name of the type.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Range(_) => "range",
            Self::View(name, _) => name,
            Self::Generator(_) => "generator",
            Self::Object(_) => "object",
            Self::Macro(_) => "Macro",
            Self::Method(..) => "builtin_function_or_method",
            Self::Function(_) => "function",
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(yes) => *yes,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) | Self::View(_, items) => {
                !items.items.is_empty()
            }
            Self::Dict(mapping) => !mapping.entries.is_empty(),
            Self::Range(range) => range.len() > 0,
            _ => true,
        }
    }

    /// What stands in for a number; a truth value is one.
    pub(crate) fn int(&self) -> Option<i128> {
        match self {
            Self::Bool(yes) => Some(i128::from(*yes)),
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            _ => self.int().map(|number| number as f64),
        }
    }

    pub(crate) fn str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An error for a use that an undefined value does not allow.
    pub(crate) fn defined(&self) -> Result<(), Failure> {
        match self {
            Self::Undefined(why) => Err(Failure::new(why.as_ref())),
            _ => Ok(()),
        }
    }

    pub(crate) fn len(&self) -> Result<usize, Failure> {
        match self {
            Self::Undefined(_) => Ok(0),
            Self::Text(text) => Ok(text.chars().count()),
            Self::List(items) | Self::Tuple(items) | Self::View(_, items) => Ok(items.items.len()),
            Self::Dict(mapping) => Ok(mapping.entries.len()),
            Self::Range(range) => Ok(range.len()),
            _ => Err(Failure::new(format!(
                "object of type '{}' has no len()",
                self.kind()
            ))),
        }
    }

    /// All items; of a text its characters, of a mapping its keys.
    pub(crate) fn iterate(&self, meter: &Meter) -> Result<Vec<Self>, Failure> {
        let items = match self {
            Self::Undefined(_) => Vec::new(),
            Self::Text(text) => {
                meter.items(text.len())?;
                let one = |c: char| Self::text(c.encode_utf8(&mut [0; 4]).to_owned());
                text.chars().map(one).collect()
            }
            Self::List(items) | Self::Tuple(items) | Self::View(_, items) => {
                meter.items(items.items.len())?;
                items.items.clone()
            }
            Self::Dict(mapping) => {
                meter.items(mapping.entries.len())?;
                mapping.entries.iter().map(|(key, _)| key.clone()).collect()
            }
            Self::Range(range) => {
                meter.items(range.len())?;
                (0..range.len()).map(|index| range.at(index)).collect()
            }
            Self::Generator(generator) => std::iter::from_fn(|| generator.next()).collect(),
            _ => {
                return Err(Failure::new(format!(
                    "'{}' object is not iterable",
                    self.kind()
                )));
            }
        };
        Ok(items)
    }

    pub(crate) fn is_iterable(&self) -> bool {
        !matches!(
            self,
            Self::None
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::Object(_)
                | Self::Macro(_)
                | Self::Method(..)
                | Self::Function(_)
        )
    }

    /// The value of a key in a mapping.
    pub(crate) fn entry(&self, key: &Self, meter: &Meter) -> Result<Option<Self>, Failure> {
        let Self::Dict(mapping) = self else {
            return Ok(None);
        };
        meter.items(mapping.entries.len() / 8)?;
        for (known, value) in &mapping.entries {
            if known.equals(key, meter)? {
                return Ok(Some(value.clone()));
            }
        }
        Ok(None)
    }

    /// The value of a text key in a mapping.
    pub(crate) fn named(&self, name: &str) -> Option<Self> {
        let Self::Dict(mapping) = self else {
            return None;
        };
        let mut entries = mapping.entries.iter();
        let found = entries.find(|(key, _)| key.str() == Some(name));
        found.map(|(_, value)| value.clone())
    }

    /// The item at a place, from the end if it is negative; None where there is none.
    pub(crate) fn at(&self, index: i128) -> Option<Self> {
        let length = match self {
            Self::List(_) | Self::Tuple(_) | Self::Range(_) | Self::Text(_) => self.len().ok()?,
            _ => return None,
        };
        let index = if index < 0 {
            index + length as i128
        } else {
            index
        };
        let index = usize::try_from(index).ok()?;
        match self {
            Self::List(items) | Self::Tuple(items) => items.items.get(index).cloned(),
            Self::Range(range) => (index < length).then(|| range.at(index)),
            Self::Text(text) => {
                let c = text.chars().nth(index)?;
                Some(Self::text(c.encode_utf8(&mut [0; 4]).to_owned()))
            }
            _ => None,
        }
    }

    /// Python's slices.
    pub(crate) fn slice(&self, bounds: [Option<i128>; 3], meter: &Meter) -> Result<Self, Failure> {
        let [start, stop, step] = bounds;
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(Failure::new("slice step cannot be zero"));
        }
        if !matches!(
            self,
            Self::Text(_) | Self::List(_) | Self::Tuple(_) | Self::Range(_)
        ) {
            self.defined()?;
            return Err(Failure::new(format!(
                "'{}' object is not subscriptable",
                self.kind()
            )));
        }
        let length = self.len()? as i128;
        let (lowest, highest) = if step > 0 {
            (0, length)
        } else {
            (-1, length - 1)
        };
        let place = |at: i128| {
            let at = if at < 0 {
                at.saturating_add(length)
            } else {
                at
            };
            at.clamp(lowest, highest)
        };
        let first = start.map_or(if step > 0 { lowest } else { highest }, place);
        let last = stop.map_or(if step > 0 { highest } else { lowest }, place);
        // No step within a value is longer than this.
        let step = step.clamp(-length - 1, length + 1);
        let picked = Range {
            start: first,
            stop: last,
            step,
        };
        let places = (0..picked.len()).map(|index| (first + step * index as i128) as usize);
        match self {
            Self::Text(text) => {
                meter.bytes(text.len())?;
                let picked: String = if step == 1 {
                    let from = (last - first).max(0) as usize;
                    text.chars().skip(first as usize).take(from).collect()
                } else {
                    let all: Vec<char> = text.chars().collect();
                    meter.items(all.len())?;
                    places.map(|place| all[place]).collect()
                };
                Ok(Self::text(picked))
            }
            Self::List(items) => {
                let picked = places.map(|place| items.items[place].clone());
                Self::list(picked.collect(), meter)
            }
            Self::Tuple(items) => {
                let picked = places.map(|place| items.items[place].clone());
                Self::tuple(picked.collect(), meter)
            }
            Self::Range(range) => {
                let at = |place: i128| range.start + range.step * place;
                Ok(Self::Range(Range {
                    start: at(first),
                    stop: at(last),
                    step: range.step * step,
                }))
            }
            _ => Ok(self.clone()),
        }
    }

    /// Python's `==`.
    pub(crate) fn equals(&self, other: &Self, meter: &Meter) -> Result<bool, Failure> {
        meter.step()?;
        let same = match (self, other) {
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::Text(a), Self::Text(b)) => {
                meter.bytes(if a.len() == b.len() { a.len() } else { 0 })?;
                a == b
            }
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                if a.items.len() != b.items.len() {
                    return Ok(false);
                }
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(b, meter)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Dict(a), Self::Dict(b)) => {
                if a.entries.len() != b.entries.len() {
                    return Ok(false);
                }
                for (key, value) in &a.entries {
                    match other.entry(key, meter)? {
                        Some(theirs) if value.equals(&theirs, meter)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Self::Range(a), Self::Range(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Function(a), Self::Function(b)) => a == b,
            (Self::Generator(a), Self::Generator(b)) => Rc::ptr_eq(a, b),
            (Self::Macro(a), Self::Macro(b)) => Arc::ptr_eq(&a.code, &b.code),
            (a, b) => match (a.int(), b.int()) {
                (Some(a), Some(b)) => a == b,
                _ => match (a.float(), b.float()) {
                    (Some(a), Some(b)) => a == b,
                    _ => false,
                },
            },
        };
        Ok(same)
    }

    /// Python's order; None for a number that is none.
    pub(crate) fn order(
        &self,
        other: &Self,
        sign: &str,
        meter: &Meter,
    ) -> Result<Option<Ordering>, Failure> {
        meter.step()?;
        if let (Some(a), Some(b)) = (self.int(), other.int()) {
            return Ok(Some(a.cmp(&b)));
        }
        if let (Some(a), Some(b)) = (self.float(), other.float()) {
            return Ok(a.partial_cmp(&b));
        }
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => {
                meter.bytes(a.len().min(b.len()))?;
                Ok(Some(a.cmp(b)))
            }
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                for (a, b) in a.items.iter().zip(&b.items) {
                    if !a.equals(b, meter)? {
                        return a.order(b, sign, meter);
                    }
                }
                Ok(Some(a.items.len().cmp(&b.items.len())))
            }
            _ => {
                self.defined()?;
                other.defined()?;
                Err(Failure::new(format!(
                    "'{sign}' not supported between instances of '{}' and '{}'",
                    self.kind(),
                    other.kind()
                )))
            }
        }
    }

    /// Python's `in`.
    pub(crate) fn contains(&self, item: &Self, meter: &Meter) -> Result<bool, Failure> {
        match self {
            Self::Text(text) => match item {
                Self::Text(part) => {
                    meter.bytes(text.len())?;
                    Ok(text.contains(part.as_ref()))
                }
                _ => {
                    item.defined()?;
                    Err(Failure::new(format!(
                        "'in <string>' requires string as left operand, not {}",
                        item.kind()
                    )))
                }
            },
            Self::Dict(_) if !item.is_hashable() => {
                Err(Failure::new(format!("unhashable type: '{}'", item.kind())))
            }
            Self::Dict(_) => Ok(self.entry(item, meter)?.is_some()),
            _ if !self.is_iterable() => Err(Failure::new(format!(
                "argument of type '{}' is not iterable",
                self.kind()
            ))),
            _ => {
                for known in self.iterate(meter)? {
                    if known.equals(item, meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Int(number as i128)
    }
}
