//! The last number of a text.

/// The last number that is no part of a word, with its sign, fraction, percent sign or the rest of a time of day, and its
/// place.
pub(super) fn last_number(text: &str) -> Option<(usize, &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = text.len();
    loop {
        let last = text[..end].rfind(|c: char| c.is_ascii_digit())?;
        let mut start = last;
        while start > 0 {
            let follows = start > 1 && digit(start - 2);
            let inner = matches!(bytes[start - 1], b'.' | b',' | b'/') && follows;
            // 1 000
            let group = bytes[start - 1] == b' '
                && follows
                && (start..start + 3).all(digit)
                && !digit(start + 3);
            // 12:30
            let time = bytes[start - 1] == b':' && follows && start + 1 == last && !digit(last + 1);
            if !(digit(start - 1) || inner || group || time) {
                break;
            }
            start -= 1;
        }
        let letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
        let before = text[..start].chars().next_back();
        if letter(before) && letter(text[last + 1..].chars().next()) {
            end = start;
            continue;
        }
        if text[..start].ends_with('.') && !follows_word(&text[..start - 1]) {
            start -= 1;
        }
        // The sign of an amount stands before the dollar sign: -$5.
        let currency = text[..start].trim_end_matches(['$', '\\']);
        if currency.ends_with('-') && !follows_word(&currency[..currency.len() - 1]) {
            start = if currency.len() == start {
                start - 1
            } else {
                currency.len() - 1
            };
        }
        let stop = last + 1 + suffix(&text[last + 1..]);
        return Some((start, &text[start..stop]));
    }
}

fn follows_word(text: &str) -> bool {
    text.ends_with(char::is_alphanumeric)
}

/// Bytes of what still belongs to a number: a percent sign, half of the day, a large unit.
fn suffix(tail: &str) -> usize {
    const SUFFIXES: [&str; 9] = [
        "%",
        "\\%",
        " percent",
        " million",
        " billion",
        " trillion",
        " thousand",
        " million",
        " dozen",
    ];
    let lower = tail.get(..12).unwrap_or(tail).to_ascii_lowercase();
    if let Some(suffix) = SUFFIXES
        .into_iter()
        .find(|suffix| lower.starts_with(suffix))
    {
        return suffix.len();
    }
    let space = lower.len() - lower.trim_start_matches(' ').len();
    let half = ["am", "pm", "a.m", "p.m"].into_iter().find(|half| {
        lower[space..]
            .strip_prefix(half)
            .is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
    });
    half.map_or(0, |half| space + half.len())
}
