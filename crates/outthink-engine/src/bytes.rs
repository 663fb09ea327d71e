//! Amounts of memory, as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes, shown in MB or GB.
///
/// ```
/// use outthink_engine::Bytes;
///
/// assert_eq!("1.5 GB".parse(), Ok(Bytes(1_500_000_000)));
/// assert_eq!("2GiB".parse(), Ok(Bytes(2 << 30)));
/// assert_eq!(Bytes(96_600_001).to_string(), "97 MB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000_000_000 => write!(f, "{:.0} MB", (bytes as f64 / 1e6).ceil()),
            bytes => write!(f, "{:.1} GB", bytes as f64 / 1e9),
        }
    }
}

/// Units by name: of 1000 and, with an i, of 1024.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("k", 1_000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
];

impl FromStr for Bytes {
    type Err = String;

    /// A number with a unit, as `4GB`, `512 MiB` or `1.5g`; without one it is of bytes.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = lower[digits.len()..].trim();
        let unit = match unit {
            "b" => unit,
            _ => unit.strip_suffix('b').unwrap_or(unit),
        };
        let unit = UNITS.iter().find(|(name, _)| *name == unit);
        let number = digits.trim().parse::<f64>().ok();
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        match (number, unit) {
            (Some(number), Some((_, unit))) => Ok(Self((number * *unit as f64) as u64)),
            _ => Err(format!(
                "`{text}` is no amount of memory (one is 4GB, 512MB or 2GiB)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("4GB", 4_000_000_000),
            ("4 gb", 4_000_000_000),
            ("4g", 4_000_000_000),
            ("0.5M", 500_000),
            (" 512MiB ", 512 << 20),
            ("1Ti", 1 << 40),
            ("123", 123),
            ("123 B", 123),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
        }
        for text in [
            "", "GB", "4 XB", "-1GB", "1e400GB", "nan", "4GBB", "four", "4,5GB",
        ] {
            let told = text.parse::<Bytes>().map_err(|told| told.contains(text));
            assert_eq!(told, Err(true), "{text}");
        }
    }
}
