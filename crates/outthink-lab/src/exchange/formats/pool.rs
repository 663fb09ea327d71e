//! A line per problem with all its samples: `problem`, `gold`, and `samples` with `steps` or `text`.

use outthink_core::{Problem, Tree, TreeNode};
use serde_json::Value;

use super::super::GrownTree;
use super::super::line::Line;
use super::super::rows::Cells;
use super::cells::{count, level, numbers, text, texts};
use super::{Format, Found, Place};
use crate::audit::WRONG_PROBLEM;

pub(super) struct Pool;

impl Format for Pool {
    fn name(&self) -> &'static str {
        "a line per problem with its samples"
    }

    fn recognises(&self, row: &Cells) -> bool {
        let samples = row.get("samples").and_then(Value::as_array);
        let asks = row.get("problem").or_else(|| row.get("question"));
        let is_sample = |own: &Value| own.get("steps").is_some() || own.get("text").is_some();
        asks.is_some_and(Value::is_string)
            && samples.is_some_and(|samples| samples.iter().all(is_sample))
    }

    fn read(&self, row: &Cells, _: &Place<'_>, found: &mut Found) -> Result<(), String> {
        let problem = text(row, &["problem", "question"]).ok_or("it has no problem")?;
        let gold = text(row, &["gold", "answer", "target"]).unwrap_or_default();
        let samples = row.get("samples").and_then(Value::as_array);
        let samples = samples.ok_or("it has no samples")?;
        found.empty += usize::from(samples.is_empty());
        let about = Line {
            policy: text(row, &["policy", "model"]).unwrap_or_default(),
            problem_id: text(row, &["problem_id", "unique_id", "id"]).unwrap_or_default(),
            level: level(row),
            subject: text(row, &["subject", "type"]),
            problem,
            gold,
            n: samples.len(),
            ..Line::default()
        };
        let verifier = text(row, &["verifier"]).unwrap_or_default();
        for (index, sample) in samples.iter().enumerate() {
            let cells = sample.as_object().ok_or("a sample is no object")?;
            let mut line = Line {
                index,
                run: text(cells, &["run"]),
                tokens: count(cells.get("tokens")),
                answer: cells
                    .get("answer")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
                correct: cells.get("correct").and_then(Value::as_bool),
                finish: text(cells, &["finish"]).unwrap_or_default(),
                parameters: cells
                    .get("billion")
                    .and_then(Value::as_f64)
                    .map(|billion| (billion * 1e9) as u64),
                ..about.clone()
            };
            if let Some(policy) = text(cells, &["policy", "model"]) {
                line.policy = policy;
            }
            let mut rewards = rewards(cells, &verifier)?;
            // A control: what the verifier said where it read another problem.
            let wrong = cells
                .get("wrong_problem")
                .and_then(|own| own.get("rewards"));
            if let Some(wrong) = wrong.and_then(numbers) {
                rewards.push((format!("{verifier}{WRONG_PROBLEM}"), wrong));
            }
            let steps = match cells.get("steps") {
                None | Some(Value::Null) => None,
                Some(own) => Some(texts(own).ok_or("`steps` of a sample is no list of texts")?),
            };
            if steps.is_none() && !cells.get("text").is_some_and(Value::is_string) {
                return Err("a sample has neither `steps` nor a `text`".into());
            }
            match (steps, text(cells, &["text"])) {
                (Some(steps), _) if !steps.is_empty() => {
                    line.steps = steps.into_iter().map(str::to_owned).collect();
                    line.step_labels = labels(cells, line.steps.len());
                    line.rewards = rewards.into_iter().collect();
                    found.fitting(&mut line);
                    found.add(line);
                }
                (_, whole) => found.push(line, &whole.unwrap_or_default(), rewards),
            }
        }
        if let Some(nodes) = row.get("tree").and_then(Value::as_array) {
            found.trees.push(grown(&about, nodes, samples)?);
        }
        Ok(())
    }
}

/// `rewards`, of the row's verifier or by verifier.
fn rewards(sample: &Cells, verifier: &str) -> Result<Vec<(String, Vec<f64>)>, String> {
    const WRONG: &str = "`rewards` is neither a list of numbers nor such lists by verifier";
    match sample.get("rewards") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(all)) => {
            let own = all
                .iter()
                .map(|(name, own)| Some((name.clone(), numbers(own)?)));
            own.collect::<Option<_>>().ok_or_else(|| WRONG.into())
        }
        Some(own) => {
            let own = numbers(own).ok_or(WRONG)?;
            Ok(vec![(verifier.to_owned(), own)])
        }
    }
}

/// Which steps are right by `label`, the first wrong step from 0, or -1 where all are right.
fn labels(sample: &Cells, steps: usize) -> Vec<bool> {
    match sample.get("label").and_then(Value::as_i64) {
        Some(first) if first < 0 => vec![true; steps],
        Some(first) if (first as usize) < steps => {
            let mut labels = vec![true; first as usize];
            labels.push(false);
            labels
        }
        _ => Vec::new(),
    }
}

/// The tree that a search grew: nodes with `id`, `parent`, `step`, and `value`, `selected` and `correct` where they are known.
fn grown(about: &Line, nodes: &[Value], samples: &[Value]) -> Result<GrownTree, String> {
    let scale = scale(nodes, samples);
    let mut places = std::collections::HashMap::new();
    let (mut given, mut labels) = (Vec::new(), vec![None]);
    for (place, node) in nodes.iter().enumerate() {
        let id = node.get("id").and_then(Value::as_u64);
        let id = id.unwrap_or(place as u64);
        let parent = match node.get("parent").and_then(Value::as_u64) {
            None => Tree::ROOT,
            Some(parent) => *places.get(&parent).ok_or_else(|| {
                format!("node {id} of its tree stands before its parent {parent}")
            })?,
        };
        let value = node.get("value").or_else(|| node.get("reward"));
        places.insert(id, place + 1);
        labels.push(node.get("correct").and_then(Value::as_bool));
        given.push(TreeNode {
            parent,
            text: node
                .get("step")
                .or_else(|| node.get("text"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            reward: value.and_then(Value::as_f64).map(|value| value * scale),
            kept: node
                .get("selected")
                .and_then(Value::as_bool)
                .unwrap_or(true),
        });
    }
    let problem = Problem {
        id: about.problem_id.clone(),
        text: about.problem.clone(),
    };
    let tree = Tree::grown(problem, given).map_err(|error| format!("its tree: {error}"))?;
    Ok(GrownTree {
        policy: about.policy.clone(),
        tree,
        labels,
    })
}

/// What makes of a node's value a reward: the samples have both for the steps that they share with the tree.
fn scale(nodes: &[Value], samples: &[Value]) -> f64 {
    let rewards = |sample: &Value| {
        let step = sample.get("steps")?.get(0)?.as_str()?.to_owned();
        Some((step, sample.get("rewards")?.get(0)?.as_f64()?))
    };
    let known = samples.iter().filter_map(rewards);
    let ratio = |(step, reward): (String, f64)| {
        let own = nodes.iter().find(|node| {
            node.get("parent").is_none_or(Value::is_null)
                && node.get("step").and_then(Value::as_str) == Some(step.as_str())
        })?;
        let value = own.get("value")?.as_f64()?;
        (value > 0.0 && reward > 0.0).then_some(reward / value)
    };
    known.filter_map(ratio).next().unwrap_or(1.0)
}
