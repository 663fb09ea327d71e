//! Values as text: Python's `str` and `repr`, and its `json.dumps`.

use std::fmt::Write;

use super::value::Value;
use super::{Failure, Meter};

impl Value {
    /// Python's `str`.
    pub(crate) fn write(&self, out: &mut String, meter: &Meter) -> Result<(), Failure> {
        match self {
            Self::Undefined(_) => Ok(()),
            Self::Text(text) => {
                meter.bytes(text.len())?;
                out.push_str(text);
                Ok(())
            }
            _ => self.write_repr(out, meter),
        }
    }

    pub(crate) fn to_text(&self, meter: &Meter) -> Result<String, Failure> {
        let mut out = String::new();
        self.write(&mut out, meter)?;
        Ok(out)
    }

    /// Python's `repr`.
    pub(crate) fn write_repr(&self, out: &mut String, meter: &Meter) -> Result<(), Failure> {
        meter.step()?;
        match self {
            Self::Undefined(_) => out.push_str("Undefined"),
            Self::None => out.push_str("None"),
            Self::Bool(true) => out.push_str("True"),
            Self::Bool(false) => out.push_str("False"),
            Self::Int(number) => out.push_str(&number.to_string()),
            Self::Float(number) => out.push_str(&float(*number)),
            Self::Text(text) => {
                meter.bytes(text.len())?;
                quoted(text, out);
            }
            Self::List(items) => listed(&items.items, ["[", "]"], out, meter)?,
            Self::Tuple(items) if items.items.len() == 1 => {
                listed(&items.items, ["(", ",)"], out, meter)?;
            }
            Self::Tuple(items) => listed(&items.items, ["(", ")"], out, meter)?,
            Self::View(name, items) => {
                out.push_str(name);
                listed(&items.items, ["([", "])"], out, meter)?;
            }
            Self::Dict(mapping) => {
                out.push('{');
                for (index, (key, value)) in mapping.entries.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    key.write_repr(out, meter)?;
                    out.push_str(": ");
                    value.write_repr(out, meter)?;
                }
                out.push('}');
            }
            Self::Range(range) => {
                let _ = write!(out, "range({}, {}", range.start, range.stop);
                if range.step != 1 {
                    let _ = write!(out, ", {}", range.step);
                }
                out.push(')');
            }
            Self::Macro(closure) => {
                let _ = write!(out, "<Macro '{}'>", closure.code.name);
            }
            Self::Generator(_) | Self::Object(_) | Self::Method(..) | Self::Function(_) => {
                let _ = write!(out, "<{}>", self.kind());
            }
        }
        Ok(())
    }
}

fn listed(
    items: &[Value],
    [open, close]: [&str; 2],
    out: &mut String,
    meter: &Meter,
) -> Result<(), Failure> {
    out.push_str(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        item.write_repr(out, meter)?;
    }
    out.push_str(close);
    Ok(())
}

/// The shortest digits that give the number again, with an exponent where Python writes one.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = number.to_string();
    if plain.contains('.') {
        plain
    } else {
        plain + ".0"
    }
}

pub(crate) fn is_printable(c: char) -> bool {
    // After a letter, so that what combines with one counts as printable.
    c == '\'' || c == '"' || c == '\\' || {
        let text = String::from_iter(['a', c]);
        text.escape_debug().count() == 2
    }
}

fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// The arguments of `json.dumps` that templates may give.
pub(crate) struct Json {
    pub(crate) ascii: bool,
    /// What each level is indented by; on one line without.
    pub(crate) indent: Option<String>,
    /// Between items, and between a key and its value.
    pub(crate) separators: [String; 2],
    pub(crate) sorted: bool,
}

impl Json {
    pub(crate) fn write(
        &self,
        value: &Value,
        level: usize,
        out: &mut String,
        meter: &Meter,
    ) -> Result<(), Failure> {
        meter.step()?;
        match value {
            Value::None => out.push_str("null"),
            Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::Float(number) => out.push_str(&json_float(*number)),
            Value::Text(text) => {
                meter.bytes(text.len())?;
                self.quoted(text, out);
            }
            Value::List(items) | Value::Tuple(items) => {
                self.items(['[', ']'], &items.items, level, out, meter, |item, out| {
                    self.write(item, level + 1, out, meter)
                })?;
            }
            Value::Dict(mapping) => {
                let mut entries: Vec<&(Value, Value)> = mapping.entries.iter().collect();
                if self.sorted {
                    super::filters::sort_by(&mut entries, |(key, _)| key, meter)?;
                }
                self.items(
                    ['{', '}'],
                    &entries,
                    level,
                    out,
                    meter,
                    |(key, value), out| {
                        self.key(key, out)?;
                        out.push_str(&self.separators[1]);
                        self.write(value, level + 1, out, meter)
                    },
                )?;
            }
            _ => {
                return Err(Failure::new(format!(
                    "Object of type {} is not JSON serializable",
                    value.kind()
                )));
            }
        }
        Ok(())
    }

    fn items<T>(
        &self,
        [open, close]: [char; 2],
        items: &[T],
        level: usize,
        out: &mut String,
        meter: &Meter,
        mut write: impl FnMut(&T, &mut String) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let line = |level: usize, out: &mut String| {
            if let Some(indent) = &self.indent {
                meter.bytes(indent.len().saturating_mul(level))?;
                out.push('\n');
                out.push_str(&indent.repeat(level));
            }
            Ok(())
        };
        out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push_str(&self.separators[0]);
            }
            line(level + 1, out)?;
            write(item, out)?;
        }
        if !items.is_empty() {
            line(level, out)?;
        }
        out.push(close);
        Ok(())
    }

    fn key(&self, key: &Value, out: &mut String) -> Result<(), Failure> {
        let text = match key {
            Value::Text(text) => text.to_string(),
            Value::None => "null".into(),
            Value::Bool(yes) => yes.to_string(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => json_float(*number),
            _ => {
                return Err(Failure::new(format!(
                    "keys must be str, int, float, bool or None, not {}",
                    key.kind()
                )));
            }
        };
        self.quoted(&text, out);
        Ok(())
    }

    fn quoted(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\x08' => out.push_str("\\b"),
                '\x0c' => out.push_str("\\f"),
                ' '..='~' => out.push(c),
                c if c >= ' ' && !self.ascii => out.push(c),
                c => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(out, "\\u{unit:04x}");
                    }
                }
            }
        }
        out.push('"');
    }
}

fn json_float(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .into()
    } else {
        float(number)
    }
}
