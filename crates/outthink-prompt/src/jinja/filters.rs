//! Jinja's filters.

use std::cmp::Ordering;

use super::arguments::{Arguments, given, int, text, width};
use super::methods::{self, strip};
use super::render::Renderer;
use super::value::Value;
use super::written::Json;
use super::{Failure, Meter, format, predicates};

pub(crate) const NAMES: [&str; 45] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "wordcount",
];

type Filtered = Result<Value, Failure>;

/// Applies a filter by its name.
pub(crate) fn apply(
    renderer: &mut Renderer<'_>,
    name: &str,
    value: Value,
    arguments: Arguments,
) -> Filtered {
    let meter = renderer.meter;
    meter.step()?;
    match name {
        // What is false has no items here, `none` included.
        "map" | "select" | "reject" | "selectattr" | "rejectattr" if !value.is_true() => {
            return Value::generator(Vec::new(), meter);
        }
        "map" => return renderer.deeper(|renderer| map(renderer, &value, arguments)),
        "select" | "reject" | "selectattr" | "rejectattr" => {
            return select(renderer, name, &value, arguments);
        }
        "sort" | "min" | "max" | "unique" | "groupby" | "dictsort" | "sum" => {
            return ordering(renderer, name, &value, arguments);
        }
        "join" | "attr" => {}
        _ => return plain(meter, name, &value, arguments),
    }
    if name == "attr" {
        let [attribute] = arguments.of(name, ["name"])?;
        let attribute = attribute.unwrap_or(Value::None);
        // Attributes alone, not entries.
        return match &value {
            Value::Dict(_) if !methods::has(&value, text(&attribute)?) => {
                Ok(Value::undefined(text(&attribute)?))
            }
            _ => renderer.attribute(&value, text(&attribute)?),
        };
    }
    let [separator, attribute] = arguments.of(name, ["d", "attribute"])?;
    let separator = separator.map_or(Ok(String::new()), |value| value.to_text(meter))?;
    let mut out = String::new();
    for (index, item) in value.iterate(meter)?.iter().enumerate() {
        if index > 0 {
            meter.bytes(separator.len())?;
            out.push_str(&separator);
        }
        match given(attribute.clone()) {
            Some(path) => pick(renderer, item, &path)?.write(&mut out, meter)?,
            None => item.write(&mut out, meter)?,
        }
    }
    Ok(Value::text(out))
}

/// The value at a path of attributes, as `name.0.more`.
fn pick(renderer: &mut Renderer<'_>, item: &Value, path: &Value) -> Filtered {
    let Value::Text(path) = path else {
        return renderer.item(item, path);
    };
    let mut value = item.clone();
    for part in path.split('.') {
        let key = match part.parse() {
            Ok(index) if part.bytes().all(|byte| byte.is_ascii_digit()) => Value::Int(index),
            _ => Value::text(part),
        };
        value = renderer.item(&value, &key)?;
    }
    Ok(value)
}

fn map(renderer: &mut Renderer<'_>, value: &Value, mut arguments: Arguments) -> Filtered {
    let meter = renderer.meter;
    let attribute = arguments.pop("attribute");
    let default = arguments.pop("default");
    let filter = arguments.shift();
    let mut items = Vec::new();
    for item in value.iterate(meter)? {
        let mapped = match (&attribute, &filter) {
            (Some(path), _) => match (pick(renderer, &item, path)?, &default) {
                (Value::Undefined(_), Some(default)) => default.clone(),
                (picked, _) => picked,
            },
            (None, Some(filter)) => {
                let arguments = arguments.clone();
                apply(renderer, text(filter)?, item, arguments)?
            }
            (None, None) => return Err(Failure::new("map requires a filter argument")),
        };
        items.push(mapped);
    }
    Value::generator(items, meter)
}

fn select(
    renderer: &mut Renderer<'_>,
    name: &str,
    value: &Value,
    mut arguments: Arguments,
) -> Filtered {
    let meter = renderer.meter;
    let path = match name.ends_with("attr") {
        true => Some(
            arguments
                .shift()
                .ok_or_else(|| Failure::new("missing parameter for attribute name"))?,
        ),
        false => None,
    };
    let test = arguments.shift();
    let mut items = Vec::new();
    for item in value.iterate(meter)? {
        let tested = match &path {
            Some(path) => pick(renderer, &item, path)?,
            None => item.clone(),
        };
        let holds = match &test {
            Some(test) => predicates::holds(meter, text(test)?, &tested, arguments.clone())?,
            None => tested.is_true(),
        };
        if holds == name.starts_with("select") {
            items.push(item);
        }
    }
    Value::generator(items, meter)
}

/// Sorts by Python's order, stably; the standard library's sort may panic where the order is none, as with NaN.
pub(crate) fn sort_by<T>(
    items: &mut Vec<T>,
    key: impl Fn(&T) -> &Value,
    meter: &Meter,
) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    let mut width = 1;
    while width < order.len() {
        let mut merged = Vec::with_capacity(order.len());
        for run in order.chunks(2 * width) {
            let (mut left, mut right) = run.split_at(width.min(run.len()));
            while let ([a, after_a @ ..], [b, after_b @ ..]) = (left, right) {
                let later = key(&items[*b]).order(key(&items[*a]), "<", meter)?;
                if later == Some(Ordering::Less) {
                    merged.push(*b);
                    right = after_b;
                } else {
                    merged.push(*a);
                    left = after_a;
                }
            }
            merged.extend(left.iter().chain(right));
        }
        order = merged;
        width *= 2;
    }
    let mut places: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.into_iter().filter_map(|index| places[index].take()));
    Ok(())
}

/// Filters that compare items, or an attribute of each, texts without their case unless it is asked for.
fn ordering(
    renderer: &mut Renderer<'_>,
    name: &str,
    value: &Value,
    arguments: Arguments,
) -> Filtered {
    let meter = renderer.meter;
    let is = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let (mut reverse, mut cased, mut path, mut by, mut start, mut default) = Default::default();
    match name {
        "sort" => {
            [reverse, cased, path] =
                arguments.of(name, ["reverse", "case_sensitive", "attribute"])?;
        }
        "dictsort" => {
            [cased, by, reverse] = arguments.of(name, ["case_sensitive", "by", "reverse"])?;
        }
        "groupby" => {
            [path, default, cased] =
                arguments.of(name, ["attribute", "default", "case_sensitive"])?;
        }
        "sum" => [path, start] = arguments.of(name, ["attribute", "start"])?,
        _ => [cased, path] = arguments.of(name, ["case_sensitive", "attribute"])?,
    }
    let items = match (name, value) {
        ("dictsort", Value::Dict(mapping)) => {
            let pairs = mapping.entries.iter();
            let pairs = pairs.map(|(k, v)| Value::tuple(vec![k.clone(), v.clone()], meter));
            path = Some(Value::Int(i128::from(
                by.is_some_and(|by| by.str() == Some("value")),
            )));
            pairs.collect::<Result<_, _>>()?
        }
        ("dictsort", _) => return Err(Failure::new("dictsort needs a mapping")),
        _ => value.iterate(meter)?,
    };
    let cased = is(cased) || name == "sum";
    let fold = |value: Value| match &value {
        Value::Text(text) if !cased => Value::text(text.to_lowercase()),
        _ => value,
    };
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let key = match given(path.clone()) {
            // One attribute or several, with commas between them; what none has is in no order.
            Some(Value::Text(paths)) if name == "sort" => {
                let mut keys = Vec::new();
                for path in paths.split(',') {
                    keys.push(fold(pick(renderer, &item, &Value::text(path))?));
                }
                Value::tuple(keys, meter)?
            }
            Some(path) => match (pick(renderer, &item, &path)?, given(default.clone())) {
                (Value::Undefined(_), Some(default)) => fold(default),
                (picked, _) => fold(picked),
            },
            None => fold(item.clone()),
        };
        meter.bytes(key.str().map_or(0, str::len))?;
        keyed.push((key, item));
    }
    match name {
        "sum" => {
            let mut total = start.unwrap_or(Value::Int(0));
            for (key, _) in keyed {
                total = renderer.add(&total, &key)?;
            }
            return Ok(total);
        }
        "unique" => {
            let mut seen: Vec<(Value, Value)> = Vec::new();
            'items: for (key, item) in keyed {
                for (known, _) in &seen {
                    if known.equals(&key, meter)? {
                        continue 'items;
                    }
                }
                seen.push((key, item));
            }
            return Value::generator(seen.into_iter().map(|(_, item)| item).collect(), meter);
        }
        _ => {}
    }
    let turned = is(reverse);
    if turned {
        keyed.reverse();
    }
    sort_by(&mut keyed, |(key, _)| key, meter)?;
    if turned {
        keyed.reverse();
    }
    let none = || Value::Undefined("No aggregated item, sequence was empty.".into());
    match name {
        "min" => Ok(keyed.into_iter().next().map_or_else(none, |(_, item)| item)),
        "max" => {
            // Of several largest, the first.
            let Some((largest, _)) = keyed.last().cloned() else {
                return Ok(none());
            };
            for (key, item) in keyed {
                if key.equals(&largest, meter)? {
                    return Ok(item);
                }
            }
            Ok(none())
        }
        "groupby" => {
            let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
            for (key, item) in keyed {
                match groups.last_mut() {
                    Some((known, members)) if known.equals(&key, meter)? => members.push(item),
                    _ => groups.push((key, vec![item])),
                }
            }
            let mut pairs = Vec::new();
            for (key, members) in groups {
                // The group is called as its first member calls it.
                let key = match (path.clone(), members.first()) {
                    (Some(path), Some(first)) if key.str().is_some() => {
                        match pick(renderer, first, &path)? {
                            Value::Undefined(_) => key,
                            name => name,
                        }
                    }
                    _ => key,
                };
                let members = Value::list(members, meter)?;
                pairs.push(Value::tuple(vec![key, members], meter)?);
            }
            Value::list(pairs, meter)
        }
        _ => Value::list(keyed.into_iter().map(|(_, item)| item).collect(), meter),
    }
}

/// Filters of a value and their arguments alone.
fn plain(meter: &Meter, name: &str, value: &Value, arguments: Arguments) -> Filtered {
    let written = || value.to_text(meter);
    Ok(match name {
        "tojson" => return tojson(meter, value, arguments),
        "default" | "d" => {
            let [default, boolean] = arguments.of(name, ["default_value", "boolean"])?;
            let boolean = boolean.is_some_and(|boolean| boolean.is_true());
            if matches!(value, Value::Undefined(_)) || boolean && !value.is_true() {
                default.unwrap_or_else(|| Value::text(""))
            } else {
                value.clone()
            }
        }
        "length" | "count" => {
            arguments.of(name, [])?;
            Value::from(value.len()?)
        }
        "string" => Value::text(written()?),
        "safe" => Value::text(written()?),
        "e" | "escape" | "forceescape" => Value::text(escaped(&written()?, meter)?),
        "upper" => Value::text(written()?.to_uppercase()),
        "lower" => Value::text(written()?.to_lowercase()),
        "capitalize" => Value::text(methods::capitalized(&written()?)),
        "title" => Value::text(titled(&written()?)),
        "trim" => {
            let [chars] = arguments.of(name, ["chars"])?;
            let chars = given(chars);
            let chars = chars.as_ref().map(text).transpose()?;
            let written = written()?;
            Value::text(strip(&written, chars, true, true))
        }
        "center" => {
            let [to] = arguments.of(name, ["width"])?;
            let to = to.map_or(Ok(80), |to| width(&to))?;
            Value::text(methods::padded(&written()?, to, ' ', '^', meter)?)
        }
        "indent" => {
            let [indent, first, blank] = arguments.of(name, ["width", "first", "blank"])?;
            let is = |value: Option<Value>| value.is_some_and(|value| value.is_true());
            let indent = match indent.unwrap_or(Value::Int(4)) {
                Value::Text(text) => text.to_string(),
                columns => {
                    let columns = width(&columns)?;
                    meter.bytes(columns)?;
                    " ".repeat(columns)
                }
            };
            Value::text(indented(
                text(value)?,
                &indent,
                is(first),
                is(blank),
                meter,
            )?)
        }
        "replace" => {
            let [old, new, count] = arguments.of(name, ["s", "old", "count"])?;
            let text = |value: Option<Value>| value.unwrap_or(Value::None).to_text(meter);
            let count = given(count).map(|count| int(&count)).transpose()?;
            Value::text(methods::replaced(
                &written()?,
                &text(old)?,
                &text(new)?,
                count,
                meter,
            )?)
        }
        "format" => {
            let given = match arguments.named.is_empty() {
                true => Value::tuple(arguments.positional, meter)?,
                false => {
                    let named = arguments.named.into_iter();
                    let named = named.map(|(name, value)| (Value::Text(name), value));
                    Value::dict(named, meter)?
                }
            };
            Value::text(format::percent(&written()?, &given, meter)?)
        }
        "wordcount" => {
            let written = written()?;
            let words = written.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            Value::from(words.filter(|word| !word.is_empty()).count())
        }
        "striptags" => Value::text(striptags(&written()?)),
        "truncate" => {
            let [length, killwords, end, leeway] =
                arguments.of(name, ["length", "killwords", "end", "leeway"])?;
            let length = length.map_or(Ok(255), |length| width(&length))?;
            let leeway = given(leeway).map_or(Ok(5), |leeway| width(&leeway))?;
            let end = end.map_or(Ok("...".to_owned()), |end| end.to_text(meter))?;
            let whole = written()?;
            if whole.chars().count() <= length.saturating_add(leeway) {
                return Ok(Value::text(whole));
            }
            let kept = length.saturating_sub(end.chars().count());
            let cut: String = whole.chars().take(kept).collect();
            let cut = match killwords.is_some_and(|kills| kills.is_true()) {
                true => cut.as_str(),
                false => cut
                    .rsplit_once(' ')
                    .map_or(cut.as_str(), |(words, _)| words),
            };
            Value::text(format!("{cut}{end}"))
        }
        "urlencode" => {
            let quoted = |text: &str, kept: &[u8]| {
                let byte = |byte: u8| match byte {
                    b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
                    byte if byte.is_ascii_alphanumeric() || kept.contains(&byte) => {
                        char::from(byte).to_string()
                    }
                    byte => format!("%{byte:02X}"),
                };
                text.bytes().map(byte).collect::<String>()
            };
            Value::text(quoted(&written()?, b"/"))
        }
        "list" => Value::list(value.iterate(meter)?, meter)?,
        "items" => match value {
            Value::Undefined(_) => Value::generator(Vec::new(), meter)?,
            Value::Dict(mapping) => {
                let pairs = mapping.entries.iter();
                let pairs = pairs.map(|(k, v)| Value::tuple(vec![k.clone(), v.clone()], meter));
                Value::generator(pairs.collect::<Result<_, _>>()?, meter)?
            }
            _ => return Err(Failure::new("Can only get item pairs from a mapping.")),
        },
        "first" => {
            let first = match value {
                Value::Generator(generator) => generator.next(),
                Value::Text(_) | Value::List(_) | Value::Tuple(_) | Value::Range(_) => value.at(0),
                _ => value.iterate(meter)?.into_iter().next(),
            };
            first.unwrap_or_else(|| Value::Undefined("No first item, sequence was empty.".into()))
        }
        "last" => {
            let last = match value {
                Value::List(_) | Value::Tuple(_) | Value::Range(_) => value.at(-1),
                _ => value.iterate(meter)?.pop(),
            };
            last.unwrap_or_else(|| Value::Undefined("No last item, sequence was empty.".into()))
        }
        "reverse" => match value {
            Value::Text(text) => {
                meter.items(text.len())?;
                Value::text(text.chars().rev().collect::<String>())
            }
            _ => {
                let mut items = value.iterate(meter)?;
                items.reverse();
                Value::generator(items, meter)?
            }
        },
        "batch" | "slice" => return grouped(meter, name, value, arguments),
        "abs" => match value {
            Value::Float(number) => Value::Float(number.abs()),
            _ => Value::Int(int(value)?.saturating_abs()),
        },
        "int" => {
            let [default, base] = arguments.of(name, ["default", "base"])?;
            let base = base.map_or(Ok(10), |base| int(&base))?;
            whole(value, base).unwrap_or_else(|| default.unwrap_or(Value::Int(0)))
        }
        "float" => {
            let [default] = arguments.of(name, ["default"])?;
            let number = match value {
                Value::Text(text) => methods::parse_float(text),
                _ => value.float(),
            };
            number.map_or_else(|| default.unwrap_or(Value::Float(0.0)), Value::Float)
        }
        "round" => {
            let [precision, method] = arguments.of(name, ["precision", "method"])?;
            let precision = precision.map_or(Ok(0), |precision| int(&precision))?;
            let method = method.map_or(Ok("common".to_owned()), |method| method.to_text(meter))?;
            return rounded(value, precision, &method);
        }
        _ => return Err(Failure::new(format!("no filter named '{name}'"))),
    })
}

fn tojson(meter: &Meter, value: &Value, arguments: Arguments) -> Filtered {
    let [ascii, indent, separators, sorted] = arguments.of(
        "tojson",
        ["ensure_ascii", "indent", "separators", "sort_keys"],
    )?;
    let is = |value: Option<Value>| value.is_some_and(|value| value.is_true());
    let indent = match given(indent) {
        None => None,
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(columns) => {
            let columns = width(&columns)?;
            meter.bytes(columns)?;
            Some(" ".repeat(columns))
        }
    };
    let separators = match given(separators) {
        Some(pair) => {
            let pair = pair.iterate(meter)?;
            let [items, keys] = pair.as_slice() else {
                return Err(Failure::new("separators are two texts"));
            };
            [text(items)?.to_owned(), text(keys)?.to_owned()]
        }
        None if indent.is_some() => [",".into(), ": ".into()],
        None => [", ".into(), ": ".into()],
    };
    let json = Json {
        ascii: is(ascii),
        indent,
        separators,
        sorted: is(sorted),
    };
    let mut out = String::new();
    json.write(value, 0, &mut out, meter)?;
    meter.bytes(out.len())?;
    Ok(Value::text(out))
}

fn escaped(text: &str, meter: &Meter) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    meter.bytes(out.len())?;
    Ok(out)
}

/// Jinja's own: words begin after white space, hyphens and opening brackets.
fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        match begins {
            true => out.extend(c.to_uppercase()),
            false => out.extend(c.to_lowercase()),
        }
        begins = super::lexer::is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn indented(
    text: &str,
    indent: &str,
    first: bool,
    blank: bool,
    meter: &Meter,
) -> Result<String, Failure> {
    let mut out = String::new();
    let whole = format!("{text}\n");
    for (index, line) in methods::lines(&whole, false).into_iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if index == 0 && first || index > 0 && (blank || !line.is_empty()) {
            meter.bytes(indent.len())?;
            out.push_str(indent);
        }
        meter.bytes(line.len())?;
        out.push_str(line);
    }
    Ok(out)
}

fn striptags(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        kept.push_str(&rest[..at]);
        let close = match rest[at..].starts_with("<!--") {
            true => rest[at..].find("-->").map(|end| end + 3),
            false => rest[at..].find('>').map(|end| end + 1),
        };
        let Some(close) = close else {
            kept.push_str(&rest[at..]);
            rest = "";
            break;
        };
        rest = &rest[at + close..];
    }
    kept.push_str(rest);
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn grouped(meter: &Meter, name: &str, value: &Value, arguments: Arguments) -> Filtered {
    let [count, fill] = arguments.of(name, ["count", "fill_with"])?;
    let count = width(&count.unwrap_or(Value::None))?;
    if count == 0 {
        return Err(Failure::new(format!("{name}: groups of nothing")));
    }
    let fill = given(fill);
    let items = value.iterate(meter)?;
    let mut groups = Vec::new();
    if name == "batch" {
        for chunk in items.chunks(count) {
            let mut group = chunk.to_vec();
            if let Some(fill) = &fill {
                meter.items(count)?;
                group.resize(count, fill.clone());
            }
            groups.push(Value::list(group, meter)?);
        }
    } else {
        meter.items(count)?;
        let (each, more) = (items.len() / count, items.len() % count);
        let mut items = items.into_iter();
        for index in 0..count {
            let longer = usize::from(index < more);
            let mut group: Vec<Value> = items.by_ref().take(each + longer).collect();
            if longer == 0 {
                group.extend(fill.clone());
            }
            groups.push(Value::list(group, meter)?);
        }
    }
    Value::generator(groups, meter)
}

/// As Python's `int` reads it; a text of another number is cut to a whole one.
fn whole(value: &Value, base: i128) -> Option<Value> {
    let cut = |number: f64| {
        let fits = number.is_finite() && number.abs() < 1e38;
        fits.then_some(number as i128)
    };
    let number = match value {
        Value::Text(text) => {
            methods::parse_int(text, base).or_else(|| methods::parse_float(text).and_then(cut))
        }
        Value::Float(number) => cut(*number),
        _ => value.int(),
    };
    number.map(Value::Int)
}

/// To an even number where two are as near, as Python rounds.
fn rounded(value: &Value, precision: i128, method: &str) -> Filtered {
    let number = value
        .float()
        .ok_or_else(|| Failure::new(format!("type {} cannot be rounded", value.kind())))?;
    let digits = precision.clamp(-300, 300) as i32;
    let number = match method {
        "ceil" => (number * 10f64.powi(digits)).ceil() / 10f64.powi(digits),
        "floor" => (number * 10f64.powi(digits)).floor() / 10f64.powi(digits),
        // Digits of what the number is exactly, as Python's rounding goes by them too.
        _ if digits >= 0 => {
            let text = format!("{number:.*}", digits as usize);
            text.parse().unwrap_or(number)
        }
        _ => {
            let unit = 10f64.powi(-digits);
            (number / unit).round_ties_even() * unit
        }
    };
    Ok(match value.int() {
        Some(_) if method == "common" => Value::Int(number as i128),
        _ => Value::Float(number),
    })
}
