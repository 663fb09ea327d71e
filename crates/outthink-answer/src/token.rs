//! What an answer is written with.

use dashu_ratio::RBig;

use crate::expr::Function;

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
    /// Equations below each other.
    OpenSystem,
    CloseSystem,
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
    /// `…`, with or without a backslash.
    Ellipsis,
    /// What stands before it leads to what stands after it.
    Implies,
    Currency(&'static str),
    Order(Order),
    /// Something this reader does not know.
    Other(Box<str>),
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

/// How what may be a repeating decimal reads: `0.333...`, `2.5(3)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// As one.
    Endless,
    /// As the digits that are there; brackets multiply.
    Written,
}

/// How to read what has two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) thousands: Thousands,
    pub(crate) repeats: Repeats,
}

impl Spelling {
    pub(crate) const USUAL: Self = Self {
        thousands: Thousands::Grouped,
        repeats: Repeats::Endless,
    };
}

/// What in a text has another reading.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ambiguity {
    /// Did a comma stand where [`Thousands`] decides?
    pub(crate) comma: bool,
    /// Do three digits after such a comma start with 0, as no number of its own would?
    pub(crate) padded: bool,
    /// Is there a decimal that [`Repeats`] decides?
    pub(crate) repeats: bool,
}

/// What the lexer found.
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Spaced>,
    pub(crate) ambiguity: Ambiguity,
}
