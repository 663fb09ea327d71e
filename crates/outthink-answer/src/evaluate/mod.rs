//! Values of expressions in several arithmetics, by one walk.

pub(crate) mod double_double;
pub(crate) mod exact;
pub(crate) mod modular;
pub(crate) mod numeric;

use dashu_int::IBig;
use dashu_ratio::RBig;

use crate::expr::{Expr, Function, Symbol};
use exact::Exact;

/// What may still be spent on one comparison, in operations: never in time, so that a verdict is the same on every
/// machine and from every thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget(u64);

impl Budget {
    /// Enough for any answer that a person would write; about a millisecond.
    pub(crate) fn full() -> Self {
        Self(50_000)
    }

    pub(crate) fn spend(&mut self, operations: u64) -> Option<()> {
        self.0 = self.0.checked_sub(operations)?;
        Some(())
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn exhaust(&mut self) {
        self.0 = 0;
    }
}

/// An exponent: exactly known, or a value of the arithmetic.
pub(crate) enum Exponent<V> {
    Exact(RBig),
    Value(V),
}

/// A field with more or less of functions. `None` is for what it cannot say: undefined, too large, not in its reach.
pub(crate) trait Arithmetic {
    type Value: Clone;

    fn number(&mut self, value: &RBig) -> Option<Self::Value>;
    fn symbol(&mut self, name: &str) -> Option<Self::Value>;
    fn negate(&mut self, a: Self::Value) -> Self::Value;
    fn add(&mut self, a: Self::Value, b: Self::Value) -> Option<Self::Value>;
    fn multiply(&mut self, a: Self::Value, b: Self::Value) -> Option<Self::Value>;
    fn divide(&mut self, a: Self::Value, b: Self::Value) -> Option<Self::Value>;
    fn power(&mut self, base: Self::Value, exponent: Exponent<Self::Value>) -> Option<Self::Value>;
    fn call(&mut self, function: Function, arguments: &[Self::Value]) -> Option<Self::Value>;
    /// The point at which variables are whole numbers, if they are.
    fn integer_point(&self) -> Option<u64> {
        None
    }
    /// What a function costs beyond its value.
    fn call_weight(_: Function, _: &Self::Value) -> u64 {
        0
    }
    /// What an operation on this value costs.
    fn weight(value: &Self::Value) -> u64;
}

/// The value of an expression.
pub(crate) fn evaluate<A: Arithmetic>(
    expr: &Expr,
    arithmetic: &mut A,
    budget: &mut Budget,
) -> Option<A::Value> {
    Walk {
        arithmetic,
        bound: Vec::new(),
        budget,
    }
    .value(expr)
}

struct Walk<'w, 'e, A> {
    arithmetic: &'w mut A,
    /// Running variables of the sums around.
    bound: Vec<(&'e Symbol, RBig)>,
    budget: &'w mut Budget,
}

impl<'e, A: Arithmetic> Walk<'_, 'e, A> {
    fn value(&mut self, expr: &'e Expr) -> Option<A::Value> {
        let value = match expr {
            Expr::Number(value) | Expr::Decimal { value, .. } => self.arithmetic.number(value)?,
            Expr::Symbol(name) => match self.bound.iter().rev().find(|(bound, _)| *bound == name) {
                Some((_, value)) => self.arithmetic.number(value)?,
                None => self.arithmetic.symbol(name)?,
            },
            Expr::Infinity | Expr::PlusMinus(..) => return None,
            Expr::Degree(x) => self.value(x)?,
            Expr::Negate(x) => {
                let x = self.value(x)?;
                self.arithmetic.negate(x)
            }
            Expr::Add(xs) => self.fold(xs, A::add)?,
            Expr::Multiply(xs) => self.fold(xs, A::multiply)?,
            Expr::Divide(pair) => {
                let (a, b) = (self.value(&pair[0])?, self.value(&pair[1])?);
                self.arithmetic.divide(a, b)?
            }
            Expr::Power(pair) => {
                let base = self.value(&pair[0])?;
                let exponent = self.exponent(&pair[1])?;
                self.arithmetic.power(base, exponent)?
            }
            Expr::Call(function, xs) => {
                let xs: Vec<A::Value> = xs.iter().map(|x| self.value(x)).collect::<Option<_>>()?;
                let value = self.arithmetic.call(*function, &xs)?;
                self.budget.spend(A::call_weight(*function, &value))?;
                value
            }
            Expr::Series(series) => {
                let (from, to) = (self.exactly(&series.from)?, self.exactly(&series.to)?);
                let (from, to): (i64, i64) = (whole(&from)?, whole(&to)?);
                let mut total = self
                    .arithmetic
                    .number(&RBig::from(u8::from(series.product)))?;
                for index in from..=to {
                    self.bound.push((&series.index, RBig::from(index)));
                    let term = self.value(&series.body);
                    self.bound.pop();
                    total = if series.product {
                        self.arithmetic.multiply(total, term?)?
                    } else {
                        self.arithmetic.add(total, term?)?
                    };
                }
                total
            }
        };
        self.budget.spend(A::weight(&value)).or_else(|| {
            self.budget.exhaust();
            None
        })?;
        Some(value)
    }

    fn fold(
        &mut self,
        xs: &'e [Expr],
        operation: impl Fn(&mut A, A::Value, A::Value) -> Option<A::Value>,
    ) -> Option<A::Value> {
        let (first, rest) = xs.split_first()?;
        let mut total = self.value(first)?;
        for x in rest {
            let x = self.value(x)?;
            total = operation(self.arithmetic, total, x)?;
        }
        Some(total)
    }

    fn exponent(&mut self, expr: &'e Expr) -> Option<Exponent<A::Value>> {
        if let Expr::Number(value) = expr {
            return Some(Exponent::Exact(value.clone()));
        }
        match self.exactly(expr) {
            Some(value) => Some(Exponent::Exact(value)),
            None => Some(Exponent::Value(self.value(expr)?)),
        }
    }

    fn exactly(&mut self, expr: &'e Expr) -> Option<RBig> {
        let mut exact = Exact {
            point: self.arithmetic.integer_point(),
        };
        let mut walk = Walk {
            arithmetic: &mut exact,
            bound: std::mem::take(&mut self.bound),
            budget: self.budget,
        };
        let value = walk.value(expr);
        self.bound = walk.bound;
        value
    }
}

/// A rational that is a whole number of moderate size.
pub(crate) fn whole(value: &RBig) -> Option<i64> {
    value
        .is_int()
        .then(|| i64::try_from(value.numerator()).ok())?
}

/// A number that depends on a name alone, the same on every machine (FNV-1a, finished as splitmix64 does).
pub(crate) fn hash(name: &str, salt: u64) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in name.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

pub(crate) fn bits(value: &RBig) -> usize {
    fn of(integer: &IBig) -> usize {
        use dashu_int::ops::BitTest;
        integer.bit_len()
    }
    use dashu_int::ops::BitTest;
    of(value.numerator()) + value.denominator().bit_len()
}
