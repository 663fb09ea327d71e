//! Strategies beside the fixed methods.

use outthink_core::method::MAJORITY;
use outthink_core::number::short;
use outthink_strategy::Unit;

use super::table::{Table, TableCell, percent, points};
use crate::analysis::Analysis;
use crate::analysis::measured::Measured;

/// How many of the choices a table names.
const NAMED: usize = 3;

impl Analysis {
    /// Each strategy at each budget, with what it cost and chose.
    pub(super) fn table_strategies(&self) -> Option<Table> {
        let rows: Vec<Vec<TableCell>> = self
            .strategies
            .iter()
            .map(|own| self.strategy(own))
            .collect();
        let names = [
            "policy",
            "strategy",
            "budget",
            "% right",
            "samples",
            "tokens drawn",
            "tokens read",
            "full FLOPs",
            "minus majority",
            "minus the best fixed",
            "chosen",
            "confidence off by",
        ];
        (!rows.is_empty()).then(|| Table {
            title: "Strategies, answering live".into(),
            header: names.map(str::to_owned).to_vec(),
            words: 2,
            rows,
            note: "All costs are of a problem on average. Differences are paired, in points. The best fixed method, verifier and rule at \
                   the same N is chosen on these very problems, so it flatters itself. \u{201c}Off by\u{201d} is the mean distance \
                   of what was said and what came true, in tenths of confidence."
                .into(),
        })
    }

    fn strategy(&self, own: &Measured) -> Vec<TableCell> {
        let info = &self.study.strategies[own.strategy];
        let counted = own.taken.iter().map(|(_, count)| count).sum::<usize>();
        let share = |count: &usize| 100.0 * *count as f64 / counted.max(1) as f64;
        let told =
            |(candidate, count): &(String, usize)| format!("{candidate}: {:.0} %", share(count));
        let mut chosen: Vec<String> = own.taken.iter().take(NAMED).map(told).collect();
        if own.taken.len() > NAMED {
            chosen.push(format!("{} others", own.taken.len() - NAMED));
        }
        let all: Vec<String> = own.taken.iter().map(told).collect();
        let minus = |place: Option<usize>, name: bool| match place {
            Some(place) if info.unit == Unit::Samples => {
                let difference = self.strategy_difference(own, place);
                let cell = TableCell::text(points(difference.mean, difference.interval));
                match name {
                    true => cell.hint(self.hint(&self.entries[place])),
                    false => cell,
                }
            }
            _ => TableCell::missing("not measured"),
        };
        let majority = self.key(info.policy, None, MAJORITY, own.budget as usize);
        let (lines, error) = &own.reliability;
        vec![
            TableCell::text(self.policy_name(info.policy)),
            TableCell::text(&info.name),
            TableCell::text(format!("{} {}", short(own.budget), info.unit)),
            match own.problems {
                0 => TableCell::missing("not measured"),
                _ => TableCell::text(percent(own.accuracy, own.interval)),
            },
            TableCell::text(short(own.samples)),
            TableCell::text(short(own.policy.generated)),
            TableCell::text(short(own.read)),
            own.flops.map_or(TableCell::missing("unknown"), |flops| {
                TableCell::text(short(flops))
            }),
            minus(self.place(&majority), false),
            minus(self.best_fixed(own), true),
            TableCell::text(chosen.join("; ")).hint(all.join("\n")),
            match lines.is_empty() {
                true => TableCell::missing("nothing was fitted"),
                false => TableCell::text(format!("{:.1}", 100.0 * error)),
            },
        ]
    }
}
