//! A sample as a line of JSON: what `outthink export` writes, and what every other program's samples become.

use std::collections::BTreeMap;

use outthink_core::Sampling;
use outthink_core::identity::sha256;
use serde::{Deserialize, Serialize};

/// A sample, as a line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Line {
    /// The policy's name; empty where a file does not tell it.
    pub policy: String,
    /// `pool`, `cot`, or the search that kept it.
    pub method: String,
    /// The search's budget, or the pool's size.
    pub n: usize,
    /// The search's verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// The run's seed.
    pub seed: u64,
    /// Which run of another program it is from. Samples of one run may share their first steps: they are no independent draws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The problem's id.
    pub problem_id: String,
    /// What was asked.
    pub problem: String,
    /// The right answer.
    pub gold: String,
    /// The data set's level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<i64>,
    /// The data set's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its number among the samples of its problem.
    pub index: usize,
    /// The draw's own seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draw_seed: Option<u64>,
    /// How many equal draws it stands for.
    pub draws: usize,
    /// Its steps.
    pub steps: Vec<String>,
    /// How many tokens it has; left out where that is unknown.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: usize,
    /// Which, a list a step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_ids: Vec<Vec<u32>>,
    /// `answer` or `length`.
    pub finish: String,
    /// Sum of the log-probabilities of its tokens, where these are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprob: Option<f64>,
    /// Its answer, as the file has it.
    pub answer: Option<String>,
    /// Is that right, as the file has it?
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct: Option<bool>,
    /// Is each step right, from the first, as far as that is known exactly? What follows the first error has no label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub step_labels: Vec<bool>,
    /// One reward per step, by verifier; empty is the name of one that a file does not tell.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rewards: BTreeMap<String, Vec<f64>>,
    /// How the policy drew it, where that is known.
    #[serde(skip)]
    pub sampling: Option<Sampling>,
    /// How many parameters the policy has, where that is known.
    #[serde(skip)]
    pub parameters: Option<u64>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Line {
    /// Are the counts of a sample such that those of many add up?
    pub(crate) fn countable(&self) -> Result<(), String> {
        /// More tokens and draws than any sample has.
        const MOST: usize = u32::MAX as usize;
        for (name, count) in [("tokens", self.tokens), ("draws", self.draws)] {
            if count > MOST {
                return Err(format!("`{name}` is {count}, which no sample has"));
            }
        }
        Ok(())
    }

    /// Its whole text.
    pub(crate) fn text(&self) -> String {
        self.steps.join("\n\n")
    }
}

/// A hash of samples: what tells their units from those of other samples of the same models.
pub(crate) fn fingerprint(lines: &[Line]) -> String {
    let mut all = String::new();
    for line in lines {
        let written = serde_json::to_string(line).unwrap_or_default();
        all.push_str(&sha256(written.as_bytes()));
    }
    sha256(all.as_bytes())
}
