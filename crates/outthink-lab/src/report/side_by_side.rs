//! The methods of a study side by side: at equal N, and at equal computation.

use outthink_core::AnyMethod;
use outthink_core::method::{BEST_OF_N, DVTS, MAJORITY};
use outthink_core::number::short;

use super::table::{Table, TableCell, points};
use crate::analysis::contrast::Contrast;
use crate::analysis::{Analysis, Entry};
use crate::audit::Measured;
use crate::estimate::interval::Interval;

/// What each method is compared with.
const COMPARED_WITH: [AnyMethod; 3] = [MAJORITY, BEST_OF_N, DVTS];

/// A method's accuracies with their full FLOPs, ascending: FLOPs of a problem, and the entry's place.
type Curve = Vec<(f64, usize)>;

impl Analysis {
    /// All methods at the largest budget, with what they cost and by how much they differ.
    pub(super) fn table_equal_budget(&self) -> Option<Table> {
        let largest = self.largest();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let at = |method| self.place(&self.key(policy, self.main_verifier(), method, largest));
            let methods: Vec<(AnyMethod, Contrast)> = self
                .methods()
                .into_iter()
                .filter_map(|(method, _)| Some((method, vec![(at(method)?, 1.0)])))
                .collect();
            for row in self.rows(policy, &methods) {
                let entry = &self.entries[row.contrast[0].0];
                let tokens = entry.cost.map(|cost| cost.policy.generated);
                let mut cells = row.cells;
                let costs = [tokens, self.verifier_tokens(entry), self.flops(entry).1];
                cells.extend(costs.map(|cost| match cost {
                    Some(cost) => TableCell::text(short(cost)),
                    None => TableCell::missing("unknown"),
                }));
                rows.push(cells);
            }
        }
        let costs = ["tokens drawn", "verifier tokens", "FLOP, full"];
        (!rows.is_empty()).then(|| Table {
            title: format!("Methods side by side, N = {largest}"),
            header: header(costs),
            words: 2,
            rows,
            note: format!(
                "% right, and differences in points between the same problems, with 95 % intervals (paired bootstrap); bold: the interval \
                 is above zero. Costs are a problem's. {}",
                self.how_chosen()
            ),
        })
    }

    /// All methods where they have computed as much: each interpolated between its own budgets.
    pub(super) fn table_equal_computation(&self) -> Option<Table> {
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let curves: Vec<(AnyMethod, Curve)> = self
                .methods()
                .into_iter()
                .map(|(method, _)| (method, self.curve(policy, method)))
                .filter(|(_, curve)| curve.len() > 1)
                .collect();
            // A vote without a verifier costs so little that others have no N as small.
            let scored =
                |method: AnyMethod| method.needs_verifier() || self.main_verifier().is_none();
            let ends = curves.iter().filter(|(method, _)| scored(*method));
            let ends = ends.filter_map(|(_, curve)| Some(curve.last()?.0));
            let Some(flops) = ends.min_by(f64::total_cmp) else {
                continue;
            };
            let at_most = |curve: &Curve| match curve.last() {
                Some(&(most, place)) if most < flops => Some(vec![(place, 1.0)]),
                _ => at(curve, flops),
            };
            let methods: Vec<(AnyMethod, Contrast)> = curves
                .iter()
                .filter_map(|(method, curve)| Some((*method, at_most(curve)?)))
                .collect();
            if methods.len() < 2 {
                continue;
            }
            for row in self.rows(policy, &methods) {
                let mean = |of: &dyn Fn(&Entry) -> f64| {
                    let logarithm = |&(place, weight): &(usize, f64)| {
                        let entry: &Entry = &self.entries[place];
                        weight * of(entry).ln()
                    };
                    row.contrast.iter().map(logarithm).sum::<f64>().exp()
                };
                let budget = mean(&|entry| entry.key.budget as f64);
                let spent = mean(&|entry| self.flops(entry).1.unwrap_or(f64::NAN));
                let mut cells = row.cells;
                cells.extend([short(spent), format!("{budget:.0}")].map(TableCell::text));
                rows.push(cells);
            }
        }
        (!rows.is_empty()).then(|| Table {
            title: "Methods side by side, at equal computation".into(),
            header: header(["FLOP, full", "N there"]),
            words: 2,
            rows,
            note: format!(
                "As above, where each method has computed as much for a problem as the one with a verifier that computes least does at \
                 its largest N (full FLOPs of policy and verifier); one that computes less at its largest N stands there as it is. Between \
                 two of its budgets a method's accuracy is interpolated in the logarithm of FLOPs. {}",
                self.how_chosen()
            ),
        })
    }

    fn how_chosen(&self) -> String {
        match self.main_verifier() {
            Some(verifier) => format!(
                "Verifier: {}; the answer is taken by the weighted vote of the last reward, and without a verifier by majority.",
                self.verifier_name(verifier)
            ),
            None => "The answer is taken by majority.".into(),
        }
    }

    /// The budgets of a method at which its FLOPs are known; one that costs no more than a smaller one has no place on the curve.
    fn curve(&self, policy: usize, method: AnyMethod) -> Curve {
        let budgets = self.study.budgets.iter();
        let key = |&budget| self.key(policy, self.main_verifier(), method, budget);
        let place = |key| self.place(&key);
        let mut curve: Curve = Vec::new();
        for place in budgets.map(key).filter_map(place) {
            let flops = self.flops(&self.entries[place]).1;
            let more = |flops: &f64| curve.last().is_none_or(|(last, _)| flops > last);
            if let Some(flops) = flops.filter(more) {
                curve.push((flops, place));
            }
        }
        curve
    }

    fn rows(&self, policy: usize, methods: &[(AnyMethod, Contrast)]) -> Vec<Row> {
        let minus = |(a, b): (&Contrast, &Contrast)| -> Contrast {
            let taken = b.iter().map(|&(place, weight)| (place, -weight));
            a.iter().copied().chain(taken).collect()
        };
        let of = |method: AnyMethod| {
            let own = methods.iter().find(|(own, _)| *own == method);
            own.map(|(_, contrast)| contrast)
        };
        let mut contrasts = Vec::new();
        for (_, own) in methods {
            contrasts.push(own.clone());
            for other in COMPARED_WITH {
                contrasts.extend(of(other).map(|other| minus((own, other))));
            }
        }
        let mut measured = self.contrasts(&contrasts).into_iter();
        let mut rows = Vec::new();
        for (method, contrast) in methods {
            let mut cells = vec![
                TableCell::text(self.policy_name(policy)),
                TableCell::text(title(*method)),
            ];
            let Some(Measured { value, interval }) = measured.next() else {
                break;
            };
            cells.push(TableCell::text(super::table::percent(value, interval)));
            for other in COMPARED_WITH {
                cells.push(match (of(other), *method == other) {
                    (None, _) => TableCell::missing("not measured"),
                    (Some(_), same) => match measured.next() {
                        Some(own) if !same => difference(&own),
                        _ => TableCell::missing("–"),
                    },
                });
            }
            rows.push(Row {
                contrast: contrast.clone(),
                cells,
            });
        }
        rows
    }
}

struct Row {
    contrast: Contrast,
    cells: Vec<TableCell>,
}

/// A method's title, or where it has parameters of its own its name with them: two settings are two rows.
fn title(method: AnyMethod) -> String {
    let name = method.to_string();
    match name.contains(':') {
        true => name,
        false => method.title().to_owned(),
    }
}

fn header<const N: usize>(costs: [&str; N]) -> Vec<String> {
    let minus = COMPARED_WITH.map(|other| format!("− {}", other.title()));
    let names = ["policy", "method", "accuracy, %"].map(str::to_owned);
    let costs = costs.map(str::to_owned);
    names.into_iter().chain(minus).chain(costs).collect()
}

fn difference(measured: &Measured) -> TableCell {
    let Interval { low, .. } = measured.interval;
    TableCell::text(points(measured.value, measured.interval)).strong(low > 0.0)
}

/// The entries on both sides of some FLOPs, weighted by how near they are in the logarithm.
fn at(curve: &Curve, flops: f64) -> Option<Contrast> {
    let above = curve.iter().position(|(own, _)| *own >= flops)?;
    let (high, place) = curve[above];
    if high == flops {
        return Some(vec![(place, 1.0)]);
    }
    let (low, before) = *curve.get(above.checked_sub(1)?)?;
    let share = (flops / low).ln() / (high / low).ln();
    Some(vec![(before, 1.0 - share), (place, share)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_between_two_budgets_is_linear_in_the_logarithm_of_flops() {
        let curve = vec![(1e6, 7), (1e8, 9)];
        assert_eq!(at(&curve, 1e8), Some(vec![(9, 1.0)]));
        assert_eq!(at(&curve, 1e6), Some(vec![(7, 1.0)]));
        let between = at(&curve, 1e7).unwrap_or_default();
        assert_eq!((between[0].0, between[1].0), (7, 9));
        assert!(
            between
                .iter()
                .all(|(_, weight)| (weight - 0.5).abs() < 1e-12)
        );
    }

    #[test]
    fn beyond_its_budgets_nothing_is_known_of_a_method() {
        let curve = vec![(1e6, 7), (1e8, 9)];
        assert_eq!(at(&curve, 9e5), None);
        assert_eq!(at(&curve, 2e8), None);
        assert_eq!(at(&Vec::new(), 1.0), None);
    }
}
