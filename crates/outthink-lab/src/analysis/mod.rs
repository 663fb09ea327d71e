//! What a store says of a study: every method, verifier, budget and rule with its accuracy, interval and cost.

mod collected;
pub(crate) mod contrast;
pub(crate) mod in_sample;
pub(crate) mod measured;

use std::collections::{BTreeMap, HashMap};

use outthink_core::{AnyMethod, Expected, Flops, Scoring, Selection, Voting};

pub(crate) use crate::analysis::collected::budgets;
use crate::analysis::collected::{Collected, Column, Order};
use crate::analysis::in_sample::{Choices, in_sample};
use crate::analysis::measured::{Measured, measured};
use crate::estimate::bootstrap::{BOOTSTRAP, Values};
use crate::estimate::difficulty::Difficulty;
use crate::estimate::interval::Interval;
use crate::store::{Count, Store, StoreError};
use crate::study::Study;
use crate::study::regrade::old_verdicts;

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
