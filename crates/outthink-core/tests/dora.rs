//! DORA: what steps that say the same get together.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{DORA, Plan};
use outthink_core::{AnyMethod, Tree};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, run, show};

#[test]
fn steps_that_say_the_same_share_what_one_would_get_and_ended_paths_leave_it_all() {
    let policy = Script::cycling([
        ("", "aaaa/ bbbb/ cccc/ aaaa/ =1. dddd/"),
        ("aaaa/", "=2. eeee/"),
        ("bbbb/", "=3. eeee/"),
        ("cccc/", "=4."),
        ("aaaa/eeee/", "=5. =6."),
        ("bbbb/eeee/", "=7."),
        ("bbbb/eeee/=7", ""),
    ]);
    let verifier = Scorer::table([
        ("aaaa/", 0.5),
        ("bbbb/", 0.5),
        ("cccc/", 0.5),
        ("dddd/", 0.0),
        ("=1.", 0.4),
        ("aaaa/=2.", 0.4),
        ("aaaa/eeee/", 0.5),
        ("bbbb/=3.", 0.6),
        ("bbbb/eeee/", 0.5),
        ("cccc/=4.", 0.6),
        ("aaaa/eeee/=5.", 0.9),
        ("aaaa/eeee/=6.", 0.2),
        ("bbbb/eeee/=7.", 0.8),
    ]);
    let plan = Plan::of(DORA, 6).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // `aaaa/` was drawn twice and gets no more for it: all of 6 in three shares, with e^-5 for `dddd/`. Then one path and its
    // three have ended, and of both `eeee/`, which say the same, each gets a half of 6.
    assert_snapshot!(show(&tree), @"
    root drawn 6
      aaaa/ ×2 reward 0.5 drawn 2
        =2. ×1 reward 0.4 Answer ×1 kept #2
        eeee/ ×1 reward 0.5 drawn 3
          =5. ×2 reward 0.9 Answer ×2 kept #5
          =6. ×1 reward 0.2 Answer ×1
      bbbb/ ×1 reward 0.5 drawn 2
        =3. ×1 reward 0.6 Answer ×1 kept #3
        eeee/ ×1 reward 0.5 drawn 3
          =7. ×3 reward 0.8 Answer ×3
      cccc/ ×1 reward 0.5 drawn 2
        =4. ×2 reward 0.6 Answer ×2 kept #4
      =1. ×1 reward 0.4 Answer ×1 kept #1
      dddd/ ×1 reward 0
    ");
    assert_snapshot!(plan, @"6 paths, balanced by reward and uniqueness at each step");
}

#[test]
fn the_temperatures_are_part_of_the_name() {
    let method = |name: &str| name.parse::<AnyMethod>();
    assert_eq!(method("dora:alpha=0.01:temperature=0.1"), Ok(DORA));
    assert_snapshot!(method("dora:alpha=1:temperature=0.2").unwrap(), @"dora:alpha=1.0:temperature=0.2");
    assert_snapshot!(method("dora:alpha=0").unwrap_err(), @"dora cannot have these parameters: `alpha` is above 0, not 0");
    assert_snapshot!(method("dora:beta=1").unwrap_err(), @"dora cannot have these parameters: unknown field `beta`, expected `temperature` or `alpha`");
}

proptest! {
    #[test]
    fn however_often_a_step_was_drawn_a_direction_gets_the_same(
        copies in prop::collection::vec(1usize..4, 4),
        rewards in prop::collection::vec(0u8..=10, 4),
    ) {
        // Four texts that have nothing in common, each drawn so often.
        let drawn: Vec<usize> = copies.iter().enumerate().flat_map(|(text, &own)| vec![text; own]).collect();
        let budget = drawn.len();
        let shares = |copies: Vec<usize>| -> Vec<usize> {
            let policy = Script::new(move |draw| match draw.path {
                "" => format!("{}/", char::from(b'a' + copies[draw.index()] as u8).to_string().repeat(4)),
                _ => "=1.".into(),
            });
            let rewards = rewards.clone();
            let of = move |path: &str| f64::from(rewards[usize::from(path.as_bytes()[0] - b'a')]) / 10.0;
            let plan = Plan::of(DORA, budget).unwrap();
            let tree = run(&plan, LIMITS, &policy, Some(&Scorer::new(of))).unwrap();
            tree.children(Tree::ROOT).iter().map(|&node| tree.nodes()[node].drawn).collect()
        };
        // The same texts in the same order, but the last as often as all the others are seldom.
        let mut other = vec![0, 1, 2];
        other.resize(budget, 3);
        let (one, two) = (shares(drawn), shares(other));
        prop_assert_eq!(one.iter().sum::<usize>(), budget);
        for (a, b) in one.iter().zip(&two) {
            // A remainder may fall to another where two are equal but for rounding.
            prop_assert!(a.abs_diff(*b) <= 1, "{one:?} {two:?}");
        }
    }
}
