//! What a store says of a study: every method, verifier, budget and rule with its accuracy, interval and cost.

pub(crate) mod contrast;
pub(crate) mod in_sample;
pub(crate) mod measured;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outthink_core::method::{COT, MAJORITY};
use outthink_core::{AnyMethod, Expected, Flops, Scoring, Selection, Voting};
use rayon::prelude::*;

use crate::analysis::in_sample::{Choices, in_sample};
use crate::analysis::measured::{Measured, measured};
use crate::estimate::binomial::Factorials;
use crate::estimate::bootstrap::{BOOTSTRAP, Values};
use crate::estimate::difficulty::Difficulty;
use crate::estimate::interval::Interval;
use crate::estimate::spent::Spent;
use crate::estimate::votes::{
    Chance, GradedSample, ceiling, chances, chances_in_any_order, told_rules, with_rewards,
    with_told,
};
use crate::store::{Count, Store, StoreError, UnitRow};
use crate::study::regrade::old_verdicts;
use crate::study::{Cell, Config, Study};

/// The rule by which the tables choose among scored solutions, where they do not show all rules.
pub const HEADLINE: Selection = Selection::Scored(Scoring::LAST, Voting::VOTE);

/// A method's rule in tables that do not show all rules.
pub(crate) fn headline(method: AnyMethod) -> Selection {
    match method.needs_verifier() {
        true => HEADLINE,
        false => Selection::Majority,
    }
}

/// What is asked of the solutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// Is any of them right (Pass@k)? No rule can do better.
    Ceiling,
    /// Is the chosen one right?
    Chosen(Choice),
    /// Is the one right that the best method for the problem's difficulty chooses? Best on these very problems.
    InSample,
}

/// A [`Selection`] with a total order, so that it can be a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Choice(pub Selection);

impl PartialOrd for Choice {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Choice {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.place().cmp(&other.0.place())
    }
}

/// What an entry is of. `verifier` is none where none is used, `width` where there are no beams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Index of the policy.
    pub policy: usize,
    /// Index of the verifier.
    pub verifier: Option<usize>,
    /// The method.
    pub method: AnyMethod,
    /// The beam width `M`.
    pub width: Option<usize>,
    /// The budget `N`.
    pub budget: usize,
    /// The rule.
    pub rule: Rule,
}

/// What a problem costs on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// The policy's work.
    pub policy: Expected,
    /// The verifier's work.
    pub verifier: Expected,
}

/// One measured thing.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is of.
    pub key: Key,
    /// Share of right answers.
    pub accuracy: f64,
    /// Its 95 % interval over problems and seeds.
    pub interval: Interval,
    /// Standard error of the accuracy from drawing subsets at random; 0 if exact.
    pub sampling_error: f64,
    /// Problems that it rests on.
    pub problems: usize,
    /// Cost of a problem, by itself; none where nobody told how many tokens there were.
    pub cost: Option<Cost>,
}

/// A study, analysed.
pub struct Analysis {
    /// The study.
    pub study: Study,
    /// How it stands.
    pub count: Count,
    /// All that was measured.
    pub entries: Vec<Entry>,
    /// By problem and run, a series an entry.
    pub values: Values,
    /// The difficulty of each problem, by policy.
    pub difficulty: Vec<Difficulty>,
    /// Failures with their number.
    pub failures: BTreeMap<String, usize>,
    /// What is to be said of verdicts that are not today's grader's.
    pub old_verdicts: Option<String>,
    /// What strategies came to.
    pub strategies: Vec<Measured>,
    /// Which method the in-sample choice takes, by policy, verifier, budget and band.
    pub choices: Choices,
    index: HashMap<Key, usize>,
}

/// Values and costs of one key while they are collected.
#[derive(Default)]
struct Column {
    /// Problem, run, chance.
    chances: Vec<(usize, usize, Chance)>,
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
    fn mean_cost(&self) -> Option<Cost> {
        let share = 1.0 / self.costed as f64;
        (self.costed > 0).then(|| Cost {
            policy: self.cost.policy.scaled(share),
            verifier: self.cost.verifier.scaled(share),
        })
    }

    /// What runs add to the variance of the mean that a bootstrap over problems does not see: what samples of one run share in
    /// every problem, such as a setting. It is the jackknife that leaves out one run at a time, less what would be there if the runs
    /// had nothing in common from problem to problem (two-way clusters: Cameron, Gelbach and Miller 2011).
    fn variance_of_runs(&self) -> f64 {
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

impl Analysis {
    /// Reads a study's units one at a time: memory is for one number per unit and rule, not for the samples.
    pub fn of(study: Study, store: &mut Store) -> Result<Self, StoreError> {
        let units = store.units(&study)?;
        let count = store.count(&study.name)?;
        let mut collected = Collected::new(&study);
        let mut failures = BTreeMap::new();
        for unit in &units {
            if let Some(error) = &unit.error {
                *failures.entry(error.clone()).or_insert(0) += 1;
            }
        }
        collected.pools(store, &units)?;
        collected.searches(store, &units)?;
        let Collected {
            columns,
            pass,
            agreement,
            ..
        } = collected;
        let difficulty: Vec<Difficulty> = pass
            .into_iter()
            .zip(agreement)
            .map(|(pass, agreement)| Difficulty::new(pass, agreement))
            .collect();
        let strategies = measured(&study, store, &units)?;
        let old_verdicts = old_verdicts(&study, store)?;
        let mut analysis = Self::measured(study, count, columns, difficulty);
        analysis.strategies = strategies;
        analysis.failures = failures;
        analysis.old_verdicts = old_verdicts;
        Ok(analysis)
    }

    fn measured(
        study: Study,
        count: Count,
        columns: BTreeMap<Order, (Key, Column)>,
        difficulty: Vec<Difficulty>,
    ) -> Self {
        let (problems, runs) = (study.problems.len(), study.seeds.len());
        let columns: Vec<(Key, Column)> = columns.into_values().collect();
        let mut means: HashMap<Key, Vec<f64>> = HashMap::new();
        for (key, column) in &columns {
            let mut rows = vec![f64::NAN; problems * runs];
            for &(problem, run, chance) in &column.chances {
                rows[problem * runs + run] = chance.value;
            }
            means.insert(*key, rows);
        }
        let mut entries: Vec<Entry> = columns
            .iter()
            .map(|(key, column)| {
                let count = column.chances.len().max(1) as f64;
                let squares: f64 = column
                    .chances
                    .iter()
                    .map(|(_, _, c)| c.error * c.error)
                    .sum();
                Entry {
                    key: *key,
                    accuracy: f64::NAN,
                    interval: Interval {
                        low: 0.0,
                        high: 1.0,
                    },
                    sampling_error: squares.sqrt() / count,
                    problems: 0,
                    cost: column.mean_cost(),
                }
            })
            .collect();
        let mut choices = Choices::new();
        let in_sample = in_sample(&study, &entries, &means, &difficulty, &mut choices);
        for (entry, rows) in in_sample {
            means.insert(entry.key, rows);
            entries.push(entry);
        }
        let mut values = Values::new(problems, runs, entries.len());
        for (series, entry) in entries.iter().enumerate() {
            for (row, value) in means[&entry.key].iter().enumerate() {
                values.set(row / runs, row % runs, series, *value);
            }
        }
        let intervals = values.intervals(BOOTSTRAP, 0);
        // The in-sample choices stand behind what was measured and have no runs of their own.
        let runs = columns.iter().map(|(_, column)| column.variance_of_runs());
        let runs = runs.chain(std::iter::repeat(0.0));
        let told = entries.iter_mut().zip(intervals).zip(runs);
        for (series, ((entry, interval), runs)) in told.enumerate() {
            entry.accuracy = values.mean(series);
            entry.interval = interval.widened(entry.accuracy, runs);
            entry.problems = values.present(series);
        }
        let index = entries
            .iter()
            .enumerate()
            .map(|(place, entry)| (entry.key, place))
            .collect();
        Self {
            study,
            count,
            entries,
            values,
            difficulty,
            failures: BTreeMap::new(),
            old_verdicts: None,
            strategies: Vec::new(),
            choices,
            index,
        }
    }

    /// Where an entry is, if it was measured.
    pub fn place(&self, key: &Key) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// An entry, if it was measured.
    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.place(key).map(|place| &self.entries[place])
    }

    /// Tokens that an entry's verifier computed for a problem; none where nobody counted them. One that knows the answer reads none.
    pub fn verifier_tokens(&self, entry: &Entry) -> Option<f64> {
        let reads = entry
            .key
            .verifier
            .is_some_and(|own| !self.study.verifiers[own].oracle);
        let computed = entry.cost.map(|cost| cost.verifier.computed);
        computed.filter(|computed| !reads || *computed > 0.0)
    }

    /// Floating-point operations of a problem: the paper's count, and everything, as far as the models' shapes are known. A
    /// verifier that knows the answer is no model and costs nothing.
    pub fn flops(&self, entry: &Entry) -> (Option<f64>, Option<f64>) {
        let Some(Cost { policy, verifier }) = entry.cost else {
            return (None, None);
        };
        let drawing = (self.study.policies[entry.key.policy].cost, policy);
        let verifiers = entry.key.verifier.iter();
        let reading = verifiers.map(|&number| (self.study.verifiers[number].shape(), verifier));
        let Flops { paper, full } = Flops::of(drawing, reading);
        (paper, full)
    }
}

/// Sorted as the tables show it.
type Order = (usize, AnyMethod, usize, usize, usize, Rule);

fn order(key: &Key) -> Order {
    let verifier = key.verifier.map_or(0, |number| number + 1);
    let width = key.width.unwrap_or_default();
    (
        key.policy, key.method, verifier, width, key.budget, key.rule,
    )
}

struct Collected<'a> {
    study: &'a Study,
    columns: BTreeMap<Order, (Key, Column)>,
    /// Pass@1 by policy and problem: sum and number of runs.
    pass: Vec<Vec<(f64, usize)>>,
    /// Share of the commonest answer among the first few samples, by policy and problem.
    agreement: Vec<Vec<(f64, usize)>>,
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
    fn new(study: &'a Study) -> Self {
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

    fn pools(&mut self, store: &mut Store, units: &[UnitRow]) -> Result<(), StoreError> {
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

    fn searches(&mut self, store: &mut Store, units: &[UnitRow]) -> Result<(), StoreError> {
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
