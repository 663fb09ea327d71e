//! The numbers of a strategy's file: each is one that can have been fitted, or it is said where it stands and what it is.

use toml::Value;

/// Beyond this is no cost of a problem, in FLOPs either.
const LARGEST: f64 = 1e30;

/// What a number may be.
struct Range {
    sound: fn(f64) -> bool,
    /// In words.
    is: &'static str,
}

/// By the name of the innermost field that it stands in.
fn range(field: &str) -> Range {
    let range = |sound: fn(f64) -> bool, is| Range { sound, is };
    match field {
        "accuracy" => range(|x| (0.0..=1.0).contains(&x), "a share from 0 to 1"),
        "budget" | "sample" | "deviations" => {
            range(|x| x > 0.0 && x <= LARGEST, "a number above 0")
        }
        "spent" | "multiplier" | "least" => {
            range(|x| (0.0..=LARGEST).contains(&x), "a number not below 0")
        }
        _ => range(|x| x.abs() <= LARGEST, "a finite number"),
    }
}

/// The first number that cannot be: where it stands, what it is, and what is wanted.
pub(crate) fn check(file: &toml::Table) -> Result<(), String> {
    file.iter()
        .try_for_each(|(field, value)| one(field, field, value))
}

fn one(place: &str, field: &str, value: &Value) -> Result<(), String> {
    let number = match value {
        Value::Table(fields) => {
            let inner =
                |(name, value): (&String, &Value)| one(&format!("{place}.{name}"), name, value);
            return fields.iter().try_for_each(inner);
        }
        Value::Array(items) => {
            let inner = |(at, value): (usize, &Value)| one(&format!("{place}[{at}]"), field, value);
            return items.iter().enumerate().try_for_each(inner);
        }
        Value::Float(number) => *number,
        Value::Integer(number) => *number as f64,
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) => return Ok(()),
    };
    let Range { sound, is } = range(field);
    match sound(number) {
        true => Ok(()),
        false => Err(format!("{place} is {number}, where {is} is needed")),
    }
}

/// To six digits, as written.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use toml::{Table, Value};

    use crate::{StrategyFile, testing};

    /// Every number of a file, by its place.
    fn numbers<'v>(place: String, value: &'v mut Value, found: &mut Vec<(String, &'v mut Value)>) {
        match value {
            Value::Table(fields) => fields
                .iter_mut()
                .for_each(|(name, value)| numbers(format!("{place}.{name}"), value, found)),
            Value::Array(items) => items
                .iter_mut()
                .enumerate()
                .for_each(|(at, value)| numbers(format!("{place}[{at}]"), value, found)),
            Value::Float(_) => found.push((place, value)),
            _ => {}
        }
    }

    #[test]
    fn a_number_that_is_none_is_told_wherever_it_stands() {
        for rewarded in [true, false] {
            let text = testing::strategy(rewarded).text().unwrap();
            assert!(StrategyFile::parse(&text).is_ok());
            let count = {
                let mut file = Value::Table(text.parse::<Table>().unwrap());
                let mut found = Vec::new();
                numbers(String::new(), &mut file, &mut found);
                found.len()
            };
            assert!(count > 20);
            for number in 0..count {
                for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1e300] {
                    let mut file = Value::Table(text.parse::<Table>().unwrap());
                    let mut found = Vec::new();
                    numbers(String::new(), &mut file, &mut found);
                    let (place, value) = found.swap_remove(number);
                    *value = Value::Float(wrong);
                    drop(found);
                    let place = place.trim_start_matches('.').to_owned();
                    let said = StrategyFile::parse(&toml::to_string(&file).unwrap());
                    let said = said.unwrap_err().to_string();
                    assert!(said.contains(&format!("damaged: {place} is ")), "{said}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_cost_and_no_share_is_told() {
        let text = testing::strategy(true).text().unwrap();
        for (field, wrong) in [
            ("budget", "-4.0"),
            ("budget", "0.0"),
            ("sample", "-1.0"),
            ("spent", "-0.5"),
            ("accuracy", "1.5"),
            ("accuracy", "-0.1"),
        ] {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{field} = ")))
                .unwrap();
            let said = StrategyFile::parse(&text.replacen(line, &format!("{field} = {wrong}"), 1));
            let said = said.unwrap_err().to_string();
            let number: f64 = wrong.parse().unwrap();
            assert!(
                said.contains(&format!("{field} is {number}, where ")),
                "{said}"
            );
        }
    }
}
