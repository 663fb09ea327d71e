//! Subpools with backtracking: which prefixes go on, and that none is lost.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use futures::executor::block_on;
use insta::assert_snapshot;
use outthink_core::method::{Plan, SUBPOOL};
use outthink_core::{AnyMethod, Limits, Problem, Sampling, Tree, draw_seed, problem_seed, search};
use proptest::prelude::*;
use scripted::{LIMITS, RUN, Scorer, Script, kept, problem, run, show};

/// Which of the first draws of a problem this is.
fn number(problem: &Problem, seed: u64) -> u8 {
    let of = |index: &u8| draw_seed(problem_seed(RUN, &problem.id), [], usize::from(*index));
    (0..8).find(|index| of(index) == seed).unwrap()
}

/// `a/` promises most and keeps least.
fn overrated() -> (Script, Scorer) {
    let policy = Script::cycling([
        ("", "a/ b/"),
        ("a/", "c/ d/ e/ f/"),
        ("b/", "=1. =2."),
        ("a/c/", "=3."),
    ]);
    let verifier = Scorer::table([
        ("a/", 0.9),
        ("b/", 0.6),
        ("a/c/", 0.2),
        ("a/d/", 0.1),
        ("a/e/", 0.1),
        ("a/f/", 0.1),
        ("b/=1.", 0.8),
        ("b/=2.", 0.7),
        ("a/c/=3.", 0.1),
    ]);
    (policy, verifier)
}

#[test]
fn a_search_goes_back_to_what_a_beam_would_have_dropped() {
    let (policy, verifier) = overrated();
    let two: AnyMethod = "subpool:pools=2".parse().unwrap();
    let plan = Plan::of(two, 2).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    assert_snapshot!(show(&tree), @"
    root drawn 2
      a/ ×1 reward 0.9 drawn 3
        c/ ×1 reward 0.2
        d/ ×1 reward 0.1
        e/ ×1 reward 0.1
      b/ ×1 reward 0.6 drawn 2
        =1. ×1 reward 0.8 Answer ×1 kept #1
        =2. ×1 reward 0.7 Answer ×1 kept #2
    ");
    assert_snapshot!(plan, @"2 paths, from the best of 2 subpools");
}

#[test]
fn the_number_of_subpools_is_part_of_the_name() {
    let method = |name: &str| name.parse::<AnyMethod>();
    assert_eq!(method("subpool:pools=4"), Ok(SUBPOOL));
    assert_eq!(method("backtracking"), Ok(SUBPOOL));
    assert_snapshot!(method("subpool:pools=0").unwrap_err(), @"subpool cannot have these parameters: `pools` is at least 1");
    assert_snapshot!(Plan::of(SUBPOOL, 8).unwrap(), @"8 paths, from the best of 4 subpools");
    assert_snapshot!(Plan::of(SUBPOOL, 2).unwrap(), @"2 paths, from the best of 2 subpools");
}

#[test]
fn of_equal_rewards_the_newest_goes_first() {
    // A verifier that finds everything as good must not hold a path at its beginning.
    let policy = Script::new(|draw| match draw.path.matches('/').count() {
        3 => "=1.".into(),
        _ => "a/".into(),
    });
    let verifier = Scorer::new(|_| 0.5);
    let plan = Plan::of("subpool:pools=1".parse().unwrap(), 1).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    assert_eq!(kept(&tree).len(), 1);
    assert_eq!(policy.calls().len(), 4);
}

/// Sixteen prefixes in eight subpools are eight pairs: that of rank `r` goes on if its partner ranks lower, which has probability
/// (16 − r) / 15.
#[test]
fn a_prefix_goes_on_where_its_subpool_has_nothing_better() {
    const RUNS: usize = 600;
    // The first steps rank first, `a/` before `b/`; what follows them is worth nothing.
    let policy = Script::new(|draw| match draw.path {
        "" => format!("{}/", char::from(b'a' + number(draw.problem, draw.seed))),
        _ => "x/".into(),
    });
    let verifier = Scorer::new(|path| match path.matches('/').count() {
        1 => f64::from(b'z' - path.as_bytes()[0]) / 26.0,
        _ => 0.0,
    });
    let plan = Plan::of("subpool:pools=8".parse().unwrap(), 8).unwrap();
    let limits = Limits { steps: 3, ..LIMITS };
    let mut went_on = [0; 8];
    for run in 0..RUNS {
        let (sampling, problem) = (Sampling::at(0.7), problem(run));
        let grown = search(
            problem,
            &plan,
            sampling,
            limits,
            RUN,
            &policy,
            Some(&verifier),
        );
        let tree = block_on(grown).unwrap();
        for &first in tree.children(Tree::ROOT) {
            let name = tree.nodes()[first].step.as_ref().unwrap().text.as_bytes()[0];
            // Once in the second round, when the pool has no more prefixes than there are draws.
            went_on[usize::from(name - b'a')] += tree.nodes()[first].drawn - 1;
        }
    }
    for (rank, count) in went_on.into_iter().enumerate() {
        let (share, expected) = (count as f64 / RUNS as f64, (15 - rank) as f64 / 15.0);
        let error = (expected * (1.0 - expected) / RUNS as f64).sqrt();
        assert!(
            (share - expected).abs() <= 5.0 * error,
            "rank {rank}: {share}"
        );
    }
}

proptest! {
    #[test]
    fn it_ends_whatever_the_verifier_says_and_spends_no_more_than_whole_solutions(
        budget in 1usize..12,
        pools in 1usize..12,
        steps in 1usize..6,
        rewards in prop::collection::vec(0u8..4, 64),
        ends in prop::collection::vec(0u8..4, 64),
    ) {
        let at = |path: &str, index: usize| {
            let sum: usize = path.bytes().map(usize::from).sum();
            (sum * 7 + index * 13) % 64
        };
        let policy = Script::new(move |draw| match ends[at(draw.path, draw.index())] {
            0 => "=1.".into(),
            1 => "zz".into(),
            other => format!("{}/", char::from(b'a' + other)),
        });
        let verifier = Scorer::new(move |path| f64::from(rewards[at(path, 0)]) / 4.0);
        let method = format!("subpool:pools={pools}").parse().unwrap();
        let plan = Plan::of(method, budget).unwrap();
        let limits = Limits { steps, ..LIMITS };
        let tree = run(&plan, limits, &policy, Some(&verifier)).unwrap();
        let drawn: usize = tree.nodes().iter().map(|node| node.drawn).sum();
        prop_assert!(drawn <= budget * steps);
        let ended: usize = tree.nodes().iter().filter_map(|node| node.finished).map(|(_, count)| count).sum();
        prop_assert!(ended <= budget);
    }
}
