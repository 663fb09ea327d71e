//! `Solve $k(…x…)=v$ for $x$.`: undo one operation a step, from the outside in.

use rand::Rng;

use super::expression::{Op, take_number};
use super::{LIMIT, Level, NotInDomain, Solution};

/// Largest `x` and largest added constant of a level's generated problems.
const LARGEST: [(u32, u32); 5] = [(20, 9), (50, 20), (99, 40), (200, 60), (300, 99)];

/// One layer around `x`: what was done to the value inside, and how the inside is written.
struct Layer {
    op: Op,
    constant: u32,
    inside: String,
}

/// Problem text with `level + 1` layers around `x`.
pub(super) fn generate(rng: &mut impl Rng, level: Level) -> String {
    let (largest_x, largest_constant) = LARGEST[level.index()];
    loop {
        let x = rng.random_range(2..=largest_x);
        if let Some((nest, value)) = random(rng, x, level.number() + 1, largest_constant) {
            return format!("Solve ${nest}={value}$ for $x$.");
        }
    }
}

fn random(rng: &mut impl Rng, x: u32, layers: usize, largest: u32) -> Option<(String, u32)> {
    let (mut nest, mut value, mut last) = ("x".to_owned(), x, None);
    for _ in 0..layers {
        let op = loop {
            let op = [Op::Add, Op::Sub, Op::Mul][rng.random_range(0..3)];
            let dull = match last {
                Some(Op::Mul) => op == Op::Mul,
                Some(_) => op != Op::Mul && rng.random_bool(0.7),
                None => false,
            };
            if !dull {
                break op;
            }
        };
        let constant = rng.random_range(2..=if op == Op::Mul { 9 } else { largest });
        value = op.apply(value, constant)?;
        nest = match (op, last) {
            (Op::Mul, None) => format!("{constant}{nest}"),
            (Op::Mul, Some(_)) => format!("{constant}({nest})"),
            _ => format!("{nest}{}{constant}", op.sign()),
        };
        last = Some(op);
    }
    Some((nest, value))
}

/// The worked solution of a problem text.
pub(super) fn solve(text: &str) -> Result<Solution, NotInDomain> {
    let (nest, value) = text
        .strip_prefix("Solve $")
        .and_then(|t| t.strip_suffix("$ for $x$."))
        .and_then(|t| t.split_once('='))
        .ok_or_else(|| NotInDomain::new("not of the form `Solve $…=v$ for $x$.`".into()))?;
    let mut rest = value;
    let mut value = take_number(&mut rest)?;
    if !rest.is_empty() {
        return Err(NotInDomain::new(format!("unexpected `{rest}`")));
    }
    let layers = peel(nest)?;
    let mut steps = Vec::with_capacity(layers.len());
    for Layer {
        op,
        constant,
        inside,
    } in &layers
    {
        let outside = value;
        let (sign, inner) = match op {
            Op::Add => ("-", outside.checked_sub(*constant)),
            Op::Sub => ("+", outside.checked_add(*constant).filter(|&v| v <= LIMIT)),
            Op::Mul => ("/", (outside % constant == 0).then(|| outside / constant)),
        };
        value = inner.ok_or_else(|| {
            NotInDomain::new(format!("{outside}{sign}{constant} leaves the domain"))
        })?;
        steps.push(format!(
            "${outside}{sign}{constant}={value}$, so ${inside}={value}$."
        ));
    }
    Ok(Solution::new(
        steps,
        value.to_string(),
        layers.len().saturating_sub(1),
    ))
}

/// The layers around `x`, outermost first.
fn peel(nest: &str) -> Result<Vec<Layer>, NotInDomain> {
    let malformed = || NotInDomain::new(format!("`{nest}` is not built around one `x`"));
    let mut layers = Vec::new();
    let mut inside = nest;
    while inside != "x" {
        if layers.len() > 16 {
            return Err(NotInDomain::new("too many operations around `x`".into()));
        }
        // A trailing `+k` or `-k` that no bracket holds is outermost; otherwise a leading factor is.
        let tail = inside
            .rfind(['+', '-'])
            .filter(|&at| inside[at..].find(')').is_none());
        let (op, constant, rest) = match tail {
            Some(at) => {
                let mut number = &inside[at + 1..];
                let constant = take_number(&mut number)?;
                let op = if inside[at..].starts_with('+') {
                    Op::Add
                } else {
                    Op::Sub
                };
                (number.is_empty())
                    .then_some((op, constant, &inside[..at]))
                    .ok_or_else(malformed)?
            }
            None => {
                let mut rest = inside;
                let factor = take_number(&mut rest)?;
                let body = match rest.strip_prefix('(') {
                    Some(body) => body.strip_suffix(')').ok_or_else(malformed)?,
                    None if rest == "x" => rest,
                    None => return Err(malformed()),
                };
                (Op::Mul, factor, body)
            }
        };
        if constant == 0 {
            return Err(NotInDomain::new("a zero constant".into()));
        }
        layers.push(Layer {
            op,
            constant,
            inside: rest.to_owned(),
        });
        inside = rest;
    }
    if layers.is_empty() {
        return Err(NotInDomain::new("nothing to solve".into()));
    }
    Ok(layers)
}
