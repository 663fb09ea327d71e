//! Are two expressions the same function?

use dashu_ratio::RBig;

use crate::evaluate::exact::Exact;
use crate::evaluate::modular::{Modular, PRIMES};
use crate::evaluate::numeric::{Complex, ComplexNumbers, PLACES, Real, Reals};
use crate::evaluate::{Budget, evaluate};
use crate::expr::{Expr, Make};

/// What a comparison of expressions came to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    Same(&'static str),
    Different(&'static str),
    /// Too large, undefined, or so near that the errors do not tell.
    Unknown,
}

impl Identity {
    fn of(same: bool, rule: &'static str) -> Self {
        if same {
            Self::Same(rule)
        } else {
            Self::Different(rule)
        }
    }
}

const EXACT: &str = "exact value";
const RATIONAL: &str = "rational identity";
const INTEGERS: &str = "equal at whole numbers";
const NUMERIC: &str = "equal to 20 digits or more";

/// Compares two expressions: as exact numbers, as rational functions modulo a prime, at whole numbers where the
/// expressions are made for those, else as real and at last as complex functions at several points.
pub(crate) fn identity(a: &Expr, b: &Expr, budget: &mut Budget) -> Identity {
    if a == b {
        return Identity::Same("identical");
    }
    let (own, other) = (a.make(), b.make());
    if own.infinity || other.infinity {
        let signs = (infinite(a), infinite(b));
        return match signs {
            (Some(a), Some(b)) => Identity::of(a == b, "infinity"),
            _ => Identity::Different("infinity"),
        };
    }
    let make = Make {
        variables: own.variables || other.variables,
        imaginary: own.imaginary || other.imaginary,
        integers: own.integers || other.integers,
        ..own
    };
    if !make.variables {
        return constants(a, b, make, budget);
    }
    if let Some(same) = modular(a, b, budget) {
        return Identity::of(same, RATIONAL);
    }
    if make.integers
        && let Some(same) = at_integers(a, b, budget)
    {
        return Identity::of(same, INTEGERS);
    }
    if !make.imaginary {
        match at_reals(a, b, budget) {
            Identity::Unknown => {}
            known => return known,
        }
    }
    at_complex(a, b, 2, budget)
}

fn constants(a: &Expr, b: &Expr, make: Make, budget: &mut Budget) -> Identity {
    let mut exact = |expr| evaluate(expr, &mut Exact { point: None }, budget);
    if let (Some(a), Some(b)) = (exact(a), exact(b)) {
        return Identity::of(a == b, EXACT);
    }
    if !make.imaginary {
        let mut real = |expr| evaluate(expr, &mut Reals { point: 0 }, budget);
        if let (Some(a), Some(b)) = (real(a), real(b)) {
            return verdict(compare(a, b));
        }
    }
    match at_complex(a, b, 1, budget) {
        // Numbers beyond any float still have residues.
        Identity::Unknown => match modular(a, b, budget) {
            Some(same) => Identity::of(same, RATIONAL),
            None => Identity::Unknown,
        },
        known => known,
    }
}

fn modular(a: &Expr, b: &Expr, budget: &mut Budget) -> Option<bool> {
    for prime in PRIMES {
        let mut arithmetic = Modular {
            prime,
            point: prime.0,
        };
        let own = evaluate(a, &mut arithmetic, budget)?;
        let other = evaluate(b, &mut arithmetic, budget)?;
        if own != other {
            return Some(false);
        }
    }
    Some(true)
}

fn at_integers(a: &Expr, b: &Expr, budget: &mut Budget) -> Option<bool> {
    let mut seen = 0;
    for point in 0..6 {
        let mut exact = Exact { point: Some(point) };
        if let (Some(own), Some(other)) = (
            evaluate(a, &mut exact, budget),
            evaluate(b, &mut exact, budget),
        ) {
            if own != other {
                return Some(false);
            }
            seen += 1;
        }
    }
    (seen >= 3).then_some(true)
}

fn at_reals(a: &Expr, b: &Expr, budget: &mut Budget) -> Identity {
    let mut seen = 0;
    let mut doubtful = false;
    for point in 0..PLACES {
        let mut reals = Reals { point };
        let (own, other) = (
            evaluate(a, &mut reals, budget),
            evaluate(b, &mut reals, budget),
        );
        if let (Some(own), Some(other)) = (own, other) {
            match compare(own, other) {
                Some(true) => seen += 1,
                Some(false) => return Identity::Different(NUMERIC),
                None => doubtful = true,
            }
        }
        // Five points that agree, two of them negative where that is defined.
        if seen >= 5 {
            break;
        }
    }
    if seen >= 2 && !doubtful {
        Identity::Same(NUMERIC)
    } else {
        Identity::Unknown
    }
}

fn at_complex(a: &Expr, b: &Expr, points: usize, budget: &mut Budget) -> Identity {
    for point in 0..points {
        let mut numbers = ComplexNumbers { point };
        let (Some(own), Some(other)) = (
            evaluate(a, &mut numbers, budget),
            evaluate(b, &mut numbers, budget),
        ) else {
            return Identity::Unknown;
        };
        match compare_complex(own, other) {
            Some(true) => {}
            Some(false) => return Identity::Different(NUMERIC),
            None => return Identity::Unknown,
        }
    }
    Identity::Same(NUMERIC)
}

fn verdict(same: Option<bool>) -> Identity {
    match same {
        Some(same) => Identity::of(same, NUMERIC),
        None => Identity::Unknown,
    }
}

/// Equal within their errors, which must be small beside the values; none if that cannot be said.
fn compare(a: Real, b: Real) -> Option<bool> {
    let size = a.value.hi.abs().max(b.value.hi.abs());
    close((a.value - b.value).hi.abs(), a.error + b.error, size)
}

fn compare_complex(a: Complex, b: Complex) -> Option<bool> {
    let size = |c: Complex| c.re.value.hi.hypot(c.im.value.hi);
    let gap = (a.re.value - b.re.value)
        .hi
        .hypot((a.im.value - b.im.value).hi);
    let error = a.re.error + a.im.error + b.re.error + b.im.error;
    close(gap, error, size(a).max(size(b)))
}

fn close(gap: f64, error: f64, size: f64) -> Option<bool> {
    if gap > error.max(1e-24 * size) {
        return Some(false);
    }
    // Both are nothing but what a cancellation left behind: zero.
    let nothing = size <= error;
    (nothing && error < 1e-12 || error <= 1e-15 * size || gap == 0.0 && error == 0.0)
        .then_some(true)
}

/// The sign of an infinite expression.
pub(crate) fn infinite(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Infinity => Some(true),
        Expr::Negate(x) => infinite(x).map(|sign| !sign),
        Expr::PlusMinus(..) => None,
        Expr::Add(xs) => xs.iter().find_map(infinite),
        _ => None,
    }
}

/// The value of a constant real expression.
pub(crate) fn real_value(expr: &Expr, budget: &mut Budget) -> Option<Real> {
    if expr.make().variables {
        return None;
    }
    evaluate(expr, &mut Reals { point: 0 }, budget)
}

/// The value of an expression at the first point, for grouping: equal expressions have nearly the same.
pub(crate) fn signature(expr: &Expr, budget: &mut Budget) -> Option<f64> {
    match infinite(expr) {
        Some(sign) => return Some(if sign { 1e300 } else { -1e300 }),
        None if expr.make().infinity => return None,
        None => {}
    }
    // Whole numbers where the expression may be made for those; any point where it is not.
    if expr.make().integers && expr.make().variables {
        return None;
    }
    if let Some(value) = evaluate(expr, &mut Reals { point: 0 }, budget) {
        return Some(value.value.hi);
    }
    let value = evaluate(expr, &mut ComplexNumbers { point: 0 }, budget)?;
    Some(value.re.value.hi + 0.618 * value.im.value.hi)
}

/// The exact value of a constant expression.
pub(crate) fn exact_value(expr: &Expr, budget: &mut Budget) -> Option<RBig> {
    evaluate(expr, &mut Exact { point: None }, budget)
}

/// Is `a` a nonzero constant times `b`? None if it cannot be said.
pub(crate) fn proportional(a: &Expr, b: &Expr, budget: &mut Budget) -> Option<bool> {
    // The ratio at one point, then the identity a · b₀ = b · a₀ everywhere.
    let prime = PRIMES[0];
    let mut at = |expr, point| evaluate(expr, &mut Modular { prime, point }, budget);
    if let (Some(a0), Some(b0), Some(a1), Some(b1)) = (at(a, 1), at(b, 1), at(a, 2), at(b, 2)) {
        if a0 == 0 || b0 == 0 {
            return Some(a0 == b0 && a1 == b1);
        }
        let times = |x: u64, y: u64| u128::from(x) * u128::from(y) % u128::from(prime.0);
        return Some(times(a0, b1) == times(b0, a1));
    }
    let mut ratios = Vec::new();
    for point in 0..PLACES {
        let mut at = |expr| evaluate(expr, &mut Reals { point }, budget);
        if let (Some(a), Some(b)) = (at(a), at(b)) {
            if a.may_be_zero() || b.may_be_zero() {
                continue;
            }
            ratios.push((a, b));
        }
    }
    let (first, rest) = ratios.split_first()?;
    if rest.is_empty() {
        return None;
    }
    let same = rest.iter().all(|(a, b)| {
        let (left, right) = (a.value * first.1.value, b.value * first.0.value);
        (left - right).hi.abs() <= 1e-20 * left.hi.abs()
    });
    Some(same)
}
