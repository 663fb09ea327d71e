//! Inspect's logs: one object with `eval` and `samples`, or an archive with a file for each sample beside `header.json`.

use outthink_core::Sampling;
use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{asked, base_name, count, level, said, text, text_of};
use super::{Format, Found, Place};

pub(super) struct Inspect;

impl Format for Inspect {
    fn name(&self) -> &'static str {
        "Inspect's logs"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let has = |name: &str| row.contains_key(name);
        let whole = row.get("eval").is_some_and(Value::is_object) && has("samples");
        whole || (has("epoch") && has("input") && has("output"))
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        match row.get("samples").and_then(Value::as_array) {
            Some(samples) => {
                let header = Value::Object(row.clone());
                for (sample, number) in samples.iter().zip(1usize..) {
                    let cells = sample.as_object();
                    let cells = cells.ok_or_else(|| format!("sample {number} is no object"))?;
                    one(cells, Some(&header), found)
                        .map_err(|reason| format!("sample {number}: {reason}"))?;
                }
                Ok(())
            }
            None => {
                // A run that was cut off has no header yet.
                let header = place.settings("header.json");
                let header = header.or_else(|| place.settings("_journal/start.json"));
                one(row, header, found)
            }
        }
    }
}

fn one(sample: &Cells, header: Option<&Value>, found: &mut Found) -> Result<(), String> {
    let problem = sample
        .get("input")
        .and_then(asked)
        .ok_or("it has no input")?;
    let gold = match sample.get("target") {
        // Several targets are as right as each other; the first stands for them.
        Some(Value::Array(all)) => all.first().and_then(text_of),
        Some(one) => text_of(one),
        None => None,
    };
    let gold = gold.ok_or("it has no target")?;
    let eval = |name: &str| header?.get("eval")?.get(name);
    let output = sample.get("output");
    let metadata = sample.get("metadata").and_then(Value::as_object);
    let nothing = Cells::new();
    let epoch = sample.get("epoch").and_then(Value::as_u64).unwrap_or(1);
    let choices = output
        .and_then(|own| own.get("choices"))
        .and_then(Value::as_array);
    let choices = choices.map_or(&[][..], Vec::as_slice);
    let model = output.and_then(|own| own.get("model")).and_then(text_of);
    let model = eval("model").and_then(text_of).or(model);
    let about = Line {
        policy: model.map(|name| base_name(&name)).unwrap_or_default(),
        problem_id: sample.get("id").and_then(text_of).unwrap_or_default(),
        level: level(metadata.unwrap_or(&nothing)),
        subject: text(metadata.unwrap_or(&nothing), &["subject", "type"]),
        problem,
        gold,
        sampling: eval("model_generate_config")
            .or_else(|| header?.pointer("/plan/config"))
            .and_then(sampling),
        correct: verdict(sample),
        answer: answer(sample),
        ..Line::default()
    };
    for (place, choice) in choices.iter().enumerate() {
        let message = choice.get("message").and_then(|own| own.get("content"));
        let Some(written) = message.and_then(said) else {
            continue;
        };
        let stopped = choice.get("stop_reason").and_then(Value::as_str);
        let cut_off = matches!(stopped, Some("max_tokens" | "model_length"));
        let line = Line {
            index: epoch.saturating_sub(1) as usize * choices.len() + place,
            tokens: match choices.len() {
                1 => count(output.and_then(|own| own.pointer("/usage/output_tokens"))),
                _ => 0,
            },
            finish: if cut_off { "length" } else { "answer" }.into(),
            ..about.clone()
        };
        found.push(line, &written, Vec::new());
    }
    Ok(())
}

/// Was it right, by the one scorer that there is: `C` and `I`, or a number.
fn verdict(sample: &Cells) -> Option<bool> {
    let scores = sample.get("scores").and_then(Value::as_object)?;
    let mut values = scores.values().filter_map(|score| score.get("value"));
    match (values.next()?, values.next()) {
        (Value::String(letter), None) if letter == "C" => Some(true),
        (Value::String(letter), None) if letter == "I" || letter == "N" => Some(false),
        (Value::Number(number), None) => Some(number.as_f64()? > 0.5),
        (Value::Bool(right), None) => Some(*right),
        _ => None,
    }
}

fn answer(sample: &Cells) -> Option<String> {
    let scores = sample.get("scores").and_then(Value::as_object)?;
    let mut answers = scores
        .values()
        .filter_map(|score| score.get("answer")?.as_str());
    answers.next().map(str::to_owned)
}

fn sampling(settings: &Value) -> Option<Sampling> {
    let number = |name: &str| settings.get(name)?.as_f64();
    Some(Sampling {
        top_p: number("top_p").unwrap_or(1.0),
        top_k: number("top_k").unwrap_or(0.0).max(0.0) as usize,
        ..Sampling::at(number("temperature")?)
    })
}
