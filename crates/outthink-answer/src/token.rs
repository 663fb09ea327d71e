//! LaTeX, Unicode maths and plain text as one stream of tokens.
//!
//! Everything that only changes how an answer looks goes here, in one pass: spacing, `\left`, fonts, dollar signs,
//! thousands separators, Unicode spellings. Nothing is ever deleted by searching for a string.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use crate::expr::Function;

/// Most tokens that are read; a longer answer is compared as text.
const MOST_TOKENS: usize = 4096;

/// Most digits of one number.
const MOST_DIGITS: usize = 4096;

/// A number as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    /// Digits before the decimal point, without separators.
    pub(crate) whole: String,
    pub(crate) value: RBig,
    /// Digits after the decimal point, if there is one.
    pub(crate) places: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Approximately,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(Literal),
    /// A variable of one letter, Latin or Greek.
    Letter(char),
    /// A word of prose, or a unit.
    Word(String),
    Function(Function),
    Plus,
    Minus,
    PlusMinus,
    MinusPlus,
    Times,
    Slash,
    Caret,
    Underscore,
    Bang,
    Percent,
    Degree,
    Prime,
    Comma,
    Semicolon,
    Colon,
    Dot,
    And,
    Or,
    Bar,
    /// `(` or `[`
    Open(char),
    /// `)` or `]`
    Close(char),
    OpenSet,
    CloseSet,
    OpenGroup,
    CloseGroup,
    OpenAngle,
    CloseAngle,
    OpenFloor,
    CloseFloor,
    OpenCeil,
    CloseCeil,
    OpenMatrix,
    CloseMatrix,
    Cell,
    Row,
    Frac,
    Binom,
    Over,
    Choose,
    Sqrt,
    Overline,
    Sum,
    Product,
    Infinity,
    Empty,
    Reals,
    Such,
    Cup,
    Cap,
    Without,
    Modulo,
    Currency(&'static str),
    Order(Order),
    /// Something this reader does not know.
    Other,
}

/// A token and whether space stood before it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spaced {
    pub(crate) token: Token,
    pub(crate) space: bool,
}

/// How a comma between groups of three digits reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thousands {
    /// `1,234` is one number.
    Grouped,
    /// `1,234` is two numbers.
    Separate,
}

/// What the lexer found.
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Spaced>,
    /// Did a comma stand where [`Thousands`] decides?
    pub(crate) ambiguous_comma: bool,
    /// Do three digits after such a comma start with 0, as no number of its own would?
    pub(crate) padded: bool,
}

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

    fn digit_at(&self, at: usize) -> bool {
        self.text.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
    }

    /// Digits from `at` on; the place after them.
    fn digits(&self, at: usize) -> usize {
        let bytes = &self.text.as_bytes()[at..];
        at + bytes.iter().take_while(|b| b.is_ascii_digit()).count()
    }

    fn number(&mut self) -> Option<()> {
        if self.single.contains(&self.at) && self.digit_at(self.at) {
            let digit = self.text[self.at..=self.at].to_owned();
            self.at += 1;
            let value = digit.parse::<RBig>().ok()?;
            self.push(Token::Number(Literal {
                whole: digit,
                value,
                places: None,
            }));
            return Some(());
        }
        let end = self.digits(self.at);
        let mut whole = self.text[self.at..end].to_owned();
        self.at = end;
        while !whole.is_empty() && whole.len() <= MOST_DIGITS {
            let Some((skip, sure)) = self.separator() else {
                break;
            };
            let start = self.at + skip;
            let leads =
                whole.len() > 3 || (1..=3).contains(&whole.len()) && !whole.starts_with('0');
            if self.digits(start) != start + 3 || !leads {
                break;
            }
            if !sure {
                self.ambiguous_comma = true;
                self.padded |= self.text[start..].starts_with('0');
                if self.thousands == Thousands::Separate {
                    break;
                }
            }
            whole.push_str(&self.text[start..start + 3]);
            self.at = start + 3;
        }
        let mut decimals = String::new();
        let mut places = None;
        if self.rest().starts_with('.') && !self.rest().starts_with("..") {
            let end = self.digits(self.at + 1);
            let repeats =
                self.text[end..].starts_with("\\overline") || self.text[end..].starts_with("\\bar");
            // A dot after the last digit of all ends a sentence.
            if end > self.at + 1 || repeats {
                decimals.push_str(&self.text[self.at + 1..end]);
                self.at = end;
                places = Some(decimals.len());
                while let Some(skip) = self.thin_space() {
                    let start = self.at + skip;
                    let end = self.digits(start);
                    if end == start || end > start + 3 {
                        break;
                    }
                    decimals.push_str(&self.text[start..end]);
                    self.at = end;
                    places = Some(decimals.len());
                }
            }
        }
        if whole.len() + decimals.len() > MOST_DIGITS {
            return None;
        }
        let scale = |digits: usize| UBig::from(10u8).pow(digits);
        let integer = |digits: &str| {
            if digits.is_empty() {
                Some(UBig::ZERO)
            } else {
                UBig::from_str_radix(digits, 10).ok()
            }
        };
        let mut value = if decimals.is_empty() {
            RBig::from(integer(&whole)?)
        } else {
            let digits = format!("{whole}{decimals}");
            RBig::from_parts(IBig::from(integer(&digits)?), scale(decimals.len()))
        };
        if places.is_some()
            && let Some((repeating, end)) = self.repeating()
        {
            let nines = scale(repeating.len()) - UBig::ONE;
            value += RBig::from_parts(
                IBig::from(integer(repeating)?),
                nines * scale(decimals.len()),
            );
            self.at = end;
            places = None;
        }
        if let Some((exponent, end)) = self.exponent() {
            let power = RBig::from(scale(exponent.unsigned_abs() as usize));
            value = if exponent < 0 {
                value / power
            } else {
                value * power
            };
            self.at = end;
            places = None;
        }
        self.push(Token::Number(Literal {
            whole,
            value,
            places,
        }));
        Some(())
    }

    /// Bytes of a thousands separator here, and whether it can be nothing else.
    fn separator(&self) -> Option<(usize, bool)> {
        let rest = self.rest();
        for sure in [
            "{,}", ",\\! ", ",\\!", ",\\,", "\\,", "\\!", "\\ ", "~", "\u{202f}", "\u{a0}", " ",
        ] {
            if rest.starts_with(sure) {
                return Some((sure.len(), true));
            }
        }
        rest.starts_with(',').then_some((1, false))
    }

    fn thin_space(&self) -> Option<usize> {
        let rest = self.rest();
        let spaces = ["\\,", "\\!", "\u{202f}"];
        spaces
            .iter()
            .find(|s| rest.starts_with(**s))
            .map(|s| s.len())
    }

    /// The digits under `\overline{}` or `\bar{}`, and the place after it.
    fn repeating(&self) -> Option<(&'a str, usize)> {
        let rest = self.rest();
        let body = rest
            .strip_prefix("\\overline")
            .or_else(|| rest.strip_prefix("\\bar"))?;
        let start = self.text.len() - body.len();
        let (from, to, end) = if body.starts_with('{') {
            let end = self.digits(start + 1);
            (start + 1, end, end + 1)
        } else {
            (start, start + 1, start + 1)
        };
        let digits = self.text.get(from..to)?;
        let closed = !body.starts_with('{') || self.text[to..].starts_with('}');
        let fine = closed && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        fine.then_some((digits, end))
    }

    /// The power of ten of `6.72e-5`.
    fn exponent(&self) -> Option<(i32, usize)> {
        let bytes = self.text.as_bytes();
        if !matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            return None;
        }
        let signed = matches!(bytes.get(self.at + 1), Some(b'+' | b'-'));
        let start = self.at + 1 + usize::from(signed);
        let end = self.digits(start.min(self.text.len()));
        if end == start || end > start + 4 {
            return None;
        }
        let power = self.text[self.at + 1..end].trim_start_matches('+');
        Some((power.parse().ok()?, end))
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
            '.' => Token::Dot,
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

    /// The place after one TeX argument that starts here or after spaces.
    fn argument_end(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        match bytes.get(at) {
            Some(b'{') => {
                let mut depth = 0usize;
                for (i, b) in bytes.iter().enumerate().skip(at) {
                    match b {
                        b'{' => depth += 1,
                        b'}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        return i + 1;
                    }
                }
                self.text.len()
            }
            Some(b'\\') => {
                let name = bytes[at + 1..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphabetic());
                at + 1 + name.count()
            }
            Some(_) => at + self.text[at..].chars().next().map_or(1, char::len_utf8),
            None => at,
        }
    }

    fn skip_spaces(&self, at: usize) -> usize {
        at + (self.text[at..].len() - self.text[at..].trim_start().len())
    }

    /// Marks where a command with `count` arguments takes single digits.
    fn arguments(&mut self, count: usize) {
        let mut at = self.skip_spaces(self.at);
        for _ in 0..count {
            self.single.push(at);
            at = self.skip_spaces(self.argument_end(at));
        }
    }

    fn command(&mut self) -> Option<()> {
        self.at += 1;
        let rest = self.rest();
        let length = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        if length == 0 {
            let Some(c) = rest.chars().next() else {
                return Some(());
            };
            self.at += c.len_utf8();
            match c {
                '{' => self.push(Token::OpenSet),
                '}' => self.push(Token::CloseSet),
                '|' => self.push(Token::Bar),
                '%' => self.push(Token::Percent),
                '$' => self.push(Token::Currency("dollar")),
                // A command that was escaped twice; rows end in matrices.
                '\\' if self.matrices == 0
                    && self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) =>
                {
                    self.at -= 1;
                    return self.command();
                }
                '\\' => self.push(Token::Row),
                ',' | ';' | ':' | ' ' | '\n' => self.space = true,
                // Negative space, and maths mode.
                '!' | '(' | ')' | '[' | ']' => {}
                '&' => self.push(Token::And),
                _ => self.push(Token::Other),
            }
            return Some(());
        }
        let name = &rest[..length];
        self.at += length;
        if let Some(function) = Function::named(name) {
            self.push(Token::Function(function));
            return Some(());
        }
        use Order::{Approximately, Equal, Greater, GreaterEqual, In, Less, LessEqual, NotEqual};
        let token = match name {
            "left" | "right" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl"
            | "Bigr" | "biggl" | "biggr" | "Biggl" | "Biggr" | "middle" => {
                // An invisible delimiter.
                let rest = self.rest();
                if rest.starts_with('.') && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                    self.at += 1;
                }
                return Some(());
            }
            "displaystyle" | "textstyle" | "scriptstyle" | "limits" | "nolimits" | "rm" | "bf"
            | "it" | "boldmath" | "normalsize" | "large" | "Large" | "phantom" | "hspace"
            | "mathop" | "mathrel" | "mathbin" => {
                return Some(());
            }
            "quad" | "qquad" | "thinspace" | "enspace" | "space" | "enskip" => {
                self.space = true;
                return Some(());
            }
            "text" | "textbf" | "textit" | "textrm" | "textsf" | "texttt" | "mbox" | "hbox"
            | "mathrm" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "mathcal" | "mathbb"
            | "mathfrak" | "mathscr" | "boldsymbol" | "bm" | "operatorname" | "emph"
            | "textnormal" | "vec" | "hat" | "overrightarrow" | "underline" | "boxed" | "fbox"
            | "framebox" | "ensuremath" | "textup" | "mathnormal" | "pmb" | "tilde" | "color"
            | "mathord" => {
                return self.styled(name);
            }
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                self.arguments(2);
                Token::Frac
            }
            "binom" | "dbinom" | "tbinom" => {
                self.arguments(2);
                Token::Binom
            }
            "sqrt" => {
                self.arguments(1);
                Token::Sqrt
            }
            "over" => Token::Over,
            "choose" => Token::Choose,
            "overline" | "bar" => Token::Overline,
            "sum" => Token::Sum,
            "prod" => Token::Product,
            "pm" => Token::PlusMinus,
            "mp" => Token::MinusPlus,
            "cdot" | "times" | "ast" | "cdotp" | "bullet" => Token::Times,
            "div" => Token::Slash,
            "circ" | "degree" | "degrees" => Token::Degree,
            "prime" => Token::Prime,
            "pi" => Token::Letter('π'),
            "infty" => Token::Infinity,
            "emptyset" | "varnothing" => Token::Empty,
            "R" | "Reals" | "reals" => Token::Reals,
            "cup" | "bigcup" => Token::Cup,
            "cap" | "bigcap" => Token::Cap,
            "setminus" | "backslash" | "smallsetminus" => Token::Without,
            "lbrace" => Token::OpenSet,
            "rbrace" => Token::CloseSet,
            "lbrack" => Token::Open('['),
            "rbrack" => Token::Close(']'),
            "lparen" => Token::Open('('),
            "rparen" => Token::Close(')'),
            "langle" => Token::OpenAngle,
            "rangle" => Token::CloseAngle,
            "lfloor" => Token::OpenFloor,
            "rfloor" => Token::CloseFloor,
            "lceil" => Token::OpenCeil,
            "rceil" => Token::CloseCeil,
            "lvert" | "rvert" | "vert" | "lVert" | "rVert" | "Vert" => Token::Bar,
            "mid" => Token::Such,
            "colon" => Token::Colon,
            "in" | "isin" => Token::Order(In),
            "le" | "leq" | "leqslant" => Token::Order(LessEqual),
            "ge" | "geq" | "geqslant" => Token::Order(GreaterEqual),
            "lt" => Token::Order(Less),
            "gt" => Token::Order(Greater),
            "ne" | "neq" => Token::Order(NotEqual),
            "approx" | "thickapprox" | "simeq" | "sim" => Token::Order(Approximately),
            "equiv" => Token::Order(Equal),
            "pmod" | "mod" | "bmod" => Token::Modulo,
            "dots" | "ldots" | "cdots" => Token::Word("…".into()),
            "land" | "wedge" => Token::And,
            "lor" | "vee" => Token::Or,
            "dollar" => Token::Currency("dollar"),
            "pounds" | "textsterling" => Token::Currency("pound"),
            "euro" => Token::Currency("euro"),
            "cent" | "cents" => Token::Word("cent".into()),
            "percent" => Token::Percent,
            "begin" | "end" => return self.environment(name == "begin"),
            _ if name.starts_with("quad") => {
                self.at -= length - "quad".len();
                self.space = true;
                return Some(());
            }
            _ => match greek(name) {
                Some(letter) => Token::Letter(letter),
                None => Token::Other,
            },
        };
        self.push(token);
        Some(())
    }

    /// The content of a font command, as maths if it looks like maths.
    fn styled(&mut self, command: &str) -> Option<()> {
        let start = self.skip_spaces(self.at);
        let end = self.argument_end(start);
        let body = self.text.get(start..end).unwrap_or_default();
        let body = body
            .strip_prefix('{')
            .map_or(body, |b| b.strip_suffix('}').unwrap_or(b));
        self.at = end;
        if command == "color" {
            return Some(());
        }
        if command == "mathbb" && body.trim() == "R" {
            self.push(Token::Reals);
            return Some(());
        }
        let prose = match command {
            "boxed" | "fbox" | "framebox" | "ensuremath" | "vec" | "hat" | "overrightarrow"
            | "underline" | "tilde" | "mathord" => self.prose,
            _ => true,
        };
        // Deep nesting is no way to write an answer.
        if self.depth >= 8 {
            return None;
        }
        // A font does not end a number or make a group: \text{2516}_8.
        let mut inner = Lexer {
            text: body,
            at: 0,
            space: self.space || body.starts_with(' '),
            prose,
            depth: self.depth + 1,
            matrices: self.matrices,
            single: Vec::new(),
            thousands: self.thousands,
            tokens: std::mem::take(&mut self.tokens),
            ambiguous_comma: self.ambiguous_comma,
            padded: self.padded,
        };
        let done = inner.run();
        self.tokens = inner.tokens;
        self.ambiguous_comma = inner.ambiguous_comma;
        self.padded = inner.padded;
        self.space = body.ends_with(' ');
        done
    }

    fn environment(&mut self, begins: bool) -> Option<()> {
        let start = self.skip_spaces(self.at);
        let end = self.argument_end(start);
        let name = self.text.get(start..end).unwrap_or_default();
        let name = name.trim_matches(['{', '}', '*', ' ']);
        self.at = end;
        match name {
            "pmatrix" | "bmatrix" | "matrix" | "Bmatrix" | "vmatrix" | "Vmatrix"
            | "smallmatrix" | "psmallmatrix" | "bsmallmatrix" | "array" => {
                if name == "array" && begins {
                    // The column layout.
                    let layout = self.skip_spaces(self.at);
                    if self.text[layout..].starts_with('{') {
                        self.at = self.argument_end(layout);
                    }
                }
                if begins {
                    self.matrices += 1;
                    self.push(Token::OpenMatrix);
                } else {
                    self.matrices = self.matrices.saturating_sub(1);
                    self.push(Token::CloseMatrix);
                }
            }
            "align" | "aligned" | "equation" | "gather" | "gathered" | "split" => {}
            _ => self.push(Token::Other),
        }
        Some(())
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

fn greek(name: &str) -> Option<char> {
    Some(match name {
        "alpha" => 'α',
        "beta" => 'β',
        "gamma" => 'γ',
        "delta" => 'δ',
        "epsilon" | "varepsilon" => 'ε',
        "zeta" => 'ζ',
        "eta" => 'η',
        "theta" | "vartheta" => 'θ',
        "iota" => 'ι',
        "kappa" => 'κ',
        "lambda" => 'λ',
        "mu" => 'μ',
        "nu" => 'ν',
        "xi" => 'ξ',
        "rho" | "varrho" => 'ρ',
        "sigma" | "varsigma" => 'σ',
        "tau" => 'τ',
        "upsilon" => 'υ',
        "phi" | "varphi" => 'φ',
        "chi" => 'χ',
        "psi" => 'ψ',
        "omega" => 'ω',
        "Gamma" => 'Γ',
        "Delta" => 'Δ',
        "Theta" => 'Θ',
        "Lambda" => 'Λ',
        "Xi" => 'Ξ',
        "Pi" => 'Π',
        "Sigma" => 'Σ',
        "Phi" => 'Φ',
        "Psi" => 'Ψ',
        "Omega" => 'Ω',
        "ell" => 'ℓ',
        "imath" => 'i',
        "jmath" => 'j',
        _ => return None,
    })
}
