//! lighteval's `details_TASK_DATE.parquet`: a row per document, with `doc`, `model_response` and `metric`.

use outthink_core::Sampling;
use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{base_name, text, texts};
use super::{Format, Found, Place};

pub(super) struct Lighteval;

impl Format for Lighteval {
    fn name(&self) -> &'static str {
        "lighteval's details"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let is_object = |name: &str| row.get(name).is_some_and(Value::is_object);
        is_object("doc") && is_object("model_response")
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let cells = |name: &str| row.get(name).and_then(Value::as_object);
        let (Some(doc), Some(reply)) = (cells("doc"), cells("model_response")) else {
            return Err("its `doc` and `model_response` are no objects".into());
        };
        let problem = text(doc, &["query"]).ok_or("its `doc` has no `query`")?;
        let gold = gold(doc).ok_or("its `doc` has no choice at its `gold_index`")?;
        let written = reply.get("text").and_then(texts).unwrap_or_default();
        if written.is_empty() {
            return Err(
                "its reply has no text: a task that compares likelihoods draws no samples".into(),
            );
        }
        let task = text(doc, &["task_name"]).unwrap_or_else(|| "lighteval".into());
        let number = text(doc, &["id"]).unwrap_or_default();
        // One metric of one reply is a verdict on it.
        let verdict = match (cells("metric").map(|all| all.values().collect()), &*written) {
            (Some::<Vec<&Value>>(own), [_]) if own.len() == 1 => own[0].as_f64(),
            _ => None,
        };
        let settings = settings(place);
        let model = settings.and_then(|all| all.get("model_name")?.as_str());
        let model = model.or_else(|| place.folder(2));
        let about = Line {
            policy: model.map(base_name).unwrap_or_default(),
            n: written.len(),
            problem_id: format!("{}/{number}", task.split('|').next().unwrap_or(&task)),
            problem,
            gold,
            sampling: settings.and_then(sampling),
            correct: verdict.map(|own| own > 0.5),
            ..Line::default()
        };
        for (index, reply) in written.iter().enumerate() {
            let line = Line {
                index,
                ..about.clone()
            };
            found.push(line, reply, Vec::new());
        }
        Ok(())
    }
}

/// The first of the right choices stands for them.
fn gold(doc: &Cells) -> Option<String> {
    let index = doc.get("gold_index")?;
    let index = index.as_array().map_or(Some(index), |all| all.first())?;
    let choices = doc.get("choices").and_then(texts)?;
    let gold = choices.get(usize::try_from(index.as_u64()?).ok()?)?;
    Some((*gold).trim().to_owned())
}

/// How the run was set: `details/MODEL/DATE/` has its `results/MODEL/` beside it.
fn settings<'a>(place: &'a Place<'_>) -> Option<&'a Value> {
    let (before, below) = place.file.rsplit_once("details/")?;
    let model = below.rsplitn(3, '/').nth(2)?;
    place
        .beside
        .get(&format!("{before}results/{model}/results.json"))?
        .pointer("/config_general/model_config")
}

fn sampling(settings: &Value) -> Option<Sampling> {
    let drawn = settings.get("generation_parameters")?;
    let number = |name: &str| drawn.get(name)?.as_f64();
    Some(Sampling {
        top_p: number("top_p").unwrap_or(1.0),
        top_k: number("top_k").unwrap_or(0.0).max(0.0) as usize,
        ..Sampling::at(number("temperature")?)
    })
}
