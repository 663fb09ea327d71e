//! Tokens to an expression: precedence climbing, with implicit products.

use dashu_ratio::RBig;

use crate::expr::{Expr, Function, Series, Symbol};
use crate::token::{Literal, Order, Spaced, Token};

/// Deepest nesting that is read.
const DEEPEST: usize = 200;

/// The whole slice as one expression.
pub(super) fn expression(tokens: &[Spaced]) -> Option<Expr> {
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        bars: 0,
    };
    let expr = parser.fraction_or_sum()?;
    (parser.at == tokens.len()).then_some(expr)
}

struct Parser<'t> {
    tokens: &'t [Spaced],
    at: usize,
    depth: usize,
    /// Absolute values that are open: a bar closes one.
    bars: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at).map(|spaced| &spaced.token)
    }

    fn next(&mut self) -> Option<&'t Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Option<()> {
        self.eat(token).then_some(())
    }

    /// A sum, or two with `\over` or `\choose` between.
    fn fraction_or_sum(&mut self) -> Option<Expr> {
        let above = self.sum()?;
        if self.eat(&Token::Over) {
            return Some(Expr::Divide(Box::new([above, self.sum()?])));
        }
        if self.eat(&Token::Choose) {
            return Some(Expr::Call(Function::Binomial, vec![above, self.sum()?]));
        }
        Some(above)
    }

    fn sum(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut terms = vec![self.term()?];
        while let Some(token) = self.peek() {
            let sign = |x| match token {
                Token::Plus => x,
                Token::Minus => Expr::Negate(Box::new(x)),
                Token::PlusMinus => Expr::PlusMinus(Box::new(x), true),
                _ => Expr::PlusMinus(Box::new(x), false),
            };
            if !matches!(
                token,
                Token::Plus | Token::Minus | Token::PlusMinus | Token::MinusPlus
            ) {
                break;
            }
            self.at += 1;
            terms.push(sign(self.term()?));
        }
        self.depth -= 1;
        if terms.len() == 1 {
            terms.pop()
        } else {
            Some(Expr::Add(terms))
        }
    }

    /// A product with its sign: -x² is -(x²), and -3½ is -(3½).
    fn term(&mut self) -> Option<Expr> {
        let mut negative = false;
        loop {
            match self.peek()? {
                Token::Minus => negative = !negative,
                Token::Plus => {}
                Token::PlusMinus | Token::MinusPlus => {
                    let upper = self.next() == Some(&Token::PlusMinus);
                    let term = Expr::PlusMinus(Box::new(self.product()?), upper);
                    return Some(if negative {
                        Expr::Negate(Box::new(term))
                    } else {
                        term
                    });
                }
                _ => break,
            }
            self.at += 1;
        }
        let term = self.product()?;
        Some(if negative {
            Expr::Negate(Box::new(term))
        } else {
            term
        })
    }

    fn product(&mut self) -> Option<Expr> {
        let mut factors = vec![match self.mixed_number() {
            Some(number) => number,
            None => self.factor()?,
        }];
        while let Some(token) = self.peek() {
            match token {
                Token::Times => {
                    self.at += 1;
                    factors.push(self.signed_factor()?);
                }
                Token::Slash => {
                    self.at += 1;
                    let above = gather(factors);
                    factors = vec![Expr::Divide(Box::new([above, self.signed_factor()?]))];
                }
                _ if self.starts_factor(token) => factors.push(self.factor()?),
                _ => break,
            }
        }
        Some(gather(factors))
    }

    fn signed_factor(&mut self) -> Option<Expr> {
        match self.peek()? {
            Token::Minus => {
                self.at += 1;
                Some(Expr::Negate(Box::new(self.factor()?)))
            }
            Token::Plus => {
                self.at += 1;
                self.factor()
            }
            _ => self.factor(),
        }
    }

    fn starts_factor(&self, token: &Token) -> bool {
        match token {
            // Two numbers side by side are no product.
            Token::Number(_) => {
                let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
                !before.is_some_and(|before| matches!(before.token, Token::Number(_)))
            }
            Token::Bar => self.bars == 0,
            Token::Letter(_)
            | Token::Function(_)
            | Token::Open(_)
            | Token::OpenGroup
            | Token::Frac
            | Token::Binom
            | Token::Sqrt
            | Token::Overline
            | Token::Sum
            | Token::Product
            | Token::Infinity
            | Token::OpenFloor
            | Token::OpenCeil => true,
            _ => false,
        }
    }

    /// `3\frac{1}{2}` or `3 1/2`: a whole number and a proper fraction of whole numbers, side by side.
    fn mixed_number(&mut self) -> Option<Expr> {
        let start = self.at;
        let found = self.read_mixed_number();
        if found.is_none() {
            self.at = start;
        }
        found
    }

    fn read_mixed_number(&mut self) -> Option<Expr> {
        let whole = self.whole_number()?;
        let (above, below) = if self.eat(&Token::Frac) {
            (self.braced_whole_number()?, self.braced_whole_number()?)
        } else {
            let spaced = self.tokens.get(self.at).is_some_and(|t| t.space);
            if !spaced {
                return None;
            }
            let above = self.whole_number()?;
            self.expect(&Token::Slash)?;
            (above, self.whole_number()?)
        };
        let after = matches!(
            self.peek(),
            Some(Token::Caret | Token::Bang | Token::Underscore)
        );
        if after || above >= below {
            return None;
        }
        Some(Expr::Number(whole + above / below))
    }

    fn whole_number(&mut self) -> Option<RBig> {
        match self.next()? {
            Token::Number(Literal {
                value,
                places: None,
                ..
            }) if value.is_int() => Some(value.clone()),
            _ => None,
        }
    }

    fn braced_whole_number(&mut self) -> Option<RBig> {
        let braced = self.eat(&Token::OpenGroup);
        let value = self.whole_number()?;
        if braced {
            self.expect(&Token::CloseGroup)?;
        }
        Some(value)
    }

    /// An atom with what is written after it: powers, factorials, degrees.
    fn factor(&mut self) -> Option<Expr> {
        let mut base = self.atom()?;
        loop {
            match self.peek() {
                Some(Token::Bang) => {
                    self.at += 1;
                    base = Expr::call(Function::Factorial, base);
                }
                Some(Token::Degree) => {
                    self.at += 1;
                    base = Expr::Degree(Box::new(base));
                }
                Some(Token::Percent) => {
                    self.at += 1;
                    base = Expr::Divide(Box::new([base, Expr::integer(100)]));
                }
                Some(Token::Caret) => {
                    let exponent = self.exponent()?;
                    base = Expr::Power(Box::new([base, exponent]));
                }
                _ => return Some(base),
            }
        }
    }

    fn exponent(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        self.expect(&Token::Caret)?;
        let negative = self.eat(&Token::Minus);
        let mut exponent = self.atom()?;
        if self.peek() == Some(&Token::Caret) {
            let tower = self.exponent()?;
            exponent = Expr::Power(Box::new([exponent, tower]));
        }
        self.depth -= 1;
        Some(if negative {
            Expr::Negate(Box::new(exponent))
        } else {
            exponent
        })
    }

    fn group(&mut self) -> Option<Expr> {
        self.expect(&Token::OpenGroup)?;
        let bars = std::mem::take(&mut self.bars);
        let inner = self.fraction_or_sum()?;
        self.bars = bars;
        self.expect(&Token::CloseGroup)?;
        Some(inner)
    }

    fn enclosed(&mut self, close: &Token) -> Option<Expr> {
        self.at += 1;
        let bars = std::mem::take(&mut self.bars);
        let inner = self.fraction_or_sum()?;
        self.bars = bars;
        self.expect(close)?;
        Some(inner)
    }

    fn atom(&mut self) -> Option<Expr> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let atom = self.read_atom();
        self.depth -= 1;
        atom
    }

    fn read_atom(&mut self) -> Option<Expr> {
        match self.peek()? {
            Token::Number(literal) => {
                self.at += 1;
                let value = literal.value.clone();
                Some(match literal.places {
                    Some(places) => Expr::Decimal { value, places },
                    None => Expr::Number(value),
                })
            }
            Token::Letter(_) => Some(Expr::Symbol(self.symbol()?)),
            Token::Infinity => {
                self.at += 1;
                Some(Expr::Infinity)
            }
            Token::Open(_) => {
                self.at += 1;
                let bars = std::mem::take(&mut self.bars);
                let inner = self.fraction_or_sum()?;
                self.bars = bars;
                match self.next()? {
                    Token::Close(_) => Some(inner),
                    _ => None,
                }
            }
            Token::OpenGroup => self.group(),
            Token::Bar => {
                self.at += 1;
                self.bars += 1;
                let inner = self.sum()?;
                self.expect(&Token::Bar)?;
                self.bars -= 1;
                Some(Expr::call(Function::Abs, inner))
            }
            Token::OpenFloor => Some(Expr::call(
                Function::Floor,
                self.enclosed(&Token::CloseFloor)?,
            )),
            Token::OpenCeil => Some(Expr::call(
                Function::Ceil,
                self.enclosed(&Token::CloseCeil)?,
            )),
            Token::Frac => {
                self.at += 1;
                Some(Expr::Divide(Box::new([self.atom()?, self.atom()?])))
            }
            Token::Binom => {
                self.at += 1;
                Some(Expr::Call(
                    Function::Binomial,
                    vec![self.atom()?, self.atom()?],
                ))
            }
            Token::Sqrt => {
                self.at += 1;
                let degree = if self.peek() == Some(&Token::Open('[')) {
                    self.enclosed(&Token::Close(']'))?
                } else {
                    Expr::integer(2)
                };
                Some(Expr::Call(Function::Root, vec![self.atom()?, degree]))
            }
            Token::Function(function) => self.function(*function),
            Token::Sum | Token::Product => self.series(),
            Token::Overline => {
                self.at += 1;
                let name = self.name()?;
                Some(Expr::Symbol(format!("overline {name}").into()))
            }
            _ => None,
        }
    }

    /// A letter with its primes and subscript.
    fn symbol(&mut self) -> Option<Symbol> {
        let Some(Token::Letter(letter)) = self.next() else {
            return None;
        };
        if !matches!(self.peek(), Some(Token::Underscore | Token::Prime)) {
            return Some(Symbol::from(letter.encode_utf8(&mut [0; 4]) as &str));
        }
        let mut name = letter.to_string();
        loop {
            match self.peek() {
                Some(Token::Prime) => {
                    self.at += 1;
                    name.push('\'');
                }
                Some(Token::Underscore) => {
                    self.at += 1;
                    name.push('_');
                    name.push_str(&self.name()?);
                }
                _ => return Some(name.into()),
            }
        }
    }

    /// Letters and digits, in a group or alone.
    fn name(&mut self) -> Option<String> {
        let braced = self.eat(&Token::OpenGroup);
        let mut name = String::new();
        loop {
            match self.peek()? {
                Token::Number(literal) => name.push_str(&literal.whole),
                Token::Letter(letter) => name.push(*letter),
                Token::Word(word) => name.push_str(word),
                Token::Plus => name.push('+'),
                Token::Minus => name.push('-'),
                Token::Comma => name.push(','),
                _ => return None,
            }
            self.at += 1;
            if !braced || self.eat(&Token::CloseGroup) {
                return Some(name);
            }
        }
    }

    fn function(&mut self, mut function: Function) -> Option<Expr> {
        self.at += 1;
        let mut power = None;
        let mut base = None;
        loop {
            match self.peek() {
                Some(Token::Caret) => {
                    let exponent = self.exponent()?;
                    let minus_one = exponent == Expr::Negate(Box::new(Expr::integer(1)));
                    match function.inverse() {
                        Some(inverse) if minus_one => function = inverse,
                        _ => power = Some(exponent),
                    }
                }
                Some(Token::Underscore) if function == Function::Ln => {
                    self.at += 1;
                    base = Some(self.atom()?);
                }
                _ => break,
            }
        }
        let mut arguments = if matches!(self.peek(), Some(Token::Open(_))) {
            self.arguments()?
        } else {
            vec![self.bare_argument()?]
        };
        let call = match base {
            Some(base) => {
                arguments.push(base);
                Expr::Call(Function::Log, arguments)
            }
            None => Expr::Call(function, arguments),
        };
        Some(match power {
            Some(power) => Expr::Power(Box::new([call, power])),
            None => call,
        })
    }

    fn arguments(&mut self) -> Option<Vec<Expr>> {
        self.at += 1;
        let bars = std::mem::take(&mut self.bars);
        let mut arguments = vec![self.sum()?];
        while self.eat(&Token::Comma) {
            arguments.push(self.sum()?);
        }
        self.bars = bars;
        matches!(self.next()?, Token::Close(_)).then_some(arguments)
    }

    /// `\sin 2x`: the product that follows, up to a sign, another function or a bracket.
    fn bare_argument(&mut self) -> Option<Expr> {
        if self.peek() == Some(&Token::OpenGroup) {
            return self.group();
        }
        let mut factors = vec![self.signed_factor()?];
        while let Some(token) = self.peek() {
            let stops = matches!(token, Token::Function(_) | Token::Open(_) | Token::Bar);
            if stops || !self.starts_factor(token) {
                break;
            }
            factors.push(self.factor()?);
        }
        Some(gather(factors))
    }

    fn series(&mut self) -> Option<Expr> {
        let product = self.next() == Some(&Token::Product);
        let (mut index, mut to) = (None, None);
        while let Some(token) = self.peek() {
            match token {
                Token::Underscore => {
                    self.at += 1;
                    self.expect(&Token::OpenGroup)?;
                    let name = self.symbol()?;
                    self.expect(&Token::Order(Order::Equal))?;
                    index = Some((name, self.sum()?));
                    self.expect(&Token::CloseGroup)?;
                }
                Token::Caret => to = Some(self.exponent()?),
                _ => break,
            }
        }
        let ((index, from), to) = (index?, to?);
        let body = self.product()?;
        Some(Expr::Series(Box::new(Series {
            product,
            index,
            from,
            to,
            body,
        })))
    }
}

fn gather(mut factors: Vec<Expr>) -> Expr {
    match (factors.len(), factors.pop()) {
        (1, Some(only)) => only,
        (_, last) => Expr::Multiply(factors.into_iter().chain(last).collect()),
    }
}
