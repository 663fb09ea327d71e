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
