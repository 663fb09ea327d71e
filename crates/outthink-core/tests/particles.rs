//! Particle filtering: who is copied, who is lost, and who is kept.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{PARTICLE_FILTERING, Plan};
use outthink_core::{AnyMethod, Limits, Tree};
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
    assert_snapshot!(method("pf:temperature=0").unwrap_err(), @"particle-filtering cannot have these parameters: `temperature` is above 0, not 0");
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

#[test]
fn entropic_resampling_flattens_weights_that_few_particles_hold() {
    let policy = || {
        Script::cycling([
            ("", "a/ b/ c/ d/"),
            ("a/", "=1. =2. =3. =4."),
            ("b/", "=5."),
            ("c/", "=6."),
            ("d/", "=7."),
        ])
    };
    // Odds of 729 to 1: by themselves, `a/` has 4 · 729/732 = 3.98 of four particles.
    let verifier = Scorer::new(|path| match path {
        "a/" => 729.0 / 730.0,
        _ => 0.5,
    });
    let grown = |method: &str, steps: usize| {
        let plan = Plan::of(method.parse().unwrap(), 4).unwrap();
        let limits = Limits { steps, ..LIMITS };
        run(&plan, limits, &policy(), Some(&verifier)).unwrap()
    };
    let drawn = |method: &str, steps: usize| -> Vec<usize> {
        let tree = grown(method, steps);
        let first = tree.children(Tree::ROOT).iter();
        first.map(|&node| tree.nodes()[node].drawn).collect()
    };
    assert_eq!(drawn("particle-filtering", 4), [4, 0, 0, 0]);
    // After the first of four steps τ is 4 · 3/4 = 3, and 729 to the power of 1/3 is 9: shares of 3, 1/3, 1/3 and 1/3.
    assert_snapshot!(show(&grown("epf", 4)), @"
    root drawn 4
      a/ ×1 reward 0.9986301369863013 drawn 3
        =1. ×1 reward 0.5 Answer ×1 kept #1
        =2. ×1 reward 0.5 Answer ×1 kept #2
        =3. ×1 reward 0.5 Answer ×1 kept #3
      b/ ×1 reward 0.5 drawn 1
        =5. ×1 reward 0.5 Answer ×1 kept #4
      c/ ×1 reward 0.5
      d/ ×1 reward 0.5
    ");
    // The first of two is not early.
    assert_eq!(drawn("epf", 2), [4, 0, 0, 0]);
    assert_eq!(drawn("epf:early=0", 4), [4, 0, 0, 0]);
    assert_eq!(drawn("epf:threshold=0", 4), [4, 0, 0, 0]);
    assert_snapshot!("epf:early=2".parse::<AnyMethod>().unwrap_err(), @"entropic-particle-filtering cannot have these parameters: `early` is from 0 to 1, not 2");
}
