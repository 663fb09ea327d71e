//! What a template is made of.

use std::sync::Arc;

pub(crate) type Body = Vec<(u32, Statement)>;

pub(crate) enum Statement {
    Text(String),
    Output(Expression),
    /// Conditions with what they lead to, and what remains.
    If(Vec<(Expression, Body)>, Body),
    For(Arc<For>),
    Set(Target, Expression),
    /// What the body renders to, filtered.
    SetBlock(Target, Vec<(u32, Suffix)>, Body),
    FilterBlock(Vec<(u32, Suffix)>, Body),
    With(Vec<(Target, Expression)>, Body),
    Macro(Arc<Macro>),
    /// A call, and the body that it may call.
    CallBlock(Expression, Arc<Macro>),
    /// A body with names of its own.
    Scope(Body),
    Break,
    Continue,
}

pub(crate) struct For {
    pub(crate) target: Target,
    pub(crate) items: Expression,
    pub(crate) condition: Option<Expression>,
    pub(crate) recursive: bool,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
}

/// What can be assigned to.
pub(crate) enum Target {
    Name(Arc<str>),
    /// An attribute of a namespace.
    Attribute(Arc<str>, Arc<str>),
    Several(Vec<Self>),
}

pub(crate) struct Macro {
    pub(crate) name: Arc<str>,
    pub(crate) parameters: Vec<(Arc<str>, Option<Expression>)>,
    pub(crate) body: Body,
    /// Does the body read `varargs`, `kwargs`, `caller`?
    pub(crate) reads: Reads,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Reads {
    pub(crate) varargs: bool,
    pub(crate) kwargs: bool,
    pub(crate) caller: bool,
}

pub(crate) enum Expression {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
    Name(Arc<str>),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
    Not(Box<Self>),
    Negative(Box<Self>),
    Positive(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Box<Self>, Vec<(Comparison, Self)>),
    /// Operators of one rank, from the left.
    Arithmetic(Box<Self>, Vec<(Operator, Self)>),
    Concat(Vec<Self>),
    /// Condition, what if it holds, what if not.
    Choice(Box<(Self, Self, Option<Self>)>),
    /// What follows a value, from the left.
    Chain(Box<Self>, Vec<(u32, Suffix)>),
}

pub(crate) enum Suffix {
    Attribute(Arc<str>),
    Item(Expression),
    Slice(Box<[Option<Expression>; 3]>),
    Call(Vec<Argument>),
    Filter(Arc<str>, Vec<Argument>),
    /// With whether it is negated.
    Test(Arc<str>, Vec<Argument>, bool),
}

pub(crate) enum Argument {
    Plain(Expression),
    Named(Arc<str>, Expression),
    /// `*items`
    Spread(Expression),
    /// `**mapping`
    SpreadNamed(Expression),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    DivideFloor,
    Modulo,
    Power,
}
