//! Samples as files: out of a store one line per sample, and into a store as pools that can be scored and chosen from anew.

pub(crate) mod columns;
pub(crate) mod dataset;
pub(crate) mod parquet_file;
pub(crate) mod results;
pub(crate) mod rows;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Write};
use std::path::Path;

use futures::executor::block_on;
use outthink_core::identity::sha256;
use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{Domain, Limits, ModelInfo, Sampling, Stop, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::estimate::spent::{Spent, Work};
use crate::store::{Drawn, FinishedUnit, Store, StoreError, Write as StoreWrite};
use crate::study::recipe::{ModelEntry, Recipe};
use crate::study::unit_runner::grade;
use crate::study::{Cell, Config, Problem, Study, unit_id};

/// Why samples cannot be exchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file failed.
    #[error("the file of samples")]
    File(#[from] std::io::Error),
    /// A line that is no sample.
    #[error("line {line}: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The domain cannot grade them.
    #[error(transparent)]
    Domain(#[from] outthink_core::Error),
    /// Nothing there.
    #[error("there are no samples")]
    Empty,
    /// Parquet's own words.
    #[error("Parquet: {0}")]
    Parquet(String),
}

/// A sample, as a line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// The policy's name.
    pub policy: String,
    /// `pool`, `cot`, or the search that kept it.
    pub method: String,
    /// The search's budget, or the pool's size.
    pub n: usize,
    /// The search's verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// The run's seed.
    pub seed: u64,
    /// The problem's id.
    pub problem_id: String,
    /// What was asked.
    pub problem: String,
    /// The right answer.
    pub gold: String,
    /// The data set's level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// The data set's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its number among the samples of its problem.
    pub index: usize,
    /// The draw's own seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draw_seed: Option<u64>,
    /// How many equal draws it stands for.
    pub draws: usize,
    /// Its steps.
    pub steps: Vec<String>,
    /// How many tokens it has; left out where the policy's server does not tell.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: usize,
    /// Which, a list a step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_ids: Vec<Vec<u32>>,
    /// `answer` or `length`.
    pub finish: String,
    /// Sum of the log-probabilities of its tokens, where these are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f64>,
    /// Its answer.
    pub answer: Option<String>,
    /// Is that right?
    pub correct: bool,
    /// One reward per step, by verifier.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rewards: BTreeMap<String, Vec<f64>>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Writes the samples of a study, a line each; how many.
pub fn export_jsonl(
    study: &Study,
    store: &mut Store,
    out: &mut dyn Write,
) -> Result<usize, ExchangeError> {
    let mut lines = 0;
    each(study, store, &mut |group| {
        for line in group {
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            out.write_all(b"\n")?;
            lines += 1;
        }
        Ok(())
    })?;
    Ok(lines)
}

/// Writes the pools of a study as Parquet with search-and-learn's columns; how many rows.
pub fn export_parquet(
    study: &Study,
    store: &mut Store,
    file: &Path,
) -> Result<usize, ExchangeError> {
    let rows = sal_rows(study, store)?;
    crate::exchange::parquet_file::write(file, &rows).map_err(ExchangeError::Parquet)?;
    Ok(rows.len())
}

/// Reads samples from Parquet with search-and-learn's columns.
pub fn read_parquet(file: &Path) -> Result<Vec<Line>, ExchangeError> {
    let rows = crate::exchange::parquet_file::rows(file).map_err(ExchangeError::Parquet)?;
    lines_of_rows(rows)
}

/// The pools of a study as rows with search-and-learn's columns, a row per problem, policy and run.
fn sal_rows(study: &Study, store: &mut Store) -> Result<Vec<Map<String, Value>>, ExchangeError> {
    let mut rows = Vec::new();
    each(study, store, &mut |group| {
        let Some(first) = group.first().filter(|line| line.method == "pool") else {
            return Ok(());
        };
        let completions: Vec<String> = group.iter().map(|line| line.steps.join("\n\n")).collect();
        let mut row = Map::new();
        row.insert("problem".into(), json!(first.problem));
        row.insert("answer".into(), json!(first.gold));
        row.insert("unique_id".into(), json!(first.problem_id));
        row.insert("level".into(), json!(first.level));
        row.insert("subject".into(), json!(first.subject));
        row.insert("policy".into(), json!(first.policy));
        row.insert("seed".into(), json!(first.seed));
        row.insert("completions".into(), json!(completions));
        let tokens: Vec<usize> = group.iter().map(|line| line.tokens).collect();
        row.insert("completion_tokens".into(), json!(tokens));
        let finishes: Vec<&str> = group.iter().map(|line| line.finish.as_str()).collect();
        row.insert("finish".into(), json!(finishes));
        // The first verifier's under the name that search-and-learn gives its only one.
        for (number, verifier) in study.verifiers.iter().enumerate() {
            let scores: Vec<&[f64]> = group
                .iter()
                .map(|line| {
                    line.rewards
                        .get(&verifier.name)
                        .map_or(&[][..], Vec::as_slice)
                })
                .collect();
            if scores.iter().any(|scores| !scores.is_empty()) {
                if number == 0 {
                    row.insert("scores".into(), json!(scores));
                }
                row.insert(format!("scores_{}", verifier.name), json!(scores));
            }
        }
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// Hands on the samples of each unit that is done.
fn each(
    study: &Study,
    store: &mut Store,
    take: &mut dyn FnMut(Vec<Line>) -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    let cells: HashMap<&str, &Cell> = study.cells.iter().map(|cell| (cell.hash(), cell)).collect();
    let units = store.units(study)?;
    let done = units.iter().filter(|unit| unit.took.is_some());
    let mut scores: HashMap<i64, Vec<(usize, i64)>> = HashMap::new();
    for unit in done.clone() {
        if let Some(cell) = cells.get(unit.cell.as_str())
            && let (Config::Score { pool, .. }, Some(verifier)) = (cell.config(), cell.verifier)
        {
            let source = unit_id(pool, study.problems[unit.number].key(), unit.seed);
            scores.entry(source).or_default().push((verifier, unit.id));
        }
    }
    for unit in done {
        let Some(cell) = cells.get(unit.cell.as_str()) else {
            continue;
        };
        let (method, n, verifier) = match cell.config() {
            Config::Score { .. } => continue,
            Config::Pool { draws, .. } if cell.is_greedy() => ("cot", *draws, None),
            Config::Pool { draws, .. } => ("pool", *draws, None),
            Config::Search { plan, .. } => (plan.method().name(), plan.budget(), cell.verifier),
            Config::Strategy { budget, .. } => ("strategy", *budget as usize, None),
        };
        let verifier_name = |number: usize| study.verifiers[number].name.clone();
        let problem = &study.problems[unit.number];
        let mut lines: Vec<Line> = Vec::new();
        for sample in store.samples(unit.id)? {
            let drawn = sample.drawn;
            lines.push(Line {
                policy: study.policies[cell.policy].name.clone(),
                method: method.to_owned(),
                n,
                verifier: verifier.map(verifier_name),
                seed: unit.seed,
                problem_id: problem.id.clone(),
                problem: problem.text.clone(),
                gold: problem.gold.clone(),
                level: problem.level,
                subject: problem.subject.clone(),
                index: sample.number,
                draw_seed: drawn.seed,
                draws: drawn.draws,
                steps: drawn.steps,
                tokens: drawn.tokens,
                token_ids: match drawn.tokens {
                    0 => Vec::new(),
                    _ => drawn.token_ids,
                },
                finish: match drawn.stop {
                    Stop::Length => "length".into(),
                    Stop::Step | Stop::Answer => "answer".into(),
                },
                logprob: (drawn.tokens > 0).then_some(drawn.logprob),
                answer: drawn.answer,
                correct: drawn.correct,
                rewards: BTreeMap::new(),
            });
        }
        let own = verifier.map(|verifier| (verifier, unit.id));
        let scored = scores
            .get(&unit.id)
            .into_iter()
            .flatten()
            .copied()
            .chain(own);
        for (verifier, from) in scored {
            for (number, rewards) in store.rewards(from)? {
                if let Some(line) = lines.get_mut(number) {
                    line.rewards.insert(verifier_name(verifier), rewards);
                }
            }
        }
        take(lines)?;
    }
    Ok(())
}

/// Reads samples, a line each.
pub fn read_lines(lines: &mut dyn BufRead) -> Result<Vec<Line>, ExchangeError> {
    let mut read = Vec::new();
    for (text, number) in lines.lines().zip(1..) {
        let text = text?;
        if text.trim().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| ExchangeError::Line {
            line: number,
            reason: error.to_string(),
        })?;
        if line.problem.is_empty() || line.steps.is_empty() {
            return Err(ExchangeError::Line {
                line: number,
                reason: "a sample has at least `problem`, `gold` and `steps`".into(),
            });
        }
        countable(&line).map_err(|reason| ExchangeError::Line {
            line: number,
            reason,
        })?;
        read.push(line);
    }
    Ok(read)
}

/// Samples from rows with search-and-learn's columns.
fn lines_of_rows(rows: Vec<Map<String, Value>>) -> Result<Vec<Line>, ExchangeError> {
    let mut lines = Vec::new();
    for (row, number) in rows.into_iter().zip(1..) {
        let text = |name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let list = |name: &str| {
            row.get(name)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let completions = list("completions");
        if completions.is_empty() || text("problem").is_empty() {
            return Err(ExchangeError::Line {
                line: number,
                reason: "a row has at least `problem`, `answer` and `completions`".into(),
            });
        }
        let (tokens, finishes) = (list("completion_tokens"), list("finish"));
        let scores: Vec<(String, Vec<Value>)> = row
            .keys()
            .filter(|name| name.starts_with("scores_"))
            .map(|name| (name["scores_".len()..].to_owned(), list(name)))
            .collect();
        let scores = match scores.is_empty() {
            true => vec![("scores".to_owned(), list("scores"))],
            false => scores,
        };
        for (index, completion) in completions.iter().enumerate() {
            let completion = completion.as_str().unwrap_or_default();
            let steps = completion
                .split("\n\n")
                .map(str::trim)
                .filter(|step| !step.is_empty());
            let mut line = Line {
                policy: text("policy"),
                method: "pool".into(),
                n: completions.len(),
                seed: row.get("seed").and_then(Value::as_u64).unwrap_or_default(),
                problem_id: text("unique_id"),
                problem: text("problem"),
                gold: text("answer"),
                level: row.get("level").and_then(Value::as_i64),
                subject: row
                    .get("subject")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                index,
                draws: 1,
                steps: steps.map(str::to_owned).collect(),
                tokens: tokens
                    .get(index)
                    .and_then(Value::as_u64)
                    .unwrap_or_default() as usize,
                finish: finishes
                    .get(index)
                    .and_then(Value::as_str)
                    .unwrap_or("answer")
                    .into(),
                ..Line::default()
            };
            for (verifier, scores) in &scores {
                let rewards: Vec<f64> = scores
                    .get(index)
                    .and_then(Value::as_array)
                    .map(|rewards| rewards.iter().filter_map(Value::as_f64).collect())
                    .unwrap_or_default();
                // A verifier that cut the text otherwise scored other steps.
                if !rewards.is_empty() && rewards.len() == line.steps.len() {
                    line.rewards.insert(verifier.clone(), rewards);
                }
            }
            countable(&line).map_err(|reason| ExchangeError::Line {
                line: number,
                reason,
            })?;
            lines.push(line);
        }
    }
    Ok(lines)
}

/// Are the counts of a sample such that those of many add up?
fn countable(line: &Line) -> Result<(), String> {
    /// More tokens and draws than any sample has.
    const MOST: usize = u32::MAX as usize;
    for (name, count) in [("tokens", line.tokens), ("draws", line.draws)] {
        if count > MOST {
            return Err(format!("`{name}` is {count}, which no sample has"));
        }
    }
    Ok(())
}

/// Puts samples into a store as a study of their own, graded anew, with what rewards they have. Only pools: what a search
/// kept says nothing of how it would have gone on.
pub fn import(
    name: &str,
    lines: Vec<Line>,
    store: &mut Store,
    answers: &dyn Domain,
) -> Result<Study, ExchangeError> {
    let lines: Vec<Line> = lines
        .into_iter()
        .filter(|line| line.method.is_empty() || line.method == "pool")
        .collect();
    let mut problems: Vec<Problem> = Vec::new();
    let mut numbers: HashMap<(String, String), usize> = HashMap::new();
    // Samples by policy, seed and problem.
    let mut groups: BTreeMap<(String, u64, usize), Vec<Line>> = BTreeMap::new();
    for line in lines {
        let id = match line.problem_id.is_empty() {
            true => format!("problem-{}", sha256(line.problem.as_bytes())),
            false => line.problem_id.clone(),
        };
        let number = *numbers
            .entry((id.clone(), line.problem.clone()))
            .or_insert_with(|| {
                problems.push(Problem {
                    id,
                    text: line.problem.clone(),
                    gold: line.gold.clone(),
                    level: line.level,
                    subject: line.subject.clone(),
                });
                problems.len() - 1
            });
        let policy = match line.policy.is_empty() {
            true => "imported".to_owned(),
            false => line.policy.clone(),
        };
        groups
            .entry((policy, line.seed, number))
            .or_default()
            .push(line);
    }
    let largest = groups
        .values()
        .map(Vec::len)
        .max()
        .ok_or(ExchangeError::Empty)?;
    let mut policies: Vec<String> = groups.keys().map(|(policy, ..)| policy.clone()).collect();
    policies.dedup();
    let mut seeds: Vec<u64> = groups.keys().map(|(_, seed, _)| *seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let verifiers: std::collections::BTreeSet<String> = groups
        .values()
        .flatten()
        .flat_map(|line| line.rewards.keys().cloned())
        .collect();
    let verifiers: Vec<String> = verifiers.into_iter().collect();
    let info = |model: &String| ModelInfo {
        name: model.clone(),
        identity: json!({ "imported": name, "model": model }),
        cost: None,
        training_tokens: None,
        price: None,
        oracle: false,
    };
    let mut cells = Vec::new();
    for (index, policy) in policies.iter().enumerate() {
        let pool = Config::Pool {
            policy: info(policy).identity,
            // Imported samples: the sampling settings are unknown, so these are placeholders.
            sampling: Sampling::at(1.0),
            limits: Limits {
                draw_tokens: usize::MAX >> 12,
                solution_tokens: usize::MAX >> 12,
                steps: usize::MAX >> 12,
            },
            draws: largest,
        };
        cells.push(Cell::new(index, None, pool));
    }
    for policy in 0..policies.len() {
        for (number, verifier) in verifiers.iter().enumerate() {
            let score = Config::Score {
                pool: cells[policy].hash().to_owned(),
                verifier: info(verifier).identity,
            };
            cells.push(Cell::new(policy, Some(number), score));
        }
    }
    let mut budgets: Vec<usize> = (0..usize::BITS)
        .map(|power| 1usize << power)
        .take_while(|&n| n < largest)
        .filter(|&n| n >= 4)
        .collect();
    budgets.push(largest);
    let study = Study {
        name: name.to_owned(),
        dataset: format!("import:{name}"),
        problems,
        policies: policies.iter().map(info).collect(),
        verifiers: verifiers.iter().map(info).collect(),
        strategies: Vec::new(),
        cells,
        budgets: budgets.clone(),
        seeds,
        recipe: Recipe {
            name: name.to_owned(),
            dataset: format!("import:{name}"),
            domain: None,
            problems: None,
            policies: policies.iter().cloned().map(ModelEntry::Name).collect(),
            verifiers: verifiers.iter().cloned().map(ModelEntry::Name).collect(),
            methods: match verifiers.is_empty() {
                true => vec![MAJORITY],
                false => vec![MAJORITY, BEST_OF_N],
            },
            strategies: Vec::new(),
            budgets,
            widths: vec![1],
            finished: outthink_core::Finished::default(),
            seed: 0,
            seeds: 1,
            store: None,
        },
    };
    store.put_study(&study)?;
    for ((policy, seed, number), mut lines) in groups {
        lines.sort_by_key(|line| line.index);
        let policy = policies.binary_search(&policy);
        let policy = policy.expect("the groups' policies are the study's, in order");
        store.write(units(&study, policy, seed, number, lines, answers)?)?;
    }
    Ok(study)
}

/// A pool of lines as finished units: the pool, and what each verifier said of it.
fn units(
    study: &Study,
    policy: usize,
    seed: u64,
    number: usize,
    lines: Vec<Line>,
    answers: &dyn Domain,
) -> Result<Vec<StoreWrite>, outthink_core::Error> {
    let problem = &study.problems[number];
    let key = problem.key();
    let mut samples: Vec<Drawn> = lines
        .iter()
        .map(|line| Drawn {
            seed: line.draw_seed,
            draws: line.draws.max(1),
            steps: line.steps.clone(),
            tokens: line.tokens,
            token_ids: line.token_ids.clone(),
            stop: if line.finish == "length" {
                Stop::Length
            } else {
                Stop::Answer
            },
            logprob: line.logprob.unwrap_or_default(),
            answer: None,
            class: None,
            correct: false,
        })
        .collect();
    block_on(grade(
        &mut samples,
        &problem.question(),
        &problem.gold,
        answers,
    ))?;
    let draws = samples.len() as u64;
    let generated: u64 = samples.iter().map(|sample| sample.tokens as u64).sum();
    let usage = Usage {
        generated,
        ..Usage::default()
    };
    let done = |cell: &Cell| FinishedUnit {
        unit: unit_id(cell.hash(), key, seed),
        seconds: 0.0,
        policy: Usage::default(),
        verifier: Usage::default(),
        spent: Spent {
            draws,
            policy: Work::default(),
            verifier: Work::default(),
        },
        grader: answers.identity(),
        tree: None,
        choice: None,
        samples: Vec::new(),
        rewards: Vec::new(),
        stats: Vec::new(),
    };
    let mut writes = Vec::new();
    let of_policy = study.cells.iter().filter(|cell| cell.policy == policy);
    for cell in of_policy {
        let unit = match cell.verifier {
            None => FinishedUnit {
                policy: usage,
                spent: Spent {
                    draws,
                    policy: Work {
                        generated,
                        shared: vec![(1, generated, 0)],
                    },
                    verifier: Work::default(),
                },
                samples: samples.clone(),
                ..done(cell)
            },
            Some(verifier) => {
                let name = &study.verifiers[verifier].name;
                let rewards = lines
                    .iter()
                    .enumerate()
                    .filter_map(|(index, line)| Some((index, line.rewards.get(name)?.clone())));
                FinishedUnit {
                    rewards: rewards.collect(),
                    ..done(cell)
                }
            }
        };
        writes.push(StoreWrite::Finish(Box::new(unit)));
    }
    Ok(writes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_no_sample_has_are_told_with_their_line() {
        let sound = r#"{"problem": "p", "gold": "1", "steps": ["\\boxed{1}"], "tokens": 4294967295, "draws": 1}"#;
        for (name, was) in [("tokens", "4294967295"), ("draws", "1}")] {
            let end = &was[was.trim_end_matches('}').len()..];
            let wrong = sound.replace(
                &format!("\"{name}\": {was}"),
                &format!("\"{name}\": {}{end}", u64::MAX),
            );
            let read = read_lines(&mut format!("{sound}\n\n{wrong}\n").as_bytes());
            let told = read
                .map(|lines| lines.len())
                .map_err(|error| error.to_string());
            let reason = format!("line 3: `{name}` is {}, which no sample has", u64::MAX);
            assert_eq!(told, Err(reason));
        }
    }
}
