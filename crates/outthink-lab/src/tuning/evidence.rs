//! What a study says of one policy, run by run: how likely each candidate is to be right there, what it costs, and what a
//! probe would have seen.

use std::collections::HashMap;

use outthink_core::ModelInfo;
use outthink_strategy::{Candidate, Cost, CostModel, CostModelError, ProbeFeatures, Unit};
use rayon::prelude::*;

use super::reading::{Layout, Raw, read_votes, told};
use super::replay::Pool;
use crate::estimate::binomial::Factorials;
use crate::estimate::votes::Taken;
use crate::store::{Store, StoreError};
use crate::study::{Cell, Config, Study};

/// One run of one problem.
#[derive(Clone)]
pub struct Row {
    /// Index of the problem in the study.
    pub problem: usize,
    /// Index of the run.
    pub run: usize,
    /// The chance that each candidate is right.
    pub chances: Vec<f64>,
    /// What each costs.
    pub costs: Vec<Cost>,
    /// What each takes with the run's seed, and by how many votes.
    pub(super) ends: Vec<Taken>,
    /// What a probe costs, read by no verifier, then by each verifier of [`Evidence::verifiers`].
    pub probe_costs: Vec<Cost>,
    /// The first samples without rewards, then with those of each verifier.
    pub glimpses: Vec<Vec<ProbeFeatures>>,
    /// Share of right samples in the pool.
    pub pass: f64,
    /// For every pooled sample: answer class, correctness, and its share of the pool's tokens. Used when a budget is shared
    /// over problems.
    pub(super) pool: Pool,
}

impl Row {
    /// Puts the candidates that stood at these places here.
    fn arrange(&mut self, places: &[usize]) {
        self.chances = places.iter().map(|&place| self.chances[place]).collect();
        self.costs = places.iter().map(|&place| self.costs[place]).collect();
        self.ends = places.iter().map(|&place| self.ends[place]).collect();
    }
}

/// All rows of a policy.
#[derive(Clone)]
pub struct Evidence {
    /// The policy.
    pub policy: ModelInfo,
    /// The verifiers that may be chosen.
    pub verifiers: Vec<ModelInfo>,
    /// What may be chosen.
    pub candidates: Vec<Candidate>,
    /// The rows that have a value of every candidate.
    pub rows: Vec<Row>,
    /// How many problems the study has.
    pub problems: usize,
    /// How many runs of each.
    pub runs: usize,
    /// How many rows were left out because the study isn't finished there.
    pub missing: usize,
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The study has no such policy.
    #[error("study {study} has no policy `{policy}` (it has {known})")]
    NoPolicy {
        /// The study.
        study: String,
        /// What was asked for.
        policy: String,
        /// What there is.
        known: String,
    },
    /// Nothing to choose among.
    #[error("study {study} has no pool of samples of {policy}: run it with majority or best-of-n")]
    NoPool {
        /// The study.
        study: String,
        /// The policy.
        policy: String,
    },
    /// No run is complete.
    #[error("study {study} is not finished: no run of {policy} has all that is chosen among")]
    Unfinished {
        /// The study.
        study: String,
        /// The policy.
        policy: String,
    },
}

/// The names of the policies that have pools to choose from.
pub fn tunable(study: &Study) -> Vec<String> {
    let has = |index: usize| study.cells.iter().any(|cell| is_pool(cell, index));
    let named = study.policies.iter().enumerate();
    named
        .filter(|(index, _)| has(*index))
        .map(|(_, policy)| policy.name.clone())
        .collect()
}

fn is_pool(cell: &Cell, policy: usize) -> bool {
    cell.policy == policy && !cell.is_greedy() && matches!(cell.config(), Config::Pool { .. })
}

impl Evidence {
    /// Reads what a study says of a policy.
    pub fn of(study: &Study, store: &mut Store, policy: &str) -> Result<Self, EvidenceError> {
        Self::read(study, store, policy, None, None)
    }

    /// The same with the samples of each pool in another order.
    pub(super) fn shuffled(
        study: &Study,
        store: &mut Store,
        policy: &str,
        seed: u64,
    ) -> Result<Self, EvidenceError> {
        Self::read(study, store, policy, None, Some(seed))
    }

    /// Reads it for the candidates of other evidence, as far as the study has what they are made of.
    pub(super) fn like(
        other: &Self,
        study: &Study,
        store: &mut Store,
        policy: &str,
    ) -> Result<Self, EvidenceError> {
        Self::read(study, store, policy, Some(&other.candidates), None)
    }

    fn read(
        study: &Study,
        store: &mut Store,
        policy: &str,
        candidates: Option<&[Candidate]>,
        shuffle: Option<u64>,
    ) -> Result<Self, EvidenceError> {
        let names: Vec<&str> = study.policies.iter().map(|own| own.name.as_str()).collect();
        let index = names.iter().position(|own| *own == policy);
        let index = index.ok_or_else(|| EvidenceError::NoPolicy {
            study: study.name.clone(),
            policy: policy.to_owned(),
            known: names.join(", "),
        })?;
        let own: Vec<&Cell> = study.cells.iter().filter(|c| c.policy == index).collect();
        let usable = |cell: &Cell| cell.verifier.is_none_or(|v| !study.verifiers[v].oracle);
        let own: Vec<&Cell> = own.into_iter().filter(|cell| usable(cell)).collect();
        let pool = own.iter().copied().find(|cell| is_pool(cell, index));
        let (Some(pool), Some(draws)) = (pool, pool.and_then(draws)) else {
            return Err(EvidenceError::NoPool {
                study: study.name.clone(),
                policy: policy.to_owned(),
            });
        };
        let mut done = HashMap::new();
        let units = store.units(study)?;
        // Of another program's samples, as many as half of the problems have.
        let draws = match study.source {
            Some(_) => {
                let own = units.iter().filter(|unit| unit.cell == pool.hash());
                let mut sizes: Vec<u64> = own
                    .filter_map(|unit| Some(unit.took.as_ref()?.spent.draws))
                    .collect();
                sizes.sort_unstable();
                let middle = sizes.get((sizes.len().max(1) - 1) / 2);
                middle.map_or(draws, |&size| draws.min(size as usize))
            }
            None => draws,
        };
        let first = units
            .iter()
            .find(|unit| unit.cell == pool.hash() && unit.took.is_some());
        let told = match first {
            Some(unit) => told(store, unit.id)?,
            None => Vec::new(),
        };
        let layout = Layout::new(study, &own, pool, draws, &told, candidates);
        for unit in units {
            if unit.took.is_some() {
                done.insert((unit.cell.clone(), unit.number, unit.seed), unit);
            }
        }
        let mut rows = Vec::new();
        let mut missing = 0;
        for problem in 0..study.problems.len() {
            let mut read = Vec::new();
            for (run, &seed) in study.seeds.iter().enumerate() {
                let first = study.seeds.first().copied().unwrap_or(seed);
                let unit = |cell: &Cell| {
                    let seed = if cell.is_greedy() { first } else { seed };
                    done.get(&(cell.hash().to_owned(), problem, seed))
                };
                match layout.read(store, (problem, run), &unit, shuffle)? {
                    Some(row) => read.push(row),
                    None => missing += 1,
                }
            }
            // The candidates are replayed on all cores, a problem at a time.
            let finish = |raw: Raw| layout.row(raw);
            rows.extend(read.into_par_iter().map(finish).collect::<Vec<_>>());
        }
        if rows.is_empty() {
            return Err(EvidenceError::Unfinished {
                study: study.name.clone(),
                policy: policy.to_owned(),
            });
        }
        Ok(Self {
            policy: study.policies[index].clone(),
            verifiers: layout
                .verifiers
                .iter()
                .map(|&v| study.verifiers[v].clone())
                .collect(),
            candidates: layout.candidates,
            rows,
            problems: study.problems.len(),
            runs: study.seeds.len(),
            missing,
        })
    }

    /// Where a candidate stands.
    pub fn place(&self, candidate: &Candidate) -> Option<usize> {
        self.candidates.iter().position(|own| own == candidate)
    }

    /// The candidates in another order, or fewer; none if one isn't here.
    pub fn arranged(mut self, candidates: &[Candidate]) -> Option<Self> {
        let places: Option<Vec<usize>> = candidates.iter().map(|own| self.place(own)).collect();
        let places = places?;
        for row in &mut self.rows {
            row.arrange(&places);
        }
        self.candidates = candidates.to_vec();
        Some(self)
    }

    /// The place of a candidate with one of two verifiers where the other stands in it.
    pub(super) fn twin(&self, place: usize, a: usize, b: usize) -> usize {
        let [first, second] = [a, b].map(|own| &self.verifiers[own].name);
        let mut twin = self.candidates[place].clone();
        if let Some(name) = &mut twin.verifier {
            if name == first {
                name.clone_from(second);
            } else if name == second {
                name.clone_from(first);
            }
        }
        self.place(&twin).unwrap_or(place)
    }

    /// The same where two verifiers have changed places: what is said of one is what the other did.
    pub(super) fn swapped(&self, a: usize, b: usize) -> Self {
        let twin = |place| self.twin(place, a, b);
        let places: Vec<usize> = (0..self.candidates.len()).map(twin).collect();
        let mut rows = self.rows.clone();
        for row in &mut rows {
            row.arrange(&places);
            row.glimpses.swap(a + 1, b + 1);
            row.probe_costs.swap(a + 1, b + 1);
        }
        Self {
            policy: self.policy.clone(),
            verifiers: self.verifiers.clone(),
            candidates: self.candidates.clone(),
            rows,
            ..*self
        }
    }

    /// The price list in a unit.
    pub fn cost_model(&self, unit: Unit) -> Result<CostModel, CostModelError> {
        CostModel::new(unit, &self.policy, &self.verifiers)
    }
}

fn draws(cell: &Cell) -> Option<usize> {
    match cell.config() {
        Config::Pool { draws, .. } => Some(*draws),
        _ => None,
    }
}

/// Chain of thought of every policy of a study that has it: by problem, and its full FLOPs on average.
pub fn chains_of_thought(
    study: &Study,
    store: &mut Store,
) -> Result<Vec<(String, Vec<f64>, f64)>, StoreError> {
    let units = store.units(study)?;
    let mut found = Vec::new();
    for cell in study.cells.iter().filter(|cell| cell.is_greedy()) {
        let policy = &study.policies[cell.policy];
        let Some(shape) = policy.cost else { continue };
        let mut rights = vec![f64::NAN; study.problems.len()];
        let mut flops = 0.0;
        for unit in units.iter().filter(|unit| unit.cell == cell.hash()) {
            let Some(took) = &unit.took else { continue };
            let right = read_votes(store, unit.id)?
                .first()
                .is_some_and(|vote| vote.right);
            rights[unit.number] = f64::from(u8::from(right));
            let (work, _) = took.spent.at(1, &Factorials::to(took.spent.draws));
            flops += shape.full_flops(work);
        }
        let done = rights.iter().filter(|right| !right.is_nan()).count();
        if done == rights.len() {
            found.push((policy.name.clone(), rights, flops / done.max(1) as f64));
        }
    }
    Ok(found)
}
