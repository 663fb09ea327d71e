//! Samples out of a store: a line each, a row per problem with search-and-learn's columns, or as a harness logs them.

mod inspect;
mod lm_eval;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use outthink_core::Stop;
use serde_json::{Map, Value, json};

use super::{ExchangeError, Line, parquet_file};
use crate::store::{Store, Told};
use crate::study::{Cell, Config, Study, unit_id};
pub use inspect::export_inspect;
pub use lm_eval::export_lm_eval;

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
    parquet_file::write(file, &rows).map_err(ExchangeError::Parquet)?;
    Ok(rows.len())
}

/// The pools of a study as rows with search-and-learn's columns, a row per problem, policy and run.
fn sal_rows(study: &Study, store: &mut Store) -> Result<Vec<Map<String, Value>>, ExchangeError> {
    let mut rows = Vec::new();
    each(study, store, &mut |group| {
        // A row per run, where another program drew them in several.
        let mut runs: BTreeMap<Option<String>, Vec<Line>> = BTreeMap::new();
        for line in group.into_iter().filter(|line| line.method == "pool") {
            runs.entry(line.run.clone()).or_default().push(line);
        }
        rows.extend(
            runs.into_values()
                .filter_map(|group| sal_row(study, &group)),
        );
        Ok(())
    })?;
    Ok(rows)
}

fn sal_row(study: &Study, group: &[Line]) -> Option<Map<String, Value>> {
    let first = group.first()?;
    let completions: Vec<String> = group.iter().map(|line| line.steps.join("\n\n")).collect();
    let mut row = Map::new();
    row.insert("problem".into(), json!(first.problem));
    row.insert("answer".into(), json!(first.gold));
    row.insert("unique_id".into(), json!(first.problem_id));
    row.insert("level".into(), json!(first.level));
    row.insert("subject".into(), json!(first.subject));
    row.insert("policy".into(), json!(first.policy));
    row.insert("seed".into(), json!(first.seed));
    if let Some(run) = &first.run {
        row.insert("run".into(), json!(run));
    }
    row.insert("completions".into(), json!(completions));
    // Unknown is not 0.
    let known = |line: &Line| (line.tokens > 0).then_some(line.tokens);
    let tokens: Vec<Option<usize>> = group.iter().map(known).collect();
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
    Some(row)
}

/// The pools of one policy.
struct Pools {
    policy: String,
    /// The samples of each problem, of all runs.
    problems: Vec<Vec<Line>>,
}

impl Pools {
    fn samples(&self) -> usize {
        self.problems.iter().map(Vec::len).sum()
    }

    /// The mean over problems of the share of right samples.
    fn accuracy(&self) -> f64 {
        let shares = self.problems.iter().map(|samples| right(samples));
        shares.sum::<f64>() / self.problems.len().max(1) as f64
    }
}

/// The share of right samples.
fn right(samples: &[Line]) -> f64 {
    let right = samples.iter().filter(|line| line.correct == Some(true));
    right.count() as f64 / samples.len().max(1) as f64
}

/// The pools of a study, by policy.
fn pools(study: &Study, store: &mut Store) -> Result<Vec<Pools>, ExchangeError> {
    let mut found: Vec<Pools> = Vec::new();
    let mut places: HashMap<(String, String), (usize, usize)> = HashMap::new();
    each(study, store, &mut |group| {
        for line in group.into_iter().filter(|line| line.method == "pool") {
            let key = (line.policy.clone(), line.problem_id.clone());
            let (policy, problem) = *places.entry(key).or_insert_with(|| {
                let known = found.iter().position(|own| own.policy == line.policy);
                let policy = known.unwrap_or_else(|| {
                    found.push(Pools {
                        policy: line.policy.clone(),
                        problems: Vec::new(),
                    });
                    found.len() - 1
                });
                found[policy].problems.push(Vec::new());
                (policy, found[policy].problems.len() - 1)
            });
            let equal = line.draws.max(1);
            found[policy].problems[problem].extend(std::iter::repeat_n(line, equal));
        }
        Ok(())
    })?;
    match found.is_empty() {
        true => Err(ExchangeError::NoPools(study.name.clone())),
        false => Ok(found),
    }
}

/// A name as a part of a path, as lm-eval makes it of a model's.
fn part_of_path(name: &str) -> String {
    let kept = |letter: &char| !"\"<>:/|\\?*[]".contains(*letter);
    let mut part = String::with_capacity(name.len());
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        match kept(&letter) {
            true => part.push(letter),
            false if letters.peek().is_none_or(kept) => part.push_str("__"),
            false => {}
        }
    }
    part
}

/// Now, in seconds and as a date.
fn now() -> (u64, DateTime<chrono::Utc>) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.map(|since| since.as_secs()).unwrap_or_default();
    let date = DateTime::from_timestamp(seconds.cast_signed(), 0);
    (seconds, date.unwrap_or_default())
}

/// Has a file written beside its place, and puts it there when it is whole.
fn placed(
    file: &Path,
    write: impl FnOnce(&File) -> Result<(), ExchangeError>,
) -> Result<(), ExchangeError> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let written = File::create(part)
        .map_err(ExchangeError::from)
        .and_then(|out| write(&out));
    let placed = written.and_then(|()| Ok(std::fs::rename(part, file)?));
    if placed.is_err() {
        // It may not have been begun.
        let _ = std::fs::remove_file(part);
    }
    placed
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
        let sampling = match cell.config() {
            // Of samples that others drew it may be unknown.
            Config::Pool {
                sampling,
                imported: None,
                ..
            } => Some(*sampling),
            _ => None,
        };
        let verifier_name = |number: usize| study.verifiers[number].name.clone();
        let problem = &study.problems[unit.number];
        let mut lines: Vec<Line> = Vec::new();
        let mut told: HashMap<i64, Told> = store.told(unit.id)?.into_iter().collect();
        for sample in store.samples(unit.id)? {
            let drawn = sample.drawn;
            let told = told.remove(&(sample.number as i64)).unwrap_or_default();
            lines.push(Line {
                policy: study.policies[cell.policy].name.clone(),
                method: method.to_owned(),
                n,
                verifier: verifier.map(verifier_name),
                seed: unit.seed,
                run: told.run,
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
                logprob: (drawn.tokens > 0 && drawn.logprob < 0.0).then_some(drawn.logprob),
                answer: drawn.answer,
                correct: Some(drawn.correct),
                step_labels: told.labels.into_iter().map_while(|own| own).collect(),
                rewards: BTreeMap::new(),
                sampling,
                parameters: None,
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
