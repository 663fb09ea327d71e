//! Numbers, with their separators, repeating decimals and powers of ten.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::Lexer;
use crate::token::{Literal, Repeats, Thousands, Token};

/// Most digits of one number.
const MOST_DIGITS: usize = 4096;

impl<'a> Lexer<'a> {
    pub(super) fn digit_at(&self, at: usize) -> bool {
        self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
    }

    /// Digits from `at` on; the place after them.
    fn digits(&self, at: usize) -> usize {
        let bytes = &self.text.as_bytes()[at..];
        at + bytes.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    pub(super) fn number(&mut self) -> Option<()> {
        if self.single.contains(&self.at) && self.digit_at(self.at) {
            let digit = self.text[self.at..=self.at].to_owned();
            self.at += 1;
            let value = digit.parse::<RBig>().ok()?;
            self.push(Token::Number(Literal {
                whole: digit,
                value,
                places: None,
            }));
            return Some(());
        }
        let end = self.digits(self.at);
        let mut whole = self.text[self.at..end].to_owned();
        self.at = end;
        if let Some((digits, end)) = self.grouped(&whole) {
            whole = digits;
            self.at = end;
        }
        while !whole.is_empty() && whole.len() <= MOST_DIGITS {
            let Some((skip, sure)) = self.separator() else {
                break;
            };
            let start = self.at + skip;
            let leads =
                whole.len() > 3 || (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            if self.digits(start) != start + 3 || !leads {
                break;
            }
            if !sure {
                self.ambiguity.comma = true;
                self.ambiguity.padded |= self.text[start..].starts_with('0');
                if self.spelling.thousands == Thousands::Separate {
                    break;
                }
            }
            whole.push_str(&self.text[start..start + 3]);
            self.at = start + 3;
        }
        let mut decimals = String::new();
        let mut places = None;
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            let end = self.digits(self.at + 1);
            let repeats = end > self.at && self.period(end).is_some();
            // A dot after the last digit of all ends a sentence.
            if end > self.at + 1 || repeats {
                decimals.push_str(&self.text[self.at + 1..end]);
                self.at = end;
                places = Some(decimals.len());
                while let Some(skip) = self.thin_space() {
                    let start = self.at + skip;
                    let end = self.digits(start);
                    if end == start || end > start + 3 {
                        break;
                    }
                    decimals.push_str(&self.text[start..end]);
                    self.at = end;
                    places = Some(decimals.len());
                }
            }
        }
        if whole.len() + decimals.len() > MOST_DIGITS {
            return None;
        }
        let scale = |digits: usize| UBig::from(10u8).pow(digits);
        let integer = |digits: &str| {
            if digits.is_empty() {
                Some(UBig::ZERO)
            } else {
                UBig::from_str_radix(digits, 10).ok()
            }
        };
        let mut value = if decimals.is_empty() {
            RBig::from(integer(&whole)?)
        } else {
            let digits = format!("{whole}{decimals}");
            RBig::from_parts(IBig::from(integer(&digits)?), scale(decimals.len()))
        };
        if places.is_some()
            && let Some((plain, repeating, end)) = self.repeating(&decimals)
        {
            let digits = format!("{whole}{plain}");
            let nines = scale(repeating.len()) - UBig::ONE;
            value = RBig::from_parts(IBig::from(integer(&digits)?), scale(plain.len()))
                + RBig::from_parts(IBig::from(integer(&repeating)?), nines * scale(plain.len()));
            self.at = end;
            places = None;
        }
        if places.is_none() && decimals.is_empty() {
            self.skip_ordinal(&whole);
        }
        if let Some((exponent, end)) = self.exponent() {
            let power = RBig::from(scale(exponent.unsigned_abs() as usize));
            value = if exponent < 0 {
                value / power
            } else {
                value * power
            };
            self.at = end;
            places = None;
        }
        self.push(Token::Number(Literal {
            whole,
            value,
            places,
        }));
        Some(())
    }

    /// The digits of a number whose groups are told apart in a way of their own, and the place after it: `1.234.567`,
    /// `1'234'567`, `1_234_567`, and `12,34,567` if commas group at all.
    fn grouped(&mut self, whole: &str) -> Option<(String, usize)> {
        if !(1..=3).contains(&whole.len()) || whole.starts_with('0') {
            return None;
        }
        let groups = |mark: &str, size: usize| {
            let (mut digits, mut at, mut count) = (String::new(), self.at, 0);
            while let Some(after) = self.text[at..].strip_prefix(mark)
                && let start = self.text.len() - after.len()
                && self.digits(start) == start + size
            {
                digits.push_str(&self.text[start..start + size]);
                at = start + size;
                count += 1;
            }
            (digits, at, count)
        };
        for (mark, least) in [(".", 2), ("_", 2), ("'", 1), ("’", 1)] {
            let (digits, end, count) = groups(mark, 3);
            if count >= least && !self.text[end..].starts_with(mark) {
                return Some((format!("{whole}{digits}"), end));
            }
        }
        let (mut digits, end, count) = groups(",", 2);
        let last = self.text[end..].strip_prefix(',')?;
        let start = self.text.len() - last.len();
        let goes_on = self.text.as_bytes().get(start + 3) == Some(&b',');
        if whole.len() > 2 || count == 0 || self.digits(start) != start + 3 || goes_on {
            return None;
        }
        self.ambiguity.comma = true;
        if self.spelling.thousands == Thousands::Separate {
            return None;
        }
        digits.push_str(&self.text[start..start + 3]);
        Some((format!("{whole}{digits}"), start + 3))
    }

    /// Bytes of a thousands separator here, and whether it can be nothing else.
    fn separator(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        for sure in [
            "{,}", ",\\! ", ",\\!", ",\\,", "\\,", "\\!", "\\ ", "~", "\u{202f}", "\u{a0}", " ",
        ] {
            if rest.starts_with(sure) {
                return Some((sure.len(), true));
            }
        }
        rest.starts_with(',').then_some((1, false))
    }

    fn thin_space(&self) -> Option<usize> {
        let rest = self.rest();
        let spaces = ["\\,", "\\!", "\u{202f}"];
        spaces
            .iter()
            .find(|s| rest.starts_with(**s))
            .map(|s| s.len())
    }

    /// The suffix of an ordinal number: `7th`, `7^{th}`, `7\text{th}`, `7-th`.
    fn skip_ordinal(&mut self, whole: &str) {
        let suffix = match whole.as_bytes() {
            [.., b'1', b'1' | b'2' | b'3'] => "th",
            [.., b'1'] => "st",
            [.., b'2'] => "nd",
            [.., b'3'] => "rd",
            _ => "th",
        };
        let mut rest = self.rest();
        let mut braces = 0;
        for command in [
            "^",
            "-",
            "{",
            "\\text",
            "\\textsuperscript",
            "\\mathrm",
            "\\rm",
            "\\mathit",
            "\\textit",
            "{",
        ] {
            if let Some(after) = rest.strip_prefix(command) {
                braces += usize::from(command == "{");
                rest = after.trim_start();
            }
        }
        let Some(mut rest) = rest.strip_prefix(suffix) else {
            return;
        };
        for _ in 0..braces {
            let Some(after) = rest.trim_start().strip_prefix('}') else {
                return;
            };
            rest = after;
        }
        if !rest.starts_with(char::is_alphabetic) {
            self.at = self.text.len() - rest.len();
        }
    }

    /// Of these decimals and what follows them: those that stand once, those that repeat, and the place after both.
    fn repeating(&mut self, decimals: &str) -> Option<(String, String, usize)> {
        if let Some((repeating, end)) = self.period(self.at) {
            let bracketed = self.rest().starts_with('(');
            self.ambiguity.repeats |= bracketed;
            let written = self.spelling.repeats == Repeats::Written;
            return (!(bracketed && written)).then(|| (decimals.to_owned(), repeating, end));
        }
        let rest = self
            .rest()
            .trim_start_matches("\\,")
            .trim_start_matches(' ');
        let dots = ["...", "…", "\\ldots", "\\dots", "\\cdots"];
        let dots = dots.into_iter().find(|dots| rest.starts_with(dots))?;
        let (plain, repeating) = endless(decimals)?;
        self.ambiguity.repeats = true;
        let end = self.text.len() - rest.len() + dots.len();
        (self.spelling.repeats == Repeats::Endless)
            .then(|| (plain.to_owned(), repeating.to_owned(), end))
    }

    /// Digits that are marked as repeating, and the place after them: `\overline{3}`, `\bar3`, `(3)`, `\dot{1}4\dot{2}`.
    fn period(&self, at: usize) -> Option<(String, usize)> {
        let rest = &self.text[at..];
        if let Some(body) = rest.strip_prefix("\\dot")
            && !body.starts_with(char::is_alphabetic)
        {
            let (mut digits, mut end) = self.marked(self.text.len() - body.len())?;
            let between = self.digits(end);
            if let Some(last) = self.text[between..].strip_prefix("\\dot") {
                let (last, after) = self.marked(self.text.len() - last.len())?;
                digits.push_str(&self.text[end..between]);
                digits.push_str(&last);
                end = after;
            }
            return Some((digits, end));
        }
        if let Some(body) = rest.strip_prefix('(') {
            let start = self.text.len() - body.len();
            let end = self.digits(start);
            let closed = end > start && self.text[end..].starts_with(')');
            let goes_on = |c: char| c.is_alphanumeric() || matches!(c, '^' | '(' | '\\' | '!');
            let alone = closed && !self.text[end + 1..].starts_with(goes_on);
            return alone.then(|| (self.text[start..end].to_owned(), end + 1));
        }
        let body = ["\\overline", "\\bar", "\\widebar"]
            .into_iter()
            .find_map(|mark| rest.strip_prefix(mark))?;
        self.marked(self.text.len() - body.len())
    }

    /// The digits in braces, or the single digit, at a place; and the place after them.
    fn marked(&self, at: usize) -> Option<(String, usize)> {
        let at = at + (self.text[at..].len() - self.text[at..].trim_start().len());
        if !self.text[at..].starts_with('{') {
            return self
                .digit_at(at)
                .then(|| (self.text[at..=at].to_owned(), at + 1));
        }
        let end = self.digits(at + 1);
        let closed = end > at + 1 && self.text[end..].starts_with('}');
        closed.then(|| (self.text[at + 1..end].to_owned(), end + 1))
    }

    /// The power of ten of `6.72e-5`.
    fn exponent(&self) -> Option<(i32, usize)> {
        let bytes = self.text.as_bytes();
        if !matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            return None;
        }
        let signed = matches!(bytes.get(self.at + 1), Some(b'+' | b'-'));
        let start = self.at + 1 + usize::from(signed);
        let end = self.digits(start.min(self.text.len()));
        if end == start || end > start + 4 {
            return None;
        }
        let power = self.text[self.at + 1..end].trim_start_matches('+');
        Some((power.parse().ok()?, end))
    }
}

/// Decimals before dots, as those that stand once and those that repeat: the shortest period that covers the most of their
/// end, at least twice; or all, where six or more show no period.
fn endless(decimals: &str) -> Option<(&str, &str)> {
    let digits = decimals.as_bytes();
    let covered = |period: usize| {
        let pairs = digits.iter().rev().zip(digits.iter().rev().skip(period));
        let same = pairs.take_while(|(a, b)| a == b).count();
        same + period
    };
    let longest = digits.len().min(32) / 2;
    let best = (1..=longest)
        .map(|period| (covered(period), period))
        .filter(|(covered, period)| *covered >= 2 * period)
        .max_by_key(|(covered, period)| (*covered, std::cmp::Reverse(*period)));
    match best {
        Some((covered, period)) => {
            let start = digits.len() - covered;
            Some((&decimals[..start], &decimals[start..start + period]))
        }
        None => (digits.len() >= 6).then_some(("", decimals)),
    }
}
