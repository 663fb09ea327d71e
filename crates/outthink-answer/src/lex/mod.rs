//! LaTeX, Unicode maths and plain text as one stream of tokens.
//!
//! Everything that only changes how an answer looks goes here, in one pass: spacing, `\left`, fonts, dollar signs,
//! thousands separators, Unicode spellings. Nothing is ever deleted by searching for a string.

mod command;
mod number;

use dashu_ratio::RBig;

use crate::expr::Function;
use crate::token::{Literal, Order, Spaced, Thousands, Token, Tokens};

/// Most tokens that are read; a longer answer is compared as text.
const MOST_TOKENS: usize = 4096;

/// None for what is too long to read.
pub(crate) fn tokenize(text: &str, thousands: Thousands) -> Option<Tokens> {
    let mut lexer = Lexer {
        text,
        at: 0,
        space: false,
        prose: false,
        depth: 0,
        matrices: 0,
        single: Vec::new(),
        thousands,
        tokens: Vec::with_capacity(text.len().min(64)),
        ambiguous_comma: false,
        padded: false,
    };
    lexer.run()?;
    Some(Tokens {
        tokens: lexer.tokens,
        ambiguous_comma: lexer.ambiguous_comma,
        padded: lexer.padded,
    })
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    space: bool,
    /// Inside `\text{}`: two letters are a word, not a product.
    prose: bool,
    depth: usize,
    /// Matrices that are open.
    matrices: usize,
    /// Places where TeX takes one digit as an argument: `\frac12`.
    single: Vec<usize>,
    thousands: Thousands,
    tokens: Vec<Spaced>,
    ambiguous_comma: bool,
    padded: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push(&mut self, token: Token) {
        let space = std::mem::take(&mut self.space);
        self.tokens.push(Spaced { token, space });
    }

    fn run(&mut self) -> Option<()> {
        while let Some(c) = self.rest().chars().next() {
            if self.tokens.len() > MOST_TOKENS {
                return None;
            }
            match c {
                '0'..='9' => self.number()?,
                '.' if self.digit_at(self.at + 1) => self.number()?,
                'a'..='z' | 'A'..='Z' => self.letters(),
                '\\' => self.command()?,
                _ => {
                    self.at += c.len_utf8();
                    self.symbol(c);
                }
            }
        }
        Some(())
    }
    /// A run of Latin letters: a function, a word, or a product of variables.
    fn letters(&mut self) {
        let inner = |c: char| c.is_ascii_alphabetic();
        let length = self.rest().find(|c| !inner(c)).unwrap_or(self.rest().len());
        let mut run = &self.rest()[..length];
        // In prose, hyphens and apostrophes belong to the word: twenty-one.
        if self.prose || length >= 4 {
            let joins = |c: char| inner(c) || c == '-' || c == '\'' || c == '’';
            let longer = self.rest().find(|c| !joins(c)).unwrap_or(self.rest().len());
            let joined = self.rest()[..longer].trim_end_matches(['-', '\'', '’']);
            let dashed = joined.split(['-', '\'', '’']).all(|part| !part.is_empty());
            let long = joined.split(['-', '\'', '’']).all(|part| part.len() >= 3);
            if dashed && (self.prose || long) {
                run = joined;
            }
        }
        let after_number = self.tokens.last().is_some_and(|last| {
            matches!(
                last.token,
                Token::Number(_) | Token::CloseGroup | Token::Close(_)
            )
        });
        let lower = run.to_ascii_lowercase();
        if let Some(token) = plain_word(&lower) {
            self.at += run.len();
            return self.push(token);
        }
        let is_word = match run.len() {
            1 => self.prose && after_number && crate::words::is_unit(&lower),
            2 | 3 => self.prose || after_number && crate::words::is_unit(&lower),
            _ => true,
        };
        self.at += run.len();
        if is_word {
            self.push(Token::Word(run.to_owned()));
        } else {
            run.chars().for_each(|c| self.push(Token::Letter(c)));
        }
    }

    fn symbol(&mut self, c: char) {
        use Order::{Approximately, Equal, Greater, GreaterEqual, In, Less, LessEqual, NotEqual};
        let double = self.rest().starts_with('=');
        let token = match c {
            ' ' | '\n' | '\t' | '\r' | '~' | '\u{a0}' | '\u{2009}' | '\u{202f}' => {
                self.space = true;
                return;
            }
            // Maths mode, emphasis, invisible characters.
            '$' | '\u{200b}' | '\u{2061}' | '\u{2062}' | '"' | '“' | '”' | '`' => return,
            '*' if self.rest().starts_with('*') => {
                self.at += 1;
                Token::Caret
            }
            '+' => Token::Plus,
            '-' | '−' | '–' | '—' => Token::Minus,
            '±' => Token::PlusMinus,
            '∓' => Token::MinusPlus,
            '*' | '×' | '·' | '⋅' | '∙' => Token::Times,
            '/' | '÷' | '∕' => Token::Slash,
            '^' => {
                if self.is_degree() {
                    Token::Degree
                } else {
                    Token::Caret
                }
            }
            '_' => Token::Underscore,
            // `x != 3`, but `5!=120`.
            '!' if double && self.space => {
                self.at += 1;
                Token::Order(NotEqual)
            }
            '!' => Token::Bang,
            '%' => Token::Percent,
            '°' | 'º' => Token::Degree,
            '\'' | '′' | '’' => Token::Prime,
            ',' => Token::Comma,
            ';' => Token::Semicolon,
            ':' => Token::Colon,
            '.' | '?' => Token::Dot,
            '…' => Token::Word("…".into()),
            '|' | '∣' => Token::Bar,
            '(' | '[' => Token::Open(c),
            ')' | ']' => Token::Close(c),
            '{' => Token::OpenGroup,
            '}' => Token::CloseGroup,
            '⟨' => Token::OpenAngle,
            '⟩' => Token::CloseAngle,
            '⌊' => Token::OpenFloor,
            '⌋' => Token::CloseFloor,
            '⌈' => Token::OpenCeil,
            '⌉' => Token::CloseCeil,
            '&' => Token::Cell,
            '√' => Token::Sqrt,
            'π' => Token::Letter('π'),
            '∞' => Token::Infinity,
            '∅' => Token::Empty,
            'ℝ' => Token::Reals,
            '∪' => Token::Cup,
            '∩' => Token::Cap,
            '∖' => Token::Without,
            '∈' => Token::Order(In),
            '=' => {
                self.at += usize::from(double);
                Token::Order(Equal)
            }
            '<' | '>' if double => {
                self.at += 1;
                Token::Order(if c == '<' { LessEqual } else { GreaterEqual })
            }
            '<' => Token::Order(Less),
            '>' => Token::Order(Greater),
            '≤' | '⩽' => Token::Order(LessEqual),
            '≥' | '⩾' => Token::Order(GreaterEqual),
            '≠' => Token::Order(NotEqual),
            '≈' => Token::Order(Approximately),
            '£' => Token::Currency("pound"),
            '€' => Token::Currency("euro"),
            '¢' => Token::Word("cent".into()),
            '½' | '¼' | '¾' | '⅓' | '⅔' => return self.unicode_fraction(c),
            '⁰' | '¹' | '²' | '³' | '⁴' | '⁵' | '⁶' | '⁷' | '⁸' | '⁹' => {
                return self.superscript(c);
            }
            'ϕ' | 'φ' => Token::Letter('φ'),
            'ε' | 'ϵ' => Token::Letter('ε'),
            c if c.is_alphabetic() => {
                // Letters of other scripts: Greek is a variable, the rest is prose.
                if ('α'..='ω').contains(&c) || ('Α'..='Ω').contains(&c) {
                    Token::Letter(c)
                } else {
                    let from = self.at - c.len_utf8();
                    let word = &self.text[from..];
                    let length = word
                        .find(|c: char| !c.is_alphanumeric())
                        .unwrap_or(word.len());
                    self.at = from + length;
                    Token::Word(word[..length].to_owned())
                }
            }
            _ => Token::Other,
        };
        self.push(token);
    }

    /// `^\circ` and its spellings, after the caret; skips them.
    fn is_degree(&mut self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '{']);
        let Some(after) = rest
            .strip_prefix("\\circ")
            .or_else(|| rest.strip_prefix("\\degree"))
            .or_else(|| rest.strip_prefix('°'))
            .or_else(|| rest.strip_prefix('∘'))
        else {
            return false;
        };
        let braced = self.rest().trim_start().starts_with('{');
        let after = if braced {
            match after.trim_start().strip_prefix('}') {
                Some(after) => after,
                None => return false,
            }
        } else {
            after
        };
        self.at = self.text.len() - after.len();
        true
    }

    fn integer(&mut self, value: u32) {
        self.push(Token::Number(Literal {
            whole: value.to_string(),
            value: RBig::from(value),
            places: None,
        }));
    }

    fn unicode_fraction(&mut self, c: char) {
        let (above, below) = match c {
            '½' => (1, 2),
            '¼' => (1, 4),
            '¾' => (3, 4),
            '⅓' => (1, 3),
            _ => (2, 3),
        };
        self.push(Token::Frac);
        self.integer(above);
        self.integer(below);
    }

    fn superscript(&mut self, c: char) {
        const DIGITS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
        let digit = |c: char| DIGITS.chars().position(|d| d == c);
        let mut value = digit(c).unwrap_or(0);
        while let Some(next) = self.rest().chars().next()
            && let Some(d) = digit(next)
            && value < 1_000_000
        {
            value = value * 10 + d;
            self.at += next.len_utf8();
        }
        self.push(Token::Caret);
        self.integer(value as u32);
    }
}

/// A token that is a word of plain text.
fn plain_word(lower: &str) -> Option<Token> {
    if let Some(function) = Function::named(lower) {
        return Some(Token::Function(function));
    }
    Some(match lower {
        "and" => Token::And,
        "or" => Token::Or,
        "pi" => Token::Letter('π'),
        "sqrt" => Token::Sqrt,
        "infinity" | "infty" | "inf" => Token::Infinity,
        "percent" | "pct" => Token::Percent,
        "degrees" | "degree" => Token::Degree,
        _ => return None,
    })
}
