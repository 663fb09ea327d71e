//! Methods that ask the policy prompts made of its earlier solutions.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::collections::HashSet;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use insta::assert_snapshot;
use outthink_core::method::{GEN_SELECT, GEN_SYNTHESIS, PAIRWISE, RECURSIVE_SELF_AGGREGATION};
use outthink_core::{
    AnyMethod, Continuation, Error, Extension, ModelError, Policy, Reply, Sampling, Step, Stop,
    Tree, Usage, draw_seed, problem_seed, search,
};
use proptest::prelude::*;
use scripted::{Draw, LIMITS, RUN, Script, kept, path_of, plan, problem, run, show};

fn method(name: &str) -> AnyMethod {
    name.parse().unwrap()
}

/// The solutions that a prompt quotes, as the scripted policy said them.
fn quoted(prompt: &str) -> Vec<&str> {
    let parts = prompt.split("### Solution ").skip(1);
    let text = |part: &'_ str| {
        part.split_once("\n\n")
            .map_or(0, |(head, _)| head.len() + 2)
    };
    parts
        .map(|part| part[text(part)..].split("\n\n").next().unwrap())
        .collect()
}

/// Draws number `seed`'s worth of chance, in [0, 1).
fn chance(seed: u64) -> f64 {
    (seed >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn the_tree_keeps_what_was_asked_and_the_last_population_is_kept() {
    let policy = Script::new(|draw| match quoted(&draw.problem.text).len() {
        0 => ["a/=1.", "b/=2.", "b/=2."][draw.index() % 3].into(),
        _ => "c/=2.".into(),
    });
    let tree = run(
        &plan(method("rsa:k=2:rounds=2"), 7, 1),
        LIMITS,
        &policy,
        None,
    )
    .unwrap();
    let short = show(&tree).replace('"', "");
    let lines = short
        .lines()
        .map(|line| match line.split_once("Below are") {
            Some((_, rest)) => {
                let (_, end) = rest.rsplit_once(" ×").unwrap();
                let said = quoted(&line.replace("\\n", "\n")).join(" and ");
                format!("  asked with {said} ×{end}")
            }
            None => line.to_owned(),
        });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    root drawn 3
      a/ ×1
        =1. ×1 Answer ×1
      b/ ×2
        =2. ×2 Answer ×2
      asked with a and b ×1 drawn 1
        c/ ×1
          =2. ×1 Answer ×1
      asked with b and b ×1 drawn 1
        c/ ×1
          =2. ×1 Answer ×1
      asked with c and c ×2 drawn 2
        c/ ×2
          =2. ×2 Answer ×2 kept #1
    ");
}

/// Says a whole answer in one step, given a seed and what is asked.
struct Whole(fn(u64, &str) -> String);

impl Policy for Whole {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: Extension| -> Reply {
            let say = |&seed: &u64| Continuation {
                steps: vec![Step::written((self.0)(seed, &request.problem.text))],
                stop: Stop::Answer,
            };
            (request.seeds.iter().map(say).collect(), Usage::default())
        };
        ready(Ok(requests.into_iter().map(reply).collect())).boxed()
    }
}

#[test]
fn every_prompt_quotes_k_solutions_without_their_thoughts_and_no_longer_than_asked() {
    let policy = Whole(|seed, prompt| match quoted(prompt).len() {
        0 => format!("<think>{seed} or 9?</think>a long way to ={}", seed % 3),
        _ => "<think>they differ</think>so =2".into(),
    });
    let rsa = method("rsa:k=3:rounds=2:characters=9");
    let tree = run(&plan(rsa, 15, 1), LIMITS, &policy, None).unwrap();
    let prompts = tree
        .nodes()
        .iter()
        .filter_map(|node| node.question.as_deref());
    let prompts: Vec<&str> = prompts.collect();
    assert_eq!(
        tree.nodes()
            .iter()
            .filter(|own| own.question.is_some())
            .map(|own| own.drawn)
            .sum::<usize>(),
        10
    );
    for prompt in prompts {
        let quoted = quoted(prompt);
        assert_eq!(quoted.len(), 3, "{prompt}");
        assert!(prompt.starts_with("?\n\nBelow are 3 candidate"), "{prompt}");
        assert!(!prompt.contains("think>"), "{prompt}");
        for text in quoted {
            assert!(text.starts_with("way to =") || text == "so =2", "{text}");
        }
    }
}

/// The share of right answers in the last population, on average over problems, of a policy that is right by itself in 3 of 10
/// draws and else copies a right solution where it is shown one.
fn last_population(rounds: usize) -> f64 {
    const PROBLEMS: usize = 300;
    let copies = |draw: &Draw<'_>| {
        let shown = quoted(&draw.problem.text).contains(&"=1");
        let right = shown || chance(draw.seed) < 0.3;
        if right {
            "=1.".to_owned()
        } else {
            format!("={}.", 2 + draw.seed % 50)
        }
    };
    let rsa = method(&format!("rsa:rounds={rounds}"));
    let plan = plan(rsa, 8 * (rounds + 1), 1);
    let mut share = 0.0;
    for number in 0..PROBLEMS {
        let policy = Script::new(copies);
        let sampling = Sampling::at(0.7);
        let tree = search(problem(number), &plan, sampling, LIMITS, RUN, &policy, None);
        let solutions = block_on(tree).unwrap().solutions();
        let count = |right: bool| -> usize {
            let own = solutions.iter();
            let own = own.filter(|own| !right || own.text() == "=1");
            own.map(|own| own.count).sum()
        };
        assert_eq!(count(false), 8, "one population votes");
        share += count(true) as f64 / 8.0 / PROBLEMS as f64;
    }
    share
}

#[test]
fn an_aggregator_that_knows_the_better_solution_gains_with_every_round() {
    let shares = [0, 1, 2, 3].map(last_population);
    // Alone it is right with 0.3; with four strangers in view 1 - 0.7^5.
    assert!((shares[0] - 0.3).abs() < 0.03, "{shares:?}");
    assert!(
        (shares[1] - (1.0 - 0.7f64.powi(5))).abs() < 0.03,
        "{shares:?}"
    );
    assert!(shares.is_sorted() && shares[3] > 0.95, "{shares:?}");
}

#[test]
fn a_knockout_ends_with_the_solution_that_every_window_names() {
    let policy = Script::new(|draw| {
        let quoted = quoted(&draw.problem.text);
        match quoted.iter().position(|own| *own == "=7") {
            _ if quoted.is_empty() => format!("={}.", draw.index()),
            Some(place) => format!("\\boxed{{{}}}.", place + 1),
            None => "none.".into(),
        }
    });
    let tree = run(
        &plan(method("gen-select:window=4"), 16, 1),
        LIMITS,
        &policy,
        None,
    )
    .unwrap();
    assert_eq!(kept(&tree), ["=7."]);
    // 12 solutions in three windows, and a final.
    let prompts: Vec<usize> = tree
        .nodes()
        .iter()
        .filter_map(|node| Some(quoted(node.question.as_deref()?).len()))
        .collect();
    assert_eq!(prompts, [4, 4, 4, 3]);
}

#[test]
fn a_synthesis_is_the_last_sample() {
    let policy = Script::new(|draw| match quoted(&draw.problem.text) {
        own if own.is_empty() => format!("={}.", draw.index()),
        own => {
            let sum: usize = own
                .iter()
                .map(|own| own[1..].parse::<usize>().unwrap())
                .sum();
            format!("={sum}.")
        }
    });
    let tree = run(
        &plan(method("gen-synthesis:window=4"), 16, 1),
        LIMITS,
        &policy,
        None,
    )
    .unwrap();
    assert_eq!(kept(&tree), ["=66."], "0 + 1 + … + 11");
}

#[test]
fn a_tournament_is_won_by_the_solution_with_the_best_grades() {
    let policy = Script::new(|draw| match quoted(&draw.problem.text)[..] {
        [one, other] => format!("\\boxed{{{}, {}}}.", &one[1..], &other[1..]),
        _ => format!("={}.", [3, 9, 1, 5, 8, 2, 7, 4][draw.index() % 8]),
    });
    let tree = run(&plan(PAIRWISE, 32, 1), LIMITS, &policy, None).unwrap();
    assert_eq!(kept(&tree), ["=9."]);
    assert_eq!(tree.nodes()[Tree::ROOT].drawn, 8);
}

#[test]
fn budgets_are_laid_out_for_all_rounds() {
    let told = |method: AnyMethod, budget| plan(method, budget, 1).to_string();
    assert_snapshot!(told(RECURSIVE_SELF_AGGREGATION, 1), @"1 solution");
    assert_snapshot!(told(RECURSIVE_SELF_AGGREGATION, 16), @"16 = 8 solutions + 8 from prompts with 4 of them each");
    assert_snapshot!(told(RECURSIVE_SELF_AGGREGATION, 64), @"64 = 16 solutions + 3 rounds × 16 from prompts with 4 of the last each");
    assert_snapshot!(told(method("rsa:rounds=10"), 176), @"176 = 16 solutions + 10 rounds × 16 from prompts with 4 of the last each");
    assert_snapshot!(told(method("rsa:rounds=10"), 4), @"4 = 1 solution + 3 rounds × 1 from prompts with 1 of the last each");
    assert_snapshot!(told(GEN_SELECT, 16), @"16 = 13 solutions + 3 prompts with up to 8 each");
    assert_snapshot!(told(GEN_SYNTHESIS, 64), @"64 = 56 solutions + 8 prompts with up to 8 each");
    assert_snapshot!(told(PAIRWISE, 16), @"15 = 5 solutions + 10 comparisons");
    assert_snapshot!(told(PAIRWISE, 1), @"1 solution");
    let refused = |name: &str| name.parse::<AnyMethod>().unwrap_err();
    assert_snapshot!(refused("rsa:k=0"), @"recursive-self-aggregation cannot have these parameters: `k` is at least 1");
    assert_snapshot!(refused("gen-select:window=1"), @"gen-select cannot have these parameters: `window` is at least 2");
    assert_snapshot!(refused("pairwise:comparisons=0"), @"pairwise cannot have these parameters: `comparisons` is at least 1");
    assert_eq!(method("v1-infer"), PAIRWISE);
    for own in [
        RECURSIVE_SELF_AGGREGATION,
        GEN_SELECT,
        GEN_SYNTHESIS,
        PAIRWISE,
    ] {
        assert!(!own.takes_pool() && !own.is_stepwise() && !own.needs_verifier());
    }
}

/// Knows the plain question only.
struct Narrow;

impl Policy for Narrow {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        Box::pin(async move {
            match requests.iter().all(|request| request.problem.text == "?") {
                true => Script::new(|_| "=1.".into()).extend(requests).await,
                false => Err("I know no words".into()),
            }
        })
    }
}

#[test]
fn a_policy_that_cannot_read_a_prompt_is_told_from_one_that_fails() {
    let error = run(
        &plan(RECURSIVE_SELF_AGGREGATION, 8, 1),
        LIMITS,
        &Narrow,
        None,
    )
    .unwrap_err();
    assert!(matches!(error, Error::Prompted { .. }));
    assert_snapshot!(error, @"the policy failed on problem p at a prompt that recursive-self-aggregation made of its earlier solutions; a policy that knows one kind of question only, or has no room for the prompt, needs another method");
}

#[test]
fn a_stored_tree_says_what_was_asked_and_is_checked() {
    let policy = Script::new(|draw| format!("={}.", draw.seed % 3));
    let tree = run(&plan(method("rsa:rounds=1"), 8, 1), LIMITS, &policy, None).unwrap();
    let written = serde_json::to_value(&tree).unwrap();
    assert_eq!(
        serde_json::from_value::<Tree>(written.clone()).unwrap(),
        tree
    );
    let mut both = written;
    let asked = tree
        .nodes()
        .iter()
        .position(|node| node.question.is_some())
        .unwrap();
    both["nodes"][asked]["step"] = both["nodes"][1]["step"].clone();
    assert!(
        serde_json::from_value::<Tree>(both).is_err(),
        "a step and a question at once"
    );
}

fn asking() -> impl Strategy<Value = AnyMethod> {
    let names = [
        "rsa",
        "rsa:k=1:rounds=5",
        "gen-select:window=2",
        "gen-synthesis:window=3",
        "pairwise",
    ];
    prop::sample::select(names.map(method).to_vec())
}

proptest! {
    /// Whatever comes back: texts, empty ones, cut-off ones, thoughts that never end.
    #[test]
    fn any_replies_end_within_the_budget_and_the_same_seed_is_the_same_tree(
        method in asking(),
        budget in 1usize..40,
        words: u64,
    ) {
        let policy = || Script::new(move |draw| {
            let said = ["=1.", "=2.", "", "cut", "<think>.", "\\boxed{2, 9}.", "2.", "<think>x</think>=3."];
            said[(draw.seed ^ words) as usize % said.len()].to_owned()
        });
        let (first, again) = (policy(), policy());
        let plan = plan(method, budget, 1);
        let tree = run(&plan, LIMITS, &first, None).unwrap();
        prop_assert_eq!(&run(&plan, LIMITS, &again, None).unwrap(), &tree);
        let drawn: usize = tree.nodes().iter().map(|node| node.drawn).sum();
        prop_assert!(drawn <= budget, "{drawn} of {budget}");
        prop_assert!(!tree.kept.is_empty());
        prop_assert_eq!(tree.verifier, Usage::default());
        for solution in tree.solutions() {
            prop_assert!(solution.stop != Stop::Step);
        }
        // No two draws share a seed, whatever was asked.
        let mut seeds = HashSet::new();
        for request in first.requests().concat() {
            let at_start = request.steps.is_empty();
            prop_assert!(request.problem.id == "p");
            for seed in request.seeds {
                prop_assert!(seeds.insert((seed, path_of(&request.steps))) || !at_start);
            }
        }
        let plain = problem_seed(RUN, "p");
        let first = tree.nodes()[Tree::ROOT].drawn;
        for index in first..budget {
            prop_assert!(!seeds.contains(&(draw_seed(plain, [], index), String::new())));
        }
    }
}
