//! Estimates over subsets against brute force: every order of a small pool, judged by the search's own selection.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::{ExactAnswers, Problem, Scoring, Selection, Solution, Step, Stop};
use outthink_lab::{Factorials, GradedSample, Values, ceiling, chances};
use proptest::prelude::*;

/// A sample: the number of its answer, if it has one, and its step rewards.
type Sample = (Option<usize>, Option<[f64; 2]>);

/// The right answer.
const RIGHT: usize = 0;

fn solution((answer, rewards): &Sample) -> Solution {
    let text = match answer {
        Some(answer) => format!("so \\boxed{{{answer}}}"),
        None => "I give up".into(),
    };
    let step = |text: &str| Arc::new(Step::written(text));
    Solution {
        node: 0,
        steps: vec![step("first"), step(&text)],
        rewards: rewards.map_or(vec![], |rewards| rewards.to_vec()),
        count: 1,
        stop: Stop::Answer,
    }
}

fn vote((answer, rewards): &Sample) -> GradedSample {
    GradedSample {
        class: *answer,
        right: *answer == Some(RIGHT),
        scores: rewards.map(|rewards| {
            let score = |rule: Scoring| rule.score(&rewards).unwrap();
            Scoring::all().into_iter().map(score).collect()
        }),
    }
}

fn orders(items: usize) -> Vec<Vec<usize>> {
    if items == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for order in orders(items - 1) {
        for place in 0..items {
            let mut longer = order.clone();
            longer.insert(place, items - 1);
            all.push(longer);
        }
    }
    all
}

fn brute_force(pool: &[Sample], rule: Selection, k: usize) -> f64 {
    let orders = orders(pool.len());
    let right = orders.iter().filter(|order| {
        let chosen: Vec<Solution> = order[..k].iter().map(|&i| solution(&pool[i])).collect();
        block_on(rule.choose(&Problem::new("p"), &chosen, &ExactAnswers))
            .unwrap()
            .is_some_and(|chosen| chosen.answer == RIGHT.to_string())
    });
    right.count() as f64 / orders.len() as f64
}

fn sample() -> impl Strategy<Value = Sample> {
    // Few distinct rewards, so that ties are common; dyadic ones, so that sums are exact in any order.
    let reward = prop::sample::select(vec![0.0, 0.25, 0.5, 1.0]);
    let rewards = prop::option::weighted(0.85, [reward.clone(), reward]);
    (prop::option::weighted(0.85, 0usize..3), rewards)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn estimates_over_subsets_equal_brute_force(pool in prop::collection::vec(sample(), 2..6)) {
        let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
        let factorials = Factorials::to(pool.len() as u64);
        let rules: Vec<Selection> = Selection::all().collect();
        let budgets: Vec<usize> = (1..pool.len()).collect();
        // Where subsets are drawn at random, the mean over many seeds must be the truth.
        const SEEDS: u64 = 60;
        let runs: Vec<_> =
            (0..SEEDS).map(|seed| chances(&votes, &rules, &budgets, seed, &factorials)).collect();
        for (r, &rule) in rules.iter().enumerate() {
            for (b, &k) in budgets.iter().enumerate() {
                let truth = brute_force(&pool, rule, k);
                let mean = runs.iter().map(|run| run[r][b].value).sum::<f64>() / SEEDS as f64;
                let exact = runs.iter().all(|run| run[r][b] == runs[0][r][b] && run[r][b].error == 0.0);
                let allowed = if exact { 1e-9 } else { 0.06 };
                prop_assert!((mean - truth).abs() < allowed, "{rule} at {k}: {mean} for {truth}, exact: {exact}");
            }
        }
        for (b, &k) in budgets.iter().enumerate() {
            let orders = orders(pool.len());
            let hits = orders.iter().filter(|order| order[..k].iter().any(|&i| votes[i].right)).count();
            let pass = ceiling(&votes, &budgets, &factorials)[b].value;
            prop_assert!((pass - hits as f64 / orders.len() as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn the_whole_pool_is_chosen_from_as_the_search_chooses(pool in prop::collection::vec(sample(), 1..12)) {
        let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
        let solutions: Vec<Solution> = pool.iter().map(solution).collect();
        let rules: Vec<Selection> = Selection::all().collect();
        let found = chances(&votes, &rules, &[pool.len()], 0, &Factorials::to(pool.len() as u64));
        for (rule, chance) in rules.iter().zip(found) {
            let chosen = block_on(rule.choose(&Problem::new("p"), &solutions, &ExactAnswers)).unwrap();
            let right = chosen.is_some_and(|chosen| chosen.answer == RIGHT.to_string());
            prop_assert_eq!(chance[0].value, f64::from(u8::from(right)), "{}", rule);
        }
    }

    #[test]
    fn votes_by_count_and_by_best_are_exact(pool in prop::collection::vec(sample(), 2..20), k in 1usize..19) {
        let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
        let found = chances(&votes, &[Selection::Majority], &[k], 0, &Factorials::to(20));
        prop_assert_eq!(found[0][0].error, 0.0);
    }
}

#[test]
fn the_bootstrap_covers_the_truth_about_as_often_as_it_says() {
    // Problems with their own chances, uniform on [0, 1]: the mean is 0.5; three runs each.
    let mut state = 7u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let (repeats, mut covered) = (400, 0);
    for repeat in 0..repeats {
        let mut values = Values::new(60, 3, 1);
        for problem in 0..60 {
            let chance = uniform();
            for run in 0..3 {
                let right = uniform() < chance;
                values.set(problem, run, 0, f64::from(u8::from(right)));
            }
        }
        let interval = values.intervals(400, repeat)[0];
        covered += usize::from(interval.low <= 0.5 && 0.5 <= interval.high);
    }
    // 95 % of 400 is 380; seeds nested in problems make the interval a little wide, never narrow.
    assert!((366..=399).contains(&covered), "{covered} of {repeats}");
}

#[test]
fn missing_runs_are_left_out_and_certainty_has_an_interval() {
    let mut values = Values::new(20, 2, 2);
    for problem in 0..20 {
        values.set(problem, 0, 0, 1.0);
        values.set(problem, 1, 0, 1.0);
        if problem < 5 {
            values.set(problem, 0, 1, 0.5);
        }
    }
    let intervals = values.intervals(200, 1);
    assert!(
        intervals[0].low < 0.9 && intervals[0].high == 1.0,
        "{:?}",
        intervals[0]
    );
    assert_eq!((values.present(1), values.mean(1)), (5, 0.5));
    assert!(
        intervals[1].low < 0.5 && intervals[1].high > 0.5,
        "{:?}",
        intervals[1]
    );
}
