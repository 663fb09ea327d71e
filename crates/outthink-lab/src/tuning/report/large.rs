//! A small policy with its strategy beside large ones alone, and what it gains.

use std::fmt::{self, Write};

use outthink_core::number::short;
use outthink_strategy::Unit;

use super::{Alone, Part, percent, points};
use crate::estimate::gain::{Efficiency, efficiency_gain, performance_gain};
use crate::tuning::chooser::costs;
use crate::tuning::evaluation::{difference, fixed, majority};
use crate::tuning::evidence::Evidence;

pub(super) fn small_against_large(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    alone: &[Alone],
) -> fmt::Result {
    let larger: Vec<&Alone> = alone
        .iter()
        .filter(|(name, ..)| *name != part.policy)
        .collect();
    writeln!(
        text,
        "\n**Small with its strategy minus large alone (greedy), points** (Table 3)\n\n| large policy, CoT | % right | budget | label-free | its full FLOPs | the large one's | label-free − large | majority at that N − large |\n|---|---|---|---|---|---|---|---|"
    )?;
    let Ok(flops) = unseen.cost_model(Unit::Flops) else {
        return Ok(());
    };
    let plain = costs(unseen, &flops, None);
    for (name, greedy, price) in larger {
        let rows: Vec<f64> = unseen.rows.iter().map(|row| greedy[row.problem]).collect();
        for (entry, compared) in part.tuned.entries.iter().zip(&part.compared) {
            if part.tuning.cost_model.unit() == Unit::Samples && entry.budget < 16.0 {
                continue;
            }
            let Some(tested) = &compared.tested else {
                continue;
            };
            let own_flops = part.tuned.apply(entry, unseen, &flops).cost();
            let gain = difference(unseen, &tested.deployable.chances, &rows);
            let voted = majority(unseen, entry.budget as usize).map(|place| {
                let voted = fixed(unseen, &plain, place);
                points(&difference(unseen, &voted.chances, &rows))
            });
            writeln!(
                text,
                "| {name} | {:.1} | {} | {} | {} | {} | {} | {} |",
                greedy.iter().sum::<f64>() / greedy.len().max(1) as f64 * 100.0,
                short(entry.budget),
                percent(Some(&tested.deployable)),
                short(own_flops),
                short(*price),
                points(&gain),
                voted.unwrap_or("–".into()),
            )?;
        }
    }
    Ok(())
}

pub(super) fn gains(text: &mut String, part: &Part<'_>, unseen: &Evidence) -> fmt::Result {
    if part.tuning.cost_model.unit() != Unit::Samples {
        return Ok(());
    }
    let mean = |place: usize| {
        let chances = unseen.rows.iter().map(|row| row.chances[place]);
        chances.sum::<f64>() / unseen.rows.len().max(1) as f64
    };
    let strategy: Vec<(f64, f64)> = part
        .compared
        .iter()
        .filter(|own| own.budget >= 4.0)
        .filter_map(|own| Some((own.budget, own.tested.as_ref()?.deployable.accuracy())))
        .collect();
    let voted: Vec<(f64, f64)> = strategy
        .iter()
        .filter_map(|(budget, _)| Some((*budget, mean(majority(unseen, *budget as usize)?))))
        .collect();
    let greedy = unseen
        .candidates
        .iter()
        .position(|own| own.method.is_greedy())
        .map(mean);
    let (Some(greedy), Some((_, last)), Some((_, peak))) = (
        greedy,
        strategy.last(),
        voted.iter().max_by(|a, b| a.1.total_cmp(&b.1)),
    ) else {
        return Ok(());
    };
    let efficiency = match efficiency_gain(&voted, &strategy) {
        Efficiency::Times(times) => format!("{times:.1} ×"),
        Efficiency::MoreThan(times) => format!("> {times:.0} ×"),
        Efficiency::Never => "never there".into(),
    };
    writeln!(
        text,
        "**Gains** (Table 5)\n\n| CoT | majority, at its peak | label-free, largest N | performance gain | efficiency gain over majority |\n|---|---|---|---|---|\n| {:.1} | {:.1} | {:.1} | {:.0} % | {efficiency} |",
        greedy * 100.0,
        peak * 100.0,
        last * 100.0,
        performance_gain(*last, greedy) * 100.0
    )
}
