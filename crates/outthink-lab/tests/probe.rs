//! Probes fitted on states that are made: whose right answers show in them, or only how hard a problem is.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use outthink_core::{ProbeLayout, Step, Stop};
use outthink_lab::probe::{
    FitOptions, Fitted, ProbeData, ProbeError, ProbeSample, VERDICT_USELESS, fit,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const HIDDEN: usize = 12;

/// A number of mean 0 and variance 1, about.
fn noise(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

/// Samples of two steps, 12 a problem, whose chance to be right is their problem's. `write` gets a state of noise.
fn made(
    problems: usize,
    write: impl Fn(&mut [f32], f32, bool, &mut ChaCha8Rng),
) -> (ProbeData, Vec<(usize, bool, Vec<f32>)>) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut data = ProbeData::new(ProbeLayout {
        hidden: HIDDEN,
        statistics: Vec::new(),
    });
    let mut ends = Vec::new();
    for problem in 0..problems {
        let chance: f32 = rng.random_range(0.1..0.9);
        for number in 0..12u32 {
            let right = rng.random::<f32>() < chance;
            let step = |tokens: Vec<u32>| {
                Arc::new(Step {
                    tokens,
                    ..Step::written("a step")
                })
            };
            let wrong_answer = 1 + rng.random_range(0..3);
            let sample = ProbeSample {
                problem,
                run: Some(0),
                steps: vec![step(vec![number]), step(vec![99])],
                stop: Stop::Answer,
                draws: 1,
                class: Some(if right { 0 } else { wrong_answer }),
                right,
                likelihood: Some(f64::from(rng.random_range(-2.0..-1.0f32))),
            };
            let rows = [right; 2].map(|right| {
                let mut row: Vec<f32> = (0..HIDDEN).map(|_| noise(&mut rng)).collect();
                write(&mut row, chance, right, &mut rng);
                row
            });
            data.add(&sample, &rows).unwrap();
            ends.push((problem, right, rows[1].clone()));
        }
    }
    (data, ends)
}

fn fitted(data: ProbeData, units: usize) -> Fitted {
    let options = FitOptions {
        units,
        ..FitOptions::default()
    };
    fit(data, &options).unwrap()
}

#[test]
fn a_direction_that_tells_right_from_wrong_is_found_and_the_probe_is_worth_using() {
    let sides = |row: &mut [f32], _: f32, right: bool, _: &mut ChaCha8Rng| {
        row[3] = 0.2 * row[3] + if right { 5.0 } else { 4.0 };
    };
    let (data, ends) = made(60, sides);
    let Fitted { probe, audit } = fitted(data.clone(), 0);
    assert!(audit.auc_within.unwrap().value > 0.97, "{}", audit.verdict);
    assert!(audit.useful && !audit.verdict.contains(VERDICT_USELESS));
    assert!(
        audit.verdict.contains("beats majority"),
        "{}",
        audit.verdict
    );
    let whole = audit.rules.iter().filter(|rule| rule.n == 12);
    let best = whole.filter_map(|rule| Some(rule.accuracy?.value));
    assert!(best.fold(0.0, f64::max) > 0.95, "{:?}", audit.rules);

    // The probe that comes out says so of each state, as shares of right completions.
    assert_eq!(probe.check(), Ok(()));
    let mean = |side: bool| {
        let own = ends.iter().filter(|(_, right, _)| *right == side);
        let rewards: Vec<f64> = own.map(|(_, _, row)| probe.reward(row)).collect();
        rewards.iter().sum::<f64>() / rewards.len() as f64
    };
    assert!(mean(true) > 0.85 && mean(false) < 0.15);

    // To the last bit, whatever the threads did.
    let again = fitted(data, 0);
    assert_eq!((again.probe, again.audit), (probe, audit));
}

#[test]
fn a_state_that_only_tells_how_hard_a_problem_is_ranks_problems_and_is_refused() {
    let difficulty = |row: &mut [f32], chance: f32, _: bool, _: &mut ChaCha8Rng| {
        row[5] = 10.0 * chance + 0.2 * row[5];
    };
    let (data, _) = made(80, difficulty);
    let audit = fitted(data, 8).audit;
    assert!(audit.auc.unwrap().value > 0.7, "{audit:?}");
    let within = audit.auc_within.unwrap();
    assert!(
        (within.value - 0.5).abs() < 0.08 && within.interval.low < 0.5,
        "{within:?}"
    );
    assert!(!audit.useful);
    assert!(
        audit
            .verdict
            .starts_with("ranks within problems no better than log-probability (")
            && audit.verdict.ends_with(VERDICT_USELESS),
        "{}",
        audit.verdict
    );
    let best = audit
        .rules
        .iter()
        .find(|rule| rule.n == 12 && rule.rule == "last-max");
    let best = best.unwrap().over_majority.unwrap();
    assert!(
        best.interval.high < 0.0,
        "best-of-N is one sample: {best:?}"
    );
}

#[test]
fn an_inner_layer_is_taken_where_no_direction_tells_right_from_wrong() {
    let corners = |row: &mut [f32], _: f32, right: bool, rng: &mut ChaCha8Rng| {
        let side = if rng.random::<bool>() { 1.0 } else { -1.0 };
        row[0] = 2.0 * side + 0.3 * row[0];
        row[1] = 2.0 * if right { side } else { -side } + 0.3 * row[1];
    };
    let (data, _) = made(80, corners);
    let linear = fitted(data.clone(), 0).audit;
    assert!(linear.auc_within.unwrap().value < 0.65);
    let Fitted { probe, audit } = fitted(data, 16);
    assert_eq!(audit.tried[audit.taken].units, 16);
    assert_eq!(probe.head.inner.1.len(), 16);
    assert!(audit.auc_within.unwrap().value > 0.9, "{}", audit.verdict);
}

#[test]
fn what_cannot_be_fitted_is_said() {
    let refusal = |problems, folds| {
        let (data, _) = made(problems, |_, _, _, _| {});
        let options = FitOptions {
            folds,
            units: 0,
            ..FitOptions::default()
        };
        fit(data, &options).err().unwrap()
    };
    assert!(matches!(
        refusal(5, 5),
        ProbeError::TooFew { needed: 10, .. }
    ));
    assert!(matches!(refusal(20, 1), ProbeError::Folds { folds: 1, .. }));
    assert!(matches!(refusal(20, 21), ProbeError::Folds { .. }));
    let (mut data, _) = made(1, |_, _, _, _| {});
    let sample = ProbeSample {
        problem: 0,
        run: None,
        steps: vec![Arc::new(Step::written("alone"))],
        stop: Stop::Answer,
        draws: 1,
        class: None,
        right: false,
        likelihood: None,
    };
    let error = data.add(&sample, &[vec![0.0; HIDDEN - 1]]).err().unwrap();
    assert!(matches!(
        error,
        ProbeError::Misshaped {
            steps: 1,
            width: HIDDEN,
            ..
        }
    ));
}
