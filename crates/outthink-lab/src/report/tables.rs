//! The paper's tables, for this study.

use outthink_core::method::{COT, MAJORITY};
use outthink_core::number::short;
use outthink_core::{AnyMethod, Selection};

use super::table::{Table, TableCell, percent, points};
use crate::analysis::{Analysis, Entry};
use crate::estimate::bootstrap::{BOOTSTRAP, percentiles};
use crate::estimate::difficulty::BANDS;
use crate::estimate::gain::{Efficiency, efficiency_gain, performance_gain};
use crate::report::published::{Published, training_flops};

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Analysis {
    /// Table 2: rules and verifiers, at the largest budget.
    pub(super) fn table_2(&self, method: AnyMethod) -> Option<Table> {
        let largest = self.largest();
        let verifiers = 0..self.study.verifiers.len();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            for rule in Selection::all() {
                // What needs no verifier is read from the pool itself.
                let method = match rule.needs_rewards() {
                    false if method.takes_pool() => MAJORITY,
                    _ => method,
                };
                let key = |verifier| self.key_by(policy, Some(verifier), method, largest, rule);
                let entries: Vec<Option<&Entry>> = verifiers
                    .clone()
                    .map(|verifier| self.entry(&key(verifier)))
                    .collect();
                if entries.iter().all(Option::is_none) {
                    continue;
                }
                let mut row = vec![
                    TableCell::text(self.policy_name(policy)),
                    TableCell::text(rule.to_string()),
                ];
                row.extend(verifiers.clone().map(|verifier| self.cell(&key(verifier))));
                rows.push(row);
            }
        }
        let mut names = header(&["policy", "rule"]);
        names.extend(verifiers.map(|verifier| self.verifier_name(verifier)));
        (!rows.is_empty()).then(|| Table {
            title: format!("Scoring and voting: {}, N = {largest}", method.title()),
            header: names,
            words: 2,
            rows: best_of_columns(rows, 2),
            note: String::new(),
        })
    }

    /// Table 3: small policies with scaling, large ones alone.
    pub(super) fn table_3(&self) -> Option<Table> {
        let verifier = self.main_verifier();
        let largest = self.largest();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            // Of other programs' samples some policies have fewer.
            let n = match self.study.source {
                Some(_) => self.largest_of(policy),
                None => largest,
            };
            let best = self.best(policy, verifier, n);
            rows.push(vec![
                TableCell::text(self.policy_name(policy)),
                self.size_cell(policy),
                self.cell(&self.alone(policy)),
                self.cell(&self.key(policy, None, MAJORITY, n)),
                match best {
                    Some(best) => self.cell(&best.key),
                    None => TableCell::missing("not measured"),
                },
                TableCell::text(best.map_or("", |best| best.key.method.title())),
                match verifier {
                    Some(verifier) => self.cell(&self.optimal_key(policy, verifier, n)),
                    None => TableCell::missing("no verifier"),
                },
            ]);
        }
        Some(Table {
            title: match self.study.source {
                Some(_) => "Policies alone and with all their samples".into(),
                None => format!("Policies alone and with test-time scaling, N = {largest}"),
            },
            header: header(&[
                "policy",
                "parameters",
                self.alone_title(),
                "majority",
                "best method",
                "which",
                "compute-optimal",
            ]),
            words: 1,
            rows,
            note: format!(
                "% right with 95 % intervals. Verifier: {}. \u{201c}Best method\u{201d} and \u{201c}compute-optimal\u{201d} are selected on \
                 the evaluation problems, as in the paper, and are therefore optimistic.{}",
                self.named(verifier),
                self.alone_note()
            ),
        })
    }

    /// Beside Table 3: does the small policy with scaling beat the larger one alone?
    pub(super) fn table_3_pairs(&self) -> Option<Table> {
        let verifier = self.main_verifier();
        let order = self.by_size();
        let largest = self.largest();
        let mut rows = Vec::new();
        for (rank, &small) in order.iter().enumerate() {
            for &large in &order[rank + 1..] {
                let alone = self.place(&self.alone(large));
                let mut row = vec![
                    TableCell::text(self.policy_name(small)),
                    TableCell::text(self.policy_name(large)),
                    TableCell::text(match (self.parameters(small), self.parameters(large)) {
                        (Some(small), Some(large)) => {
                            format!("{:.1} ×", large as f64 / small as f64)
                        }
                        _ => "?".into(),
                    }),
                ];
                let n = match self.study.source {
                    Some(_) => self.largest_of(small),
                    None => largest,
                };
                // Who is small is known by size, or not at all.
                let unsized_ = self.parameters(small).is_none() || self.parameters(large).is_none();
                let imported = self.study.source.is_some();
                if (imported && (n < 2 || unsized_)) || self.is_ensemble(large) {
                    continue;
                }
                for (method, _) in self.methods() {
                    let scaled = self.place(&self.key(small, verifier, method, n));
                    row.push(match (scaled, alone) {
                        (Some(scaled), Some(alone)) => {
                            let (difference, interval) = self.difference(scaled, alone);
                            let sure = interval.low > 0.0;
                            TableCell::text(points(difference, interval)).strong(sure)
                        }
                        _ => TableCell::missing("not measured"),
                    });
                }
                rows.push(row);
            }
        }
        let large = format!("large policy, {}", self.alone_title());
        let mut names = header(&["small policy, scaled", &large, "size"]);
        names.extend(
            self.methods()
                .iter()
                .map(|(method, _)| method.title().to_owned()),
        );
        (!rows.is_empty()).then(|| Table {
            title: format!("Small with N = {largest} minus large alone, points"),
            header: names,
            words: 2,
            rows,
            note:
                "Paired bootstrap over the same problems, 95 %. Bold: the interval is above zero."
                    .into(),
        })
    }

    /// A verifier's name, or that there is none.
    fn named(&self, verifier: Option<usize>) -> String {
        verifier.map_or("none".into(), |own| self.verifier_name(own))
    }

    fn size_cell(&self, policy: usize) -> TableCell {
        match self.parameters(policy) {
            Some(parameters) => TableCell::text(short(parameters as f64)),
            None => TableCell::missing("unknown"),
        }
    }

    /// Table 4: floating-point operations, as the paper counts them and in full.
    pub(super) fn table_4(&self, published: &Published) -> Option<Table> {
        let verifier = self.main_verifier()?;
        let largest = self.largest();
        let problems = self.study.problems.len() as f64;
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let model = &self.study.policies[policy];
            let known = published.model(&model.name);
            let parameters = model
                .cost
                .map(|cost| cost.used() as f64)
                .or(known.map(|known| known.parameters));
            let tokens = model.training_tokens.or(known.map(|known| known.tokens));
            let training = parameters
                .zip(tokens)
                .map(|(parameters, tokens)| training_flops(parameters, tokens));
            let alone = self.entry(&self.alone(policy));
            let greedy = alone.is_none_or(|entry| entry.key.method.is_greedy());
            let title = if greedy { "CoT" } else { "single sample" };
            let best = self.best(policy, Some(verifier), largest);
            for (entry, how) in [(alone, title.to_owned()), (best, String::new())] {
                let Some(entry) = entry else {
                    continue;
                };
                let how = match how.is_empty() {
                    true => format!("{}, N = {largest}", entry.key.method.title()),
                    false => how,
                };
                let (paper, full) = self.flops(entry);
                let amount = |value: Option<f64>| match value {
                    Some(value) => TableCell::text(format!("{value:.2e}")),
                    None => TableCell::missing("unknown"),
                };
                let paper = paper.map(|flops| flops * problems);
                rows.push(vec![
                    TableCell::text(self.policy_name(policy)),
                    TableCell::text(how),
                    amount(training),
                    amount(paper),
                    amount(
                        training
                            .zip(paper)
                            .map(|(training, paper)| training + paper),
                    ),
                    amount(full.map(|flops| flops * problems)),
                    TableCell::text(percent(entry.accuracy, entry.interval)).hint(self.hint(entry)),
                ]);
            }
        }
        Some(Table {
            title: "Floating-point operations over all problems".into(),
            header: header(&[
                "policy",
                "method",
                "pre-training",
                "inference, paper",
                "total, paper",
                "inference, full",
                "accuracy, %",
            ]),
            words: 2,
            rows,
            note: "Paper: 6·P·D for pre-training, 2·P per drawn token, the verifier is free. Full: every token that policy or \
                   verifier computes, with attention, tokens that searches share counted once a search."
                .into(),
        })
    }

    /// Table 5: what compute-optimal scaling gains.
    pub(super) fn table_5(&self) -> Option<Table> {
        let verifier = self.main_verifier()?;
        let budgets = &self.study.budgets;
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let cot = self.place(&self.alone(policy));
            let places = |key: &dyn Fn(usize) -> Option<usize>| -> Option<Vec<usize>> {
                budgets.iter().map(|&budget| key(budget)).collect()
            };
            let majority = places(&|n| self.place(&self.key(policy, None, MAJORITY, n)));
            let optimal = places(&|n| self.place(&self.optimal_key(policy, verifier, n)));
            let mut row = vec![TableCell::text(self.policy_name(policy))];
            let (Some(cot), Some(majority), Some(optimal)) = (cot, majority, optimal) else {
                row.extend((0..5).map(|_| TableCell::missing("not measured")));
                rows.push(row);
                continue;
            };
            let all = majority.iter().chain(&optimal).chain([&cot]);
            let mut counts: Vec<usize> = all.map(|&place| self.entries[place].problems).collect();
            counts.dedup();
            if counts.len() > 1 {
                // A gain between different problems is none.
                row.extend((0..5).map(|_| TableCell::missing("fewer problems at some N")));
                rows.push(row);
                continue;
            }
            let highest = |places: &[usize]| {
                let by = |a: &&usize, b: &&usize| {
                    self.entries[**a]
                        .accuracy
                        .total_cmp(&self.entries[**b].accuracy)
                };
                places.iter().max_by(by).copied().unwrap_or(cot)
            };
            let (voted, best) = (highest(&majority), highest(&optimal));
            for place in [cot, voted, best] {
                let entry = &self.entries[place];
                let text = percent(entry.accuracy, entry.interval);
                row.push(TableCell::text(text).hint(self.hint(entry)));
            }
            row.extend(self.gains(cot, best, &majority, &optimal));
            rows.push(row);
        }
        Some(Table {
            title: "What compute-optimal scaling gains".into(),
            header: header(&[
                "policy",
                "CoT",
                "majority, its best N",
                "compute-optimal, its best N",
                "performance gain",
                "efficiency gain",
            ]),
            words: 1,
            rows,
            note: format!(
                "Performance gain: (optimal − CoT) / CoT. Efficiency gain: the N at the peak of majority over the N at which the optimal \
                 curve reaches that accuracy, interpolated; \u{201c}>\u{201d} where it is above from the smallest N on. Intervals: bootstrap of \
                 the whole computation over problems. Verifier: {}; chosen in-sample by oracle difficulty.",
                self.verifier_name(verifier)
            ),
        })
    }

    /// Both gains with their intervals.
    fn gains(
        &self,
        cot: usize,
        best: usize,
        majority: &[usize],
        optimal: &[usize],
    ) -> [TableCell; 2] {
        let budgets = &self.study.budgets;
        let curve = |places: &[usize], mean: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
            let points = budgets.iter().zip(places);
            points
                .map(|(&budget, &place)| (budget as f64, mean(place)))
                .collect()
        };
        let of = |mean: &dyn Fn(usize) -> f64| {
            (
                performance_gain(mean(best), mean(cot)),
                efficiency_gain(&curve(majority, mean), &curve(optimal, mean)),
            )
        };
        let (performance, efficiency) = of(&|place| self.entries[place].accuracy);
        let draws = self.values.resampled(BOOTSTRAP / 5, 0);
        // An efficiency as a number to be sorted; what is more than the largest measurable stays the largest.
        let number = |efficiency: Efficiency| match efficiency {
            Efficiency::Times(times) | Efficiency::MoreThan(times) => times,
            Efficiency::Never => 0.0,
        };
        let (mut performances, mut efficiencies) = (Vec::new(), Vec::new());
        let mut bounded = 0.0f64;
        for means in &draws {
            let (performance, efficiency) = of(&|place| means[place]);
            if performance.is_finite() {
                performances.push(performance);
            }
            if let Efficiency::MoreThan(times) = efficiency {
                bounded = bounded.max(times);
            }
            efficiencies.push(number(efficiency));
        }
        let (wide, times) = (
            percentiles(&mut performances),
            percentiles(&mut efficiencies),
        );
        let told = |times: f64| match times {
            0.0 => "never".to_owned(),
            times if bounded > 0.0 && times >= bounded => format!("> {times:.1}"),
            times => format!("{times:.1}"),
        };
        let main = match efficiency {
            Efficiency::Times(times) => format!("{times:.1} ×"),
            Efficiency::MoreThan(times) => format!("> {times:.0} ×"),
            Efficiency::Never => "never".into(),
        };
        [
            TableCell::text(format!(
                "{:.1} % ({:.1} to {:.1})",
                100.0 * performance,
                100.0 * wide.low,
                100.0 * wide.high
            )),
            TableCell::text(format!(
                "{main} ({} to {})",
                told(times.low),
                told(times.high)
            )),
        ]
    }

    /// By difficulty: each method in each band, with the band's method of choice.
    pub(super) fn table_difficulty(&self, predicted: bool) -> Option<Table> {
        let verifier = self.main_verifier();
        let largest = self.largest();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let bands = match predicted {
                true => self.difficulty[policy].predicted(),
                false => self.difficulty[policy].bands(),
            };
            for (band, problems) in bands.iter().enumerate() {
                let name = BANDS[band];
                rows.push(self.part_row(policy, verifier, largest, name, problems));
            }
        }
        Some(Table {
            title: match predicted {
                true => "By predicted difficulty".into(),
                false => "By oracle difficulty".into(),
            },
            header: self.part_header(),
            words: 2,
            rows: best_of_rows(rows, 3),
            note: match predicted {
                true => format!(
                    "Predicted without answers: the share of the commonest answer among the first {} samples, cut at the same 50 % and 10 %.",
                    crate::estimate::difficulty::FIRST
                ),
                false => "Oracle: Pass@1 over the pool, 50 % and more is easy, below 10 % is hard (arXiv 2502.06703).".into(),
            },
        })
    }

    /// By the fifths of Snell et al.
    pub(super) fn table_quintiles(&self) -> Option<Table> {
        let verifier = self.main_verifier();
        let largest = self.largest();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            for (fifth, problems) in self.difficulty[policy].quintiles().iter().enumerate() {
                let name = (fifth + 1).to_string();
                rows.push(self.part_row(policy, verifier, largest, &name, problems));
            }
        }
        Some(Table {
            title: "By fifths of Pass@1, the easiest first".into(),
            header: self.part_header(),
            words: 2,
            rows: best_of_rows(rows, 3),
            note: "Oracle fifths (arXiv 2408.03314).".into(),
        })
    }

    /// By the data set's own levels.
    pub(super) fn table_levels(&self) -> Option<Table> {
        let verifier = self.main_verifier();
        let largest = self.largest();
        let mut levels: Vec<i64> = self
            .study
            .problems
            .iter()
            .filter_map(|problem| problem.level)
            .collect();
        levels.sort_unstable();
        levels.dedup();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            for &level in &levels {
                let of_level = |problem: &usize| self.study.problems[*problem].level == Some(level);
                let problems: Vec<usize> =
                    (0..self.study.problems.len()).filter(of_level).collect();
                let name = level.to_string();
                rows.push(self.part_row(policy, verifier, largest, &name, &problems));
            }
        }
        (!rows.is_empty()).then(|| Table {
            title: "By the data set's levels".into(),
            header: self.part_header(),
            words: 2,
            rows: best_of_rows(rows, 3),
            note: String::new(),
        })
    }

    fn part_header(&self) -> Vec<String> {
        let mut names = header(&["policy", "part", "n", self.alone_title()]);
        names.extend(
            self.methods()
                .iter()
                .map(|(method, _)| method.title().to_owned()),
        );
        names
    }

    fn part_row(
        &self,
        policy: usize,
        verifier: Option<usize>,
        budget: usize,
        name: &str,
        problems: &[usize],
    ) -> Vec<TableCell> {
        let mut row = vec![
            TableCell::text(self.policy_name(policy)),
            TableCell::text(name),
            TableCell::text(problems.len().to_string()),
        ];
        let methods = self.methods().into_iter();
        let keys = methods.map(|(method, _)| self.key(policy, verifier, method, budget));
        for key in std::iter::once(self.alone(policy)).chain(keys) {
            let place = self.place(&key);
            let part = place.map(|place| self.part(place, problems));
            row.push(match part {
                Some((mean, interval, n)) if n > 0 => {
                    TableCell::text(percent(mean, interval)).hint(format!("n = {n}"))
                }
                Some(_) => TableCell::missing("no problems"),
                None => TableCell::missing("not measured"),
            });
        }
        row
    }

    /// Everything at the headline rule.
    pub(super) fn table_all(&self) -> Table {
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let mut add = |name: String, verifier: String, keys: Vec<crate::analysis::Key>| {
                if keys.iter().all(|key| self.entry(key).is_none()) {
                    return;
                }
                let mut row = vec![
                    TableCell::text(self.policy_name(policy)),
                    TableCell::text(name),
                    TableCell::text(verifier),
                ];
                row.extend(keys.iter().map(|key| self.cell(key)));
                rows.push(row);
            };
            let at = |key: &dyn Fn(usize) -> crate::analysis::Key| {
                self.study
                    .budgets
                    .iter()
                    .map(|&budget| key(budget))
                    .collect::<Vec<_>>()
            };
            let cot = self.key(policy, None, COT, 1);
            // Where there is none, N = 1 has a column of its own.
            add(
                "CoT".into(),
                String::new(),
                vec![cot; self.study.budgets.len()],
            );
            add(
                "Pass@N".into(),
                String::new(),
                at(&|budget| self.ceiling_key(policy, budget)),
            );
            add(
                "majority".into(),
                String::new(),
                at(&|budget| self.key(policy, None, MAJORITY, budget)),
            );
            for verifier in 0..self.study.verifiers.len() {
                let name = self.verifier_name(verifier);
                for (method, _) in self.methods().iter().skip(1) {
                    add(
                        method.title().into(),
                        name.clone(),
                        at(&|budget| self.key(policy, Some(verifier), *method, budget)),
                    );
                }
                add(
                    "compute-optimal".into(),
                    name,
                    at(&|budget| self.optimal_key(policy, verifier, budget)),
                );
            }
        }
        let mut names = header(&["policy", "method", "verifier"]);
        names.extend(
            self.study
                .budgets
                .iter()
                .map(|budget| format!("N = {budget}")),
        );
        Table {
            title: "Every policy, method and verifier".into(),
            header: names,
            words: 3,
            rows,
            note: format!(
                "% right (95 % interval), n = {} where no other n is told; searches and best-of-N choose by {}. CoT is one greedy solution whatever N.",
                self.study.problems.len(),
                crate::analysis::HEADLINE
            ),
        }
    }

    /// What everything costs.
    pub(super) fn table_costs(&self) -> Option<Table> {
        let verifier = self.main_verifier();
        let mut rows = Vec::new();
        for policy in self.by_size() {
            let cot = std::iter::once((COT, 1));
            let others = self
                .study
                .compared_methods()
                .into_iter()
                .flat_map(|method| {
                    self.study
                        .budgets
                        .iter()
                        .map(move |&budget| (method, budget))
                });
            for (method, budget) in cot.chain(others) {
                let key = self.key(policy, verifier, method, budget);
                let Some(entry) = self.entry(&key) else {
                    continue;
                };
                let (paper, full) = self.flops(entry);
                let maybe = |value: Option<f64>| match value {
                    Some(value) => TableCell::text(short(value)),
                    None => TableCell::missing("unknown"),
                };
                let read = self.verifier_tokens(entry);
                rows.push(vec![
                    TableCell::text(self.policy_name(policy)),
                    TableCell::text(method.title()),
                    TableCell::text(budget.to_string()),
                    maybe(entry.cost.map(|cost| cost.policy.generated)),
                    maybe(entry.cost.map(|cost| cost.policy.computed)),
                    maybe(read),
                    maybe(paper),
                    maybe(full),
                    self.cell(&key),
                ]);
            }
        }
        Some(Table {
            title: "Cost of a problem".into(),
            header: header(&[
                "policy",
                "method",
                "N",
                "tokens drawn",
                "policy tokens",
                "verifier tokens",
                "FLOP, paper",
                "FLOP, full",
                "accuracy, %",
            ]),
            words: 2,
            rows,
            note: format!(
                "Means over problems; tokens of policy and verifier are those computed. Each token of a search's tree is counted once, as if the search ran alone; a pool's cost at a smaller N \
                 is its expectation over subsets. Verifier: {}.",
                self.named(verifier)
            ),
        })
    }
}

/// Marks the best number of each column among the rows of one policy.
fn best_of_columns(mut rows: Vec<Vec<TableCell>>, from: usize) -> Vec<Vec<TableCell>> {
    let columns = rows.first().map_or(0, Vec::len);
    for column in from..columns {
        let mut start = 0;
        while start < rows.len() {
            let name = rows[start][0].text.clone();
            let end = (start..rows.len())
                .find(|&row| rows[row][0].text != name)
                .unwrap_or(rows.len());
            let values: Vec<Option<f64>> = rows[start..end]
                .iter()
                .map(|row| leading(&row[column].text))
                .collect();
            let best = values
                .iter()
                .flatten()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            for (row, value) in rows[start..end].iter_mut().zip(values) {
                row[column].strong = value == Some(best);
            }
            start = end;
        }
    }
    rows
}

/// Marks the best number of each row.
fn best_of_rows(mut rows: Vec<Vec<TableCell>>, from: usize) -> Vec<Vec<TableCell>> {
    for row in &mut rows {
        let values: Vec<Option<f64>> = row.iter().map(|cell| leading(&cell.text)).collect();
        let best = values[from..]
            .iter()
            .flatten()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        for (cell, value) in row.iter_mut().zip(values).skip(from) {
            cell.strong = value == Some(best);
        }
    }
    rows
}

/// The number that a cell begins with.
fn leading(text: &str) -> Option<f64> {
    text.split(' ').next()?.parse().ok()
}
