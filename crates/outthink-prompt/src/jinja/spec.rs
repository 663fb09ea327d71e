//! How a value fills a field: the format specification that Python's `%` and `format` share.

use super::methods::padded;
use super::value::Value;
use super::{Failure, Meter};

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) fill: char,
    pub(crate) align: Option<char>,
    pub(crate) sign: char,
    pub(crate) alternate: bool,
    pub(crate) zero: bool,
    pub(crate) width: usize,
    pub(crate) grouping: Option<char>,
    pub(crate) precision: Option<usize>,
    pub(crate) kind: Option<char>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            fill: ' ',
            align: None,
            sign: '-',
            alternate: false,
            zero: false,
            width: 0,
            grouping: None,
            precision: None,
            kind: None,
        }
    }
}

/// More digits than any number has.
const DIGITS: usize = 10_000;

/// Takes a whole number off the front of a text.
pub(crate) fn number(text: &mut &str) -> Result<Option<usize>, Failure> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    *text = rest;
    if digits.is_empty() {
        return Ok(None);
    }
    let number = digits.parse();
    number
        .map(Some)
        .map_err(|_| Failure::new("too many decimal digits in format string"))
}

impl Spec {
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut spec = Self::default();
        let mut rest = text;
        let mut chars = text.chars();
        let aligns = |c: Option<char>| c.filter(|c| matches!(c, '<' | '>' | '=' | '^'));
        let (first, second) = (chars.next(), chars.next());
        if let (Some(fill), Some(align)) = (first, aligns(second)) {
            spec.fill = fill;
            spec.align = Some(align);
            rest = &rest[fill.len_utf8() + 1..];
        } else if let Some(align) = aligns(first) {
            spec.align = Some(align);
            rest = &rest[1..];
        }
        let mut take = |marks: &[char]| {
            let mark = rest.chars().next().filter(|c| marks.contains(c))?;
            rest = &rest[1..];
            Some(mark)
        };
        spec.sign = take(&['+', '-', ' ']).unwrap_or('-');
        take(&['z']);
        spec.alternate = take(&['#']).is_some();
        spec.zero = take(&['0']).is_some();
        if spec.zero && first.zip(aligns(second)).is_none() {
            spec.fill = '0';
        }
        spec.width = number(&mut rest)?.unwrap_or(0);
        if rest.starts_with([',', '_']) {
            spec.grouping = rest.chars().next();
            rest = &rest[1..];
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            let precision = number(&mut rest)?;
            spec.precision =
                Some(precision.ok_or_else(|| Failure::new("Format specifier missing precision"))?);
        }
        let mut chars = rest.chars();
        spec.kind = chars.next();
        match chars.next() {
            None => Ok(spec),
            Some(_) => Err(Failure::new(format!("Invalid format specifier '{text}'"))),
        }
    }

    /// What Python's `format` makes of a value.
    pub(crate) fn apply(&self, value: &Value, meter: &Meter) -> Result<String, Failure> {
        let unknown = |kind: char| {
            Err(Failure::new(format!(
                "Unknown format code '{kind}' for object of type '{}'",
                value.kind()
            )))
        };
        match (value, self.kind) {
            (Value::Text(text), None | Some('s')) => self.text(text, meter),
            (Value::Text(_), Some(kind)) => unknown(kind),
            (Value::Bool(yes), None) if self.is_plain() => {
                Ok(if *yes { "True" } else { "False" }.into())
            }
            (Value::Bool(_) | Value::Int(_), Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'))
            | (Value::Float(_), None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%')) => {
                self.float(value.float().unwrap_or(0.0), meter)
            }
            (Value::Float(_), Some(kind)) => unknown(kind),
            (Value::Bool(_) | Value::Int(_), _) => {
                self.whole(value.int().unwrap_or(0), value, meter)
            }
            _ if self.is_plain() && self.kind.is_none() => value.to_text(meter),
            _ => Err(Failure::new(format!(
                "unsupported format string passed to {}.__format__",
                value.kind()
            ))),
        }
    }

    fn is_plain(&self) -> bool {
        self.align.is_none()
            && self.width == 0
            && self.precision.is_none()
            && !self.zero
            && !self.alternate
            && self.sign == '-'
            && self.grouping.is_none()
    }

    pub(crate) fn text(&self, text: &str, meter: &Meter) -> Result<String, Failure> {
        let cut: String = match self.precision {
            Some(precision) => text.chars().take(precision).collect(),
            None => text.to_owned(),
        };
        let fill = if self.zero && self.align.is_none() {
            '0'
        } else {
            self.fill
        };
        padded_evenly(&cut, self.width, fill, self.align.unwrap_or('<'), meter)
    }

    fn whole(&self, number: i128, value: &Value, meter: &Meter) -> Result<String, Failure> {
        let size = number.unsigned_abs();
        let (mark, digits) = match self.kind {
            None | Some('d' | 'n') => ("", size.to_string()),
            Some('b') => ("0b", format!("{size:b}")),
            Some('o') => ("0o", format!("{size:o}")),
            Some('x') => ("0x", format!("{size:x}")),
            Some('X') => ("0X", format!("{size:X}")),
            Some('c') => {
                let c = u32::try_from(number).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| Failure::new("%c arg not in range(0x110000)"))?;
                let mut aligned = self.clone();
                aligned.align = self.align.or(Some('>'));
                return aligned.text(&c.to_string(), meter);
            }
            Some(kind) => {
                return Err(Failure::new(format!(
                    "Unknown format code '{kind}' for object of type '{}'",
                    value.kind()
                )));
            }
        };
        if self.precision.is_some() {
            return Err(Failure::new(
                "Precision not allowed in integer format specifier",
            ));
        }
        let group = if matches!(self.kind, None | Some('d' | 'n')) {
            3
        } else {
            4
        };
        let mark = if self.alternate { mark } else { "" };
        self.signed(number < 0, mark, &digits, "", group, meter)
    }

    pub(crate) fn float(&self, number: f64, meter: &Meter) -> Result<String, Failure> {
        let precision = self.precision.unwrap_or(6);
        if precision > DIGITS {
            return Err(Failure::new("precision too big"));
        }
        let negative = number.is_sign_negative() && !number.is_nan();
        let size = number.abs();
        let text = match self.kind {
            _ if !size.is_finite() => if size.is_nan() { "nan" } else { "inf" }.to_owned(),
            Some('f' | 'F') if precision == 0 && self.alternate => format!("{size:.0}."),
            Some('f' | 'F') => format!("{size:.precision$}"),
            Some('%') => format!("{:.precision$}%", size * 100.0),
            Some('e' | 'E') => exponent(size, precision),
            None if self.precision.is_none() => super::written::float(size),
            kind => general(size, precision.max(1), self.alternate, kind.is_none()),
        };
        let text = match self.kind {
            Some('E' | 'F' | 'G') => text.to_uppercase(),
            _ => text,
        };
        let whole = text.bytes().take_while(u8::is_ascii_digit).count();
        self.signed(negative, "", &text[..whole], &text[whole..], 3, meter)
    }

    /// A number from its parts: sign, prefix, digits in groups, the rest, and what fills it up.
    fn signed(
        &self,
        negative: bool,
        mark: &str,
        digits: &str,
        rest: &str,
        group: usize,
        meter: &Meter,
    ) -> Result<String, Failure> {
        let sign = match (negative, self.sign) {
            (true, _) => "-",
            (false, '+') => "+",
            (false, ' ') => " ",
            _ => "",
        };
        let zeros = self.zero && self.align.is_none();
        let align = self.align.unwrap_or(if zeros { '=' } else { '>' });
        let fill = if zeros { '0' } else { self.fill };
        let before = sign.len() + mark.len();
        let mut digits = digits.to_owned();
        if let Some(separator) = self.grouping {
            if align == '=' && fill == '0' {
                // Zeros are grouped too: as many as fill the width.
                let room = self.width.saturating_sub(before + rest.len());
                meter.bytes(room)?;
                let fits = |digits: &usize| digits + digits.saturating_sub(1) / group >= room;
                let least = (room * group / (group + 1)).saturating_sub(1);
                let wanted = (least..=room).find(fits).unwrap_or(room);
                digits = padded(&digits, wanted, '0', '>', meter)?;
            }
            digits = grouped(&digits, group, separator);
        }
        if align == '=' {
            let room = self.width.saturating_sub(before);
            let filled = padded_evenly(&format!("{digits}{rest}"), room, fill, '>', meter)?;
            return Ok(format!("{sign}{mark}{filled}"));
        }
        let text = format!("{sign}{mark}{digits}{rest}");
        padded_evenly(&text, self.width, fill, align, meter)
    }
}

/// In the middle with the odd one on the right, as `format` has it.
fn padded_evenly(
    text: &str,
    width: usize,
    fill: char,
    align: char,
    meter: &Meter,
) -> Result<String, Failure> {
    if align != '^' {
        return padded(
            text,
            width,
            fill,
            if align == '<' { '<' } else { '>' },
            meter,
        );
    }
    let length = text.chars().count();
    let left = length + width.saturating_sub(length) / 2;
    let text = padded(text, left, fill, '>', meter)?;
    padded(&text, width, fill, '<', meter)
}

fn grouped(digits: &str, group: usize, separator: char) -> String {
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(group) {
            out.push(separator);
        }
        out.push(c);
    }
    out
}

/// `1.5e+20`
fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// The shorter of both forms, without zeros at the end; `whole` keeps one after the point.
fn general(number: f64, precision: usize, zeros: bool, whole: bool) -> String {
    let scientific = exponent(number, precision - 1);
    let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') && !zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    let most = if whole { precision - 1 } else { precision } as i32;
    if power < -4 || power >= most.max(i32::from(!whole)) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trim(digits), power.abs());
    }
    let places = (precision as i32 - 1 - power).max(0) as usize;
    let plain = trim(&format!("{number:.places$}"));
    match whole && !plain.contains('.') {
        true => plain + ".0",
        false => plain,
    }
}
