//! The results of a study as a table: one row per problem, seed and cell, for pandas, R or a spreadsheet.

use std::collections::HashMap;

use outthink_core::{Expected, Flops, ModelCost, ModelInfo, Selection};
use serde::{Serialize, Serializer};

use crate::analysis::{HEADLINE, budgets, headline};
use crate::estimate::binomial::Factorials;
use crate::estimate::spent::Spent;
use crate::estimate::votes::{GradedSample, Slots, Tally, chances, numbered, with_rewards};
use crate::store::{Choice, Sample, Store, StoreError, UnitRow};
use crate::study::{Cell, Config, Study, unit_id};

/// What one method made of one problem at one budget.
///
/// The mean of `accuracy` over the rows of a cell is what the report says of it, wherever every problem has a row for every
/// seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ResultRow {
    /// The policy's name.
    pub policy: String,
    /// The verifier's name; none for a majority vote.
    pub verifier: Option<String>,
    /// `cot`, `majority`, `best-of-n`, `beam`, `dvts`, or the name of a strategy.
    pub method: String,
    /// The budget `N` in samples, or a strategy's in its own unit.
    #[serde(serialize_with = "whole")]
    pub n: f64,
    /// The beam width `M`, of a search.
    pub width: Option<usize>,
    /// The selection that took the answer; none for a strategy, which chooses its own.
    pub rule: Option<String>,
    /// The run's seed; none for greedy decoding, which has only one run.
    pub seed: Option<u64>,
    /// The problem's id.
    pub problem_id: String,
    /// The data set's level.
    pub level: Option<i64>,
    /// The data set's subject.
    pub subject: Option<String>,
    /// The right answer.
    pub gold: String,
    /// The answer taken from the first `n` samples; none where no sample has one.
    pub answer: Option<String>,
    /// Is that answer right?
    pub correct: bool,
    /// The chance that `n` samples taken at random from the unit's give a right answer: 0 or 1 where the unit has no more than
    /// `n`.
    pub accuracy: f64,
    /// The share of the first `n` samples that gave this answer.
    pub agreement: Option<f64>,
    /// The tokens that the policy generated; none where nobody counted them.
    pub tokens_drawn: Option<u64>,
    /// The tokens that all verifiers computed; none where nobody counted them.
    pub verifier_tokens: Option<u64>,
    /// Floating-point operations of policy and verifiers in full; none where a model's shape is unknown.
    pub flops_full: Option<f64>,
    /// Floating-point operations as the paper counts them: the policy's alone.
    pub flops_paper: Option<f64>,
}

/// Hands on a row for each problem, seed and cell that is done; how many.
pub fn export_results<E: From<StoreError>>(
    study: &Study,
    store: &mut Store,
    take: &mut dyn FnMut(ResultRow) -> Result<(), E>,
) -> Result<usize, E> {
    let cells: HashMap<&str, &Cell> = study.cells.iter().map(|cell| (cell.hash(), cell)).collect();
    let units = store.units(study)?;
    let choices = store.choices(study)?;
    let mut scores: HashMap<i64, Vec<(usize, &UnitRow)>> = HashMap::new();
    let done = || {
        let done = units.iter().filter(|unit| unit.took.is_some());
        done.filter_map(|unit| Some((unit, *cells.get(unit.cell.as_str())?)))
    };
    for (unit, cell) in done() {
        if let (Config::Score { pool, .. }, Some(verifier)) = (cell.config(), cell.verifier) {
            let source = unit_id(pool, study.problems[unit.number].key(), unit.seed);
            scores.entry(source).or_default().push((verifier, unit));
        }
    }
    let mut written = 0;
    for (unit, cell) in done() {
        let Some(took) = &unit.took else { continue };
        let done = Done {
            study,
            unit,
            cell,
            spent: &took.spent,
        };
        let rows = match cell.config() {
            Config::Score { .. } => Vec::new(),
            Config::Pool { .. } => {
                let scores = scores.get(&unit.id).map_or(&[][..], Vec::as_slice);
                done.pool(store, scores)?
            }
            Config::Search { .. } => done.search(store)?.into_iter().collect(),
            Config::Strategy { .. } => {
                let choice = choices.get(&unit.id);
                choice
                    .map(|choice| done.strategy(choice))
                    .into_iter()
                    .collect()
            }
        };
        for row in rows {
            take(row)?;
            written += 1;
        }
    }
    Ok(written)
}

/// A budget in samples is a whole number.
fn whole<S: Serializer>(n: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match n.fract() {
        0.0 if (0.0..1e15).contains(n) => serializer.serialize_u64(*n as u64),
        _ => serializer.serialize_f64(*n),
    }
}

/// A unit that is done.
struct Done<'a> {
    study: &'a Study,
    unit: &'a UnitRow,
    cell: &'a Cell,
    spent: &'a Spent,
}

impl Done<'_> {
    fn row(&self, method: &str, n: f64) -> ResultRow {
        let problem = &self.study.problems[self.unit.number];
        ResultRow {
            policy: self.study.policies[self.cell.policy].name.clone(),
            method: method.to_owned(),
            n,
            seed: (!self.cell.is_greedy()).then_some(self.unit.seed),
            problem_id: problem.id.clone(),
            level: problem.level,
            subject: problem.subject.clone(),
            gold: problem.gold.clone(),
            ..ResultRow::default()
        }
    }

    fn priced(
        &self,
        row: ResultRow,
        policy: Expected,
        read: &[(Option<ModelCost>, Expected)],
    ) -> ResultRow {
        let Flops { paper, full } = Flops::of(
            (self.study.policies[self.cell.policy].cost, policy),
            read.iter().copied(),
        );
        let computed: f64 = read.iter().map(|(_, work)| work.computed).sum();
        // Files of others often have texts and rewards without a count of tokens.
        let counted = |tokens: f64| {
            let known = self.study.source.is_none() || tokens > 0.0;
            known.then_some(tokens.round() as u64)
        };
        ResultRow {
            tokens_drawn: counted(policy.generated),
            verifier_tokens: match read.is_empty() {
                true => Some(0),
                false => counted(computed),
            },
            flops_full: full,
            flops_paper: paper,
            ..row
        }
    }

    /// A pool is a majority vote, and best-of-N by each of its verifiers, at the report's budgets.
    fn pool(
        &self,
        store: &mut Store,
        scores: &[(usize, &UnitRow)],
    ) -> Result<Vec<ResultRow>, StoreError> {
        let samples = store.samples(self.unit.id)?;
        let votes = votes(&samples);
        let draws = votes.len();
        let factorials = Factorials::to(draws as u64);
        let (method, budgets) = match self.cell.is_greedy() {
            true => ("cot", vec![draws]),
            false => ("majority", budgets(self.study, draws)),
        };
        let mut rows = Vec::new();
        let mut curve = |method: &str,
                         verifier: Option<usize>,
                         rule,
                         votes: &[GradedSample],
                         read: Option<&Spent>| {
            let chances = chances(votes, &[rule], &budgets, self.unit.id as u64, &factorials);
            for (&n, chance) in budgets.iter().zip(chances.into_iter().flatten()) {
                let (policy, _) = self.spent.at(n as u64, &factorials);
                let reading = read.zip(verifier).map(|(spent, number)| {
                    let (_, work) = spent.at(n as u64, &factorials);
                    (self.study.verifiers[number].shape(), work)
                });
                let mut row = self.row(method, n as f64);
                row.verifier = verifier.map(|number| self.study.verifiers[number].name.clone());
                row.accuracy = chance.value;
                taken(&mut row, rule, &samples, &votes[..n]);
                rows.push(self.priced(row, policy, reading.as_slice()));
            }
        };
        curve(method, None, Selection::Majority, &votes, None);
        for (verifier, unit) in scores {
            let Some(took) = &unit.took else { continue };
            let votes = with_rewards(votes.clone(), store.rewards(unit.id)?);
            curve(
                "best-of-n",
                Some(*verifier),
                HEADLINE,
                &votes,
                Some(&took.spent),
            );
        }
        Ok(rows)
    }

    fn search(&self, store: &mut Store) -> Result<Option<ResultRow>, StoreError> {
        let Config::Search { plan, .. } = self.cell.config() else {
            return Ok(None);
        };
        let verifier = self.cell.verifier.map(|own| &self.study.verifiers[own]);
        let samples = store.samples(self.unit.id)?;
        let votes = with_rewards(votes(&samples), store.rewards(self.unit.id)?);
        // A solution votes once for each draw that led to it.
        let repeated = |(sample, vote): (Sample, GradedSample)| {
            std::iter::repeat_n((sample.clone(), vote), sample.drawn.draws)
        };
        let (samples, votes): (Vec<Sample>, Vec<GradedSample>) =
            samples.into_iter().zip(votes).flat_map(repeated).unzip();
        let factorials = Factorials::to(self.spent.draws);
        let (policy, read) = self.spent.at(self.spent.draws, &factorials);
        let mut row = self.row(plan.method().name(), plan.budget() as f64);
        row.verifier = verifier.map(|own| own.name.clone());
        row.width = plan.method().has_width().then(|| plan.width());
        taken(&mut row, headline(plan.method()), &samples, &votes);
        row.accuracy = f64::from(u8::from(row.correct));
        let read: Vec<_> = verifier
            .map(|own| (own.shape(), read))
            .into_iter()
            .collect();
        Ok(Some(self.priced(row, policy, &read)))
    }

    fn strategy(&self, choice: &Choice) -> ResultRow {
        let (name, budget) = match self.study.strategy_of(self.cell) {
            Some((number, budget)) => (self.study.strategies[number].name.as_str(), budget),
            None => ("strategy", f64::NAN),
        };
        let factorials = Factorials::to(self.spent.draws);
        let (policy, _) = self.spent.at(self.spent.draws, &factorials);
        let read = choice.work.iter().map(|(name, _, work)| {
            let spent = Spent {
                draws: self.spent.draws,
                verifier: work.clone(),
                ..Spent::default()
            };
            let model = self.study.verifiers.iter().find(|own| own.name == *name);
            let (_, work) = spent.at(spent.draws, &factorials);
            (model.and_then(ModelInfo::shape), work)
        });
        let read: Vec<(Option<ModelCost>, Expected)> = read.collect();
        let mut row = self.row(name, budget);
        row.answer.clone_from(&choice.answer);
        row.correct = choice.correct;
        row.accuracy = f64::from(u8::from(choice.correct));
        row.agreement = choice.agreement;
        self.priced(row, policy, &read)
    }
}

/// Every sample as a vote, without rewards.
fn votes(samples: &[Sample]) -> Vec<GradedSample> {
    let vote = |sample: &Sample| GradedSample {
        class: sample.drawn.class,
        right: sample.drawn.correct,
        ..GradedSample::default()
    };
    samples.iter().map(vote).collect()
}

/// Fills in what a selection takes from these votes, which are the first of the samples.
fn taken(row: &mut ResultRow, rule: Selection, samples: &[Sample], votes: &[GradedSample]) {
    let (own, classes) = numbered(votes);
    let mut tally = Tally::new(classes, &Slots::new());
    let all: Vec<usize> = (0..own.len()).collect();
    tally.count(&own, &all);
    let taken = tally.taken(rule);
    let of_class = |vote: &GradedSample| vote.class.is_some() && vote.class == taken.class;
    let first = own.iter().position(of_class);
    row.rule = Some(rule.to_string());
    row.answer = first.and_then(|place| samples[place].drawn.answer.clone());
    row.correct = taken.right;
    row.agreement =
        first.map(|_| own.iter().filter(|vote| of_class(vote)).count() as f64 / own.len() as f64);
}
