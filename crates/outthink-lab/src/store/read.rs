//! What comes out of the store.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;
use outthink_core::{Stop, TokenStats, Tree, Usage};

use super::database::Row;
use super::write::{Choice, Drawn, Told, stop_name, unpack_stats, unpack_tokens};
use super::{Store, StoreError};
use crate::estimate::spent::Spent;
use crate::study::{Problem, Study};

/// A tree of more bytes than this is none of ours.
const LARGEST_TREE: u64 = 1 << 30;

/// More draws than this no unit has.
const MOST_DRAWS: usize = 1 << 24;

fn draws(count: usize) -> Result<usize, StoreError> {
    match count {
        0..=MOST_DRAWS => Ok(count),
        _ => Err(StoreError::Malformed(format!("{count} draws in a unit"))),
    }
}

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
    /// Which grader judged its answers.
    pub grader: String,
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

/// Why a solution ended, by its stored name.
fn stop(name: &str) -> Result<Stop, StoreError> {
    [Stop::Step, Stop::Answer, Stop::Length]
        .into_iter()
        .find(|stop| stop_name(*stop) == name)
        .ok_or_else(|| StoreError::Malformed(format!("a solution that ended by `{name}`")))
}

impl Store {
    /// How many units of a study are done, failed and open.
    pub fn count(&mut self, study: &str) -> Result<Count, StoreError> {
        let mut count = Count::default();
        self.database.query(
            "SELECT unit.state, count(*) FROM member JOIN unit ON unit.id = member.unit WHERE member.study = $1 GROUP BY unit.state",
            &[study.into()],
            &mut |row| {
                let units = row.count(1)?;
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

    /// The units of a study, in its order. One of a problem that the study does not have is an error.
    pub fn units(&mut self, study: &Study) -> Result<Vec<UnitRow>, StoreError> {
        let keys: Vec<i64> = study.problems.iter().map(Problem::key).collect();
        let mut units = Vec::new();
        self.database.query(
            "SELECT unit.id, unit.cell, member.problem_number, unit.seed, unit.state, unit.error, unit.seconds,
             unit.policy_usage, unit.verifier_usage, unit.spent, unit.grader, unit.problem
             FROM member JOIN unit ON unit.id = member.unit WHERE member.study = $1 ORDER BY member.position",
            &[study.name.as_str().into()],
            &mut |row| {
                let number = row.count(2)?;
                if keys.get(number) != Some(&row.int(11)?) {
                    let id = row.int(0)?;
                    let problems = keys.len();
                    return Err(StoreError::Malformed(format!(
                        "unit {id} of problem {number}, which is none of the {problems} of study {}",
                        study.name
                    )));
                }
                let state = row.text(4)?;
                let took = (state == "done")
                    .then(|| {
                        let spent: Spent = json(row, 9, "a unit's cost")?;
                        draws(spent.draws as usize)?;
                        Ok::<_, StoreError>(Took {
                            seconds: row.real(6)?,
                            policy: json(row, 7, "a unit's usage")?,
                            verifier: json(row, 8, "a unit's usage")?,
                            spent,
                            grader: row.maybe_text(10)?.unwrap_or_default(),
                        })
                    })
                    .transpose()?;
                units.push(UnitRow {
                    id: row.int(0)?,
                    cell: row.text(1)?,
                    number,
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

    /// Who judged the answers of a study, with the number of units, by name.
    pub fn graders(&mut self, study: &str) -> Result<Vec<(String, usize)>, StoreError> {
        let mut graders = Vec::new();
        self.database.query(
            "SELECT unit.grader, count(*) FROM member JOIN unit ON unit.id = member.unit
             WHERE member.study = $1 AND unit.state = 'done' GROUP BY unit.grader ORDER BY unit.grader",
            &[study.into()],
            &mut |row| {
                let grader = row.maybe_text(0)?.unwrap_or("an unknown grader".into());
                graders.push((grader, row.count(1)?));
                Ok(())
            },
        )?;
        Ok(graders)
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
                    number: row.count(0)?,
                    drawn: Drawn {
                        seed: row.maybe_int(1)?.map(|seed| seed as u64),
                        draws: draws(row.count(2)?)?,
                        steps: json(row, 3, "a solution's steps")?,
                        tokens: row.count(4)?,
                        token_ids: match tokens {
                            None => Vec::new(),
                            Some(Some(tokens)) => tokens,
                            Some(None) => {
                                return Err(StoreError::Malformed("tokens that are none".into()));
                            }
                        },
                        stop: stop(&row.text(6)?)?,
                        logprob: row.real(7)?,
                        answer: row.maybe_text(8)?,
                        class: row.maybe_count(9)?,
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
                verdicts.push((draws(row.count(0)?)?, row.maybe_count(1)?, row.int(2)? != 0));
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
                drawn.push((row.count(0)?, row.real(1)?));
                Ok(())
            },
        )?;
        Ok(drawn)
    }

    /// How many tokens each solution of a unit took until it was finished; none where that is unknown or it was cut off.
    pub(crate) fn lengths(&mut self, unit: i64) -> Result<Vec<Option<usize>>, StoreError> {
        let mut lengths = Vec::new();
        self.database.query(
            "SELECT tokens, stop FROM sample WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                let tokens: usize = row.count(0)?;
                let finished = tokens > 0 && row.text(1)? != stop_name(Stop::Length);
                lengths.push(finished.then_some(tokens));
                Ok(())
            },
        )?;
        Ok(lengths)
    }

    /// The rewards of a unit: the number of the solution, and one reward per step.
    pub fn rewards(&mut self, unit: i64) -> Result<Vec<(usize, Vec<f64>)>, StoreError> {
        let mut rewards = Vec::new();
        self.database.query(
            "SELECT idx, rewards FROM reward WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                rewards.push((row.count(0)?, json(row, 1, "rewards")?));
                Ok(())
            },
        )?;
        Ok(rewards)
    }

    /// What the policy told of the tokens of a unit's solutions: the number of the solution, and the statistics of all its tokens,
    /// those of blank steps included. Searches step by step have them in their tree.
    pub fn token_stats(&mut self, unit: i64) -> Result<Vec<(usize, TokenStats)>, StoreError> {
        let mut stats = Vec::new();
        // A store of an earlier version that is only read does not have it.
        if !self.has_table("token_stats")? {
            return Ok(stats);
        }
        self.database.query(
            "SELECT idx, stats FROM token_stats WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                let packed = row.maybe_blob(1)?.unwrap_or_default();
                let own = unpack_stats(packed).ok_or_else(|| {
                    StoreError::Malformed("token statistics that are none".into())
                })?;
                stats.push((row.count(0)?, own));
                Ok(())
            },
        )?;
        Ok(stats)
    }

    /// What another program's file says of a unit's solutions, by number.
    pub fn told(&mut self, unit: i64) -> Result<Vec<(i64, Told)>, StoreError> {
        let mut told = Vec::new();
        // A store of an earlier version that is only read does not have it.
        if !self.has_table("told")? {
            return Ok(told);
        }
        self.database.query(
            "SELECT idx, run, labels, correct FROM told WHERE unit = $1 ORDER BY idx",
            &[unit.into()],
            &mut |row| {
                let labels = match row.maybe_text(2)? {
                    Some(labels) => {
                        serde_json::from_str(&labels).map_err(StoreError::json("labels"))?
                    }
                    None => Vec::new(),
                };
                let own = Told {
                    run: row.maybe_text(1)?,
                    labels,
                    correct: row.maybe_int(3)?.map(|correct| correct != 0),
                };
                told.push((row.int(0)?, own));
                Ok(())
            },
        )?;
        Ok(told)
    }

    fn has_table(&mut self, name: &str) -> Result<bool, StoreError> {
        Ok(self.database.tables()?.iter().any(|own| own == name))
    }

    /// What strategies chose in a study, by unit.
    pub fn choices(&mut self, study: &Study) -> Result<HashMap<i64, Choice>, StoreError> {
        let mut choices = HashMap::new();
        // A store of version 1 that is only read may not have it.
        if !self.has_table("choice")? {
            return Ok(choices);
        }
        self.database.query(
            "SELECT choice.unit, candidate, reason, confidence, answer, agreement, correct, samples, solutions, work
             FROM member JOIN choice ON choice.unit = member.unit WHERE member.study = $1",
            &[study.name.as_str().into()],
            &mut |row| {
                let choice = Choice {
                    candidate: row.text(1)?,
                    reason: row.text(2)?,
                    confidence: row.maybe_real(3)?,
                    answer: row.maybe_text(4)?,
                    agreement: row.maybe_real(5)?,
                    correct: row.int(6)? != 0,
                    samples: row.count(7)?,
                    solutions: row.count(8)?,
                    work: json(row, 9, "a verifier's work")?,
                };
                choices.insert(row.int(0)?, choice);
                Ok(())
            },
        )?;
        Ok(choices)
    }

    /// The whole tree of a search: every step with text, tokens, reward and draws. A step counts as kept if it
    /// was expanded further or is one of the search's final paths.
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
