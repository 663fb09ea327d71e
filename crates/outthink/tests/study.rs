//! The lab's commands, end to end.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may fail by panicking, and says what it skips"
)]

mod command;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use command::{Folder, TINY, fails, ok, outthink};

#[test]
fn a_study_is_run_reported_exported_and_scored_anew() {
    let folder = Folder::new("study");
    let tiny = |more: &[&'static str]| [&TINY, &["s.sqlite"][..], more].concat();
    let plan = ok(&tiny(&["--dry-run"]), &folder);
    assert!(plan.contains("0 done, 28 to do"), "{plan}");
    let done = ok(&tiny(&[]), &folder);
    assert!(done.contains("28 of 28 units done"), "{done}");
    let again = ok(&tiny(&[]), &folder);
    assert!(
        again.contains("all 28 units were done before: nothing to do"),
        "{again}"
    );

    ok(
        &["report", "--store", "s.sqlite", "--out", "report"],
        &folder,
    );
    let html = std::fs::read_to_string(folder.file("report/index.html")).unwrap();
    for part in [
        "Table 1. ",
        "Floating-point operations over all problems (the paper's Table 4)",
        "(the paper's Table 2)",
        "Figure 1. ",
        "<svg",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(
        !html.contains("GPT-4o"),
        "published numbers stand beside the paper's benchmarks only"
    );
    // Nothing is fetched when it is opened; the namespace of SVG is a name, not a link.
    let links = html.matches("http").count();
    assert_eq!(links, html.matches("http://www.w3.org/2000/svg").count());
    assert!(
        std::fs::read_to_string(folder.file("report/README.md"))
            .unwrap()
            .contains("| policy |")
    );
    let numbers = ok(&["report", "--store", "s.sqlite", "--json"], &folder);
    assert!(numbers.lines().all(|line| line.contains("\"problems\":4")));

    let counted = ok(
        &[
            "sql",
            "--store",
            "s.sqlite",
            "select count(*) as n from sample where token_ids is not null",
        ],
        &folder,
    );
    // A pool of eight and one greedy solution a problem.
    assert_eq!(counted, "n\n36\n");

    results_agree_with_the_report(&numbers, &folder);
    ok(
        &["export", "--store", "s.sqlite", "--out", "samples.jsonl"],
        &folder,
    );
    ok(
        &[
            "import",
            "samples.jsonl",
            "--store",
            "t.sqlite",
            "--name",
            "theirs",
        ],
        &folder,
    );
    let scored = [
        "study",
        "--store",
        "t.sqlite",
        "--name",
        "scored",
        "--dataset",
        "stored:theirs",
        "--policy",
        "stored:theirs",
        "--verifier",
        "step-checker",
    ];
    let told = ok(&scored, &folder);
    assert!(told.contains("8 of 8 units done, 4 of them now"), "{told}");
}

/// One row per problem, seed and cell; their mean accuracy is the report's, and an answer is right where the row says so.
fn results_agree_with_the_report(report: &str, folder: &Folder) {
    let export = ["export", "--store", "s.sqlite", "--format", "results"];
    let table = ok(&export, folder);
    assert!(
        table.starts_with("policy,verifier,method,n,width,rule,seed,problem_id,"),
        "{table}"
    );
    ok(&[&export[..], &["--out", "results.jsonl"]].concat(), folder);
    let lines = std::fs::read_to_string(folder.file("results.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(table.lines().count(), rows.len() + 1);
    let mut cells = 0;
    for entry in report
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
    {
        let same = |row: &&serde_json::Value| {
            row["method"] == entry["method"]
                && row["n"].as_f64() == entry["n"].as_f64()
                && row["verifier"] == entry["verifier"]
                && row["width"] == entry["width"]
                && row["rule"] == entry["rule"]
        };
        let own: Vec<&serde_json::Value> = rows.iter().filter(same).collect();
        if own.is_empty() {
            continue;
        }
        cells += 1;
        let mean = |name: &str| {
            own.iter()
                .map(|row| row[name].as_f64().unwrap())
                .sum::<f64>()
                / own.len() as f64
        };
        assert_eq!(own.len(), 4, "{entry}");
        assert!(
            (mean("accuracy") - entry["accuracy"].as_f64().unwrap()).abs() < 1e-12,
            "{entry}"
        );
        let flops = entry["flops_full"].as_f64().unwrap();
        assert!((mean("flops_full") / flops - 1.0).abs() < 1e-9, "{entry}");
        for row in &own {
            assert_eq!(
                row["correct"] == true,
                row["answer"] == row["gold"],
                "{row}"
            );
        }
    }
    assert!(cells >= 4, "{report}");
}

/// Of the only unit of a kind: what a model reported to have computed, and what the unit costs by itself.
fn reported_and_spent(folder: &Folder, store: &str, kind: &str, model: &str) -> [(u64, u64); 2] {
    let question = format!(
        "select {model}_usage, spent from unit join cell on cell.hash = unit.cell where cell.kind = '{kind}'"
    );
    let told = ok(&["sql", "--store", store, &question], folder);
    let (usage, spent) = told.lines().nth(1).unwrap().split_once('\t').unwrap();
    let usage: serde_json::Value = serde_json::from_str(usage).unwrap();
    let spent: serde_json::Value = serde_json::from_str(spent).unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    let shared = spent[model]["shared"].as_array().unwrap();
    let sum = |column: usize| {
        shared
            .iter()
            .map(|share| number(&share[column]))
            .sum::<u64>()
    };
    [
        (number(&usage["computed"]), number(&usage["attended"])),
        (sum(1), sum(2)),
    ]
}

#[test]
fn what_a_unit_costs_by_itself_is_what_the_engine_computes_for_it_alone() {
    let folder = Folder::new("spent");
    let run = |store: &str, method: &str| {
        let study = [
            "study",
            "--dataset",
            "micro:5",
            "--problems",
            "1",
            "--policy",
            "micro-90k",
            "--verifier",
            "micro-prm-likelihood",
            "--budgets",
            "16",
            "--methods",
            method,
            "--store",
            store,
        ];
        ok(&study, &folder);
    };
    for (store, method, kind, verified) in [
        ("dvts.sqlite", "dvts", "search", Some("search")),
        ("beam.sqlite", "beam", "search", Some("search")),
        ("pool.sqlite", "best-of-n", "pool", Some("score")),
        ("cot.sqlite", "cot", "pool", None),
    ] {
        run(store, method);
        let [reported, spent] = reported_and_spent(&folder, store, kind, "policy");
        assert_eq!(reported, spent, "{method}, policy");
        if let Some(kind) = verified {
            let [reported, spent] = reported_and_spent(&folder, store, kind, "verifier");
            assert_eq!(reported, spent, "{method}, verifier");
        }
    }
}

#[test]
fn the_store_is_found_where_one_is_meant_and_asked_for_where_it_is_not_clear() {
    let folder = Folder::new("stores");
    let sql = ["sql", "select count(*) from study"];
    let (code, told) = fails(&sql, &folder);
    assert!(
        code == Some(2) && told.contains("no store in this folder"),
        "{told}"
    );
    let tiny = |store: &'static str, name: &'static str| {
        ok(&[&TINY[..], &[store, "--name", name]].concat(), &folder)
    };
    std::fs::write(folder.file("notes.sqlite"), "no store").unwrap();
    let done = tiny("any.sqlite", "first");
    assert!(done.contains("time       unknown until"), "{done}");
    assert_eq!(ok(&sql, &folder), "count(*)\n1\n");
    ok(&["report", "first"], &folder);
    assert!(ok(&["export", "--name", "first"], &folder).contains("\"answer\""));

    tiny("second.sqlite", "second");
    let (_, told) = fails(&sql, &folder);
    assert!(told.contains("any.sqlite, second.sqlite"), "{told}");
    // A study's own store is the one that `study` names after it.
    ok(&["report", "second", "--json"], &folder);
    assert!(
        fails(&["report", "first"], &folder)
            .1
            .contains("several stores")
    );
}

#[test]
fn what_cannot_be_done_is_told() {
    let folder = Folder::new("wrong");
    let (code, told) = fails(&["report", "--store", "none.sqlite"], &folder);
    assert!(
        code == Some(2) && told.contains("there is no store none.sqlite"),
        "{told}"
    );
    let (code, told) = fails(
        &[
            "study",
            "--dataset",
            "micro",
            "--policy",
            "micro-24k",
            "--methods",
            "beam",
        ],
        &folder,
    );
    assert!(
        code == Some(2) && told.contains("beam needs a verifier"),
        "{told}"
    );
    std::fs::write(folder.file("bad.toml"), "name = 'x'\nbugdets = [4]").unwrap();
    let (code, told) = fails(&["study", "bad.toml"], &folder);
    assert!(code == Some(2) && told.contains("bugdets"), "{told}");
    // A recipe that is taken for a store, for a strategy, and one that is not there; a cap that nothing can be counted for.
    for (typed, expected) in [
        (
            &["report", "--store", "bad.toml"][..],
            "bad.toml is not a store",
        ),
        (
            &["solve", "--strategy", "bad.toml", "Evaluate $1+2$."],
            "no strategy file",
        ),
        (&["study", "micro-24k"], "separated by commas"),
        (
            &[
                "study",
                "--dataset",
                "micro",
                "--policy",
                "micro-24k",
                "--methods",
                "cot",
                "--max-cost",
                "1",
            ],
            "price",
        ),
    ] {
        let (code, told) = fails(typed, &folder);
        assert!(
            code == Some(2) && told.contains(expected),
            "{typed:?}: {told}"
        );
    }
    assert!(!Path::new(&folder.file("micro-1.sqlite")).exists());
    let (_, told) = fails(
        &[
            "study",
            "--dataset",
            "math-500",
            "--policy",
            "micro-24k",
            "--methods",
            "cot",
        ],
        &folder,
    );
    assert!(told.contains("outthink data get math-500"), "{told}");
}

#[test]
fn no_study_takes_anothers_name_and_what_does_not_begin_leaves_nothing() {
    let folder = Folder::new("names");
    let file = |name: &str| Path::new(&folder.file(name)).exists();
    let study = |more: &[&'static str]| {
        let base = ["study", "--policy", "micro-24k", "--budgets", "2"];
        [&base[..], more].concat()
    };
    let rows = "Question;Answer\nEvaluate $3+4$.;\"so\n#### 7\"\nEvaluate $1+1$.;2\n";
    std::fs::write(folder.file("own.csv"), rows).unwrap();
    let plan = ok(&study(&["--dataset", "own.csv", "--dry-run"]), &folder);
    assert!(plan.contains("study      own in own.sqlite"), "{plan}");
    assert!(plan.contains("at most 6 solutions"), "{plan}");
    fails(
        &study(&["--dataset", "own.csv", "--answer-column", "x"]),
        &folder,
    );
    assert!(!file("own.sqlite"));

    let done = ok(&study(&["--dataset", "own.csv"]), &folder);
    assert!(done.contains("% right (95 % CI)"), "{done}");
    assert!(file("own.sqlite") && !file("own.sqlite.worker-0"));
    let golds = [
        "sql",
        "--store",
        "own.sqlite",
        "select gold from problem order by gold",
    ];
    assert_eq!(ok(&golds, &folder), "gold\n2\n7\n");
    // More of the same goes on under the name; something else gets another one, unless the name was chosen.
    let names = [
        "sql",
        "--store",
        "own.sqlite",
        "select name from study order by name",
    ];
    ok(
        &study(&["--dataset", "own.csv", "--seeds", "2", "--verifier", "none"]),
        &folder,
    );
    assert_eq!(ok(&names, &folder), "name\nown\n");
    let other = ["--dataset", "own.csv", "--problems", "1"];
    ok(&study(&other), &folder);
    ok(&study(&other), &folder);
    assert_eq!(ok(&names, &folder), "name\nown\nown-2\n");
    let named = [&other[..], &["--name", "own"]].concat();
    let (code, told) = fails(&study(&named), &folder);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("`own` of another recipe (2 problems of own.csv, 1 policy")
            && told.contains("--replace"),
        "{told}"
    );
    let plan = ok(
        &study(&[&named[..], &["--replace", "--dry-run"]].concat()),
        &folder,
    );
    assert!(plan.contains("1 of own.csv"), "{plan}");
    ok(&study(&[&named[..], &["--replace"]].concat()), &folder);
    assert_eq!(ok(&names, &folder), "name\nown\nown-2\n");
}

/// Answers one request with a body.
fn serve_once(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
    });
    address
}

#[test]
fn a_known_set_is_kept_only_if_it_has_its_checksum() {
    let folder = Folder::new("data");
    let get = |endpoint: &str| {
        Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(["data", "get", "amc23"])
            .env("OUTTHINK_DATA", folder.file("data"))
            .env("OUTTHINK_DATA_ENDPOINT", endpoint)
            .output()
            .unwrap()
    };
    let damaged = get(&serve_once(b"{}".to_vec()));
    let told = String::from_utf8(damaged.stderr).unwrap();
    assert!(
        !damaged.status.success() && told.contains("SHA-256"),
        "{told}"
    );
    let gone = get("http://127.0.0.1:9");
    let told = String::from_utf8(gone.stderr).unwrap();
    assert!(told.contains("without a network"), "{told}");
    assert!(!Path::new(&folder.file("data/amc23.jsonl")).exists());
    let Ok(right) = std::fs::read(shared("amc23_cotts.jsonl")) else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let fetched = get(&serve_once(right));
    let told = String::from_utf8(fetched.stdout).unwrap();
    assert!(told.starts_with("40 problems"), "{told}");
    assert!(ok(&["data", "list"], &folder).contains("amc23.jsonl"));
}

fn shared(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data")
        .join(file)
}

#[test]
fn the_benchmarks_pass_through_the_whole_pipeline_and_every_outcome_is_graded() {
    let folder = Folder::new("benchmarks");
    let sets = [
        ("math500_cotts.jsonl", 500),
        ("math500_prm800k.jsonl", 500),
        ("aime24_cotts.jsonl", 30),
        ("aime24_qwen.jsonl", 30),
        ("amc23_cotts.jsonl", 40),
        ("amc23_qwen.jsonl", 40),
    ];
    // Tiny models with random weights, which read any text: what they answer is nothing to speak of. (The micro
    // family's alphabet has no capital letters.)
    let family = Path::new(env!("CARGO_MANIFEST_DIR")).join("../outthink-engine/tests/families");
    for (file, problems) in sets {
        let path = shared(file);
        if !path.exists() {
            println!("skipped: ../shared/data is not here");
            return;
        }
        let recipe = format!(
            r#"
            name = "b"
            dataset = {path:?}
            methods = ["cot", "majority", "best-of-n"]
            budgets = [2]
            store = "{file}.sqlite"
            policies = [{{ model = {:?}, max-tokens = 16 }}]
            verifiers = [{:?}]
            "#,
            family.join("qwen2.5"),
            family.join("qwen2.5-math-prm"),
        );
        std::fs::write(folder.file("recipe.toml"), recipe).unwrap();
        // What does not fit the tiny context fails, and nothing else does.
        outthink(&["study", "recipe.toml"], &folder);
        let store = format!("{file}.sqlite");
        let count = |of: &str| -> usize {
            let told = ok(
                &[
                    "sql",
                    "--store",
                    &store,
                    &format!("select count(*) as n from {of}"),
                ],
                &folder,
            );
            told.lines().nth(1).unwrap().parse().unwrap()
        };
        assert_eq!(count("problem"), problems, "{file}");
        let unit = "unit join cell on cell.hash = unit.cell where cell.kind = 'pool' and";
        let done = count(&format!("{unit} state = 'done' and grader is not null"));
        let failed = count(&format!(
            "{unit} state = 'failed' and error like '%context%'"
        ));
        assert_eq!(done + failed, 2 * problems, "{file}");
        assert!(failed * 10 < problems, "{file}: {failed} failed");
        // One greedy solution and two others a problem, each with a verdict.
        assert_eq!(
            2 * count("sample where correct in (0, 1)"),
            3 * done,
            "{file}"
        );
        ok(&["report", "--store", &store, "--out", "report"], &folder);
    }
}

#[test]
fn a_store_on_postgresql_may_be_reached_through_a_checked_encryption() {
    let variable = |name| std::env::var(name).ok();
    let (Some(server), Some(certificate)) = (
        variable("OUTTHINK_TEST_POSTGRES"),
        variable("OUTTHINK_TEST_CERTIFICATE"),
    ) else {
        println!("skipped: OUTTHINK_TEST_POSTGRES names no server (see .ci/postgres)");
        return;
    };
    let store = format!("{server}?sslmode=require");
    let run = |arguments: &[&str], certificates: &str| {
        Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(arguments)
            .env("SSL_CERT_FILE", certificates)
            .output()
            .unwrap()
    };
    let encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ask = |certificates: &str| run(&["sql", "--store", &store, encrypted], certificates);
    // `sql` only reads: a study has to make the store before.
    let made = run(&[&TINY[..], &[&store[..]]].concat(), &certificate);
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let trusted = ask(&certificate);
    assert_eq!(
        String::from_utf8_lossy(&trusted.stdout),
        "ssl\nt\n",
        "{}",
        String::from_utf8_lossy(&trusted.stderr)
    );
    // Somebody else's certificate.
    let folder = Folder::new("certificates");
    let other = folder.file("other.crt");
    let made = Command::new("openssl")
        .args(["req", "-new", "-x509", "-nodes", "-subj", "/CN=localhost"])
        .args(["-keyout", &folder.file("other.key"), "-out", &other])
        .output()
        .unwrap();
    assert!(made.status.success());
    let refused = ask(&other);
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(errors.contains("invalid peer certificate"), "{errors}");
}
