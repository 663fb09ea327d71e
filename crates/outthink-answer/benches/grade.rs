//! The time of a verdict, extraction and reading included: over a file of pairs (`PAIRS=FILE.jsonl`, by default the
//! practice file beside the checkout), and for input that is meant to hurt.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use outthink_answer::{Answer, AnswerGroups, equivalent, extract};

struct Pair {
    gold: (String, bool),
    prediction: (String, bool),
}

fn pairs() -> Option<Vec<Pair>> {
    let default = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/grader_practice.jsonl"
    );
    let path = std::env::var("PAIRS").unwrap_or(default.into());
    let text = std::fs::read_to_string(path).ok()?;
    let side = |row: &serde_json::Value, field: &str, kind: &str| {
        (row[field].as_str().unwrap().to_owned(), row[kind] == "text")
    };
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let pair = |row: serde_json::Value| Pair {
        gold: side(&row, "gold", "gold_kind"),
        prediction: side(&row, "prediction", "pred_kind"),
    };
    Some(rows.map(pair).collect())
}

fn read((text, is_response): &(String, bool)) -> Answer {
    if *is_response {
        Answer::parse(&extract(text).map(|found| found.text).unwrap_or_default())
    } else {
        Answer::parse(text)
    }
}

fn verdict(pair: &Pair) -> bool {
    equivalent(&read(&pair.gold), &read(&pair.prediction)).equal
}

fn benches(criterion: &mut Criterion) {
    if let Some(pairs) = pairs() {
        // Each pair by its own median, so that one interruption is not the slowest pair.
        let mut medians: Vec<(Duration, &Pair)> = pairs
            .iter()
            .map(|pair| {
                let mut times: Vec<Duration> = (0..31)
                    .map(|_| {
                        let start = Instant::now();
                        black_box(verdict(black_box(pair)));
                        start.elapsed()
                    })
                    .collect();
                times.sort();
                (times[15], pair)
            })
            .collect();
        medians.sort_by_key(|(time, _)| *time);
        let mean = medians.iter().map(|(time, _)| *time).sum::<Duration>() / medians.len() as u32;
        let at = |quantile: f64| medians[(quantile * (medians.len() - 1) as f64) as usize].0;
        println!(
            "{} pairs: mean {mean:.1?}, p50 {:.1?}, p99 {:.1?}, max {:.1?}",
            medians.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
        for (time, pair) in medians.iter().rev().take(5) {
            println!("  {time:.1?}  {} <- {}", pair.gold.0, pair.prediction.0);
        }
        criterion.bench_function("all pairs of the file", |bencher| {
            bencher.iter(|| pairs.iter().filter(|pair| verdict(pair)).count());
        });
        criterion.bench_function("all predictions of the file into groups", |bencher| {
            bencher.iter(|| {
                let mut groups = AnswerGroups::new();
                for pair in &pairs {
                    black_box(groups.insert(&pair.prediction.0));
                }
                groups.len()
            });
        });
    }
    let hazards = [
        (
            "tower of powers",
            "9^{9^{9^9}}".to_owned(),
            "9^{9^{9^8}}".to_owned(),
        ),
        ("factorial", "(10^{10})!".into(), "(10^{10}+1)!".into()),
        (
            "400 parentheses",
            format!("{}5{}", "(".repeat(400), ")".repeat(400)),
            "5".into(),
        ),
        ("power of a sum", "(x+1)^{5000}".into(), "x^2".into()),
        ("a megabyte", "7".repeat(1 << 20), "8".into()),
        ("a megabyte of brackets", "(".repeat(1 << 20), "8".into()),
        (
            "nested fractions",
            format!("{}1{}", "\\frac{1}{".repeat(150), "}".repeat(150)),
            "1".into(),
        ),
        (
            "a long product",
            "\\prod_{k=1}^{100000000} k".into(),
            "1".into(),
        ),
    ];
    for (name, gold, prediction) in &hazards {
        criterion.bench_function(&format!("hazard: {name}"), |bencher| {
            bencher.iter(|| equivalent(&Answer::parse(gold), &Answer::parse(prediction)).equal);
        });
    }
}

criterion_group!(grade, benches);
criterion_main!(grade);
