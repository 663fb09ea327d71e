//! How a budget is laid out, and what cannot be.

#![allow(clippy::unwrap_used, missing_docs)]

use insta::assert_snapshot;
use outthink_core::method::{BEAM, BEST_OF_N, COT, DVTS, MAJORITY};
use outthink_core::{AnyMethod, Error, Finished, Plan};
use proptest::prelude::*;

fn plan(method: AnyMethod, budget: usize, width: usize) -> Result<Plan, Error> {
    Plan::new(method, budget, width, Finished::default())
}

#[test]
fn a_budget_that_cannot_be_laid_out_says_why() {
    let refused = |method, budget, width| plan(method, budget, width).unwrap_err().to_string();
    assert_snapshot!(refused(BEAM, 10, 4), @"beam cannot spend a budget of 10: the beam width of 4 must divide it; try a budget of 8 or 12, or a width of 2, 5 or 10");
    assert_snapshot!(refused(DVTS, 7, 4), @"dvts cannot spend a budget of 7: the beam width of 4 must divide it; try a budget of 4 or 8, or a width of 7");
    assert_snapshot!(refused(DVTS, 4, 0), @"dvts cannot spend a budget of 4: a beam width is at least 1");
    assert_snapshot!(refused(MAJORITY, 0, 1), @"majority cannot spend a budget of 0: a budget is at least one solution");
    assert_snapshot!(refused(MAJORITY, usize::MAX, 1), @"majority cannot spend a budget of 18446744073709551615: a budget is at most 1048576 solutions");
    assert_snapshot!(refused(COT, 4, 1), @"cot cannot spend a budget of 4: it is one greedy solution, so its budget is 1");
}

#[test]
fn a_plan_is_printed_as_it_is_spent() {
    let printed = |method, budget, width| plan(method, budget, width).unwrap().to_string();
    assert_snapshot!(printed(COT, 1, 4), @"1 greedy solution");
    assert_snapshot!(printed(MAJORITY, 7, 4), @"7 solutions");
    assert_snapshot!(printed(BEST_OF_N, 256, 0), @"256 solutions");
    assert_snapshot!(printed(BEAM, 64, 4), @"64 = 16 beams × 4");
    assert_snapshot!(printed(DVTS, 64, 4), @"64 = 16 subtrees × 4");
    assert_snapshot!(printed(BEAM, 2, 4), @"2 = 1 beam × 2");
}

proptest! {
    #[test]
    fn exactly_the_budgets_that_divide_into_whole_beams_are_taken(budget in 0usize..40, width in 0usize..12) {
        for method in AnyMethod::all() {
            // A budget below the width is its own width.
            let divides = width > 0 && (budget < width || budget % width == 0);
            let expected = budget > 0 && match method {
                method if method == COT => budget == 1,
                method if method.has_width() => divides,
                _ => true,
            };
            prop_assert_eq!(plan(method, budget, width).is_ok(), expected, "{} {}/{}", method, budget, width);
        }
    }
}

#[test]
fn methods_and_treatments_are_read_by_their_names() {
    for method in AnyMethod::all() {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    let treatments =
        ["official", "refill", "compete"].map(|name| name.parse::<Finished>().unwrap());
    assert_eq!(
        treatments,
        [Finished::Official, Finished::Refill, Finished::Compete]
    );
    for (typed, meant) in [
        ("best-of-N", BEST_OF_N),
        ("BoN", BEST_OF_N),
        ("best_of_n", BEST_OF_N),
        ("Beam", BEAM),
        ("self-consistency", MAJORITY),
        ("DVTS", DVTS),
    ] {
        assert_eq!(typed.parse(), Ok(meant));
    }
    let unknown = |name: &str| {
        let told = name.parse::<AnyMethod>().unwrap_err();
        told.replace(&AnyMethod::names(), "all")
    };
    assert_snapshot!(unknown("mcts"), @"unknown method `mcts` (one of all)");
    assert_snapshot!(unknown("beem"), @"unknown method `beem` (one of all); did you mean beam?");
    assert!(AnyMethod::names().starts_with("cot, majority, best-of-n, beam, dvts"));
    assert_snapshot!("refil".parse::<Finished>().unwrap_err(), @"unknown treatment of finished paths `refil` (one of official, refill, compete)");
}
