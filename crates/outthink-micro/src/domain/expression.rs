//! Arithmetic expressions over small non-negative integers, and their leftmost-innermost reduction.

use std::fmt;

use super::{LIMIT, NotInDomain};

/// More brackets and operations than any generated problem has: hostile input must not exhaust the stack, and a chain of
/// operations is as deep a tree as nested brackets are.
const MAX_DEPTH: usize = 64;

/// A binary operation, written `+`, `-` or `\cdot `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Addition.
    Add,
    /// Subtraction.
    Sub,
    /// Multiplication.
    Mul,
}

impl Op {
    /// How the operation is written in LaTeX.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "\\cdot ",
        }
    }

    fn precedence(self) -> u8 {
        match self {
            Self::Add | Self::Sub => 1,
            Self::Mul => 2,
        }
    }

    /// The value of `a op b`, if it stays within the domain's `0..=LIMIT`.
    pub(super) fn apply(self, a: u32, b: u32) -> Option<u32> {
        match self {
            Self::Add => a.checked_add(b),
            Self::Sub => a.checked_sub(b),
            Self::Mul => a.checked_mul(b),
        }
        .filter(|&value| value <= LIMIT)
    }
}

/// An expression tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// A number.
    Number(u32),
    /// `left op right`.
    Binary(Op, Box<Self>, Box<Self>),
}

impl Expression {
    /// `left op right`.
    pub(super) fn binary(op: Op, left: Self, right: Self) -> Self {
        Self::Binary(op, Box::new(left), Box::new(right))
    }

    /// The value, if it and every intermediate value stay within the domain.
    pub(super) fn value(&self) -> Option<u32> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Binary(op, left, right) => op.apply(left.value()?, right.value()?),
        }
    }

    /// Number of operations.
    pub(super) fn operations(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Binary(_, left, right) => 1 + left.operations() + right.operations(),
        }
    }

    /// Reduces the leftmost innermost operation: the equation `a op b=v` and the expression that is left.
    /// `None` for a plain number or a value outside the domain.
    pub(super) fn reduce(&self) -> Option<(String, Self)> {
        let Self::Binary(op, left, right) = self else {
            return None;
        };
        match (left.as_ref(), right.as_ref()) {
            (Self::Number(a), Self::Number(b)) => {
                let value = op.apply(*a, *b)?;
                Some((format!("{a}{}{b}={value}", op.sign()), Self::Number(value)))
            }
            (Self::Number(_), _) => {
                let (equation, rest) = right.reduce()?;
                Some((equation, Self::binary(*op, left.as_ref().clone(), rest)))
            }
            _ => {
                let (equation, rest) = left.reduce()?;
                Some((equation, Self::binary(*op, rest, right.as_ref().clone())))
            }
        }
    }

    /// Parses what [`fmt::Display`] writes.
    pub(super) fn parse(text: &str) -> Result<Self, NotInDomain> {
        let mut parser = Parser {
            rest: text,
            operations: 0,
        };
        let expression = parser.sum(0)?;
        if parser.rest.is_empty() {
            Ok(expression)
        } else {
            Err(NotInDomain::new(format!("unexpected `{}`", parser.rest)))
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, outer: u8, is_right: bool) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Binary(op, left, right) => {
                let own = op.precedence();
                let brackets = own < outer || (is_right && own == outer);
                f.write_str(if brackets { "(" } else { "" })?;
                left.write(f, own, false)?;
                f.write_str(op.sign())?;
                right.write(f, own, true)?;
                f.write_str(if brackets { ")" } else { "" })
            }
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0, false)
    }
}

struct Parser<'a> {
    rest: &'a str,
    operations: usize,
}

impl Parser<'_> {
    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// `left op`, and what `right` reads.
    fn join(
        &mut self,
        op: Op,
        left: Expression,
        right: fn(&mut Self, usize) -> Result<Expression, NotInDomain>,
        depth: usize,
    ) -> Result<Expression, NotInDomain> {
        self.operations += 1;
        if self.operations > MAX_DEPTH {
            return Err(NotInDomain::new("too many operations".into()));
        }
        Ok(Expression::binary(op, left, right(self, depth)?))
    }

    fn sum(&mut self, depth: usize) -> Result<Expression, NotInDomain> {
        let mut left = self.product(depth)?;
        loop {
            let op = match () {
                () if self.take("+") => Op::Add,
                () if self.take("-") => Op::Sub,
                () => return Ok(left),
            };
            left = self.join(op, left, Self::product, depth)?;
        }
    }

    fn product(&mut self, depth: usize) -> Result<Expression, NotInDomain> {
        let mut left = self.atom(depth)?;
        while self.take("\\cdot ") {
            left = self.join(Op::Mul, left, Self::atom, depth)?;
        }
        Ok(left)
    }

    fn atom(&mut self, depth: usize) -> Result<Expression, NotInDomain> {
        if depth > MAX_DEPTH {
            return Err(NotInDomain::new("brackets nested too deeply".into()));
        }
        if self.take("(") {
            let inner = self.sum(depth + 1)?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(NotInDomain::new("a bracket is never closed".into()))
            };
        }
        take_number(&mut self.rest).map(Expression::Number)
    }
}

/// Takes a decimal number without leading zeros, at most [`LIMIT`], off the front of `rest`.
pub(super) fn take_number(rest: &mut &str) -> Result<u32, NotInDomain> {
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let (number, tail) = rest.split_at(digits);
    let value = number
        .parse()
        .ok()
        .filter(|&n: &u32| n <= LIMIT && n.to_string() == number)
        .ok_or_else(|| {
            NotInDomain::new(format!(
                "expected a number from 0 to {LIMIT} before `{rest}`"
            ))
        })?;
    *rest = tail;
    Ok(value)
}
