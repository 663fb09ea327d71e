//! Real and complex numbers to 31 digits, each with a bound on its error.

use dashu_ratio::RBig;

use super::double_double::{DoubleDouble, E, PI};
use super::{Arithmetic, Exponent, hash, whole};
use crate::expr::Function;

/// Relative error of a basic operation, generously.
const EPSILON: f64 = 1e-31;
/// Of a function.
const FUNCTION: f64 = 1e-28;
/// Values outside are not computed: what follows would say nothing.
const LARGEST: f64 = 1e280;
const SMALLEST: f64 = 1e-280;

/// A real number within `error` of `value`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Real {
    pub(crate) value: DoubleDouble,
    pub(crate) error: f64,
}

impl Real {
    const ZERO: Self = Self {
        value: DoubleDouble::ZERO,
        error: 0.0,
    };
    const ONE: Self = Self {
        value: DoubleDouble::ONE,
        error: 0.0,
    };

    fn new(value: DoubleDouble, error: f64) -> Option<Self> {
        let size = value.hi.abs();
        let fine = (size == 0.0 || (SMALLEST..LARGEST).contains(&size)) && error < LARGEST;
        fine.then_some(Self { value, error })
    }

    fn function(value: DoubleDouble, error: f64) -> Option<Self> {
        Self::new(value, error + FUNCTION * value.hi.abs())
    }

    fn from_f64(value: f64) -> Self {
        Self {
            value: value.into(),
            error: 0.0,
        }
    }

    pub(crate) fn from_rational(value: &RBig) -> Option<Self> {
        let small = |integer: i64| (integer.unsigned_abs() < 1 << 53).then_some(integer as f64);
        if let (Ok(above), Ok(below)) = (
            i64::try_from(value.numerator()),
            i64::try_from(value.denominator()),
        ) && let (Some(above), Some(below)) = (small(above), small(below))
        {
            let quotient = DoubleDouble::from(above) / DoubleDouble::from(below);
            // A float divided by a power of two is a float.
            let exact = (below as u64).is_power_of_two();
            return Self::new(
                quotient,
                if exact {
                    0.0
                } else {
                    EPSILON * quotient.hi.abs()
                },
            );
        }
        let hi = value.to_f64().value();
        if !hi.is_finite() {
            return None;
        }
        let rest = value - RBig::try_from(hi).ok()?;
        let value = DoubleDouble {
            hi,
            lo: rest.to_f64().value(),
        };
        Self::new(value, EPSILON * hi.abs())
    }

    /// A float that is known exactly: sums and products of two such are exact as well.
    fn is_exact_float(self) -> bool {
        self.error == 0.0 && self.value.lo == 0.0
    }

    /// Too near to zero to have a sign.
    pub(crate) fn may_be_zero(self) -> bool {
        self.value.hi.abs() <= self.error
    }

    pub(crate) fn negate(self) -> Self {
        Self {
            value: -self.value,
            error: self.error,
        }
    }

    fn add(self, b: Self) -> Option<Self> {
        let value = self.value + b.value;
        let largest = self.value.hi.abs().max(b.value.hi.abs());
        // A sum smaller than what an error can tell apart is zero as far as we know, and not too small to compute.
        let rounding = if self.is_exact_float() && b.is_exact_float() {
            0.0
        } else {
            EPSILON * largest
        };
        let error = self.error + b.error + rounding;
        if value.hi.abs() < SMALLEST {
            return Some(Self {
                value: DoubleDouble::ZERO,
                error,
            });
        }
        Self::new(value, error)
    }

    pub(crate) fn subtract(self, b: Self) -> Option<Self> {
        self.add(b.negate())
    }

    fn multiply(self, b: Self) -> Option<Self> {
        let value = self.value * b.value;
        if value.hi == 0.0 && self.value.hi != 0.0 && b.value.hi != 0.0 {
            return None;
        }
        if self.is_exact_float() && b.is_exact_float() {
            return Self::new(value, 0.0);
        }
        let (size, other) = (self.value.hi.abs(), b.value.hi.abs());
        let error =
            size * b.error + other * self.error + self.error * b.error + EPSILON * value.hi.abs();
        Self::new(value, error)
    }

    fn divide(self, b: Self) -> Option<Self> {
        if b.may_be_zero() {
            return None;
        }
        let value = self.value / b.value;
        let below = b.value.hi.abs() - b.error;
        let error = (self.error + value.hi.abs() * b.error) / below + EPSILON * value.hi.abs();
        Self::new(value, error)
    }

    fn sqrt(self) -> Option<Self> {
        if self.may_be_zero() {
            return Some(Self {
                value: self.value.abs().sqrt(),
                error: (2.0 * self.error).sqrt(),
            });
        }
        if self.value.hi < 0.0 {
            return None;
        }
        let value = self.value.sqrt();
        Self::new(value, self.error / value.hi + EPSILON * value.hi)
    }

    fn exp(self) -> Option<Self> {
        if self.value.hi.abs() > 640.0 || self.error > 1.0 {
            return None;
        }
        let value = self.value.exp();
        Self::function(
            value,
            2.0 * value.hi * self.error + FUNCTION * value.hi * self.value.hi.abs(),
        )
    }

    fn ln(self) -> Option<Self> {
        if self.value.hi <= self.error {
            return None;
        }
        let value = self.value.ln();
        Self::function(value, self.error / (self.value.hi - self.error) + FUNCTION)
    }

    fn sin_cos(self) -> Option<(Self, Self)> {
        if self.value.hi.abs() > 1e12 || self.error > 1.0 {
            return None;
        }
        let (sin, cos) = self.value.sin_cos();
        let error = self.error + FUNCTION * (1.0 + self.value.hi.abs());
        Some((Self { value: sin, error }, Self { value: cos, error }))
    }

    fn atan2(self, x: Self) -> Option<Self> {
        if self.may_be_zero() && x.may_be_zero() {
            return None;
        }
        // On the cut, the sign of what is left of the imaginary part is an accident.
        let y = if self.may_be_zero() { Self::ZERO } else { self };
        let length = self.value.hi.hypot(x.value.hi);
        let value = y.value.atan2(x.value);
        Self::function(value, 2.0 * (self.error + x.error) / length + FUNCTION)
    }

    fn integer_power(self, exponent: i64) -> Option<Self> {
        let mut result = Self::ONE;
        let (mut base, mut left) = (self, exponent.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                result = result.multiply(base)?;
            }
            left >>= 1;
            if left > 0 {
                base = base.multiply(base)?;
            }
        }
        if exponent < 0 {
            Self::ONE.divide(result)
        } else {
            Some(result)
        }
    }

    /// The integer at or below, if the error leaves no doubt.
    fn floor(self) -> Option<Self> {
        let nearest = self.value.hi.round();
        let distance = (self.value - nearest.into()).hi.abs();
        if distance <= self.error {
            return (self.error < 1e-12).then_some(Self::from_f64(nearest));
        }
        Some(Self::from_f64(
            (self.value.hi - 0.5).round().min(self.value.hi.floor()),
        ))
    }
}

/// Where variables stand. The first ones are positive, as letters in answers usually are; then negative ones, where both
/// sides are defined there.
const POINTS: [f64; 8] = [1.83, 0.37, 5.21, -0.62, -2.9, 17.3, 0.083, 41.9];

fn place(name: &str, point: usize) -> Real {
    let spread = hash(name, point as u64) as f64 / u64::MAX as f64;
    Real::from_f64(POINTS[point % POINTS.len()] * (1.0 + 0.5 * spread))
}

/// How many points there are.
pub(crate) const PLACES: usize = POINTS.len();

/// The real numbers: what is not real is undefined, and odd roots of negative numbers are.
pub(crate) struct Reals {
    pub(crate) point: usize,
}

fn constant(name: &str) -> Option<Real> {
    match name {
        "π" => Real::new(PI, EPSILON),
        "e" => Real::new(E, EPSILON),
        _ => None,
    }
}

impl Arithmetic for Reals {
    type Value = Real;

    fn number(&mut self, value: &RBig) -> Option<Real> {
        Real::from_rational(value)
    }

    fn symbol(&mut self, name: &str) -> Option<Real> {
        match name {
            "i" => None,
            _ => Some(constant(name).unwrap_or_else(|| place(name, self.point))),
        }
    }

    fn negate(&mut self, a: Real) -> Real {
        a.negate()
    }

    fn add(&mut self, a: Real, b: Real) -> Option<Real> {
        a.add(b)
    }

    fn multiply(&mut self, a: Real, b: Real) -> Option<Real> {
        a.multiply(b)
    }

    fn divide(&mut self, a: Real, b: Real) -> Option<Real> {
        a.divide(b)
    }

    fn power(&mut self, base: Real, exponent: Exponent<Real>) -> Option<Real> {
        let exponent = match exponent {
            Exponent::Exact(exact) => {
                if let Some(integer) = whole(&exact).filter(|n| n.unsigned_abs() < 1 << 20) {
                    return base.integer_power(integer);
                }
                if exact == RBig::from_parts(1.into(), 2u8.into()) {
                    return base.sqrt();
                }
                let odd = |x: i64| x % 2 != 0;
                let below = i64::try_from(exact.denominator()).ok()?;
                if base.value.hi < 0.0 && !base.may_be_zero() && odd(below) {
                    let size = self.power(base.negate(), Exponent::Exact(exact.clone()))?;
                    let above = i64::try_from(exact.numerator()).ok()?;
                    return Some(if odd(above) { size.negate() } else { size });
                }
                Real::from_rational(&exact)?
            }
            Exponent::Value(value) => value,
        };
        if base.may_be_zero() {
            return (exponent.value.hi > 0.0 && base.error == 0.0).then_some(Real::ZERO);
        }
        base.ln()?.multiply(exponent)?.exp()
    }

    fn call(&mut self, function: Function, xs: &[Real]) -> Option<Real> {
        let x = *xs.first()?;
        let ratio = |pair: (Real, Real)| pair.0.divide(pair.1);
        let swap = |(a, b): (Real, Real)| (b, a);
        match function {
            Function::Sin => Some(x.sin_cos()?.0),
            Function::Cos => Some(x.sin_cos()?.1),
            Function::Tan => ratio(x.sin_cos()?),
            Function::Cot => ratio(swap(x.sin_cos()?)),
            Function::Sec => Real::ONE.divide(x.sin_cos()?.1),
            Function::Csc => Real::ONE.divide(x.sin_cos()?.0),
            Function::Arcsin | Function::Arccos => {
                let rest = Real::ONE.subtract(x.multiply(x)?)?.sqrt()?;
                if function == Function::Arcsin {
                    x.atan2(rest)
                } else {
                    rest.atan2(x)
                }
            }
            Function::Arctan => x.atan2(Real::ONE),
            Function::Sinh | Function::Cosh | Function::Tanh => {
                let (up, down) = (x.exp()?, x.negate().exp()?);
                let (difference, sum) = (up.subtract(down)?, up.add(down)?);
                match function {
                    Function::Sinh => difference.divide(Real::from_f64(2.0)),
                    Function::Cosh => sum.divide(Real::from_f64(2.0)),
                    _ => difference.divide(sum),
                }
            }
            Function::Ln => x.ln(),
            Function::Log => x.ln()?.divide(xs.get(1)?.ln()?),
            Function::Exp => x.exp(),
            Function::Root => {
                let degree = xs.get(1)?;
                let n = degree.value.hi;
                if degree.error == 0.0 && n == 2.0 {
                    return x.sqrt();
                }
                if n.fract() == 0.0 && (1.0..1e6).contains(&n) {
                    let exact = RBig::from_parts(1.into(), (n as u64).into());
                    return self.power(x, Exponent::Exact(exact));
                }
                let inverse = Real::ONE.divide(*degree)?;
                self.power(x, Exponent::Value(inverse))
            }
            Function::Abs => Some(Real {
                value: x.value.abs(),
                ..x
            }),
            Function::Floor => x.floor(),
            Function::Ceil => Some(x.negate().floor()?.negate()),
            Function::Factorial => {
                let n = x.value.hi;
                if x.error > 0.0 || n.fract() != 0.0 || !(0.0..=160.0).contains(&n) {
                    return None;
                }
                (2..=n as u32).try_fold(Real::ONE, |product, k| {
                    product.multiply(Real::from_f64(k.into()))
                })
            }
            Function::Max => xs
                .iter()
                .copied()
                .max_by(|a, b| a.value.hi.total_cmp(&b.value.hi)),
            Function::Min => xs
                .iter()
                .copied()
                .min_by(|a, b| a.value.hi.total_cmp(&b.value.hi)),
            Function::Binomial | Function::Gcd | Function::Lcm => {
                // Small whole numbers come this way as parts of larger expressions.
                let integers: Vec<RBig> = xs
                    .iter()
                    .map(|x| {
                        (x.error == 0.0 && x.value.hi.fract() == 0.0 && x.value.hi.abs() < 1e15)
                            .then(|| RBig::from(x.value.hi as i64))
                    })
                    .collect::<Option<_>>()?;
                Real::from_rational(&super::exact::Exact { point: None }.call(function, &integers)?)
            }
        }
    }

    fn weight(_: &Real) -> u64 {
        4
    }
}

/// A complex number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complex {
    pub(crate) re: Real,
    pub(crate) im: Real,
}

impl Complex {
    fn real(re: Real) -> Self {
        Self { re, im: Real::ZERO }
    }

    fn is_real(self) -> bool {
        self.im.value.hi == 0.0 && self.im.error == 0.0
    }

    fn add(self, b: Self) -> Option<Self> {
        Some(Self {
            re: self.re.add(b.re)?,
            im: self.im.add(b.im)?,
        })
    }

    fn negate(self) -> Self {
        Self {
            re: self.re.negate(),
            im: self.im.negate(),
        }
    }

    fn multiply(self, b: Self) -> Option<Self> {
        if self.is_real() && b.is_real() {
            return Some(Self::real(self.re.multiply(b.re)?));
        }
        Some(Self {
            re: self.re.multiply(b.re)?.subtract(self.im.multiply(b.im)?)?,
            im: self.re.multiply(b.im)?.add(self.im.multiply(b.re)?)?,
        })
    }

    fn divide(self, b: Self) -> Option<Self> {
        if b.is_real() {
            return Some(Self {
                re: self.re.divide(b.re)?,
                im: self.im.divide(b.re)?,
            });
        }
        let size = b.re.multiply(b.re)?.add(b.im.multiply(b.im)?)?;
        let conjugate = Self {
            re: b.re,
            im: b.im.negate(),
        };
        let above = self.multiply(conjugate)?;
        Some(Self {
            re: above.re.divide(size)?,
            im: above.im.divide(size)?,
        })
    }

    fn size(self) -> Option<Real> {
        if self.is_real() {
            return Some(Real {
                value: self.re.value.abs(),
                ..self.re
            });
        }
        self.re
            .multiply(self.re)?
            .add(self.im.multiply(self.im)?)?
            .sqrt()
    }

    fn exp(self) -> Option<Self> {
        let size = self.re.exp()?;
        let (sin, cos) = self.im.sin_cos()?;
        Some(Self {
            re: size.multiply(cos)?,
            im: size.multiply(sin)?,
        })
    }

    /// The principal value.
    fn ln(self) -> Option<Self> {
        Some(Self {
            re: self.size()?.ln()?,
            im: self.im.atan2(self.re)?,
        })
    }

    fn i() -> Self {
        Self {
            re: Real::ZERO,
            im: Real::ONE,
        }
    }

    fn sin_cos(self) -> Option<(Self, Self)> {
        if self.is_real() {
            let (sin, cos) = self.re.sin_cos()?;
            return Some((Self::real(sin), Self::real(cos)));
        }
        let up = Self::i().multiply(self)?.exp()?;
        let down = Self::i().negate().multiply(self)?.exp()?;
        let two = Self::real(Real::from_f64(2.0));
        let sin = up.add(down.negate())?.divide(two.multiply(Self::i())?)?;
        Some((sin, up.add(down)?.divide(two)?))
    }
}

/// The complex numbers, with principal values.
pub(crate) struct ComplexNumbers {
    pub(crate) point: usize,
}

impl Arithmetic for ComplexNumbers {
    type Value = Complex;

    fn number(&mut self, value: &RBig) -> Option<Complex> {
        Some(Complex::real(Real::from_rational(value)?))
    }

    fn symbol(&mut self, name: &str) -> Option<Complex> {
        if name == "i" {
            return Some(Complex::i());
        }
        Some(match constant(name) {
            Some(value) => Complex::real(value),
            None => Complex {
                re: place(name, self.point % 3),
                im: place(name, (self.point + 1) % 3),
            },
        })
    }

    fn negate(&mut self, a: Complex) -> Complex {
        a.negate()
    }

    fn add(&mut self, a: Complex, b: Complex) -> Option<Complex> {
        a.add(b)
    }

    fn multiply(&mut self, a: Complex, b: Complex) -> Option<Complex> {
        a.multiply(b)
    }

    fn divide(&mut self, a: Complex, b: Complex) -> Option<Complex> {
        a.divide(b)
    }

    fn power(&mut self, base: Complex, exponent: Exponent<Complex>) -> Option<Complex> {
        let exponent = match exponent {
            Exponent::Exact(exact) => {
                if let Some(n) = whole(&exact).filter(|n| n.unsigned_abs() < 1 << 20) {
                    let one = Complex::real(Real::ONE);
                    let mut result = one;
                    let (mut square, mut left) = (base, n.unsigned_abs());
                    while left > 0 {
                        if left & 1 == 1 {
                            result = result.multiply(square)?;
                        }
                        left >>= 1;
                        if left > 0 {
                            square = square.multiply(square)?;
                        }
                    }
                    return if n < 0 {
                        one.divide(result)
                    } else {
                        Some(result)
                    };
                }
                self.number(&exact)?
            }
            Exponent::Value(value) => value,
        };
        let zero = base.re.may_be_zero() && base.im.may_be_zero();
        if zero {
            let exact = base.re.error == 0.0 && base.im.error == 0.0;
            return (exact && exponent.re.value.hi > 0.0).then_some(Complex::real(Real::ZERO));
        }
        base.ln()?.multiply(exponent)?.exp()
    }

    fn call(&mut self, function: Function, xs: &[Complex]) -> Option<Complex> {
        let x = *xs.first()?;
        let one = Complex::real(Real::ONE);
        match function {
            Function::Sin => Some(x.sin_cos()?.0),
            Function::Cos => Some(x.sin_cos()?.1),
            Function::Tan => {
                let (sin, cos) = x.sin_cos()?;
                sin.divide(cos)
            }
            Function::Cot => {
                let (sin, cos) = x.sin_cos()?;
                cos.divide(sin)
            }
            Function::Sec => one.divide(x.sin_cos()?.1),
            Function::Csc => one.divide(x.sin_cos()?.0),
            Function::Ln => x.ln(),
            Function::Log => x.ln()?.divide(xs.get(1)?.ln()?),
            Function::Exp => x.exp(),
            Function::Root => {
                let inverse = one.divide(*xs.get(1)?)?;
                self.power(x, Exponent::Value(inverse))
            }
            Function::Abs => Some(Complex::real(x.size()?)),
            _ => {
                let reals: Vec<Real> = xs
                    .iter()
                    .map(|x| x.is_real().then_some(x.re))
                    .collect::<Option<_>>()?;
                Some(Complex::real(
                    Reals { point: self.point }.call(function, &reals)?,
                ))
            }
        }
    }

    fn weight(_: &Complex) -> u64 {
        12
    }
}
