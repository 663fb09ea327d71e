//! `outthink grade`: verdicts on answers, one pair or a file of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use outthink_answer::{Mode, Verdict};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::cli::Grade;
use crate::failure::Failure;
use crate::input::Input;
use crate::table;

pub(crate) fn run(arguments: &Grade) -> Result<ExitCode, Failure> {
    match (&arguments.jsonl, &arguments.gold, &arguments.prediction) {
        (Some(file), ..) => lines(file, arguments.rules),
        (None, Some(gold), Some(prediction)) => pair(gold, prediction, arguments),
        _ => Err(Failure::Input(anyhow!(
            "name a pair with --gold and --prediction, or a file with --jsonl"
        ))),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// As inside of `\boxed{}`.
    #[default]
    Answer,
    /// A response; its answer is extracted first.
    Text,
}

fn judge(rules: Mode, gold: (&str, Kind), prediction: (&str, Kind)) -> (Verdict, String) {
    let find = |(text, kind): (&str, Kind)| match kind {
        Kind::Answer => text.to_owned(),
        Kind::Text => rules.extract(text).unwrap_or_default(),
    };
    let prediction = find(prediction);
    (rules.equivalent(&find(gold), &prediction), prediction)
}

fn pair(gold: &str, prediction: &str, arguments: &Grade) -> Result<ExitCode, Failure> {
    let kind = if arguments.text {
        Kind::Text
    } else {
        Kind::Answer
    };
    let (verdict, found) = judge(arguments.rules, (gold, Kind::Answer), (prediction, kind));
    let Verdict {
        equal,
        rule,
        reason,
    } = &verdict;
    if arguments.json {
        let report = serde_json::json!({"equal": equal, "rule": rule, "reason": reason, "prediction": found});
        println!("{report}");
    } else {
        if arguments.text {
            println!(
                "answer   {}",
                if found.is_empty() {
                    "none was found"
                } else {
                    &found
                }
            );
        }
        println!("verdict  {}", if *equal { "equal" } else { "not equal" });
        println!("rule     {rule}");
        println!("reason   {reason}");
    }
    Ok(if *equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[derive(Deserialize)]
struct Pair<'l> {
    #[serde(borrow)]
    id: Option<&'l RawValue>,
    #[serde(deserialize_with = "written")]
    gold: String,
    #[serde(default)]
    gold_kind: Kind,
    #[serde(deserialize_with = "written")]
    prediction: String,
    #[serde(default)]
    pred_kind: Kind,
    expected: Option<bool>,
    #[serde(default)]
    category: String,
}

/// Text, or a number as it is written; null where nothing was found.
fn written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        serde_json::Value::Null => Ok(String::new()),
        other => Err(serde::de::Error::custom(format!(
            "{other} is neither text nor a number"
        ))),
    }
}

#[derive(Serialize)]
struct Graded<'l> {
    id: Option<&'l RawValue>,
    equal: bool,
    rule: &'l str,
    reason: &'l str,
}

/// How verdicts compare with what was expected.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Score {
    graded: u64,
    accuracy: f64,
    false_positives: u64,
    false_negatives: u64,
}

impl Score {
    fn count(&mut self, equal: bool, expected: bool) {
        self.graded += 1;
        self.false_positives += u64::from(equal && !expected);
        self.false_negatives += u64::from(!equal && expected);
        let wrong = self.false_positives + self.false_negatives;
        self.accuracy = 1.0 - wrong as f64 / self.graded as f64;
    }
}

fn lines(file: &Path, rules: Mode) -> Result<ExitCode, Failure> {
    let Input { name, lines } = Input::open(file)?;
    let mut out = BufWriter::new(crate::print::stdout());
    let (mut all, mut categories) = (Score::default(), BTreeMap::<String, Score>::new());
    let (mut graded, mut malformed) = (0usize, 0usize);
    for (line, number) in lines.split(b'\n').zip(1usize..) {
        let line = line.with_context(|| format!("{name} line {number}"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let pair: Pair<'_> = match serde_json::from_slice(&line) {
            Ok(pair) => pair,
            Err(error) => {
                malformed += 1;
                eprintln!("{name} line {number}: {error}; skipped");
                continue;
            }
        };
        let (
            Verdict {
                equal,
                rule,
                reason,
            },
            _,
        ) = judge(
            rules,
            (&pair.gold, pair.gold_kind),
            (&pair.prediction, pair.pred_kind),
        );
        let verdict = Graded {
            id: pair.id,
            equal,
            rule,
            reason: &reason,
        };
        serde_json::to_writer(&mut out, &verdict).map_err(std::io::Error::from)?;
        writeln!(out)?;
        graded += 1;
        if let Some(expected) = pair.expected {
            all.count(equal, expected);
            categories
                .entry(pair.category)
                .or_default()
                .count(equal, expected);
        }
    }
    if graded == 0 {
        return Err(Failure::Input(match malformed {
            0 => anyhow!("{name} holds no pairs"),
            _ => anyhow!(
                "{name}: none of {malformed} lines is a pair like {{\"gold\": \"1/2\", \"prediction\": \"0.5\"}}"
            ),
        }));
    }
    if all.graded > 0 {
        #[derive(Serialize)]
        struct Summary {
            summary: Whole,
        }
        #[derive(Serialize)]
        struct Whole {
            #[serde(flatten)]
            all: Score,
            categories: BTreeMap<String, Score>,
        }
        eprint!("{}", summary(&all, &categories));
        let whole = Whole { all, categories };
        serde_json::to_writer(&mut out, &Summary { summary: whole })
            .map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    out.flush()?;
    if malformed > 0 {
        let lines = if malformed == 1 {
            "line was"
        } else {
            "lines were"
        };
        eprintln!("{malformed} malformed {lines} skipped, {graded} graded");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(all: &Score, categories: &BTreeMap<String, Score>) -> String {
    let row = |name: &str, score: &Score| {
        vec![
            name.to_owned(),
            score.graded.to_string(),
            format!("{:.2} %", 100.0 * score.accuracy),
            score.false_positives.to_string(),
            score.false_negatives.to_string(),
        ]
    };
    let mut rows: Vec<Vec<String>> = categories
        .iter()
        .map(|(name, score)| row(name, score))
        .collect();
    rows.push(row("all", all));
    table::render(
        &[
            "category",
            "pairs",
            "accuracy",
            "false positives",
            "false negatives",
        ],
        1,
        &rows,
    )
}
