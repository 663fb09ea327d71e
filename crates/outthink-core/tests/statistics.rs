//! Laws that hold over many problems: Pass@N, the binomial, and the same draws whatever else runs.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, join_all};
use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{
    AnyMethod, Extension, Finished, Judgement, ModelError, Plan, Policy, Prefix, Problem, Reply,
    Sampling, Selection, Tree, Verifier, draw_seed, problem_seed, search,
};
use proptest::prelude::*;
use scripted::{AfterEquals, LIMITS, Scorer, Script, chosen_by, plan, problem, show};

async fn grow(
    problem: Arc<Problem>,
    plan: Plan,
    seed: u64,
    policy: &dyn Policy,
    verifier: &dyn Verifier,
) -> Tree {
    let sampling = Sampling::at(0.7);
    search(
        problem,
        &plan,
        sampling,
        LIMITS,
        seed,
        policy,
        Some(verifier),
    )
    .await
    .unwrap()
}

/// A seed as a number in [0, 1).
fn uniform(seed: u64) -> f64 {
    (seed >> 11) as f64 / (1u64 << 53) as f64
}

/// Answers 1, the right one, with this probability; else one of `wrong` others.
fn guesser(accuracy: f64, wrong: usize) -> Script {
    Script::new(move |draw| {
        let u = uniform(draw.seed);
        let answer = if u < accuracy {
            1
        } else {
            2 + ((u - accuracy) / (1.0 - accuracy) * wrong as f64) as usize
        };
        format!("a/={answer}.")
    })
}

fn is_right(selection: Selection, tree: &Tree) -> bool {
    let chosen = chosen_by(selection, &tree.solutions(), &AfterEquals);
    chosen.is_some_and(|chosen| chosen.answer == "1")
}

#[test]
fn with_a_perfect_verifier_best_of_n_is_right_exactly_when_any_draw_is() {
    let policy = guesser(0.15, 3);
    let oracle = Scorer::new(|path| f64::from(!path.contains('=') || path.ends_with("=1.")));
    for budget in [1, 4, 16] {
        let mut passed = 0;
        for id in 0..300 {
            let grow = |method| {
                let plan = plan(method, budget, 1);
                block_on(grow(problem(id), plan, 7, &policy, &oracle))
            };
            // Majority's own draws say what Pass@N is.
            let drawn = grow(MAJORITY).solutions();
            let tree = grow(BEST_OF_N);
            let texts: Vec<String> = tree.solutions().iter().map(|s| s.text()).collect();
            assert!(
                texts
                    .iter()
                    .eq(&drawn.iter().map(|s| s.text()).collect::<Vec<_>>())
            );
            let pass = texts.iter().any(|text| text.ends_with("=1"));
            passed += usize::from(pass);
            for selection in Selection::rewarded().filter(|&s| s != Selection::Majority) {
                // A mean over the steps gives wrong answers some weight, and there may be many of them; other votes trust rewards less.
                let name = selection.to_string();
                if name != "mean-vote" && (name.ends_with("-max") || name.ends_with("-vote")) {
                    assert_eq!(is_right(selection, &tree), pass, "{selection} of {texts:?}");
                }
            }
        }
        let expected = 1.0 - 0.85f64.powi(budget as i32);
        let share = f64::from(passed as u32) / 300.0;
        assert!(
            (share - expected).abs() < 0.1,
            "Pass@{budget} = {share}, not {expected}"
        );
    }
}

/// P(the vote of `n` draws is right), a tie going to the first draw: it is right in half of the ties.
fn binomial_vote(n: i32, p: f64) -> f64 {
    let mut choose = 1.0;
    let mut total = 0.0;
    for k in 0..=n {
        let weight = match (2 * k).cmp(&n) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Greater => 1.0,
        };
        total += weight * choose * p.powi(k) * (1.0 - p).powi(n - k);
        choose *= f64::from(n - k) / f64::from(k + 1);
    }
    total
}

#[test]
fn the_majority_of_independent_draws_follows_the_binomial() {
    const PROBLEMS: u32 = 4000;
    assert_eq!(binomial_vote(1, 0.6), 0.6);
    let policy = guesser(0.6, 1);
    for budget in [1, 2, 5, 8, 15] {
        let right = (0..PROBLEMS).filter(|id| {
            let plan = plan(MAJORITY, budget, 1);
            let tree = block_on(grow(problem(id), plan, 7, &policy, &Scorer::constant(0.5)));
            is_right(Selection::Majority, &tree)
        });
        let share = right.count() as f64 / f64::from(PROBLEMS);
        let expected = binomial_vote(budget as i32, 0.6);
        let error = (expected * (1.0 - expected) / f64::from(PROBLEMS)).sqrt();
        assert!(
            (share - expected).abs() < 4.0 * error,
            "N = {budget}: {share}, not {expected}"
        );
    }
}

#[test]
fn seeds_are_siphash_13_of_run_problem_path_and_index_on_every_machine() {
    // From an implementation of SipHash-1-3 in Python, over little-endian bytes.
    let problem = problem_seed(7, "p");
    assert_eq!(problem, 0xee83_86f4_e86d_f398);
    assert_eq!(draw_seed(problem, [], 0), 0x70d9_d012_6b3b_8424);
    assert_eq!(draw_seed(problem, [97, 47], 3), 0x2549_bb87_4374_0fbb);
}

#[test]
fn every_draw_has_a_seed_of_its_own() {
    let mut seeds = HashSet::new();
    for (run, id) in [(0, "p"), (0, "q"), (1, "p")] {
        let problem = problem_seed(run, id);
        for path in [&[][..], &[0], &[1], &[0, 0], &[0, 1], &[1, 0]] {
            for index in 0..256 {
                let seed = draw_seed(problem, path.iter().copied(), index);
                assert!(
                    seeds.insert(seed),
                    "run {run}, problem {id}, {path:?}, draw {index}"
                );
            }
        }
    }
}

/// Answers late, after a while that depends on what is asked.
struct Late<M>(M);

async fn wait(turns: u64) {
    let mut left = turns;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl<M: Policy> Policy for Late<M> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            wait(requests[0].seeds[0] % 7).await;
            self.0.extend(requests).await
        }
        .boxed()
    }
}

impl<M: Verifier> Verifier for Late<M> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            wait(prefixes.len() as u64 % 3).await;
            self.0.score(prefixes).await
        }
        .boxed()
    }
}

fn wanderer() -> Script {
    Script::new(|draw| {
        let texts = ["a/", "b/", "c/", "/", "ab", "=1.", "=2."];
        texts[(draw.seed >> 33) as usize % texts.len()].to_owned()
    })
}

fn hashed() -> Scorer {
    Scorer::new(|path| uniform(draw_seed(1, path.chars().map(u32::from), 0)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_tree_depends_on_its_seed_and_problem_and_on_nothing_that_runs_beside_it(
        seed: u64,
        method in prop::sample::select(AnyMethod::all()[1..].to_vec()),
        finished in prop::sample::select(vec![Finished::Official, Finished::Refill, Finished::Compete]),
        order in Just((0..8).collect::<Vec<u32>>()).prop_shuffle(),
    ) {
        let plan = Plan::new(method, 8, 2, finished).unwrap();
        let (policy, verifier) = (wanderer(), hashed());
        let alone = |id| block_on(grow(problem(id), plan, seed, &policy, &verifier));
        let (late_policy, late_verifier) = (Late(wanderer()), Late(hashed()));
        let together = block_on(join_all(order.iter().map(|&id| {
            grow(problem(id), plan, seed, &late_policy, &late_verifier)
        })));
        for (&id, tree) in order.iter().zip(&together) {
            prop_assert_eq!(format!("{:?}", alone(id)), format!("{tree:?}"));
        }
        let shown = |seed: u64| -> Vec<String> {
            let grow = |id| block_on(grow(problem(id), plan, seed, &policy, &verifier));
            (0..8).map(|id| show(&grow(id))).collect()
        };
        let (mut these, others) = (shown(seed), shown(seed ^ 1));
        prop_assert_ne!(&these, &others);
        these.dedup();
        prop_assert!(these.len() > 1);
    }
}
