//! What the paper's own code writes: `TASK_METHOD/POLICY/VERIFIER/DEPTH_WIDTH_BEAMS/question_i/record_j.jsonl`, with
//! `config.json` beside the questions.

use outthink_core::Sampling;
use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{base_name, count, numbers, text};
use super::{Format, Found, Place};

pub(super) struct ComputeOptimalTts;

impl Format for ComputeOptimalTts {
    fn name(&self) -> &'static str {
        "compute-optimal-tts's records"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let paths = row.get("output").and_then(Value::as_array);
        let is_path = |path: &Value| path.get("text").is_some() && path.get("path_idx").is_some();
        row.contains_key("question")
            && row.contains_key("groundtruth")
            && paths.is_some_and(|paths| paths.iter().all(is_path))
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let problem = text(row, &["question"]).ok_or("it has no question")?;
        let gold = text(row, &["groundtruth"]).ok_or("it has no groundtruth")?;
        let paths = row.get("output").and_then(Value::as_array);
        let paths = paths.ok_or("it has no output")?;
        let settings = place.settings("config.json");
        let model = |name: &str, depth: usize| {
            let of = settings.and_then(|all| all.get(name));
            // `LM` is a list of one.
            let told = of.and_then(|own| own.as_str().or_else(|| own.get(0)?.as_str()));
            let by_folder = || place.folder(depth).unwrap_or_default().to_owned();
            told.map_or_else(by_folder, base_name)
        };
        let verifier = match model("RM", 3).as_str() {
            "dummy" => String::new(),
            name => name.to_owned(),
        };
        let sampling = settings.and_then(|all| all.get("gen_config")).map(sampling);
        let of_config = |name: &str| {
            let value = settings?.get("method_config")?.get(name)?.as_u64()?;
            Some(value as usize)
        };
        let is_beam = settings
            .and_then(|all| all.get("method"))
            .and_then(Value::as_str)
            .map_or_else(
                || place.file.contains("beam_search"),
                |method| method.contains("beam"),
            );
        let record = number(place.name());
        let question = place.folder(1).filter(|own| own.starts_with("question"));
        let question = question.unwrap_or_default();
        let about = Line {
            policy: model("LM", 4),
            method: if is_beam { "beam" } else { "pool" }.into(),
            n: match is_beam {
                true => of_config("tree_max_width").unwrap_or(paths.len()),
                false => paths.len(),
            },
            // A repetition of a search is a run of its own; repeated samples are one pool.
            seed: if is_beam { record } else { 0 },
            run: Some(format!("record_{record}")),
            problem_id: question.to_owned(),
            problem,
            gold,
            sampling,
            ..Line::default()
        };
        let verdict = row.get("result").and_then(|own| own.get("majority_vote"));
        let verdict = verdict.and_then(Value::as_f64).filter(|_| paths.len() == 1);
        for (index, path) in paths.iter().enumerate() {
            let text = path.get("text").and_then(Value::as_str).unwrap_or_default();
            let value = path.get("value").and_then(numbers).unwrap_or_default();
            let answer = path.get("extracted_answer").and_then(Value::as_str);
            let line = Line {
                index: record as usize * paths.len() + index,
                tokens: tokens(path, paths.len()),
                answer: answer.map(str::to_owned),
                correct: verdict.map(|own| own > 0.5),
                ..about.clone()
            };
            // Without a verifier the values are 0, 1, 2 …
            let rewards = match verifier.is_empty() {
                true => Vec::new(),
                false => vec![(verifier.clone(), value)],
            };
            let pieces: Vec<&str> = text.split("ки").map(str::trim).collect();
            let steps: Vec<String> = pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .map(|piece| (*piece).to_owned())
                .collect();
            match steps.is_empty() || !text.contains("ки") {
                true => found.push(line, text, rewards),
                false => {
                    let mut line = Line {
                        steps,
                        rewards: rewards.into_iter().collect(),
                        ..line
                    };
                    found.fitting(&mut line);
                    found.add(line);
                }
            }
        }
        Ok(())
    }
}

/// The sum over its steps; the total of all paths stands at the last one, so of a single one it is its own.
fn tokens(path: &Value, paths: usize) -> usize {
    let steps = path.get("token_history").and_then(numbers);
    let sum: f64 = steps.unwrap_or_default().iter().sum();
    match paths {
        1 => count(path.get("completion_tokens")).max(sum as usize),
        _ => sum as usize,
    }
}

/// `record_7.jsonl` is 7.
fn number(name: &str) -> u64 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_default()
}

fn sampling(settings: &Value) -> Sampling {
    let number = |name: &str| settings.get(name).and_then(Value::as_f64);
    Sampling {
        temperature: number("temperature").unwrap_or(1.0),
        top_p: number("top_p").unwrap_or(1.0),
        // -1 is all tokens.
        top_k: number("top_k").unwrap_or(0.0).max(0.0) as usize,
        ..Sampling::at(1.0)
    }
}
