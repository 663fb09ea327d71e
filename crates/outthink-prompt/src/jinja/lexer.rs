//! From a template's source to tokens, with Jinja's rules for white space: `trim_blocks`, `lstrip_blocks`, one newline at
//! the end dropped.

use std::sync::Arc;

use super::Failure;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// Text outside of tags.
    Data(String),
    /// `{{` and `}}`
    VariableBegin,
    VariableEnd,
    /// `{%` and `%}`
    BlockBegin,
    BlockEnd,
    Name(Arc<str>),
    Text(String),
    Int(i128),
    Float(f64),
    Operator(&'static str),
}

/// The longer ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// What Python takes for white space.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Tokens, each with its line.
pub(crate) fn tokens(source: &str) -> Result<Vec<(u32, Token)>, Failure> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut lexer = Lexer {
        rest: source,
        line: 1,
        starts_line: true,
        tokens: Vec::new(),
    };
    lexer.root()?;
    Ok(lexer.tokens)
}

struct Lexer<'s> {
    rest: &'s str,
    line: u32,
    /// Does what follows begin a line, as far as stripping is concerned?
    starts_line: bool,
    tokens: Vec<(u32, Token)>,
}

impl<'s> Lexer<'s> {
    fn root(&mut self) -> Result<(), Failure> {
        loop {
            let bytes = self.rest.as_bytes().windows(2);
            let begins = |pair: &[u8]| pair[0] == b'{' && matches!(pair[1], b'%' | b'{' | b'#');
            let Some(at) = bytes.into_iter().position(begins) else {
                self.data(self.rest, "");
                return Ok(());
            };
            let text = &self.rest[..at];
            let tag = &self.rest[at..at + 2];
            let sign = sign(&self.rest[at + 2..]);
            let raw = (tag == "{%").then(|| raw_begin(&self.rest[at + 2 + sign.len()..]));
            self.data(
                text,
                if tag == "{{" && sign != "-" {
                    "+"
                } else {
                    sign
                },
            );
            self.take(at + 2 + sign.len());
            match (tag, raw.flatten()) {
                ("{#", _) => self.comment()?,
                ("{{", _) => self.inside(Token::VariableBegin, Token::VariableEnd, "}}")?,
                (_, Some(length)) => self.raw(length)?,
                _ => self.inside(Token::BlockBegin, Token::BlockEnd, "%}")?,
            }
        }
    }

    /// Goes past some bytes, and gives them.
    fn take(&mut self, length: usize) -> &'s str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count() as u32;
        self.rest = rest;
        taken
    }

    /// Text before a tag with a sign: `-` strips it, `+` keeps it, otherwise spaces alone before the tag on its line go.
    fn data(&mut self, text: &str, sign: &str) {
        let kept = match sign {
            "-" => text.trim_end_matches(is_space),
            "+" => text,
            _ if text.len() == self.rest.len() => text,
            _ => {
                let start = text.rfind('\n').map_or(0, |newline| newline + 1);
                let spaces = &text[start..];
                let strips = start > 0 || self.starts_line;
                if strips && !spaces.is_empty() && spaces.chars().all(is_space) {
                    &text[..start]
                } else {
                    text
                }
            }
        };
        if !kept.is_empty() {
            self.tokens.push((self.line, Token::Data(kept.to_owned())));
        }
    }

    /// Goes past the end of a tag that begins after `sign`: `-` takes all white space with it, nothing one newline.
    fn end(&mut self, sign: &str, end: &str) {
        self.take(sign.len() + end.len());
        let after = match sign {
            "-" => self.rest.len() - self.rest.trim_start_matches(is_space).len(),
            "" if end != "}}" => usize::from(self.rest.starts_with('\n')),
            _ => 0,
        };
        self.starts_line = self.take(after).ends_with('\n');
    }

    fn comment(&mut self) -> Result<(), Failure> {
        let Some(end) = self.rest.find("#}") else {
            return Err(Failure::new("a comment is not closed").at(self.line));
        };
        let sign = match self.rest[..end].chars().next_back() {
            Some('-') => "-",
            Some('+') => "+",
            _ => "",
        };
        self.take(end - sign.len());
        self.end(sign, "#}");
        Ok(())
    }

    /// All up to `{% endraw %}` is text. `begin` is the length of what is left of the opening tag.
    fn raw(&mut self, begin: usize) -> Result<(), Failure> {
        let opened = self.line;
        self.starts_line = self.take(begin).ends_with('\n');
        let mut from = 0;
        loop {
            let Some(at) = self.rest[from..].find("{%").map(|at| from + at) else {
                return Err(Failure::new("a raw block is not closed").at(opened));
            };
            let first = sign(&self.rest[at + 2..]);
            let name = self.rest[at + 2 + first.len()..].trim_start_matches(is_space);
            let after = name.strip_prefix("endraw");
            let after = after.map(|after| after.trim_start_matches(is_space));
            let last = after.map_or("", sign);
            if after.is_some_and(|after| after[last.len()..].starts_with("%}")) {
                let length = self.rest.len() - after.map_or(0, str::len);
                self.data(&self.rest[..at], first);
                self.take(length);
                self.end(last, "%}");
                return Ok(());
            }
            from = at + 2;
        }
    }

    /// Tokens of a tag, and its end.
    fn inside(&mut self, begin: Token, end: Token, mark: &str) -> Result<(), Failure> {
        self.tokens.push((self.line, begin));
        let opened = self.line;
        let mut open: Vec<&str> = Vec::new();
        let mut before = ' ';
        loop {
            let sign = sign(self.rest);
            let ends = self.rest[sign.len()..].starts_with(mark);
            if open.is_empty() && ends && !(mark == "}}" && sign == "+") {
                self.tokens.push((self.line, end));
                self.end(sign, mark);
                return Ok(());
            }
            let Some(c) = self.rest.chars().next() else {
                return Err(Failure::new(format!("a tag has no end ({mark})")).at(opened));
            };
            let line = self.line;
            if is_space(c) {
                self.take(c.len_utf8());
            } else if c.is_ascii_digit() {
                let (token, length) = number(self.rest, before).map_err(|e| e.at(line))?;
                self.take(length);
                self.tokens.push((line, token));
            } else if c == '_' || c.is_alphanumeric() {
                let ends = |c: char| !(c == '_' || c.is_alphanumeric());
                let length = self.rest.find(ends).unwrap_or(self.rest.len());
                let name = self.take(length).into();
                self.tokens.push((line, Token::Name(name)));
            } else if c == '\'' || c == '"' {
                let Some(length) = quoted(self.rest, c) else {
                    return Err(Failure::new(format!("unexpected char {c:?}")).at(line));
                };
                let text = unescaped(&self.take(length)[1..length - 1]);
                let text = text.map_err(|e| e.at(line))?;
                self.tokens.push((line, Token::Text(text)));
            } else {
                let found = OPERATORS.into_iter().find(|op| self.rest.starts_with(op));
                let Some(operator) = found else {
                    return Err(Failure::new(format!("unexpected char {c:?}")).at(line));
                };
                match operator {
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "{" => open.push("}"),
                    ")" | "]" | "}" if open.pop() != Some(operator) => {
                        return Err(Failure::new(format!("unexpected '{operator}'")).at(line));
                    }
                    _ => {}
                }
                self.take(operator.len());
                self.tokens.push((line, Token::Operator(operator)));
            }
            before = c;
        }
    }
}

fn sign(text: &str) -> &str {
    match text.chars().next() {
        Some('-' | '+') => &text[..1],
        _ => "",
    }
}

/// Length of ` raw %}`, if that comes next.
fn raw_begin(text: &str) -> Option<usize> {
    let rest = text.trim_start_matches(is_space).strip_prefix("raw")?;
    let rest = rest.trim_start_matches(is_space);
    let rest = match rest.strip_prefix("-%}") {
        Some(rest) => rest.trim_start_matches(is_space),
        None => rest.strip_prefix("%}")?,
    };
    Some(text.len() - rest.len())
}

/// Length of a quoted text with its quotes.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next()?;
        } else if c == quote {
            return Some(at + 1);
        }
    }
    None
}

fn unescaped(text: &str) -> Result<String, Failure> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        rest = &rest[c.len_utf8()..];
        let hex = |digits: usize, rest: &str| {
            let code = rest.get(..digits)?;
            let plain = code.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(code, 16).ok().filter(|_| plain)
        };
        match c {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(c),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            '0'..='7' => {
                let more = rest.bytes().take(2);
                let more = more.take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let digits = format!("{c}{}", &rest[..more]);
                rest = &rest[more..];
                let code = u32::from_str_radix(&digits, 8).unwrap_or_default();
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            'x' | 'u' | 'U' => {
                let digits = match c {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let Some(mut code) = hex(digits, rest) else {
                    return Err(Failure::new(format!("a broken escape \\{c} in a text")));
                };
                rest = &rest[digits..];
                // Two surrogates are one character.
                let low = rest.strip_prefix("\\u").and_then(|rest| hex(4, rest));
                if let (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) = (code, low) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    rest = &rest[6..];
                }
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
            }
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// A number and its length; after a dot only a whole one, as in `items.0.name`.
fn number(text: &str, before: char) -> Result<(Token, usize), Failure> {
    let too_large = || Failure::new("a number is too large");
    let digits = |text: &str, radix: u32| {
        let mut length = 0;
        let bytes = text.as_bytes();
        while let Some(&byte) = bytes.get(length) {
            let next = bytes.get(length + 1);
            let joins = byte == b'_' && next.is_some_and(|&next| char::from(next).is_digit(radix));
            if !char::from(byte).is_digit(radix) && !joins {
                break;
            }
            length += 1;
        }
        length
    };
    for (prefix, radix) in [("0b", 2), ("0o", 8), ("0x", 16)] {
        let start = text.get(..2).map(str::to_ascii_lowercase);
        if start.as_deref() == Some(prefix) {
            let length = digits(&text[2..], radix);
            if length > 0 {
                let plain = text[2..2 + length].replace('_', "");
                let value = i128::from_str_radix(&plain, radix).map_err(|_| too_large())?;
                return Ok((Token::Int(value), 2 + length));
            }
        }
    }
    let whole = digits(text, 10);
    let mut length = whole;
    if before != '.' {
        if text[length..].starts_with('.') {
            let fraction = digits(&text[length + 1..], 10);
            if fraction > 0 && !text[length + 1..].starts_with('_') {
                length += 1 + fraction;
            }
        }
        let exponent = &text[length..];
        if exponent.starts_with(['e', 'E']) {
            let signed = usize::from(exponent[1..].starts_with(['+', '-']));
            let power = digits(&exponent[1 + signed..], 10);
            if power > 0 && !exponent[1 + signed..].starts_with('_') {
                length += 1 + signed + power;
            }
        }
    }
    let plain = text[..length].replace('_', "");
    let token = if length > whole {
        Token::Float(plain.parse().map_err(|_| too_large())?)
    } else {
        Token::Int(plain.parse().map_err(|_| too_large())?)
    };
    Ok((token, length))
}
