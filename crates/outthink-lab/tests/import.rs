//! Samples that other programs wrote: each format as that program writes it, what becomes of it, and what it must not become.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by panicking, and says what it skips"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use outthink_core::Selection;
use outthink_core::method::{BEST_OF_N, COT, MAJORITY};
use outthink_lab::{
    Analysis, Choice, ExchangeError, ImportOptions, Imported, Key, Line, Maths, Rule, Store, Study,
    Verdicts, export_inspect, export_jsonl, export_lm_eval, import, read_samples, samples_of,
};
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    let own = std::env::temp_dir().join(format!("outthink-import-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&own);
    std::fs::create_dir_all(&own).unwrap();
    own
}

fn store(name: &str) -> Store {
    Store::open(&folder(name).join("s.sqlite").display().to_string()).unwrap()
}

fn lines_of(rows: &[Value]) -> Vec<u8> {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

fn read(name: &str, rows: &[Value]) -> (Vec<&'static str>, Vec<Line>) {
    let samples = samples_of(name, lines_of(rows)).unwrap();
    (samples.formats, samples.lines)
}

fn taken(name: &str, rows: &[Value], store: &mut Store) -> Imported {
    let samples = samples_of("rows.jsonl", lines_of(rows)).unwrap();
    import(samples, &ImportOptions::new(name, &Maths), Some(store)).unwrap()
}

fn key(method: outthink_core::AnyMethod, budget: usize) -> Key {
    Key {
        policy: 0,
        verifier: None,
        method,
        width: None,
        budget,
        rule: Rule::Chosen(Choice(Selection::Majority)),
    }
}

/// A problem with samples of these answers.
fn pool(number: usize, samples: &[Value]) -> Value {
    json!({
        "problem_id": format!("p{number}"), "problem": format!("What is number {number}?"),
        "gold": (100 + number).to_string(), "policy": "small", "samples": samples,
    })
}

fn answer(number: usize, run: &str) -> Value {
    json!({ "steps": ["So it is.", format!("\\boxed{{{number}}}")], "run": run })
}

#[test]
fn every_format_is_known_by_what_it_holds() {
    let (formats, lines) = read(
        "anything",
        &[json!({
            "problem": "1+1?", "answer": "2", "unique_id": "a/1", "level": 3,
            "completions": ["So\n\nit is \\boxed{2}", "Well\nthen\n\\boxed{3}"],
            "scores": [[0.5, 0.75], [0.25, 0.5, 1.0]], "completion_tokens": [7, 0],
            "pred_naive@2": "\\boxed{2}",
        })],
    );
    assert_eq!(formats, ["search-and-learn's completions"]);
    assert_eq!(lines[0].steps, ["So", "it is \\boxed{2}"]);
    // As many pieces as the verifier scored: here it scored lines.
    assert_eq!(lines[1].steps, ["Well", "then", "\\boxed{3}"]);
    assert_eq!(lines[1].rewards[""], [0.25, 0.5, 1.0]);
    assert_eq!(
        (lines[0].tokens, lines[1].tokens, lines[0].level),
        (7, 0, Some(3))
    );

    let document = |doc_id: usize, filter: &str| {
        json!({
            "doc_id": doc_id, "doc": {"question": "1+1?", "answer": "It is.\n#### 2"},
            "target": "It is.\n#### 2", "resps": [["first 2", "then 3"]], "filtered_resps": ["2"],
            "filter": filter, "exact_match": 1.0,
            "arguments": {"gen_args_0": {"arg_0": "Q: 1+1?", "arg_1": {"temperature": 0.25, "do_sample": true}}},
        })
    };
    // A document once for each filter, and two responses for each document.
    let (formats, lines) = read(
        "samples_gsm8k_2026-01-01.jsonl",
        &[
            document(0, "strict"),
            document(1, "strict"),
            document(0, "flexible"),
            document(1, "flexible"),
        ],
    );
    assert_eq!((formats, lines.len()), (vec!["lm-eval's samples"], 4));
    assert_eq!(lines[0].problem_id, "gsm8k/0");
    assert_eq!(lines[3].sampling.unwrap().temperature, 0.25);

    // A chat API gets a conversation.
    let (_, lines) = read(
        "samples_own_2026-01-01.jsonl",
        &[json!({
            "doc_id": 0, "doc": {"number": 1}, "target": "2", "resps": [["2"]],
            "arguments": {"gen_args_0": {"arg_0": ["[{\"role\": \"user\", \"content\": \"1+1?\"}]"], "arg_1": {}}},
        })],
    );
    assert_eq!(lines[0].problem, "1+1?");

    let (formats, lines) = read(
        "out/details/openai/tiny/2026-01-01/details_sums|0_2026-01-01.parquet",
        &[json!({
            "doc": {"query": "1+1?", "choices": [" 2", "3"], "gold_index": [0], "id": "7", "task_name": "sums|0"},
            "metric": {"extractive_match": 1.0},
            "model_response": {"text": ["So\n\nit is \\boxed{2}"], "input": [{"role": "user", "content": "1+1?"}]},
        })],
    );
    assert_eq!(formats, ["lighteval's details"]);
    let own = &lines[0];
    assert_eq!(
        (&*own.policy, &*own.problem_id, &*own.gold, own.correct),
        ("tiny", "sums/7", "2", Some(true))
    );

    let (formats, lines) = read(
        "log.json",
        &[json!({
            "version": 2, "status": "success",
            "eval": {"task": "sums", "model": "openai/tiny", "model_generate_config": {"temperature": 0.5}},
            "samples": [{
                "id": 7, "epoch": 2, "input": [{"role": "user", "content": "1+1?"}], "target": ["2"],
                "output": {"choices": [{"message": {"content": [{"type": "text", "text": "\\boxed{2}"}]}, "stop_reason": "max_tokens"}],
                           "usage": {"output_tokens": 5}},
                "scores": {"match": {"value": "C", "answer": "2"}},
            }],
        })],
    );
    assert_eq!(formats, ["Inspect's logs"]);
    let own = &lines[0];
    assert_eq!(
        (own.policy.as_str(), own.problem_id.as_str(), own.index),
        ("tiny", "7", 1)
    );
    assert_eq!(
        (own.tokens, own.finish.as_str(), own.correct),
        (5, "length", Some(true))
    );

    let (formats, lines) = read(
        "result.json",
        &[json!({
            "id": "gsm-1", "question": "1+1?", "answer": "# 2", "generator": "org/tiny", "chat_history": ["…"],
            "output": ["```json\n{\"reasoning\": \"It is.\", \"answer\": \"2\"}\n```"],
        })],
    );
    assert_eq!(formats, ["ZeroEval's results"]);
    assert_eq!(
        (lines[0].gold.as_str(), lines[0].steps[1].as_str()),
        ("2", "\\boxed{2}")
    );

    let (formats, lines) = read(
        "steps.jsonl",
        &[
            json!({"prompt": "1+1?", "completions": ["So", "3"], "labels": [true, false], "answer": "2"}),
        ],
    );
    assert_eq!(formats, ["TRL's stepwise records"]);
    assert_eq!(lines[0].step_labels, [true, false]);

    let (formats, lines) = read(
        "rows.jsonl",
        &[
            json!({"question": "1+1?", "answer": "2", "model": "org/tiny", "responses": ["\\boxed{2}", "3"], "correct": [true, false]}),
        ],
    );
    assert_eq!(formats, ["rows with a problem, an answer and responses"]);
    assert_eq!(lines[1].correct, Some(false));

    let (formats, lines) = read(
        "pool.jsonl",
        &[pool(1, &[answer(101, "a"), answer(5, "b")])],
    );
    assert_eq!(formats, ["a line per problem with its samples"]);
    assert_eq!(lines[1].run.as_deref(), Some("b"));
}

#[test]
fn what_is_no_sample_is_told_and_where_its_kind_is_read() {
    let told = |rows: &[Value]| {
        let read = samples_of("rows.jsonl", lines_of(rows));
        read.map(|_| ()).unwrap_err().to_string()
    };
    let labelled = told(&[json!({"problem": "1+1?", "steps": ["2"], "label": -1})]);
    assert!(labelled.contains("outthink audit --data"), "{labelled}");
    let likelihoods = told(&[
        json!({"doc": {"question": "A or B?"}, "target": "0", "resps": [["-0.5", "True"]]}),
    ]);
    assert!(
        likelihoods.contains("line 1: its responses are no texts"),
        "{likelihoods}"
    );
    let other = told(&[json!({"x": 1})]);
    assert!(other.contains("its columns: x"), "{other}");
    let wrong =
        told(&[json!({"problem": "1+1?", "gold": "2", "steps": ["2"], "tokens": u64::MAX})]);
    assert!(
        wrong.contains(&format!("`tokens` is {}", u64::MAX)),
        "{wrong}"
    );

    // Without golds nothing can be graded; where they come from is said.
    let steps = [json!({"prompt": "1+1?", "completions": ["2"], "labels": [true]})];
    let samples = samples_of("steps.jsonl", lines_of(&steps)).unwrap();
    let told = import(samples, &ImportOptions::new("x", &Maths), None);
    let told = told.map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("--dataset"), "{told}");
}

/// The folder that the paper's own code writes: two questions, two repetitions of a sample and of a search.
fn papers_folder(root: &Path) {
    for (method, settings) in [("best_of_n", "1_1_1"), ("beam_search", "40_4_1")] {
        let run = root.join(format!("MATH_{method}/tiny/prm/{settings}"));
        let config = json!({
            "gen_config": {"temperature": 0.7, "top_p": 1, "top_k": -1}, "method": method,
            "method_config": {"tree_max_width": 4}, "LM": ["/models/org--tiny"], "RM": "/models/prm",
        });
        for question in 0..2 {
            let folder = run.join(format!("question_{question}"));
            std::fs::create_dir_all(&folder).unwrap();
            for record in 0..2 {
                let row = json!({
                    "question": format!("What is {question}+1?"),
                    "groundtruth": format!("It is $\\boxed{{{}}}$.", question + 1),
                    "result": {"majority_vote": 1},
                    "output": [{
                        "path_idx": 0, "text": format!("First ки\nthen \\boxed{{{}}} ки\n", question + 1),
                        "value": [0.5, 0.25 + 0.5 * f64::from(record)], "completion_tokens": 9, "token_history": [4, 5],
                    }],
                });
                let file = folder.join(format!("record_{record}.jsonl"));
                std::fs::write(file, row.to_string()).unwrap();
            }
        }
        std::fs::write(run.join("config.json"), config.to_string()).unwrap();
    }
}

#[test]
fn the_papers_own_folders_are_read_as_they_are_and_as_an_archive() {
    let root = folder("paper");
    papers_folder(&root);
    let archive = folder("archive").join("all.tar.gz");
    let packed = flate2::write::GzEncoder::new(
        std::fs::File::create(&archive).unwrap(),
        flate2::Compression::fast(),
    );
    let mut tar = tar::Builder::new(packed);
    tar.append_dir_all(".", &root).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let mut store = store("paper-store");
    for path in [root, archive] {
        let samples = read_samples(&path).unwrap();
        assert_eq!((samples.lines.len(), samples.files), (8, 8));
        let options = ImportOptions::new("paper", &Maths);
        let imported = import(samples, &options, Some(&mut store)).unwrap();
        let study = &imported.study;
        assert_eq!(
            (
                study.policies[0].name.as_str(),
                study.verifiers[0].name.as_str()
            ),
            ("org--tiny", "prm")
        );
        assert_eq!(study.problems[1].gold, "2");
        assert_eq!((imported.judged, imported.other_verdicts.len()), (8, 0));
        let analysis = Analysis::of(imported.study, &mut store).unwrap();
        // Nothing is missing that was never drawn: repeated samples are one pool, repeated searches two runs.
        assert_eq!((analysis.count.open, analysis.count.failed), (0, 0));
        let methods: Vec<(String, usize, usize)> = analysis
            .entries
            .iter()
            .filter(|entry| entry.key.rule == Rule::Chosen(Choice(outthink_lab::HEADLINE)))
            .map(|entry| {
                (
                    entry.key.method.to_string(),
                    entry.key.budget,
                    entry.problems,
                )
            })
            .collect();
        let expected = [("best-of-n", 1, 2), ("best-of-n", 2, 2), ("beam", 4, 2)];
        assert_eq!(
            methods,
            expected.map(|(name, n, count)| (name.to_owned(), n, count))
        );
        let drawn = analysis.entry(&key(MAJORITY, 2)).unwrap().cost.unwrap();
        assert_eq!(drawn.policy.generated, 18.0);
    }
}

#[test]
fn inspects_archives_are_read_however_they_are_packed() {
    for method in [
        zip::CompressionMethod::Deflated,
        zip::CompressionMethod::Zstd,
    ] {
        let file = folder("eval").join("log.eval");
        let mut archive = zip::ZipWriter::new(std::fs::File::create(&file).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        let sample = |id: usize| {
            json!({
                "id": id, "epoch": 1, "input": format!("{id}+1?"), "target": (id + 1).to_string(),
                "output": {"model": "m", "choices": [{"message": {"content": format!("\\boxed{{{}}}", id + 1)}}]},
            })
        };
        let header = json!({"eval": {"model": "org/tiny"}, "plan": {"config": {"temperature": 0}}});
        for (name, content) in [
            ("samples/1_epoch_1.json", sample(1)),
            ("samples/2_epoch_1.json", sample(2)),
            ("header.json", header),
        ] {
            archive.start_file(name, options).unwrap();
            archive.write_all(content.to_string().as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        let mut store = store("eval-store");
        let imported = import(
            read_samples(&file).unwrap(),
            &ImportOptions::new("log", &Maths),
            Some(&mut store),
        )
        .unwrap();
        let analysis = Analysis::of(imported.study, &mut store).unwrap();
        // One sample at temperature 0 is chain of thought.
        assert_eq!(analysis.entry(&key(COT, 1)).unwrap().accuracy, 1.0);
    }
}

#[test]
fn pools_go_out_as_the_logs_of_harnesses_and_come_back_as_they_were() {
    type Export = fn(&Study, &mut Store, &Path) -> Result<usize, ExchangeError>;
    let samples = |study: &Study, store: &mut Store, counts: bool| {
        let mut lines = Vec::new();
        export_jsonl(study, store, &mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let own = lines.lines().map(|line| {
            let own: Line = serde_json::from_str(line).unwrap();
            let Line {
                policy,
                problem_id,
                problem,
                gold,
                level,
                index,
                steps,
                tokens,
                finish,
                answer,
                correct,
                ..
            } = own;
            let asked = (policy, problem_id, problem, gold, level);
            let counts = counts.then_some((tokens, finish));
            (asked, index, steps, counts, answer, correct)
        });
        own.collect::<Vec<_>>()
    };
    let cut_off = json!({"steps": ["So it", "goes on"], "finish": "length", "tokens": 9});
    let mut rows = vec![
        pool(1, &[answer(101, "a"), answer(5, "a"), cut_off.clone()]),
        pool(2, &[answer(102, "a"), cut_off, answer(102, "a")]),
    ];
    rows[1]["level"] = json!(3);
    // Of another model: a log of its own.
    rows.push(pool(1, &[answer(101, "a"), answer(5, "a")]));
    rows[2]["policy"] = json!("large:1");
    let mut before = store("out");
    let study = taken("own", &rows, &mut before).study;
    // lm-eval does not say how long a response is.
    for (name, export, counts) in [
        ("inspect", export_inspect as Export, true),
        ("lm-eval", export_lm_eval as Export, false),
    ] {
        let folder = folder(&format!("out-{name}"));
        assert_eq!(export(&study, &mut before, &folder).unwrap(), 8);
        let mut after = store(&format!("back-{name}"));
        let options = ImportOptions::new("own", &Maths);
        let back = import(read_samples(&folder).unwrap(), &options, Some(&mut after)).unwrap();
        assert_eq!(back.other_verdicts, [], "{name}");
        assert_eq!(
            samples(&back.study, &mut after, counts),
            samples(&study, &mut before, counts),
            "{name}"
        );
    }
}

#[test]
fn a_model_of_one_name_is_one_model_and_its_samples_stay_apart() {
    let rows = |right: bool| {
        let number = if right { 101 } else { 5 };
        vec![pool(1, &[answer(number, "a"), answer(number, "a")])]
    };
    let mut store = store("two");
    let first = taken("first", &rows(true), &mut store).study;
    let second = taken("second", &rows(false), &mut store).study;
    assert_eq!(first.policies[0].identity, second.policies[0].identity);
    for (study, accuracy) in [(first, 1.0), (second, 0.0)] {
        let analysis = Analysis::of(study, &mut store).unwrap();
        assert_eq!(
            analysis.entry(&key(MAJORITY, 2)).unwrap().accuracy,
            accuracy
        );
    }
    // Models whose names nobody knows are never the same.
    let nameless = |study: &str, store: &mut Store| {
        let rows = [
            json!({"problem": "1+1?", "answer": "2", "completions": ["\\boxed{2}"], "scores": [[0.5]]}),
        ];
        taken(study, &rows, store).study
    };
    let (one, other) = (nameless("one", &mut store), nameless("other", &mut store));
    assert_ne!(one.policies[0].identity, other.policies[0].identity);
    assert_ne!(one.verifiers[0].identity, other.verifiers[0].identity);
}

#[test]
fn a_ragged_pool_is_told_as_it_is() {
    let mut rows: Vec<Value> = (1..=9)
        .map(|own| pool(own, &[answer(100 + own, "a")]))
        .collect();
    rows.push(pool(
        10,
        &[answer(110, "a"), answer(5, "a"), answer(5, "a")],
    ));
    let mut store = store("ragged");
    let imported = taken("ragged", &rows, &mut store);
    let analysis = Analysis::of(imported.study, &mut store).unwrap();
    let at = |n: usize| {
        let entry = analysis.entry(&key(MAJORITY, n)).unwrap();
        (entry.problems, entry.accuracy, entry.cost)
    };
    // Unknown tokens are unknown, not none.
    assert_eq!(at(1), (10, (9.0 + 1.0 / 3.0) / 10.0, None));
    assert_eq!(at(3).0, 1);
    let report = outthink_lab::Report::new(&analysis, &outthink_lab::Published::load().unwrap());
    let page = report.markdown();
    assert!(
        page.contains("small reaches N = 2 in 1, N = 3 in 1"),
        "{page}"
    );
    assert!(page.contains("| single sample |"), "{page}");
    // One problem's three samples say nothing of ten problems.
    assert!(!page.contains("(0.0 to 79.3) |"), "{page}");
    let small = page.lines().find(|line| line.starts_with("| small |"));
    assert_eq!(small.map(|line| line.matches("93.3").count()), Some(3));
}

#[test]
fn samples_of_one_run_are_no_independent_draws() {
    // Three runs that are right in every problem or in none: whoever takes 3 runs for 60 draws believes too much.
    let rows = |told: bool| -> Vec<Value> {
        let sample = |problem: usize, run: usize| {
            let number = if run == 0 { 100 + problem } else { 5 };
            let mut own = answer(number, ["a", "b", "c"][run]);
            if !told {
                own.as_object_mut().unwrap().remove("run");
            }
            own
        };
        (1..=40)
            .map(|own| {
                pool(
                    own,
                    &[
                        sample(own, 0),
                        sample(own, 0),
                        sample(own, 1),
                        sample(own, 1),
                        sample(own, 2),
                        sample(own, 2),
                    ],
                )
            })
            .collect()
    };
    let mut store = store("runs");
    let mut width = |name: &str, told: bool| {
        let study = taken(name, &rows(told), &mut store).study;
        let analysis = Analysis::of(study, &mut store).unwrap();
        let entry = analysis.entry(&key(MAJORITY, 1)).unwrap();
        assert!((entry.accuracy - 1.0 / 3.0).abs() < 1e-12);
        entry.interval.high - entry.interval.low
    };
    let (told, untold) = (width("told", true), width("untold", false));
    // One of three runs right: the standard error of that share is 0.33, whatever the number of problems.
    assert!(
        untold < 0.35 && told > untold && told > 0.5,
        "{told} {untold}"
    );
}

#[test]
fn a_run_that_differs_in_nothing_but_its_draws_widens_nothing() {
    let mut state = 7u64;
    let mut coin = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 63 == 1
    };
    let mut rows: Vec<Value> = Vec::new();
    for own in 1..=150 {
        let samples: Vec<Value> = (0..8)
            .map(|run| {
                answer(
                    if coin() { 100 + own } else { 5 },
                    ["a", "b", "c", "d", "e", "f", "g", "h"][run],
                )
            })
            .collect();
        rows.push(pool(own, &samples));
    }
    let mut store = store("fair");
    let study = taken("fair", &rows, &mut store).study;
    let analysis = Analysis::of(study, &mut store).unwrap();
    let entry = analysis.entry(&key(MAJORITY, 1)).unwrap();
    let width = entry.interval.high - entry.interval.low;
    // A share of 8 fair coins of 150 problems: 2 × 1.96 × √(1/4 / 1200).
    assert!((0.04..0.085).contains(&width), "{width}");
}

#[test]
fn rewards_that_do_not_fit_the_steps_are_left_out_and_counted() {
    let rows = [json!({
        "problem": "1+1?", "answer": "2", "completions": ["a\n\nb \\boxed{2}", "c\n\nd \\boxed{2}"],
        "scores": [[0.5, 0.5], [0.5, 0.5, 0.5, 0.5, 0.5]],
    })];
    let mut store = store("misfit");
    let imported = taken("misfit", &rows, &mut store);
    assert_eq!(imported.left_out.len(), 1);
    assert!(
        imported.left_out[0].contains("the rewards of 1 sample:"),
        "{:?}",
        imported.left_out
    );
    let analysis = Analysis::of(imported.study, &mut store).unwrap();
    let scored = Key {
        verifier: Some(0),
        method: BEST_OF_N,
        rule: Rule::Chosen(Choice(outthink_lab::HEADLINE)),
        ..key(MAJORITY, 1)
    };
    assert!(analysis.entry(&scored).is_some());
}

#[test]
fn an_ensemble_votes_with_the_samples_of_its_members() {
    let row = |own: usize, answers: [usize; 3]| {
        let samples: Vec<Value> = answers
            .iter()
            .zip(["a", "b", "c"])
            .map(|(number, policy)| json!({"text": format!("\\boxed{{{number}}}"), "policy": policy, "billion": 2.0}))
            .collect();
        pool(own, &samples)
    };
    let rows = [
        row(1, [101, 101, 5]),
        row(2, [5, 102, 102]),
        row(3, [103, 5, 103]),
    ];
    let samples = samples_of("rows.jsonl", lines_of(&rows)).unwrap();
    let members = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let ensembles = [("three".to_owned(), members)];
    let options = ImportOptions {
        ensembles: &ensembles,
        ..ImportOptions::new("vote", &Maths)
    };
    let mut store = store("vote");
    let study = import(samples, &options, Some(&mut store)).unwrap().study;
    let place = study
        .policies
        .iter()
        .position(|own| own.name == "three")
        .unwrap();
    let analysis = Analysis::of(study, &mut store).unwrap();
    let at = |policy: usize, n: usize| {
        analysis
            .entry(&Key {
                policy,
                ..key(MAJORITY, n)
            })
            .unwrap()
            .accuracy
    };
    // Each member is right on two of three, all together on all.
    assert!((at(0, 1) - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(at(place, 3), 1.0);
}

/// What the file says is right and equal texts are equal: then our estimates are those of an independent computation.
#[test]
fn real_pools_give_the_figures_that_others_computed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/pools/math500-llama3.1-8b-rlhflow18.jsonl.gz");
    if !file.is_file() {
        eprintln!("skipped: no pools beside this checkout");
        return;
    }
    let options = ImportOptions {
        verdicts: Verdicts::File,
        verifier: Some("rlhflow"),
        ..ImportOptions::new("real", &Maths)
    };
    let mut store = store("real");
    let imported = import(read_samples(&file).unwrap(), &options, Some(&mut store)).unwrap();
    assert!(imported.warnings.is_empty(), "{:?}", imported.warnings);
    let analysis = Analysis::of(imported.study, &mut store).unwrap();
    let pass = |n| Key {
        rule: Rule::Ceiling,
        ..key(MAJORITY, n)
    };
    let found = |key: Key| 100.0 * analysis.entry(&key).unwrap().accuracy;
    // Means over all subsets of 18; ties of a majority go to each of the tied answers alike.
    for (key, expected) in [
        (pass(1), 41.989),
        (pass(4), 64.603),
        (pass(16), 80.846),
        (key(MAJORITY, 4), 49.870),
        (key(MAJORITY, 16), 59.626),
    ] {
        assert!(
            (found(key) - expected).abs() < 6e-4,
            "{} {expected}",
            found(key)
        );
    }
}

#[test]
fn samples_that_nobody_scored_say_nothing_of_a_verifier() {
    let own = |number: usize, reward: Option<f64>| {
        let mut sample = answer(number, "a");
        if let Some(reward) = reward {
            sample["rewards"] = json!([0.5, reward]);
        }
        sample
    };
    // Half of the samples are scored, and those right: the verifier is right wherever it was asked.
    let rows: Vec<Value> = (1..=6)
        .map(|at| {
            pool(
                at,
                &[
                    own(100 + at, Some(0.9)),
                    own(5, Some(0.1)),
                    own(6, None),
                    own(7, None),
                ],
            )
        })
        .collect();
    let mut store = store("partial");
    let imported = taken("partial", &rows, &mut store);
    assert_eq!(imported.scored, [("verifier".to_owned(), 12)]);
    let analysis = Analysis::of(imported.study, &mut store).unwrap();
    let best = |n| Key {
        verifier: Some(0),
        method: BEST_OF_N,
        rule: Rule::Chosen(Choice("last-max".parse().unwrap())),
        ..key(MAJORITY, n)
    };
    let right = |n| analysis.entry(&best(n)).map(|entry| entry.accuracy);
    assert_eq!([right(1), right(2), right(4)], [Some(0.5), Some(1.0), None]);
}

/// The tool that wrote this had put every problem's replies into other problems' rows: see search-and-learn's issue 28.
#[test]
fn a_real_pool_with_its_rows_mixed_up_is_noticed() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/pools/math100-llama3.1-8b-samples.jsonl.gz");
    if !file.is_file() {
        return;
    }
    let sound = read_samples(&file).unwrap().lines;
    let told = |lines: Vec<Line>| {
        let rows: Vec<Value> = lines
            .iter()
            .map(|line| serde_json::to_value(line).unwrap())
            .collect();
        let samples = samples_of("rows.jsonl", lines_of(&rows)).unwrap();
        import(samples, &ImportOptions::new("x", &Maths), None)
            .unwrap()
            .warnings
            .join("; ")
    };
    let first = |n: usize| -> Vec<Line> {
        sound
            .iter()
            .filter(|line| line.index < n)
            .cloned()
            .collect()
    };
    for n in [1, 4] {
        let lines = first(n);
        assert_eq!(told(lines.clone()), "", "{n}");
        // Reply i·n+j of a batch of 25 problems belongs to problem (i·n+j) mod 25.
        let mut mixed = lines.clone();
        for (batch, slots) in mixed.chunks_mut(25 * n).enumerate() {
            let whole = slots.len() == 25 * n && n > 1;
            for (place, slot) in slots.iter_mut().enumerate().filter(|_| whole) {
                let (problem, index) = (place % 25, place / 25);
                let from = &lines[batch * 25 * n + problem * n + index];
                slot.steps.clone_from(&from.steps);
            }
        }
        let shifted: Vec<Line> = lines
            .iter()
            .zip(lines.iter().cycle().skip(n))
            .map(|(own, other)| Line {
                steps: other.steps.clone(),
                rewards: Default::default(),
                ..own.clone()
            })
            .collect();
        for mixed in [if n > 1 { mixed } else { shifted.clone() }, shifted] {
            assert!(told(mixed).contains("wrong rows"), "{n}");
        }
    }
}
