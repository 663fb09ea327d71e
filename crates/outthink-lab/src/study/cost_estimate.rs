//! What a study will cost, before it is run.

use std::collections::HashMap;

use outthink_core::{Expected, Flops, ModelCost};
use outthink_strategy::Unit;

use crate::store::{Store, StoreError};
use crate::study::run::draws_in_flight;
use crate::study::{Cell, Config, Study};

/// What is left to do of a study.
#[derive(Clone, Debug, Default)]
pub struct Estimate {
    /// Solutions' worth of samples, at most.
    pub draws: u64,
    /// Tokens to be sampled.
    pub generated: f64,
    /// Floating-point operations in full, where all models' shapes are known.
    pub flops: Option<f64>,
    /// Money.
    pub money: f64,
    /// Seconds, once units of every cell that is left are done.
    pub seconds: Option<f64>,
    /// Are these upper bounds? Else they are what was measured.
    pub is_bound: bool,
    /// What the estimate rests on.
    pub basis: String,
}

/// Units of a cell that are done before it is estimated by them.
const FEW: f64 = 10.0;
/// More tokens than any solution is allowed: what is longer has no limit.
const LONGEST: usize = 1 << 32;

/// What units of a cell took on average, as far as some are done.
#[derive(Clone, Copy)]
struct Mean {
    units: f64,
    generated: f64,
    prompt: f64,
    flops: Option<f64>,
    seconds: f64,
}

impl Mean {
    const NONE: Self = Self {
        units: 0.0,
        generated: 0.0,
        prompt: 0.0,
        flops: Some(0.0),
        seconds: 0.0,
    };
}

/// Operations in full of a cell's models.
fn flops(study: &Study, cell: &Cell, drawn: Expected, read: Expected) -> Option<f64> {
    let policy = match cell.config() {
        Config::Score { .. } => Some(ModelCost::FREE),
        _ => study.policies[cell.policy].cost,
    };
    let verifier = cell.verifier.map(|number| &study.verifiers[number]);
    let verifier = verifier.map(|verifier| (verifier.shape(), read));
    Flops::of((policy, drawn), verifier).full
}

impl Estimate {
    /// Tokens that a prompt has beside the problem, at most: the chat template's and the instruction's.
    const TEMPLATE: usize = 512;

    /// Cells of which units are done are estimated by those; the others have as many tokens as they may, and nobody knows how
    /// long they take. `target_in_flight` is how many samples are under way at once.
    pub fn of(
        study: &Study,
        store: &mut Store,
        target_in_flight: usize,
    ) -> Result<Self, StoreError> {
        let index: HashMap<&str, usize> = study
            .cells
            .iter()
            .enumerate()
            .map(|(index, cell)| (cell.hash(), index))
            .collect();
        let mut means = vec![Mean::NONE; study.cells.len()];
        let mut left = vec![0usize; study.cells.len()];
        for unit in store.units(study)? {
            let Some(&cell) = index.get(unit.cell.as_str()) else {
                continue;
            };
            let Some(took) = unit.took else {
                left[cell] += 1;
                continue;
            };
            let mean = &mut means[cell];
            let cell = &study.cells[cell];
            mean.units += 1.0;
            mean.generated += took.policy.generated as f64;
            mean.prompt += took.policy.prompt as f64;
            mean.seconds += took.seconds;
            let flops = flops(study, cell, took.policy.into(), took.verifier.into());
            mean.flops = mean.flops.zip(flops).map(|(sum, own)| sum + own);
        }
        // A token has a byte at least.
        let texts = study.problems.iter().map(|problem| problem.text.len());
        let prompt = (texts.max().unwrap_or(0) + Self::TEMPLATE) as f64;
        let mut estimate = Self::default();
        let (mut measured, mut assumed) = (0, 0);
        let mut total = Some(0.0);
        let mut seconds = Some(0.0);
        let mut add = |flops: Option<f64>| {
            total = total.zip(flops).map(|(sum, own)| sum + own);
        };
        for ((cell, mean), left) in study.cells.iter().zip(&means).zip(left) {
            if left == 0 {
                continue;
            }
            let draws = study.samples_of(cell);
            let tokens = match cell.config() {
                Config::Pool { limits, .. }
                | Config::Search { limits, .. }
                | Config::Strategy { limits, .. } => limits.solution_tokens,
                Config::Score { .. } => 0,
            };
            let units = left as f64;
            estimate.draws += (draws * left) as u64;
            let policy = &study.policies[cell.policy];
            let price = policy.price.unwrap_or_default();
            // Problems often come easiest first, so a few of them say little of the rest.
            if mean.units >= FEW.min(mean.units + left as f64) && mean.units > 0.0 {
                measured += left;
                // A unit has so much of what is under way; the others have the rest meanwhile.
                let share = draws_in_flight(cell) as f64 / target_in_flight.max(1) as f64;
                let took = mean.seconds / mean.units * units * share.min(1.0);
                seconds = seconds.map(|sum: f64| sum + took);
                estimate.generated += mean.generated / mean.units * units;
                add(mean.flops.map(|flops| flops / mean.units * units));
                estimate.money +=
                    (price[0] * mean.prompt + price[1] * mean.generated) / mean.units * units / 1e6;
                continue;
            }
            assumed += left;
            seconds = None;
            if let Some((own, budget)) = study.strategy_of(cell) {
                match study.strategies[own].unit {
                    Unit::Tokens => estimate.generated += budget * units,
                    Unit::Flops => add(Some(budget * units)),
                    Unit::Money => estimate.money += budget * units,
                    Unit::Samples | Unit::Seconds => {}
                }
            }
            let generated = tokens as f64 * draws as f64 * units;
            estimate.generated += generated;
            let asked = if draws > 0 {
                prompt * draws as f64 * units
            } else {
                0.0
            };
            estimate.money += (price[0] * asked + price[1] * generated) / 1e6;
            // A score reads what its pool drew.
            let (read, longest) = match cell.config() {
                Config::Score { pool, .. } => {
                    let pool = study.cells.iter().find(|cell| cell.hash() == pool);
                    match pool.map(|cell| cell.config()) {
                        // Samples that were stored before are as long as they are, which is for the run to find out.
                        Some(Config::Pool { limits, .. }) if limits.solution_tokens > LONGEST => {
                            add(None);
                            continue;
                        }
                        Some(Config::Pool { draws, limits, .. }) => {
                            let limit = limits.solution_tokens as f64;
                            (limit * *draws as f64 * units, limit)
                        }
                        _ => (0.0, 0.0),
                    }
                }
                _ => (generated, tokens as f64),
            };
            // Every token attends to a whole prompt and solution.
            let work = |tokens: f64| {
                let computed = tokens + prompt * units;
                Expected {
                    computed,
                    attended: computed * (prompt + longest),
                    ..Expected::default()
                }
            };
            add(flops(study, cell, work(generated), work(read)));
        }
        estimate.flops = total;
        estimate.seconds = seconds;
        estimate.is_bound = assumed > 0;
        estimate.basis = match (measured, assumed) {
            (0, 0) => "nothing is left to do".into(),
            (_, 0) => "measured on the units that are done".into(),
            (0, _) => "if every solution is as long as it may be; most are far shorter".into(),
            _ => format!(
                "{measured} units as measured, {assumed} with solutions as long as they may be"
            ),
        };
        Ok(estimate)
    }
}
