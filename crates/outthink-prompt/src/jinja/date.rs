//! The one date that templates get.
//!
//! A prompt that changed with the clock would be another prompt tomorrow, and no run could be repeated. Templates that ask get
//! the date that Llama's own fall back to, a Friday at midnight, in the format that they ask for.

/// 26 July 2024 as Python's `strftime` writes it; what is no directive stays.
pub(crate) fn strftime(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let directive = &rest[at + 1..];
        let bare = directive.strip_prefix('-');
        let mut letters = bare.unwrap_or(directive).chars();
        let written = letters.next().and_then(|letter| match bare {
            Some(_) => unpadded(letter).or_else(|| padded(letter)),
            None => padded(letter),
        });
        match written {
            Some(written) => {
                out.push_str(written);
                rest = letters.as_str();
            }
            None => {
                out.push('%');
                rest = directive;
            }
        }
    }
    out.push_str(rest);
    out
}

fn padded(letter: char) -> Option<&'static str> {
    Some(match letter {
        'a' => "Fri",
        'A' => "Friday",
        'b' | 'h' => "Jul",
        'B' => "July",
        'c' => "Fri Jul 26 00:00:00 2024",
        'C' => "20",
        'd' | 'e' => "26",
        'D' | 'x' => "07/26/24",
        'f' => "000000",
        'F' => "2024-07-26",
        'g' | 'y' => "24",
        'G' | 'Y' => "2024",
        'H' | 'M' | 'S' => "00",
        'I' | 'l' => "12",
        'j' => "208",
        'k' => " 0",
        'm' => "07",
        'n' => "\n",
        'p' => "AM",
        'P' => "am",
        'r' => "12:00:00 AM",
        'R' => "00:00",
        't' => "\t",
        'T' | 'X' => "00:00:00",
        'u' | 'w' => "5",
        'U' => "29",
        'V' | 'W' => "30",
        'z' | 'Z' => "",
        '%' => "%",
        _ => return None,
    })
}

/// As `%-d` has it.
fn unpadded(letter: char) -> Option<&'static str> {
    match letter {
        'H' | 'M' | 'S' | 'k' => Some("0"),
        'm' => Some("7"),
        _ => None,
    }
}
