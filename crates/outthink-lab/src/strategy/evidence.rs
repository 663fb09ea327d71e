//! What a study says of one policy, run by run: how likely each candidate is to be right there, what it costs, and what a
//! probe would have seen.

use std::collections::{BTreeMap, HashMap};

use outthink_core::{Method, Selection, Voting};
use rayon::prelude::*;

use super::candidate::Candidate;
use super::features::Glimpse;
use super::replay::{Pool, Replayed};
use super::stopping::{PROBE, Stopping};
use super::tariff::Tariff;
use crate::analysis::with_rewards;
use crate::binomial::Factorials;
use crate::spent::Expected;
use crate::store::{Store, StoreError};
use crate::study::{Cell, Config, ModelInfo, Study};
use crate::votes::{Taken, Tally, Vote, numbered};

/// What something costs, by every measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Solutions' worth of draws.
    pub samples: f64,
    /// The policy's work.
    pub policy: Expected,
    /// The verifier's work.
    pub verifier: Expected,
    /// The policy's seconds, as its study took them.
    pub policy_seconds: f64,
    /// The verifier's.
    pub verifier_seconds: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.samples += other.samples;
        self.policy += other.policy;
        self.verifier += other.verifier;
        self.policy_seconds += other.policy_seconds;
        self.verifier_seconds += other.verifier_seconds;
    }
}

impl Cost {
    /// A fraction of it.
    pub fn scaled(self, by: f64) -> Self {
        Self {
            samples: self.samples * by,
            policy: self.policy.scaled(by),
            verifier: self.verifier.scaled(by),
            policy_seconds: self.policy_seconds * by,
            verifier_seconds: self.verifier_seconds * by,
        }
    }
}

/// One run of one problem.
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
    pub glimpses: Vec<Vec<Glimpse>>,
    /// Share of right samples in the pool.
    pub pass: f64,
    /// The pool, answer class by sample, with whether it is right and its tokens' share: for allocation over problems.
    pub(super) pool: Pool,
}

/// All rows of a policy.
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

/// Confidences and risks of early stops that may be chosen.
const STOPS: [Stopping; 5] = [
    Stopping::Beta(0.8),
    Stopping::Beta(0.9),
    Stopping::Beta(0.95),
    Stopping::Beta(0.99),
    Stopping::Certified(0.1),
];

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
        let layout = Layout::new(study, &own, pool, draws);
        let mut done = HashMap::new();
        for unit in store.units(&study.name)? {
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
                match layout.read(store, (problem, run), &unit)? {
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
            row.chances = places.iter().map(|&place| row.chances[place]).collect();
            row.costs = places.iter().map(|&place| row.costs[place]).collect();
            row.ends = places.iter().map(|&place| row.ends[place]).collect();
        }
        self.candidates = candidates.to_vec();
        Some(self)
    }

    /// The price list in a unit.
    pub fn tariff(&self, unit: super::tariff::Unit) -> Result<Tariff, super::tariff::TariffError> {
        Tariff::new(unit, &self.policy, &self.verifiers)
    }
}

fn draws(cell: &Cell) -> Option<usize> {
    match cell.config() {
        Config::Pool { draws, .. } => Some(*draws),
        _ => None,
    }
}

/// Which cells hold what.
struct Layout<'a> {
    candidates: Vec<Candidate>,
    verifiers: Vec<usize>,
    names: Vec<String>,
    pool: &'a Cell,
    greedy: Option<&'a Cell>,
    scores: Vec<&'a Cell>,
    searches: Vec<&'a Cell>,
}

/// What a search takes by rule, and its cost.
type Searched = (Vec<Taken>, Cost);

/// What was read for one row.
struct Raw {
    problem: usize,
    run: usize,
    pool: Pool,
    /// The first samples' tokens and log-probabilities.
    first: Vec<(usize, f64)>,
    /// By verifier: the first samples' rewards.
    rewards: Vec<Vec<Vec<f64>>>,
    greedy: Option<Replayed>,
    searches: Vec<Searched>,
}

impl<'a> Layout<'a> {
    fn new(study: &Study, own: &[&'a Cell], pool: &'a Cell, draws: usize) -> Self {
        let scores: Vec<&Cell> = own
            .iter()
            .copied()
            .filter(
                |cell| matches!(cell.config(), Config::Score { pool: of, .. } if of == pool.hash()),
            )
            .collect();
        let searches: Vec<&Cell> = own
            .iter()
            .copied()
            .filter(|cell| matches!(cell.config(), Config::Search { .. }))
            .collect();
        let greedy = own.iter().copied().find(|cell| cell.is_greedy());
        let verifiers: Vec<usize> = scores.iter().filter_map(|cell| cell.verifier).collect();
        let name = |v: usize| study.verifiers[v].name.clone();
        let names: Vec<String> = verifiers.iter().map(|&v| name(v)).collect();
        let powers = (0..usize::BITS).map(|power| 1usize << power);
        let mut budgets: Vec<usize> = powers.take_while(|&n| n <= draws).collect();
        budgets.extend(study.budgets.iter().copied().filter(|&n| n <= draws));
        budgets.sort_unstable();
        budgets.dedup();
        let one = |method, budget, selection| Candidate {
            method,
            budget,
            width: None,
            selection,
            verifier: None,
            stopping: None,
        };
        let mut candidates = Vec::new();
        if greedy.is_some() {
            candidates.push(one(Method::Cot, 1, Selection::Majority));
        }
        for &budget in &budgets {
            let vote = one(Method::Majority, budget, Selection::Majority);
            candidates.push(vote.clone());
            if budget > PROBE {
                candidates.extend(STOPS.map(|stop| Candidate {
                    stopping: Some(stop),
                    ..vote.clone()
                }));
            }
        }
        for name in &names {
            for &budget in budgets.iter().filter(|&&n| n > 1) {
                for rule in Selection::all().filter(|rule| *rule != Selection::Majority) {
                    let scored = Candidate {
                        verifier: Some(name.clone()),
                        ..one(Method::BestOfN, budget, rule)
                    };
                    candidates.push(scored.clone());
                    if budget > PROBE && matches!(rule, Selection::Scored(_, Voting::Vote)) {
                        candidates.extend([STOPS[1], STOPS[2], STOPS[3]].map(|stop| Candidate {
                            stopping: Some(stop),
                            ..scored.clone()
                        }));
                    }
                }
            }
        }
        for cell in &searches {
            if let (Config::Search { plan, .. }, Some(v)) = (cell.config(), cell.verifier) {
                candidates.extend(Selection::all().map(|rule| Candidate {
                    width: Some(plan.width()),
                    verifier: Some(name(v)),
                    ..one(plan.method(), plan.budget(), rule)
                }));
            }
        }
        Self {
            candidates,
            verifiers,
            names,
            pool,
            greedy,
            scores,
            searches,
        }
    }

    fn read<'u>(
        &self,
        store: &mut Store,
        (problem, run): (usize, usize),
        unit: &dyn Fn(&Cell) -> Option<&'u crate::store::UnitRow>,
    ) -> Result<Option<Raw>, StoreError> {
        let cells = self.scores.iter().chain(&self.searches);
        let all = cells
            .chain(self.greedy.iter())
            .all(|cell| unit(cell).is_some());
        let Some((row, took)) = unit(self.pool).and_then(|row| Some((row, row.took.as_ref()?)))
        else {
            return Ok(None);
        };
        if !all {
            return Ok(None);
        }
        let plain: Vec<Vote> = votes(store, row.id)?;
        let mut pool = Pool {
            plain,
            spent: took.spent.clone(),
            seconds: took.seconds,
            scored: BTreeMap::new(),
            seed: row.id as u64,
        };
        let first = store.first_drawn(row.id, PROBE)?;
        let mut first_rewards = Vec::new();
        for (cell, name) in self.scores.iter().zip(&self.names) {
            let Some((row, took)) = unit(cell).and_then(|row| Some((row, row.took.as_ref()?)))
            else {
                return Ok(None);
            };
            let rewards = store.rewards(row.id)?;
            let mut firsts = vec![Vec::new(); PROBE.min(pool.plain.len())];
            for (number, rewards) in &rewards {
                if let Some(first) = firsts.get_mut(*number) {
                    first.clone_from(rewards);
                }
            }
            first_rewards.push(firsts);
            let votes = with_rewards(pool.plain.clone(), rewards);
            let of = (votes, took.spent.clone(), took.seconds);
            pool.scored.insert(name.clone(), of);
        }
        let greedy = match self.greedy.and_then(unit) {
            Some(row) => {
                let vote = votes(store, row.id)?.first().copied().unwrap_or_default();
                let voices = u32::from(vote.class.is_some());
                let took = row.took.clone();
                took.map(|took| {
                    let (policy, _) = took.spent.at(1, &Factorials::to(took.spent.draws));
                    let cost = Cost {
                        samples: 1.0,
                        policy,
                        policy_seconds: took.seconds,
                        ..Cost::default()
                    };
                    let end = Taken {
                        right: vote.right,
                        votes: voices,
                        all: voices,
                    };
                    sure(end, cost)
                })
            }
            None => None,
        };
        let mut searches = Vec::new();
        for cell in &self.searches {
            if let (Some(row), Config::Search { plan, .. }) = (unit(cell), cell.config()) {
                searches.push(search(store, row, plan.budget())?);
            }
        }
        Ok(Some(Raw {
            problem,
            run,
            pool,
            first,
            rewards: first_rewards,
            greedy,
            searches,
        }))
    }

    fn row(&self, raw: Raw) -> Row {
        let Raw {
            problem,
            run,
            pool,
            first,
            rewards,
            greedy,
            searches,
        } = raw;
        let whole: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|c| c.reuses_probe())
            .collect();
        let mut replayed = pool.replay(&whole).into_iter();
        let mut searched = searches
            .into_iter()
            .flat_map(|(taken, cost)| taken.into_iter().map(move |end| sure(end, cost)));
        let values = self.candidates.iter().map(|candidate| {
            let value = match candidate.method {
                Method::Cot => greedy,
                _ if candidate.reuses_probe() => replayed.next(),
                _ => searched.next(),
            };
            value.unwrap_or(Replayed {
                chance: f64::NAN,
                cost: Cost::default(),
                end: Taken::default(),
            })
        });
        let values: Vec<Replayed> = values.collect();
        let factorials = Factorials::to(pool.plain.len() as u64);
        let seen = PROBE.min(pool.plain.len());
        let readers = || std::iter::once(None).chain(self.names.iter().map(|n| Some(n.as_str())));
        let probe_costs = readers()
            .map(|reader| pool.cost(reader, seen, &factorials))
            .collect();
        let none = vec![Vec::new(); seen];
        let glimpses = std::iter::once(&none).chain(&rewards).map(|rewards| {
            let samples = pool.plain.iter().zip(&first).zip(rewards);
            samples
                .map(|((vote, &(tokens, logprob)), rewards)| Glimpse {
                    class: vote.class,
                    tokens,
                    logprob,
                    rewards: rewards.clone(),
                })
                .collect()
        });
        let glimpses = glimpses.collect();
        let right = pool.plain.iter().filter(|vote| vote.right).count();
        Row {
            problem,
            run,
            chances: values.iter().map(|own| own.chance).collect(),
            costs: values.iter().map(|own| own.cost).collect(),
            ends: values.iter().map(|own| own.end).collect(),
            probe_costs,
            glimpses,
            pass: right as f64 / pool.plain.len().max(1) as f64,
            pool,
        }
    }
}

/// One outcome, without any chance in it.
fn sure(end: Taken, cost: Cost) -> Replayed {
    Replayed {
        chance: f64::from(u8::from(end.right)),
        cost,
        end,
    }
}

fn votes(store: &mut Store, unit: i64) -> Result<Vec<Vote>, StoreError> {
    let verdicts = store.verdicts(unit)?.into_iter();
    let vote = |(_, class, right)| Vote {
        class,
        right,
        scores: None,
    };
    Ok(verdicts.map(vote).collect())
}

fn search(
    store: &mut Store,
    unit: &crate::store::UnitRow,
    budget: usize,
) -> Result<Searched, StoreError> {
    let solutions = store.verdicts(unit.id)?;
    let counts: Vec<usize> = solutions.iter().map(|(draws, ..)| *draws).collect();
    let voted = with_rewards(votes(store, unit.id)?, store.rewards(unit.id)?);
    // A solution votes once for each draw that led to it.
    let voted: Vec<Vote> = voted
        .into_iter()
        .zip(counts)
        .flat_map(|(vote, draws)| std::iter::repeat_n(vote, draws))
        .collect();
    let (voted, classes) = numbered(&voted);
    let mut tally = Tally::new(classes);
    tally.count(&voted, &(0..voted.len()).collect::<Vec<usize>>());
    let taken = Selection::all().map(|rule| tally.taken(rule)).collect();
    let mut cost = Cost {
        samples: budget as f64,
        ..Cost::default()
    };
    if let Some(took) = &unit.took {
        let draws = took.spent.draws;
        let (policy, verifier) = took.spent.at(draws, &Factorials::to(draws));
        (cost.policy, cost.verifier) = (policy, verifier);
        cost.policy_seconds = took.seconds;
    }
    Ok((taken, cost))
}

/// Chain of thought of every policy of a study that has it: by problem, and its full FLOPs on average.
pub fn chains_of_thought(
    study: &Study,
    store: &mut Store,
) -> Result<Vec<(String, Vec<f64>, f64)>, StoreError> {
    let units = store.units(&study.name)?;
    let mut found = Vec::new();
    for cell in study.cells.iter().filter(|cell| cell.is_greedy()) {
        let policy = &study.policies[cell.policy];
        let Some(shape) = policy.cost else { continue };
        let mut rights = vec![f64::NAN; study.problems.len()];
        let mut flops = 0.0;
        for unit in units.iter().filter(|unit| unit.cell == cell.hash()) {
            let Some(took) = &unit.took else { continue };
            let right = votes(store, unit.id)?
                .first()
                .is_some_and(|vote| vote.right);
            rights[unit.number] = f64::from(u8::from(right));
            let (work, _) = took.spent.at(1, &Factorials::to(took.spent.draws));
            flops += work.full_flops(&shape, policy.active_parameters);
        }
        let done = rights.iter().filter(|right| !right.is_nan()).count();
        if done == rights.len() {
            found.push((policy.name.clone(), rights, flops / done.max(1) as f64));
        }
    }
    Ok(found)
}
