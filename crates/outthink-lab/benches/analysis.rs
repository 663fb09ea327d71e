//! The analysis of a study: 500 problems × 256 samples × 7 rules × 9 budgets, with 10,000 bootstrap draws.
#![allow(missing_docs, reason = "a benchmark has no interface")]

use criterion::{Criterion, criterion_group, criterion_main};
use outthink_core::{Scoring, Selection, Voting};
use outthink_lab::{Factorials, GradedSample, Values, chances};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A pool with a handful of answers of very different frequency, and rewards that lean to the right one.
fn pool(seed: u64) -> Vec<GradedSample> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let chance: f64 = rng.random();
    let sample = |_| {
        let right = rng.random::<f64>() < chance;
        let wrong = 1 + (rng.random::<f64>().powi(2) * 40.0) as usize;
        let score = |noise: f64| (f64::from(u8::from(right)) + noise) / 2.0;
        let scores = [(); 4].map(|()| score(rng.random()));
        GradedSample {
            class: Some(if right { 0 } else { wrong }),
            right,
            scores: Some(scores.into()),
            told: None,
        }
    };
    (0..256).map(sample).collect()
}

fn analysis(criterion: &mut Criterion) {
    let pools: Vec<Vec<GradedSample>> = (0..500).map(pool).collect();
    let budgets: Vec<usize> = (0..9).map(|power| 1 << power).collect();
    // The paper's seven: majority and {min, last, mean} × {max, vote}.
    let rules: Vec<Selection> = Selection::rewarded()
        .filter(|rule| match rule {
            Selection::Majority => true,
            Selection::Scored(scoring, voting) => {
                *scoring != Scoring::PRODUCT && [Voting::MAX, Voting::VOTE].contains(voting)
            }
        })
        .collect();
    assert_eq!(rules.len(), 7);
    let factorials = Factorials::to(256);
    criterion.bench_function(
        "500 problems x 256 samples x 7 rules x 9 budgets, 10,000 draws",
        |bench| {
            bench.iter(|| {
                let curves: Vec<_> = pools
                    .par_iter()
                    .enumerate()
                    .map(|(seed, pool)| chances(pool, &rules, &budgets, seed as u64, &factorials))
                    .collect();
                let mut values = Values::new(500, 1, rules.len() * budgets.len());
                for (problem, curves) in curves.iter().enumerate() {
                    for (series, chance) in curves.iter().flatten().enumerate() {
                        values.set(problem, 0, series, chance.value);
                    }
                }
                values.intervals(10_000, 1)
            });
        },
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = analysis
}
criterion_main!(benches);
