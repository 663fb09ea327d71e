//! Numbers, with their separators, repeating decimals and powers of ten.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::Lexer;
use crate::token::{Literal, Thousands, Token};

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
                self.ambiguous_comma = true;
                self.padded |= self.text[start..].starts_with('0');
                if self.thousands == Thousands::Separate {
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
            let repeats =
                self.text[end..].starts_with("\\overline") || self.text[end..].starts_with("\\bar");
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
            && let Some((repeating, end)) = self.repeating()
        {
            let nines = scale(repeating.len()) - UBig::ONE;
            value += RBig::from_parts(
                IBig::from(integer(repeating)?),
                nines * scale(decimals.len()),
            );
            self.at = end;
            places = None;
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

    /// The digits under `\overline{}` or `\bar{}`, and the place after it.
    fn repeating(&self) -> Option<(&'a str, usize)> {
        let rest = self.rest();
        let body = rest
            .strip_prefix("\\overline")
            .or_else(|| rest.strip_prefix("\\bar"))?;
        let start = self.text.len() - body.len();
        let (from, to, end) = if body.starts_with('{') {
            let end = self.digits(start + 1);
            (start + 1, end, end + 1)
        } else {
            (start, start + 1, start + 1)
        };
        let digits = self.text.get(from..to)?;
        let closed = !body.starts_with('{') || self.text[to..].starts_with('}');
        let fine = closed && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        fine.then_some((digits, end))
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
