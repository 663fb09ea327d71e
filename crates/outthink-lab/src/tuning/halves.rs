//! Fitted on one half of the problems and tested on the other, both ways and with several seeds: what choosing is worth where nobody
//! has seen the problems. A seed deals the problems to halves and the samples of each pool into an order, so that the first
//! samples, which a strategy looks at, are others each time.

use outthink_strategy::Unit;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::chooser::{best_fixed, costs};
use super::evaluation::{Split, TuneError, compare, fixed, majority};
use super::evidence::Evidence;
use super::tune::Tuning;
use crate::estimate::bootstrap::{BOOTSTRAP, Values, percentiles};
use crate::estimate::interval::{Difference, Interval};
use crate::store::Store;
use crate::study::Study;

/// Folds within a half.
const FOLDS: usize = 5;

/// The choosers that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chooser {
    /// Majority at the budget, without any choice.
    Majority,
    /// The best single method, selection and N without a verifier's rewards on the other half.
    Blind,
    /// The best single method, selection and N on the other half.
    Fixed,
    /// The paper's: the best for each band of oracle difficulty on the other half.
    Bands,
    /// The strategy that was fitted on the other half: what can be deployed.
    Strategy,
    /// Whoever knows everything.
    Oracle,
}

impl Chooser {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Majority,
        Self::Blind,
        Self::Fixed,
        Self::Bands,
        Self::Strategy,
        Self::Oracle,
    ];
}

/// All choosers at a budget.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// The budget, in samples.
    pub budget: usize,
    /// Problems that it rests on.
    pub problems: usize,
    /// The accuracy of each chooser with its interval; none where it has no choice.
    pub accuracy: Vec<Option<(f64, Interval)>>,
    /// Each chooser minus the best single one of the other half, paired.
    pub gain: Vec<Option<Difference>>,
    /// What the single one was, most frequent first.
    pub usual: Vec<(String, usize)>,
}

/// What each chooser comes to on problems that it has not seen, for every budget of samples.
///
/// # Errors
///
/// The study has no pool of the policy, or the store failed.
pub fn held_out(
    study: &Study,
    store: &mut Store,
    policy: &str,
    seeds: &[u64],
) -> Result<Vec<HeldOut>, TuneError> {
    let choosers = Chooser::ALL.len();
    let budgets: Vec<usize> = study.budgets.clone();
    let problems = study.problems.len();
    // By budget, problem and chooser: sum and number.
    let mut sums = vec![vec![vec![(0.0, 0usize); choosers]; problems]; budgets.len()];
    let mut usual = vec![std::collections::BTreeMap::<String, usize>::new(); budgets.len()];
    for &seed in seeds {
        let [a, b] = Evidence::shuffled(study, store, policy, seed)?.halves(seed);
        for (tune, test) in [(&a, &b), (&b, &a)] {
            half(tune, test, &budgets, seed, &mut sums, &mut usual)?;
        }
    }
    let mut found = Vec::new();
    for ((&budget, sums), usual) in budgets.iter().zip(&sums).zip(usual) {
        let mut values = Values::new(problems, 1, 2 * choosers);
        for (problem, sums) in sums.iter().enumerate() {
            let mean = |chooser: usize| match sums[chooser] {
                (_, 0) => f64::NAN,
                (sum, count) => sum / count as f64,
            };
            for chooser in 0..choosers {
                values.set(problem, 0, chooser, mean(chooser));
                let gain = mean(chooser) - mean(Chooser::Fixed as usize);
                values.set(problem, 0, choosers + chooser, gain);
            }
        }
        let intervals = values.intervals(BOOTSTRAP, 0);
        let drawn = values.resampled(BOOTSTRAP, 0);
        let present = |series: usize| values.present(series) > 0;
        let accuracy =
            |chooser: usize| present(chooser).then(|| (values.mean(chooser), intervals[chooser]));
        let gain = |chooser: usize| {
            let series = choosers + chooser;
            let mut means: Vec<f64> = drawn.iter().map(|means| means[series]).collect();
            means.retain(|mean| !mean.is_nan());
            present(series).then(|| Difference {
                mean: values.mean(series),
                interval: percentiles(&mut means),
            })
        };
        let mut usual: Vec<(String, usize)> = usual.into_iter().collect();
        usual.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        found.push(HeldOut {
            budget,
            problems: values.present(Chooser::Fixed as usize),
            accuracy: (0..choosers).map(accuracy).collect(),
            gain: (0..choosers).map(gain).collect(),
            usual,
        });
    }
    Ok(found)
}

type Sums = Vec<Vec<Vec<(f64, usize)>>>;

fn half(
    tune: &Evidence,
    test: &Evidence,
    budgets: &[usize],
    seed: u64,
    sums: &mut Sums,
    usual: &mut [std::collections::BTreeMap<String, usize>],
) -> Result<(), TuneError> {
    let cost_model = tune.cost_model(Unit::Samples)?;
    let all: Vec<usize> = (0..tune.candidates.len()).collect();
    let tuning = Tuning::new(tune, &cost_model, all, FOLDS, seed);
    let wanted: Vec<f64> = budgets.iter().map(|&n| n as f64).collect();
    let tuned = tuning.fit(&wanted);
    let split = Split {
        tune: tune.clone(),
        test: Some(test.clone()),
    };
    let plain = costs(test, &cost_model, None);
    let rows: Vec<usize> = (0..tune.rows.len()).collect();
    let blind: Vec<usize> = tuning
        .classic()
        .into_iter()
        .filter(|&own| tune.candidates[own].verifier.is_none())
        .collect();
    for own in compare(&split, &tuning, &tuned)? {
        let Some(place) = budgets.iter().position(|&n| n as f64 == own.budget) else {
            continue;
        };
        let Some(tested) = own.tested else { continue };
        let voted = majority(test, budgets[place]).map(|own| fixed(test, &plain, own));
        let blind = best_fixed(tune, &tuning.plain, &rows, &blind, own.budget);
        let blind = blind.map(|own| fixed(test, &plain, own));
        if let Some((taken, _)) = &tested.fixed {
            let name = tune.candidates[*taken].to_string();
            *usual[place].entry(name).or_default() += 1;
        }
        let outcomes = [
            voted,
            blind,
            tested.fixed.map(|(_, outcome)| outcome),
            tested.bands,
            Some(tested.deployable),
            tested.oracle,
        ];
        for (chooser, outcome) in outcomes.into_iter().enumerate() {
            let Some(outcome) = outcome else { continue };
            for (row, chance) in test.rows.iter().zip(&outcome.chances) {
                let (sum, count) = &mut sums[place][row.problem][chooser];
                (*sum, *count) = (*sum + chance, *count + 1);
            }
        }
    }
    Ok(())
}

impl Evidence {
    /// Two halves of the problems.
    fn halves(self, seed: u64) -> [Self; 2] {
        let mut order: Vec<usize> = (0..self.problems).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut first = vec![false; self.problems];
        for &problem in &order[..self.problems / 2] {
            first[problem] = true;
        }
        let half = |wanted: bool| {
            let mut own = self.clone();
            own.rows.retain(|row| first[row.problem] == wanted);
            own
        };
        [half(true), half(false)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;

    #[test]
    fn halves_share_no_problem_and_lose_none() {
        let evidence = synthetic::evidence(41, 1);
        let all = evidence.rows.len();
        let [a, b] = evidence.halves(3);
        let problems = |own: &super::Evidence| -> std::collections::BTreeSet<usize> {
            own.rows.iter().map(|row| row.problem).collect()
        };
        assert_eq!(a.rows.len() + b.rows.len(), all);
        assert!(problems(&a).is_disjoint(&problems(&b)));
        assert!(problems(&a).len().abs_diff(problems(&b).len()) <= 1);
    }
}
