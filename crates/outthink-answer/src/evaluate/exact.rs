//! Rational numbers.

use dashu_int::{IBig, UBig};
use dashu_ratio::RBig;

use super::{Arithmetic, Exponent, bits, hash, whole};
use crate::expr::Function;

/// Most bits of a number; larger ones are left to other arithmetics.
const MOST_BITS: usize = 1 << 15;

/// Largest number whose factorial is multiplied out.
const MOST_FACTORIAL: i64 = 2100;

pub(crate) struct Exact {
    /// Variables are whole numbers, others at every point; without a point there are no variables.
    pub(crate) point: Option<u64>,
}

impl Exact {
    fn fits(value: RBig) -> Option<RBig> {
        (bits(&value) <= MOST_BITS).then_some(value)
    }

    fn integer_power(base: &RBig, exponent: i64) -> Option<RBig> {
        if exponent < 0 && base.is_zero() {
            return None;
        }
        let mut size = usize::try_from(exponent.unsigned_abs()).ok()?;
        if base.is_one() || base.is_zero() || *base == RBig::NEG_ONE {
            // These stay small whatever the exponent: an even one is as good as 2.
            size = size.min(2 + size % 2);
        } else if bits(base).checked_mul(size)? > MOST_BITS {
            return None;
        }
        let (above, below) = (base.numerator().pow(size), base.denominator().pow(size));
        let power = RBig::from_parts(above, below);
        if exponent < 0 {
            Some(RBig::ONE / power)
        } else {
            Some(power)
        }
    }

    /// The n-th root, if it is rational.
    fn root(value: &RBig, n: i64) -> Option<RBig> {
        let n = usize::try_from(n).ok().filter(|n| (1..=64).contains(n))?;
        let negative = *value < RBig::ZERO;
        if negative && n.is_multiple_of(2) {
            return None;
        }
        let root = |x: &UBig| {
            let root = x.nth_root(n);
            (root.pow(n) == *x).then_some(root)
        };
        let (_, above) = value.numerator().clone().into_parts();
        let above = IBig::from(root(&above)?);
        let root = RBig::from_parts(above, root(value.denominator())?);
        Some(if negative { -root } else { root })
    }

    fn factorial(n: i64) -> Option<RBig> {
        if !(0..=MOST_FACTORIAL).contains(&n) {
            return None;
        }
        let product = (2..=n as u64).fold(UBig::ONE, |product, factor| product * factor);
        Some(RBig::from(product))
    }

    fn binomial(n: i64, k: i64) -> Option<RBig> {
        if n < 0 || k < 0 || n > 1_000_000 {
            return None;
        }
        if k > n {
            return Some(RBig::ZERO);
        }
        let k = k.min(n - k);
        if k > MOST_FACTORIAL {
            return None;
        }
        let mut value = UBig::ONE;
        for i in 0..k as u64 {
            value = value * (n as u64 - i) / (i + 1);
        }
        Self::fits(RBig::from(value))
    }
}

impl Arithmetic for Exact {
    type Value = RBig;

    fn number(&mut self, value: &RBig) -> Option<RBig> {
        Some(value.clone())
    }

    fn symbol(&mut self, name: &str) -> Option<RBig> {
        match name {
            "π" | "e" | "i" => None,
            _ => Some(RBig::from(3 + hash(name, self.point?) % 23)),
        }
    }

    fn negate(&mut self, a: RBig) -> RBig {
        -a
    }

    fn add(&mut self, a: RBig, b: RBig) -> Option<RBig> {
        Self::fits(a + b)
    }

    fn multiply(&mut self, a: RBig, b: RBig) -> Option<RBig> {
        Self::fits(a * b)
    }

    fn divide(&mut self, a: RBig, b: RBig) -> Option<RBig> {
        if b.is_zero() { None } else { Self::fits(a / b) }
    }

    fn power(&mut self, base: RBig, exponent: Exponent<RBig>) -> Option<RBig> {
        let (Exponent::Exact(exponent) | Exponent::Value(exponent)) = exponent;
        let above = i64::try_from(exponent.numerator()).ok()?;
        let below = i64::try_from(exponent.denominator()).ok()?;
        let root = if below == 1 {
            base
        } else {
            Self::root(&base, below)?
        };
        Self::integer_power(&root, above)
    }

    fn call(&mut self, function: Function, xs: &[RBig]) -> Option<RBig> {
        let integer = |i: usize| xs.get(i).and_then(whole);
        let x = xs.first()?;
        match function {
            Function::Root => Self::root(x, integer(1)?),
            Function::Abs => Some(if *x < RBig::ZERO {
                -x.clone()
            } else {
                x.clone()
            }),
            Function::Floor => Some(RBig::from(x.floor())),
            Function::Ceil => Some(RBig::from(x.ceil())),
            Function::Factorial => Self::factorial(integer(0)?),
            Function::Binomial => Self::binomial(integer(0)?, integer(1)?),
            Function::Max => xs.iter().max().cloned(),
            Function::Min => xs.iter().min().cloned(),
            Function::Gcd | Function::Lcm => {
                let all: Vec<i64> = xs.iter().map(whole).collect::<Option<_>>()?;
                let gcd = |a: u64, b: u64| {
                    let (mut a, mut b) = (a, b);
                    while b != 0 {
                        (a, b) = (b, a % b);
                    }
                    a
                };
                let all = all.iter().map(|n| n.unsigned_abs());
                let value = if function == Function::Gcd {
                    all.fold(0, gcd)
                } else {
                    let mut product = 1u64;
                    for n in all {
                        product = if n == 0 {
                            0
                        } else {
                            (product / gcd(product, n)).checked_mul(n)?
                        };
                    }
                    product
                };
                Some(RBig::from(value))
            }
            // Values that other arithmetics find too, but only nearly.
            Function::Ln if x.is_one() => Some(RBig::ZERO),
            Function::Exp if x.is_zero() => Some(RBig::ONE),
            _ => None,
        }
    }

    fn integer_point(&self) -> Option<u64> {
        self.point
    }

    fn call_weight(function: Function, value: &RBig) -> u64 {
        match function {
            // As many products as factors, each as long as the result so far.
            Function::Factorial | Function::Binomial => (bits(value) as u64).pow(2) / 40_000,
            _ => 0,
        }
    }

    fn weight(value: &RBig) -> u64 {
        1 + bits(value) as u64 / 32
    }
}
