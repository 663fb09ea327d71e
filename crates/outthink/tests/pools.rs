//! Samples of other programs, end to end: taken in, doubted, reported, audited, tuned on, drawn as trees, and made one report.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use std::path::Path;

use command::{Folder, fails, ok, outthink};
use serde_json::{Value, json};

const THINGS: [&str; 8] = [
    "apples", "wagons", "candles", "rivers", "lanterns", "buttons", "marbles", "ladders",
];

/// Problems from `first` on, six samples each with rewards that know a little more than nothing.
fn pool(first: usize, problems: usize) -> Vec<Value> {
    let line = |number: usize| {
        let (gold, asked) = (100 + number, 2000 + 13 * number);
        let things = THINGS[number % THINGS.len()];
        let sample = |index: usize| {
            let right = (number * 7 + index * 5) % 10 < 5 + number % 4;
            let answer = if right { gold } else { 900 + index % 2 };
            let noise = ((number * 31 + index * 17) % 10) as f64 / 20.0;
            let last = if right { 0.45 } else { 0.25 } + noise;
            json!({
                "run": format!("r{}", index % 3), "tokens": 10 + index, "correct": right,
                "steps": [format!("There are {asked} {things}, way {index}."), format!("So it is \\boxed{{{answer}}}.")],
                "rewards": [0.5 + noise / 2.0, last],
            })
        };
        json!({
            "problem_id": format!("p{number}"), "problem": format!("Somebody has {asked} {things}. How many are left?"),
            "gold": gold.to_string(), "level": 1 + number % 3, "policy": "small", "verifier": "prm",
            "samples": (0..6).map(sample).collect::<Vec<Value>>(),
        })
    };
    (first..first + problems).map(line).collect()
}

fn written(folder: &Folder, name: &str, rows: &[Value]) -> String {
    let text: Vec<String> = rows.iter().map(Value::to_string).collect();
    let file = folder.file(name);
    std::fs::write(&file, text.join("\n")).unwrap();
    name.to_owned()
}

#[test]
fn samples_are_taken_in_reported_audited_and_a_strategy_of_one_pool_is_tested_on_another() {
    let folder = Folder::new("pools");
    written(&folder, "one.jsonl", &pool(0, 60));
    written(&folder, "other.jsonl", &pool(60, 60));
    let store = &["--store", "s.sqlite"][..];
    let done = ok(&[&["import", "one.jsonl"], store].concat(), &folder);
    assert!(
        done.contains("0 of the file's 360 verdicts differ"),
        "{done}"
    );
    assert!(
        done.contains("360 samples of 60 problems (6 each) by small, with rewards of prm"),
        "{done}"
    );
    // The same again is the same study; other samples of its name are not.
    ok(&[&["import", "one.jsonl"], store].concat(), &folder);
    let (_, other) = fails(
        &[&["import", "other.jsonl", "--name", "one"], store].concat(),
        &folder,
    );
    assert!(other.contains("--replace"), "{other}");
    ok(&[&["import", "other.jsonl"], store].concat(), &folder);

    let report = ok(
        &[&["report", "one", "--out", "report"], store].concat(),
        &folder,
    );
    assert!(
        report.contains("majority") && report.contains("best-of-n"),
        "{report}"
    );
    let page = std::fs::read_to_string(folder.file("report/README.md")).unwrap();
    assert!(page.contains("| single sample |"), "{page}");
    assert!(
        !page.contains("**Incomplete**") && !page.contains("**Doubtful**"),
        "{page}"
    );

    let audit = ok(&["audit", "--pool", "one.jsonl", "--json"], &folder);
    let audit: Value = serde_json::from_str(&audit).unwrap();
    assert_eq!(audit["samples"], 360);
    let last = &audit["scores"].as_array().unwrap()[1];
    assert_eq!(last["score"], "last");
    assert!(
        last["auc_within"]["value"].as_f64().unwrap() > 0.7,
        "{last}"
    );
    let stored = ok(
        &[&["audit", "--pool", "one", "--json"], store].concat(),
        &folder,
    );
    let stored: Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored["scores"], audit["scores"]);

    // Two files of one policy and verifier are one model.
    let tuned = ok(
        &[&["tune", "one", "--test", "other"], store].concat(),
        &folder,
    );
    assert!(tuned.contains("test: fixed"), "{tuned}");
}

#[test]
fn a_pool_whose_rows_were_mixed_up_is_told_before_anything_is_stored() {
    let folder = Folder::new("mixed");
    let mut rows = pool(0, 20);
    let samples: Vec<Value> = rows.iter().map(|row| row["samples"].clone()).collect();
    for (at, row) in rows.iter_mut().enumerate() {
        row["samples"].clone_from(&samples[(at + 1) % samples.len()]);
    }
    written(&folder, "mixed.jsonl", &rows);
    let told = outthink(&["import", "mixed.jsonl", "--check"], &folder);
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(
        told.contains("of 120 answers, 0 are the gold answer") && told.contains("wrong rows"),
        "{told}"
    );
    assert!(!Path::new(&folder.file("mixed.sqlite")).exists());
}

#[test]
fn a_list_of_pools_becomes_one_report_and_lacking_files_are_named() {
    let folder = Folder::new("list");
    std::fs::create_dir(folder.file("data")).unwrap();
    written(&folder, "data/one.jsonl", &pool(0, 30));
    let recipe = r#"
name = "Two pools"
[[pool]]
name = "one"
title = "A small policy"
file = "one.jsonl"
dataset = "things"
source = "this test"
licence = "MIT"
held-out = true
[[pool.published]]
what = "one sample"
value = 50.0
by = "nobody"
rule = "single"
"#;
    std::fs::write(folder.file("pools.toml"), recipe).unwrap();
    ok(
        &["pools", "pools.toml", "--data", "data", "--out", "out"],
        &folder,
    );
    let page = std::fs::read_to_string(folder.file("out/README.md")).unwrap();
    for part in [
        "Every rule at every N: small",
        "| one sample | nobody |",
        "Chosen on one half, measured on the other: small, 30 problems",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    for file in [
        "out/index.html",
        "out/one/index.html",
        "out/one/audit/README.md",
        "out/figures/pools.svg",
    ] {
        assert!(Path::new(&folder.file(file)).is_file(), "{file}");
    }
    // A list that says what cannot be is told so, with what and where.
    let twice = format!("{recipe}{}", &recipe[recipe.find("[[pool]]").unwrap()..]);
    let wrong = [
        (
            recipe.replace("one.jsonl", "gone.jsonl"),
            "data lacks gone.jsonl",
        ),
        (twice, "two pools are called \"one\""),
        (
            recipe.replace("\"single\"", "\"last-mx\""),
            "published \"one sample\": rule \"last-mx\"",
        ),
        (
            format!("{recipe}policy = \"large\""),
            "no policy is called \"large\"; there are small",
        ),
        (
            recipe.replace("name = \"one\"", "name = \"../one\""),
            "cannot be a pool's name",
        ),
    ];
    for (recipe, reason) in wrong {
        std::fs::write(folder.file("pools.toml"), recipe).unwrap();
        let (_, told) = fails(
            &["pools", "pools.toml", "--data", "data", "--out", "out"],
            &folder,
        );
        assert!(told.contains(reason), "{reason}: {told}");
    }
}

#[test]
fn a_tree_that_another_program_grew_is_shown_with_its_labels() {
    let folder = Folder::new("grown");
    let node = |id: usize,
                parent: Option<usize>,
                step: &str,
                value: f64,
                selected: bool,
                correct: Option<bool>| {
        json!({"id": id, "parent": parent, "step": step, "value": value, "selected": selected, "correct": correct})
    };
    let row = json!({
        "problem_id": "g1", "problem": "1 2 3 4", "gold": "24", "policy": "searcher", "verifier": "values",
        "samples": [{"steps": ["1 * 2 = 2", "2 * 3 = 6", "6 * 4 = 24"], "rewards": [0.5, 0.75, 1.0], "correct": true}],
        "tree": [
            node(0, None, "1 * 2 = 2", 10.0, true, Some(true)),
            node(1, None, "1 - 2 = -1", 1.0, false, Some(false)),
            node(2, Some(0), "2 * 3 = 6", 15.0, true, Some(true)),
            node(3, Some(2), "6 * 4 = 24", 20.0, true, None),
        ],
    });
    written(&folder, "g.jsonl", &[row]);
    ok(&["import", "g.jsonl", "--verdicts", "file"], &folder);
    let shown = ok(&["tree", "g", "1"], &folder);
    // Values become rewards by what the samples have of both.
    for part in [
        "+ 0.500",
        "1 * 2 = 2",
        "- 0.050",
        "✗ 1 - 2 = -1",
        "6 * 4 = 24",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    ok(&["tree", "g", "1", "--out", "g.html"], &folder);
    let page = std::fs::read_to_string(folder.file("g.html")).unwrap();
    assert!(!page.contains("0 tokens"), "what is unknown is not 0");
}
