//! Choosing among every `g`-th step only.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{BEAM, DVTS, Plan};
use outthink_core::{AnyMethod, Finished, Limits, draw_seed};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, kept, run, show};

fn method(name: &str) -> AnyMethod {
    name.parse().unwrap()
}

#[test]
fn every_second_step_is_drawn_once_and_without_a_reward() {
    let policy = Script::cycling([
        ("", "a/ b/ c/ d/"),
        ("a/", "e/"),
        ("b/", "=1."),
        ("a/e/", "f/ =2."),
        ("a/e/f/", "=3."),
        ("a/e/f/=3", ""),
    ]);
    let verifier = Scorer::table([
        ("a/", 0.9),
        ("b/", 0.8),
        ("c/", 0.2),
        ("d/", 0.1),
        ("b/=1.", 0.3),
        ("a/e/", 0.5),
        ("a/e/f/", 0.7),
        ("a/e/=2.", 0.6),
        ("a/e/f/=3.", 0.4),
    ]);
    let plan = Plan::new(method("beam:granularity=2"), 4, 2, Finished::Compete).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // `b/=1.` ends in between, and the two samples of `a/e/` are better.
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×1 reward 0.9 drawn 1
        e/ ×1 reward 0.5 drawn 2
          f/ ×1 reward 0.7 drawn 1
            =3. ×1 reward 0.4 Answer ×1 kept #2
          =2. ×1 reward 0.6 Answer ×1 kept #1
      b/ ×1 reward 0.8 drawn 1
        =1. ×1 reward 0.3 Answer ×1
      c/ ×1 reward 0.2
      d/ ×1 reward 0.1
    ");
    let told = |(path, draws): &(String, usize)| format!("{path}:{draws}");
    let calls = policy.calls();
    let calls = calls
        .iter()
        .map(|call| call.iter().map(told).collect::<Vec<_>>().join(" "));
    assert_eq!(
        calls.collect::<Vec<_>>(),
        [":4", "a/:1 b/:1", "a/e/:2", "a/e/f/:1"]
    );
    // `a/e/` alone was never asked about.
    let asked: Vec<String> = verifier
        .calls()
        .iter()
        .map(|call| call.join(", "))
        .collect();
    assert_snapshot!(asked.join("\n"), @"
    a/, b/, c/, d/
    b/=1. complete
    a/e/f/, a/e/=2. complete
    a/e/f/=3. complete
    ");
}

#[test]
fn the_granularity_is_part_of_the_name() {
    assert_eq!(method("beam:granularity=1"), BEAM);
    assert_eq!(method("dvts:granularity=1"), DVTS);
    assert_snapshot!(method("dvts:granularity=3"), @"dvts:granularity=3");
    assert!(method("beam:granularity=2").has_width());
    assert_snapshot!("beam:granularity=0".parse::<AnyMethod>().unwrap_err(), @"beam cannot have these parameters: a granularity is from 1 to 1048576 steps, not 0");
    assert_snapshot!("beam:granularity=-1".parse::<AnyMethod>().unwrap_err(), @"beam cannot have these parameters: invalid value: integer `-1`, expected usize");
}

proptest! {
    #[test]
    fn fewer_samples_and_fewer_questions_and_every_kept_solution_has_its_rewards(
        seed: u64,
        beams in 1usize..5,
        width in 1usize..5,
        granularity in 2usize..5,
        of in prop::sample::select(vec!["beam", "dvts"]),
        finished in prop::sample::select(vec![Finished::Official, Finished::Refill, Finished::Compete]),
    ) {
        let hash = move |path: &str, index: usize| draw_seed(seed, path.chars().map(u32::from), index) >> 33;
        let policy = Script::new(move |draw| {
            let texts = ["a/", "b/", "c/", "d/", "=1.", "=2.", "zz", "/"];
            texts[hash(draw.path, draw.index()) as usize % texts.len()].to_owned()
        });
        let verifier = Scorer::new(move |path| (hash(path, 0) % 5) as f64 / 4.0);
        let method = method(&format!("{of}:granularity={granularity}"));
        let plan = Plan::new(method, beams * width, width, finished).unwrap();
        let limits = Limits { steps: 6, ..LIMITS };
        let tree = run(&plan, limits, &policy, Some(&verifier)).unwrap();
        for solution in tree.solutions() {
            prop_assert_eq!(solution.rewards.len(), solution.steps.len());
        }
        // All samples are drawn at every `g`-th step, and one of each kept path at the others.
        for (id, node) in tree.nodes().iter().enumerate() {
            let depth = tree.path(id).len();
            if !depth.is_multiple_of(granularity) && node.drawn > 0 {
                prop_assert!(node.drawn <= beams);
            }
        }
        prop_assert!(kept(&tree).len() <= beams * width + beams);
    }
}
