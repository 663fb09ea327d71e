//! ZeroEval's `result_dirs/TASK/MODEL.json`: an array of rows with `chat_history`, `output` and `generator`.

use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{asked, base_name, level, text, texts};
use super::{Format, Found, Place};

pub(super) struct ZeroEval;

impl Format for ZeroEval {
    fn name(&self) -> &'static str {
        "ZeroEval's results"
    }

    fn recognises(&self, row: &Cells) -> bool {
        row.contains_key("generator")
            && row.contains_key("chat_history")
            && row
                .get("output")
                .is_some_and(|own| own.is_array() || own.is_string())
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let problem = text(row, &["question", "problem"])
            .or_else(|| row.get("chat_history").and_then(asked))
            .ok_or("it has no question")?;
        let gold = text(row, &["correct_answer", "answer", "solution", "target"]);
        let outputs: Vec<&str> = match row.get("output") {
            Some(Value::String(one)) => vec![one],
            Some(all) => texts(all).ok_or("`output` is no list of texts")?,
            None => Vec::new(),
        };
        let by_file = || place.name().trim_end_matches(".json").to_owned();
        let about = Line {
            policy: text(row, &["generator"]).map_or_else(by_file, |name| base_name(&name)),
            n: outputs.len(),
            problem_id: text(row, &["id", "session_id"]).unwrap_or_default(),
            level: level(row),
            // GSM8K's are what is left of `#### 18`.
            gold: gold
                .map(|gold| gold.trim_start_matches('#').trim().to_owned())
                .unwrap_or_default(),
            problem,
            ..Line::default()
        };
        for (index, output) in outputs.iter().enumerate() {
            let line = Line {
                index,
                ..about.clone()
            };
            found.push(line, &written(output), Vec::new());
        }
        Ok(())
    }
}

/// A reply in JSON says its reasoning and its answer; any other is what it is.
fn written(output: &str) -> String {
    let bare = output.trim();
    let bare = bare.strip_prefix("```json").unwrap_or(bare);
    let bare = bare.trim().trim_end_matches("```").trim();
    let told = |value: &Value| {
        let answer = match value.get("answer")? {
            Value::String(answer) => answer.clone(),
            Value::Null => return None,
            other => other.to_string(),
        };
        let reasoning = value
            .get("reasoning")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Some(format!("{reasoning}\n\n\\boxed{{{answer}}}"))
    };
    match serde_json::from_str::<Value>(bare) {
        Ok(value) => told(&value).unwrap_or_else(|| output.to_owned()),
        Err(_) => output.to_owned(),
    }
}
