//! Audits of verifiers whose faults are known, and metrics worked out by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Judgement, ModelError, Prefix, Usage, Verifier};
use outthink_lab::audit::{
    Audit, AuditReport, Calibrated, CalibrationFile, Harm, Isotonic, Scored, SolutionRow, hazards,
    read_labelled,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn scored(problem: &str, rewards: &[f64], first_error: Option<usize>) -> Scored {
    Scored {
        problem: problem.to_owned(),
        steps: rewards
            .iter()
            .map(|reward| format!("step {reward}"))
            .collect(),
        first_error,
        rewards: rewards.to_vec(),
        lengths: vec![1; rewards.len()],
        unit: None,
        kind: None,
    }
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-12,
        "{found} is not {expected}"
    );
}

#[test]
fn metrics_equal_what_is_worked_out_by_hand() {
    let mut audit = Audit::new("tokens");
    // Problems whose number has an odd count of ones report. The others give right verdicts for thresholds in (0.4, 0.6].
    let mut reporting = [
        // called right, and is
        (vec![0.9, 0.8], None),
        // called wrong at the second step: one of two right steps criticised
        (vec![0.9, 0.3], None),
        // found exactly
        (vec![0.9, 0.2], Some(1)),
        // found a step late: the error passes; lowest a step late
        (vec![0.9, 0.7, 0.1], Some(1)),
        // found a step early: a right step is criticised, and the error is seen
        (vec![0.4, 0.3, 0.9], Some(1)),
    ]
    .into_iter();
    audit.push(scored("0", &[0.9, 0.6], None));
    for number in 1..11u32 {
        let (rewards, error) = match number.count_ones() % 2 {
            1 => reporting.next().unwrap(),
            _ => (vec![0.8, 0.4], Some(1)),
        };
        audit.push(scored(&number.to_string(), &rewards, error));
    }
    let report = audit.report();
    let judged = report.judgement.unwrap();
    close(judged.threshold, 0.5);
    close(judged.erroneous.value, 1.0 / 3.0);
    close(judged.correct.value, 0.5);
    close(judged.f1.value, 2.0 * (1.0 / 3.0) * 0.5 / (1.0 / 3.0 + 0.5));
    // right steps of the reporting half: 2 + 2 + 1 + 1 + 1, of which 0.3 and 0.4 are called wrong
    close(report.over_criticism.unwrap().value, 2.0 / 7.0);
    close(report.error_neglect.unwrap().value, 1.0 / 3.0);
    // calls: 0, +1 and −1 steps from the error
    close(report.localisation.unwrap().value, 0.0);
    close(report.distance.unwrap().value, 2.0 / 3.0);
    // lowest: 0, +1, 0 there, and 0 in five of the choosing half
    close(report.lowest.unwrap().value, 1.0 / 8.0);
    // the reporting half by bins: {.9 ×4: all right}, {.8: right}, {.7: wrong}, {.4: right}, {.3: right, wrong}, {.2: wrong}
    let ece = (4.0 * 0.1 + 0.2 + 0.7 + 0.6 + (0.6f64 - 1.0).abs() + 0.2) / 10.0;
    close(report.calibration.unwrap().ece.value, ece);
    assert_eq!(report.criticised[0].text, "step 0.3");
    assert_eq!(report.neglected[0].text, "step 0.7");
}

/// 400 problems with random lengths; the verifier is right but for noise and what `bias` adds by length and place.
fn planted(bias: impl Fn(usize, usize) -> f64) -> AuditReport {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut audit = Audit::new("tokens");
    for problem in 0..400 {
        let steps = rng.random_range(2..8);
        let first_error = rng.random_bool(0.5).then(|| rng.random_range(0..steps));
        let lengths: Vec<usize> = (0..steps).map(|_| rng.random_range(5..80)).collect();
        let reward = |(step, &length): (usize, &usize)| {
            let right = first_error.is_none_or(|error| step < error);
            let clean = if right { 0.85 } else { 0.25 };
            (clean + rng.random_range(-0.1..0.1) + bias(length, step)).clamp(0.0, 1.0)
        };
        audit.push(Scored {
            problem: problem.to_string(),
            steps: vec![String::new(); steps],
            first_error,
            rewards: lengths.iter().enumerate().map(reward).collect(),
            lengths,
            unit: None,
            kind: None,
        });
    }
    audit.report()
}

fn harm(report: &AuditReport, name: &str) -> Harm {
    report
        .findings
        .iter()
        .find(|finding| finding.name == name)
        .unwrap()
        .harm
}

#[test]
fn a_planted_bias_is_found_with_its_size_and_a_fair_verifier_has_none() {
    let fair = planted(|_, _| 0.0);
    for name in [
        "over-criticism",
        "error neglect",
        "localisation bias",
        "scoring bias by length",
        "scoring bias by position",
    ] {
        assert_eq!(harm(&fair, name), Harm::None, "{name}: {:?}", fair.findings);
    }
    let long = planted(|length, _| if length > 41 { -0.2 } else { 0.0 });
    assert_eq!(harm(&long, "scoring bias by length"), Harm::Harmful);
    assert_eq!(harm(&long, "scoring bias by position"), Harm::None);
    let found = long.length.unwrap().difference;
    assert!((found.value + 0.2).abs() < 0.03, "{found:?}");
    let late = planted(|_, step| -0.08 * step as f64);
    assert_eq!(harm(&late, "scoring bias by position"), Harm::Harmful);
    assert_eq!(harm(&late, "scoring bias by length"), Harm::None);
}

#[test]
fn two_audits_of_the_same_scores_agree_to_the_last_bit() {
    let json = || serde_json::to_string(&planted(|_, _| 0.0)).unwrap();
    assert_eq!(json(), json());
}

#[test]
fn a_malformed_row_is_told_with_its_line() {
    let good = r#"{"id": "gsm8k-0", "problem": "p", "steps": ["a", "b"], "label": 1, "final_answer_correct": false}"#;
    let right = r#"{"problem": "p", "steps": ["a"], "label": -1}"#;
    let rows: Vec<_> = read_labelled("f", format!("{good}\n\n{right}").as_bytes())
        .map(Result::unwrap)
        .collect();
    assert_eq!([rows[0].first_error, rows[1].first_error], [Some(1), None]);
    for (bad, word) in [
        (
            r#"{"problem": "p", "steps": ["a"], "label": 1}"#,
            "label 1 names no step",
        ),
        (
            r#"{"problem": "p", "steps": ["a"], "label": -2}"#,
            "label -2 names no step",
        ),
        (r#"{"problem": "p", "steps": [], "label": -1}"#, "no steps"),
        (
            r#"{"problem": "p", "steps": ["a", " "], "label": -1}"#,
            "step 1",
        ),
        (
            r#"{"problem": "", "steps": ["a"], "label": -1}"#,
            "problem is empty",
        ),
        (r#"{"problem": "p", "steps": ["a"]}"#, "label"),
        ("{", "EOF"),
    ] {
        let text = format!("{good}\n{bad}\n");
        let error = read_labelled("rows.jsonl", text.as_bytes())
            .find_map(Result::err)
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("rows.jsonl line 2: ") && error.contains(word),
            "{error}"
        );
    }
}

/// Trusts whatever says that it is right, will not read an empty step, and counts what it is asked.
#[derive(Default)]
struct Gullible(std::sync::atomic::AtomicUsize);

impl Verifier for Gullible {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        self.0
            .fetch_add(prefixes.len(), std::sync::atomic::Ordering::Relaxed);
        let judge = |prefix: Prefix| {
            if prefix.steps.iter().any(|step| step.text.is_empty()) {
                return Err("a step is empty".into());
            }
            let reward = |text: &str| {
                if text.contains("is correct") {
                    1.0
                } else {
                    0.25
                }
            };
            Ok(Judgement {
                rewards: prefix.steps.iter().map(|s| reward(&s.text)).collect(),
                usage: Usage::default(),
            })
        };
        let judged = prefixes.into_iter().map(judge).collect();
        async move { judged }.boxed()
    }
}

#[test]
fn a_reward_that_text_can_talk_up_is_told_with_its_size() {
    let row = |problem: &str, first_error| SolutionRow {
        problem: problem.into(),
        steps: vec!["a".into(), "b".into()],
        first_error,
        complete: true,
        ..SolutionRow::default()
    };
    let verifier = Gullible::default();
    // The third solution talks itself up from the start: there is nothing left to gain.
    let mut sure = row("q", None);
    sure.steps[0] = "this is correct".into();
    let rows = [row("p", None), row("p", Some(1)), sure];
    let found = block_on(hazards(&verifier, &rows));
    for hazard in &found {
        let expected = match hazard.name {
            "injected verdict" => (3, Some(0.5)),
            "empty step" => (0, None),
            _ => (3, Some(0.0)),
        };
        let mean = hazard.change.map(|change| change.value);
        assert_eq!((hazard.scored, mean), expected, "{}", hazard.name);
        let refused = (hazard.scored == 0).then_some("a step is empty");
        assert_eq!(hazard.refused.as_deref(), refused, "{}", hazard.name);
    }
    // The untouched solutions are read once each.
    assert_eq!(verifier.0.into_inner(), 3 + 3 * found.len());
    // A draw of two problems holds p alone, q alone or both.
    let interval = found[0].change.unwrap().interval;
    assert_eq!((interval.low, interval.high), (0.0, 0.75));
}

#[test]
fn a_calibration_is_read_as_it_was_written_and_only_for_its_verifier() {
    let (own, other) = (
        serde_json::json!({"model": "a"}),
        serde_json::json!({"model": "b"}),
    );
    let report = planted(|_, _| 0.0);
    let file = CalibrationFile::new("a", &own, "rows.jsonl", &report).unwrap();
    let text = file.text().unwrap();
    let read = CalibrationFile::parse(&text).unwrap();
    assert_eq!(read, file);
    let map = report.calibration.unwrap().isotonic;
    assert_eq!(read.clone().map_of("a", &own).unwrap(), map);
    let refused = read.map_of("b", &other).unwrap_err().to_string();
    assert!(
        refused.contains("is of a (") && refused.contains("not of b ("),
        "{refused}"
    );
    let knots = text.split("knots = ").nth(1).unwrap().trim();
    for (was, is, word) in [
        ("version = 1", "version = 2", "version 2"),
        (knots, "[]", "no knots"),
        (knots, "[[0.1, 0.5], [0.2, 0.4]]", "do not ascend"),
        (knots, "[[0.2, 0.4], [0.2, 0.5]]", "do not ascend"),
        (knots, "[[0.2, 1.5]]", "not within [0, 1]"),
        (knots, "[[nan, 0.5]]", "not within [0, 1]"),
    ] {
        let error = CalibrationFile::parse(&text.replace(was, is)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn too_few_solutions_make_no_calibration() {
    let mut audit = Audit::new("tokens");
    audit.push(scored("p", &[0.9], None));
    let made = CalibrationFile::new("a", &serde_json::json!({}), "rows", &audit.report());
    assert!(made.unwrap_err().to_string().contains("too few"));
}

/// Returns what it is told, sound or not.
struct Says(Vec<f64>);

impl Verifier for Says {
    fn score(&self, _: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let (rewards, usage) = (self.0.clone(), Usage::default());
        async move { Ok(vec![Judgement { rewards, usage }]) }.boxed()
    }
}

#[test]
fn a_map_changes_rewards_and_makes_no_reward_of_what_is_none() {
    let map = Isotonic::fit([(0.25, 0.0), (0.75, 1.0)]);
    let verifier = Says(vec![0.25, 0.5, 1.0, 1.5, -0.5, f64::NAN]);
    let judged = block_on(Calibrated { verifier, map }.score(Vec::new())).unwrap();
    assert_eq!(judged[0].rewards[..5], [0.0, 0.5, 1.0, 1.5, -0.5]);
    assert!(judged[0].rewards[5].is_nan());
}

/// ProcessBench's own labels with rewards that anyone can make: the figures are those of an independent program.
#[test]
fn first_error_accuracy_is_that_of_an_independent_computation() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/pools/audit");
    for (set, threshold, expected) in [
        ("gsm8k", 0.3, [0.202_898_55, 0.031_088_08, 0.053_915_276]),
        ("gsm8k", 0.5, [0.241_545_89, 0.010_362_69, 0.019_872_814]),
        ("math", 0.3, [0.188_552_19, 0.012_315_27, 0.023_120_433]),
        ("math", 0.5, [0.215_488_22, 0.004_926_11, 0.009_632_027]),
    ] {
        let Ok(file) = std::fs::read(folder.join(format!("processbench-{set}.jsonl.gz"))) else {
            return;
        };
        let lines = outthink_lab::json_lines(set, std::io::Cursor::new(file)).unwrap();
        let mut audit = Audit::new("steps");
        audit.at_threshold(threshold);
        for (i, row) in read_labelled(set, lines).enumerate() {
            let row = row.unwrap();
            let reward = |j: usize| {
                let late = row.first_error.is_some_and(|error| j >= error);
                let mixed = i * 7919 + j * 104_729 + usize::from(late) * 50_021;
                (mixed % 1000) as f64 / 1000.0
            };
            let rewards: Vec<f64> = (0..row.steps.len()).map(reward).collect();
            // Problems repeat in the set; here each row stands for itself.
            audit.push(Scored {
                problem: i.to_string(),
                ..scored("", &rewards, row.first_error)
            });
        }
        let judged = audit.report().judgement.unwrap();
        let found = [judged.erroneous, judged.correct, judged.f1].map(|own| own.value);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-8,
                "{set} {threshold}: {found} {expected}"
            );
        }
    }
}
