//! Other graders' rules, mistakes included, for comparing with numbers that were published with them.

mod gsm8k;
mod prm800k;
mod qwen;

use std::fmt;
use std::str::FromStr;

use crate::equivalent::equivalent;
use crate::extract::extract;
use crate::identity::{Identity, identity};
use crate::value::{Answer, Value};
use crate::verdict::Verdict;

/// Whose rules decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// This crate's own.
    #[default]
    Outthink,
    /// The evaluator of Qwen2.5-Math as the code of arXiv 2502.06703 calls it.
    Qwen25Math,
    /// The grader of PRM800K (arXiv 2305.20050).
    Prm800k,
    /// lm-evaluation-harness's `strict-match` for GSM8K.
    Gsm8kStrict,
    /// lm-evaluation-harness's `flexible-extract` for GSM8K.
    Gsm8kFlexible,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 5] = [
        Self::Outthink,
        Self::Qwen25Math,
        Self::Prm800k,
        Self::Gsm8kStrict,
        Self::Gsm8kFlexible,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Outthink => "outthink",
            Self::Qwen25Math => "qwen2.5-math",
            Self::Prm800k => "prm800k",
            Self::Gsm8kStrict => "gsm8k-strict",
            Self::Gsm8kFlexible => "gsm8k-flexible",
        }
    }

    /// The final answer of a response; empty where these rules call nothing an empty answer. (PRM800K grades answers
    /// that are extracted already: this crate's extraction serves it.)
    pub fn extract(self, response: &str) -> Option<String> {
        match self {
            Self::Outthink | Self::Prm800k => Some(extract(response)?.text),
            Self::Qwen25Math => Some(qwen::extract(response)),
            Self::Gsm8kStrict => gsm8k::extract_strict(response),
            Self::Gsm8kFlexible => gsm8k::extract_flexible(response),
        }
    }

    /// Is a prediction the gold answer?
    pub fn equivalent(self, gold: &str, prediction: &str) -> Verdict {
        match self {
            Self::Outthink => equivalent(&Answer::parse(gold), &Answer::parse(prediction)),
            Self::Qwen25Math => qwen::equal(prediction, gold),
            Self::Prm800k => prm800k::equal(prediction, gold),
            Self::Gsm8kStrict | Self::Gsm8kFlexible => gsm8k::equal(prediction, gold),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == name)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                format!("unknown grader `{name}` (one of {names})")
            })
    }
}

/// Where these graders ask sympy, the same question to this crate: are two expressions identical?
fn symbolically_equal(a: &str, b: &str) -> bool {
    use crate::evaluate::Budget;
    let expressions = |text: &str| -> Vec<crate::Expr> {
        let readings = Answer::parse(text).readings.into_iter();
        readings
            .filter_map(|value| match value {
                Value::Expr(expr) => Some(expr),
                _ => None,
            })
            .collect()
    };
    let (a, b) = (expressions(a), expressions(b));
    let mut budget = Budget::full();
    a.iter().any(|a| {
        b.iter()
            .any(|b| matches!(identity(a, b, &mut budget), Identity::Same(_)))
    })
}

/// The number that Python's `float()` reads, commas aside.
fn python_float(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust reads "infinity" and "nan" as Python does; neither takes an empty string.
    text.parse().ok()
}

/// One TeX argument and what follows it.
fn argument(text: &str) -> (&str, &str) {
    let Some(body) = text.strip_prefix('{') else {
        let length = text.chars().next().map_or(0, char::len_utf8);
        return text.split_at(length);
    };
    let mut depth = 1usize;
    for (at, byte) in body.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&body[..at], &body[at + 1..]);
        }
    }
    (body, "")
}
