//! Inspect's logs: an archive for each policy, with a file for each sample beside `header.json`, as
//! `inspect_ai.log.read_eval_log` and `inspect view` read them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Pools, now, part_of_path, placed, pools};
use crate::exchange::{ExchangeError, Line};
use crate::store::Store;
use crate::study::Study;

/// What the verdicts are called among a sample's scores.
const SCORER: &str = "outthink";

/// Writes the pools of a study as Inspect's logs into a folder, a log for each policy, every sample of a problem an epoch; how many samples.
pub fn export_inspect(
    study: &Study,
    store: &mut Store,
    folder: &Path,
) -> Result<usize, ExchangeError> {
    let mut written = 0;
    for own in pools(study, store)? {
        let name = part_of_path(&format!("{}_{}", study.name, own.policy));
        placed(&folder.join(format!("{name}.eval")), |file| {
            log(&study.name, &own, file)
        })?;
        written += own.samples();
    }
    Ok(written)
}

fn log(task: &str, pools: &Pools, file: &File) -> Result<(), ExchangeError> {
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let mut put = |name: &str, value: &Value| -> Result<(), ExchangeError> {
        archive.start_file(name, SimpleFileOptions::default())?;
        serde_json::to_writer(&mut archive, value).map_err(std::io::Error::from)?;
        Ok(())
    };
    let mut summaries = Vec::new();
    for samples in &pools.problems {
        for (line, epoch) in samples.iter().zip(1..) {
            let (own, told) = (sample(line, epoch), summary(line, epoch));
            let name = format!("samples/{}_epoch_{epoch}.json", line.problem_id);
            put(&name, &own)?;
            summaries.push(told);
        }
    }
    put("summaries.json", &json!(summaries))?;
    put("header.json", &header(task, pools))?;
    archive.finish()?.flush()?;
    Ok(())
}

fn header(task: &str, pools: &Pools) -> Value {
    let (_, date) = now();
    let date = date.format("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    let first = pools.problems.first().and_then(|samples| samples.first());
    let sampling = first.and_then(|line| line.sampling);
    let drawn = sampling.map_or_else(
        || json!({}),
        |own| match own.top_k {
            0 => json!({"temperature": own.temperature, "top_p": own.top_p}),
            top_k => json!({"temperature": own.temperature, "top_p": own.top_p, "top_k": top_k}),
        },
    );
    let ids: Vec<&str> = pools
        .problems
        .iter()
        .filter_map(|samples| Some(samples.first()?.problem_id.as_str()))
        .collect();
    let epochs = pools.problems.iter().map(Vec::len).max();
    let samples = pools.samples();
    json!({
        "version": 2,
        "status": "success",
        "eval": {
            "created": date,
            "run_id": task,
            "task": task,
            "task_id": task,
            "dataset": {"name": task, "samples": ids.len(), "sample_ids": ids, "shuffled": false},
            "model": pools.policy,
            "model_generate_config": drawn,
            "config": {"epochs": epochs},
        },
        "plan": {"name": "plan", "steps": [], "config": drawn},
        "results": {
            "total_samples": samples,
            "completed_samples": samples,
            "scores": [{
                "name": SCORER,
                "scorer": SCORER,
                "metrics": {"accuracy": {"name": "accuracy", "value": pools.accuracy()}},
            }],
        },
        "stats": {"started_at": date, "completed_at": date},
    })
}

fn sample(line: &Line, epoch: usize) -> Value {
    let text = line.text();
    let reply = json!({
        "role": "assistant", "content": text, "source": "generate", "model": line.policy,
    });
    let stop = match line.finish.as_str() {
        "length" => "max_tokens",
        _ => "stop",
    };
    let mut output = json!({
        "model": line.policy,
        "choices": [{"message": reply, "stop_reason": stop}],
        "completion": text,
    });
    if line.tokens > 0 {
        output["usage"] =
            json!({"input_tokens": 0, "output_tokens": line.tokens, "total_tokens": line.tokens});
    }
    json!({
        "id": line.problem_id,
        "epoch": epoch,
        "input": line.problem,
        "target": line.gold,
        "messages": [{"role": "user", "content": line.problem, "source": "input"}, reply],
        "output": output,
        "scores": scores(line),
        "metadata": about(line),
        "store": {},
        "events": [],
        "model_usage": {},
        "attachments": {},
    })
}

/// What a list of samples shows of one.
fn summary(line: &Line, epoch: usize) -> Value {
    json!({
        "id": line.problem_id,
        "epoch": epoch,
        "input": line.problem,
        "target": line.gold,
        "metadata": about(line),
        "scores": scores(line),
        "model_usage": {},
        "completed": true,
    })
}

fn scores(line: &Line) -> Value {
    let value = match line.correct {
        Some(true) => "C",
        _ => "I",
    };
    json!({SCORER: {"value": value, "answer": line.answer}})
}

fn about(line: &Line) -> Value {
    let mut about = json!({"seed": line.seed});
    if let Some(level) = line.level {
        about["level"] = json!(level);
    }
    if let Some(subject) = &line.subject {
        about["subject"] = json!(subject);
    }
    about
}
