//! The command as a user meets it: what it prints where, and its exit status.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use outthink_core::AnyMethod;
use serde_json::Value;

fn outthink(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_outthink"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that reads nothing may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = outthink(arguments, "");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Exit status and the first line on standard error; nothing may stand on standard output.
fn refusal(arguments: &[&str], input: &str) -> String {
    let output = outthink(arguments, input);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let errors = String::from_utf8(output.stderr).unwrap();
    format!(
        "{}: {}",
        output.status.code().unwrap(),
        errors.lines().next().unwrap()
    )
}

const PROBLEM: &str = r"Solve $2(4(x+8)+38)=332$ for $x$.";

#[test]
fn bad_input_gets_one_clear_line_and_exit_status_2() {
    let solve = |arguments: &[&str]| refusal(&[&["solve", PROBLEM], arguments].concat(), "");
    insta::assert_snapshot!(solve(&["--policy", "micro-9b"]), @"2: error: unknown model `micro-9b`: no folder or file of that name, no hub id, no server's address, and none of micro-24k, micro-90k, micro-0.3m, micro-1.6m, micro-prm-likelihood, micro-prm, micro-prm-short, grid-24k, grid-90k, grid-0.3m, grid-1.6m, grid-prm, grid-prm-likelihood, grid-prm-columns; did you mean micro-90k?");
    insta::assert_snapshot!(solve(&["--policy", "gguf/model.gguf"]), @"2: error: there is no file or folder gguf/model.gguf");
    insta::assert_snapshot!(solve(&["--policy", "./model.gguf"]), @"2: error: there is no file or folder ./model.gguf");
    insta::assert_snapshot!(solve(&["--policy", "./tests/no-such-model"]), @"2: error: there is no file or folder ./tests/no-such-model");
    insta::assert_snapshot!(solve(&["--policy", "tests/cli.rs"]), @"2: error: tests/cli.rs: this is no GGUF file: it begins with `//! The comm`");
    insta::assert_snapshot!(solve(&["--policy", "tests"]), @"2: error: cannot read tests/config.json: No such file or directory (os error 2)");
    insta::assert_snapshot!(solve(&["--policy", "../outthink-engine/tests/families/gguf"]), @"2: error: ../outthink-engine/tests/families/gguf: it has no config.json, but GGUF files; name one of them: deepseek-r1-distill.gguf, gemma2.gguf, gemma3.gguf, gpt-oss-mxfp4.gguf, llama-3.gguf, olmo2.gguf, phi3.gguf, phi4-mini.gguf, qwen3-moe.gguf, qwen3.gguf, smollm3.gguf");
    insta::assert_snapshot!(solve(&["--policy", "../outthink-engine/tests/families/qwen3/config.json"]), @"2: error: ../outthink-engine/tests/families/qwen3/config.json is one file of a checkpoint; name its folder");
    insta::assert_snapshot!(solve(&["--policy", "localhost:8480"]), @"2: error: localhost:8480 is an address without its scheme; did you mean http://localhost:8480?");
    insta::assert_snapshot!(solve(&["--policy", "10.0.0.7:8000/v1#m"]), @"2: error: 10.0.0.7:8000/v1 is an address without its scheme; did you mean http://10.0.0.7:8000/v1?");
    insta::assert_snapshot!(solve(&["--policy", "micro-prm"]), @"2: error: policy micro-prm: no policy profile fits this checkpoint, a Qwen2ForProcessRewardModel (tried: grid, micro, deepseek-r1-distill, llama-3, qwen3, qwen2.5, chat); name one, or write one as in profiles/");
    insta::assert_snapshot!(solve(&["--budget", "6", "--width", "4"]), @"2: error: beam cannot spend a budget of 6: the beam width of 4 must divide it; try a budget of 4 or 8, or a width of 2, 3 or 6");
    insta::assert_snapshot!(solve(&["--budget", "0"]), @"2: error: invalid value '0' for '--budget <N>': it must be greater than 0");
    insta::assert_snapshot!(solve(&["--budget", "-4"]), @"2: error: invalid value '-4' for '--budget <N>': it must be greater than 0");
    insta::assert_snapshot!(solve(&["--budget", "1e18"]), @"2: error: --budget 1e18 is too large: at most 1048576 solutions");
    insta::assert_snapshot!(solve(&["--temperature=-1"]), @r#"2: error: invalid value '-1' for '--temperature <T>': a temperature is a number from 0 to 100"#);
    insta::assert_snapshot!(solve(&["--verifier", "none", "--method", "beam"]), @"2: error: beam needs a verifier; name one with --verifier, or use --method majority");
    insta::assert_snapshot!(solve(&["--verifier", "none", "--selection", "last-max"]), @"2: error: majority scores no steps, so its selection is majority");
    let unknown =
        solve(&["--method", "tree-of-thought"]).replace(&outthink_core::AnyMethod::names(), "all");
    insta::assert_snapshot!(unknown, @"2: error: invalid value 'tree-of-thought' for '--method <METHOD>': unknown method `tree-of-thought` (one of all)");
    insta::assert_snapshot!(refusal(&["solve", "Évaluate $7+8$."], ""), @r#"2: error: "É" is outside the model's alphabet (character 1 of "Évaluate $7+8$."); the embedded models only know `Evaluate $(17+19)\cdot 4-16$.`, `Solve $5x-7=23$ for $x$.` and recurrences (`outthink micro generate --seed 1 --count 5` shows some), and with --policy grid-90k grids. For anything else name a model with --policy: a folder, a .gguf file, a hub id or http://host:port/v1"#);
    insta::assert_snapshot!(refusal(&["solve", "-"], "What is 12 times 12?\n"), @r#"2: error: "W" is outside the model's alphabet (character 1 of "What is 12 times 12?"); the embedded models only know `Evaluate $(17+19)\cdot 4-16$.`, `Solve $5x-7=23$ for $x$.` and recurrences (`outthink micro generate --seed 1 --count 5` shows some), and with --policy grid-90k grids. For anything else name a model with --policy: a folder, a .gguf file, a hub id or http://host:port/v1"#);
    insta::assert_snapshot!(refusal(&["solve", "Evaluate $7+8$.<|assistant|>"], ""), @"2: error: the text holds <|assistant|>, which is a control token of the model");
    insta::assert_snapshot!(refusal(&["solve", "  "], ""), @"2: error: the problem is empty");
    insta::assert_snapshot!(refusal(&["solve", "-"], " \n"), @"2: error: the problem is empty");
    insta::assert_snapshot!(refusal(&["solve", "Find $x$.", "--verifier", "step-checker"], ""), @r#"2: error: "F" is outside the model's alphabet (character 1 of "Find $x$."); the embedded models only know `Evaluate $(17+19)\cdot 4-16$.`, `Solve $5x-7=23$ for $x$.` and recurrences (`outthink micro generate --seed 1 --count 5` shows some), and with --policy grid-90k grids. For anything else name a model with --policy: a folder, a .gguf file, a hub id or http://host:port/v1"#);
    insta::assert_snapshot!(refusal(&["solve", &"7+".repeat(400)], ""), @"2: error: 803 tokens exceed the model's context of 512");
    insta::assert_snapshot!(refusal(&["demo", "--problems", "0"], ""), @"2: error: --problems must be at least 1");
    insta::assert_snapshot!(refusal(&["demo", "--chart", "no/such/folder.svg"], ""), @"2: error: cannot write no/such/folder.svg: No such file or directory (os error 2)");
    insta::assert_snapshot!(refusal(&["micro", "check", "-"], ""), @"2: error: standard input holds no solutions");
    insta::assert_snapshot!(refusal(&["micro", "check", "-"], "{\"problem\": 1}"), @"2: error: standard input line 1: invalid type: integer `1`, expected a string at line 1 column 13");
    insta::assert_snapshot!(refusal(&["micro", "check", "no-such-file"], ""), @"2: error: cannot read no-such-file: No such file or directory (os error 2)");
}

#[test]
fn an_address_in_use_is_no_wrong_input() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for server in [
        &["serve", "--policy", "micro-24k"][..],
        &["prm-serve", "--verifier", "micro-prm-short"],
    ] {
        let output = outthink(&[server, &["--listen", &address]].concat(), "");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(
            told.contains(&format!("error: cannot listen on {address}")),
            "{told}"
        );
    }
}

#[test]
fn what_micro_generate_writes_micro_check_finds_right() {
    let generated = outthink(&["micro", "generate", "--seed", "9", "--count", "40"], "").stdout;
    let generated = String::from_utf8(generated).unwrap();
    assert_eq!(generated.lines().count(), 40);
    let checked = outthink(&["micro", "check", "-"], &generated).stdout;
    for line in String::from_utf8(checked).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["correct"], &line["first_error"]),
            (&true.into(), &Value::Null)
        );
    }
    let spoiled =
        r#"{"problem": "Evaluate $2+3-4$.", "steps": ["$2+3=6$, so $6-4$.", "$6-4=2$."]}"#;
    let checked = outthink(&["micro", "check", "-"], spoiled).stdout;
    insta::assert_snapshot!(String::from_utf8(checked).unwrap(), @r#"{"id":"arithmetic-1-9c540057","labels":[false,false],"correct":false,"first_error":0}"#);
}

#[test]
fn solve_tells_its_answer_its_steps_and_its_cost_the_same_every_time() {
    let arguments = ["solve", PROBLEM, "--gold", "24", "--seed", "4", "--json"];
    let first = json(&arguments);
    assert_eq!(first, json(&arguments));
    assert_eq!(
        (&first["answer"], &first["correct"]),
        (&"24".into(), &true.into())
    );
    assert_eq!(
        (&first["method"], &first["n"]),
        (&"beam".into(), &16.into())
    );
    let solution = &first["solutions"][0];
    assert_eq!(solution["answer"], "24");
    for step in solution["steps"].as_array().unwrap() {
        assert!((0.0..=1.0).contains(&step["reward"].as_f64().unwrap()));
        assert!(step["tokens"].as_u64().unwrap() > 0 && !step["text"].as_str().unwrap().is_empty());
    }
    assert!(first["usage"]["flops_full"].as_f64().unwrap() > 0.0);
    let other = json(&["solve", PROBLEM, "--gold", "25", "--json"]);
    assert_eq!(other["correct"], false);
}

#[test]
fn solve_takes_a_checkpoint_folder_as_it_takes_a_name() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro/micro-90k");
    let arguments = |policy| {
        [
            "solve", PROBLEM, "--json", "--method", "majority", "--policy", policy,
        ]
    };
    assert_eq!(json(&arguments(folder)), json(&arguments("micro-90k")));
}

#[test]
fn a_budget_below_the_width_is_its_own_width_and_small_words_are_read() {
    let plan = |arguments: &[&str]| {
        let typed = ["solve", PROBLEM, "--json", "--policy", "micro-24k"];
        json(&[&typed[..], arguments].concat())["plan"].clone()
    };
    assert_eq!(plan(&["--budget", "2"]), "2 = 1 beam × 2");
    assert_eq!(plan(&["--method", "BoN", "--budget", "3"]), "3 solutions");
    assert_eq!(
        plan(&["--method", "Best-of-N", "--budget", "1"]),
        "1 solution"
    );
}

#[test]
fn a_problem_may_come_from_standard_input() {
    let typed = ["solve", "-", "--json", "--seed", "4"];
    let piped = outthink(&typed, &format!("\n{PROBLEM}\n"));
    let named = json(&["solve", PROBLEM, "--json", "--seed", "4"]);
    assert_eq!(
        serde_json::from_slice::<Value>(&piped.stdout).unwrap(),
        named
    );
}

#[test]
fn temperature_0_is_greedy_for_every_sample() {
    let typed = [
        "solve",
        PROBLEM,
        "--json",
        "--method",
        "majority",
        "--policy",
        "micro-24k",
    ];
    let cold = json(&[&typed[..], &["--temperature", "0"]].concat());
    assert_eq!(cold["solutions"].as_array().unwrap().len(), 1);
    assert_eq!(cold["solutions"][0]["count"], 16);
    let narrow = json(&[&typed[..], &["--top-p", "1e-9"]].concat());
    assert_eq!(
        narrow["solutions"][0]["steps"],
        cold["solutions"][0]["steps"]
    );
}

#[test]
fn where_nobody_reads_on_a_command_ends_without_a_word() {
    for arguments in [
        &["models"][..],
        &["solve", PROBLEM, "--policy", "micro-24k"],
        &["solve", PROBLEM, "--policy", "micro-24k", "--json"],
        &["grade", "--gold", "1", "--prediction", "1"],
        &["doctor", "--policy", "micro-24k", "--verifier", "none"],
        &["data", "list"],
        &["completions", "bash"],
        &["micro", "generate", "--seed", "1", "--count", "2000"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), &*errors),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_key_is_not_lost_where_nobody_reads_standard_output() {
    let file = std::env::temp_dir().join(format!("outthink-lost-{}.toml", std::process::id()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_outthink"))
        .args(["keys", "add", "alice", "--file", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let errors = child.wait_with_output().unwrap().stderr;
    std::fs::remove_file(file).unwrap();
    let errors = String::from_utf8(errors).unwrap();
    assert!(errors.starts_with("ot-"), "{errors}");
}

/// The demo on four problems, without its times, and its chart.
fn demo(run: usize) -> (Value, String) {
    let name = format!("outthink-test-{}-{run}.svg", std::process::id());
    let chart = std::env::temp_dir().join(name);
    let path = chart.to_str().unwrap();
    let mut demo = json(&[
        "demo",
        "--problems",
        "4",
        "--seed",
        "3",
        "--json",
        "--chart",
        path,
    ]);
    for ground in demo["grounds"].as_array_mut().unwrap() {
        for row in ground["rows"].as_array_mut().unwrap() {
            assert!(row["seconds"].as_f64().unwrap() > 0.0);
            row["seconds"] = Value::Null;
        }
    }
    let svg = std::fs::read_to_string(&chart).unwrap();
    std::fs::remove_file(&chart).unwrap();
    (demo, svg)
}

/// A checkpoint in a family's own layout.
fn family(name: &str) -> String {
    format!(
        "{}/../outthink-engine/tests/families/{name}",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[test]
fn generate_tells_tokens_and_their_probabilities() {
    let folder = family("qwen3");
    let arguments = [
        "generate",
        "--policy",
        &folder,
        "--prompt",
        "naïve 你好",
        "--max-tokens",
        "9",
        "--n",
        "3",
        "--logprobs",
        "--json",
    ];
    let report = json(&arguments);
    assert_eq!(report["profile"], "qwen3");
    let choices = report["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 3);
    assert_ne!(
        choices[0]["tokens"], choices[1]["tokens"],
        "each draw has a seed of its own"
    );
    for choice in choices {
        let tokens = choice["tokens"].as_array().unwrap().len();
        assert_eq!(choice["logprobs"].as_array().unwrap().len(), tokens);
        assert!(choice["logprobs"][0]["logprob"].as_f64().unwrap() < 0.0);
        assert_eq!(choice["finish_reason"] == "length", tokens == 9);
    }
    assert_eq!(report, json(&arguments), "same seed, same output");
}

#[test]
fn a_gguf_file_solves_as_its_checkpoint_does() {
    let ask = |policy: &str, dtype: &str| {
        // It finds no answer in twelve tokens, which is no success.
        let solve = [
            "solve",
            "What is 2 + 2?",
            "--policy",
            policy,
            "--dtype",
            dtype,
            "--verifier",
            "none",
            "--method",
            "majority",
            "--budget",
            "2",
            "--max-tokens",
            "12",
            "--json",
        ];
        let output = outthink(&solve, "");
        assert_eq!(output.status.code(), Some(1));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()["solutions"].clone()
    };
    let folder = ask(&family("llama-3"), "auto");
    assert_eq!(folder, ask(&family("gguf/llama-3.gguf"), "auto"));
    assert_eq!(folder, ask(&family("llama-3"), "f32"));
}

#[test]
fn score_gives_one_reward_a_step_or_an_error_with_its_line() {
    let lines = r#"{"problem": "What is 2+2?", "steps": ["2+2=4.", "So 4."]}
{"problem": "What is 2+2?", "steps": []}
{"problem": "What is 2+2?", "steps": ["WORDS"]}
"#;
    let lines = lines.replace("WORDS", &"so ".repeat(2000));
    let output = outthink(
        &[
            "score",
            "--verifier",
            &family("math-shepherd-prm"),
            "--jsonl",
            "-",
        ],
        &lines,
    );
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8(output.stdout).unwrap();
    let out: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(out[0]["rewards"].as_array().unwrap().len(), 2);
    assert_eq!(out[1]["line"], 2);
    assert!(
        out[2]["error"]
            .as_str()
            .unwrap()
            .ends_with("exceed the model's context of 1024")
    );
    assert_eq!(out.len(), 3);
}

#[test]
fn doctor_loads_names_the_profile_and_checks_the_verifier() {
    let output = outthink(
        &["doctor", "--policy", "micro-24k", "--verifier", "micro-prm"],
        "",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for said in [
        "profile micro\n",
        "profile micro-prm\n",
        "a right solution scores above a wrong one",
        "methods that work: cot, majority, best-of-n, beam, dvts",
        "all checks passed",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // A verifier that cannot read what the policy writes.
    let strangers = outthink(
        &[
            "doctor",
            "--policy",
            &family("qwen3"),
            "--verifier",
            "micro-prm",
        ],
        "",
    );
    let text = String::from_utf8(strangers.stdout).unwrap();
    assert_eq!(strangers.status.code(), Some(1), "{text}");
    assert!(
        text.contains("FAIL     the verifier knows the policy's problems"),
        "{text}"
    );
    // And without one nothing fails.
    let alone = outthink(&["doctor", "--policy", &family("qwen3")], "");
    let text = String::from_utf8(alone.stdout).unwrap();
    assert_eq!(alone.status.code(), Some(0), "{text}");
    let all = AnyMethod::all().into_iter();
    let unscored: Vec<&str> = all
        .filter(|own| !own.needs_verifier())
        .map(AnyMethod::name)
        .collect();
    let work = format!("methods that work: {}\n", unscored.join(", "));
    assert!(text.contains(&work), "{text}");
    let models = String::from_utf8(outthink(&["models"], "").stdout).unwrap();
    assert!(
        models.contains("micro-0.3m") && models.contains("math-shepherd-prm"),
        "{models}"
    );
}

#[test]
fn grade_says_whether_an_answer_is_right_and_why() {
    let pair =
        |gold, prediction| outthink(&["grade", "--gold", gold, "--prediction", prediction], "");
    let right = pair(r"\frac{1}{2}", "-0.5+1");
    assert_eq!(right.status.code(), Some(0));
    assert_eq!(
        String::from_utf8(right.stdout).unwrap(),
        "verdict  equal\nrule     exact value\nreason   they agree: exact value\n"
    );
    assert_eq!(pair("(2,4)", r"\{2,4\}").status.code(), Some(1));
    let response = json(&[
        "grade",
        "--gold",
        "204",
        "--text",
        "--prediction",
        r"so it is $\boxed{204}$.",
        "--json",
    ]);
    assert_eq!(
        (&response["equal"], &response["prediction"]),
        (&true.into(), &"204".into())
    );
    let theirs = [
        "grade",
        "--gold",
        "1",
        "--prediction",
        "100",
        "--rules",
        "qwen2.5-math",
    ];
    assert_eq!(
        outthink(&theirs, "").status.code(),
        Some(0),
        "their mistakes are kept"
    );
}

#[test]
fn grade_reports_malformed_lines_and_grades_the_rest() {
    let lines = r#"{"id": "a", "gold": "5", "prediction": "five", "expected": true, "category": "words"}
{"id": 2, "gold": "5"
{"id": 3, "gold": "204", "prediction": "It is \\boxed{205}.", "pred_kind": "text", "expected": true, "category": "box"}
"#;
    let output = outthink(&["grade", "--jsonl", "-"], lines);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.starts_with("standard input line 2: EOF"), "{errors}");
    let out: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(out.len(), 3);
    assert_eq!(
        (&out[0]["id"], &out[0]["equal"]),
        (&"a".into(), &true.into())
    );
    assert_eq!(
        (&out[1]["id"], &out[1]["equal"]),
        (&3.into(), &false.into())
    );
    assert_eq!(out[2]["summary"]["accuracy"], 0.5);
    assert_eq!(out[2]["summary"]["categories"]["box"]["false_negatives"], 1);
    let graded = outthink(
        &["grade", "--jsonl", "-"],
        "\u{feff}{\"gold\": 7, \"prediction\": \"7.0\"}\r\n\r\n{\"gold\": \"7\", \"prediction\": null}\r\n",
    );
    assert_eq!(graded.status.code(), Some(0));
    let out = String::from_utf8(graded.stdout).unwrap();
    let equal: Vec<bool> = out
        .lines()
        .map(|line| line.contains("\"equal\":true"))
        .collect();
    assert_eq!(equal, [true, false]);
    let none = outthink(&["grade", "--jsonl", "-"], "7 = 7\n");
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn demo_measures_every_row_draws_the_chart_and_does_it_again_the_same() {
    let (measured, svg) = demo(1);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let grounds = measured["grounds"].as_array().unwrap();
    assert_eq!(
        [&grounds[0]["name"], &grounds[1]["name"]],
        ["grids", "arithmetic"]
    );
    for ground in grounds {
        let problems = ground["problems"].as_f64().unwrap();
        for row in ground["rows"].as_array().unwrap() {
            let number = |key: &str| row[key].as_f64().unwrap();
            assert_eq!(number("accuracy"), number("correct") / problems);
            let selection = row["selection"].as_str().unwrap();
            assert_eq!(
                row["correct_by_selection"][selection], row["correct"],
                "{row}"
            );
            let interval = [&row["ci"][0], &row["ci"][1]].map(|end| end.as_f64().unwrap());
            assert!(interval[0] <= number("accuracy") && number("accuracy") <= interval[1]);
            for cost in ["flops_paper", "flops_full", "policy_tokens", "parameters"] {
                assert!(number(cost) > 0.0, "{cost}: {row}");
            }
            for model in ["policy", "verifier"] {
                assert_eq!(
                    row["reuse"][model], 1.0,
                    "every token is computed once: {row}"
                );
            }
        }
        assert!(ground["headline"]["size_ratio"].as_f64().unwrap() >= 4.0);
    }
    // The strategy has as many problems of each ground, and each is answered by one method.
    let mixture = &measured["mixture"];
    let problems = mixture["problems"].as_u64().unwrap();
    assert_eq!(problems, 8);
    let taken = mixture["choices"].as_object().unwrap().values();
    let taken = taken.flat_map(|own| own.as_object().unwrap().values());
    assert_eq!(
        taken.map(|count| count.as_u64().unwrap()).sum::<u64>(),
        problems
    );
    for single in mixture["singles"].as_array().unwrap() {
        let number = |of: &Value, key: &str| of[key].as_f64().unwrap();
        let minus = 100.0 * (number(mixture, "accuracy") - number(single, "accuracy"));
        assert!(
            (minus - number(&single["strategy_minus"], "points")).abs() < 1e-9,
            "{single}"
        );
    }
    assert!(mixture["samples"].as_f64().unwrap() <= 64.0);
    assert_eq!((measured, svg), demo(2), "same seed, same output");
}

#[test]
fn help_has_examples_and_completions_are_scripts() {
    for command in [
        &["demo"][..],
        &["solve"],
        &["micro", "generate"],
        &["micro", "check"],
    ] {
        let help = outthink(&[command, &["--help"]].concat(), "").stdout;
        assert!(
            String::from_utf8(help).unwrap().contains("Example"),
            "{command:?}"
        );
    }
    let script = outthink(&["completions", "bash"], "").stdout;
    let script = String::from_utf8(script).unwrap();
    for value in [
        "grid-90k",
        "step-checker",
        "dvts",
        "min-max",
        "gsm8k",
        "q8_0",
        "prm800k",
    ] {
        assert!(script.contains(value), "{value}");
    }
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = outthink(&["completions", shell], "").stdout;
        assert!(
            String::from_utf8(script).unwrap().contains("outthink"),
            "{shell}"
        );
    }
}
