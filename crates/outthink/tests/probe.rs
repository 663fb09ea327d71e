//! A verifier from a study's own samples: fitted, told what it is worth, used on its policy, and refused on any other.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use command::{Chat, Folder, fails, ok, outthink};
use serde_json::Value;

const PROBE: &str = "p.safetensors";

/// A study of micro-24k in `s.sqlite`, and the probe that is fitted on it, with what was printed.
fn fitted(folder: &Folder) -> String {
    let study = [
        "study",
        "--dataset",
        "micro-tune:1",
        "--problems",
        "100",
        "--policy",
        "micro-24k",
        "--methods",
        "majority",
        "--budgets",
        "8",
        "--store",
        "s.sqlite",
        "--name",
        "own",
    ];
    ok(&study, folder);
    let fit = [
        "probe", "fit", "own", "--store", "s.sqlite", "--units", "8", "-o",
    ];
    let told = ok(&[&fit[..], &[PROBE]].concat(), folder);
    let again = ok(&[&fit[..], &["again.safetensors"]].concat(), folder);
    assert_eq!(told, again);
    let bytes = |name| std::fs::read(folder.file(name)).unwrap();
    assert!(bytes(PROBE) == bytes("again.safetensors"), "the same bytes");
    told
}

#[test]
fn a_probe_is_fitted_judged_and_used_on_its_policy_alone() {
    let folder = Folder::new("probe");
    let told = fitted(&folder);
    for part in [
        "100 problems,",
        "8 units, pairs",
        "AUC over all problems",
        "of log-probability",
        "last-max",
        "ranks within problems",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let shown = ok(&["probe", "show", PROBE], &folder);
    assert!(shown.contains(told.trim()), "{shown}");
    let report = ok(&["probe", "show", PROBE, "--json"], &folder);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["policy"], "micro-24k");
    assert_eq!(report["identity"]["model"], "micro-24k");
    assert_eq!(report["layout"]["statistics"].as_array().unwrap().len(), 4);
    let useful = report["audit"]["useful"].as_bool().unwrap();
    assert_eq!(useful, !told.contains("do not use it"), "{told}");

    // Best-of-N by it computes next to nothing: what ended by itself nothing at all, and what was cut off its last token.
    let solve = |more: &[&str]| {
        let solve = [
            "solve",
            "Evaluate $7+8\\cdot 3$.",
            "--verifier",
            PROBE,
            "--json",
        ];
        let told = outthink(&[&solve[..], more].concat(), &folder);
        let told: Value = serde_json::from_slice(&told.stdout).unwrap();
        let count = |whose: &str| told["usage"][whose]["computed"].as_u64().unwrap();
        let full = told["usage"]["flops_full"].as_f64().unwrap();
        (count("policy"), count("verifier"), full)
    };
    let own = ["--policy", "micro-24k", "--budget", "16"];
    let (policy, verifier, full) = solve(&[&own[..], &["--method", "best-of-n"]].concat());
    assert!(policy > 100 && verifier <= 16, "{policy} {verifier}");
    assert!(full > 0.0);
    let (_, beams, _) = solve(&[&own[..], &["--method", "beam"]].concat());
    assert!(beams > 0, "a step's last token was drawn, and not computed");

    let refusal = |more: &[&str]| {
        let solve = ["solve", "Evaluate $1+2$.", "--verifier", PROBE];
        fails(&[&solve[..], more].concat(), &folder)
    };
    let (code, told) = refusal(&["--policy", "micro-90k"]);
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("reads the states of micro-24k (")
            && told.contains("the policy is micro-90k ("),
        "{told}"
    );
    let (code, told) = refusal(&["--policy", "micro-24k", "--dtype", "q8_0"]);
    assert!(code == Some(2) && told.contains("another dtype"), "{told}");
    let (code, told) = refusal(&["--policy", "micro-24k", "--verifier-windows"]);
    assert!(code == Some(2) && told.contains("is a probe"), "{told}");
    let chat = Chat::start(&["so $\\boxed{3}$."]);
    let (code, told) = refusal(&["--policy", &chat.url]);
    assert!(
        code == Some(2) && told.contains("reads the embedded engine's states"),
        "{told}"
    );
}

#[test]
fn a_probe_scores_stored_pools_and_written_solutions_and_what_cannot_be_fitted_is_said() {
    let folder = Folder::new("probe-pools");
    fitted(&folder);
    let study = [
        "study",
        "--dataset",
        "stored:own",
        "--policy",
        "stored:own",
        "--verifier",
        PROBE,
        "--methods",
        "majority,best-of-n",
        "--store",
        "s.sqlite",
        "--name",
        "scored",
    ];
    ok(&study, &folder);
    let sql = "select count(*) from reward";
    let rewards: usize = ok(&["sql", "--store", "s.sqlite", sql], &folder)
        .lines()
        .last()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(rewards > 200, "{rewards}");
    let line =
        serde_json::json!({"problem": "Evaluate $7+8$.", "steps": ["7+8=15", "\\boxed{15}"]});
    std::fs::write(folder.file("w.jsonl"), format!("{line}\n")).unwrap();
    let told = ok(
        &["score", "--verifier", PROBE, "--jsonl", "w.jsonl"],
        &folder,
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    let rewards = told["rewards"].as_array().unwrap();
    assert_eq!(rewards.len(), 2);
    assert!(
        rewards
            .iter()
            .all(|own| (0.0..=1.0).contains(&own.as_f64().unwrap()))
    );

    // Problems that have no right and wrong samples leave nothing to fit.
    let one = [
        "study",
        "--dataset",
        "micro:3",
        "--problems",
        "3",
        "--policy",
        "micro-24k",
        "--methods",
        "majority",
        "--budgets",
        "4",
        "--store",
        "few.sqlite",
        "--name",
        "few",
    ];
    ok(&one, &folder);
    let (code, told) = fails(&["probe", "fit", "few", "--store", "few.sqlite"], &folder);
    assert!(code == Some(2) && told.contains("folds"), "{told}");
    let (code, told) = fails(
        &[
            "probe",
            "fit",
            "few",
            "--store",
            "few.sqlite",
            "--policy",
            "micro-90k",
        ],
        &folder,
    );
    assert!(
        code == Some(2) && told.contains("has no samples of micro-90k"),
        "{told}"
    );
    let (code, told) = fails(
        &[
            "probe",
            "fit",
            "few",
            "--store",
            "few.sqlite",
            "-o",
            "p.bin",
        ],
        &folder,
    );
    assert!(code == Some(2) && told.contains(".safetensors"), "{told}");
}
