//! lm-evaluation-harness's logs, as it leaves them under `--output_path`: a folder for each policy with `samples_TASK_DATE.jsonl`,
//! a row per problem, and `results_DATE.json`.

use std::io::{BufWriter, Write};
use std::path::Path;

use outthink_core::identity::sha256;
use serde_json::{Value, json};

use super::{Pools, now, part_of_path, placed, pools, right};
use crate::exchange::{ExchangeError, Line};
use crate::store::Store;
use crate::study::Study;

/// What the verdicts are called among the filters.
const FILTER: &str = "outthink";

/// Writes the pools of a study as lm-eval's logs into a folder, every sample of a problem a response; how many samples.
pub fn export_lm_eval(
    study: &Study,
    store: &mut Store,
    folder: &Path,
) -> Result<usize, ExchangeError> {
    let (seconds, date) = now();
    let date = date.format("%Y-%m-%dT%H-%M-%S.000000").to_string();
    let task = part_of_path(&study.name);
    let mut written = 0;
    for own in pools(study, store)? {
        let folder = folder.join(part_of_path(&own.policy));
        placed(
            &folder.join(format!("samples_{task}_{date}.jsonl")),
            |file| {
                let mut out = BufWriter::new(file);
                for (number, samples) in own.problems.iter().enumerate() {
                    serde_json::to_writer(&mut out, &row(number, samples))
                        .map_err(std::io::Error::from)?;
                    out.write_all(b"\n")?;
                }
                Ok(out.flush()?)
            },
        )?;
        placed(&folder.join(format!("results_{date}.json")), |file| {
            let mut out = BufWriter::new(file);
            serde_json::to_writer_pretty(&mut out, &results(&task, seconds, &own))
                .map_err(std::io::Error::from)?;
            Ok(out.flush()?)
        })?;
        written += own.samples();
    }
    Ok(written)
}

fn results(task: &str, seconds: u64, pools: &Pools) -> Value {
    let problems = pools.problems.len();
    let repeats = pools.problems.iter().map(Vec::len).max();
    json!({
        "results": {task: {"alias": task, format!("exact_match,{FILTER}"): pools.accuracy()}},
        "configs": {task: {"task": task, "output_type": "generate_until", "repeats": repeats}},
        "n-samples": {task: {"original": problems, "effective": problems}},
        "config": {"model": "outthink", "model_args": {"model": pools.policy}},
        "model_source": "outthink",
        "model_name": pools.policy,
        "model_name_sanitized": part_of_path(&pools.policy),
        "date": seconds,
    })
}

fn row(number: usize, samples: &[Line]) -> Value {
    let Some(first) = samples.first() else {
        return Value::Null;
    };
    let mut doc = json!({"id": first.problem_id, "question": first.problem, "answer": first.gold});
    if let Some(level) = first.level {
        doc["level"] = json!(level);
    }
    if let Some(subject) = &first.subject {
        doc["subject"] = json!(subject);
    }
    let drawn = first.sampling.map_or_else(
        || json!({}),
        |own| {
            json!({
                "do_sample": own.temperature > 0.0, "temperature": own.temperature,
                "top_p": own.top_p, "top_k": own.top_k,
            })
        },
    );
    let texts: Vec<String> = samples.iter().map(Line::text).collect();
    let answers: Vec<&str> = samples
        .iter()
        .map(|line| line.answer.as_deref().unwrap_or("[invalid]"))
        .collect();
    let hash = |text: &str| sha256(text.as_bytes());
    json!({
        "doc_id": number,
        "doc_hash": hash(&doc.to_string()),
        "doc": doc,
        "target": first.gold,
        "target_hash": hash(&first.gold),
        "arguments": {"gen_args_0": {"arg_0": first.problem, "arg_1": drawn}},
        "prompt_hash": hash(&first.problem),
        "resps": [texts],
        "filtered_resps": answers,
        "filter": FILTER,
        "metrics": ["exact_match"],
        "exact_match": right(samples),
    })
}
