//! What a mistyped name was meant to be.

/// The known name that is most like a mistyped one, if any is like it: by letters left out, added, changed or swapped.
pub fn nearest<'n>(typed: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let plain = |name: &str| -> String {
        let kept = name.chars().filter(|c| c.is_alphanumeric());
        kept.flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(typed);
    // A third of the letters may be wrong, and one of very few.
    let most = (wanted.chars().count() / 3).max(1);
    let distance = |name: &'n str| (strsim::damerau_levenshtein(&wanted, &plain(name)), name);
    let closest = known.into_iter().map(distance).min_by_key(|own| own.0);
    closest
        .filter(|own| own.0 <= most && !wanted.is_empty())
        .map(|own| own.1)
}

/// `; did you mean NAME?` for a message, or nothing.
pub fn did_you_mean<'n>(typed: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    nearest(typed, known).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_another_word_is_not() {
        let methods = ["cot", "majority", "best-of-n", "beam", "dvts"];
        for (typed, meant) in [
            ("beem", Some("beam")),
            ("Majorty", Some("majority")),
            ("best_of_m", Some("best-of-n")),
            ("dtvs", Some("dvts")),
            ("tree-of-thought", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, methods), meant, "{typed}");
        }
        assert_eq!(nearest("math500", ["aime24", "math-500"]), Some("math-500"));
    }
}
