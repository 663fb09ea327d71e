//! Sets of real numbers: intervals, points, and what inequalities say.

use crate::evaluate::Budget;
use crate::evaluate::double_double::DoubleDouble;
use crate::evaluate::numeric::Real;
use crate::expr::{Expr, Function};
use crate::identity::{infinite, real_value};
use crate::value::{Combination, Relation, Value};

/// A set that changes at finitely many places. Between two of them, and at each, a number is inside or not.
#[derive(Clone, Debug)]
pub(crate) struct RealSet {
    /// In rising order; each is a change.
    bounds: Vec<DoubleDouble>,
    /// Is the bound inside?
    points: Vec<bool>,
    /// Is what lies before each bound inside, and what lies after the last?
    gaps: Vec<bool>,
}

/// An end of an interval, or infinity.
#[derive(Clone, Copy)]
enum End {
    Finite(DoubleDouble),
    Infinite(bool),
}

impl RealSet {
    fn constant(inside: bool) -> Self {
        Self {
            bounds: Vec::new(),
            points: Vec::new(),
            gaps: vec![inside],
        }
    }

    fn ray(bound: DoubleDouble, closed: bool, above: bool) -> Self {
        Self {
            bounds: vec![bound],
            points: vec![closed],
            gaps: vec![!above, above],
        }
    }

    fn point(value: DoubleDouble) -> Self {
        Self {
            bounds: vec![value],
            points: vec![true],
            gaps: vec![false, false],
        }
    }

    /// The set that an answer describes, if it is one of numbers that are known.
    pub(crate) fn of(value: &Value, budget: &mut Budget) -> Option<Self> {
        match value {
            Value::Reals => Some(Self::constant(true)),
            Value::Interval { low, high, closed } => Self::interval(low, high, *closed, budget),
            Value::Tuple(ends) => match &ends[..] {
                [Value::Expr(low), Value::Expr(high)] => {
                    Self::interval(low, high, (false, false), budget)
                }
                _ => None,
            },
            // Intervals beside each other, when a set is what they are compared with.
            Value::List(items) => {
                let mut all = Self::constant(false);
                for item in items {
                    if let Value::Expr(_) = item {
                        return None;
                    }
                    all = all.combine(&Self::of(item, budget)?, Combination::Union);
                }
                Some(all)
            }
            Value::Set(items) => {
                let mut all = Self::constant(false);
                for item in items {
                    let Value::Expr(expr) = item else {
                        return None;
                    };
                    let point = Self::point(real_value(expr, budget)?.value);
                    all = all.combine(&point, Combination::Union);
                }
                Some(all)
            }
            Value::Combined(how, pair) => {
                let (a, b) = (Self::of(&pair[0], budget)?, Self::of(&pair[1], budget)?);
                Some(a.combine(&b, *how))
            }
            Value::Relation(sides, relations) => {
                let mut all = Self::constant(true);
                let mut name = None;
                for (pair, relation) in sides.windows(2).zip(relations) {
                    let [Value::Expr(left), Value::Expr(right)] = pair else {
                        return None;
                    };
                    let set = Self::solution(left, *relation, right, &mut name, budget)?;
                    all = all.combine(&set, Combination::Intersection);
                }
                Some(all)
            }
            _ => None,
        }
    }

    fn end(expr: &Expr, budget: &mut Budget) -> Option<End> {
        match infinite(expr) {
            Some(positive) => Some(End::Infinite(positive)),
            None => Some(End::Finite(real_value(expr, budget)?.value)),
        }
    }

    fn interval(
        low: &Expr,
        high: &Expr,
        closed: (bool, bool),
        budget: &mut Budget,
    ) -> Option<Self> {
        let low = match Self::end(low, budget)? {
            End::Infinite(true) => return None,
            End::Infinite(false) => Self::constant(true),
            End::Finite(low) => Self::ray(low, closed.0, true),
        };
        let high = match Self::end(high, budget)? {
            End::Infinite(true) => Self::constant(true),
            End::Infinite(false) => return None,
            End::Finite(high) => Self::ray(high, closed.1, false),
        };
        // An interval that runs backwards is a mistake, not the empty set.
        let both = low.combine(&high, Combination::Intersection);
        (both.gaps != [false] || !both.bounds.is_empty()).then_some(both)
    }

    /// The numbers for which a linear relation in one variable holds.
    fn solution(
        left: &Expr,
        relation: Relation,
        right: &Expr,
        name: &mut Option<Box<str>>,
        budget: &mut Budget,
    ) -> Option<Self> {
        if let Some(set) = Self::absolute(left, relation, right, name, budget) {
            return Some(set);
        }
        let variable = variable(left).or_else(|| variable(right))?;
        // One variable in the whole chain.
        if *name.get_or_insert_with(|| variable.clone()) != variable {
            return None;
        }
        let bare = |expr: &Expr| match expr {
            Expr::Symbol(own) => *own == variable,
            // f(x), a name as good as any.
            Expr::Multiply(parts) => {
                parts.len() == 2 && parts.iter().all(|part| matches!(part, Expr::Symbol(_)))
            }
            _ => false,
        };
        let (bound, relation) = if bare(left) && !right.mentions(&variable) {
            (Self::end(right, budget)?, relation)
        } else if bare(right) && !left.mentions(&variable) {
            (Self::end(left, budget)?, relation.flipped())
        } else {
            let difference = Expr::Add(vec![left.clone(), Expr::Negate(Box::new(right.clone()))]);
            let mut at =
                |x: i64| real_value(&difference.substitute(&variable, &Expr::integer(x)), budget);
            let (f0, f1, f2) = (at(0)?, at(1)?, at(2)?);
            let slope = f1.subtract(f0)?;
            let second = f2.subtract(f1)?;
            if !near(slope.value, second.value) || slope.may_be_zero() {
                return None;
            }
            let zero = Real {
                value: -f0.value / slope.value,
                error: 0.0,
            };
            let falls = slope.value.hi < 0.0;
            (
                End::Finite(zero.value),
                if falls { relation.flipped() } else { relation },
            )
        };
        let closed = !relation.is_strict();
        match (bound, relation) {
            (End::Finite(bound), Relation::Less | Relation::LessEqual) => {
                Some(Self::ray(bound, closed, false))
            }
            (End::Finite(bound), Relation::Greater | Relation::GreaterEqual) => {
                Some(Self::ray(bound, closed, true))
            }
            (End::Finite(bound), Relation::Equal) => Some(Self::point(bound)),
            (End::Finite(bound), Relation::NotEqual) => {
                Some(Self::constant(true).combine(&Self::point(bound), Combination::Difference))
            }
            // -∞ < x and x < ∞ always hold.
            (End::Infinite(positive), Relation::Less) => positive.then(|| Self::constant(true)),
            (End::Infinite(positive), Relation::Greater) => {
                (!positive).then(|| Self::constant(true))
            }
            (End::Infinite(_), _) => None,
        }
    }

    /// |x| < 3 is -3 < x < 3.
    fn absolute(
        left: &Expr,
        relation: Relation,
        right: &Expr,
        name: &mut Option<Box<str>>,
        budget: &mut Budget,
    ) -> Option<Self> {
        let inner = |expr: &Expr| match expr {
            Expr::Call(Function::Abs, inner) => match &inner[..] {
                [Expr::Symbol(name)] => Some(name.clone()),
                _ => None,
            },
            _ => None,
        };
        let (variable, bound, relation) = match (inner(left), inner(right)) {
            (Some(variable), None) => (variable, right, relation),
            (None, Some(variable)) => (variable, left, relation.flipped()),
            _ => return None,
        };
        if *name.get_or_insert_with(|| variable.clone()) != variable {
            return None;
        }
        let bound = real_value(bound, budget)?.value;
        let closed = !relation.is_strict();
        let below = |closed| {
            let (low, high) = (
                Self::ray(-bound, closed, true),
                Self::ray(bound, closed, false),
            );
            low.combine(&high, Combination::Intersection)
        };
        match relation {
            Relation::Less | Relation::LessEqual => Some(below(closed)),
            Relation::Greater | Relation::GreaterEqual => {
                Some(Self::constant(true).combine(&below(!closed), Combination::Difference))
            }
            Relation::Equal | Relation::NotEqual => None,
        }
    }

    /// Is the place before bound number `at` of a merged list inside? Finds gap and point by value.
    fn inside(&self, bound: DoubleDouble) -> (bool, bool) {
        // (just below the bound, at the bound)
        let at = self
            .bounds
            .iter()
            .position(|own| near(*own, bound) || own.hi > bound.hi);
        match at {
            Some(at) if near(self.bounds[at], bound) => (self.gaps[at], self.points[at]),
            Some(at) => (self.gaps[at], self.gaps[at]),
            None => {
                let last = self.gaps[self.gaps.len() - 1];
                (last, last)
            }
        }
    }

    fn combine(&self, other: &Self, how: Combination) -> Self {
        let join = |a: bool, b: bool| match how {
            Combination::Union => a || b,
            Combination::Intersection => a && b,
            Combination::Difference => a && !b,
        };
        let mut bounds: Vec<DoubleDouble> =
            self.bounds.iter().chain(&other.bounds).copied().collect();
        bounds.sort_by(|a, b| (*a - *b).hi.total_cmp(&0.0));
        bounds.dedup_by(|a, b| near(*a, *b));
        let mut set = Self {
            bounds: Vec::new(),
            points: Vec::new(),
            gaps: Vec::new(),
        };
        let end = |set: &Self| set.gaps[set.gaps.len() - 1];
        let last = join(end(self), end(other));
        let mut changes: Vec<(DoubleDouble, bool, bool)> = bounds
            .into_iter()
            .map(|bound| {
                let ((gap, point), (other_gap, other_point)) =
                    (self.inside(bound), other.inside(bound));
                (bound, join(gap, other_gap), join(point, other_point))
            })
            .collect();
        // From the right, so that each bound knows what follows it: one where nothing changes is none.
        let mut after = last;
        changes.reverse();
        set.gaps.push(last);
        for (bound, gap, point) in changes {
            if gap != after || point != after {
                set.bounds.push(bound);
                set.points.push(point);
                set.gaps.push(gap);
            }
            after = gap;
        }
        set.bounds.reverse();
        set.points.reverse();
        set.gaps.reverse();
        set
    }

    /// A number that equal sets have in common.
    pub(crate) fn signature(&self) -> f64 {
        self.bounds.iter().map(|bound| bound.hi).sum()
    }
}

impl PartialEq for RealSet {
    fn eq(&self, other: &Self) -> bool {
        self.points == other.points
            && self.gaps == other.gaps
            && self
                .bounds
                .iter()
                .zip(&other.bounds)
                .all(|(a, b)| near(*a, *b))
    }
}

fn near(a: DoubleDouble, b: DoubleDouble) -> bool {
    let gap = (a - b).hi.abs();
    gap <= 1e-24 * a.hi.abs().max(b.hi.abs()) || gap <= 1e-28 && (a.hi == 0.0 || b.hi == 0.0)
}

/// The only variable of an expression.
fn variable(expr: &Expr) -> Option<Box<str>> {
    let found = std::cell::RefCell::new(Vec::new());
    expr.clone().map(&|part| {
        if let Expr::Symbol(name) = &part
            && !matches!(&**name, "π" | "e" | "i")
        {
            found.borrow_mut().push(name.clone());
        }
        part
    });
    let mut found = found.into_inner();
    found.dedup();
    match &found[..] {
        // f(x)
        [f, _] if matches!(expr, Expr::Multiply(parts) if parts.len() == 2) => Some(f.clone()),
        _ => (found.len() == 1).then(|| found.pop())?,
    }
}
