//! The labelled pairs and benchmark golds of `shared/data`, where a checkout has them beside it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use outthink_answer::{Answer, equivalent, extract};
use serde_json::Value;

fn rows(name: &str) -> Option<Vec<Value>> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not here", path.display());
        return None;
    };
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// The answer of a row's field, extracted first if the row says that it is a text.
fn answer(row: &Value, field: &str, kind: &str) -> Answer {
    let text = row[field].as_str().unwrap();
    if row[kind] == "text" {
        extract(text).map_or_else(|| Answer::parse(""), |found| Answer::parse(&found.text))
    } else {
        Answer::parse(text)
    }
}

#[test]
fn labelled_pairs_are_graded_as_labelled() {
    let Some(rows) = rows("grader_practice.jsonl") else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut false_positives, mut negatives) = (0u32, 0u32);
    for row in &rows {
        let gold = answer(row, "gold", "gold_kind");
        let prediction = answer(row, "prediction", "pred_kind");
        let verdict = equivalent(&gold, &prediction);
        let expected = row["expected"].as_bool().unwrap();
        negatives += u32::from(!expected);
        if verdict.equal != expected {
            false_positives += u32::from(verdict.equal);
            wrong.push(format!(
                "{} {} `{}` <- `{}`: {} ({})",
                row["id"],
                row["category"],
                row["gold"],
                row["prediction"],
                verdict.equal,
                verdict.rule
            ));
        }
    }
    let accuracy = 1.0 - wrong.len() as f64 / rows.len() as f64;
    assert!(
        accuracy >= 0.99 && f64::from(false_positives) <= 0.002 * f64::from(negatives),
        "{accuracy}, {false_positives} false positives of {negatives}:\n{}",
        wrong.join("\n")
    );
}
