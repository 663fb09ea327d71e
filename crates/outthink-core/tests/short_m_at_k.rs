//! short-m@k: the first to finish end the rest.

mod scripted;

use outthink_core::method::{MAJORITY, SHORT_M_AT_K};
use outthink_core::{AnyMethod, Error, Limits, Pair, Stop, Tree};
use proptest::prelude::*;
use scripted::{LIMITS, Script, path_of, plan, run};

/// A solution of a length and an answer by the seed.
fn says(seed: u64) -> String {
    let steps = "aaaa/".repeat((seed % 7) as usize);
    format!("{steps}{}={}.", "b".repeat((seed % 5) as usize), seed % 3)
}

fn script() -> Script {
    Script::new(|draw| says(draw.seed)[draw.path.len()..].to_owned())
}

fn texts(tree: &Tree) -> Vec<String> {
    let solutions = tree.solutions();
    solutions.iter().map(|own| path_of(&own.steps)).collect()
}

fn method(m: usize, tokens: usize) -> AnyMethod {
    let named = format!("short-m-at-k:m={m}:tokens={tokens}");
    named.parse().expect("a method")
}

proptest! {
    #[test]
    fn the_first_are_the_shortest_of_the_same_samples_however_they_are_cut(
        n in 1usize..20,
        m in 1usize..8,
        tokens in 1usize..40,
    ) {
        let whole = script();
        let all = run(&plan(MAJORITY, n, 1), LIMITS, &whole, None).expect("a search");
        let mut samples: Vec<String> = all.nodes()[Tree::ROOT].led_to.iter().map(|&end| path_of(&all.steps(end))).collect();
        samples.sort_by_key(String::len);
        samples.truncate(m);
        let last = samples.last().map_or(0, String::len);
        let mut known = std::collections::HashSet::new();
        samples.retain(|own| known.insert(own.clone()));
        let policy = script();
        let tree = run(&plan(method(m, tokens), n, 1), LIMITS, &policy, None).expect("a search");
        prop_assert_eq!(texts(&tree), samples);
        // The others have no more tokens than the last of the first, but for the piece that they were in; what they have counts.
        let most = last.div_ceil(tokens) * tokens;
        prop_assert!(tree.policy.generated <= (n * most) as u64);
        prop_assert!(tree.policy.generated <= all.policy.generated);
        let drawn: usize = tree.nodes()[Tree::ROOT].led_to.iter().map(|&end| path_of(&tree.steps(end)).len()).sum();
        prop_assert_eq!(tree.policy.generated, drawn as u64);
        prop_assert!(tree.solutions().iter().all(|own| own.stop == Stop::Answer));
    }
}

#[test]
fn who_never_finishes_has_no_vote() {
    let limits = Limits {
        solution_tokens: 2,
        ..LIMITS
    };
    let long = Script::new(|_| "aaaaaa=7.".to_owned());
    let tree = run(&plan(SHORT_M_AT_K, 4, 1), limits, &long, None).expect("a search");
    assert!(tree.solutions().is_empty());
}

#[test]
fn it_needs_a_policy_that_takes_draws_up_again() {
    let chat = Pair {
        steps: false,
        verifier: true,
    };
    let refused = chat.check(SHORT_M_AT_K);
    assert!(matches!(refused, Err(Error::WholeAnswersOnly { .. })));
    assert!(!SHORT_M_AT_K.takes_pool() && !SHORT_M_AT_K.needs_verifier());
    assert_eq!("short-m@k:m=3".parse(), Ok(SHORT_M_AT_K));
    assert!("short:m=0".parse::<AnyMethod>().is_err());
}
