//! Real numbers to about 31 digits: an unevaluated sum of two floats (Dekker 1971; Hida, Li and Bailey 2001).
//!
//! `twofloat`, the crate for this, was measured and not taken: its exp and ln are wrong from the 11th digit on. The
//! errors of these functions, against 100 digits, are below 1e-29 of the value or of 1, whichever is larger.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// `hi + lo`, where `lo` is at most half a unit in the last place of `hi`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DoubleDouble {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

pub(crate) const PI: DoubleDouble = DoubleDouble {
    hi: std::f64::consts::PI,
    lo: 1.224_646_799_147_353_2e-16,
};
const LN_2: DoubleDouble = DoubleDouble {
    hi: std::f64::consts::LN_2,
    lo: 2.319_046_813_846_299_6e-17,
};
pub(crate) const E: DoubleDouble = DoubleDouble {
    hi: std::f64::consts::E,
    lo: 1.445_646_891_729_250_2e-16,
};

/// Their sum, exactly, if `a` is the larger.
fn quick_two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    DoubleDouble {
        hi,
        lo: b - (hi - a),
    }
}

/// Their sum, exactly.
fn two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    let part = hi - a;
    DoubleDouble {
        hi,
        lo: (a - (hi - part)) + (b - part),
    }
}

/// The upper and the lower 26 bits.
fn split(a: f64) -> (f64, f64) {
    let shifted = 134_217_729.0 * a;
    let hi = shifted - (shifted - a);
    (hi, a - hi)
}

/// Their product, exactly.
fn two_product(a: f64, b: f64) -> DoubleDouble {
    let hi = a * b;
    let ((a_hi, a_lo), (b_hi, b_lo)) = (split(a), split(b));
    DoubleDouble {
        hi,
        lo: ((a_hi * b_hi - hi) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo,
    }
}

impl DoubleDouble {
    pub(crate) const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    pub(crate) const ONE: Self = Self { hi: 1.0, lo: 0.0 };

    pub(crate) fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }

    fn scale(self, power_of_two: f64) -> Self {
        Self {
            hi: self.hi * power_of_two,
            lo: self.lo * power_of_two,
        }
    }

    pub(crate) fn sqrt(self) -> Self {
        if self.hi <= 0.0 {
            return Self::ZERO;
        }
        // One Newton step from the float's own root (Karp and Markstein).
        let root = self.hi.sqrt();
        let rest = self - two_product(root, root);
        quick_two_sum(root, rest.hi / (2.0 * root))
    }

    /// e to this power, which must be below 700 in absolute value.
    pub(crate) fn exp(self) -> Self {
        let halvings = (self.hi / LN_2.hi).round();
        let r = (self - LN_2 * Self::from(halvings)).scale(1.0 / 512.0);
        // expm1 by its series; r is at most 0.0007.
        let (mut term, mut sum) = (r, r);
        for n in 2..10 {
            term = term * r / Self::from(f64::from(n));
            sum = sum + term;
        }
        for _ in 0..9 {
            sum = sum.scale(2.0) + sum * sum;
        }
        (sum + Self::ONE).scale(2f64.powi(halvings as i32))
    }

    /// Natural logarithm of a positive number.
    pub(crate) fn ln(self) -> Self {
        let guess = Self::from(self.hi.ln());
        guess + self * (-guess).exp() - Self::ONE
    }

    /// Sine and cosine; good while π times the number of turns is known well, that is, far beyond any answer.
    pub(crate) fn sin_cos(self) -> (Self, Self) {
        let quarters = (self.hi / std::f64::consts::FRAC_PI_2).round();
        let r = self - PI.scale(0.5) * Self::from(quarters);
        let square = r * r;
        let series = |first: Self, from: u32| {
            let (mut term, mut sum) = (first, first);
            let mut n = from;
            while n < 32 {
                let below = f64::from(n * (n + 1));
                term = -(term * square) / Self::from(below);
                sum = sum + term;
                n += 2;
            }
            sum
        };
        let (sin, cos) = (series(r, 2), series(Self::ONE, 1));
        match quarters.rem_euclid(4.0) as u8 {
            0 => (sin, cos),
            1 => (cos, -sin),
            2 => (-sin, -cos),
            _ => (-cos, sin),
        }
    }

    /// The angle of the point (x, self), in (-π, π]. Both may not be 0.
    pub(crate) fn atan2(self, x: Self) -> Self {
        let guess = Self::from(self.hi.atan2(x.hi));
        let (sin, cos) = guess.sin_cos();
        let length = (self * self + x * x).sqrt();
        // The distance that is left, small enough to be its own sine.
        guess + (self * cos - x * sin) / length
    }
}

impl From<f64> for DoubleDouble {
    fn from(hi: f64) -> Self {
        Self { hi, lo: 0.0 }
    }
}

impl Neg for DoubleDouble {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            hi: -self.hi,
            lo: -self.lo,
        }
    }
}

impl Add for DoubleDouble {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (hi, lo) = (two_sum(self.hi, other.hi), two_sum(self.lo, other.lo));
        let sum = quick_two_sum(hi.hi, hi.lo + lo.hi);
        quick_two_sum(sum.hi, sum.lo + lo.lo)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let product = two_product(self.hi, other.hi);
        quick_two_sum(
            product.hi,
            product.lo + (self.hi * other.lo + self.lo * other.hi),
        )
    }
}

impl Div for DoubleDouble {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self - other * Self::from(first);
        let second = rest.hi / other.hi;
        let rest = rest - other * Self::from(second);
        let third = rest.hi / other.hi;
        quick_two_sum(first, second) + Self::from(third)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: DoubleDouble, b: DoubleDouble) -> bool {
        (a - b).abs().hi <= 1e-29 * b.hi.abs().max(1.0)
    }

    #[test]
    fn functions_agree_with_values_computed_to_a_hundred_digits() {
        // (x, exp, ln, sin, cos, atan) as hi + lo, from mpmath.
        let dd = |(hi, lo)| DoubleDouble { hi, lo };
        for [x, exp, ln, sin, cos, atan] in VALUES.map(|row| row.map(dd)) {
            assert!(close(x.exp(), exp), "exp {x:?}: {:?} {exp:?}", x.exp());
            assert!(close(x.ln(), ln), "ln {x:?}: {:?} {ln:?}", x.ln());
            let (s, c) = x.sin_cos();
            assert!(close(s, sin), "sin {x:?}: {s:?} {sin:?}");
            assert!(close(c, cos), "cos {x:?}: {c:?} {cos:?}");
            let a = x.atan2(DoubleDouble::ONE);
            assert!(close(a, atan), "atan {x:?}: {a:?} {atan:?}");
            assert!(close(x.sqrt() * x.sqrt(), x));
        }
    }

    include!("double_double_values.in");
}
