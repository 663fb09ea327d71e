//! Where a store is, and what of that may be shown: a password never.

use serde::{Serialize, Serializer};

use super::StoreError;

/// What stands for a password.
const HIDDEN: &str = "***";

/// A place as it may be printed, stored and published: passwords are `***`, however the address is written.
pub fn shown(place: &str) -> String {
    let Some(scheme) = scheme_end(place) else {
        return hide_values(place);
    };
    let (scheme, rest) = place.split_at(scheme);
    // A password may hold whatever an address may: the last `@` ends it.
    let hidden = match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:{HIDDEN}@{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    format!("{scheme}{}", hide_values(&hidden))
}

/// Is it the address of a database server?
pub fn is_url(place: &str) -> bool {
    ["postgres://", "postgresql://"].iter().any(|scheme| {
        let begin = place.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    })
}

/// Refuses what is neither a file's name nor the address of a server that is known here.
pub(super) fn check(place: &str) -> Result<(), StoreError> {
    let slipped = scheme_end(place).is_some() && !is_url(place);
    match slipped || value_at(place, 0).is_some() && !is_url(place) {
        true => Err(StoreError::Place(shown(place))),
        false => Ok(()),
    }
}

/// Writes a place as it may be shown.
pub(crate) fn serialize<S: Serializer>(place: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    place.as_deref().map(shown).serialize(to)
}

/// Where what follows `name:/` and further slashes begins, of an address that may be mistyped.
fn scheme_end(place: &str) -> Option<usize> {
    let (name, rest) = place.split_once(":/")?;
    // `C:/folder` is a file.
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '+';
    if name.len() < 2 || !name.chars().all(letters) {
        return None;
    }
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    Some(name.len() + 2 + slashes)
}

/// Where the value of `password=` (or `sslpassword =` …) stands from a place on.
fn value_at(text: &str, from: usize) -> Option<(usize, usize)> {
    const WORD: &str = "password";
    let lower = text.to_ascii_lowercase();
    let mut at = from;
    loop {
        let found = at + lower.get(at..)?.find(WORD)? + WORD.len();
        let rest = &text[found..];
        let equals = rest.len() - rest.trim_start().len();
        if rest[equals..].starts_with('=') {
            let value = &rest[equals + 1..];
            let begin = found + equals + 1 + (value.len() - value.trim_start().len());
            let value = &text[begin..];
            let end = match value.strip_prefix('\'') {
                Some(quoted) => quoted.find('\'').map_or(value.len(), |end| end + 2),
                None => value.find(['&', ' ', '#']).unwrap_or(value.len()),
            };
            return Some((begin, begin + end));
        }
        at = found;
    }
}

fn hide_values(text: &str) -> String {
    let (mut hidden, mut from) = (String::new(), 0);
    while let Some((begin, end)) = value_at(text, from) {
        hidden.push_str(&text[from..begin]);
        hidden.push_str(HIDDEN);
        from = end;
    }
    hidden + &text[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_however_the_address_is_written() {
        for (place, seen) in [
            ("postgres://u:pw@h/db", "postgres://u:***@h/db"),
            (
                "postgresql://u:p%40w@h:5432/db?sslmode=require",
                "postgresql://u:***@h:5432/db?sslmode=require",
            ),
            ("POSTGRES://u:pw@h/db", "POSTGRES://u:***@h/db"),
            ("postgres://u:p@w@h/db", "postgres://u:***@h/db"),
            ("postgres://u:p/w#1,2?3@h/db", "postgres://u:***@h/db"),
            ("postgres:/u:pw@h/db", "postgres:/u:***@h/db"),
            ("postgres:///u:pw@h/db", "postgres:///u:***@h/db"),
            ("HTTP://u:pw@h", "HTTP://u:***@h"),
            (
                "postgres://h/db?user=u&password=pw&sslmode=require",
                "postgres://h/db?user=u&password=***&sslmode=require",
            ),
            (
                "postgres://h/db?sslpassword=pw",
                "postgres://h/db?sslpassword=***",
            ),
            (
                "host=h user=u password=pw dbname=db",
                "host=h user=u password=*** dbname=db",
            ),
            (
                "host=h Password = 'p w' dbname=db",
                "host=h Password = *** dbname=db",
            ),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres://h:5432/db", "postgres://h:5432/db"),
            ("study.sqlite", "study.sqlite"),
            ("a@b:c/passwords.sqlite", "a@b:c/passwords.sqlite"),
            ("C:/studies/a@b.sqlite", "C:/studies/a@b.sqlite"),
        ] {
            assert_eq!(shown(place), seen);
        }
    }

    #[test]
    fn a_store_is_a_file_or_a_server_that_is_known_here() {
        for place in [
            "study.sqlite",
            "./a b/ü.sqlite",
            "C:/s.sqlite",
            "postgres://h/db",
            "PostgreSQL://h/db?password=x",
        ] {
            assert!(check(place).is_ok(), "{place}");
        }
        for place in [
            "http://u:pw@h/db",
            "postgres:/h/db",
            "mysql://h/db",
            "host=h password=pw",
        ] {
            let refused = check(place).err().map(|error| error.to_string());
            assert!(
                refused.as_ref().is_some_and(|told| !told.contains("pw")),
                "{refused:?}"
            );
        }
    }
}
