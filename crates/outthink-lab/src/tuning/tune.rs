//! Fitting a strategy: predictors on all problems, multipliers and every number shown by cross-validation.
//!
//! The choice between no probe, a probe that counts votes and one that a verifier reads is itself made by
//! cross-validation, for each budget.

use outthink_strategy::linear::{Linear, logistic, logit};
use outthink_strategy::multiplier::{best, multiplier};
use outthink_strategy::{Confidence, CostModel, Ended, Predicted, Predictor, Probe};

use super::chooser::{
    bands, best_by_band, best_fixed, costs, fit_predictor, priced, probes, row_features,
};
use super::evidence::Evidence;
use super::folds::folds;
use super::sharing::Shared;
use crate::estimate::votes::Taken;

/// How a strategy chooses at one budget.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The same for every problem.
    Always(usize),
    /// By a probe's predictor at a price of compute; the number is that of [`Tuned::predictors`].
    Predicted {
        /// Which predictor.
        predictor: usize,
        /// The price: chance of being right a unit of cost.
        multiplier: f64,
    },
}

/// What a chooser came to, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The chance of being right.
    pub chances: Vec<f64>,
    /// The cost.
    pub costs: Vec<f64>,
    /// The candidate taken.
    pub taken: Vec<usize>,
    /// What the chooser said its chance was; not a number if it said nothing.
    pub said: Vec<f64>,
    /// What was taken in the end.
    pub(super) ends: Vec<Taken>,
}

impl Outcome {
    /// The mean chance.
    pub fn accuracy(&self) -> f64 {
        self.chances.iter().sum::<f64>() / self.chances.len().max(1) as f64
    }

    /// The mean cost.
    pub fn cost(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len().max(1) as f64
    }

    /// What a row took, with what it said of its chance.
    pub(super) fn push_end(&mut self, candidate: usize, taken: Taken, cost: f64, said: f64) {
        self.chances.push(f64::from(u8::from(taken.right)));
        self.costs.push(cost);
        self.taken.push(candidate);
        self.said.push(said);
        self.ends.push(taken);
    }

    pub(super) fn push(
        &mut self,
        evidence: &Evidence,
        costs: &[Vec<f64>],
        row: usize,
        taken: usize,
        said: f64,
    ) {
        self.chances.push(evidence.rows[row].chances[taken]);
        self.costs.push(costs[row][taken]);
        self.taken.push(taken);
        self.said.push(said);
        self.ends.push(evidence.rows[row].ends[taken]);
    }

    /// What a confidence goes by, and whether the answers that were taken are right.
    pub(super) fn ended(&self, evidence: &Evidence) -> (Vec<Ended>, Vec<f64>) {
        let rows = self.said.iter().zip(&self.taken).zip(&self.ends);
        rows.map(|((said, taken), end)| {
            let stepwise = evidence.candidates[*taken].method.is_stepwise();
            let right = f64::from(u8::from(end.right));
            (
                Ended {
                    said: *said,
                    stepwise,
                    votes: f64::from(end.votes),
                    all: f64::from(end.all),
                    reward: end.score,
                },
                right,
            )
        })
        .unzip()
    }
}

/// A budget and what is done with it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The budget per problem, in the cost model's unit.
    pub budget: f64,
    /// What is done.
    pub decision: Decision,
    /// What it came to on problems that it was not fitted on.
    pub validated: Outcome,
    /// How sure one may be of the answer in the end.
    pub confidence: Confidence,
    /// How a total over many problems is spent, if not at one price or as each by itself; see [`Tuning::share`].
    pub shared: Option<Shared>,
    /// And without looking at the end: intercept and slope that turn the logit of the said chance into a calibrated one.
    pub calibration: [f64; 2],
}

/// A fitted strategy of one policy.
pub struct Tuned {
    /// One for each probe.
    pub predictors: Vec<Predictor>,
    /// By ascending budget.
    pub entries: Vec<Entry>,
}

/// What every chooser needs: evidence, what may be chosen, in which unit, and how problems are split.
pub struct Tuning<'a> {
    /// What is known.
    pub evidence: &'a Evidence,
    /// Which candidates may be chosen.
    pub allowed: Vec<usize>,
    /// The unit.
    pub cost_model: &'a CostModel,
    /// The fold of each problem.
    pub folds: Vec<usize>,
    /// Costs by themselves.
    pub plain: Vec<Vec<f64>>,
    probed: Vec<Vec<Vec<f64>>>,
    probes: Vec<Probe>,
}

impl<'a> Tuning<'a> {
    /// Deals the problems to folds and works out the costs.
    pub fn new(
        evidence: &'a Evidence,
        cost_model: &'a CostModel,
        allowed: Vec<usize>,
        count: usize,
        seed: u64,
    ) -> Self {
        let readers = |probe: &Probe| match probe {
            Probe::Votes => true,
            // A verifier reads the probe only if it is among what may be chosen.
            Probe::Verifier(number) => allowed.iter().any(|&c| {
                evidence.candidates[c].verifier.as_ref() == Some(&evidence.verifiers[*number].name)
            }),
        };
        let probes: Vec<Probe> = probes(evidence).into_iter().filter(readers).collect();
        let probed = probes
            .iter()
            .map(|&probe| costs(evidence, cost_model, Some(probe)));
        Self {
            evidence,
            folds: folds(evidence.problems, count, seed),
            plain: costs(evidence, cost_model, None),
            probed: probed.collect(),
            probes,
            cost_model,
            allowed,
        }
    }

    fn all(&self) -> Vec<usize> {
        (0..self.evidence.rows.len()).collect()
    }

    /// The rows of a fold, and all others.
    pub(super) fn split(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        let held = |row: &usize| self.folds[self.evidence.rows[*row].problem] == fold;
        self.all().into_iter().partition(held)
    }

    pub(super) fn fold_count(&self) -> usize {
        self.folds.iter().max().map_or(1, |most| most + 1)
    }

    /// Candidates without early stops: what the paper knows.
    pub fn classic(&self) -> Vec<usize> {
        let classic = |&c: &usize| self.evidence.candidates[c].stopping.is_none();
        self.allowed.iter().copied().filter(classic).collect()
    }

    /// Puts rows given fold by fold back in order.
    fn assembled(&self, mut parts: Vec<(usize, (usize, f64))>, costs: &[Vec<f64>]) -> Outcome {
        parts.sort_by_key(|part| part.0);
        let mut outcome = Outcome::default();
        for (row, (taken, said)) in parts {
            outcome.push(self.evidence, costs, row, taken, said);
        }
        outcome
    }

    /// The best fixed candidate by cross-validation: chosen on the other folds.
    pub fn fixed_validated(&self, allowed: &[usize], budget: f64) -> Option<Outcome> {
        let mut parts = Vec::new();
        for fold in 0..self.fold_count() {
            let (held, others) = self.split(fold);
            let taken = best_fixed(self.evidence, &self.plain, &others, allowed, budget)?;
            let said = others
                .iter()
                .map(|&row| self.evidence.rows[row].chances[taken]);
            let said = said.sum::<f64>() / others.len().max(1) as f64;
            parts.extend(held.into_iter().map(|row| (row, (taken, said))));
        }
        Some(self.assembled(parts, &self.plain))
    }

    /// The paper's chooser on the very problems it was fitted on.
    pub fn bands_in_sample(&self, budget: f64) -> Option<Outcome> {
        let by_band = self.by_band(&self.all(), budget);
        self.banded(self.all(), &by_band)
            .map(|parts| self.assembled(parts, &self.plain))
    }

    /// The paper's chooser with bands' choices made on the other folds; the bands themselves are still an oracle's.
    pub fn bands_validated(&self, budget: f64) -> Option<Outcome> {
        let mut parts = Vec::new();
        for fold in 0..self.fold_count() {
            let (held, others) = self.split(fold);
            parts.extend(self.banded(held, &self.by_band(&others, budget))?);
        }
        Some(self.assembled(parts, &self.plain))
    }

    /// The bands' choices on some rows.
    pub fn by_band(&self, rows: &[usize], budget: f64) -> [Option<usize>; 3] {
        best_by_band(self.evidence, &self.plain, rows, &self.classic(), budget)
    }

    fn banded(
        &self,
        rows: Vec<usize>,
        by_band: &[Option<usize>; 3],
    ) -> Option<Vec<(usize, (usize, f64))>> {
        let bands = bands(self.evidence);
        let any = by_band.iter().flatten().next().copied();
        rows.into_iter()
            .map(|row| {
                let taken = by_band[bands[self.evidence.rows[row].problem]].or(any)?;
                Some((row, (taken, f64::NAN)))
            })
            .collect()
    }

    /// What each problem would take who knew everything, at one price for all: the ceiling of any chooser.
    pub fn oracle(&self, budget: f64) -> Option<Outcome> {
        let rows = |of: &dyn Fn(usize, usize) -> f64| -> Vec<Vec<f64>> {
            let row = |row| self.allowed.iter().map(|&c| of(row, c)).collect();
            (0..self.evidence.rows.len()).map(row).collect()
        };
        let chances = rows(&|row, c| self.evidence.rows[row].chances[c]);
        let costs = rows(&|row, c| self.plain[row][c]);
        let price = multiplier(&chances, &costs, &costs, budget)?;
        let choice = |row: usize| {
            let place = best(&chances[row], &costs[row], price);
            (row, (self.allowed[place], 1.0))
        };
        let parts = (0..chances.len()).map(choice).collect();
        Some(self.assembled(parts, &self.plain))
    }

    fn predictor(&self, rows: &[usize], place: usize) -> Predictor {
        let (costs, probe) = (&self.probed[place], self.probes[place]);
        fit_predictor(self.evidence, costs, rows, &self.allowed, probe)
    }

    /// What is said of each row by predictors that have not seen its problem.
    pub(super) fn unseen(&self, place: usize) -> Vec<Predicted> {
        let mut said = vec![Predicted::default(); self.evidence.rows.len()];
        for fold in 0..self.fold_count() {
            let (held, others) = self.split(fold);
            let fitted = self.predictor(&others, place);
            for row in held {
                let features = row_features(fitted.probe, &self.evidence.rows[row]);
                said[row] = fitted.predict(&features);
            }
        }
        said
    }

    /// Fits predictors on all rows, and finds for each budget how to choose.
    pub fn fit(&self, budgets: &[f64]) -> Tuned {
        let all = self.all();
        let places = 0..self.probes.len();
        let said: Vec<Vec<Predicted>> = places.clone().map(|place| self.unseen(place)).collect();
        let entries = budgets.iter().filter_map(|&budget| {
            let mut best: Option<Entry> = None;
            let fixed = best_fixed(self.evidence, &self.plain, &all, &self.allowed, budget);
            let fixed = fixed.zip(self.fixed_validated(&self.allowed, budget));
            let fixed = fixed.map(|(taken, outcome)| (Decision::Always(taken), outcome));
            let predicted = places.clone().filter_map(|predictor| {
                let costs = &self.probed[predictor];
                let multiplier = priced(&said[predictor], costs, budget)?;
                let parts = said[predictor].iter().enumerate();
                let parts = parts
                    .map(|(row, said)| (row, said.choose(multiplier)))
                    .collect();
                let decision = Decision::Predicted {
                    predictor,
                    multiplier,
                };
                Some((decision, self.assembled(parts, costs)))
            });
            for (decision, validated) in fixed.into_iter().chain(predicted) {
                let better = |other: &Entry| validated.accuracy() > other.validated.accuracy();
                if best.as_ref().is_none_or(better) {
                    let (ended, right) = validated.ended(self.evidence);
                    let row = |row: &super::evidence::Row| self.folds[row.problem];
                    let folds: Vec<usize> = self.evidence.rows.iter().map(row).collect();
                    best = Some(Entry {
                        budget,
                        confidence: Confidence::fit(&ended, &right, &folds),
                        calibration: match decision {
                            // Said of all alike: it is the mean already.
                            Decision::Always(_) => [0.0, 1.0],
                            Decision::Predicted { .. } => calibrated(&validated),
                        },
                        decision,
                        validated,
                        shared: None,
                    });
                }
            }
            best
        });
        let entries = entries.collect();
        Tuned {
            predictors: places.map(|place| self.predictor(&all, place)).collect(),
            entries,
        }
    }
}

/// Intercept and slope of the logistic regression of being right on the logit of what was said (Platt 1999).
fn calibrated(outcome: &Outcome) -> [f64; 2] {
    let inputs: Vec<Vec<f64>> = outcome.said.iter().map(|&said| vec![logit(said)]).collect();
    match Linear::fit_logistic(&inputs, &outcome.chances).0.as_slice() {
        &[intercept, slope] => [intercept, slope],
        _ => [0.0, 1.0],
    }
}

/// A said chance, calibrated.
pub fn calibrate(said: f64, [intercept, slope]: [f64; 2]) -> f64 {
    logistic(intercept + slope * logit(said))
}

impl Tuned {
    /// What an entry comes to on other evidence, whose candidates are numbered alike.
    pub fn apply(&self, entry: &Entry, evidence: &Evidence, cost_model: &CostModel) -> Outcome {
        let mut outcome = Outcome::default();
        match entry.decision {
            Decision::Always(taken) => {
                let costs = costs(evidence, cost_model, None);
                let said = entry.validated.accuracy();
                for row in 0..evidence.rows.len() {
                    outcome.push(evidence, &costs, row, taken, said);
                }
            }
            Decision::Predicted {
                predictor,
                multiplier,
            } => {
                let predictor = &self.predictors[predictor];
                let costs = costs(evidence, cost_model, Some(predictor.probe));
                for (row, own) in evidence.rows.iter().enumerate() {
                    let predicted = predictor.predict(&row_features(predictor.probe, own));
                    let (taken, said) = predicted.choose(multiplier);
                    outcome.push(evidence, &costs, row, taken, said);
                }
            }
        }
        outcome
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::super::synthetic::{self, BIASED, GOOD};
    use super::*;

    #[test]
    fn nothing_of_a_held_out_problem_leaks_into_what_is_said_of_it() {
        let honest = synthetic::evidence(60, 3);
        let mut poisoned = synthetic::evidence(60, 3);
        let cost_model = synthetic::samples(&honest);
        let all = || (0..honest.candidates.len()).collect();
        let before = Tuning::new(&honest, &cost_model, all(), 5, 0);
        // The labels of one fold turn over.
        for row in &mut poisoned.rows {
            if before.folds[row.problem] == 2 {
                row.chances
                    .iter_mut()
                    .for_each(|chance| *chance = 1.0 - *chance);
            }
        }
        let after = Tuning::new(&poisoned, &cost_model, all(), 5, 0);
        let held = |row: &usize| before.folds[honest.rows[*row].problem] == 2;
        let rows = || (0..honest.rows.len()).filter(held);
        for place in 0..before.probes.len() {
            let (own, other) = (before.unseen(place), after.unseen(place));
            assert!(rows().all(|row| own[row].chances == other[row].chances));
            assert!((0..60).any(|row| own[row].chances != other[row].chances));
        }
        let taken = |tuning: &Tuning<'_>| {
            let fixed = tuning.fixed_validated(&tuning.allowed, 16.0).unwrap();
            let bands = tuning.bands_validated(16.0).unwrap();
            rows()
                .map(|row| (fixed.taken[row], bands.taken[row]))
                .collect::<Vec<_>>()
        };
        assert_eq!(taken(&before), taken(&after));
    }

    #[test]
    fn the_runs_of_a_problem_stay_in_one_fold_and_folds_are_even() {
        let dealt = crate::tuning::folds::folds(203, 5, 1);
        let sizes = (0..5).map(|fold| dealt.iter().filter(|own| **own == fold).count());
        assert!(sizes.into_iter().all(|size| size == 40 || size == 41));
        assert_ne!(dealt, crate::tuning::folds::folds(203, 5, 2));
    }

    #[test]
    fn a_biased_verifier_is_avoided_and_a_good_one_is_used() {
        let evidence = synthetic::evidence(80, 5);
        let unseen = synthetic::evidence(80, 6);
        let cost_model = synthetic::samples(&evidence);
        let of = |allowed: &dyn Fn(Option<&str>) -> bool| {
            let open = |c: &usize| allowed(evidence.candidates[*c].verifier.as_deref());
            let allowed = (0..evidence.candidates.len()).filter(open).collect();
            let tuned = Tuning::new(&evidence, &cost_model, allowed, 5, 0).fit(&[16.0]);
            let outcome = tuned.apply(&tuned.entries[0], &unseen, &cost_model);
            let with = |name: &str| {
                let verifier =
                    |c: &&usize| evidence.candidates[**c].verifier.as_deref() == Some(name);
                outcome.taken.iter().filter(verifier).count()
            };
            (with(GOOD), with(BIASED), outcome.accuracy())
        };
        let (_, harmed, accuracy) = of(&|verifier| verifier != Some(GOOD));
        assert_eq!(
            harmed, 0,
            "majority is better than a verifier that likes wrong answers"
        );
        let (helped, harmed, better) = of(&|_| true);
        assert!(helped > 0 && harmed == 0, "{helped} {harmed}");
        assert!(better >= accuracy && better > 0.99, "{better} {accuracy}");
    }

    #[test]
    fn a_strategy_spends_its_budget_where_it_helps_and_no_more() {
        let evidence = synthetic::evidence(100, 8);
        let unseen = synthetic::evidence(100, 9);
        let cost_model = synthetic::samples(&evidence);
        let votes = |c: &usize| evidence.candidates[*c].verifier.is_none();
        let allowed: Vec<usize> = (0..evidence.candidates.len()).filter(votes).collect();
        let tuning = Tuning::new(&evidence, &cost_model, allowed, 5, 0);
        let tuned = tuning.fit(&[8.0]);
        let entry = &tuned.entries[0];
        assert!(entry.validated.cost() <= 8.0 * 1.001);
        let outcome = tuned.apply(entry, &unseen, &cost_model);
        let fixed = tuning.fixed_validated(&tuning.classic(), 8.0).unwrap();
        assert!(
            outcome.accuracy() > fixed.accuracy(),
            "{} {}",
            outcome.accuracy(),
            fixed.accuracy()
        );
        let oracle = tuning.oracle(8.0).unwrap();
        assert!(oracle.accuracy() >= entry.validated.accuracy());
    }
}
