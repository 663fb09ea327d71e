//! Particle filtering: who is copied, who is lost, and who is kept.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{PARTICLE_FILTERING, Plan};
use outthink_core::{AnyMethod, Tree};
use scripted::{LIMITS, Scorer, Script, run, show};

/// All shares are whole numbers, so that the random offset of the resampling decides nothing.
fn particles() -> (Script, Scorer) {
    let policy = Script::cycling([
        ("", "a/ b/ =1. a/ c/ d/ e/ f/"),
        ("a/", "=2. g/"),
        ("b/", "=3. h/ zz"),
        ("b/zz", ""),
        ("c/", "=4."),
        ("d/", "k/"),
        ("a/g/", "=5. =5. =6."),
        ("b/h/", "=7."),
    ]);
    let verifier = Scorer::new(|path| match path {
        // Odds of 3.
        "b/" | "a/g/" | "b/h/" => 0.75,
        // Odds of 1.
        "a/" | "=1." | "c/" | "d/" | "a/=2." => 0.5,
        "a/g/=5." | "a/g/=6." | "b/h/=7." => 0.9,
        _ => 0.0,
    });
    (policy, verifier)
}

#[test]
fn particles_are_copied_and_lost_by_the_odds_of_their_rewards_ended_ones_too() {
    let (policy, verifier) = particles();
    let plan = Plan::of(PARTICLE_FILTERING, 8).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // First 2 · 1 : 3 : 1 : 1 : 1 of `a/`, `b/`, `=1.`, `c/` and `d/`, then 1 : 1 : 3 : 3 of `=1.`, `a/=2.`, `a/g/` and
    // `b/h/`: `b/=3.` and `c/=4.` have ended, and are lost. `b/zz` was cut off.
    assert_snapshot!(show(&tree), @"
    root drawn 8
      a/ ×2 reward 0.5 drawn 2
        =2. ×1 reward 0.5 Answer ×1 kept #2
        g/ ×1 reward 0.75 drawn 3
          =5. ×2 reward 0.9 Answer ×2 kept #3
          =6. ×1 reward 0.9 Answer ×1 kept #4
      b/ ×1 reward 0.75 drawn 3
        =3. ×1 reward 0 Answer ×1
        h/ ×1 reward 0.75 drawn 3
          =7. ×3 reward 0.9 Answer ×3 kept #5
        zz ×1 Length ×1
      =1. ×1 reward 0.5 Answer ×1 kept #1
      c/ ×1 reward 0.5 drawn 1
        =4. ×1 reward 0 Answer ×1
      d/ ×1 reward 0.5 drawn 1
        k/ ×1 reward 0
      e/ ×1 reward 0
      f/ ×1 reward 0
    ");
    assert_snapshot!(plan, @"8 particles");
}

#[test]
fn the_temperature_of_the_weights_is_part_of_the_name() {
    let method = |name: &str| name.parse::<AnyMethod>();
    assert_eq!(method("pf:temperature=1"), Ok(PARTICLE_FILTERING));
    let hot = method("particle-filtering:temperature=1e9").unwrap();
    assert_snapshot!(hot, @"particle-filtering:temperature=1000000000.0");
    assert_snapshot!(method("pf:temperature=0").unwrap_err(), @"particle-filtering cannot have these parameters: a temperature is above 0, not 0");
    // Where it is high, every first step is as good.
    let policy = Script::new(|draw| match draw.path {
        "" => format!("{}/", char::from(b'a' + draw.index() as u8)),
        _ => "=1.".into(),
    });
    let verifier = Scorer::new(|path| f64::from(path.as_bytes()[0] - b'a') / 10.0);
    let plan = Plan::of(hot, 8).unwrap();
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    let first = tree.children(Tree::ROOT).iter();
    assert!(first.copied().all(|node| tree.nodes()[node].drawn == 1));
}
