//! Decimals that stand for numbers which no decimal is.

use crate::evaluate::Budget;
use crate::expr::Expr;
use crate::identity::{exact_value, real_value};

/// Is one a decimal, long enough, that the other rounds to and cannot be written as?
pub(crate) fn rounds(gold: &Expr, prediction: &Expr, budget: &mut Budget) -> bool {
    let decimal = |expr: &Expr| match expr {
        Expr::Decimal { value, places } => Some((value.clone(), *places)),
        Expr::Negate(inner) => match &**inner {
            Expr::Decimal { value, places } => Some((-value.clone(), *places)),
            _ => None,
        },
        _ => None,
    };
    let (written, places, exact, cut) = match (decimal(gold), decimal(prediction)) {
        (None, Some((value, places))) if digits(&value, places) >= 7 => (value, places, gold, true),
        (Some((value, places)), None) if digits(&value, places) >= 3 => {
            (value, places, prediction, false)
        }
        _ => return false,
    };
    // A fraction that a decimal can say exactly has to be said exactly.
    if let Some(value) = exact_value(exact, budget)
        && terminates(&value)
    {
        return false;
    }
    let (Some(value), Some(written)) = (
        real_value(exact, budget),
        real_value(&Expr::Number(written), budget),
    ) else {
        return false;
    };
    let beyond = (value.value.abs() - written.value.abs()).hi;
    let unit = 10f64.powi(-(places.min(300) as i32)) * (1.0 + 1e-12);
    // Rounded; a prediction may also have been cut off.
    beyond.abs() <= 0.5 * unit || cut && (0.0..unit).contains(&beyond)
}

/// Significant digits of a decimal.
fn digits(value: &dashu_ratio::RBig, places: usize) -> usize {
    let scaled = value.clone() * dashu_int::IBig::from(10).pow(places);
    let text = scaled.numerator().to_string();
    text.trim_start_matches('-').len()
}

/// Can it be written with finitely many decimals?
fn terminates(value: &dashu_ratio::RBig) -> bool {
    let mut below = value.denominator().clone();
    for factor in [2u8, 5] {
        let factor = dashu_int::UBig::from(factor);
        while (&below % &factor).is_zero() {
            below /= &factor;
        }
    }
    below.is_one()
}
