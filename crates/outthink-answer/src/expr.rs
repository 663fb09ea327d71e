//! Mathematical expressions, as far as answers need them.

use dashu_ratio::RBig;

/// A variable, with its subscript if it has one; also `π`, `e` and `i`.
pub type Symbol = Box<str>;

/// A function that has a name or brackets of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Sine; like all that follow, of radians unless a degree sign stands in the argument.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Cotangent.
    Cot,
    /// Secant.
    Sec,
    /// Cosecant.
    Csc,
    /// Inverse sine.
    Arcsin,
    /// Inverse cosine.
    Arccos,
    /// Inverse tangent.
    Arctan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Hyperbolic tangent.
    Tanh,
    /// Natural logarithm (`\log` without a base too).
    Ln,
    /// Logarithm: number, base.
    Log,
    /// e to a power.
    Exp,
    /// Root: number, degree.
    Root,
    /// Absolute value.
    Abs,
    /// The integer below.
    Floor,
    /// The integer above.
    Ceil,
    /// Product of the integers up to a number.
    Factorial,
    /// Binomial coefficient.
    Binomial,
    /// Greatest common divisor.
    Gcd,
    /// Least common multiple.
    Lcm,
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

impl Function {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sin" => Self::Sin,
            "cos" => Self::Cos,
            "tan" | "tg" => Self::Tan,
            "cot" | "ctg" => Self::Cot,
            "sec" => Self::Sec,
            "csc" => Self::Csc,
            "arcsin" | "asin" => Self::Arcsin,
            "arccos" | "acos" => Self::Arccos,
            "arctan" | "atan" => Self::Arctan,
            "sinh" => Self::Sinh,
            "cosh" => Self::Cosh,
            "tanh" => Self::Tanh,
            "ln" | "log" => Self::Ln,
            "exp" => Self::Exp,
            "gcd" => Self::Gcd,
            "lcm" => Self::Lcm,
            "max" => Self::Max,
            "min" => Self::Min,
            _ => return None,
        })
    }

    /// Of `\sin^{-1}` and the like.
    pub(crate) fn inverse(self) -> Option<Self> {
        match self {
            Self::Sin => Some(Self::Arcsin),
            Self::Cos => Some(Self::Arccos),
            Self::Tan => Some(Self::Arctan),
            _ => None,
        }
    }

    /// Does its argument measure an angle?
    fn takes_angle(self) -> bool {
        matches!(
            self,
            Self::Sin | Self::Cos | Self::Tan | Self::Cot | Self::Sec | Self::Csc
        )
    }

    /// Is it made for whole numbers, so that an identity holds at those alone?
    fn wants_integers(self) -> bool {
        matches!(
            self,
            Self::Factorial | Self::Binomial | Self::Floor | Self::Ceil | Self::Gcd | Self::Lcm
        )
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// An exact number.
    Number(RBig),
    /// A number written with a decimal point.
    Decimal {
        /// Its exact value.
        value: RBig,
        /// Digits after the point.
        places: usize,
    },
    /// A variable or constant.
    Symbol(Symbol),
    /// Positive infinity.
    Infinity,
    /// The opposite.
    Negate(Box<Self>),
    /// A sum.
    Add(Vec<Self>),
    /// A product.
    Multiply(Vec<Self>),
    /// A quotient.
    Divide(Box<[Self; 2]>),
    /// Base and exponent.
    Power(Box<[Self; 2]>),
    /// A function of its arguments.
    Call(Function, Vec<Self>),
    /// `±x`, or `∓x` if false.
    PlusMinus(Box<Self>, bool),
    /// An angle in degrees.
    Degree(Box<Self>),
    /// `Σ` or `Π`.
    Series(Box<Series>),
}

/// A sum or product over a range of integers.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Is it a product?
    pub product: bool,
    /// The running variable.
    pub index: Symbol,
    /// Its first value.
    pub from: Expr,
    /// Its last value.
    pub to: Expr,
    /// What is added or multiplied.
    pub body: Expr,
}

/// What an expression is made of, in one look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Make {
    /// Variables other than constants.
    pub(crate) variables: bool,
    pub(crate) infinity: bool,
    pub(crate) imaginary: bool,
    pub(crate) plus_minus: bool,
    pub(crate) degrees: bool,
    pub(crate) integers: bool,
}

impl Expr {
    pub(crate) fn integer(value: i64) -> Self {
        Self::Number(RBig::from(value))
    }

    pub(crate) fn call(function: Function, argument: Self) -> Self {
        Self::Call(function, vec![argument])
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Decimal { .. } | Self::Symbol(_) | Self::Infinity => Vec::new(),
            Self::Negate(x) | Self::PlusMinus(x, _) | Self::Degree(x) => vec![x],
            Self::Add(xs) | Self::Multiply(xs) | Self::Call(_, xs) => xs.iter().collect(),
            Self::Divide(pair) | Self::Power(pair) => pair.iter().collect(),
            Self::Series(series) => vec![&series.from, &series.to, &series.body],
        }
    }

    /// Applies a change to every part, from the leaves up.
    pub(crate) fn map(self, change: &impl Fn(Self) -> Self) -> Self {
        let all = |xs: Vec<Self>| xs.into_iter().map(|x| x.map(change)).collect();
        let pair = |pair: Box<[Self; 2]>| {
            let [a, b] = *pair;
            Box::new([a.map(change), b.map(change)])
        };
        change(match self {
            leaf @ (Self::Number(_) | Self::Decimal { .. } | Self::Symbol(_) | Self::Infinity) => {
                leaf
            }
            Self::Negate(x) => Self::Negate(Box::new(x.map(change))),
            Self::PlusMinus(x, upper) => Self::PlusMinus(Box::new(x.map(change)), upper),
            Self::Degree(x) => Self::Degree(Box::new(x.map(change))),
            Self::Add(xs) => Self::Add(all(xs)),
            Self::Multiply(xs) => Self::Multiply(all(xs)),
            Self::Call(function, xs) => Self::Call(function, all(xs)),
            Self::Divide(xs) => Self::Divide(pair(xs)),
            Self::Power(xs) => Self::Power(pair(xs)),
            Self::Series(series) => {
                let Series {
                    product,
                    index,
                    from,
                    to,
                    body,
                } = *series;
                Self::Series(Box::new(Series {
                    product,
                    index,
                    from: from.map(change),
                    to: to.map(change),
                    body: body.map(change),
                }))
            }
        })
    }

    pub(crate) fn make(&self) -> Make {
        let mut make = Make::default();
        self.look(&mut make, &mut Vec::new());
        make
    }

    fn look<'e>(&'e self, make: &mut Make, bound: &mut Vec<&'e str>) {
        match self {
            Self::Symbol(name) => match &**name {
                name if bound.contains(&name) => {}
                "π" | "e" => {}
                "i" => make.imaginary = true,
                _ => make.variables = true,
            },
            Self::Infinity => make.infinity = true,
            Self::PlusMinus(..) => make.plus_minus = true,
            Self::Degree(_) => make.degrees = true,
            Self::Call(function, _) if function.wants_integers() => make.integers = true,
            Self::Series(series) => {
                make.integers = true;
                series.from.look(make, bound);
                series.to.look(make, bound);
                bound.push(&series.index);
                series.body.look(make, bound);
                bound.pop();
                return;
            }
            _ => {}
        }
        for child in self.children() {
            child.look(make, bound);
        }
    }

    /// Does a variable of this name occur?
    pub(crate) fn mentions(&self, name: &str) -> bool {
        matches!(self, Self::Symbol(own) if &**own == name)
            || self
                .children()
                .into_iter()
                .any(|child| child.mentions(name))
    }

    /// Every variable and constant in it, as often as it occurs.
    pub(crate) fn symbols(&self) -> Vec<Symbol> {
        let mut names = Vec::new();
        let mut stack = vec![self];
        while let Some(expr) = stack.pop() {
            if let Self::Symbol(name) = expr {
                names.push(name.clone());
            }
            stack.extend(expr.children());
        }
        names
    }

    /// Its variables, each once.
    pub(crate) fn variables(&self) -> Vec<Symbol> {
        let mut names = self.symbols();
        names.retain(|name| !matches!(&**name, "π" | "e" | "i"));
        names.sort();
        names.dedup();
        names
    }

    /// With something else for a variable.
    pub(crate) fn substitute(&self, name: &str, by: &Self) -> Self {
        self.clone().map(&|part| match part {
            Self::Symbol(own) if &*own == name => by.clone(),
            part => part,
        })
    }

    /// With every `±` read as its upper or lower sign; all signs of one expression go together.
    pub(crate) fn branch(&self, upper: bool) -> Self {
        self.clone().map(&|part| match part {
            Self::PlusMinus(x, plus) if plus == upper => *x,
            Self::PlusMinus(x, _) => Self::Negate(x),
            part => part,
        })
    }

    /// Degrees become radians inside of trigonometric functions, and a unit that is dropped outside.
    pub(crate) fn settle_degrees(self) -> Self {
        let inside = |x: Self| {
            x.map(&|part| match part {
                Self::Degree(x) => Self::Divide(Box::new([
                    Self::Multiply(vec![*x, Self::Symbol("π".into())]),
                    Self::integer(180),
                ])),
                part => part,
            })
        };
        self.map(&|part| match part {
            Self::Call(function, xs) if function.takes_angle() => {
                Self::Call(function, xs.into_iter().map(inside).collect())
            }
            part => part,
        })
        .map(&|part| match part {
            Self::Degree(x) => *x,
            part => part,
        })
    }
}
