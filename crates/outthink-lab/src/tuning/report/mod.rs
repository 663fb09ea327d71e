//! What tuning found, as Markdown and a chart: every number is of the test problems unless it says otherwise.

mod choosers;
mod large;
mod reliability;
mod rivals;
mod spending;

use std::fmt::Write;

use outthink_core::number::short;
use outthink_strategy::Unit;

use super::chooser::costs;
use super::evaluation::{Compared, Split, TuneError, fixed, majority};
use super::evidence::Evidence;
use super::tune::{Outcome, Tuned, Tuning};
use crate::estimate::interval::{Difference, Proportion};
use crate::report::chart::{Chart, Point, Series};
use crate::study::Study;
use choosers::{choosers, recipes};
use large::{gains, small_against_large};
use reliability::diagram;
use rivals::{equal_flops, reward_aware};
use spending::{sharing, spending};

/// One policy of the report.
pub struct Part<'a> {
    /// The policy's name.
    pub policy: String,
    /// The evidence.
    pub split: &'a Split,
    /// What was fitted on, in the strategy's unit.
    pub tuning: &'a Tuning<'a>,
    /// What was fitted.
    pub tuned: &'a Tuned,
    /// The choosers compared.
    pub compared: Vec<Compared>,
}

/// Chain of thought of a policy: by problem of the test study, and what it costs in FLOPs.
pub type Alone = (String, Vec<f64>, f64);

/// The report and its chart. Needs a test split in every part.
pub fn report(
    tune: &Study,
    test: &Study,
    parts: &[Part<'_>],
    alone: &[Alone],
    command: &str,
) -> Result<(String, String), TuneError> {
    let mut text = String::new();
    let mut chart = Chart {
        title: "A fitted strategy on problems that it has not seen".into(),
        axis: "full FLOPs per problem".into(),
        series: Vec::new(),
    };
    let runs = |study: &Study| {
        format!(
            "{} problems of {}, {} runs",
            study.problems.len(),
            study.dataset,
            study.seeds.len()
        )
    };
    let _ = write!(
        text,
        "# The compute-optimal strategy, fitted and tested\n\nFitted on `{}` ({}), tested on `{}` ({}); the two share no problem. Made by\n\n    {command}\n\nAll intervals are 95 %, paired, by 10,000 bootstrap draws over problems and runs. *Label-free* sees no right answer: it looks at the first four\nsamples, or not, as cross-validation on the tune problems decided for the budget. *Oracle* marks what needs the right answers.\n",
        tune.name,
        runs(tune),
        test.name,
        runs(test)
    );
    for part in parts {
        let Some(unseen) = &part.split.test else {
            continue;
        };
        let _ = write!(text, "\n## {}\n", part.policy);
        if part.split.tune.missing + unseen.missing > 0 {
            let _ = write!(
                text,
                "\nLeft out as unfinished: {} runs of the tune problems, {} of the test problems.\n",
                part.split.tune.missing, unseen.missing
            );
        }
        choosers(&mut text, part).unwrap_or_default();
        recipes(&mut text, part, unseen).unwrap_or_default();
        small_against_large(&mut text, part, unseen, alone).unwrap_or_default();
        equal_flops(&mut text, part, unseen, test)?;
        reward_aware(&mut text, part, unseen, test)?;
        sharing(&mut text, part, unseen).unwrap_or_default();
        spending(&mut text, part, unseen)?;
        gains(&mut text, part, unseen).unwrap_or_default();
        diagram(&mut text, part, unseen).unwrap_or_default();
        chart.series.extend(curves(part, unseen)?);
    }
    let greedy = alone.iter().map(|(name, chances, flops)| Point {
        flops: *flops,
        accuracy: share(chances),
        label: name.clone(),
    });
    chart.series.push(Series {
        name: "CoT".into(),
        points: greedy.collect(),
        line: false,
    });
    Ok((text, chart.svg()))
}

fn share(chances: &[f64]) -> Proportion {
    Proportion {
        successes: chances.iter().sum::<f64>().round() as usize,
        trials: chances.len(),
    }
}

fn percent(outcome: Option<&Outcome>) -> String {
    outcome.map_or("–".into(), |own| format!("{:.1}", own.accuracy() * 100.0))
}

fn points(difference: &Difference) -> String {
    let Difference { mean, interval } = difference;
    format!(
        "{:+.1} ({:+.1} to {:+.1})",
        mean * 100.0,
        interval.low * 100.0,
        interval.high * 100.0
    )
}

fn curves(part: &Part<'_>, unseen: &Evidence) -> Result<Vec<Series>, TuneError> {
    let flops = unseen.cost_model(Unit::Flops)?;
    let plain = costs(unseen, &flops, None);
    let point = |flops: f64, accuracy: f64, label: String| Point {
        flops,
        accuracy: Proportion {
            successes: (accuracy * unseen.problems as f64).round() as usize,
            trials: unseen.problems,
        },
        label,
    };
    let voted = [4, 16, 64, 256].into_iter().filter_map(|n| {
        let own = fixed(unseen, &plain, majority(unseen, n)?);
        Some(point(own.cost(), own.accuracy(), n.to_string()))
    });
    let strategy = part.tuned.entries.iter().map(|entry| {
        let own = part.tuned.apply(entry, unseen, &flops);
        (own.cost(), own.accuracy(), entry.budget)
    });
    let strategy: Vec<(f64, f64, f64)> = strategy.collect();
    // Budgets at which the same is done are one point.
    let strategy = strategy
        .chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .filter_map(|same| {
            let (&(cost, accuracy, first), &(.., last)) = (same.first()?, same.last()?);
            let label = match first == last {
                true => short(first),
                false => format!("{}–{}", short(first), short(last)),
            };
            Some(point(cost, accuracy, label))
        });
    Ok(vec![
        Series {
            name: format!("{} majority", part.policy),
            points: voted.collect(),
            line: true,
        },
        Series {
            name: format!("{} strategy", part.policy),
            points: strategy.collect(),
            line: true,
        },
    ])
}
