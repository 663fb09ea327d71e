//! Lookahead search: a step is as good as where it leads.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{BEAM, LOOKAHEAD, Plan};
use outthink_core::{AnyMethod, Finished, Sampling};
use scripted::{LIMITS, Scorer, Script, run, show};

fn plan(name: &str, budget: usize, width: usize) -> Plan {
    let method: AnyMethod = name.parse().unwrap();
    Plan::new(method, budget, width, Finished::default()).unwrap()
}

#[test]
fn candidates_are_ranked_by_the_ends_of_looks_that_the_budget_pays() {
    let policy = Script::cycling([
        ("", "a/ b/ =1. c/"),
        ("a/", "d/"),
        ("b/", "=2. e/ =2."),
        ("c/", "zz"),
        ("c/zz", ""),
        ("b/e/", "=3."),
    ]);
    let verifier = Scorer::table([
        ("a/", 0.9),
        ("b/", 0.1),
        ("=1.", 0.2),
        ("a/d/", 0.3),
        ("b/=2.", 0.5),
        ("b/e/", 0.4),
        ("b/e/=3.", 0.8),
    ]);
    let plan = plan("lookahead", 8, 4);
    let tree = run(&plan, LIMITS, &policy, Some(&verifier)).unwrap();
    // Eight samples pay for four candidates and their looks: a beam of one. `a/` is better than `b/`, and leads to worse. The
    // look from `c/` is cut off. Then four samples of `b/`, two of them the look's `=2.` again, and `b/e/` leads to the best.
    assert_snapshot!(show(&tree), @"
    root drawn 4
      a/ ×1 reward 0.9 drawn 1
        d/ ×1 reward 0.3
      b/ ×1 reward 0.1 drawn 5
        =2. ×3 reward 0.5 Answer ×3
        e/ ×2 reward 0.4 drawn 5
          =3. ×5 reward 0.8 Answer ×5 kept #1
      =1. ×1 reward 0.2 Answer ×1
      c/ ×1 drawn 1
        zz ×1 Length ×1
    ");
    // Only looks are greedy, and only where they end is the verifier asked.
    let greedy = |call: &Vec<outthink_core::Extension>| call[0].sampling == Sampling::GREEDY;
    let requests = policy.requests();
    let calls: Vec<bool> = requests.iter().map(greedy).collect();
    assert_eq!(calls, [false, true, true, false, true, false]);
    let asked: Vec<String> = verifier
        .calls()
        .iter()
        .map(|call| call.join(", "))
        .collect();
    assert_snapshot!(asked.join("\n"), @"
    =1. complete
    a/d/, b/=2. complete
    b/e/=3. complete
    ");
    assert_snapshot!(plan, @"1 beam × 4, looking 1 step ahead of each sample");
}

#[test]
fn the_steps_ahead_are_part_of_the_name_and_none_is_beam_search() {
    assert_eq!("lookahead:steps=1".parse(), Ok(LOOKAHEAD));
    assert_snapshot!(plan("lookahead:steps=3", 64, 4), @"4 beams × 4, looking 3 steps ahead of each sample");
    assert_snapshot!(plan("lookahead:steps=3", 2, 4), @"1 beam × 1, looking 1 step ahead of each sample");
    assert_snapshot!(plan("lookahead", 1, 4), @"1 beam × 1, looking 0 steps ahead of each sample");
    let world = || {
        Script::cycling([
            ("", "a/ b/ c/ d/"),
            ("a/", "=1. =2."),
            ("b/", "=3. =4."),
            ("c/", "=5."),
            ("d/", "=6."),
        ])
    };
    let verifier = Scorer::new(|path| (path.len() as f64 + f64::from(path.as_bytes()[0])) / 200.0);
    let none = run(
        &plan("lookahead:steps=0", 4, 2),
        LIMITS,
        &world(),
        Some(&verifier),
    )
    .unwrap();
    let beam = run(&plan("beam", 4, 2), LIMITS, &world(), Some(&verifier)).unwrap();
    assert_eq!(show(&none), show(&beam));
    assert!(BEAM < LOOKAHEAD);
}
