//! `outthink solve --jsonl`, end to end.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use command::{Folder, fails, ok, outthink};
use serde_json::Value;

const ROWS: &str =
    "question,answer\nEvaluate $3+4$.,\"so\n#### 7\"\nEvaluate $1+1$.,2\nEvaluate $5+8$.,13\n";

fn lines(text: &str) -> Vec<Value> {
    let mut lines: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    lines.sort_by_key(|line| line["id"].to_string());
    lines
}

fn solve<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let base = ["solve", "--policy", "micro-24k", "--jsonl"];
    [&base[..], more].concat()
}

#[test]
fn problems_of_any_layout_are_answered_by_any_method_a_line_each() {
    let folder = Folder::new("batch");
    std::fs::write(folder.0.join("own.csv"), ROWS).unwrap();
    for (method, verifier) in [
        ("cot", "none"),
        ("majority", "none"),
        ("best-of-n", "micro-prm-short"),
        ("beam", "micro-prm-short"),
        ("dvts", "step-checker"),
    ] {
        let budget = if method == "cot" { "1" } else { "4" };
        let asked = [
            "own.csv",
            "--method",
            method,
            "--verifier",
            verifier,
            "--budget",
            budget,
        ];
        let found = lines(&ok(&solve(&asked), &folder));
        assert_eq!(found.len(), 3, "{method}");
        for line in &found {
            assert_eq!(line["method"], method);
            assert_eq!(line["n"].to_string(), budget);
            assert!(
                line["correct"].is_boolean() && line["agreement"].is_number(),
                "{line}"
            );
            assert!(line["text"].as_str().unwrap().contains("boxed"), "{line}");
            assert!(
                line["tokens"].as_u64().unwrap() > 0 && line["flops"].is_number(),
                "{line}"
            );
        }
    }
}

#[test]
fn a_file_of_answers_goes_on_with_its_own_run_alone() {
    let folder = Folder::new("batch-out");
    std::fs::write(folder.0.join("own.csv"), ROWS).unwrap();
    let asked = [
        "own.csv", "--method", "majority", "--budget", "4", "--out", "a.jsonl",
    ];
    let read = || std::fs::read_to_string(folder.0.join("a.jsonl")).unwrap();
    ok(&solve(&asked), &folder);
    let whole = read();
    assert!(!folder.0.join("a.jsonl.journal").exists());
    // Killed in the middle of its second line.
    let first = whole.find('\n').unwrap() + 1;
    std::fs::write(folder.0.join("a.jsonl"), &whole[..first + 20]).unwrap();
    ok(&solve(&asked), &folder);
    assert_eq!(lines(&read()), lines(&whole));
    ok(&solve(&asked), &folder);
    assert_eq!(lines(&read()), lines(&whole));
    // Whatever the answers depend on makes it another run.
    for other in [
        &["--policy", "micro-90k"][..],
        &["--seed", "1"],
        &["--temperature", "0.5"],
        &["--max-tokens", "50"],
    ] {
        let base = [
            "solve", "--jsonl", "own.csv", "--out", "a.jsonl", "--method", "majority", "--budget",
            "4",
        ];
        let policy = ["--policy", "micro-24k"];
        let policy = if other[0] == "--policy" {
            &[][..]
        } else {
            &policy
        };
        let (code, told) = fails(&[&base[..], policy, other].concat(), &folder);
        assert_eq!(code, Some(2));
        assert!(
            told.contains("a.jsonl is of another run: micro-24k, majority, N = 4, seed 0"),
            "{told}"
        );
    }
    assert_eq!(lines(&read()), lines(&whole));
    // A journal that was left behind is no other run's either.
    std::fs::write(folder.0.join("b.jsonl.journal"), "{\"run\": \"theirs\"}\n").unwrap();
    let other = ["own.csv", "--method", "cot", "--out", "b.jsonl"];
    let (_, told) = fails(&solve(&other), &folder);
    assert!(
        told.contains("b.jsonl.journal is of another run: theirs"),
        "{told}"
    );
    // What an earlier version wrote, which did not say, is kept and told.
    let old = "{\"id\": \"Evaluate $3+4$.\", \"answer\": \"7\", \"spent\": 4.0}\n";
    std::fs::write(folder.0.join("c.jsonl"), old).unwrap();
    let output = outthink(
        &solve(&["own.csv", "--method", "cot", "--out", "c.jsonl"]),
        &folder,
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("1 lines of c.jsonl do not say which run"),
        "{told}"
    );
    let after = std::fs::read_to_string(folder.0.join("c.jsonl")).unwrap();
    assert!(
        after.starts_with(old) && lines(&after).len() == 3,
        "{after}"
    );
}

#[test]
fn one_problem_that_cannot_be_asked_ends_nothing_and_twice_the_same_is_one() {
    let folder = Folder::new("batch-failing");
    let rows = "{\"problem\": \"What is Ω?\"}\n{\"problem\": \"Evaluate $1+1$.\"}\n{\"problem\": \"Evaluate $1+1$.\"}\n";
    std::fs::write(folder.0.join("x.jsonl"), rows).unwrap();
    let output = outthink(
        &solve(&["x.jsonl", "--method", "majority", "--budget", "2"]),
        &folder,
    );
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("1 row repeats an earlier one"), "{told}");
    let found = lines(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["id"], "Evaluate $1+1$.");
    assert!(found[0].get("correct").is_none(), "there is no gold answer");
    assert!(
        found[1]["error"].as_str().unwrap().contains("Ω"),
        "{}",
        found[1]
    );
}

#[test]
fn made_problems_and_columns_of_other_names_are_read_as_a_study_reads_them() {
    let folder = Folder::new("batch-made");
    let pair = [
        "solve",
        "--policy",
        "micro-24k+grid-24k",
        "--method",
        "cot",
        "--jsonl",
    ];
    let found = lines(&ok(&[&pair[..], &["both:7"]].concat(), &folder));
    assert_eq!(found.len(), 200);
    let grids = found
        .iter()
        .filter(|line| line["id"].as_str().unwrap().starts_with("grid-"));
    assert_eq!(grids.count(), 100);
    let own = "frage,loesung\nEvaluate $3+4$.,7\n";
    std::fs::write(folder.0.join("own.csv"), own).unwrap();
    let named = [
        "own.csv",
        "--problem-column",
        "frage",
        "--answer-column",
        "loesung",
        "--method",
        "cot",
    ];
    let found = lines(&ok(&solve(&named), &folder));
    assert!(
        found.len() == 1 && found[0]["correct"].is_boolean(),
        "{found:?}"
    );
}

#[test]
fn a_quorum_that_is_never_short_changes_no_answer_and_a_strategy_takes_none() {
    let folder = Folder::new("batch-quorum");
    let problems = ok(
        &["micro", "generate", "--seed", "3", "--count", "4"],
        &folder,
    );
    std::fs::write(folder.file("problems.jsonl"), problems).unwrap();
    let answers = |more: &[&str]| {
        let few = ["problems.jsonl", "--method", "majority", "--budget", "4"];
        lines(&ok(&solve(&[&few, more].concat()), &folder))
            .iter()
            .map(|line| line["answer"].clone())
            .collect::<Vec<_>>()
    };
    let quorum = ["--min-samples", "2", "--round-seconds", "600"];
    assert_eq!(answers(&quorum), answers(&[]));
    let (status, told) = fails(
        &["solve", "1+1", "--strategy", "paper", "--min-samples", "2"],
        &folder,
    );
    assert_eq!(status, Some(2));
    assert!(told.contains("--min-samples"), "{told}");
}
