//! What the rule of selection makes of a verifier's rewards, in a stored study (arXiv 2502.06703, Table 2).

use outthink_core::method::MAJORITY;
use outthink_core::{AnyMethod, Selection};
use serde::Serialize;

use super::Measured;
use crate::analysis::{Analysis, Key};

/// Every rule on the solutions of one policy and method, at the study's largest budget.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sensitivity {
    /// Whose solutions.
    pub policy: String,
    /// How they were drawn.
    pub method: AnyMethod,
    /// N.
    pub budget: usize,
    /// Problems that it rests on.
    pub problems: usize,
    /// The rules, majority first.
    pub rules: Vec<Ruled>,
    /// The best rule by rewards minus the worst one, chosen on these problems.
    pub spread: Option<Spread>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ruled {
    /// Which.
    pub rule: String,
    /// Share of right answers.
    pub accuracy: Measured,
    /// What it has over the majority of the same solutions, paired; none for the majority itself.
    pub over_majority: Option<Measured>,
    /// What it has over the same rule with the verifier as it is, paired; only for a calibrated verifier beside which the study
    /// has the bare one.
    pub over_bare: Option<Measured>,
}

/// How much the rule matters.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The best rule.
    pub best: String,
    /// The worst.
    pub worst: String,
    /// Their paired difference.
    pub difference: Measured,
}

impl Analysis {
    /// The study's verifier of the same model without a calibration, for one that has one.
    pub(super) fn bare_twin(&self, verifier: usize) -> Option<usize> {
        let without = |at: usize| {
            let mut identity = self.study.verifiers[at].identity.clone();
            let calibration = identity.as_object_mut()?.remove("calibration");
            Some((identity, calibration.is_some()))
        };
        let (own, calibrated) = without(verifier)?;
        let is_twin = |&at: &usize| without(at).is_some_and(|(other, has)| !has && other == own);
        calibrated
            .then(|| (0..self.study.verifiers.len()).find(is_twin))
            .flatten()
    }

    /// Every policy and method of the study with this verifier.
    pub fn selection(&self, verifier: usize) -> Vec<Sensitivity> {
        let compared = self.study.compared_methods().into_iter();
        let methods: Vec<AnyMethod> = compared.filter(|own| own.needs_verifier()).collect();
        let policies = self.by_size().into_iter();
        policies
            .flat_map(|policy| {
                methods
                    .clone()
                    .into_iter()
                    .map(move |method| (policy, method))
            })
            .filter_map(|(policy, method)| self.sensitivity(policy, verifier, method))
            .collect()
    }

    fn sensitivity(
        &self,
        policy: usize,
        verifier: usize,
        method: AnyMethod,
    ) -> Option<Sensitivity> {
        // Of a pool only some samples may have its rewards: N is the largest that nine of ten of the problems reach.
        let reached = |budget: usize| {
            let key = self.key(policy, Some(verifier), method, budget);
            self.entry(&key).map_or(0, |own| own.problems)
        };
        let most = self.study.budgets.iter().map(|&n| reached(n)).max()?;
        let has = |budget: &&usize| reached(**budget) * 10 >= most * 9 && most > 0;
        let budget = *self.study.budgets.iter().rev().find(has)?;
        // The pool's own majority is no verifier's.
        let key = |verifier: usize, rule: Selection| -> Key {
            let method = match rule {
                Selection::Majority if method.takes_pool() => MAJORITY,
                _ => method,
            };
            self.key_by(policy, Some(verifier), method, budget, rule)
        };
        let twin = self.bare_twin(verifier);
        let majority = self.place(&key(verifier, Selection::Majority))?;
        let places: Vec<(Selection, usize)> = Selection::rewarded()
            .filter_map(|rule| Some((rule, self.place(&key(verifier, rule))?)))
            .collect();
        let bare = |rule| self.place(&key(twin?, rule));
        let scored = || {
            places
                .iter()
                .filter(|(rule, _)| *rule != Selection::Majority)
        };
        let by_accuracy = |a: &&(Selection, usize), b: &&(Selection, usize)| {
            let accuracy = |place: usize| self.entries[place].accuracy;
            accuracy(a.1).total_cmp(&accuracy(b.1))
        };
        let (best, worst) = (scored().max_by(by_accuracy)?, scored().min_by(by_accuracy)?);
        let mut pairs: Vec<(usize, usize)> = vec![(best.1, worst.1)];
        for &(rule, place) in &places {
            pairs.push((place, majority));
            pairs.push((place, bare(rule).unwrap_or(place)));
        }
        let mut differences = self.differences(&pairs).into_iter();
        let spread = Spread {
            best: best.0.to_string(),
            worst: worst.0.to_string(),
            difference: differences.next()?,
        };
        let runs = 0..self.study.seeds.len();
        let measured = |problem: &usize| {
            let mut runs = runs.clone();
            runs.any(|run| !self.values.get(*problem, run, best.1).is_nan())
        };
        let shared: Vec<usize> = (0..self.study.problems.len()).filter(measured).collect();
        let mut rules = Vec::with_capacity(places.len());
        for (rule, place) in places {
            let (over_majority, over_bare) = (differences.next()?, differences.next()?);
            let entry = &self.entries[place];
            // Majority has a value of every problem; beside a rule that has not, it is that of the same ones.
            let (value, interval) = match entry.problems > shared.len() {
                true => {
                    let (value, interval, _) = self.part(place, &shared);
                    (value, interval)
                }
                false => (entry.accuracy, entry.interval),
            };
            rules.push(Ruled {
                rule: rule.to_string(),
                accuracy: Measured { value, interval },
                over_majority: (rule != Selection::Majority).then_some(over_majority),
                over_bare: bare(rule).filter(|bare| *bare != place).map(|_| over_bare),
            });
        }
        Some(Sensitivity {
            policy: self.policy_name(policy),
            method,
            budget,
            problems: shared.len(),
            rules,
            spread: Some(spread),
        })
    }
}
