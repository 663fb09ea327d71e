//! The strategy against every fixed choice, and against one that does not know its verifier.

use std::fmt::Write;

use outthink_core::AnyMethod;
use outthink_core::number::short;
use outthink_strategy::Unit;

use super::{Part, percent, points};
use crate::study::Study;
use crate::tuning::awareness::awareness;
use crate::tuning::evaluation::{TuneError, rivals};
use crate::tuning::evidence::Evidence;
use crate::tuning::tune::Tuning;

pub(super) fn equal_flops(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    test: &Study,
) -> Result<(), TuneError> {
    let cost_model = part.split.tune.cost_model(Unit::Flops)?;
    let all = (0..part.split.tune.candidates.len()).collect();
    let tuning = Tuning::new(&part.split.tune, &cost_model, all, 5, 0);
    let _ = writeln!(
        text,
        "\n**Against every fixed method and selection at equal full FLOPs**: the strategy fitted to spend what the fixed one costs; of each method and verifier, the selection that is best *on the test problems*\n\n| N | fixed | % right | FLOPs | label-free | its FLOPs | label-free − fixed |\n|---|---|---|---|---|---|---|"
    );
    let mut summary = String::new();
    for &n in test.budgets.iter().filter(|&&n| n >= 16) {
        let rivals = rivals(&tuning, unseen, n)?;
        let behind = rivals.iter().filter(|rival| rival.gain.mean < 0.0).count();
        let sure = rivals
            .iter()
            .filter(|rival| rival.gain.interval.low > 0.0)
            .count();
        let lost = rivals
            .iter()
            .filter(|rival| rival.gain.interval.high < 0.0)
            .count();
        let worst = rivals
            .iter()
            .min_by(|a, b| a.gain.mean.total_cmp(&b.gain.mean));
        let _ = writeln!(
            summary,
            "- N = {n}: {} fixed ones; the strategy is above {sure} (interval above 0), below {lost} (interval below 0), and has the lower mean against {behind}{}.",
            rivals.len(),
            worst.map_or(String::new(), |own| format!(
                "; the closest is {}: {}",
                part.split.tune.candidates[own.taken],
                points(&own.gain)
            ))
        );
        let mut shown: Vec<(AnyMethod, Option<&str>)> = Vec::new();
        for rival in &rivals {
            let candidate = &part.split.tune.candidates[rival.taken];
            let group = (candidate.method, candidate.verifier.as_deref());
            if shown.contains(&group) {
                continue;
            }
            shown.push(group);
            let same = rivals.iter().filter(|other| {
                let other = &part.split.tune.candidates[other.taken];
                (other.method, other.verifier.as_deref()) == group
            });
            let best = same.max_by(|a, b| a.fixed.accuracy().total_cmp(&b.fixed.accuracy()));
            if let Some(best) = best {
                let _ = writeln!(
                    text,
                    "| {n} | {} | {} | {} | {} | {} | {} |",
                    part.split.tune.candidates[best.taken],
                    percent(Some(&best.fixed)),
                    short(best.fixed.cost()),
                    percent(Some(&best.strategy)),
                    short(best.strategy.cost()),
                    points(&best.gain)
                );
            }
        }
    }
    let _ = writeln!(text, "\nOver all selections:\n\n{summary}");
    Ok(())
}

pub(super) fn reward_aware(
    text: &mut String,
    part: &Part<'_>,
    unseen: &Evidence,
    test: &Study,
) -> Result<(), TuneError> {
    if part.split.tune.verifiers.len() < 2 {
        return Ok(());
    }
    let _ = writeln!(
        text,
        "**Reward-aware against reward-blind** choosing, by the paper's bands (oracle) and by the label-free chooser: aware is fitted with the verifier it runs with, blind with another one; majority is open to both\n\n| runs with | blind is fitted with | chooser | N | aware | takes most often | blind | takes most often | aware − blind |\n|---|---|---|---|---|---|---|---|---|"
    );
    let budgets: Vec<f64> = test.budgets.iter().map(|&n| n as f64).collect();
    for (number, verifier) in part.split.tune.verifiers.iter().enumerate() {
        for own in awareness(&part.split.tune, unseen, number, &budgets)? {
            let [aware, blind] = own.usual.map(|place| &part.split.tune.candidates[place]);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {aware} | {} | {blind} | {} |",
                verifier.name,
                own.other,
                if own.bands { "bands" } else { "label-free" },
                short(own.budget),
                percent(Some(&own.aware)),
                percent(Some(&own.blind)),
                points(&own.gain)
            );
        }
    }
    Ok(())
}
