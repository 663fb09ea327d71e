//! Solutions with a known first error: ProcessBench's JSONL (arXiv 2412.06559), read a line at a time.

use std::io::BufRead;

use serde::Deserialize;

/// A solution whose first error is known.
#[derive(Clone, Debug, PartialEq)]
pub struct SolutionRow {
    /// What was asked.
    pub problem: String,
    /// The steps, none of them blank.
    pub steps: Vec<String>,
    /// The first wrong step, from 0; none for a right solution.
    pub first_error: Option<usize>,
    /// Does the last step end the answer?
    pub complete: bool,
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

#[derive(Deserialize)]
struct Written {
    problem: String,
    steps: Vec<String>,
    label: i64,
}

impl Written {
    fn row(self) -> Result<SolutionRow, String> {
        let Self {
            problem,
            steps,
            label,
        } = self;
        if problem.trim().is_empty() {
            return Err("the problem is empty".into());
        }
        if steps.is_empty() {
            return Err("there are no steps".into());
        }
        if let Some(blank) = steps.iter().position(|step| step.trim().is_empty()) {
            return Err(format!("step {blank} (from 0) is blank"));
        }
        let first_error = match usize::try_from(label) {
            Ok(step) if step < steps.len() => Some(step),
            Err(_) if label == -1 => None,
            _ => {
                return Err(format!(
                    "label {label} names no step: it is -1, or from 0 to {}",
                    steps.len() - 1
                ));
            }
        };
        Ok(SolutionRow {
            problem,
            steps,
            first_error,
            complete: true,
        })
    }
}

/// Reads `{"problem", "steps", "label"}` a line; `label` is the first wrong step from 0, or −1. Blank lines are skipped.
pub fn read_process_bench<'a>(
    file: &'a str,
    lines: impl BufRead + 'a,
) -> impl Iterator<Item = Result<SolutionRow, RowError>> + 'a {
    lines.split(b'\n').zip(1..).filter_map(move |(read, line)| {
        let row = match read {
            Err(error) => Err(error.to_string()),
            Ok(bytes) if bytes.trim_ascii().is_empty() => return None,
            Ok(bytes) => serde_json::from_slice::<Written>(&bytes)
                .map_err(|error| error.to_string())
                .and_then(Written::row),
        };
        Some(row.map_err(|reason| RowError {
            file: file.to_owned(),
            line,
            reason,
        }))
    })
}
