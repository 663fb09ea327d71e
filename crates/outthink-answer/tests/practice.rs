//! The labelled pairs and benchmark golds of `shared/data`, where a checkout has them beside it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};

use outthink_answer::{Answer, AnswerGroups, equivalent, extract};
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

/// (name, gold, worked solution)
fn golds() -> Vec<(String, String, Option<String>)> {
    let mut all = Vec::new();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    for (file, key) in [
        ("math500_prm800k.jsonl", "answer"),
        ("aime24_cotts.jsonl", "extracted_groundtruth"),
        ("amc23_cotts.jsonl", "extracted_groundtruth"),
    ] {
        for (number, row) in rows(file).unwrap_or_default().iter().enumerate() {
            let gold = text(&row[key]).unwrap();
            all.push((
                format!("{file}:{}", number + 1),
                gold,
                text(&row["solution"]),
            ));
        }
    }
    all
}

#[test]
fn every_benchmark_gold_is_itself_and_what_its_solution_ends_with() {
    for (name, gold, solution) in golds() {
        let answer = Answer::parse(&gold);
        assert!(equivalent(&answer, &answer).equal, "{name}: {gold}");
        // Written with other spaces it is compared by its value, not by its looks.
        let spaced = Answer::parse(&format!(" {} .", gold.replace('+', " + ")));
        let verdict = equivalent(&answer, &spaced);
        assert!(verdict.equal, "{name}: {gold}: {verdict:?}");
        // Not all solutions of the AIME and AMC files box their answer.
        if let Some(solution) =
            solution.filter(|s| s.contains("boxed") && name.starts_with("math500"))
        {
            let found = extract(&solution).unwrap();
            let verdict = equivalent(&answer, &Answer::parse(&found.text));
            assert!(
                verdict.equal,
                "{name}: {gold} <- {}: {verdict:?}",
                found.text
            );
        }
    }
}

#[test]
fn benchmark_golds_are_read_not_guessed() {
    let unread: Vec<String> = golds()
        .into_iter()
        .filter(|(_, gold, _)| {
            let first = Answer::parse(gold).readings.swap_remove(0);
            matches!(first, outthink_answer::Value::Unread(_))
        })
        .map(|(name, gold, _)| format!("{name}: {gold}"))
        .collect();
    assert!(unread.is_empty(), "{}", unread.join("\n"));
}

#[test]
fn groups_of_golds_are_those_of_comparing_with_every_class() {
    let golds: Vec<String> = golds().into_iter().map(|(_, gold, _)| gold).collect();
    let mut groups = AnswerGroups::new();
    let mut firsts: Vec<Answer> = Vec::new();
    for gold in &golds {
        let answer = Answer::parse(gold);
        let equal =
            |first: &Answer| equivalent(first, &answer).equal || equivalent(&answer, first).equal;
        let class = firsts.iter().position(equal).unwrap_or_else(|| {
            firsts.push(answer.clone());
            firsts.len() - 1
        });
        assert_eq!(groups.insert(gold), Some(class), "{gold}");
    }
    assert_eq!(groups.len(), firsts.len());
}
