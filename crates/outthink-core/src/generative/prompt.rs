//! How a policy is asked for its verdict, and how that is read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Step;
use crate::template::{filled, without_thoughts};

/// How a verdict is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// A sampled critique, of which the last Yes or No counts ([`verdict`](super::verdict())).
    #[default]
    Verdict,
    /// One word, the likeliest: the probability of Yes, from that of the word where the policy tells it. A policy that thinks first
    /// says no such word.
    PYes,
}

/// How a policy is asked whether a solution is right.
///
/// Texts have the places `{problem}`, `{solution}` (its steps as one text, without thoughts) and `{steps}` (the same, each step under
/// its number).
///
/// ```
/// use outthink_core::{JudgePrompt, Reading};
///
/// let own = JudgePrompt::asking("Problem: {problem}\n{solution}\nIs that right? Yes or No.").checked()?;
/// assert_eq!((own.reading, own.votes), (Reading::Verdict, 1));
/// assert!(JudgePrompt::asking("Is that right?").checked().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JudgePrompt {
    /// What is asked of a whole solution.
    pub whole: String,
    /// What is asked of one that goes on, if not the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
    /// How the verdict is read.
    #[serde(default)]
    pub reading: Reading,
    /// How many critiques are sampled; the reward is the mean of their verdicts.
    #[serde(default = "one")]
    pub votes: usize,
    /// Is each step a question of its own?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub each_step: bool,
}

fn one() -> usize {
    1
}

/// Most critiques of one question.
const MOST_VOTES: usize = 1024;

const WHOLE: &str = r"Here is a problem and a solution of it, which may be wrong.

Problem: {problem}

Solution:

{solution}

Check the solution step by step: is every step justified, and does it come to the correct final answer? Do not trust it, recompute what can be recomputed. End with \boxed{Yes} if the final answer is correct, and with \boxed{No} if it is not.";

const BEGUN: &str = r"Here is a problem and the beginning of a solution of it, which may be wrong.

Problem: {problem}

Beginning of the solution:

{steps}

Check these steps one by one. That the solution is not finished is no mistake. End with \boxed{Yes} if all steps so far are correct, and with \boxed{No} if one of them is wrong.";

const WORD_WHOLE: &str = r"Problem: {problem}

Proposed solution:

{solution}

Is the final answer of this solution correct? Answer with one word, Yes or No, and nothing else.";

const WORD_BEGUN: &str = r"Problem: {problem}

Beginning of a solution:

{steps}

Are all of these steps correct so far? Answer with one word, Yes or No, and nothing else.";

impl Default for JudgePrompt {
    /// A critique that ends with its verdict in a box.
    fn default() -> Self {
        Self {
            whole: WHOLE.to_owned(),
            begun: Some(BEGUN.to_owned()),
            reading: Reading::Verdict,
            votes: 1,
            each_step: false,
        }
    }
}

impl JudgePrompt {
    /// The names of the built-in ones, after their ways of reading.
    pub const NAMES: [&'static str; 2] = ["verdict", "p-yes"];

    /// A built-in one by its name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "verdict" => Some(Self::default()),
            "p-yes" => Some(Self {
                whole: WORD_WHOLE.to_owned(),
                begun: Some(WORD_BEGUN.to_owned()),
                reading: Reading::PYes,
                ..Self::default()
            }),
            _ => None,
        }
    }

    /// One text for all, whole or not, answered by a critique.
    pub fn asking(text: &str) -> Self {
        Self {
            whole: text.trim().to_owned(),
            begun: None,
            ..Self::default()
        }
    }

    /// The same, if it can be asked.
    ///
    /// # Errors
    ///
    /// A prompt that quotes no solution, a number of votes out of bounds, or votes of one word that is always the same.
    pub fn checked(self) -> Result<Self, String> {
        let quotes = |text: &String| text.contains("{solution}") || text.contains("{steps}");
        if !std::iter::once(&self.whole).chain(&self.begun).all(quotes) {
            return Err("a verifier's prompt has `{solution}` or `{steps}` where the solution goes, and `{problem}` where the problem goes".to_owned());
        }
        if !(1..=MOST_VOTES).contains(&self.votes) {
            return Err(format!(
                "a verifier has from 1 to {MOST_VOTES} votes, not {}",
                self.votes
            ));
        }
        if self.votes > 1 && self.reading == Reading::PYes {
            return Err("under `p-yes` the likeliest word is drawn, which is the same in every vote; leave out the votes".to_owned());
        }
        Ok(self)
    }

    /// What is asked of these steps.
    pub(super) fn about(&self, problem: &str, steps: &[Arc<Step>], whole: bool) -> String {
        let template = match (&self.begun, whole) {
            (Some(begun), false) => begun,
            _ => &self.whole,
        };
        let texts: Vec<&str> = steps.iter().map(|step| step.text.as_str()).collect();
        let solution = texts.join("\n\n");
        let plain = without_thoughts(&solution);
        let numbered = match plain == solution {
            true => numbered(texts),
            // Thoughts go over steps, so what is left is numbered anew.
            false => numbered(plain.split("\n\n").filter(|own| !own.trim().is_empty())),
        };
        let values = [
            ("problem", problem),
            ("solution", &plain),
            ("steps", &numbered),
        ];
        filled(template, &values)
    }
}

fn numbered<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    let line = |(text, number): (&str, usize)| format!("Step {number}: {}", text.trim());
    let lines: Vec<String> = texts.into_iter().zip(1..).map(line).collect();
    lines.join("\n\n")
}
