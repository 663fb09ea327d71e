//! LaTeX, Unicode maths and plain text as one stream of tokens.
//!
//! Everything that only changes how an answer looks goes here, in one pass: spacing, `\left`, fonts, dollar signs,
//! thousands separators, Unicode spellings. Nothing is ever deleted by searching for a string.

mod command;
mod fold;
mod number;

use crate::expr::Function;
use crate::token::{Ambiguity, Order, Spaced, Spelling, Token, Tokens};
use crate::unit::is_unit;
pub(crate) use fold::fold;

/// Most tokens that are read; a longer answer is compared as text.
const MOST_TOKENS: usize = 4096;

/// None for what is too long to read.
pub(crate) fn tokenize(text: &str, spelling: Spelling) -> Option<Tokens> {
    let mut lexer = Lexer {
        text,
        at: 0,
        space: false,
        prose: false,
        depth: 0,
        open: Vec::new(),
        single: Vec::new(),
        spelling,
        tokens: Vec::with_capacity(text.len().min(64)),
        ambiguity: Ambiguity::default(),
    };
    lexer.run()?;
    Some(Tokens {
        tokens: lexer.tokens,
        ambiguity: lexer.ambiguity,
    })
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    space: bool,
    /// Inside `\text{}`: two letters are a word, not a product.
    prose: bool,
    depth: usize,
    /// Environments that are open, by what they are.
    open: Vec<Environment>,
    /// Places where TeX takes one digit as an argument: `\frac12`.
    single: Vec<usize>,
    spelling: Spelling,
    tokens: Vec<Spaced>,
    ambiguity: Ambiguity,
}

/// What an environment does with its cells and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    /// Cells and rows.
    Matrix,
    /// Lines, some with a condition in a second cell.
    Cases,
    /// Lines; cells are but places to align.
    Lines,
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
                '.' if self.digit_at(self.at + 1) && !self.ends_label() => self.number()?,
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

    /// Does a dot here end a word like "No."?
    fn ends_label(&self) -> bool {
        let label = |word: &str| matches!(word.to_ascii_lowercase().as_str(), "no" | "nr");
        matches!(self.tokens.last().map(|last| &last.token), Some(Token::Word(word)) if label(word))
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
                Token::Number(_) | Token::CloseGroup | Token::Close(_) | Token::Letter('π')
            )
        });
        let lower = run.to_ascii_lowercase();
        let last = self.tokens.last().map(|last| &last.token);
        if last == Some(&Token::Degree)
            && matches!(lower.as_str(), "c" | "f" | "celsius" | "fahrenheit")
        {
            self.at += run.len();
            let name = if lower.starts_with('c') {
                "celsius"
            } else {
                "fahrenheit"
            };
            return self.push(Token::Word(name.into()));
        }
        // Five minutes have no minimum.
        let counted = after_number && self.space || last == Some(&Token::Slash);
        if counted && matches!(lower.as_str(), "min" | "sq" | "cu") {
            self.at += run.len();
            return self.push(Token::Word(lower));
        }
        if let Some(currency) = currency(run) {
            self.at += run.len();
            return self.push(Token::Currency(currency));
        }
        // "x^2 + const."
        if matches!(lower.as_str(), "const" | "constant") && last == Some(&Token::Plus) {
            self.at += run.len();
            return self.push(Token::Letter('C'));
        }
        if let Some(token) = plain_word(&lower) {
            self.at += run.len();
            return self.push(token);
        }
        let is_word = match run.len() {
            1 => self.prose && after_number && is_unit(run),
            2 | 3 => {
                self.prose
                    || after_number && is_unit(run) && (self.space || !may_be_product(run))
                    || is_short_word(run)
            }
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
            '$'
            | '\u{200b}'..='\u{200f}'
            | '\u{2060}'..='\u{2064}'
            | '\u{feff}'
            | '\u{ad}'
            | '"'
            | '“'
            | '”'
            | '`' => return,
            '*' if self.rest().starts_with('*') => {
                self.at += 1;
                Token::Caret
            }
            '+' => Token::Plus,
            '-' if self.rest().starts_with('>') => {
                self.at += 1;
                Token::Implies
            }
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
            '.' if self.rest().starts_with("..") => {
                let dots = self.rest().len() - self.rest().trim_start_matches('.').len();
                self.at += dots;
                Token::Ellipsis
            }
            '.' | '?' => Token::Dot,
            '…' => Token::Ellipsis,
            '→' | '⇒' | '⟹' | '⟶' | '⇔' | '⟺' | '∴' => Token::Implies,
            '#' => Token::Word("number".into()),
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
            '&' => match self.open.last() {
                Some(Environment::Matrix | Environment::Cases) => Token::Cell,
                Some(Environment::Lines) => return,
                None => Token::And,
            },
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
            '¥' | '₩' | '₹' | '₽' | '฿' => Token::Currency(match c {
                '¥' => "yen",
                '₩' => "won",
                '₹' => "rupee",
                '₽' => "ruble",
                _ => "baht",
            }),
            // Ticks and other pictures.
            '\u{2600}'..='\u{265f}'
            | '\u{2668}'..='\u{27bf}'
            | '\u{1f300}'..='\u{1faff}'
            | '\u{fe0f}'
            | '■'
            | '□'
            | '∎' => {
                self.space = true;
                return;
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
            c => Token::Other(c.encode_utf8(&mut [0; 4]).into()),
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
}

/// A currency by its code.
fn currency(run: &str) -> Option<&'static str> {
    Some(match run {
        "USD" => "dollar",
        "EUR" => "euro",
        "GBP" => "pound",
        _ => return None,
    })
}

/// Symbols of units that are likelier variables where no space stands before them: `5nm`.
fn may_be_product(run: &str) -> bool {
    matches!(
        run,
        "nm" | "um"
            | "dm"
            | "cl"
            | "cL"
            | "dl"
            | "dL"
            | "ha"
            | "cc"
            | "pt"
            | "qt"
            | "ms"
            | "mA"
            | "kN"
            | "Pa"
    )
}

/// A word of two or three letters that is no product of variables, also outside of `\text{}`.
fn is_short_word(run: &str) -> bool {
    const WORDS: [&str; 19] = [
        "to", "day", "box", "row", "bus", "no", "yes", "up", "is", "are", "the", "of", "per",
        "not", "for", "odd", "all", "none", "any",
    ];
    let (first, rest) = run.split_at(1);
    // NO may be a segment.
    rest.bytes().all(|b| b.is_ascii_lowercase())
        && WORDS
            .iter()
            .any(|word| first.eq_ignore_ascii_case(&word[..1]) && &word[1..] == rest)
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
        "mod" => Token::Modulo,
        _ => return None,
    })
}
