//! What is read of a study's units: by policy, verifier, method, budget and rule a column of chances with what they cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_core::method::{COT, MAJORITY};
use outthink_core::{AnyMethod, Expected, Selection};
use rayon::prelude::*;

use super::{Choice, Cost, Key, Rule};
use crate::estimate::binomial::Factorials;
use crate::estimate::spent::Spent;
use crate::estimate::votes::{
    Chance, GradedSample, ceiling, chances, chances_in_any_order, told_rules, with_rewards,
    with_told,
};
use crate::store::{Store, StoreError, UnitRow};
use crate::study::{Cell, Config, Study};

/// Values and costs of one key while they are collected.
#[derive(Default)]
pub(super) struct Column {
    /// Problem, run, chance.
    pub(super) chances: Vec<(usize, usize, Chance)>,
    cost: Cost,
    costed: usize,
    /// By run: how much its absence changes the chances.
    without: Vec<Deviation>,
}

/// What the absence of a run changes, over problems.
#[derive(Clone, Copy, Default)]
struct Deviation {
    sum: f64,
    squares: f64,
    count: usize,
}

impl Column {
    pub(super) fn mean_cost(&self) -> Option<Cost> {
        let share = 1.0 / self.costed as f64;
        (self.costed > 0).then(|| Cost {
            policy: self.cost.policy.scaled(share),
            verifier: self.cost.verifier.scaled(share),
        })
    }

    /// What runs add to the variance of the mean that a bootstrap over problems does not see: what samples of one run share in
    /// every problem, such as a setting. It is the jackknife that leaves out one run at a time, less what would be there if the runs
    /// had nothing in common from problem to problem (two-way clusters: Cameron, Gelbach and Miller 2011).
    pub(super) fn variance_of_runs(&self) -> f64 {
        let runs = self.without.len() as f64;
        let problems = self.without.iter().map(|own| own.count).max();
        let problems = problems.unwrap_or_default() as f64;
        if runs < 2.0 || problems < 2.0 {
            return 0.0;
        }
        let shared = |own: &Deviation| (own.sum * own.sum - own.squares) / (problems * problems);
        let together: f64 = self.without.iter().map(shared).sum();
        (together * (runs - 1.0) / runs).max(0.0)
    }
}

/// Sorted as the tables show it.
pub(super) type Order = (usize, AnyMethod, usize, usize, usize, Rule);

fn order(key: &Key) -> Order {
    let verifier = key.verifier.map_or(0, |number| number + 1);
    let width = key.width.unwrap_or_default();
    (
        key.policy, key.method, verifier, width, key.budget, key.rule,
    )
}

pub(super) struct Collected<'a> {
    study: &'a Study,
    pub(super) columns: BTreeMap<Order, (Key, Column)>,
    /// Pass@1 by policy and problem: sum and number of runs.
    pub(super) pass: Vec<Vec<(f64, usize)>>,
    /// Share of the commonest answer among the first few samples, by policy and problem.
    pub(super) agreement: Vec<Vec<(f64, usize)>>,
}

/// A pool's cell, problem and seed.
type PoolId<'a> = (&'a str, usize, u64);

/// Pools that are read before they are worked on together.
const BATCH: usize = 64;

/// Runs of another program that are left out one at a time; more of them are left out in so many groups.
const RUNS: usize = 16;

/// One pool with the rewards of each verifier, read.
struct Pool {
    /// May samples lack rewards that nobody asked for? Then they say nothing of a rule that needs them.
    partial: bool,
    /// Of each sample the run that it is from, where another program drew them in several.
    runs: Vec<Option<usize>>,
    cell: usize,
    problem: usize,
    run: usize,
    seed: u64,
    spent: Spent,
    votes: Vec<GradedSample>,
    /// The rules that have something to go by without a verifier, beside majority.
    told: Vec<Selection>,
    scored: Vec<(usize, Spent, Vec<GradedSample>)>,
}

impl Pool {
    /// What the samples that are kept make of each budget.
    fn curves(
        &self,
        kept: &dyn Fn(usize) -> bool,
        budgets: &[usize],
        rules: &[Selection],
        factorials: &Factorials,
    ) -> Curves {
        let those = |votes: &[GradedSample]| -> Vec<GradedSample> {
            let numbered = votes.iter().enumerate();
            numbered
                .filter(|(number, _)| kept(*number))
                .map(|(_, vote)| vote.clone())
                .collect()
        };
        let of = |votes: &[GradedSample], rules: &[Selection]| {
            // How another program sorted its samples is its business.
            let of = if self.partial {
                chances_in_any_order
            } else {
                chances
            };
            of(votes, rules, budgets, self.seed, factorials)
        };
        let votes = those(&self.votes);
        let majority = of(&votes, &[Selection::Majority]);
        Curves {
            without: Vec::new(),
            ceiling: ceiling(&votes, budgets, factorials),
            majority: majority.into_iter().next().unwrap_or_default(),
            told: of(&votes, &self.told),
            scored: self
                .scored
                .iter()
                .map(|(verifier, _, votes)| {
                    let mut votes = those(votes);
                    votes.retain(|vote| !self.partial || vote.scores.is_some());
                    // No curve of nothing.
                    let curves = match votes.is_empty() {
                        true => vec![Vec::new(); rules.len()],
                        false => of(&votes, rules),
                    };
                    (*verifier, curves)
                })
                .collect(),
        }
    }

    /// How many samples a rule has that needs the rewards of a verifier.
    fn rewarded(&self, votes: &[GradedSample]) -> usize {
        let has = |vote: &&GradedSample| !self.partial || vote.scores.is_some();
        votes.iter().filter(has).count()
    }

    /// The same without the samples of each run. Budgets are at most half of what is left whichever run is left out: the vote of all
    /// samples is no smooth function of them, and would make much of little.
    fn without(
        &self,
        budgets: &[usize],
        rules: &[Selection],
        factorials: &Factorials,
    ) -> Vec<Curves> {
        let Some(last) = self.runs.iter().flatten().max() else {
            return Vec::new();
        };
        let count = |run: usize| self.runs.iter().filter(|own| **own == Some(run)).count();
        let largest = (0..=*last).map(count).max().unwrap_or_default();
        let left = self.votes.len() - largest;
        if left == 0 {
            return Vec::new();
        }
        let most = (left / 2).max(1);
        let budgets: Vec<usize> = budgets.iter().map(|&n| n.min(most)).collect();
        let one = |run: usize| {
            let kept = |number: usize| self.runs[number] != Some(run);
            self.curves(&kept, &budgets, rules, factorials)
        };
        (0..=*last).map(one).collect()
    }
}

/// The curves of a pool.
#[derive(Default)]
struct Curves {
    /// The same without the samples of each run.
    without: Vec<Self>,
    ceiling: Vec<Chance>,
    majority: Vec<Chance>,
    told: Vec<Vec<Chance>>,
    scored: Vec<(usize, Vec<Vec<Chance>>)>,
}

impl<'a> Collected<'a> {
    pub(super) fn new(study: &'a Study) -> Self {
        let none = vec![vec![(0.0, 0); study.problems.len()]; study.policies.len()];
        Self {
            study,
            columns: BTreeMap::new(),
            pass: none.clone(),
            agreement: none,
        }
    }

    fn note(&mut self, key: Key, problem: usize, run: usize, chance: Chance, cost: Cost) {
        let (_, column) = self
            .columns
            .entry(order(&key))
            .or_insert_with(|| (key, Column::default()));
        column.chances.push((problem, run, chance));
        // Nothing is drawn for nothing: no tokens are tokens that nobody told.
        if cost.policy.generated > 0.0 {
            column.cost.policy += cost.policy;
            column.cost.verifier += cost.verifier;
            column.costed += 1;
        }
    }

    /// What the chances are without each run's samples, of one problem.
    fn note_without(&mut self, key: Key, chances: &[f64]) {
        let (_, column) = self
            .columns
            .entry(order(&key))
            .or_insert_with(|| (key, Column::default()));
        let mean = chances.iter().sum::<f64>() / chances.len() as f64;
        if column.without.len() < chances.len() {
            column.without.resize(chances.len(), Deviation::default());
        }
        for (own, chance) in column.without.iter_mut().zip(chances) {
            let change = chance - mean;
            own.sum += change;
            own.squares += change * change;
            own.count += 1;
        }
    }

    fn run_of(&self, seed: u64) -> Option<usize> {
        self.study.seeds.iter().position(|own| *own == seed)
    }

    pub(super) fn pools(&mut self, store: &mut Store, units: &[UnitRow]) -> Result<(), StoreError> {
        let cells: HashMap<&str, usize> = self
            .study
            .cells
            .iter()
            .enumerate()
            .map(|(index, cell)| (cell.hash(), index))
            .collect();
        // Scores by pool cell, problem and seed.
        let mut scores: HashMap<PoolId<'_>, Vec<(usize, &UnitRow)>> = HashMap::new();
        for unit in units.iter().filter(|unit| unit.took.is_some()) {
            let cell = cells
                .get(unit.cell.as_str())
                .map(|&index| &self.study.cells[index]);
            if let Some(cell) = cell
                && let (Config::Score { pool, .. }, Some(verifier)) = (cell.config(), cell.verifier)
            {
                let of = (pool.as_str(), unit.number, unit.seed);
                scores.entry(of).or_default().push((verifier, unit));
            }
        }
        let mut runs: HashMap<(usize, String), usize> = HashMap::new();
        let mut batch = Vec::with_capacity(BATCH);
        for unit in units {
            let Some(&cell) = cells.get(unit.cell.as_str()) else {
                continue;
            };
            if !matches!(self.study.cells[cell].config(), Config::Pool { .. }) {
                continue;
            }
            let (Some(took), Some(run)) = (&unit.took, self.run_of(unit.seed)) else {
                continue;
            };
            let votes: Vec<GradedSample> = store
                .verdicts(unit.id)?
                .into_iter()
                .map(|(_, class, right)| GradedSample {
                    class,
                    right,
                    ..GradedSample::default()
                })
                .collect();
            if votes.is_empty() || votes.len() as u64 != took.spent.draws {
                return Err(StoreError::Malformed(format!(
                    "{} samples in unit {}, which drew {}",
                    votes.len(),
                    unit.id,
                    took.spent.draws
                )));
            }
            // Nobody votes over one greedy sample.
            let (votes, told) = match self.study.cells[cell].is_greedy() {
                true => (votes, Vec::new()),
                false => {
                    let (stats, lengths) = (store.token_stats(unit.id)?, store.lengths(unit.id)?);
                    let votes = with_told(votes, stats, &lengths);
                    let told = told_rules(&votes);
                    (votes, told)
                }
            };
            let mut scored = Vec::new();
            let of = (unit.cell.as_str(), unit.number, unit.seed);
            for (verifier, score) in scores.get(&of).into_iter().flatten() {
                let Some(took) = &score.took else { continue };
                let votes = with_rewards(votes.clone(), store.rewards(score.id)?);
                scored.push((*verifier, took.spent.clone(), votes));
            }
            let of_runs = match self.study.source {
                Some(_) => {
                    let policy = self.study.cells[cell].policy;
                    let mut of_runs = vec![None; votes.len()];
                    for (number, told) in store.told(unit.id)? {
                        let next = runs.keys().filter(|(own, _)| *own == policy).count();
                        let place = told
                            .run
                            .map(|run| *runs.entry((policy, run)).or_insert(next));
                        if let Ok(number) = usize::try_from(number)
                            && let Some(own) = of_runs.get_mut(number)
                        {
                            *own = place.map(|place| place % RUNS);
                        }
                    }
                    of_runs
                }
                None => Vec::new(),
            };
            batch.push(Pool {
                partial: self.study.source.is_some(),
                runs: of_runs,
                cell,
                problem: unit.number,
                run,
                seed: unit.id as u64,
                spent: took.spent.clone(),
                votes,
                told,
                scored,
            });
            if batch.len() == BATCH {
                self.work(std::mem::take(&mut batch))?;
            }
        }
        self.work(batch)
    }

    fn work(&mut self, batch: Vec<Pool>) -> Result<(), StoreError> {
        let rules: Vec<Selection> = Selection::rewarded()
            .filter(|rule| *rule != Selection::Majority)
            .collect();
        let largest = batch
            .iter()
            .map(|pool| pool.votes.len())
            .max()
            .unwrap_or_default();
        let factorials = Factorials::to(largest as u64);
        let budgets: Vec<Vec<usize>> = batch
            .iter()
            .map(|pool| budgets(self.study, pool.votes.len()))
            .collect();
        let curves: Vec<Curves> = batch
            .par_iter()
            .zip(&budgets)
            .map(|(pool, budgets)| {
                let whole = pool.curves(&|_| true, budgets, &rules, &factorials);
                Curves {
                    without: pool.without(budgets, &rules, &factorials),
                    ..whole
                }
            })
            .collect();
        for ((pool, budgets), curves) in batch.into_iter().zip(budgets).zip(curves) {
            self.note_pool(&pool, &budgets, &curves, &rules, &factorials)?;
        }
        Ok(())
    }

    fn note_pool(
        &mut self,
        pool: &Pool,
        budgets: &[usize],
        curves: &Curves,
        rules: &[Selection],
        factorials: &Factorials,
    ) -> Result<(), StoreError> {
        let at = |curve: &[Chance], place: usize| {
            let chance = curve.get(place).copied();
            chance.ok_or_else(|| {
                StoreError::Malformed(format!("a pool {} that ends too early", pool.seed))
            })
        };
        let study = self.study;
        let cell = &study.cells[pool.cell];
        let key = |method, verifier, budget, rule| Key {
            policy: cell.policy,
            verifier,
            method,
            width: None,
            budget,
            rule,
        };
        let majority = Rule::Chosen(Choice(Selection::Majority));
        if cell.is_greedy() {
            let (policy, _) = pool.spent.at(1, factorials);
            let cost = Cost {
                policy,
                verifier: Expected::default(),
            };
            let chance = at(&curves.majority, 0)?;
            for run in 0..self.study.seeds.len() {
                let key = key(COT, None, 1, majority);
                self.note(key, pool.problem, run, chance, cost);
            }
            return Ok(());
        }
        let right = pool.votes.iter().filter(|vote| vote.right).count();
        let add = |slot: &mut (f64, usize), value: f64| *slot = (slot.0 + value, slot.1 + 1);
        add(
            &mut self.pass[cell.policy][pool.problem],
            right as f64 / pool.votes.len().max(1) as f64,
        );
        add(
            &mut self.agreement[cell.policy][pool.problem],
            agreement(&pool.votes),
        );
        for (place, &budget) in budgets.iter().enumerate() {
            let (policy, _) = pool.spent.at(budget as u64, factorials);
            let cost = Cost {
                policy,
                verifier: Expected::default(),
            };
            let ceiling = key(MAJORITY, None, budget, Rule::Ceiling);
            if !curves.without.is_empty() {
                // Where one run's absence leaves nothing, there is nothing to compare.
                let each = |curve: &dyn Fn(&Curves) -> Option<&Vec<Chance>>| {
                    let chances = curves.without.iter().map(|own| curve(own)?.get(place));
                    let values = chances.map(|chance| Some(chance?.value));
                    values.collect::<Option<Vec<f64>>>()
                };
                let mut note = |key: Key, values: Option<Vec<f64>>| {
                    if let Some(values) = values {
                        self.note_without(key, &values);
                    }
                };
                note(ceiling, each(&|own| Some(&own.ceiling)));
                let voted = each(&|own| Some(&own.majority));
                for method in study.pool_methods(false) {
                    note(key(method, None, budget, majority), voted.clone());
                    for (number, rule) in pool.told.iter().enumerate() {
                        let chosen = each(&|own| own.told.get(number));
                        let rule = Rule::Chosen(Choice(*rule));
                        note(key(method, None, budget, rule), chosen);
                    }
                }
                for (number, (verifier, _)) in curves.scored.iter().enumerate() {
                    let (.., votes) = &pool.scored[number];
                    if budget > pool.rewarded(votes) {
                        continue;
                    }
                    for (rule_number, rule) in rules.iter().enumerate() {
                        let chosen = each(&|own| own.scored.get(number)?.1.get(rule_number));
                        let rule = Rule::Chosen(Choice(*rule));
                        for method in study.pool_methods(true) {
                            let key = key(method, Some(*verifier), budget, rule);
                            note(key, chosen.clone());
                        }
                    }
                }
            }
            self.note(
                ceiling,
                pool.problem,
                pool.run,
                at(&curves.ceiling, place)?,
                cost,
            );
            let voted = at(&curves.majority, place)?;
            for method in self.study.pool_methods(false) {
                let key = key(method, None, budget, majority);
                self.note(key, pool.problem, pool.run, voted, cost);
            }
            for (rule, curve) in pool.told.iter().zip(&curves.told) {
                let rule = Rule::Chosen(Choice(*rule));
                for method in self.study.pool_methods(false) {
                    let key = key(method, None, budget, rule);
                    self.note(key, pool.problem, pool.run, at(curve, place)?, cost);
                }
            }
            for ((verifier, curves), (_, spent, votes)) in curves.scored.iter().zip(&pool.scored) {
                if budget > pool.rewarded(votes) {
                    continue;
                }
                let (_, read) = spent.at(budget as u64, factorials);
                let cost = Cost {
                    policy,
                    verifier: read,
                };
                for (rule, curve) in rules.iter().zip(curves) {
                    let rule = Rule::Chosen(Choice(*rule));
                    for method in self.study.pool_methods(true) {
                        let key = key(method, Some(*verifier), budget, rule);
                        self.note(key, pool.problem, pool.run, at(curve, place)?, cost);
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn searches(
        &mut self,
        store: &mut Store,
        units: &[UnitRow],
    ) -> Result<(), StoreError> {
        let rules: Vec<Selection> = Selection::rewarded().collect();
        let factorials = Factorials::to(0);
        let cells = self.study.cells.iter().map(|cell| (cell.hash(), cell));
        let cells: HashMap<&str, &Cell> = cells.collect();
        for unit in units {
            let Some(took) = &unit.took else {
                continue;
            };
            let cell = cells.get(unit.cell.as_str()).copied();
            let (Some(cell), Some(run)) = (cell, self.run_of(unit.seed)) else {
                continue;
            };
            let Config::Search { plan, .. } = cell.config() else {
                continue;
            };
            let solutions = store.verdicts(unit.id)?;
            let counts: Vec<usize> = solutions.iter().map(|(draws, ..)| *draws).collect();
            let votes = solutions.into_iter().map(|(_, class, right)| GradedSample {
                class,
                right,
                ..GradedSample::default()
            });
            let votes = with_rewards(votes.collect(), store.rewards(unit.id)?);
            // A solution votes once for each draw that led to it.
            let votes: Vec<GradedSample> = votes
                .into_iter()
                .zip(counts)
                .flat_map(|(vote, draws)| std::iter::repeat_n(vote, draws))
                .collect();
            // Without rewards there is nothing but the vote.
            let rewarded = plan.method().needs_verifier();
            let fits = |rule: &&Selection| rewarded || **rule == Selection::Majority;
            let rules: Vec<Selection> = rules.iter().filter(fits).copied().collect();
            let whole = chances(&votes, &rules, &[votes.len()], 0, &factorials);
            let costs = Factorials::to(took.spent.draws);
            let (policy, verifier) = took.spent.at(took.spent.draws, &costs);
            for (rule, chance) in rules.iter().zip(whole) {
                let key = Key {
                    policy: cell.policy,
                    verifier: cell.verifier,
                    method: plan.method(),
                    width: plan.method().has_width().then(|| plan.width()),
                    budget: plan.budget(),
                    rule: Rule::Chosen(Choice(*rule)),
                };
                // One whole search has one chance by every rule.
                for chance in chance {
                    self.note(key, unit.number, run, chance, Cost { policy, verifier });
                }
            }
        }
        Ok(())
    }
}

/// The budgets at which a pool of so many samples is looked at: powers of two and the study's own, up to its size.
pub(crate) fn budgets(study: &Study, draws: usize) -> Vec<usize> {
    let powers = (0..usize::BITS)
        .map(|power| 1usize << power)
        .take_while(|&n| n <= draws);
    let own = study.budgets.iter().copied().filter(|&n| n <= draws);
    let all: BTreeSet<usize> = powers.chain(own).collect();
    all.into_iter().collect()
}

/// The share of the commonest answer among the first samples: what can be known without the right answer.
fn agreement(votes: &[GradedSample]) -> f64 {
    let first = &votes[..votes.len().min(crate::estimate::difficulty::FIRST)];
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for class in first.iter().filter_map(|vote| vote.class) {
        *counts.entry(class).or_insert(0) += 1;
    }
    let commonest = counts.values().copied().max().unwrap_or_default();
    commonest as f64 / first.len().max(1) as f64
}
