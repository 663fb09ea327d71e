//! What goes into the store, many writes a transaction.

use std::collections::HashSet;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use outthink_core::{Stop, TokenStats, Tree, Usage};

use super::database::{Value, insert};
use super::{Store, StoreError};
use crate::estimate::spent::{Spent, Work};

/// One solution.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The draw's seed; none where equal draws were merged.
    pub seed: Option<u64>,
    /// How many equal draws it stands for.
    pub draws: usize,
    /// Its steps.
    pub steps: Vec<String>,
    /// How many tokens it has.
    pub tokens: usize,
    /// Which, a list a step; empty where the tree has them.
    pub token_ids: Vec<Vec<u32>>,
    /// Why it ended.
    pub stop: Stop,
    /// Sum of the log-probabilities of its tokens.
    pub logprob: f64,
    /// Its answer, if it has one.
    pub answer: Option<String>,
    /// The number of the answer's class among those of its unit: equal answers, equal numbers.
    pub class: Option<usize>,
    /// Is the answer right?
    pub correct: bool,
}

/// What a strategy chose in a unit, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The candidate.
    pub candidate: String,
    /// Why it and no other.
    pub reason: String,
    /// The calibrated chance that the answer is right, if something was fitted.
    pub confidence: Option<f64>,
    /// The answer.
    pub answer: Option<String>,
    /// Share of the draws with an answer that gave this one.
    pub agreement: Option<f64>,
    /// Is it right?
    pub correct: bool,
    /// Samples, all together.
    pub samples: usize,
    /// How many of the unit's solutions, from the first, the answer was chosen among; the others were only looked at.
    pub solutions: usize,
    /// What each verifier worked through by itself, by name.
    pub work: Vec<(String, Usage, Work)>,
}

/// A unit that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedUnit {
    /// Which.
    pub unit: i64,
    /// From its beginning to its end, beside whatever else ran.
    pub seconds: f64,
    /// What the policy reported.
    pub policy: Usage,
    /// What the verifier reported.
    pub verifier: Usage,
    /// What it costs by itself.
    pub spent: Spent,
    /// Which grader judged the answers.
    pub grader: String,
    /// The whole tree of a search.
    pub tree: Option<Tree>,
    /// What a strategy chose.
    pub choice: Option<Choice>,
    /// Its solutions, by number.
    pub samples: Vec<Drawn>,
    /// The rewards of each step, by the number of the solution.
    pub rewards: Vec<(usize, Vec<f64>)>,
    /// Statistics of the tokens, by the number of the solution; those of a search are in its tree.
    pub stats: Vec<(usize, TokenStats)>,
    /// What another program's file says of the solutions, by number; [`Told::TREE`] is the unit's tree.
    pub told: Vec<(i64, Told)>,
}

/// What another program's file says of a solution beside its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Which run it is from; samples of one run are no independent draws.
    pub run: Option<String>,
    /// Is each step right, or each node of a tree, where that is known exactly?
    pub labels: Vec<Option<bool>>,
    /// Is the answer right?
    pub correct: Option<bool>,
}

impl Told {
    /// Where a solution's number stands: what is said of the tree's nodes.
    pub const TREE: i64 = -1;
}

pub(crate) enum Write {
    Journal { unit: i64, key: i64, reply: String },
    Finish(Box<FinishedUnit>),
    Fail { unit: i64, error: String },
}

impl Store {
    /// Writes all or, if it fails, nothing.
    pub(crate) fn write(&mut self, batch: Vec<Write>) -> Result<(), StoreError> {
        self.transaction(|store| store.write_each(batch))
    }

    /// Writes another grader's verdicts of a unit: of its solutions by number, and of what a strategy chose.
    pub(crate) fn judge<'s>(
        &mut self,
        unit: i64,
        solutions: impl Iterator<Item = (usize, &'s Drawn)>,
        chosen: Option<bool>,
        grader: &str,
    ) -> Result<(), StoreError> {
        self.transaction(|store| {
            for (number, drawn) in solutions {
                store.database.execute(
                    "UPDATE sample SET answer = $1, class = $2, correct = $3 WHERE unit = $4 AND idx = $5",
                    &[
                        drawn.answer.as_deref().into(),
                        drawn.class.map(|class| class as i64).into(),
                        i64::from(drawn.correct).into(),
                        unit.into(),
                        (number as i64).into(),
                    ],
                )?;
            }
            if let Some(correct) = chosen {
                store.database.execute(
                    "UPDATE choice SET correct = $1 WHERE unit = $2",
                    &[i64::from(correct).into(), unit.into()],
                )?;
            }
            store.database.execute(
                "UPDATE unit SET grader = $1 WHERE id = $2",
                &[grader.into(), unit.into()],
            )?;
            Ok(())
        })
    }

    fn write_each(&mut self, batch: Vec<Write>) -> Result<(), StoreError> {
        let mut journal: Vec<Vec<Value>> = Vec::new();
        let mut finished: Vec<FinishedUnit> = Vec::new();
        for write in batch {
            match write {
                Write::Journal { unit, key, reply } => {
                    journal.push(vec![unit.into(), key.into(), reply.into()]);
                }
                Write::Finish(unit) => finished.push(*unit),
                Write::Fail { unit, error } => {
                    self.database.execute(
                        "UPDATE unit SET state = 'failed', error = $1, worker = NULL, expires = NULL WHERE id = $2 AND state = 'open'",
                        &[error.into(), unit.into()],
                    )?;
                }
            }
        }
        // What is done needs no journal: it is not even written.
        let done: HashSet<i64> = finished.iter().map(|unit| unit.unit).collect();
        journal.retain(|row| !matches!(row[0], Value::Int(unit) if done.contains(&unit)));
        let columns = "unit, key, reply";
        insert(
            self.database.as_mut(),
            "journal",
            columns,
            journal.into_iter(),
        )?;
        for unit in finished {
            self.finish(unit)?;
        }
        Ok(())
    }

    /// A unit that another worker has done meanwhile stays as it is.
    fn finish(&mut self, finished: FinishedUnit) -> Result<(), StoreError> {
        let FinishedUnit {
            unit,
            seconds,
            policy,
            verifier,
            spent,
            grader,
            tree,
            choice,
            samples,
            rewards,
            stats,
            told: other,
        } = finished;
        let told = || StoreError::json("a unit");
        let usage = |usage: &Usage| serde_json::to_string(usage).map_err(told());
        let values: [Value; 7] = [
            seconds.into(),
            usage(&policy)?.into(),
            usage(&verifier)?.into(),
            serde_json::to_string(&spent).map_err(told())?.into(),
            grader.into(),
            tree.as_ref().map(pack_tree).transpose()?.into(),
            unit.into(),
        ];
        let update = "UPDATE unit SET state = 'done', worker = NULL, expires = NULL, error = NULL, seconds = $1,
            policy_usage = $2, verifier_usage = $3, spent = $4, grader = $5, tree = $6 WHERE id = $7 AND state <> 'done'";
        if self.database.execute(update, &values)? == 1 {
            let mut rows = Vec::with_capacity(samples.len());
            for (sample, number) in samples.into_iter().zip(0i64..) {
                rows.push(vec![
                    unit.into(),
                    number.into(),
                    sample.seed.map(|seed| seed as i64).into(),
                    (sample.draws as i64).into(),
                    serde_json::to_string(&sample.steps).map_err(told())?.into(),
                    (sample.tokens as i64).into(),
                    (!sample.token_ids.is_empty())
                        .then(|| pack_tokens(&sample.token_ids))
                        .into(),
                    stop_name(sample.stop).into(),
                    sample.logprob.into(),
                    sample.answer.into(),
                    sample.class.map(|class| class as i64).into(),
                    i64::from(sample.correct).into(),
                ]);
            }
            let columns = "unit, idx, seed, draws, steps, tokens, token_ids, stop, logprob, answer, class, correct";
            insert(self.database.as_mut(), "sample", columns, rows.into_iter())?;
            let mut rows = Vec::with_capacity(rewards.len());
            for (number, rewards) in rewards {
                let rewards = serde_json::to_string(&rewards).map_err(told())?;
                rows.push(vec![unit.into(), (number as i64).into(), rewards.into()]);
            }
            insert(
                self.database.as_mut(),
                "reward",
                "unit, idx, rewards",
                rows.into_iter(),
            )?;
            let stats = stats.into_iter().filter(|(_, stats)| !stats.is_empty());
            let rows = stats.map(|(number, stats)| {
                let packed = pack_stats(&stats);
                vec![unit.into(), (number as i64).into(), packed.into()]
            });
            let columns = "unit, idx, stats";
            insert(self.database.as_mut(), "token_stats", columns, rows)?;
            let mut rows: Vec<Vec<Value>> = Vec::with_capacity(other.len());
            for (
                number,
                Told {
                    run,
                    labels,
                    correct,
                },
            ) in other
            {
                let labels = match labels.is_empty() {
                    true => None,
                    false => Some(serde_json::to_string(&labels).map_err(told())?),
                };
                rows.push(vec![
                    unit.into(),
                    number.into(),
                    run.as_deref().into(),
                    labels.as_deref().into(),
                    correct.map(i64::from).into(),
                ]);
            }
            let columns = "unit, idx, run, labels, correct";
            insert(self.database.as_mut(), "told", columns, rows.into_iter())?;
            if let Some(choice) = choice {
                let row = vec![
                    unit.into(),
                    choice.candidate.into(),
                    choice.reason.into(),
                    choice.confidence.into(),
                    choice.answer.into(),
                    choice.agreement.into(),
                    i64::from(choice.correct).into(),
                    (choice.samples as i64).into(),
                    (choice.solutions as i64).into(),
                    serde_json::to_string(&choice.work).map_err(told())?.into(),
                ];
                let columns = "unit, candidate, reason, confidence, answer, agreement, correct, samples, solutions, work";
                insert(self.database.as_mut(), "choice", columns, [row].into_iter())?;
            }
        }
        self.database
            .execute("DELETE FROM journal WHERE unit = $1", &[unit.into()])?;
        Ok(())
    }
}

pub(super) fn stop_name(stop: Stop) -> &'static str {
    match stop {
        Stop::Step => "step",
        Stop::Answer => "answer",
        Stop::Length => "length",
    }
}

fn pack_tree(tree: &Tree) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(tree).map_err(StoreError::json("a tree"))?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed
        .write_all(&json)
        .and_then(|()| packed.finish())
        .map_err(|error| StoreError::Malformed(format!("a tree that cannot be packed: {error}")))
}

/// Each step's number of tokens and the tokens, in base 128 with the low digits first.
pub(super) fn pack_tokens(steps: &[Vec<u32>]) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut push = |mut number: u32| {
        while number >= 128 {
            packed.push((number & 127) as u8 | 128);
            number >>= 7;
        }
        packed.push(number as u8);
    };
    for step in steps {
        push(step.len() as u32);
        step.iter().copied().for_each(&mut push);
    }
    packed
}

/// Thousandths, both lists as [`pack_tokens`] packs tokens. Log-probabilities are at most 0 and entropies at least.
fn pack_stats(stats: &TokenStats) -> Vec<u8> {
    let thousandths =
        |sign: f32| move |value: &f32| (sign * value * 1000.0).round().max(0.0) as u32;
    pack_tokens(&[
        stats.logprobs.iter().map(thousandths(-1.0)).collect(),
        stats.entropies.iter().map(thousandths(1.0)).collect(),
    ])
}

/// What [`pack_stats`] packed; none for bytes that it cannot have made.
pub(super) fn unpack_stats(packed: &[u8]) -> Option<TokenStats> {
    let [logprobs, entropies] = <[Vec<u32>; 2]>::try_from(unpack_tokens(packed)?).ok()?;
    let tokens = logprobs.len().max(entropies.len());
    let nats = |sign: f32| move |value: u32| sign * value as f32 / 1000.0;
    Some(TokenStats::of(
        tokens,
        logprobs.into_iter().map(nats(-1.0)).collect(),
        entropies.into_iter().map(nats(1.0)).collect(),
    ))
}

/// What [`pack_tokens`] packed; none for bytes that it cannot have made.
pub(super) fn unpack_tokens(packed: &[u8]) -> Option<Vec<Vec<u32>>> {
    let mut bytes = packed.iter();
    let mut next = || -> Option<Option<u32>> {
        let mut number = 0u64;
        for place in 0..5 {
            let Some(&byte) = bytes.next() else {
                return (place == 0).then_some(None);
            };
            number |= u64::from(byte & 127) << (7 * place);
            if byte < 128 {
                return u32::try_from(number).ok().map(Some);
            }
        }
        None
    };
    let mut steps = Vec::new();
    while let Some(count) = next()? {
        let mut step = Vec::new();
        for _ in 0..count {
            step.push(next()??);
        }
        steps.push(step);
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_come_back_as_they_were(steps in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..9), 0..6)) {
            prop_assert_eq!(unpack_tokens(&pack_tokens(&steps)), Some(steps));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = (unpack_tokens(&bytes), unpack_stats(&bytes));
        }

        #[test]
        fn token_statistics_come_back_as_they_were(
            values in prop::collection::vec((-40.0f32..=0.0, 0.0f32..12.0), 0..9),
            known: bool,
        ) {
            let (logprobs, entropies): (Vec<f32>, Vec<f32>) = values.iter().copied().unzip();
            let entropies = if known { entropies } else { Vec::new() };
            let stats = TokenStats::of(values.len(), logprobs, entropies);
            prop_assert_eq!(unpack_stats(&pack_stats(&stats)), Some(stats));
        }
    }
}
