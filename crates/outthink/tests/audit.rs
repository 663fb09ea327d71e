//! What a stored study says of its verifiers, end to end: calibrations, several as one, audits.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use command::{Folder, TINY, fails, ok};
use outthink_core::Selection;

#[test]
fn a_calibration_maps_rewards_wherever_its_verifier_is_used_and_is_refused_for_another() {
    let folder = Folder::new("calibration");
    let short = ["--verifier", "micro-prm-short"];
    let audit = [
        "audit",
        "--problems",
        "40",
        "--save-calibration",
        "short.toml",
    ];
    ok(&[&audit[..], &short].concat(), &folder);
    std::fs::write(
        folder.0.join("one.jsonl"),
        r#"{"problem": "Evaluate $7+8$.", "steps": ["$7+8=16$.", "The answer is $\\boxed{16}$."]}"#,
    )
    .unwrap();
    let rewards = |more: &[&str]| -> Vec<f64> {
        let score = [&["score", "--jsonl", "one.jsonl"][..], &short, more].concat();
        let line: serde_json::Value = serde_json::from_str(&ok(&score, &folder)).unwrap();
        serde_json::from_value(line["rewards"].clone()).unwrap()
    };
    let calibrated = ["--calibration", "short.toml"];
    let (before, after) = (rewards(&[]), rewards(&calibrated));
    assert_ne!(before, after);
    assert!(after.iter().all(|reward| (0.0..=1.0).contains(reward)));

    // A study's units know it, whatever the file is called.
    let tiny = |more: &[&'static str]| {
        let study = ok(&[&TINY, &["s.sqlite"][..], more].concat(), &folder);
        study
            .lines()
            .find(|line| line.starts_with("units"))
            .unwrap()
            .to_owned()
    };
    ok(&[&TINY, &["s.sqlite"][..]].concat(), &folder);
    assert!(tiny(&["--dry-run"]).contains("28 done, 0 to do"));
    let named = ["--name", "mapped", "--dry-run", "--calibration"];
    // Pools and greedy solutions are there; what is scored is new.
    let first = tiny(&[&named[..], &["short.toml"]].concat());
    assert!(first.contains("8 done, 20 to do"), "{first}");
    std::fs::copy(folder.0.join("short.toml"), folder.0.join("again.toml")).unwrap();
    ok(
        &[&TINY, &["s.sqlite", "--calibration", "short.toml"][..]].concat(),
        &folder,
    );
    let again = tiny(&[&named[..], &["again.toml"]].concat());
    assert!(again.contains("28 done, 0 to do"), "{again}");

    for command in [
        vec!["solve", "Evaluate $7+8$."],
        vec!["serve", "--listen", "127.0.0.1:0"],
        vec![
            "study",
            "--dataset",
            "micro",
            "--policy",
            "micro-24k",
            "--store",
            "t.sqlite",
        ],
    ] {
        let wrong = ["--verifier", "micro-prm", "--calibration", "short.toml"];
        let (code, told) = fails(&[&command[..], &wrong].concat(), &folder);
        assert_eq!(code, Some(2), "{told}");
        assert!(
            told.contains("the calibration is of micro-prm-short (")
                && told.contains("not of micro-prm ("),
            "{told}"
        );
    }
    let two = [
        "--verifier",
        "micro-prm,micro-prm-short",
        "--calibration",
        "short.toml",
    ];
    let study = [
        "study",
        "--dataset",
        "micro",
        "--policy",
        "micro-24k",
        "--store",
        "t.sqlite",
    ];
    let (code, told) = fails(&[&study[..], &two].concat(), &folder);
    assert_eq!(code, Some(2));
    assert!(told.contains("the study has 2"), "{told}");
}

#[test]
fn verifiers_of_a_study_become_one_by_weights_of_its_samples() {
    let folder = Folder::new("combined");
    let study = [
        "study",
        "--dataset",
        "micro:7",
        "--problems",
        "24",
        "--policy",
        "micro-90k",
        "--verifier",
        "micro-prm,micro-prm-short,micro-prm-likelihood",
        "--methods",
        "best-of-n",
        "--budgets",
        "8",
        "--store",
        "s.sqlite",
        "--name",
        "three",
    ];
    ok(&study, &folder);
    let combine = [
        "audit",
        "--pool",
        "three",
        "--store",
        "s.sqlite",
        "--save-combination",
        "all.toml",
    ];
    let told = ok(&combine, &folder);
    assert!(
        told.contains("3 verifiers on 192 samples of micro-90k"),
        "{told}"
    );
    let unlabelled = ok(
        &[&combine[..], &["--without-labels", "--json"]].concat(),
        &folder,
    );
    let unlabelled: serde_json::Value = serde_json::from_str(&unlabelled).unwrap();
    assert_eq!(unlabelled["labels"], false);
    assert_eq!(unlabelled["weights"].as_array().map(Vec::len), Some(3));
    // The three are one verifier from now on, in a search and in a study.
    let question = [
        "solve",
        "Evaluate $7+8$.",
        "--policy",
        "micro-90k",
        "--verifier",
        "all.toml",
    ];
    let solved = ok(
        &[
            &question[..],
            &["--method", "beam", "--budget", "4", "--json"],
        ]
        .concat(),
        &folder,
    );
    let solved: serde_json::Value = serde_json::from_str(&solved).unwrap();
    assert!(solved["answer"].is_string(), "{solved}");
    let scored = [
        "study",
        "--dataset",
        "micro:7",
        "--problems",
        "2",
        "--policy",
        "micro-90k",
        "--verifier",
        "all.toml",
        "--methods",
        "best-of-n",
        "--budgets",
        "4",
        "--store",
        "s.sqlite",
        "--name",
        "one",
    ];
    assert!(ok(&scored, &folder).contains("all.toml"));
    std::fs::write(folder.0.join("bad.toml"), "bias = 0.0\nverifiers = []\n").unwrap();
    let bad = [
        "solve",
        "Evaluate $7+8$.",
        "--policy",
        "micro-90k",
        "--verifier",
        "bad.toml",
    ];
    let (code, told) = fails(&bad, &folder);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("bad.toml is no combination of verifiers: it names no verifiers"),
        "{told}"
    );
    // One verifier is nothing to combine.
    let alone = [&combine[..], &["--verifier", "micro-prm"]].concat();
    assert!(fails(&alone, &folder).1.contains("at least two verifiers"));
}

#[test]
fn a_stored_study_is_audited_without_a_model_and_its_worst_steps_lead_to_their_trees() {
    let folder = Folder::new("audit-study");
    ok(&[&TINY, &["s.sqlite"][..]].concat(), &folder);
    let audit = ["audit", "--study", "micro-3", "--store", "s.sqlite"];
    let told = ok(
        &[&audit[..], &["--json", "--report", "audit"]].concat(),
        &folder,
    );
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["verifier"], "micro-prm-short");
    let report = ok(
        &["report", "micro-3", "--store", "s.sqlite", "--json"],
        &folder,
    );
    let entries: Vec<serde_json::Value> = report
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let rules = Selection::rewarded().count();
    let mut compared = 0;
    for own in lines[0]["selection"].as_array().unwrap() {
        for rule in own["rules"].as_array().unwrap() {
            let same = entries.iter().find(|entry| {
                entry["method"] == own["method"] && entry["n"] == 8 && entry["rule"] == rule["rule"]
            });
            let Some(entry) = same else { continue };
            assert_eq!(entry["accuracy"], rule["accuracy"]["value"], "{rule}");
            compared += 1;
        }
    }
    assert_eq!(
        compared,
        3 * rules - 1,
        "every rule of each search, and of best-of-n all but majority"
    );

    let page = std::fs::read_to_string(folder.0.join("audit/index.html")).unwrap();
    let links: Vec<&str> = page
        .split("href=\"trees/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(!links.is_empty(), "no worst example leads to its tree");
    for link in links {
        let (file, step) = link.split_once('#').unwrap();
        let tree = std::fs::read_to_string(folder.0.join("audit/trees").join(file)).unwrap();
        assert!(tree.contains(&format!("id=\"{step}\"")), "{link}");
    }
    let (code, told) = fails(
        &[&audit[..], &["--verifier", "micro-prm"]].concat(),
        &folder,
    );
    assert_eq!(code, Some(2));
    assert!(
        told.contains("has no verifier `micro-prm`; it has micro-prm-short"),
        "{told}"
    );
}
