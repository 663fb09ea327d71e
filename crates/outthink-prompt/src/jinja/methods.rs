//! Python's methods of texts, and those of other values that change nothing.

use super::arguments::{Arguments, given, int, text, width};
use super::lexer::is_space;
use super::value::Value;
use super::written::is_printable;
use super::{Failure, Meter, format};

const OF_TEXT: [&str; 42] = [
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
];
const OF_TEXT_TOO: [&str; 2] = ["upper", "zfill"];
const OF_DICT: [&str; 5] = ["copy", "get", "items", "keys", "values"];
const CHANGES_DICT: [&str; 5] = ["clear", "pop", "popitem", "setdefault", "update"];
const CHANGES_LIST: [&str; 8] = [
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
];

/// Does a value have a method that a template may call?
pub(crate) fn has(value: &Value, name: &str) -> bool {
    match value {
        Value::Text(_) => OF_TEXT.contains(&name) || OF_TEXT_TOO.contains(&name),
        Value::Dict(_) => OF_DICT.contains(&name),
        Value::List(_) => matches!(name, "copy" | "count" | "index"),
        Value::Tuple(_) | Value::Range(_) => matches!(name, "count" | "index"),
        Value::Int(_) => matches!(name, "bit_length" | "is_integer"),
        Value::Float(_) => name == "is_integer",
        _ => false,
    }
}

/// Is it a method that would change the value? A template may not.
pub(crate) fn changes(value: &Value, name: &str) -> bool {
    match value {
        Value::Dict(_) => CHANGES_DICT.contains(&name),
        Value::List(_) => CHANGES_LIST.contains(&name),
        _ => false,
    }
}

pub(crate) fn call(
    meter: &Meter,
    of: &Value,
    name: &str,
    arguments: Arguments,
) -> Result<Value, Failure> {
    match (of, name) {
        (Value::Text(of), _) => {
            meter.bytes(of.len())?;
            if let Some(value) = words(meter, of, name, &arguments)? {
                return Ok(value);
            }
            shape(meter, of, name, arguments)
        }
        (Value::Dict(mapping), "get") => {
            let [key, default] = arguments.of(name, ["key", "default"])?;
            meter.items(mapping.entries.len() / 8)?;
            let found = of.entry(&key.unwrap_or(Value::None), meter)?;
            Ok(found.or(default).unwrap_or(Value::None))
        }
        (Value::Dict(mapping), "items") => {
            let pairs = mapping.entries.iter();
            let pairs = pairs.map(|(k, v)| Value::tuple(vec![k.clone(), v.clone()], meter));
            Value::view("dict_items", pairs.collect::<Result<_, _>>()?, meter)
        }
        (Value::Dict(mapping), "keys") => {
            let keys = mapping.entries.iter().map(|(key, _)| key.clone());
            Value::view("dict_keys", keys.collect(), meter)
        }
        (Value::Dict(mapping), "values") => {
            let values = mapping.entries.iter().map(|(_, value)| value.clone());
            Value::view("dict_values", values.collect(), meter)
        }
        (_, "copy") => Ok(of.clone()),
        (Value::List(_) | Value::Tuple(_) | Value::Range(_), "count" | "index") => {
            let [item] = arguments.of(name, ["value"])?;
            let item = item.unwrap_or(Value::None);
            let mut places = Vec::new();
            for (index, known) in of.iterate(meter)?.iter().enumerate() {
                if known.equals(&item, meter)? {
                    places.push(index);
                }
            }
            match (name, places.first()) {
                ("count", _) => Ok(Value::from(places.len())),
                (_, Some(first)) => Ok(Value::from(*first)),
                (_, None) => Err(Failure::new("the value is not in the list")),
            }
        }
        (Value::Int(number), "bit_length") => {
            let bits = i128::BITS - number.unsigned_abs().leading_zeros();
            Ok(Value::Int(i128::from(bits)))
        }
        (Value::Float(number), "is_integer") => Ok(Value::Bool(number.fract() == 0.0)),
        (Value::Int(_), "is_integer") => Ok(Value::Bool(true)),
        _ => Err(Failure::new(format!(
            "'{}' has no method {name}",
            of.kind()
        ))),
    }
}

/// Methods without arguments.
fn words(
    meter: &Meter,
    of: &str,
    name: &str,
    arguments: &Arguments,
) -> Result<Option<Value>, Failure> {
    let all = |is: fn(char) -> bool| Value::Bool(!of.is_empty() && of.chars().all(is));
    let value = match name {
        "capitalize" => Value::text(capitalized(of)),
        "casefold" => Value::text(of.to_lowercase().replace('ß', "ss")),
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => Value::Bool(of.is_ascii()),
        "isdecimal" | "isdigit" => all(|c| c.is_ascii_digit()),
        "isidentifier" => {
            let first = of.chars().next();
            let begins = first.is_some_and(|c| c == '_' || c.is_alphabetic());
            Value::Bool(begins && of.chars().all(|c| c == '_' || c.is_alphanumeric()))
        }
        "islower" => Value::Bool(super::predicates::cased(
            of,
            char::is_lowercase,
            char::is_uppercase,
        )),
        "isnumeric" => all(char::is_numeric),
        "isprintable" => Value::Bool(of.chars().all(is_printable)),
        "isspace" => all(is_space),
        "istitle" => Value::Bool(
            super::predicates::cased(of, char::is_alphabetic, |_| false) && titled(of) == of,
        ),
        "isupper" => Value::Bool(super::predicates::cased(
            of,
            char::is_uppercase,
            char::is_lowercase,
        )),
        "lower" => Value::text(of.to_lowercase()),
        "swapcase" => {
            let swap = |c: char| match c.is_uppercase() {
                true => c.to_lowercase().collect::<String>(),
                false => c.to_uppercase().collect(),
            };
            Value::text(of.chars().map(swap).collect::<String>())
        }
        "title" => Value::text(titled(of)),
        "upper" => Value::text(of.to_uppercase()),
        _ => return Ok(None),
    };
    meter.items(of.len() / 8)?;
    if !arguments.positional.is_empty() || !arguments.named.is_empty() {
        return Err(Failure::new(format!("str.{name}() takes no arguments")));
    }
    Ok(Some(value))
}

/// Methods with arguments.
fn shape(meter: &Meter, of: &str, name: &str, arguments: Arguments) -> Result<Value, Failure> {
    match name {
        "strip" | "lstrip" | "rstrip" => {
            let [chars] = arguments.of(name, ["chars"])?;
            let chars = given(chars);
            let chars = chars.as_ref().map(text).transpose()?;
            Ok(Value::text(strip(
                of,
                chars,
                name != "rstrip",
                name != "lstrip",
            )))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = arguments.of(name, ["part"])?;
            let part = part.unwrap_or(Value::None);
            let part = text(&part)?;
            let rest = match name {
                "removeprefix" => of.strip_prefix(part),
                _ => of.strip_suffix(part),
            };
            Ok(Value::text(rest.unwrap_or(of)))
        }
        "split" | "rsplit" => {
            let [separator, times] = arguments.of(name, ["sep", "maxsplit"])?;
            let separator = given(separator);
            let separator = separator.as_ref().map(text).transpose()?;
            let times = times.map_or(Ok(-1), |times| int(&times))?;
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            meter.items(of.len() / 16)?;
            let parts = match (separator, name) {
                (Some(""), _) => return Err(Failure::new("empty separator")),
                (Some(separator), "split") => {
                    of.splitn(times.saturating_add(1), separator).collect()
                }
                (Some(separator), _) => {
                    let mut parts: Vec<&str> =
                        of.rsplitn(times.saturating_add(1), separator).collect();
                    parts.reverse();
                    parts
                }
                (None, name) => split_spaces(of, times, name == "rsplit"),
            };
            texts(parts, meter)
        }
        "splitlines" => {
            let [keep] = arguments.of(name, ["keepends"])?;
            let keep = keep.is_some_and(|keep| keep.is_true());
            texts(lines(of, keep), meter)
        }
        "partition" | "rpartition" => {
            let [separator] = arguments.of(name, ["sep"])?;
            let separator = separator.unwrap_or(Value::None);
            let separator = text(&separator)?;
            if separator.is_empty() {
                return Err(Failure::new("empty separator"));
            }
            let parts = match name {
                "partition" => of.split_once(separator),
                _ => of.rsplit_once(separator),
            };
            let [before, mark, after] = match (parts, name) {
                (Some((before, after)), _) => [before, separator, after],
                (None, "partition") => [of, "", ""],
                (None, _) => ["", "", of],
            };
            Value::tuple([before, mark, after].map(Value::text).to_vec(), meter)
        }
        "startswith" | "endswith" => {
            let [part, start, end] = arguments.of(name, ["part", "start", "end"])?;
            let Some((_, within)) = between(of, start, end)? else {
                return Ok(Value::Bool(false));
            };
            let fits = |part: &Value| {
                let part = text(part)?;
                Ok(match name {
                    "startswith" => within.starts_with(part),
                    _ => within.ends_with(part),
                })
            };
            match part.unwrap_or(Value::None) {
                Value::Tuple(parts) => {
                    for part in &parts.items {
                        if fits(part)? {
                            return Ok(Value::Bool(true));
                        }
                    }
                    Ok(Value::Bool(false))
                }
                part => fits(&part).map(Value::Bool),
            }
        }
        "find" | "rfind" | "index" | "rindex" | "count" => {
            let [part, start, end] = arguments.of(name, ["part", "start", "end"])?;
            let part = part.unwrap_or(Value::None);
            let part = text(&part)?;
            let within = between(of, start, end)?;
            if name == "count" {
                let count = within.map_or(0, |(_, within)| within.matches(part).count());
                return Ok(Value::from(count));
            }
            let found = within.and_then(|(from, within)| {
                let at = match name.starts_with('r') {
                    true => within.rfind(part),
                    false => within.find(part),
                };
                at.map(|at| from + within[..at].chars().count())
            });
            match found {
                Some(at) => Ok(Value::from(at)),
                None if name.ends_with("find") => Ok(Value::Int(-1)),
                None => Err(Failure::new("substring not found")),
            }
        }
        "replace" => {
            let [old, new, count] = arguments.of(name, ["old", "new", "count"])?;
            let (old, new) = (old.unwrap_or(Value::None), new.unwrap_or(Value::None));
            let count = count.map(|count| int(&count)).transpose()?;
            replaced(of, text(&old)?, text(&new)?, count, meter).map(Value::text)
        }
        "join" => {
            let [items] = arguments.of(name, ["iterable"])?;
            let items = items.unwrap_or(Value::None);
            let mut out = String::new();
            for (index, item) in items.iterate(meter)?.iter().enumerate() {
                let Some(item) = item.str() else {
                    return Err(Failure::new(format!(
                        "sequence item {index}: expected str instance, {} found",
                        item.kind()
                    )));
                };
                if index > 0 {
                    out.push_str(of);
                }
                meter.bytes(of.len() + item.len())?;
                out.push_str(item);
            }
            Ok(Value::text(out))
        }
        "ljust" | "rjust" | "center" => {
            let [to, fill] = arguments.of(name, ["width", "fillchar"])?;
            let to = width(&to.unwrap_or(Value::None))?;
            let fill = fill.unwrap_or_else(|| Value::text(" "));
            let mut chars = text(&fill)?.chars();
            let (Some(fill), None) = (chars.next(), chars.next()) else {
                return Err(Failure::new(
                    "The fill character must be exactly one character long",
                ));
            };
            let side = match name {
                "ljust" => '<',
                "rjust" => '>',
                _ => '^',
            };
            padded(of, to, fill, side, meter).map(Value::text)
        }
        "zfill" => {
            let [to] = arguments.of(name, ["width"])?;
            let to = width(&to.unwrap_or(Value::None))?;
            let digits = of.trim_start_matches(['+', '-']);
            let digits = if of.len() - digits.len() > 1 {
                &of[1..]
            } else {
                digits
            };
            let sign = &of[..of.len() - digits.len()];
            let digits = padded(digits, to.saturating_sub(sign.len()), '0', '>', meter)?;
            Ok(Value::text(format!("{sign}{digits}")))
        }
        "expandtabs" => {
            let [size] = arguments.of(name, ["tabsize"])?;
            let size = size.map_or(Ok(8), |size| width(&size))?;
            let mut out = String::new();
            let mut column = 0;
            for c in of.chars() {
                match c {
                    '\t' => {
                        let spaces = match size {
                            0 => 0,
                            size => size - column % size,
                        };
                        meter.bytes(spaces)?;
                        out.push_str(&" ".repeat(spaces));
                        column += spaces;
                    }
                    c => {
                        out.push(c);
                        column = if matches!(c, '\n' | '\r') {
                            0
                        } else {
                            column + 1
                        };
                    }
                }
            }
            Ok(Value::text(out))
        }
        "format_map" => {
            let [mapping] = arguments.of(name, ["mapping"])?;
            let Some(Value::Dict(mapping)) = mapping else {
                return Err(Failure::new("format_map() needs a mapping"));
            };
            let named = mapping.entries.iter().filter_map(|(key, value)| match key {
                Value::Text(key) => Some((key.clone(), value.clone())),
                _ => None,
            });
            let arguments = Arguments {
                positional: Vec::new(),
                named: named.collect(),
            };
            format::braces(of, &arguments, meter).map(Value::text)
        }
        _ => format::braces(of, &arguments, meter).map(Value::text),
    }
}

fn texts(parts: Vec<&str>, meter: &Meter) -> Result<Value, Failure> {
    Value::list(parts.into_iter().map(Value::text).collect(), meter)
}

/// The part between two places, which may count from the end, and where it begins.
fn between(
    of: &str,
    start: Option<Value>,
    end: Option<Value>,
) -> Result<Option<(usize, &str)>, Failure> {
    let length = of.chars().count() as i128;
    let place = |value: Option<Value>, or: i128| {
        let at = given(value).map_or(Ok(or), |value| int(&value))?;
        Ok(if at < 0 {
            at.saturating_add(length).max(0)
        } else {
            at
        })
    };
    let (start, end) = (place(start, 0)?, place(end, length)?.min(length));
    if start > end {
        return Ok(None);
    }
    let byte = |at: i128| {
        let mut places = of.char_indices().map(|(byte, _)| byte);
        places.nth(at as usize).unwrap_or(of.len())
    };
    Ok(Some((start as usize, &of[byte(start)..byte(end)])))
}

/// Without white space, or some characters, at its ends.
pub(crate) fn strip<'t>(of: &'t str, chars: Option<&str>, left: bool, right: bool) -> &'t str {
    let goes = |c: char| match chars {
        Some(chars) => chars.contains(c),
        None => is_space(c),
    };
    let of = if left {
        of.trim_start_matches(goes)
    } else {
        of
    };
    if right { of.trim_end_matches(goes) } else { of }
}

fn split_spaces(of: &str, times: usize, from_right: bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = strip(of, None, !from_right, from_right);
    while !rest.is_empty() {
        if parts.len() == times {
            parts.push(strip(rest, None, !from_right, from_right));
            break;
        }
        if from_right {
            let start = rest.char_indices().rfind(|(_, c)| is_space(*c));
            let start = start.map_or(0, |(at, c)| at + c.len_utf8());
            parts.push(&rest[start..]);
            rest = strip(&rest[..start], None, false, true);
        } else {
            let end = rest.find(is_space).unwrap_or(rest.len());
            parts.push(&rest[..end]);
            rest = strip(&rest[end..], None, true, false);
        }
    }
    if from_right {
        parts.reverse();
    }
    parts
}

/// Lines, by all that Python takes for the end of one.
pub(crate) fn lines(of: &str, keep: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = of;
    while !rest.is_empty() {
        let ends = |c: char| {
            matches!(
                c,
                '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'
                    ..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let Some(at) = rest.find(ends) else {
            lines.push(rest);
            break;
        };
        let length = match rest[at..].starts_with("\r\n") {
            true => 2,
            false => rest[at..].chars().next().map_or(0, char::len_utf8),
        };
        lines.push(&rest[..if keep { at + length } else { at }]);
        rest = &rest[at + length..];
    }
    lines
}

pub(crate) fn capitalized(of: &str) -> String {
    let mut chars = of.chars();
    match chars.next() {
        Some(first) => title_case(first) + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// One letter as it begins a word: of several, the first alone is large.
fn title_case(c: char) -> String {
    let mut upper = c.to_uppercase();
    let first = upper.next().into_iter();
    first.chain(upper.flat_map(char::to_lowercase)).collect()
}

/// Python's own: a word begins after what is no letter.
fn titled(of: &str) -> String {
    let mut out = String::with_capacity(of.len());
    let mut within = false;
    for c in of.chars() {
        match within {
            true => out.extend(c.to_lowercase()),
            false => out.push_str(&title_case(c)),
        }
        within = c.is_lowercase() || c.is_uppercase();
    }
    out
}

/// Filled up to a width: `<` on the right, `>` on the left, `^` on both sides as Python's `center` does.
pub(crate) fn padded(
    of: &str,
    to: usize,
    fill: char,
    side: char,
    meter: &Meter,
) -> Result<String, Failure> {
    let missing = to.saturating_sub(of.chars().count());
    meter.bytes(missing.saturating_mul(fill.len_utf8()))?;
    let left = match side {
        '<' => 0,
        '>' => missing,
        _ => missing / 2 + (missing & to & 1),
    };
    let fills = |count: usize| fill.to_string().repeat(count);
    Ok(format!("{}{of}{}", fills(left), fills(missing - left)))
}

pub(crate) fn replaced(
    of: &str,
    old: &str,
    new: &str,
    count: Option<i128>,
    meter: &Meter,
) -> Result<String, Failure> {
    let limit = count.map_or(usize::MAX, |count| {
        usize::try_from(count).unwrap_or(usize::MAX)
    });
    meter.bytes(of.len())?;
    let times = of.matches(old).count().min(limit);
    meter.bytes(of.len().saturating_add(new.len().saturating_mul(times)))?;
    Ok(of.replacen(old, new, limit))
}

pub(crate) fn parse_int(text: &str, base: i128) -> Option<i128> {
    let text = strip(text, None, true, true);
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let prefix = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefix = prefix.into_iter().find(|(mark, _)| lower.starts_with(mark));
    let (digits, radix) = match (prefix, base) {
        (Some((mark, radix)), base) if base == 0 || base == radix => {
            (lower.get(mark.len()..)?, radix)
        }
        (_, 0) => (lower.as_str(), 10),
        (_, base) => (lower.as_str(), base),
    };
    let radix = u32::try_from(radix)
        .ok()
        .filter(|radix| (2..=36).contains(radix))?;
    let digits = joined_digits(digits)?;
    let signed = if negative {
        format!("-{digits}")
    } else {
        digits
    };
    i128::from_str_radix(&signed, radix).ok()
}

pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = strip(text, None, true, true).to_ascii_lowercase();
    joined_digits(text.trim_start_matches(['+', '-']))?;
    text.replace('_', "").parse().ok()
}

/// Digits without the underscores between them; None if they don't stand between digits.
fn joined_digits(digits: &str) -> Option<String> {
    let bytes = digits.as_bytes();
    let fits = |(at, byte): (usize, &u8)| {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(u8::is_ascii_alphanumeric)
        };
        *byte != b'_' || digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    let begins = bytes
        .first()
        .is_some_and(|byte| !matches!(byte, b'+' | b'-'));
    (begins && bytes.iter().enumerate().all(fits)).then(|| digits.replace('_', ""))
}
