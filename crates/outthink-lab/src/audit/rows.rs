//! Solutions with a known first error, as the sets of others have them, read a line at a time.

use std::io::BufRead;

use serde_json::Value;

use crate::exchange::rows::Cells;

/// A solution whose first error is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SolutionRow {
    /// What was asked.
    pub problem: String,
    /// The steps, none of them blank.
    pub steps: Vec<String>,
    /// The first wrong step, from 0; none for a right solution.
    pub first_error: Option<usize>,
    /// Does the last step end the answer?
    pub complete: bool,
    /// Which kind of error or part of the set it belongs to, if the set has several.
    pub kind: Option<String>,
    /// Rewards that stand with it, one a step, if there are any.
    pub rewards: Option<Vec<f64>>,
}

/// A line that is no such solution.
#[derive(Debug, thiserror::Error)]
#[error("{file} line {line}: {reason}")]
pub struct RowError {
    /// The file.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// How a set writes its rows.
struct Layout {
    /// What is asked, by the first of these columns.
    problem: &'static [&'static str],
    steps: &'static str,
    /// Which column tells the first error, and how.
    label: &'static str,
    read: fn(&Value, &[String]) -> Result<Option<usize>, String>,
}

/// The layouts; a row is of the first whose steps and label it has. A new one is a line here.
const LAYOUTS: [Layout; 5] = [
    // ProcessBench (arXiv 2412.06559): from 0, or -1.
    Layout {
        problem: &["problem", "question"],
        steps: "steps",
        label: "label",
        read: |label, steps| match label.as_i64() {
            Some(-1) => Ok(None),
            Some(at) if at >= 0 && (at as usize) < steps.len() => Ok(Some(at as usize)),
            Some(at) => Err(format!(
                "label {at} names no step: it is -1, or from 0 to {}",
                steps.len() - 1
            )),
            None => Err("`label` is no number".into()),
        },
    },
    // BIG-Bench-Mistake (arXiv 2311.08516): from 0, or null.
    Layout {
        problem: &["input", "problem"],
        steps: "steps",
        label: "mistake_index",
        read: |label, steps| match label.as_u64() {
            None => Ok(None),
            Some(at) if (at as usize) < steps.len() => Ok(Some(at as usize)),
            Some(at) => Err(format!("mistake_index {at} names no step")),
        },
    },
    // PRMBench (arXiv 2501.03124): all wrong steps, from 1.
    Layout {
        problem: &["modified_question", "question", "original_question"],
        steps: "modified_process",
        label: "error_steps",
        read: |label, steps| {
            let all = label.as_array().ok_or("`error_steps` is no list")?;
            let named = all.iter().filter_map(Value::as_u64);
            let first = named
                .filter(|at| (1..=steps.len() as u64).contains(at))
                .min();
            match (first, all.is_empty()) {
                (Some(at), _) => Ok(Some(at as usize - 1)),
                (None, true) => Ok(None),
                (None, false) => Err("none of its `error_steps` is a step".into()),
            }
        },
    },
    // MR-GSM8K (arXiv 2312.17080): from 1, or "N/A".
    Layout {
        problem: &["question", "problem"],
        steps: "model_output_steps",
        label: "model_output_solution_first_error_step",
        read: |label, steps| {
            let text = match label {
                Value::String(text) => text.trim().to_owned(),
                other => other.to_string(),
            };
            match text.parse::<usize>() {
                Ok(at) if (1..=steps.len()).contains(&at) => Ok(Some(at - 1)),
                Ok(at) => Err(format!("first error step {at} names no step")),
                Err(_) => Ok(None),
            }
        },
    },
    // TRL's stepwise supervision: a label a step; what follows the first error counts for nothing.
    Layout {
        problem: &["prompt", "problem"],
        steps: "completions",
        label: "labels",
        read: |label, steps| {
            let all = label.as_array().ok_or("`labels` is no list")?;
            if all.len() != steps.len() {
                return Err(format!("{} labels of {} steps", all.len(), steps.len()));
            }
            let is_wrong = |own: &Value| match own {
                Value::Bool(right) => !right,
                other => other.as_f64().is_none_or(|own| own <= 0.0),
            };
            Ok(all.iter().position(is_wrong))
        },
    },
];

/// Columns that tell a kind of error, or a part of a set, by themselves.
const KINDS: [&str; 7] = [
    "classification",
    "error_type",
    "question_type",
    "kind",
    "task",
    "subset",
    "split",
];

impl Layout {
    fn of(row: &Cells) -> Option<&'static Self> {
        LAYOUTS
            .iter()
            .find(|own| row.contains_key(own.steps) && row.contains_key(own.label))
    }

    fn row(&self, row: &Cells) -> Result<SolutionRow, String> {
        let text = |name: &&str| row.get(*name).and_then(Value::as_str);
        let problem = self.problem.iter().find_map(text).unwrap_or_default();
        if problem.trim().is_empty() {
            return Err("the problem is empty".into());
        }
        let steps: Option<Vec<String>> = row.get(self.steps).and_then(|own| {
            let all = own.as_array()?.iter();
            all.map(|step| step.as_str().map(str::to_owned)).collect()
        });
        let steps = steps.ok_or_else(|| format!("`{}` is no list of texts", self.steps))?;
        if steps.is_empty() {
            return Err("there are no steps".into());
        }
        let label = row.get(self.label).unwrap_or(&Value::Null);
        let mut first_error = (self.read)(label, &steps)?;
        let blank = |step: &String| step.trim().is_empty();
        let (mut steps, count) = (steps.clone(), steps.len());
        let mut kept: Vec<usize> = (0..steps.len()).collect();
        if let Some(at) = steps.iter().position(blank) {
            // Written by machines elsewhere; here somebody meant a step.
            if self.label == LAYOUTS[0].label {
                return Err(format!("step {at} (from 0) is blank"));
            }
            kept.retain(|&at| !blank(&steps[at]));
            if let Some(error) = first_error {
                let place = kept.iter().position(|&at| at == error);
                first_error = Some(place.ok_or("its first wrong step is blank")?);
            }
            steps = kept.iter().map(|&at| steps[at].clone()).collect();
            if steps.is_empty() {
                return Err("all its steps are blank".into());
            }
        }
        let rewards = match row.get("rewards").or_else(|| row.get("scores")) {
            None | Some(Value::Null) => None,
            Some(own) => {
                let all = own.as_array().into_iter().flatten().map(Value::as_f64);
                let all: Option<Vec<f64>> = all.collect();
                match all.filter(|all| all.len() == count) {
                    Some(all) => Some(kept.iter().map(|&at| all[at]).collect()),
                    None => return Err(format!("`rewards` are not {} numbers", steps.len())),
                }
            }
        };
        Ok(SolutionRow {
            problem: problem.to_owned(),
            kind: kind(row),
            rewards,
            steps,
            first_error,
            complete: true,
        })
    }
}

/// What kind of error it is, or which part of the set it is from: told by a column, or by an id such as `gsm8k-17` or
/// `prmbench/circular/3`.
fn kind(row: &Cells) -> Option<String> {
    let told = KINDS.iter().find_map(|name| row.get(*name)?.as_str());
    if let Some(told) = told {
        return Some(told.to_owned());
    }
    let id = row.get("id")?.as_str()?;
    let parts: Vec<&str> = id.split('/').collect();
    if let [_, part, _, ..] = parts[..] {
        return Some(part.to_owned());
    }
    let bare = id.trim_end_matches(|c: char| c.is_ascii_digit());
    let bare = bare.trim_end_matches(['-', '_', '/']);
    let is_name = bare.len() < id.len()
        && !bare.is_empty()
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| bare.to_owned())
}

fn read(bytes: &[u8]) -> Result<SolutionRow, String> {
    let row: Cells = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let layout = Layout::of(&row).ok_or_else(|| {
        let known = LAYOUTS
            .iter()
            .map(|own| format!("`{}` and `{}`", own.steps, own.label));
        let known: Vec<String> = known.collect();
        format!("it has no labelled steps: none of {}", known.join(", "))
    })?;
    layout.row(&row)
}

/// Reads solutions with labels, a line of JSON each: ProcessBench's `{"problem", "steps", "label"}` (`label` is the first wrong step
/// from 0, or −1), PRMBench's, BIG-Bench-Mistake's, MR-GSM8K's and TRL's. Blank lines are skipped.
pub fn read_labelled<'a>(
    file: &'a str,
    lines: impl BufRead + 'a,
) -> impl Iterator<Item = Result<SolutionRow, RowError>> + 'a {
    lines
        .split(b'\n')
        .zip(1..)
        .filter_map(move |(line, number)| {
            let row = match line {
                Err(error) => Err(error.to_string()),
                Ok(bytes) if bytes.trim_ascii().is_empty() => return None,
                Ok(bytes) => read(&bytes),
            };
            Some(row.map_err(|reason| RowError {
                file: file.to_owned(),
                line: number,
                reason,
            }))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_counts_its_steps_in_its_own_way() {
        for (row, error, kind) in [
            (
                r#"{"id": "gsm8k-3", "problem": "p", "steps": ["a", "b"], "label": 1}"#,
                Some(1),
                Some("gsm8k"),
            ),
            (
                r#"{"id": "prmbench/circular/x_0", "problem": "p", "steps": ["a"], "label": -1}"#,
                None,
                Some("circular"),
            ),
            (
                r#"{"input": "p", "steps": ["a", "b"], "mistake_index": 0, "task": "sorting"}"#,
                Some(0),
                Some("sorting"),
            ),
            (
                r#"{"input": "p", "steps": ["a", "b"], "mistake_index": null}"#,
                None,
                None,
            ),
            (
                r#"{"original_question": "o", "modified_question": "p", "modified_process": ["a", "b", "c"], "error_steps": [9, 3, 2], "classification": "circular", "idx": "1"}"#,
                Some(1),
                Some("circular"),
            ),
            (
                r#"{"question": "p", "model_output_steps": ["a", "b"], "model_output_solution_first_error_step": "2"}"#,
                Some(1),
                None,
            ),
            (
                r#"{"question": "p", "model_output_steps": ["a"], "model_output_solution_first_error_step": "N/A"}"#,
                None,
                None,
            ),
            (
                r#"{"prompt": "p", "completions": ["a", "b", "c"], "labels": [true, false, true]}"#,
                Some(1),
                None,
            ),
        ] {
            let read = read(row.as_bytes());
            let read = read.map(|own| (own.problem, own.first_error, own.kind));
            assert_eq!(
                read,
                Ok(("p".to_owned(), error, kind.map(str::to_owned))),
                "{row}"
            );
        }
        let missing = read(br#"{"question": "p", "modified_process": ["a"], "error_steps": [4]}"#);
        assert_eq!(
            missing,
            Err("none of its `error_steps` is a step".to_owned())
        );
    }
}
