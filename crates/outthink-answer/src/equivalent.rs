//! Is a prediction the gold answer? By type, after the gold's readings.

use crate::constant::same_up_to_constants;
use crate::convention::Conventions;
use crate::evaluate::Budget;
use crate::expr::{Expr, Function};
use crate::identity::{Identity, exact_value, identity, signature};
use crate::real_set::RealSet;
use crate::rounding::rounds;
use crate::unit::{Unit, Units};
use crate::value::{Answer, Relation, Value};
use crate::verdict::Verdict;
use crate::words::same_text;

/// Compares a prediction with the gold answer under the default conventions. The gold's reading decides: `(2,4)` is a
/// point or an interval as the prediction is, but a gold `\{2,4\}` is a set and nothing else.
pub fn equivalent(gold: &Answer, prediction: &Answer) -> Verdict {
    Conventions::default().equivalent(gold, prediction)
}

impl Conventions {
    /// Compares a prediction with the gold answer.
    pub fn equivalent(&self, gold: &Answer, prediction: &Answer) -> Verdict {
        if gold.is_empty() || prediction.is_empty() {
            let side = if gold.is_empty() { "gold" } else { "predicted" };
            return Verdict::new(false, "nothing", format!("there is no {side} answer"));
        }
        let alike = gold.plain == prediction.plain || gold.is_written_like(prediction);
        if alike {
            return Verdict::new(true, "identical", "they are written alike");
        }
        let mut comparison = Comparison {
            conventions: self,
            budget: Budget::full(),
            depth: 0,
        };
        let mut unknown = false;
        let mut different = None;
        // 12:00 and 1:00 are proportional, but no ratios.
        let clock = |answer: &Answer| {
            answer
                .readings
                .iter()
                .any(|own| matches!(own, Value::Time(..)))
        };
        let clocks = clock(gold) && clock(prediction);
        for own in &gold.readings {
            for other in &prediction.readings {
                let skip = match (own, other) {
                    (Value::Ratio(_), Value::Ratio(_)) => clocks,
                    // Letters of both may be a word; as variables they have been compared.
                    (Value::Text(_), Value::Text(_)) => gold.spelled && prediction.spelled,
                    (Value::Quantity(..), _) => gold.attached,
                    _ => false,
                };
                if skip {
                    continue;
                }
                match comparison.compare(own, other) {
                    Identity::Same(rule) => return Verdict::new(true, rule, reason(rule)),
                    Identity::Different(rule) => different = different.or(Some(rule)),
                    Identity::Unknown => unknown = true,
                }
            }
        }
        if let Some(decimal) = self
            .decimal_comma
            .then(|| decimal_comma(&gold.plain))
            .flatten()
            && prediction
                .readings
                .iter()
                .any(|other| matches!(comparison.compare(&decimal, other), Identity::Same(_)))
        {
            return Verdict::new(
                true,
                "decimal comma",
                "they agree, reading the gold's comma as a decimal point",
            );
        }
        if unknown {
            let why = if comparison.budget.is_empty() {
                "the comparison takes more work than one answer is worth"
            } else {
                "the values are undefined, too large, or too near each other to tell"
            };
            return Verdict::new(false, "undecided", why);
        }
        let rule = different.unwrap_or("kind");
        Verdict::new(false, rule, difference(rule, gold, prediction))
    }
}

/// A gold like `3,14` as the decimal that it may be.
fn decimal_comma(gold: &str) -> Option<Value> {
    let (whole, decimals) = gold.split_once(',')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole_digits = whole.strip_prefix('-').unwrap_or(whole);
    // 1,234 is a thousand and more, 0,234 is not.
    let decimal = decimals.len() != 3 || whole_digits.starts_with('0');
    let fits = digits(whole_digits) && digits(decimals) && decimal;
    fits.then(|| {
        Answer::parse(&format!("{whole}.{decimals}"))
            .readings
            .into_iter()
            .next()
    })?
}

fn reason(rule: &'static str) -> String {
    format!("they agree: {rule}")
}

fn difference(rule: &str, gold: &Answer, prediction: &Answer) -> String {
    let kind = |answer: &Answer| answer.readings.first().map_or("nothing", Value::kind);
    match rule {
        "kind" => format!("gold is {}, prediction {}", kind(gold), kind(prediction)),
        _ => format!("they differ: {rule}"),
    }
}

impl Value {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Expr(Expr::Number(_) | Expr::Decimal { .. }) => "a number",
            Self::Expr(_) => "an expression",
            Self::Percent(_) => "a percentage",
            Self::Based { .. } => "an integer in another base",
            Self::Quantity(..) => "a quantity",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Set(_) => "a set",
            Self::Interval { .. } => "an interval",
            Self::Reals => "all real numbers",
            Self::Combined(..) => "a combination of sets",
            Self::Matrix(_) => "a matrix",
            Self::Grid(_) => "a grid of digits",
            Self::Relation(_, relations) if relations.contains(&Relation::Equal) => "an equation",
            Self::Relation(..) => "an inequality",
            Self::Ratio(_) => "a ratio",
            Self::Time(..) => "a time",
            Self::Date { .. } => "a date",
            Self::Ellipsis => "dots",
            Self::Choice(_) => "a choice",
            Self::Residue(..) => "a residue",
            Self::Text(_) => "text",
            Self::Unread(_) => "something unreadable",
        }
    }
}

/// One comparison: its conventions, and what it may still cost.
pub(crate) struct Comparison<'c> {
    pub(crate) conventions: &'c Conventions,
    pub(crate) budget: Budget,
    depth: usize,
}

pub(crate) const KIND: Identity = Identity::Different("kind");

impl Comparison<'_> {
    pub(crate) fn compare(&mut self, gold: &Value, prediction: &Value) -> Identity {
        if self.depth > 20 {
            return Identity::Unknown;
        }
        self.depth += 1;
        let outcome = self.by_kind(gold, prediction);
        self.depth -= 1;
        outcome
    }

    fn by_kind(&mut self, gold: &Value, prediction: &Value) -> Identity {
        use Value::{
            Based, Choice, Combined, Date, Ellipsis, Expr as E, Grid, Interval, List, Matrix,
            Percent, Quantity, Ratio, Reals, Residue, Set, Text, Time, Tuple, Unread,
        };
        let conventions = self.conventions;
        match (gold, prediction) {
            (E(a), E(b)) => self.expressions(a, b),
            (Choice(a), Choice(b)) => decided(a == b, "choice"),
            (Choice(a), E(Expr::Symbol(b))) if conventions.lower_case_choice => decided(
                b.len() == 1 && b.chars().all(|b| b.to_ascii_uppercase() == *a),
                "choice",
            ),
            (Text(a), Text(b)) if conventions.text_in_sentence => decided(same_text(a, b), "text"),
            (Text(a), Text(b)) => decided(a.to_lowercase() == b.to_lowercase(), "text"),
            (Unread(a), Unread(b)) => decided(a == b, "written alike"),

            (Percent(a), Percent(b)) => self.expressions(a, b),
            (Percent(a), E(b) | Quantity(b, _)) | (E(b) | Quantity(b, _), Percent(a)) => {
                self.percent(a, b)
            }
            (
                Based { digits, base },
                Based {
                    digits: own,
                    base: other,
                },
            ) => decided(base == other && digits == own, "digits and base"),
            (Based { digits, .. }, E(number)) | (E(number), Based { digits, .. }) => {
                let value = exact_value(number, &mut self.budget).map(|value| value.to_string());
                decided(
                    conventions.missing_base && value.as_ref() == Some(digits),
                    "digits and base",
                )
            }
            (Quantity(a, units), Quantity(b, others)) => self.quantities((a, units), (b, others)),
            (Quantity(degrees, unit), E(radians)) | (E(radians), Quantity(degrees, unit))
                if unit.is("degree") && radians.mentions("π") =>
            {
                self.angles(degrees, radians)
            }
            (Quantity(a, _), E(b)) | (E(a), Quantity(b, _)) => {
                if conventions.missing_unit {
                    self.expressions(a, b)
                } else {
                    Identity::Different("unit")
                }
            }
            (Ratio(a), Ratio(b)) => self.ratios(a, b),
            (Ratio(pair), E(value)) | (E(value), Ratio(pair)) => match &pair[..] {
                [above, below] if conventions.ratio_as_quotient => {
                    let quotient = Expr::Divide(Box::new([above.clone(), below.clone()]));
                    self.expressions(&quotient, value)
                }
                _ => KIND,
            },
            (Time(a, named), Time(b, also)) => {
                // 15:00 is no 3 AM, 3:00 may be.
                let open = if *named { b } else { a };
                let exact = named == also || !(3600..13 * 3600).contains(open);
                let same = if exact {
                    a == b
                } else {
                    conventions.half_of_day && a % 43_200 == b % 43_200
                };
                decided(same, "time of day")
            }
            (
                Date { year, month, day },
                Date {
                    year: own_year,
                    month: own_month,
                    day: own_day,
                },
            ) => {
                let year = year.is_none() && day.is_some() || year == own_year;
                decided(year && (month, day) == (own_month, own_day), "date")
            }
            (Ellipsis, Ellipsis) => Identity::Same("dots"),
            (Residue(a, m), Residue(b, n)) => match self.expressions(m, n) {
                Identity::Same(_) => self.expressions(a, b),
                other => other,
            },
            (Residue(a, _), E(b)) | (E(b), Residue(a, _)) => self.expressions(a, b),

            (Grid(a), Grid(b)) => decided(a == b, "cells"),
            (Matrix(a), Matrix(b)) => self.matrices(a, b),
            (Matrix(rows), Tuple(items)) | (Tuple(items), Matrix(rows)) => {
                let vector = rows.len() == 1 || rows.iter().all(|row| row.len() == 1);
                let entries: Vec<Value> = rows.iter().flatten().cloned().map(E).collect();
                if vector && conventions.tuple_for_vector {
                    self.in_order(&entries, items)
                } else {
                    KIND
                }
            }
            // Some write a column of two with \binom.
            (Matrix(rows), E(Expr::Call(Function::Binomial, pair)))
            | (E(Expr::Call(Function::Binomial, pair)), Matrix(rows))
                if rows.len() == 2 && rows.iter().all(|row| row.len() == 1) =>
            {
                self.all(rows.iter().flatten().zip(pair), "entries")
            }
            (Matrix(rows), E(value)) | (E(value), Matrix(rows)) => match &rows[..] {
                [row] if row.len() == 1 => self.expressions(&row[0], value),
                _ => KIND,
            },

            (Tuple(a), Tuple(b) | List(b)) | (Set(a) | List(a), Set(b) | List(b))
                if a.contains(&Ellipsis) || b.contains(&Ellipsis) =>
            {
                self.progressions(a, b)
            }
            (Tuple(a), Tuple(b)) => self.in_order(a, b),
            (Tuple(a), List(b)) if conventions.list_for_tuple => self.in_order(a, b),
            (List(a), Tuple(b)) if conventions.tuple_for_list && a.len() > 2 => {
                self.in_any_order(a, b)
            }
            (Set(a) | List(a), Set(b) | List(b)) => self.in_any_order(a, b),
            (Set(items), other @ (E(_) | Tuple(_))) if items.len() == 1 => {
                self.compare(&items[0], other)
            }
            (other @ (E(_) | Tuple(_)), Set(items)) if items.len() == 1 => {
                self.compare(other, &items[0])
            }

            (
                Interval { low, high, closed },
                Interval {
                    low: own_low,
                    high: own_high,
                    closed: own_closed,
                },
            ) if low.make().variables || high.make().variables => {
                if closed != own_closed {
                    return Identity::Different("brackets");
                }
                match self.expressions(low, own_low) {
                    Identity::Same(_) => self.expressions(high, own_high),
                    other => other,
                }
            }
            (Value::Relation(sides, relations), Value::Relation(others, own)) => {
                self.relations((sides, relations), (others, own))
            }
            // A point is no interval, even if it is written like one: one side must be more than that.
            (
                Interval { .. } | Reals | Combined(..) | Value::Relation(..),
                Interval { .. } | Reals | Combined(..) | Tuple(_) | Set(_),
            )
            | (Tuple(_) | Set(_), Interval { .. } | Reals | Combined(..))
            | (Interval { .. } | Reals | Combined(..) | Tuple(_), Value::Relation(..))
            | (List(_), Interval { .. } | Reals | Combined(..))
            | (Interval { .. } | Reals | Combined(..), List(_))
                if let Some(outcome) = self.real_sets(gold, prediction) =>
            {
                outcome
            }
            (Value::Relation(sides, relations), other) => {
                match self.assigned(sides, relations, true) {
                    Some(value) => self.compare(value, other),
                    None => KIND,
                }
            }
            (other, Value::Relation(sides, relations)) => {
                match self.assigned(sides, relations, false) {
                    Some(value) => self.compare(other, value),
                    None => KIND,
                }
            }
            // One answer said in several ways.
            (List(items), other) if items.len() > 1 => {
                self.each(items, |this, item| this.compare(item, other))
            }
            (other, List(items)) if items.len() > 1 => {
                self.each(items, |this, item| this.compare(other, item))
            }
            _ => KIND,
        }
    }

    fn each(
        &mut self,
        items: &[Value],
        compare: impl Fn(&mut Self, &Value) -> Identity,
    ) -> Identity {
        for item in items {
            match compare(self, item) {
                Identity::Same(_) => {}
                Identity::Different(_) => return KIND,
                Identity::Unknown => return Identity::Unknown,
            }
        }
        Identity::Same("one answer several times")
    }

    pub(crate) fn expressions(&mut self, gold: &Expr, prediction: &Expr) -> Identity {
        let outcome = identity(gold, prediction, &mut self.budget);
        if let Identity::Same(_) = outcome {
            return outcome;
        }
        if self.conventions.long_decimal && rounds(gold, prediction, &mut self.budget) {
            return Identity::Same("equal when rounded");
        }
        if self.conventions.constant_of_integration
            && let Some(same) = same_up_to_constants(gold, prediction, &mut self.budget)
        {
            return decided(same, "equal up to a constant of integration");
        }
        outcome
    }

    fn percent(&mut self, percent: &Expr, number: &Expr) -> Identity {
        if self.conventions.percent_as_number
            && let same @ Identity::Same(_) = self.expressions(percent, number)
        {
            return same;
        }
        if self.conventions.percent_as_fraction {
            let fraction = Expr::Divide(Box::new([percent.clone(), Expr::integer(100)]));
            return self.expressions(&fraction, number);
        }
        Identity::Different("percentage")
    }

    fn angles(&mut self, degrees: &Expr, radians: &Expr) -> Identity {
        if !self.conventions.converted_unit {
            return Identity::Different("unit");
        }
        let turned = Expr::Multiply(vec![degrees.clone(), Expr::Symbol("π".into())]);
        let turned = Expr::Divide(Box::new([turned, Expr::integer(180)]));
        self.expressions(&turned, radians)
    }

    fn quantities(&mut self, gold: (&Expr, &Unit), prediction: (&Expr, &Unit)) -> Identity {
        match gold.1.compare(prediction.1) {
            Units::Different if gold.1.is("degree") && prediction.1.is("radian") => {
                self.angles(gold.0, prediction.0)
            }
            Units::Different if gold.1.is("radian") && prediction.1.is("degree") => {
                self.angles(prediction.0, gold.0)
            }
            Units::Same => self.expressions(gold.0, prediction.0),
            Units::Converted(factor) if self.conventions.converted_unit => {
                let converted = Expr::Multiply(vec![gold.0.clone(), Expr::Number(factor)]);
                match self.expressions(&converted, prediction.0) {
                    Identity::Same(_) => Identity::Same("converted unit"),
                    other => other,
                }
            }
            Units::Converted(_) | Units::Different => Identity::Different("unit"),
        }
    }

    fn ratios(&mut self, gold: &[Expr], prediction: &[Expr]) -> Identity {
        if gold.len() != prediction.len() {
            return KIND;
        }
        let product = |a: &Expr, b: &Expr| Expr::Multiply(vec![a.clone(), b.clone()]);
        let pairs: Vec<(Expr, Expr)> = if self.conventions.ratio_as_quotient {
            let all = gold.iter().zip(prediction).skip(1);
            all.map(|(a, b)| (product(a, &prediction[0]), product(b, &gold[0])))
                .collect()
        } else {
            gold.iter()
                .cloned()
                .zip(prediction.iter().cloned())
                .collect()
        };
        self.all(pairs.iter().map(|(a, b)| (a, b)), "ratio")
    }

    fn matrices(&mut self, gold: &[Vec<Expr>], prediction: &[Vec<Expr>]) -> Identity {
        let shape = |rows: &[Vec<Expr>]| rows.iter().map(Vec::len).collect::<Vec<_>>();
        if shape(gold) != shape(prediction) {
            return Identity::Different("shape");
        }
        self.all(
            gold.iter().flatten().zip(prediction.iter().flatten()),
            "entries",
        )
    }

    fn all<'e>(
        &mut self,
        pairs: impl Iterator<Item = (&'e Expr, &'e Expr)>,
        rule: &'static str,
    ) -> Identity {
        for (a, b) in pairs {
            match self.expressions(a, b) {
                Identity::Same(_) => {}
                Identity::Different(_) => return Identity::Different(rule),
                Identity::Unknown => return Identity::Unknown,
            }
        }
        Identity::Same(rule)
    }

    pub(crate) fn in_order(&mut self, gold: &[Value], prediction: &[Value]) -> Identity {
        const RULE: &str = "elements in order";
        if gold.len() != prediction.len() {
            return Identity::Different(RULE);
        }
        for (a, b) in gold.iter().zip(prediction) {
            match self.compare(a, b) {
                Identity::Same(_) => {}
                Identity::Different(_) => return Identity::Different(RULE),
                Identity::Unknown => return Identity::Unknown,
            }
        }
        Identity::Same(RULE)
    }

    /// Every element of each is one of the other; how often does not count.
    pub(crate) fn in_any_order(&mut self, gold: &[Value], prediction: &[Value]) -> Identity {
        const RULE: &str = "elements in any order";
        let signatures = |items: &[Value], budget: &mut Budget| -> Vec<Option<f64>> {
            let of = |item: &Value| match item {
                Value::Expr(expr) => signature(expr, budget),
                _ => None,
            };
            items.iter().map(of).collect()
        };
        let own = signatures(gold, &mut self.budget);
        let other = signatures(prediction, &mut self.budget);
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1e-9),
            _ => true,
        };
        let mut matched = vec![false; prediction.len()];
        let mut unknown = false;
        for (a, own) in gold.iter().zip(&own) {
            let mut found = false;
            for (j, b) in prediction.iter().enumerate() {
                // Far apart is different; near needs a proof. A match found may match again: repeats are ignored.
                if (found && matched[j]) || !near(*own, other[j]) {
                    continue;
                }
                if self.budget.spend(1).is_none() {
                    return Identity::Unknown;
                }
                match self.compare(a, b) {
                    Identity::Same(_) => {
                        found = true;
                        matched[j] = true;
                    }
                    Identity::Different(_) => {}
                    Identity::Unknown => unknown = true,
                }
            }
            if !found {
                return if unknown {
                    Identity::Unknown
                } else {
                    Identity::Different(RULE)
                };
            }
        }
        decided(matched.into_iter().all(|matched| matched), RULE)
    }

    pub(crate) fn real_sets(&mut self, gold: &Value, prediction: &Value) -> Option<Identity> {
        let a = RealSet::of(gold, &mut self.budget)?;
        let b = RealSet::of(prediction, &mut self.budget)?;
        Some(decided(a == b, "set of real numbers"))
    }
}

/// Same or different, by a rule.
pub(crate) fn decided(same: bool, rule: &'static str) -> Identity {
    if same {
        Identity::Same(rule)
    } else {
        Identity::Different(rule)
    }
}
