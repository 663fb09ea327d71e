//! `Let $a_1=A$ and $a_{n+1}\equiv Ka_n+C\pmod{M}$. Find $(a_j,a_k)$.`: one term a step, one operation an equation.
//!
//! The answer is a pair of neighbouring terms, so that a wrong derivation is very rarely right by luck.

use rand::Rng;

use super::expression::take_number;
use super::{LIMIT, Level, NotInDomain, Solution};

/// Range of the modulus of a level's generated problems.
const MODULUS: [(u32, u32); 5] = [(9, 15), (11, 25), (20, 39), (30, 69), (50, 99)];

/// Terms to compute at a level.
const TERMS: [u32; 5] = [2, 2, 3, 4, 5];

/// Problem text of a level.
pub(super) fn generate(rng: &mut impl Rng, level: Level) -> String {
    let (low, high) = MODULUS[level.index()];
    let modulus = rng.random_range(low..=high);
    let factor = rng.random_range(2..=9);
    let constant = rng.random_range(1..modulus);
    let first = rng.random_range(1..modulus);
    let last = TERMS[level.index()] + 1;
    format!(
        "Let $a_1={first}$ and $a_{{n+1}}\\equiv {factor}a_n+{constant}\\pmod{{{modulus}}}$. Find $(a_{},a_{last})$.",
        last - 1
    )
}

/// The worked solution of a problem text.
pub(super) fn solve(text: &str) -> Result<Solution, NotInDomain> {
    let mut rest = text;
    let mut expect = |prefix: &str| -> Result<u32, NotInDomain> {
        rest = rest
            .strip_prefix(prefix)
            .ok_or_else(|| NotInDomain::new(format!("expected `{prefix}` before `{rest}`")))?;
        take_number(&mut rest)
    };
    let first = expect("Let $a_1=")?;
    let factor = expect("$ and $a_{n+1}\\equiv ")?;
    let constant = expect("a_n+")?;
    let modulus = expect("\\pmod{")?;
    let before = expect("}$. Find $(a_")?;
    let last = expect(",a_")?;
    if rest != ")$." {
        return Err(NotInDomain::new(format!("unexpected `{rest}`")));
    }
    if !(2..=16).contains(&last) || before + 1 != last || modulus == 0 {
        return Err(NotInDomain::new(format!(
            "cannot find terms {before} and {last} modulo {modulus}"
        )));
    }
    let (mut term, mut previous) = (first, first);
    let mut steps = Vec::new();
    for index in 2..=last {
        let product = factor * term;
        let sum = product + constant;
        if sum > LIMIT {
            return Err(NotInDomain::new(format!(
                "{factor}\\cdot {term}+{constant} leaves the domain"
            )));
        }
        let multiple = sum - sum % modulus;
        let next = sum - multiple;
        steps.push(format!(
            "${factor}\\cdot {term}={product}$, ${product}+{constant}={sum}$, ${sum}-{multiple}={next}$, so $a_{index}={next}$."
        ));
        (previous, term) = (term, next);
    }
    let level = TERMS
        .iter()
        .rposition(|&terms| terms < last)
        .map_or(1, |index| index + 1);
    Ok(Solution::new(steps, format!("({previous},{term})"), level))
}
