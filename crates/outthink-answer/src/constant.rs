//! Constants of integration: any letter, any size.

use crate::evaluate::Budget;
use crate::expr::{Expr, Symbol};
use crate::identity::{Identity, identity, proportional};

/// Are two expressions the same but for the constants of integration in them? None if they have none.
///
/// Constants go by letters like `C`, `K` and `C_1`, beside a variable that is none of these. One alone may be added to
/// what differs by a constant, and multiply what differs by a factor.
pub(crate) fn same_up_to_constants(
    gold: &Expr,
    prediction: &Expr,
    budget: &mut Budget,
) -> Option<bool> {
    let (own, other) = (gold.variables(), prediction.variables());
    let certain = |name: &Symbol| matches!(name.split('_').next(), Some("C"));
    if !own.iter().chain(&other).any(certain) {
        return None;
    }
    let constants = |names: &[Symbol]| -> Vec<Symbol> {
        names
            .iter()
            .filter(|name| may_be_constant(name))
            .cloned()
            .collect()
    };
    let (mine, theirs) = (constants(&own), constants(&other));
    let variables = |names: &[Symbol], constants: &[Symbol]| -> Vec<Symbol> {
        names
            .iter()
            .filter(|name| !constants.contains(name))
            .cloned()
            .collect()
    };
    let variables = (variables(&own, &mine), variables(&other, &theirs));
    // A segment AC has no variable beside its letters; other capitals make C a quantity like them.
    let quantity = |name: &Symbol| name.starts_with(|c: char| c.is_ascii_uppercase());
    if variables.0.is_empty()
        || variables.0 != variables.1 && !variables.1.iter().all(|name| variables.0.contains(name))
        || variables.0.iter().any(quantity)
        || mine.len() != theirs.len()
        || mine.len() > 3
    {
        return None;
    }
    for order in orders(mine.len()) {
        let renamed = prediction.clone().map(&|part| match part {
            Expr::Symbol(name) => match theirs.iter().position(|own| *own == name) {
                Some(place) => Expr::Symbol(mine[order[place]].clone()),
                None => Expr::Symbol(name),
            },
            part => part,
        });
        if let Identity::Same(_) = identity(gold, &renamed, budget) {
            return Some(true);
        }
        if let [constant] = &mine[..] {
            if let (Some(a), Some(b)) = (
                without_term(gold, constant),
                without_term(&renamed, constant),
            ) {
                let gap = Expr::Add(vec![a, Expr::Negate(Box::new(b))]);
                return is_constant_everywhere(&gap, budget);
            }
            if has_factor(gold, constant) && has_factor(&renamed, constant) {
                return proportional(gold, &renamed, budget);
            }
        }
    }
    Some(false)
}

/// Is it a letter that such constants go by?
pub(crate) fn may_be_constant(name: &str) -> bool {
    let stem = name.split('_').next().unwrap_or_default();
    matches!(stem, "C" | "c" | "K" | "k" | "A" | "B" | "D")
}

/// All orders of the numbers below a small one.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else {
        return vec![Vec::new()];
    };
    let insert = |order: Vec<usize>| {
        (0..=last).map(move |at| {
            let mut order = order.clone();
            order.insert(at, last);
            order
        })
    };
    orders(last).into_iter().flat_map(insert).collect()
}

/// A sum without a constant that is one of its terms and stands nowhere else.
fn without_term(expr: &Expr, constant: &str) -> Option<Expr> {
    let Expr::Add(terms) = expr else {
        return None;
    };
    let is_term = |term: &Expr| match term {
        Expr::Symbol(name) => &**name == constant,
        Expr::Negate(inner) => matches!(&**inner, Expr::Symbol(name) if &**name == constant),
        _ => false,
    };
    let rest: Vec<Expr> = terms
        .iter()
        .filter(|term| !is_term(term))
        .cloned()
        .collect();
    let rest = Expr::Add(rest);
    (!rest.mentions(constant)).then_some(rest)
}

/// Is a constant a factor of the whole?
fn has_factor(expr: &Expr, constant: &str) -> bool {
    match expr {
        Expr::Symbol(name) => &**name == constant,
        Expr::Negate(x) => has_factor(x, constant),
        Expr::Multiply(parts) => parts.iter().any(|part| has_factor(part, constant)),
        Expr::Divide(pair) => has_factor(&pair[0], constant),
        _ => false,
    }
}

/// Has an expression one value at all points? Its gap to a shifted copy is zero.
fn is_constant_everywhere(expr: &Expr, budget: &mut Budget) -> Option<bool> {
    let shifted = expr.clone().map(&|part| match part {
        Expr::Symbol(name) if !matches!(&*name, "π" | "e" | "i") => {
            Expr::Add(vec![Expr::Symbol(name), Expr::integer(1)])
        }
        part => part,
    });
    match identity(expr, &shifted, budget) {
        Identity::Same(_) => Some(true),
        Identity::Different(_) => Some(false),
        Identity::Unknown => None,
    }
}
