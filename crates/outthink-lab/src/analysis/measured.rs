//! What strategies came to in a study: live answers, beside the fixed methods of the same problems and runs.

use std::collections::BTreeMap;

use outthink_core::{Expected, Flops, ModelInfo};

use crate::analysis::{Analysis, Entry, Rule};
use crate::estimate::binomial::Factorials;
use crate::estimate::bootstrap::{BOOTSTRAP, Values, percentiles};
use crate::estimate::calibration::{CalibrationBin, tenths};
use crate::estimate::interval::{Difference, Interval};
use crate::estimate::spent::Spent;
use crate::store::{Choice, Store, StoreError, UnitRow};
use crate::study::Study;

/// A strategy at one budget.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its place among [`Study::strategies`].
    pub strategy: usize,
    /// The budget, in its unit.
    pub budget: f64,
    /// Share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval over problems and seeds.
    pub interval: Interval,
    /// Problems that it rests on.
    pub problems: usize,
    /// By problem and run: was it right?
    pub values: Values,
    /// Samples of a problem.
    pub samples: f64,
    /// The policy's work for a problem, by itself.
    pub policy: Expected,
    /// Tokens that verifiers ran through.
    pub read: f64,
    /// Floating-point operations of all models in full, as far as their shapes are known.
    pub flops: Option<f64>,
    /// What was chosen how often, most first.
    pub taken: Vec<(String, usize)>,
    /// Confidences in tenths against what came true, and the mean distance; empty where none was said.
    pub reliability: (Vec<CalibrationBin>, f64),
}

/// All that a study has measured of its strategies.
pub(crate) fn measured(
    study: &Study,
    store: &mut Store,
    units: &[UnitRow],
) -> Result<Vec<Measured>, StoreError> {
    if study.strategies.is_empty() {
        return Ok(Vec::new());
    }
    let choices = store.choices(study)?;
    let mut found = Vec::new();
    for cell in &study.cells {
        let Some((strategy, budget)) = study.strategy_of(cell) else {
            continue;
        };
        let own = units.iter().filter(|unit| unit.cell == cell.hash());
        let own: Vec<(&UnitRow, &Choice, &Spent)> = own
            .filter_map(|unit| {
                let took = unit.took.as_ref()?;
                Some((unit, choices.get(&unit.id)?, &took.spent))
            })
            .collect();
        found.push(one(study, (strategy, budget), cell.policy, &own));
    }
    Ok(found)
}

fn one(
    study: &Study,
    (strategy, budget): (usize, f64),
    policy: usize,
    own: &[(&UnitRow, &Choice, &Spent)],
) -> Measured {
    let mut values = Values::new(study.problems.len(), study.seeds.len(), 1);
    let mut policy_work = Expected::default();
    let (mut samples, mut read, mut flops) = (0.0, 0.0, Some(0.0));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut said = Vec::new();
    for (unit, choice, spent) in own {
        let right = f64::from(u8::from(choice.correct));
        if let Some(run) = study.seeds.iter().position(|seed| *seed == unit.seed) {
            values.set(unit.number, run, 0, right);
        }
        let whole = |spent: &Spent| {
            let factorials = Factorials::to(spent.draws);
            spent.at(spent.draws, &factorials)
        };
        let (work, _) = whole(spent);
        policy_work += work;
        samples += choice.samples as f64;
        let mut readings = Vec::with_capacity(choice.work.len());
        for (name, _, work) in &choice.work {
            let (_, work) = whole(&Spent {
                draws: spent.draws,
                verifier: work.clone(),
                ..Spent::default()
            });
            read += work.computed;
            let model = study.verifiers.iter().find(|own| own.name == *name);
            readings.push((model.and_then(ModelInfo::shape), work));
        }
        let sum = Flops::of((study.policies[policy].cost, work), readings).full;
        flops = flops.zip(sum).map(|(flops, sum)| flops + sum);
        *counts.entry(&choice.candidate).or_insert(0) += 1;
        said.extend(choice.confidence.map(|said| (said, right)));
    }
    let count = own.len().max(1) as f64;
    let mut taken: Vec<(String, usize)> = counts
        .into_iter()
        .map(|(candidate, count)| (candidate.to_owned(), count))
        .collect();
    taken.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Measured {
        strategy,
        budget,
        accuracy: values.mean(0),
        interval: values.intervals(BOOTSTRAP, 0)[0],
        problems: values.present(0),
        values,
        samples: samples / count,
        policy: policy_work.scaled(1.0 / count),
        read: read / count,
        flops: flops.map(|flops| flops / count),
        taken,
        reliability: tenths(said.into_iter()),
    }
}

impl Analysis {
    /// A strategy minus an entry over the runs that both have, with the paired bootstrap interval.
    pub fn strategy_difference(&self, own: &Measured, entry: usize) -> Difference {
        let (problems, runs) = (self.study.problems.len(), self.study.seeds.len());
        let mut values = Values::new(problems, runs, 1);
        for problem in 0..problems {
            for run in 0..runs {
                let own = own.values.get(problem, run, 0);
                values.set(problem, run, 0, own - self.values.get(problem, run, entry));
            }
        }
        let drawn = values.resampled(BOOTSTRAP, 0).into_iter();
        let mut drawn: Vec<f64> = drawn
            .map(|means| means[0])
            .filter(|mean| !mean.is_nan())
            .collect();
        Difference {
            mean: values.mean(0),
            interval: percentiles(&mut drawn),
        }
    }

    /// The fixed method, verifier and selection that is best on these very problems at a budget `N` of the strategy's policy;
    /// none that knows the answer.
    pub fn best_fixed(&self, own: &Measured) -> Option<usize> {
        let policy = self.study.strategies[own.strategy].policy;
        let open = |entry: &Entry| {
            let knows = entry
                .key
                .verifier
                .is_some_and(|v| self.study.verifiers[v].oracle);
            let at = entry.key.budget as f64 == own.budget;
            entry.key.policy == policy && at && !knows && matches!(entry.key.rule, Rule::Chosen(_))
        };
        let entries = self.entries.iter().enumerate();
        let open = entries.filter(|(_, entry)| open(entry) && entry.problems > 0);
        let best = open.max_by(|(_, a), (_, b)| a.accuracy.total_cmp(&b.accuracy));
        best.map(|(place, _)| place)
    }
}
