//! What comes out of the store.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use outthink_core::{Stop, Tree, Usage};

use super::database::Row;
use super::write::{Choice, Drawn, unpack_tokens};
use super::{Store, StoreError};
use crate::spent::Spent;

/// A tree of more bytes than this is none of ours.
const LARGEST_TREE: u64 = 1 << 30;

/// How a study stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Units done.
    pub done: usize,
    /// Units that failed.
    pub failed: usize,
    /// Units still to do.
    pub open: usize,
}

/// A unit as it stands.
#[derive(Clone, Debug)]
pub struct UnitRow {
    /// Its id.
    pub id: i64,
    /// Its cell's hash.
    pub cell: String,
    /// Index of its problem in the study.
    pub number: usize,
    /// The run's seed.
    pub seed: u64,
    /// `open`, `done` or `failed`.
    pub state: String,
    /// Why it failed.
    pub error: Option<String>,
    /// What it took, if it is done.
    pub took: Option<Took>,
}

/// What a unit took.
#[derive(Clone, Debug)]
pub struct Took {
    /// Wall time, beside whatever else ran.
    pub seconds: f64,
    /// What the policy reported.
    pub policy: Usage,
    /// What the verifier reported.
    pub verifier: Usage,
    /// What it costs by itself.
    pub spent: Spent,
}

/// A solution with its number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its number in the unit.
    pub number: usize,
    /// The solution.
    pub drawn: Drawn,
}

fn json<T: serde::de::DeserializeOwned>(
    row: &Row,
    column: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    serde_json::from_str(&row.text(column)?).map_err(StoreError::json(what))
}

impl Store {
    /// How many units of a study are done, failed and open.
    pub fn count(&mut self, study: &str) -> Result<Count, StoreError> {
        let mut count = Count::default();
        self.database.query(
            "SELECT unit.state, count(*) FROM member JOIN unit ON unit.id = member.unit WHERE member.study = $1 GROUP BY unit.state",
            &[study.into()],
            &mut |row| {
                let units = row.int(1)? as usize;
                match row.text(0)?.as_str() {
                    "done" => count.done = units,
                    "failed" => count.failed = units,
                    _ => count.open += units,
                }
                Ok(())
            },
        )?;
        Ok(count)
    }

    /// The units of a study, in its order.
    pub fn units(&mut self, study: &str) -> Result<Vec<UnitRow>, StoreError> {
        let mut units = Vec::new();
        self.database.query(
            "SELECT unit.id, unit.cell, member.problem_number, unit.seed, unit.state, unit.error, unit.seconds,
             unit.policy_usage, unit.verifier_usage, unit.spent
             FROM member JOIN unit ON unit.id = member.unit WHERE member.study = $1 ORDER BY member.position",
            &[study.into()],
            &mut |row| {
                let state = row.text(4)?;
                let took = (state == "done")
                    .then(|| {
                        Ok::<_, StoreError>(Took {
                            seconds: row.real(6)?,
                            policy: json(row, 7, "a unit's usage")?,
                            verifier: json(row, 8, "a unit's usage")?,
                            spent: json(row, 9, "a unit's cost")?,
                        })
                    })
                    .transpose()?;
                units.push(UnitRow {
                    id: row.int(0)?,
                    cell: row.text(1)?,
                    number: row.int(2)? as usize,
                    seed: row.int(3)? as u64,
                    state,
                    error: row.maybe_text(5)?,
                    took,
                });
                Ok(())
            },
        )?;
        Ok(units)
    }

    /// The solutions of a unit, by number.
    pub fn samples(&mut self, unit: i64) -> Result<Vec<Sample>, StoreError> {
        let mut samples = Vec::new();
        self.database.query(
            "SELECT idx, seed, draws, steps, tokens, token_ids, stop, logprob, answer, class, correct
             FROM sample WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                let tokens = row.maybe_blob(5)?.map(unpack_tokens);
                samples.push(Sample {
                    number: row.int(0)? as usize,
                    drawn: Drawn {
                        seed: row.maybe_int(1)?.map(|seed| seed as u64),
                        draws: row.int(2)? as usize,
                        steps: json(row, 3, "a solution's steps")?,
                        tokens: row.int(4)? as usize,
                        token_ids: match tokens {
                            None => Vec::new(),
                            Some(Some(tokens)) => tokens,
                            Some(None) => {
                                return Err(StoreError::Malformed("tokens that are none".into()));
                            }
                        },
                        stop: match row.text(6)?.as_str() {
                            "answer" => Stop::Answer,
                            "length" => Stop::Length,
                            _ => Stop::Step,
                        },
                        logprob: row.real(7)?,
                        answer: row.maybe_text(8)?,
                        class: row.maybe_int(9)?.map(|class| class as usize),
                        correct: row.int(10)? != 0,
                    },
                });
                Ok(())
            },
        )?;
        Ok(samples)
    }

    /// What an estimate needs of a unit's solutions: how many draws, the class of the answer, is it right.
    pub(crate) fn verdicts(
        &mut self,
        unit: i64,
    ) -> Result<Vec<(usize, Option<usize>, bool)>, StoreError> {
        let mut verdicts = Vec::new();
        self.database.query(
            "SELECT draws, class, correct FROM sample WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                let class = row.maybe_int(1)?.map(|class| class as usize);
                verdicts.push((row.int(0)? as usize, class, row.int(2)? != 0));
                Ok(())
            },
        )?;
        Ok(verdicts)
    }

    /// Tokens and log-probability of the first solutions of a unit.
    pub(crate) fn first_drawn(
        &mut self,
        unit: i64,
        count: usize,
    ) -> Result<Vec<(usize, f64)>, StoreError> {
        let mut drawn = Vec::new();
        self.database.query(
            "SELECT tokens, logprob FROM sample WHERE unit = $1 AND idx < $2 ORDER BY idx",
            &[unit.into(), (count as i64).into()],
            &mut |row| {
                drawn.push((row.int(0)? as usize, row.real(1)?));
                Ok(())
            },
        )?;
        Ok(drawn)
    }

    /// The rewards of a unit: the number of the solution, and one reward a step.
    pub fn rewards(&mut self, unit: i64) -> Result<Vec<(usize, Vec<f64>)>, StoreError> {
        let mut rewards = Vec::new();
        self.database.query(
            "SELECT idx, rewards FROM reward WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                rewards.push((row.int(0)? as usize, json(row, 1, "rewards")?));
                Ok(())
            },
        )?;
        Ok(rewards)
    }

    /// What strategies chose in a study, by unit.
    pub fn choices(&mut self, study: &str) -> Result<HashMap<i64, Choice>, StoreError> {
        let mut choices = HashMap::new();
        self.database.query(
            "SELECT choice.unit, candidate, reason, confidence, answer, agreement, correct, samples, solutions, work
             FROM member JOIN choice ON choice.unit = member.unit WHERE member.study = $1",
            &[study.into()],
            &mut |row| {
                let choice = Choice {
                    candidate: row.text(1)?,
                    reason: row.text(2)?,
                    confidence: row.maybe_real(3)?,
                    answer: row.maybe_text(4)?,
                    agreement: row.maybe_real(5)?,
                    correct: row.int(6)? != 0,
                    samples: row.int(7)? as usize,
                    solutions: row.int(8)? as usize,
                    work: json(row, 9, "a verifier's work")?,
                };
                choices.insert(row.int(0)?, choice);
                Ok(())
            },
        )?;
        Ok(choices)
    }

    /// The whole tree of a search: every step with text, tokens, reward and draws. Kept steps are those that were drawn
    /// from, or that `kept` names.
    pub fn tree(&mut self, unit: i64) -> Result<Option<Tree>, StoreError> {
        let mut tree = None;
        self.database.query(
            "SELECT tree FROM unit WHERE id = $1",
            &[unit.into()],
            &mut |row| {
                if let Some(packed) = row.maybe_blob(0)? {
                    let inflated = DeflateDecoder::new(packed).take(LARGEST_TREE);
                    let read = serde_json::from_reader(std::io::BufReader::new(inflated));
                    tree = Some(read.map_err(StoreError::json("a tree"))?);
                }
                Ok(())
            },
        )?;
        Ok(tree)
    }

    /// What a unit that is not done had got so far: replies by the hash of their request.
    pub(crate) fn journal(&mut self, unit: i64) -> Result<HashMap<i64, String>, StoreError> {
        let mut journal = HashMap::new();
        self.database.query(
            "SELECT key, reply FROM journal WHERE unit = $1",
            &[unit.into()],
            &mut |row| {
                journal.insert(row.int(0)?, row.text(1)?);
                Ok(())
            },
        )?;
        Ok(journal)
    }
}
