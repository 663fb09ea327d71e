//! LaTeX commands and their arguments.

use super::{Environment, Lexer};
use crate::expr::Function;
use crate::token::{Order, Token};

/// Does a command only change how an answer looks?
fn is_look(name: &str) -> bool {
    matches!(
        name,
        "displaystyle"
            | "textstyle"
            | "scriptstyle"
            | "scriptscriptstyle"
            | "limits"
            | "nolimits"
            | "rm"
            | "bf"
            | "it"
            | "sf"
            | "tt"
            | "boldmath"
            | "tiny"
            | "scriptsize"
            | "footnotesize"
            | "small"
            | "normalsize"
            | "large"
            | "Large"
            | "LARGE"
            | "huge"
            | "Huge"
            | "mathop"
            | "mathrel"
            | "mathbin"
            | "mathopen"
            | "mathclose"
            | "mathpunct"
            | "mathinner"
            | "mathstrut"
            | "strut"
            | "smash"
            | "mathclap"
            | "mathllap"
            | "mathrlap"
            | "notag"
            | "nonumber"
            | "hfill"
            | "hfil"
            | "noindent"
            | "centering"
            | "allowbreak"
            | "nobreak"
            | "protect"
            | "relax"
            | "blacksquare"
            | "square"
            | "Box"
            | "qed"
            | "checkmark"
            | "bigstar"
    )
}

/// Of commands whose arguments are no part of an answer (some are struck out): how many come before what is.
fn arguments_of(name: &str) -> Option<usize> {
    Some(match name {
        "phantom" | "hphantom" | "vphantom" | "hspace" | "vspace" | "mspace" | "label" | "tag"
        | "footnote" | "cancel" | "bcancel" | "xcancel" | "sout" | "textcolor" | "color"
        | "pagecolor" | "colorbox" | "href" | "class" | "cssId" | "style" | "htmlClass"
        | "raisebox" | "enclose" => 1,
        "fcolorbox" | "rule" | "setcounter" => 2,
        "bbox" => 0,
        _ => return None,
    })
}

impl Lexer<'_> {
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

    /// Skips arguments, one in brackets before them included.
    fn skip_arguments(&mut self, count: usize) {
        let mut at = self.skip_spaces(self.at + usize::from(self.rest().starts_with('*')));
        if self.text[at..].starts_with('[')
            && let Some(length) = self.text[at..].find(']')
        {
            at += length + 1;
        }
        for _ in 0..count {
            at = self.argument_end(self.skip_spaces(at));
        }
        self.at = at;
    }

    /// Skips `_{...}` or `^{...}`: what is written under or over a brace.
    fn skip_note(&mut self) {
        let at = self.skip_spaces(self.at);
        if self.text[at..].starts_with(['_', '^']) {
            self.at = self.argument_end(self.skip_spaces(at + 1));
        }
    }

    pub(super) fn command(&mut self) -> Option<()> {
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
                '\\' if self.open.is_empty()
                    && self.rest().starts_with(|c: char| c.is_ascii_alphabetic()) =>
                {
                    self.at -= 1;
                    return self.command();
                }
                '\\' => self.push(Token::Row),
                ',' | ';' | ':' | '>' | ' ' | '\n' => self.space = true,
                // Negative space, corrections, and maths mode.
                '!' | '/' | '-' | '(' | ')' | '[' | ']' => {}
                '&' => self.push(Token::And),
                '#' => self.push(Token::Word("number".into())),
                '_' => self.push(Token::Underscore),
                _ => self.push(Token::Other(c.encode_utf8(&mut [0; 4]).into())),
            }
            return Some(());
        }
        let name = &rest[..length];
        self.at += length;
        if let Some(function) = Function::named(name) {
            self.push(Token::Function(function));
            return Some(());
        }
        if is_look(name) {
            return Some(());
        }
        if let Some(count) = arguments_of(name) {
            self.skip_arguments(count);
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
            "overset" | "underset" | "stackrel" => {
                self.skip_arguments(1);
                return self.styled("ensuremath");
            }
            "quad" | "qquad" | "thinspace" | "enspace" | "space" | "enskip" => {
                self.space = true;
                return Some(());
            }
            "text" | "textbf" | "textit" | "textrm" | "textsf" | "texttt" | "mbox" | "hbox"
            | "mathrm" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "mathcal" | "mathbb"
            | "mathfrak" | "mathscr" | "boldsymbol" | "bm" | "operatorname" | "emph"
            | "textnormal" | "textsc" | "textsl" | "uline" | "vec" | "hat" | "widehat" | "dot"
            | "overrightarrow" | "underline" | "boxed" | "fbox" | "framebox" | "ensuremath"
            | "textup" | "mathnormal" | "pmb" | "tilde" | "mathord" | "unicode" => {
                return self.styled(name);
            }
            "underbrace" | "overbrace" => {
                self.styled(name)?;
                self.skip_note();
                return Some(());
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
            "not" if self.rest().trim_start().starts_with('=') => {
                self.at = self.skip_spaces(self.at) + 1;
                Token::Order(NotEqual)
            }
            "le" | "leq" | "leqslant" => Token::Order(LessEqual),
            "ge" | "geq" | "geqslant" => Token::Order(GreaterEqual),
            "lt" => Token::Order(Less),
            "gt" => Token::Order(Greater),
            "ne" | "neq" => Token::Order(NotEqual),
            "approx" | "thickapprox" | "simeq" | "sim" => Token::Order(Approximately),
            "equiv" => Token::Order(Equal),
            "pmod" | "mod" | "bmod" => Token::Modulo,
            "dots" | "ldots" | "cdots" | "dotsc" | "dotsb" | "dotso" | "hdots" | "textellipsis"
            | "ddots" | "vdots" => Token::Ellipsis,
            "implies" | "Rightarrow" | "Longrightarrow" | "rightarrow" | "longrightarrow"
            | "to" | "therefore" | "iff" | "Leftrightarrow" | "Longleftrightarrow" => {
                Token::Implies
            }
            "ratio" => Token::Colon,
            "celsius" | "degreeCelsius" => {
                self.push(Token::Degree);
                Token::Word("celsius".into())
            }
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
                None => Token::Other(name.into()),
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
        if command == "mathbb" && body.trim() == "R" {
            self.push(Token::Reals);
            return Some(());
        }
        let prose = match command {
            "boxed" | "fbox" | "framebox" | "ensuremath" | "vec" | "hat" | "widehat" | "dot"
            | "overrightarrow" | "underline" | "tilde" | "mathord" | "underbrace" | "overbrace" => {
                self.prose
            }
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
            open: std::mem::take(&mut self.open),
            single: Vec::new(),
            spelling: self.spelling,
            tokens: std::mem::take(&mut self.tokens),
            ambiguity: self.ambiguity,
        };
        let done = inner.run();
        self.open = inner.open;
        self.tokens = inner.tokens;
        self.ambiguity = inner.ambiguity;
        self.space = body.ends_with(' ');
        done
    }

    fn enclose(&mut self, begins: bool, environment: Environment) {
        let matrix = environment == Environment::Matrix;
        if begins {
            self.open.push(environment);
        } else {
            self.open.pop();
        }
        self.push(match (begins, matrix) {
            (true, true) => Token::OpenMatrix,
            (false, true) => Token::CloseMatrix,
            (true, false) => Token::OpenSystem,
            (false, false) => Token::CloseSystem,
        });
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
                self.enclose(begins, Environment::Matrix);
            }
            "cases" | "dcases" | "rcases" => self.enclose(begins, Environment::Cases),
            "align" | "aligned" | "alignat" | "alignedat" | "gather" | "gathered" | "split"
            | "eqnarray" | "multline" => {
                if name.starts_with("alignat") || name == "alignedat" {
                    self.at = self.argument_end(self.skip_spaces(self.at));
                }
                self.enclose(begins, Environment::Lines);
            }
            "equation" | "math" | "displaymath" | "center" => {}
            _ => self.push(Token::Other(name.into())),
        }
        Some(())
    }
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
