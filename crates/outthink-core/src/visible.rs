//! Text from outside, made safe to show.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with every character that steers a terminal, or hides or reorders what is shown, written out as an escape such
/// as `\u{1b}`. Line breaks and tabs stay. For whatever models, servers and files say, before a person reads it.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// The same in one line: for messages and logs, where a line break could forge the next entry. Blank space becomes one space.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r', '\t']) {
        return escaped(text, |_| false);
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    Cow::Owned(escaped(&words.join(" "), |_| false).into_owned())
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hides = |c: char| !stays(c) && steers(c);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if hides(c) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Control characters (the escapes of terminals begin with one), line separators, and the marks that change the direction of
/// text or have no width.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out_and_all_else_stays() {
        for plain in ["", "x² + 1 = 0", "\\boxed{é}\n\n你好\t👍🏽", "a\u{301}"] {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain));
        }
        assert_eq!(
            visible("\x1b]0;title\x07 red\r"),
            "\\u{1b}]0;title\\u{7} red\\u{d}"
        );
        assert_eq!(
            visible("\u{9b}31m and \u{202e}txet"),
            "\\u{9b}31m and \\u{202e}txet"
        );
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(
            visible_line("busy\r\n  error: forged\n"),
            "busy error: forged"
        );
        assert_eq!(visible_line("a\tb\x1b[2J"), "a b\\u{1b}[2J");
        assert_eq!(visible_line("as  it was"), "as  it was");
    }
}
