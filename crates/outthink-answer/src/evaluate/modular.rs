//! Integers modulo a prime: decides identities of rational functions by their value at one random point (Schwartz
//! 1980, Zippel 1979). `π` and `e` are points like any variable, and `i` is a square root of -1.

use dashu_int::IBig;
use dashu_ratio::RBig;

use super::{Arithmetic, Exponent, hash};
use crate::expr::Function;

/// Primes just below 2^61, one more than a multiple of 4, so that -1 has a root; with one such root each.
pub(crate) const PRIMES: [(u64, u64); 2] = [PRIME_A, PRIME_B];
const PRIME_A: (u64, u64) = with_root(2_305_843_009_213_693_921);
const PRIME_B: (u64, u64) = with_root(2_305_843_009_213_693_669);

const fn times(a: u64, b: u64, p: u64) -> u64 {
    (a as u128 * b as u128 % p as u128) as u64
}

const fn power(mut base: u64, mut exponent: u64, p: u64) -> u64 {
    let mut result = 1;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base, p);
        }
        base = times(base, base, p);
        exponent >>= 1;
    }
    result
}

/// A root of -1 is a quarter power of a non-residue.
const fn with_root(p: u64) -> (u64, u64) {
    let mut candidate = 2;
    loop {
        let root = power(candidate, (p - 1) / 4, p);
        if times(root, root, p) == p - 1 {
            return (p, root);
        }
        candidate += 1;
    }
}

pub(crate) struct Modular {
    pub(crate) prime: (u64, u64),
    pub(crate) point: u64,
}

impl Modular {
    fn times(&self, a: u64, b: u64) -> u64 {
        times(a, b, self.prime.0)
    }

    fn inverse(&self, a: u64) -> Option<u64> {
        (a != 0).then(|| power(a, self.prime.0 - 2, self.prime.0))
    }

    fn residue(&self, value: &IBig) -> u64 {
        let p = self.prime.0;
        if let Ok(small) = i64::try_from(value) {
            return small.rem_euclid(p as i64) as u64;
        }
        let (sign, magnitude) = value.clone().into_parts();
        let rest = magnitude % p;
        if sign == dashu_int::Sign::Negative && rest != 0 {
            p - rest
        } else {
            rest
        }
    }
}

impl Arithmetic for Modular {
    type Value = u64;

    fn number(&mut self, value: &RBig) -> Option<u64> {
        let above = self.residue(value.numerator());
        if value.is_int() {
            return Some(above);
        }
        let below = self.residue(&IBig::from(value.denominator().clone()));
        Some(self.times(above, self.inverse(below)?))
    }

    fn symbol(&mut self, name: &str) -> Option<u64> {
        match name {
            "i" => Some(self.prime.1),
            _ => Some(hash(name, self.point) % self.prime.0),
        }
    }

    fn negate(&mut self, a: u64) -> u64 {
        if a == 0 { 0 } else { self.prime.0 - a }
    }

    fn add(&mut self, a: u64, b: u64) -> Option<u64> {
        Some((a + b) % self.prime.0)
    }

    fn multiply(&mut self, a: u64, b: u64) -> Option<u64> {
        Some(self.times(a, b))
    }

    fn divide(&mut self, a: u64, b: u64) -> Option<u64> {
        Some(self.times(a, self.inverse(b)?))
    }

    fn power(&mut self, base: u64, exponent: Exponent<u64>) -> Option<u64> {
        let Exponent::Exact(exponent) = exponent else {
            return None;
        };
        let exponent = super::whole(&exponent)?;
        let size = power(base, exponent.unsigned_abs(), self.prime.0);
        if exponent < 0 {
            self.inverse(size)
        } else {
            Some(size)
        }
    }

    fn call(&mut self, _: Function, _: &[u64]) -> Option<u64> {
        None
    }

    fn weight(_: &u64) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moduli_are_prime_and_have_their_roots() {
        for (p, root) in PRIMES {
            // Miller and Rabin with these bases decide for all 64-bit numbers.
            let (odd, twos) = (
                (p - 1) >> (p - 1).trailing_zeros(),
                (p - 1).trailing_zeros(),
            );
            for base in [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37] {
                let mut x = power(base, odd, p);
                let mut passes = x == 1 || x == p - 1;
                for _ in 1..twos {
                    x = times(x, x, p);
                    passes |= x == p - 1;
                }
                assert!(passes, "{p} is no prime: {base}");
            }
            assert_eq!(times(root, root, p), p - 1);
        }
    }
}
