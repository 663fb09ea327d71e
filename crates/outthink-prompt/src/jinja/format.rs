//! `'%s' % value` and `'{}'.format(value)`.

use super::arguments::Arguments;
use super::methods;
use super::spec::{Spec, number};
use super::value::Value;
use super::{Failure, Meter};

/// Python's `%`: a tuple holds several values, a mapping named ones.
pub(crate) fn percent(template: &str, values: &Value, meter: &Meter) -> Result<String, Failure> {
    let mut positional: &[Value] = match values {
        Value::Tuple(items) => &items.items,
        value => std::slice::from_ref(value),
    };
    let mut named = false;
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        meter.bytes(at + super::STEP_BYTES)?;
        rest = &rest[at + 1..];
        let mut next = || {
            let (first, others) = positional
                .split_first()
                .ok_or_else(|| Failure::new("not enough arguments for format string"))?;
            positional = others;
            Ok(first.clone())
        };
        let mut value = None;
        if let Some(after) = rest.strip_prefix('(') {
            let end = after.find(')');
            let end = end.ok_or_else(|| Failure::new("incomplete format key"))?;
            let Value::Dict(_) = values else {
                return Err(Failure::new("format requires a mapping"));
            };
            let key = &after[..end];
            let found = values.named(key);
            value = Some(found.ok_or_else(|| Failure::new(format!("there is no key '{key}'")))?);
            named = true;
            rest = &after[end + 1..];
        }
        let mut spec = Spec {
            align: Some('>'),
            ..Spec::default()
        };
        let mut zero = false;
        while let Some(flag) = rest.chars().next().filter(|c| "#0- +".contains(*c)) {
            match flag {
                '#' => spec.alternate = true,
                '0' => zero = true,
                '-' => spec.align = Some('<'),
                '+' => spec.sign = '+',
                _ if spec.sign != '+' => spec.sign = ' ',
                _ => {}
            }
            rest = &rest[1..];
        }
        let mut size = |rest: &mut &str| match rest.strip_prefix('*') {
            Some(after) => {
                *rest = after;
                super::arguments::width(&next()?).map(Some)
            }
            None => number(rest),
        };
        spec.width = size(&mut rest)?.unwrap_or(0);
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            spec.precision = Some(size(&mut rest)?.unwrap_or(0));
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let Some(kind) = rest.chars().next() else {
            return Err(Failure::new("incomplete format"));
        };
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match value {
            Some(value) => value,
            None => next()?,
        };
        out.push_str(&converted(kind, &value, spec, zero, meter)?);
    }
    out.push_str(rest);
    meter.bytes(out.len())?;
    // Python takes what has items for a mapping, of which nothing needs to be used.
    let mapping = matches!(
        values,
        Value::Dict(_) | Value::List(_) | Value::Range(_) | Value::Undefined(_)
    );
    let unused = !positional.is_empty() && !named && !mapping;
    match unused {
        true => Err(Failure::new(
            "not all arguments converted during string formatting",
        )),
        false => Ok(out),
    }
}

fn converted(
    kind: char,
    value: &Value,
    mut spec: Spec,
    zero: bool,
    meter: &Meter,
) -> Result<String, Failure> {
    let wanted = |what: &str| {
        Err(Failure::new(format!(
            "%{kind} format: {what} is required, not {}",
            value.kind()
        )))
    };
    if zero && spec.align == Some('>') {
        spec.align = Some('=');
        spec.fill = '0';
    }
    match kind {
        's' | 'r' | 'a' => {
            let mut text = String::new();
            match kind {
                's' => value.write(&mut text, meter)?,
                _ => value.write_repr(&mut text, meter)?,
            }
            if spec.align == Some('=') {
                spec.align = Some('>');
                spec.fill = ' ';
            }
            spec.text(&text, meter)
        }
        'c' => {
            let text = match value {
                Value::Text(text) if text.chars().count() == 1 => text.to_string(),
                _ => {
                    let code = value.int().and_then(|code| u32::try_from(code).ok());
                    match code.and_then(char::from_u32) {
                        Some(c) => c.to_string(),
                        None => return wanted("an integer or a character"),
                    }
                }
            };
            spec.precision = None;
            if spec.align == Some('=') {
                spec.align = Some('>');
                spec.fill = ' ';
            }
            spec.text(&text, meter)
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let number = match (kind, value) {
                ('d' | 'i' | 'u', Value::Float(number)) => Some(*number as i128),
                _ => value.int(),
            };
            let Some(number) = number else {
                return wanted("a real number");
            };
            spec.kind = Some(if matches!(kind, 'i' | 'u') { 'd' } else { kind });
            // Here a precision is the least number of digits.
            if let Some(digits) = spec.precision.take() {
                let mut inner = spec.clone();
                inner.width = 0;
                let text = inner.apply(&Value::Int(number), meter)?;
                let (sign, rest) = match text.strip_prefix(['-', '+', ' ']) {
                    Some(rest) => text.split_at(text.len() - rest.len()),
                    None => ("", text.as_str()),
                };
                let least = match spec.align {
                    Some('=') => digits.max(spec.width.saturating_sub(sign.len())),
                    _ => digits,
                };
                let text = methods::padded(rest, least, '0', '>', meter)?;
                return spec.text(&format!("{sign}{text}"), meter);
            }
            spec.apply(&Value::Int(number), meter)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(number) = value.float() else {
                return match value {
                    Value::Text(_) => wanted("a real number"),
                    _ => wanted("a number"),
                };
            };
            spec.kind = Some(kind);
            spec.float(number, meter)
        }
        _ => Err(Failure::new(format!(
            "unsupported format character '{kind}'"
        ))),
    }
}

/// Python's `format`.
pub(crate) fn braces(
    template: &str,
    arguments: &Arguments,
    meter: &Meter,
) -> Result<String, Failure> {
    let mut fields = Fields { arguments, next: 0 };
    let text = fields.fill(template, 0, meter)?;
    meter.bytes(text.len())?;
    Ok(text)
}

struct Fields<'a> {
    arguments: &'a Arguments,
    /// The argument of the next field without a name.
    next: usize,
}

impl Fields<'_> {
    fn fill(&mut self, template: &str, level: usize, meter: &Meter) -> Result<String, Failure> {
        if level > 1 {
            return Err(Failure::new("Max string recursion exceeded"));
        }
        let mut out = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            meter.bytes(at + super::STEP_BYTES)?;
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if after.starts_with(brace) {
                out.push_str(brace);
                rest = &after[1..];
                continue;
            }
            if brace == "}" {
                return Err(Failure::new("Single '}' encountered in format string"));
            }
            let mut open = 1;
            let end = after.find(|c| {
                open += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                open == 0
            });
            let end = end.ok_or_else(|| Failure::new("expected '}' before end of string"))?;
            out.push_str(&self.field(&after[..end], level, meter)?);
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// `name.attribute[key]!conversion:specification`
    fn field(&mut self, field: &str, level: usize, meter: &Meter) -> Result<String, Failure> {
        let mut within = false;
        let ends = field.find(|c| {
            within = (within || c == '[') && c != ']';
            !within && (c == '!' || c == ':')
        });
        let (path, mut rest) = field.split_at(ends.unwrap_or(field.len()));
        let value = self.value(path, meter)?;
        let mut conversion = None;
        if let Some(after) = rest.strip_prefix('!') {
            conversion = after.chars().next();
            rest = &after[conversion.map_or(0, char::len_utf8)..];
        }
        let spec = match rest.strip_prefix(':') {
            Some(spec) if spec.contains('{') => self.fill(spec, level + 1, meter)?,
            Some(spec) => spec.to_owned(),
            None if rest.is_empty() => String::new(),
            None => return Err(Failure::new("expected ':' after conversion specifier")),
        };
        let value = match conversion {
            None => value,
            Some('s') => Value::text(value.to_text(meter)?),
            Some('r' | 'a') => {
                let mut text = String::new();
                value.write_repr(&mut text, meter)?;
                Value::text(text)
            }
            Some(_) => return Err(Failure::new("Unknown conversion specifier")),
        };
        if spec.is_empty() {
            return value.to_text(meter);
        }
        Spec::parse(&spec)?.apply(&value, meter)
    }

    fn value(&mut self, path: &str, meter: &Meter) -> Result<Value, Failure> {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        let (name, mut rest) = path.split_at(end);
        let positional = &self.arguments.positional;
        let mut value = if name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit()) {
            let index = match name.parse() {
                Ok(index) => index,
                Err(_) => {
                    self.next += 1;
                    self.next - 1
                }
            };
            positional.get(index).cloned().ok_or_else(|| {
                Failure::new(format!(
                    "Replacement index {index} out of range for positional args tuple"
                ))
            })?
        } else {
            let mut named = self.arguments.named.iter();
            let found = named.find(|(known, _)| known.as_ref() == name);
            found
                .map(|(_, value)| value.clone())
                .ok_or_else(|| Failure::new(format!("there is no key '{name}'")))?
        };
        while !rest.is_empty() {
            meter.step()?;
            let key = if let Some(after) = rest.strip_prefix('[') {
                let end = after.find(']');
                let end = end.ok_or_else(|| Failure::new("Missing ']' in format string"))?;
                rest = &after[end + 1..];
                &after[..end]
            } else {
                let after = rest.strip_prefix('.').unwrap_or(rest);
                let end = after.find(['.', '[']).unwrap_or(after.len());
                rest = &after[end..];
                &after[..end]
            };
            let found = match key.parse::<i128>() {
                Ok(index) if !matches!(value, Value::Dict(_)) => value.at(index),
                Ok(index) => value.entry(&Value::Int(index), meter)?,
                Err(_) => value.named(key),
            };
            value = found.ok_or_else(|| Failure::new(format!("there is no key '{key}'")))?;
        }
        Ok(value)
    }
}
