//! TRL's stepwise records: `prompt`, the steps as `completions`, and for each of them whether it is right as `labels`.

use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{asked, level, text, texts};
use super::{Format, Found, Place};

pub(super) struct Stepwise;

/// What the labels are called where rewards are.
const LABELS: &str = "labels";

impl Format for Stepwise {
    fn name(&self) -> &'static str {
        "TRL's stepwise records"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let labels = row.get("labels").and_then(Value::as_array);
        row.contains_key("prompt")
            && row.get("completions").and_then(steps).is_some()
            && labels.is_some_and(|all| all.iter().all(|own| label(own).is_some()))
    }

    fn read(&self, row: &Cells, _: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let problem = row
            .get("prompt")
            .and_then(asked)
            .ok_or("it has no prompt")?;
        let steps = row.get("completions").and_then(steps);
        let steps = steps.ok_or("`completions` is no list of steps")?;
        let labels: Vec<bool> = match row.get("labels").and_then(Value::as_array) {
            Some(all) => all.iter().filter_map(label).collect(),
            None => return Err("it has no labels".into()),
        };
        if labels.len() != steps.len() {
            return Err(format!(
                "it has {} steps and {} labels",
                steps.len(),
                labels.len()
            ));
        }
        let first_wrong = labels.iter().position(|right| !right);
        let mut line = Line {
            policy: text(row, &["policy", "model", "generator"]).unwrap_or_default(),
            problem_id: text(row, &["problem_id", "unique_id", "id"]).unwrap_or_default(),
            gold: text(
                row,
                &["answer", "gold", "ground_truth", "target", "solution"],
            )
            .unwrap_or_default(),
            level: level(row),
            problem,
            steps,
            correct: row.get("correct").and_then(Value::as_bool),
            ..Line::default()
        };
        // What a labeller said is exact up to the first wrong step; as rewards it is what an oracle would give.
        let exact = labels
            .iter()
            .take(first_wrong.map_or(labels.len(), |at| at + 1));
        line.step_labels = exact.copied().collect();
        let rewards = labels.iter().map(|&right| f64::from(u8::from(right)));
        line.rewards.insert(LABELS.into(), rewards.collect());
        found.add(line);
        Ok(())
    }
}

/// The steps: texts, or messages of a conversation.
fn steps(value: &Value) -> Option<Vec<String>> {
    if let Some(all) = texts(value) {
        return Some(all.into_iter().map(str::to_owned).collect());
    }
    let all = value.as_array()?.iter();
    all.map(|message| message.get("content")?.as_str().map(str::to_owned))
        .collect()
}

fn label(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(right) => Some(*right),
        Value::Number(number) => Some(number.as_f64()? > 0.0),
        Value::String(sign) => match sign.as_str() {
            "+" => Some(true),
            "-" => Some(false),
            _ => None,
        },
        _ => None,
    }
}
