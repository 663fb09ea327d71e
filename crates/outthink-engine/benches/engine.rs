//! What the engine's design buys: `cargo bench -p outthink-engine --bench engine` (numbers in benches/README.md).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a benchmark may fail by panicking"
)]

use std::path::PathBuf;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use outthink_core::{Extension, Policy, Prefix, Problem, Sampling, Until, Verifier};
use outthink_engine::{Checkpoint, EmbeddedPolicy, EmbeddedVerifier};

fn checkpoint(name: &str) -> Checkpoint {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro");
    Checkpoint::read(&folder.join(name)).unwrap()
}

/// One request of `draws` answers to each of `problems` problems.
fn requests(policy: &EmbeddedPolicy, problems: u64, draws: u64) -> Vec<Extension> {
    (0..problems)
        .map(|index| {
            let text = format!("Solve $2(4(x+{index})+38)={}$ for $x$.", 108 + 8 * index);
            Extension {
                problem: Arc::new(Problem {
                    id: text.clone(),
                    text,
                }),
                steps: Vec::new(),
                seeds: (0..draws).collect(),
                until: Until::Answer,
                sampling: Sampling::at(1.0),
                max_tokens: policy.profile().solution_tokens,
                offset: 0,
            }
        })
        .collect()
}

fn draw(c: &mut Criterion) {
    let policy = EmbeddedPolicy::load(&checkpoint("micro-0.3m"), None).unwrap();
    let mut group = c.benchmark_group("draw");
    group.sample_size(10);
    for (name, problems, draws) in [("1 × 1", 1, 1), ("1 × 64", 1, 64), ("16 × 64", 16, 64)] {
        let replies = block_on(policy.extend(requests(&policy, problems, draws))).unwrap();
        group.throughput(Throughput::Elements(
            replies.iter().map(|(_, usage)| usage.generated).sum(),
        ));
        group.bench_function(name, |b| {
            b.iter_batched(
                || block_on(policy.forget()).unwrap(),
                |()| block_on(policy.extend(requests(&policy, problems, draws))).unwrap(),
                BatchSize::PerIteration,
            );
        });
    }
}

fn score(c: &mut Criterion) {
    let policy = EmbeddedPolicy::load(&checkpoint("micro-0.3m"), None).unwrap();
    let mut prefixes = Vec::new();
    for request in requests(&policy, 16, 16) {
        let problem = Arc::clone(&request.problem);
        let replies = block_on(policy.extend(vec![request])).unwrap();
        prefixes.extend(replies[0].0.iter().map(|draw| Prefix {
            problem: Arc::clone(&problem),
            steps: draw.steps.iter().cloned().map(Arc::new).collect(),
            complete: true,
        }));
    }
    let mut group = c.benchmark_group("score");
    group.sample_size(10);
    group.throughput(Throughput::Elements(prefixes.len() as u64));
    for name in ["micro-prm-likelihood", "micro-prm"] {
        let verifier = EmbeddedVerifier::load(&checkpoint(name), None, None).unwrap();
        group.bench_function(format!("{name}, 256 solutions of 16 problems"), |b| {
            b.iter_batched(
                || block_on(verifier.forget()).unwrap(),
                |()| block_on(verifier.score(prefixes.clone())).unwrap(),
                BatchSize::PerIteration,
            );
        });
        group.bench_function(
            format!("{name}, one solution at a time, nothing kept"),
            |b| {
                b.iter(|| {
                    for prefix in &prefixes {
                        block_on(verifier.forget()).unwrap();
                        block_on(verifier.score(vec![prefix.clone()])).unwrap();
                    }
                });
            },
        );
    }
}

criterion_group!(benches, draw, score);
criterion_main!(benches);
