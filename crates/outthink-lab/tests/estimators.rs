//! Estimates over subsets against brute force: every order of a small pool, judged by the search's own selection.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::selection::{Reads, Signals};
use outthink_core::{ExactAnswers, Problem, Scoring, Selection, Solution, Step, Stop, TokenStats};
use outthink_lab::{Chance, Factorials, GradedSample, Values, ceiling, chances};
use proptest::prelude::*;

/// A sample: the number of its answer, if it has one, its step rewards, and how many tokens it took, each drawn at what entropy.
type Sample = (Option<usize>, Option<[f64; 2]>, Option<(usize, f32)>);

/// What its policy told of its tokens.
fn stats((.., told): &Sample) -> TokenStats {
    told.map_or(TokenStats::default(), |(tokens, entropy)| {
        TokenStats::of(tokens, vec![-entropy; tokens], vec![entropy; tokens])
    })
}

/// The right answer.
const RIGHT: usize = 0;

fn solution(sample: &Sample) -> Solution {
    let (answer, rewards, told) = sample;
    let text = match answer {
        Some(answer) => format!("so \\boxed{{{answer}}}"),
        None => "I give up".into(),
    };
    let first = Step {
        tokens: told.map_or(vec![], |(tokens, _)| vec![0; tokens]),
        stats: stats(sample),
        ..Step::written("first")
    };
    Solution {
        node: 0,
        steps: vec![Arc::new(first), Arc::new(Step::written(text))],
        rewards: rewards.map_or(vec![], |rewards| rewards.to_vec()),
        count: 1,
        stop: Stop::Answer,
    }
}

fn vote(sample: &Sample) -> GradedSample {
    let (answer, rewards, told) = sample;
    let signals = Signals {
        rewards: &[],
        tokens: &stats(sample),
        length: told.map(|(tokens, _)| tokens),
    };
    GradedSample {
        class: *answer,
        right: *answer == Some(RIGHT),
        scores: rewards.map(|rewards| {
            let score = |rule: Scoring| rule.score(&rewards).unwrap();
            Scoring::rewarded().into_iter().map(score).collect()
        }),
        told: told.map(|_| {
            let score = |rule: Scoring| rule.read(&signals).unwrap_or(f64::NAN);
            Scoring::told().into_iter().map(score).collect()
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

/// Is what a search takes right? Nothing is taken of samples of which nothing is told.
fn right(rule: Selection, solutions: &[Solution]) -> bool {
    match block_on(rule.choose(&Problem::new("p"), solutions, &ExactAnswers)) {
        Err(outthink_core::Error::Untold { .. }) => false,
        chosen => chosen
            .unwrap()
            .is_some_and(|chosen| chosen.answer == RIGHT.to_string()),
    }
}

fn brute_force(pool: &[Sample], rule: Selection, k: usize) -> f64 {
    let orders = orders(pool.len());
    let right = orders.iter().filter(|order| {
        let chosen: Vec<Solution> = order[..k].iter().map(|&i| solution(&pool[i])).collect();
        right(rule, &chosen)
    });
    right.count() as f64 / orders.len() as f64
}

/// Does a rule read more than sums and bests of rewards?
fn is_asked_of_every_subset(rule: Selection) -> bool {
    match rule {
        Selection::Majority => false,
        Selection::Scored(_, voting) => !rule.needs_rewards() || voting.reads() == Reads::All,
    }
}

/// Estimates of each rule at each smaller N against every order of the pool; those that are drawn by their mean over so many seeds.
fn equal_brute_force(
    pool: &[Sample],
    rules: &[Selection],
    seeds: u64,
) -> Result<(), TestCaseError> {
    let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
    let factorials = Factorials::to(pool.len() as u64);
    let budgets: Vec<usize> = (1..pool.len()).collect();
    let of = |seed| chances(&votes, rules, &budgets, seed, &factorials);
    let runs: Vec<_> = (0..seeds).map(of).collect();
    for (r, &rule) in rules.iter().enumerate() {
        for (b, &k) in budgets.iter().enumerate() {
            let truth = brute_force(pool, rule, k);
            let mean = runs.iter().map(|run| run[r][b].value).sum::<f64>() / seeds as f64;
            let same =
                |run: &Vec<Vec<Chance>>| run[r][b] == runs[0][r][b] && run[r][b].error == 0.0;
            let exact = runs.iter().all(same);
            prop_assert!(exact || !is_asked_of_every_subset(rule), "{rule} at {k}");
            let allowed = if exact { 1e-9 } else { 0.06 };
            prop_assert!(
                (mean - truth).abs() < allowed,
                "{rule} at {k}: {mean} for {truth}, exact: {exact}"
            );
        }
    }
    Ok(())
}

/// The share of the subsets of `k` whose search is right, each drawn in one order.
fn every_subset(pool: &[Sample], rules: &[Selection], k: u32) -> Vec<f64> {
    let (mut sums, mut subsets) = (vec![0.0; rules.len()], 0.0);
    for set in (0u32..1 << pool.len()).filter(|set| set.count_ones() == k) {
        // Forwards and backwards: of two tied answers each is first once.
        let mut drawn: Vec<Solution> = (0..pool.len())
            .filter(|place| set >> place & 1 == 1)
            .map(|place| solution(&pool[place]))
            .collect();
        for _ in 0..2 {
            for (sum, rule) in sums.iter_mut().zip(rules) {
                *sum += f64::from(u8::from(right(*rule, &drawn)));
            }
            subsets += 1.0;
            drawn.reverse();
        }
    }
    sums.iter().map(|sum| sum / subsets).collect()
}

fn sample() -> impl Strategy<Value = Sample> {
    // Few distinct rewards, so that ties are common; dyadic ones, so that sums are exact in any order.
    let reward = prop::sample::select(vec![0.0, 0.25, 0.5, 1.0]);
    let rewards = prop::option::weighted(0.85, [reward.clone(), reward]);
    let told = (1usize..4, prop::sample::select(vec![0.25f32, 1.0, 2.0]));
    (
        prop::option::weighted(0.85, 0usize..3),
        rewards,
        prop::option::weighted(0.85, told),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn estimates_over_subsets_equal_brute_force(pool in prop::collection::vec(sample(), 2..6)) {
        let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
        // Where subsets are drawn at random, the mean over many seeds must be the truth.
        let rules: Vec<Selection> = Selection::all().filter(|rule| !is_asked_of_every_subset(*rule)).collect();
        equal_brute_force(&pool, &rules, 60)?;
        let budgets: Vec<usize> = (1..pool.len()).collect();
        let factorials = Factorials::to(pool.len() as u64);
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
            let right = right(*rule, &solutions);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn votes_that_read_all_scores_are_exact_over_a_small_pool(pool in prop::collection::vec(sample(), 2..6)) {
        let rules = Selection::all().flat_map(Selection::tried);
        let rules: Vec<Selection> = rules.filter(|rule| is_asked_of_every_subset(*rule)).collect();
        equal_brute_force(&pool, &rules, 1)?;
    }

    #[test]
    fn what_is_drawn_converges_on_every_subset(pool in prop::collection::vec(sample(), 12)) {
        let votes: Vec<GradedSample> = pool.iter().map(vote).collect();
        let factorials = Factorials::to(12);
        let rules: Vec<Selection> = ["last-mob", "mean-pessimistic", "tail-filtered", "certainty-borda", "short-top"]
            .map(|name| name.parse().unwrap())
            .into();
        let truth = every_subset(&pool, &rules, 6);
        for (r, rule) in rules.iter().enumerate() {
            let runs: Vec<Chance> = (0..40).map(|seed| chances(&votes, &[*rule], &[6], seed, &factorials)[0][0]).collect();
            let mean = runs.iter().map(|run| run.value).sum::<f64>() / 40.0;
            let error = runs.iter().map(|run| run.error).fold(0.0, f64::max);
            prop_assert!((mean - truth[r]).abs() <= 0.05 + error, "{rule}: {mean} for {}", truth[r]);
        }
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
