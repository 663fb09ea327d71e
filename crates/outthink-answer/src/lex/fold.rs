//! Unicode's other ways to write what LaTeX and ASCII write: full-width forms, styled letters, fractions, super- and
//! subscripts.

use std::borrow::Cow;

/// The text with such characters as their plain equals.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && !matches!(byte, b'<' | b'&');
    if text.as_bytes().iter().all(plain) {
        return text.into();
    }
    let mut folded = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = if let Some(rest) = markup(rest, &mut folded) {
            rest
        } else if c.is_ascii() {
            folded.push(c);
            after
        } else if let Some(rest) = script(rest, &mut folded) {
            rest
        } else if let Some(rest) = marked_digits(rest, &mut folded) {
            rest
        } else {
            character(c, &mut folded);
            after
        };
    }
    folded.into()
}

/// HTML, and control characters that a backslash and a letter were taken for.
fn markup<'t>(rest: &'t str, folded: &mut String) -> Option<&'t str> {
    const MARKUP: [(&str, &str); 30] = [
        ("<sup>", "^{"),
        ("</sup>", "}"),
        ("<sub>", "_{"),
        ("</sub>", "}"),
        ("<b>", ""),
        ("</b>", ""),
        ("<i>", ""),
        ("</i>", ""),
        ("<em>", ""),
        ("</em>", ""),
        ("<strong>", ""),
        ("</strong>", ""),
        ("<br>", " "),
        ("<br/>", " "),
        ("<br />", " "),
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&le;", "≤"),
        ("&ge;", "≥"),
        ("&amp;", "\\&"),
        ("&pi;", "π"),
        ("&times;", "×"),
        ("&minus;", "-"),
        ("&radic;", "√"),
        ("\u{8}", "\\b"),
        ("\u{c}", "\\f"),
        ("\text{", "\\text{"),
        ("\times", "\\times"),
        ("\right", "\\right"),
    ];
    let first = rest.bytes().next()?;
    if !matches!(first, b'<' | b'&' | 8 | 12 | b'\t' | b'\r') {
        return None;
    }
    let (from, to) = MARKUP
        .into_iter()
        .find(|(from, _)| rest.starts_with(from))?;
    folded.push_str(to);
    rest.strip_prefix(from)
}

const SUPERSCRIPTS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵃᵇᶜᵈᵉᶠᵍʰʲᵏˡᵐᵒᵖʳˢᵗᵘᵛʷˣʸᶻ";
const SUPER_PLAIN: &str = "0123456789+-=()niabcdefghjklmoprstuvwxyz";
const SUBSCRIPTS: &str = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ";
const SUB_PLAIN: &str = "0123456789+-=()aehijklmnoprstuvx";

/// A run of super- or subscripts as a group, or a fraction of the two: `¹⁄₂`.
fn script<'t>(rest: &'t str, folded: &mut String) -> Option<&'t str> {
    let (above, after) = run(rest, SUPERSCRIPTS, SUPER_PLAIN);
    if !above.is_empty() {
        if let Some(after) = after.strip_prefix('\u{2044}')
            && let (below, after) = run(after, SUBSCRIPTS, SUB_PLAIN)
            && !below.is_empty()
        {
            folded.push_str(&format!("\\frac{{{above}}}{{{below}}}"));
            return Some(after);
        }
        // A raised zero after a number is a degree sign: 90⁰.
        if above == "0" && folded.ends_with(|c: char| c.is_ascii_digit()) {
            folded.push('°');
        } else {
            folded.push_str(&format!("^{{{above}}}"));
        }
        return Some(after);
    }
    let (below, after) = run(rest, SUBSCRIPTS, SUB_PLAIN);
    (!below.is_empty()).then(|| {
        folded.push_str(&format!("_{{{below}}}"));
        after
    })
}

/// The characters of a kind that a text starts with, in plain letters, and what follows them.
fn run<'t>(text: &'t str, kind: &str, plain: &str) -> (String, &'t str) {
    let mut found = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next()
        && let Some(place) = kind.chars().position(|own| own == c)
    {
        found.extend(plain.chars().nth(place));
        rest = &rest[c.len_utf8()..];
    }
    (found, rest)
}

/// Digits with a line or a dot over each: `0.3̅`.
fn marked_digits<'t>(rest: &'t str, folded: &mut String) -> Option<&'t str> {
    // The mark follows its digit, which is written already.
    let mark = rest.chars().next()?;
    let command = match mark {
        '\u{304}' | '\u{305}' | '\u{33f}' => "\\overline",
        '\u{307}' => "\\dot",
        _ => return None,
    };
    let digit = folded.pop()?;
    let mut digits = String::from(digit);
    let mut rest = &rest[mark.len_utf8()..];
    while let Some(digit) = rest.chars().next()
        && digit.is_ascii_digit()
        && let Some(after) = rest[1..].strip_prefix(mark)
    {
        digits.push(digit);
        rest = after;
    }
    folded.push_str(&format!("{command}{{{digits}}}"));
    Some(rest)
}

fn character(c: char, folded: &mut String) {
    let code = c as u32;
    let plain = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(code - 0xfee0).unwrap_or(c),
        '\u{3000}' | '\u{2000}'..='\u{200a}' | '\u{205f}' => ' ',
        '、' => ',',
        '。' | '｡' => '.',
        '〈' | '《' | '〔' | '【' => '(',
        '〉' | '》' | '〕' | '】' => ')',
        '‐' | '‑' | '‒' | '―' | '﹣' | '➖' => '-',
        '➕' => '+',
        '∗' | '✕' | '✖' | '⨯' | '•' | '・' => '×',
        '➗' | '\u{2044}' => '/',
        '∶' | '꞉' => ':',
        '≦' => '≤',
        '≧' => '≥',
        '≃' | '≅' | '∼' => '≈',
        '‖' => '|',
        '⋯' | '┄' => '…',
        '˚' | '∘' => '°',
        'µ' => 'μ',
        'ϑ' => 'θ',
        'ϱ' => 'ρ',
        'Ω' => 'Ω',
        'ℯ' | 'ⅇ' => 'e',
        'ⅈ' => 'i',
        '\u{660}'..='\u{669}' => digit(code - 0x660),
        '\u{6f0}'..='\u{6f9}' => digit(code - 0x6f0),
        '\u{966}'..='\u{96f}' => digit(code - 0x966),
        '\u{9e6}'..='\u{9ef}' => digit(code - 0x9e6),
        '\u{1d7ce}'..='\u{1d7ff}' => digit((code - 0x1d7ce) % 10),
        '\u{1d400}'..='\u{1d6a3}' => {
            let place = (code - 0x1d400) % 52;
            let base = if place < 26 {
                u32::from('A')
            } else {
                u32::from('a') - 26
            };
            char::from_u32(base + place).unwrap_or(c)
        }
        '\u{1d6a8}'..='\u{1d7cb}' => {
            const GREEK: &str = "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΘΣΤΥΦΧΨΩ∇αβγδεζηθικλμνξοπρςστυφχψω∂εθκφρπ";
            GREEK
                .chars()
                .nth(((code - 0x1d6a8) % 58) as usize)
                .unwrap_or(c)
        }
        _ => {
            return match several(c) {
                Some(latex) => folded.push_str(latex),
                None => folded.push(c),
            };
        }
    };
    folded.push(plain);
}

fn digit(value: u32) -> char {
    char::from_digit(value, 10).unwrap_or('0')
}

/// Characters that LaTeX needs several for.
fn several(c: char) -> Option<&'static str> {
    Some(match c {
        '½' => "\\frac{1}{2}",
        '¼' => "\\frac{1}{4}",
        '¾' => "\\frac{3}{4}",
        '⅓' => "\\frac{1}{3}",
        '⅔' => "\\frac{2}{3}",
        '⅕' => "\\frac{1}{5}",
        '⅖' => "\\frac{2}{5}",
        '⅗' => "\\frac{3}{5}",
        '⅘' => "\\frac{4}{5}",
        '⅙' => "\\frac{1}{6}",
        '⅚' => "\\frac{5}{6}",
        '⅐' => "\\frac{1}{7}",
        '⅛' => "\\frac{1}{8}",
        '⅜' => "\\frac{3}{8}",
        '⅝' => "\\frac{5}{8}",
        '⅞' => "\\frac{7}{8}",
        '⅑' => "\\frac{1}{9}",
        '⅒' => "\\frac{1}{10}",
        '∛' => "\\sqrt[3]",
        '∜' => "\\sqrt[4]",
        '℃' => "°C",
        '℉' => "°F",
        '№' => "#",
        '≔' => "=",
        '″' => "''",
        '㎝' => "cm",
        '㎞' => "km",
        '㎏' => "kg",
        '㎡' => "m^2",
        '㎠' => "cm^2",
        '㎥' => "m^3",
        _ => return None,
    })
}
