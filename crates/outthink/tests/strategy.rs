//! Strategies: tuned, and used by solve, serve and study.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use command::{Chat, Folder, TINY, fails, ok, outthink};
use serde_json::json;

/// A tiny study in `s.sqlite`, and `s.toml`, the strategy that is fitted on it.
fn tuned(folder: &Folder) {
    let mut study = TINY.to_vec();
    (study[2], study[4]) = ("micro-tune:1", "6");
    ok(
        &[&study[..], &["s.sqlite", "--name", "tune"]].concat(),
        folder,
    );
    ok(
        &["tune", "tune", "--store", "s.sqlite", "-o", "s.toml"],
        folder,
    );
}

#[test]
fn a_strategy_is_tuned_tested_and_used() {
    let folder = Folder::new("strategy");
    for (name, dataset) in [("tune", "micro-tune:1"), ("test", "micro:2")] {
        let mut study = TINY.to_vec();
        study[2] = dataset;
        study[4] = "6";
        ok(
            &[&study[..], &["s.sqlite", "--name", name]].concat(),
            &folder,
        );
    }
    let tune = ["tune", "tune", "--store", "s.sqlite"];
    let (code, told) = fails(&[&tune[..], &["--test", "tune"]].concat(), &folder);
    assert!(
        code == Some(2) && told.contains("6 problems are in both"),
        "{told}"
    );
    let found = ok(
        &[
            &tune[..],
            &["--test", "test", "--report", "report", "-o", "s.toml"],
        ]
        .concat(),
        &folder,
    );
    assert!(found.contains("label-free"), "{found}");
    let report = std::fs::read_to_string(folder.file("report/README.md")).unwrap();
    for part in [
        "cross-validated and on the test problems",
        "equal full FLOPs",
        "Adaptive spending",
        "Reliability",
    ] {
        assert!(report.contains(part), "{part}");
    }
    let solve = ["solve", "--strategy", "s.toml", "Evaluate $1+2$."];
    let told = ok(&[&solve[..], &["--budget", "8"]].concat(), &folder);
    for part in [
        "choice",
        "why",
        "confidence",
        "of at most 8; the budget was 8 samples",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let same = |_| {
        ok(
            &[&solve[..], &["--budget", "8", "--json"]].concat(),
            &folder,
        )
    };
    let [once, twice] = [0, 1].map(same);
    assert!(once == twice && once.contains("\"samples\":"), "{once}");
    let (code, told) = fails(&[&solve[..], &["--policy", "micro-90k"]].concat(), &folder);
    assert_eq!(code, Some(2));
    assert!(told.contains("fitted for the policy micro-24k"), "{told}");
    let (code, told) = fails(
        &[&solve[..], &["--verifier", "micro-prm"]].concat(),
        &folder,
    );
    assert!(code == Some(2) && told.contains("verifier"), "{told}");
}

#[test]
fn a_strategy_file_does_not_say_where_a_key_goes() {
    let (folder, chat) = (Folder::new("strategy-key"), Chat::start(&["no"]));
    tuned(&folder);
    let text = std::fs::read_to_string(folder.file("s.toml")).unwrap();
    let moved = text.replacen(
        "model = \"micro-24k\"",
        &format!("model = \"{}\"", chat.url),
        1,
    );
    assert_ne!(text, moved);
    std::fs::write(folder.file("moved.toml"), moved).unwrap();
    let run = |arguments: &[&str], key: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(arguments)
            .env("OUTTHINK_POLICY_KEY", key)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), errors)
    };
    let solve = ["solve", "--strategy", "moved.toml", "Evaluate $1+2$."];
    let study = [
        "study",
        "--strategy",
        "moved.toml",
        "--dataset",
        "micro:3",
        "--problems",
        "2",
    ];
    let serve = ["serve", "--strategy", "moved.toml"];
    for typed in [&solve[..], &study, &serve] {
        let (code, errors) = run(typed, "secret");
        assert_eq!(code, Some(2), "{errors}");
        assert!(
            errors.contains("name the address yourself with --policy"),
            "{errors}"
        );
    }
    assert!(chat.heads.lock().unwrap().is_empty());
    // Without a key nothing can be taken: it is asked, and is another model.
    let (code, errors) = run(&solve, "");
    assert!(
        code == Some(2) && errors.contains("fitted for the policy"),
        "{errors}"
    );
    // Who types the address agrees.
    let typed = [&solve[..], &["--policy", &chat.url]].concat();
    assert!(run(&typed, "secret").1.contains("fitted for the policy"));
    let heads = chat.heads.lock().unwrap();
    assert!(heads.last().unwrap().contains("Bearer secret"), "{heads:?}");
}

#[test]
fn one_problem_never_gets_more_samples_than_its_budget_and_a_strange_one_no_confidence() {
    let folder = Folder::new("strange");
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/micro-strategy/strategy-micro-0.3m.toml"
    );
    for (problem, like) in [
        (r"Evaluate $12\cdot 12$.", false),
        ("Evaluate $3+4$.", false),
        (r"Solve $2(4(x+8)+38)=332$ for $x$.", true),
    ] {
        for budget in [4, 16, 64] {
            // For 4 samples the fit tells no problems apart: it has one average for all.
            let like = like && budget > 4;
            let number = budget.to_string();
            let solve = [
                "solve",
                "--strategy",
                file,
                "--budget",
                &number,
                "--json",
                problem,
            ];
            let told: serde_json::Value =
                serde_json::from_slice(&outthink(&solve, &folder).stdout).unwrap();
            assert!(told["samples"].as_u64().unwrap() <= budget, "{told}");
            assert_eq!(told["confidence"].is_number(), like, "{problem}: {told}");
            assert_eq!(told["unlike"].is_string(), !like, "{problem}: {told}");
        }
    }
}

/// `outthink serve` as a process, and its address.
struct Served {
    process: std::process::Child,
    address: String,
}

impl Served {
    fn start(arguments: &[&str], folder: &Folder) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(&folder.0)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = process.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        let address = line.split('/').nth(2).unwrap().to_owned();
        Self { process, address }
    }

    fn post(&self, body: &serde_json::Value) -> (u16, String) {
        let mut stream = std::net::TcpStream::connect(&self.address).unwrap();
        let body = body.to_string();
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close";
        write!(
            stream,
            "{head}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn ask(&self, model: &str, outthink: serde_json::Value) -> serde_json::Value {
        let messages = serde_json::json!([{"role": "user", "content": "Evaluate $1+2$."}]);
        let body = serde_json::json!({"model": model, "messages": messages, "seed": 0, "outthink": outthink});
        let (status, reply) = self.post(&body);
        let mut reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
        reply["status"] = status.into();
        reply
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_strategy_answers_what_is_left_to_auto() {
    let folder = Folder::new("serve-strategy");
    tuned(&folder);
    let solve = [
        "solve",
        "--strategy",
        "s.toml",
        "--json",
        "--budget",
        "8",
        "Evaluate $1+2$.",
    ];
    let solved: serde_json::Value = serde_json::from_str(&ok(&solve, &folder)).unwrap();

    let server = Served::start(&["--strategy", "s.toml"], &folder);
    let reply = server.ask("auto@micro-24k", json!({"budget": 8}));
    assert_eq!(reply["status"], 200, "{reply}");
    let told = &reply["outthink"];
    for field in ["answer", "agreement", "confidence"] {
        assert_eq!(told[field], solved[field], "{field}: {reply}");
    }
    let chosen = told["chosen"].as_str().unwrap();
    assert!(
        chosen.contains(solved["choice"].as_str().unwrap()),
        "{chosen}"
    );
    assert!(
        chosen.ends_with(solved["reason"].as_str().unwrap()),
        "{chosen}"
    );
    // What it cost does not depend on what else the models had computed.
    assert_eq!(told["usage"], solved["usage"]);
    let again = server.ask("auto@micro-24k", json!({"budget": 8}));
    assert_eq!(again["outthink"]["usage"], told["usage"]);
    assert_eq!(again["usage"], reply["usage"]);
    assert!(
        told["usage"]["flops_full"].as_f64().unwrap() > 0.0,
        "{reply}"
    );
    assert_eq!(
        reply["usage"]["completion_tokens"],
        told["usage"]["policy"]["generated"]
    );

    let capped = server.ask(
        "auto@micro-24k",
        json!({"budget": 64, "max_tokens_total": 1}),
    );
    assert_eq!(
        capped["outthink"]["stopped_by"], "max_tokens_total",
        "{capped}"
    );
    assert!(
        capped["outthink"]["samples"].as_u64().unwrap() <= 4,
        "{capped}"
    );

    let refused = server.ask("auto@micro-24k", json!({"verifier": "micro-prm-short"}));
    assert_eq!(refused["status"], 400, "{refused}");
    let named = server.ask("beam:micro-24k", json!({"budget": 4}));
    let again = server.ask("beam:micro-24k", json!({"budget": 4}));
    assert_eq!(named["outthink"]["usage"], again["outthink"]["usage"]);
    assert_eq!(named["outthink"]["plan"], "4 = 1 beam × 4", "{named}");
    assert!(named["outthink"]["confidence"].is_null());

    let messages = json!([{"role": "user", "content": "Evaluate $1+2$."}]);
    let ask = json!({"model": "auto@micro-24k", "messages": messages, "seed": 0, "stream": true, "outthink": {"budget": 8, "trace": true}});
    let (_, stream) = server.post(&ask);
    for part in ["\"type\":\"grow\"", "\"agreement\":", "[DONE]"] {
        assert!(stream.contains(part), "{part}: {stream}");
    }
    drop(server);

    let refuses = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--strategy",
        "s.toml",
        "--policy",
        "micro-90k",
    ];
    let (code, told) = fails(&refuses, &folder);
    assert!(
        code == Some(2) && told.contains("fitted for the policy"),
        "{told}"
    );

    let server = Served::start(&["--strategy", "paper", "--policy", "micro-24k"], &folder);
    let reply = server.ask("auto@micro-24k", json!({"budget": 4}));
    let chosen = reply["outthink"]["chosen"].as_str().unwrap();
    assert!(
        chosen.contains("beam N = 4") && chosen.contains("authors"),
        "{reply}"
    );
}

#[test]
fn a_strategy_in_tokens_is_served_to_clients_who_count_samples() {
    let folder = Folder::new("serve-tokens");
    tuned(&folder);
    let tune = ["tune", "tune", "--store", "s.sqlite", "--unit", "tokens"];
    ok(&[&tune[..], &["-o", "t.toml"]].concat(), &folder);
    let written = std::fs::read_to_string(folder.file("t.toml")).unwrap();
    let sample = written
        .lines()
        .find_map(|line| line.strip_prefix("sample = "));
    let sample: f64 = sample.unwrap().parse().unwrap();
    assert!(sample > 10.0, "{sample} tokens per sample");
    let solve = |budget: &[&str]| {
        let solve = ["solve", "--strategy", "t.toml", "--json", "Evaluate $1+2$."];
        let told = ok(&[&solve[..], budget].concat(), &folder);
        serde_json::from_str::<serde_json::Value>(&told).unwrap()
    };
    let usual = solve(&[]);
    assert_eq!(
        (&usual["unit"], &usual["budget"]),
        (&json!("tokens"), &json!(16.0 * sample))
    );
    let solved = solve(&["--budget", &(8.0 * sample).to_string()]);
    let server = Served::start(&["--strategy", "t.toml"], &folder);
    let reply = server.ask("auto@micro-24k", json!({"budget": 8}));
    let told = &reply["outthink"];
    for field in ["answer", "agreement", "confidence"] {
        assert_eq!(told[field], solved[field], "{field}: {reply}");
    }
    let chosen = told["chosen"].as_str().unwrap();
    assert!(
        chosen.ends_with(solved["reason"].as_str().unwrap()),
        "{chosen}"
    );
    let (code, told) = fails(
        &[
            "solve",
            "--method",
            "beam",
            "--budget",
            "1.5",
            "Evaluate $1+2$.",
        ],
        &folder,
    );
    assert!(code == Some(2) && told.contains("not 1.5"), "{told}");
}

#[test]
fn a_strategy_is_one_more_method_of_a_study() {
    let folder = Folder::new("study-strategy");
    tuned(&folder);
    let with = [
        &TINY[..],
        &["s.sqlite", "--name", "with", "--strategy", "s.toml,paper"],
    ]
    .concat();
    let told = ok(&with, &folder);
    assert!(
        told.contains("s for micro-24k, paper with micro-prm-short for micro-24k"),
        "{told}"
    );
    let report = ["report", "with", "--store", "s.sqlite"];
    let lines = ok(&[&report[..], &["--json"]].concat(), &folder);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    let of = |name: &str, budget: f64| {
        let own = |line: &&serde_json::Value| line["strategy"] == name && line["budget"] == budget;
        lines
            .iter()
            .find(own)
            .unwrap_or_else(|| panic!("{name} at {budget}"))
            .clone()
    };
    for budget in [4.0, 8.0] {
        let own = of("s", budget);
        let chosen: u64 = own["chosen"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c[1].as_u64().unwrap())
            .sum();
        assert_eq!((own["problems"].as_u64(), chosen), (Some(4), 4), "{own}");
        assert!(own["flops_full"].as_f64().unwrap() > 0.0);
        // A fixed recipe does what the fixed method does: the same seeds, tree, answers and costs.
        let paper = of("paper with micro-prm-short", budget);
        let fixed = lines.iter().find(|line| {
            line["method"] == "beam" && line["n"] == budget && line["rule"] == "last-vote"
        });
        for field in [
            "accuracy",
            "tokens_drawn",
            "policy_tokens",
            "verifier_tokens",
            "flops_full",
        ] {
            assert_eq!(paper[field], fixed.unwrap()[field], "{field} at {budget}");
        }
        assert!(paper["calibration_error"].is_null());
    }
    ok(&[&report[..], &["--out", "report"]].concat(), &folder);
    let page = std::fs::read_to_string(folder.file("report/README.md")).unwrap();
    assert!(
        page.contains("Strategies, answering live") && page.contains("% right"),
        "{page}"
    );
    // What solve answers, the study has stored.
    let problem = [
        "sql",
        "--store",
        "s.sqlite",
        "select problem.text, choice.answer from choice join unit on unit.id = choice.unit join problem on problem.key = unit.problem join cell on cell.hash = unit.cell where cell.config like '%\"budget\":8.0%' limit 1",
    ];
    let row = ok(&problem, &folder);
    let (text, answer) = row.lines().nth(1).unwrap().split_once('\t').unwrap();
    assert!(!text.is_empty() && !answer.is_empty(), "{row}");

    let alone = [
        "study",
        "--dataset",
        "micro:3",
        "--problems",
        "2",
        "--budgets",
        "4",
        "--store",
        "t.sqlite",
        "--strategy",
        "s.toml",
        "--methods",
        "cot",
    ];
    let told = ok(&alone, &folder);
    assert!(
        told.contains("policies   micro-24k") && told.contains("s for micro-24k"),
        "{told}"
    );
    let other = [&alone[..], &["--policy", "micro-90k"]].concat();
    let (code, told) = fails(&other, &folder);
    assert!(
        code == Some(2) && told.contains("fitted for the policy micro-24k"),
        "{told}"
    );
    let other = [
        &alone[..],
        &["--policy", "micro-24k", "--verifier", "micro-prm"],
    ]
    .concat();
    let (code, told) = fails(&other, &folder);
    assert!(
        code == Some(2) && told.contains("micro-prm-short"),
        "{told}"
    );
}

#[test]
fn one_budget_is_shared_by_many_problems() {
    let folder = Folder::new("batch");
    tuned(&folder);
    let problems: String = (1..=12)
        .map(|k| {
            format!(
                "{{\"id\": \"p{k}\", \"problem\": \"Evaluate ${k}+{k}$.\", \"gold\": \"{}\"}}\n",
                2 * k
            )
        })
        .collect();
    std::fs::write(folder.file("problems.jsonl"), problems).unwrap();
    let typed = [
        "solve",
        "--strategy",
        "s.toml",
        "--jsonl",
        "problems.jsonl",
        "--total",
        "120",
    ];
    let told = ok(&typed, &folder);
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ids: Vec<&str> = lines
        .iter()
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, (1..=12).map(|k| format!("p{k}")).collect::<Vec<_>>());
    let spent: f64 = lines
        .iter()
        .map(|line| line["spent"].as_f64().unwrap())
        .sum();
    assert!((12.0..=120.0).contains(&spent), "{spent}");
    assert!(
        lines
            .iter()
            .all(|line| line["correct"].is_boolean() && line.get("confidence").is_some())
    );
    // Killed after two lines and a half: the others are answered, the two are not answered again.
    let kept: Vec<&str> = told.lines().take(2).collect();
    let torn = format!(
        "{}\n{}",
        kept.join("\n"),
        &told.lines().nth(2).unwrap()[..9]
    );
    std::fs::write(folder.file("answers.jsonl"), torn).unwrap();
    let output = outthink(&[&typed[..], &["--out", "answers.jsonl"]].concat(), &folder);
    assert!(output.status.success());
    let written = std::fs::read_to_string(folder.file("answers.jsonl")).unwrap();
    let whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let whole: Vec<&str> = written.lines().filter(whole).collect();
    assert_eq!((whole.len(), &whole[..2]), (12, &kept[..]), "{written}");
    assert!(!Path::new(&folder.file("answers.jsonl.journal")).exists());
    let (code, told) = fails(
        &[
            "solve",
            "--strategy",
            "s.toml",
            "--jsonl",
            "problems.jsonl",
            "--total",
            "3",
        ],
        &folder,
    );
    assert!(
        code == Some(2) && told.contains("smallest budget"),
        "{told}"
    );
}

#[test]
fn the_recipes_of_others_are_strategies_by_name() {
    let folder = Folder::new("recipes-of-others");
    let solve = |strategy: &str| {
        let typed = [
            "solve",
            "--policy",
            "micro-24k",
            "--budget",
            "8",
            "--strategy",
            strategy,
        ];
        ok(&[&typed[..], &["Evaluate $1+2$."]].concat(), &folder)
    };
    let told = solve("paper");
    for part in [
        "beam N = 8, M = 4, last-vote, micro-prm-likelihood",
        "authors",
        "8 samples",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(solve("search-and-learn").contains("best-of-n N = 8, last-vote"));
    let typed = ["solve", "--strategy", "papper", "Evaluate $1+2$."];
    let (code, told) = fails(&typed, &folder);
    assert!(
        code == Some(2) && told.contains("`search-and-learn`"),
        "{told}"
    );
}
