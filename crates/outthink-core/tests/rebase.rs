//! REBASE: how a round's samples are shared among its steps.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::AnyMethod;
use outthink_core::method::{Plan, REBASE};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, kept, run, show};

#[test]
fn samples_go_to_steps_by_reward_and_ended_paths_take_theirs_along() {
    let policy = Script::cycling([
        ("", "a/ a/ b/ c/ d/ e/ f/ =1."),
        ("a/", "=2. =2. g/ =3. h/"),
        ("b/", "=4. i/"),
        ("b/i/", "=5. =5. =6."),
    ]);
    let verifier = Scorer::table([
        ("=1.", 0.4),
        ("a/", 0.9),
        ("b/", 0.8),
        ("c/", 0.5),
        ("d/", 0.3),
        ("e/", 0.2),
        ("f/", 0.1),
        ("a/=2.", 0.7),
        ("a/=3.", 0.1),
        ("a/g/", 0.6),
        ("a/h/", 0.5),
        ("b/=4.", 0.2),
        ("b/i/", 0.9),
        ("b/i/=5.", 0.9),
        ("b/i/=6.", 0.3),
    ]);
    let plan = Plan::of(REBASE, 8).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // One path has ended: ⌈7 · 2 / 2.84⌉ = 5 samples of `a/`, drawn twice, and ⌈2 · 0.607 / 0.84⌉ = 2 of `b/`.
    assert_snapshot!(show(&tree), @"
    root drawn 8
      a/ ×2 reward 0.9 drawn 5
        =2. ×2 reward 0.7 Answer ×2 kept #2
        g/ ×1 reward 0.6
        =3. ×1 reward 0.1 Answer ×1 kept #3
        h/ ×1 reward 0.5
      b/ ×1 reward 0.8 drawn 2
        =4. ×1 reward 0.2 Answer ×1 kept #4
        i/ ×1 reward 0.9 drawn 3
          =5. ×2 reward 0.9 Answer ×2 kept #5
          =6. ×1 reward 0.3 Answer ×1 kept #6
      c/ ×1 reward 0.5
      d/ ×1 reward 0.3
      e/ ×1 reward 0.2
      f/ ×1 reward 0.1
      =1. ×1 reward 0.4 Answer ×1 kept #1
    ");
    assert_eq!(kept(&tree).len(), 6);
    assert_snapshot!(plan, @"8 paths, balanced by reward at each step");
}

#[test]
fn the_temperature_is_part_of_the_name() {
    let method = |name: &str| name.parse::<AnyMethod>();
    assert_eq!(
        method("rebase:temperature=0.2"),
        Ok(REBASE),
        "the usual one"
    );
    let cold = method("REBASE:temperature=0.05").unwrap();
    assert_eq!(cold.to_string(), "rebase:temperature=0.05");
    assert_eq!(method("rebase:temperature=5e-2"), Ok(cold));
    assert!(REBASE < cold && cold != REBASE && cold.needs_verifier() && cold.is_stepwise());
    assert_snapshot!(method("rebase:temperature=0").unwrap_err(), @"rebase cannot have these parameters: `temperature` is above 0, not 0");
    assert_snapshot!(method("rebase:heat=1").unwrap_err(), @"rebase cannot have these parameters: unknown field `heat`, expected `temperature`");
    assert_snapshot!(method("rebase:0.1").unwrap_err(), @"`0.1` is no parameter (write NAME=VALUE)");
    assert_snapshot!(method("majority:temperature=1").unwrap_err(), @"majority cannot have these parameters: majority has no parameter `temperature`");
    // At a low temperature all goes to the best, at a high one each gets as much.
    let shares = |temperature: f64| -> Vec<usize> {
        let plan = Plan::of(
            method(&format!("rebase:temperature={temperature}")).unwrap(),
            4,
        )
        .unwrap();
        let policy = Script::cycling([
            ("", "a/ b/ c/ d/"),
            ("a/", "=1."),
            ("b/", "=2."),
            ("c/", "=3."),
            ("d/", "=4."),
        ]);
        let reward = |path: &str| f64::from(path.as_bytes()[0] - b'a') / 10.0;
        let tree = run(&plan, LIMITS, &policy, Some(&Scorer::new(reward))).unwrap();
        let first = tree.children(outthink_core::Tree::ROOT).iter();
        first.map(|&node| tree.nodes()[node].drawn).collect()
    };
    assert_eq!(shares(0.01), [0, 0, 0, 4]);
    assert_eq!(shares(100.0), [0, 1, 1, 2]);
}

proptest! {
    #[test]
    fn every_round_spends_all_that_is_left_and_more_on_better_steps(
        rewards in prop::collection::vec(0u8..=10, 1..12),
        budget in 1usize..40,
    ) {
        let count = rewards.len();
        let policy = Script::new(move |draw| match draw.path {
            "" => format!("{}/", char::from(b'a' + (draw.index() % count) as u8)),
            _ => "=1.".into(),
        });
        let rewarded = rewards.clone();
        let of = move |path: &str| f64::from(rewarded[usize::from(path.as_bytes()[0] - b'a')]) / 10.0;
        let plan = Plan::of(REBASE, budget).unwrap();
        let tree = run(&plan, LIMITS, &policy, Some(&Scorer::new(of))).unwrap();
        let first: Vec<_> = tree.children(outthink_core::Tree::ROOT).iter().map(|&node| &tree.nodes()[node]).collect();
        prop_assert_eq!(first.iter().map(|node| node.drawn).sum::<usize>(), budget);
        for (a, b) in first.iter().zip(&first[1..]) {
            if a.draws == b.draws && a.reward > b.reward {
                prop_assert!(a.drawn >= b.drawn);
            }
        }
    }
}
