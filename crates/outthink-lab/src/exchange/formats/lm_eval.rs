//! lm-evaluation-harness's `samples_TASK_DATE.jsonl`: a row per document and filter, with `doc`, `resps` and `target`.

use outthink_core::Sampling;
use serde_json::Value;

use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{asked, base_name, level, text, text_of};
use super::{Format, Found, Place};

pub(super) struct LmEval;

impl Format for LmEval {
    fn name(&self) -> &'static str {
        "lm-eval's samples"
    }

    fn recognises(&self, row: &Cells) -> bool {
        row.contains_key("doc") && row.contains_key("resps")
    }

    fn repeated(&self, row: &Cells) -> Option<String> {
        // A document stands there once for each filter, with the same responses.
        Some(row.get("doc_id")?.to_string())
    }

    fn read(&self, row: &Cells, place: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let nothing = Cells::new();
        let doc = row
            .get("doc")
            .and_then(Value::as_object)
            .unwrap_or(&nothing);
        let problem = text(doc, &["problem", "question", "query", "prompt", "input"])
            .or_else(|| prompt(row))
            .ok_or("neither its `doc` nor its `arguments` say what was asked")?;
        let gold = text(row, &["target"])
            .or_else(|| text(doc, &["answer", "target", "solution"]))
            .ok_or("it has no `target`")?;
        let responses: Vec<&str> = match row.get("resps").and_then(Value::as_array) {
            Some(requests) => requests.iter().flat_map(generated).collect(),
            None => Vec::new(),
        };
        if responses.is_empty() {
            return Err(
                "its responses are no texts: a task that compares likelihoods draws no samples"
                    .into(),
            );
        }
        let (settings, sampling) = drawn(row, place);
        let policy = settings
            .and_then(|all| {
                all.get("model_name")
                    .or_else(|| all.pointer("/config/model"))
            })
            .and_then(text_of)
            .map(|name| base_name(&name))
            .or_else(|| by_path(place));
        let id = text(doc, &["unique_id", "id", "problem_id"]);
        let task = place.name().strip_prefix("samples_").map(|name| {
            let bare = name.split(".json").next().unwrap_or(name);
            bare.rsplit_once("_20").map_or(bare, |(task, _)| task)
        });
        let number = text(row, &["doc_id"]).unwrap_or_default();
        let answers = row.get("filtered_resps").and_then(Value::as_array);
        let right = row.get("exact_match").and_then(Value::as_f64);
        let about = Line {
            policy: policy.unwrap_or_default(),
            n: responses.len(),
            problem_id: id.unwrap_or_else(|| format!("{}/{number}", task.unwrap_or("lm-eval"))),
            level: level(doc),
            subject: text(doc, &["subject", "type"]),
            problem,
            gold,
            sampling,
            ..Line::default()
        };
        for (index, response) in responses.iter().enumerate() {
            let line = Line {
                index,
                answer: answers
                    .filter(|own| own.len() == responses.len())
                    .and_then(|own| own[index].as_str())
                    .filter(|own| *own != "[invalid]")
                    .map(str::to_owned),
                correct: right.filter(|_| responses.len() == 1).map(|own| own > 0.5),
                ..about.clone()
            };
            found.push(line, response, Vec::new());
        }
        Ok(())
    }
}

/// The texts of one request's responses; a pair of a number and a truth is a likelihood.
fn generated(request: &Value) -> Vec<&str> {
    let likelihood = |all: &[Value]| {
        all.len() == 2
            && all[1]
                .as_str()
                .is_some_and(|own| own == "True" || own == "False")
    };
    match request {
        Value::String(text) => vec![text],
        Value::Array(all) if !likelihood(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The first argument of the first request: a prompt, or a conversation as JSON, alone in a list where it went to a chat API.
fn prompt(row: &Cells) -> Option<String> {
    let arguments = row.get("arguments")?;
    let first = arguments
        .pointer("/gen_args_0/arg_0")
        .or_else(|| arguments.pointer("/0/0"))?;
    let text = first.as_str().or_else(|| first.get(0)?.as_str())?;
    match serde_json::from_str::<Value>(text) {
        Ok(conversation @ Value::Array(_)) => asked(&conversation),
        _ => Some(text.to_owned()),
    }
}

/// The folder is named after the model, with `__` for `/`; once it was the file, after the model's arguments.
fn by_path(place: &Place<'_>) -> Option<String> {
    let model = match place.name().split_once("pretrained=") {
        Some((_, arguments)) => arguments.split(',').next(),
        None => place.folder(1).filter(|name| name.contains("__")),
    };
    Some(base_name(&model?.replace("__", "/")))
}

/// What the run was set to, and how it drew: with a request, or for all beside it.
fn drawn<'a>(row: &Cells, place: &'a Place<'_>) -> (Option<&'a Value>, Option<Sampling>) {
    let settings = place.settings("results.json");
    let arguments = row.get("arguments");
    let own = arguments.and_then(|all| {
        all.pointer("/gen_args_0/arg_1")
            .or_else(|| all.pointer("/0/1"))
    });
    let number = |name: &str| own?.get(name)?.as_f64();
    let samples = own
        .and_then(|own| own.get("do_sample"))
        .and_then(Value::as_bool);
    let temperature = match (samples, number("temperature")) {
        (Some(false), _) => Some(0.0),
        (_, told) => told,
    };
    let sampling = temperature.map(|temperature| Sampling {
        top_p: number("top_p").unwrap_or(1.0),
        top_k: number("top_k").unwrap_or(0.0).max(0.0) as usize,
        ..Sampling::at(temperature)
    });
    (settings, sampling)
}
