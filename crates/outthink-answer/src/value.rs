//! What an answer is.

use crate::expr::Expr;
use crate::token::{Order, Spaced};
use crate::unit::Unit;

/// A typed answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number or an expression.
    Expr(Expr),
    /// A percentage: the number before the sign.
    Percent(Expr),
    /// An integer in another base, as its digits.
    Based {
        /// Digits, upper case.
        digits: String,
        /// The base.
        base: u32,
    },
    /// A number with a unit.
    Quantity(Expr, Unit),
    /// Things in order.
    Tuple(Vec<Self>),
    /// The dots in a list, for elements left out.
    Ellipsis,
    /// Things beside each other, without brackets; order does not count.
    List(Vec<Self>),
    /// A set.
    Set(Vec<Self>),
    /// An interval.
    Interval {
        /// Lower end.
        low: Expr,
        /// Upper end.
        high: Expr,
        /// Are the ends inside?
        closed: (bool, bool),
    },
    /// All real numbers.
    Reals,
    /// A union, an intersection, or the first without the second.
    Combined(Combination, Box<[Self; 2]>),
    /// A matrix by rows.
    Matrix(Vec<Vec<Expr>>),
    /// A grid of digits by rows; `.` where a cell is empty.
    Grid(Vec<Vec<char>>),
    /// An equation, an inequality, or a chain of them: one relation fewer than sides.
    Relation(Vec<Self>, Vec<Relation>),
    /// A ratio, `3:4`.
    Ratio(Vec<Expr>),
    /// A time of day, in seconds, and whether `a.m.` or `p.m.` was said.
    Time(u32, bool),
    /// A day of the year, or a month of one.
    Date {
        /// The year.
        year: Option<u32>,
        /// The month, from 1.
        month: u32,
        /// The day, from 1.
        day: Option<u32>,
    },
    /// One of the options of a question.
    Choice(char),
    /// A residue and its modulus.
    Residue(Expr, Expr),
    /// Prose.
    Text(String),
    /// What could not be read, without its spaces: equal to itself alone.
    Unread(String),
}

/// How two sets become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combination {
    /// In either.
    Union,
    /// In both.
    Intersection,
    /// In the first alone.
    Difference,
}

/// How two sides compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Equal,
    /// `≠`
    NotEqual,
    /// `<`
    Less,
    /// `≤`
    LessEqual,
    /// `>`
    Greater,
    /// `≥`
    GreaterEqual,
}

impl Relation {
    pub(crate) fn of(order: Order) -> Option<Self> {
        Some(match order {
            Order::Equal => Self::Equal,
            Order::NotEqual => Self::NotEqual,
            Order::Less => Self::Less,
            Order::LessEqual => Self::LessEqual,
            Order::Greater => Self::Greater,
            Order::GreaterEqual => Self::GreaterEqual,
            Order::In | Order::Approximately => return None,
        })
    }

    /// With the sides exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            same => same,
        }
    }

    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Less | Self::Greater)
    }
}

/// An answer, read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What it may mean, the likeliest first; none for an empty answer.
    pub readings: Vec<Value>,
    /// The answer as it stands.
    pub(crate) plain: String,
    /// What it is written with, to tell identical ones.
    pub(crate) tokens: Vec<Spaced>,
    /// Is its text reading but letters that may also be a product?
    pub(crate) spelled: bool,
    /// Does one reading take the letter beside a number for its unit, as none would of a gold answer: `5m`?
    pub(crate) attached: bool,
}

impl Answer {
    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.readings.is_empty()
    }
}
