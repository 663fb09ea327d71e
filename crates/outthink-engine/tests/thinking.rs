//! Thoughts under a control on the embedded engine: a draw that is cut in pieces is the draw, and chat templates of both kinds of
//! reasoning model.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use outthink_core::method::MAJORITY;
use outthink_core::{
    AnyMethod, Extension, Plan, Policy, Problem, Sampling, Step, Thinker, Thinking, Thoughts, Tree,
    Until, search,
};
use outthink_engine::{Checkpoint, EmbeddedPolicy};
use outthink_prompt::Profile;

fn checkpoint(folder: &str) -> Checkpoint {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    Checkpoint::read(&crate_folder.join(folder)).unwrap()
}

/// A micro policy whose "thought" ends where it opens its box.
fn policy(thinking: &str) -> EmbeddedPolicy {
    let mut profile = Profile::named("micro").unwrap();
    profile.policy.as_mut().unwrap().think_end = Some("\\boxed".into());
    let policy =
        EmbeddedPolicy::load(&checkpoint("../../models/micro/micro-0.3m"), Some(profile)).unwrap();
    policy.with_thinking(thinking.parse().unwrap())
}

fn tree(policy: &EmbeddedPolicy) -> Tree {
    tree_of(policy, MAJORITY)
}

fn tree_of(policy: &EmbeddedPolicy, method: AnyMethod) -> Tree {
    let problem = Arc::new(Problem::new(r"Evaluate $(17+19)\cdot 4-16$."));
    let plan = Plan::of(method, 8).unwrap();
    let limits = outthink_core::Limits {
        draw_tokens: 96,
        solution_tokens: 320,
        steps: 16,
    };
    let sampling = Sampling::at(1.3);
    block_on(search(problem, &plan, sampling, limits, 5, policy, None)).unwrap()
}

/// Steps with their tokens and log-probabilities.
type Solution = Vec<(String, Vec<u32>, Vec<f32>)>;

fn drawn(tree: &Tree) -> Vec<Solution> {
    let solutions = tree.solutions().into_iter();
    let own = |step: &Arc<Step>| {
        let stats = step.stats.logprobs.clone();
        (step.text.clone(), step.tokens.clone(), stats)
    };
    solutions
        .map(|solution| solution.steps.iter().map(own).collect())
        .collect()
}

#[test]
fn a_draw_in_pieces_is_the_draw_token_for_token() {
    let on = tree(&policy("on"));
    let lengths: Vec<usize> = on
        .solutions()
        .iter()
        .map(|own| own.steps.iter().map(|step| step.tokens.len()).sum())
        .collect();
    assert!(lengths.iter().all(|&length| length > 20), "{lengths:?}");
    for thinking in ["cap:310", "dynasor:tokens=7:equal=1000", "deer"] {
        let watched = tree(&policy(thinking));
        assert_eq!(drawn(&watched), drawn(&on), "{thinking}");
        match thinking.starts_with("dynasor") {
            true => assert!(watched.policy.generated > on.policy.generated),
            false => assert_eq!(watched.policy.generated, on.policy.generated),
        }
    }
}

#[test]
fn the_first_to_finish_are_the_shortest_of_the_samples_of_a_majority_closed_thoughts_too() {
    // What is written when a thought is closed was not drawn: the random numbers go on where the draw was.
    for (thinking, tokens) in [("on", 7), ("on", 40), ("cap:9", 40), ("cap:3", 64)] {
        first_of(&policy(thinking), tokens);
    }
}

fn first_of(policy: &EmbeddedPolicy, tokens_of_a_piece: usize) {
    let all = tree_of(policy, MAJORITY);
    let ends = &all.nodes()[Tree::ROOT].led_to;
    let tokens = |steps: &[Arc<Step>]| -> Vec<u32> {
        let tokens = steps.iter().flat_map(|step| &step.tokens);
        tokens.copied().collect()
    };
    let mut samples: Vec<Vec<u32>> = ends.iter().map(|&end| tokens(&all.steps(end))).collect();
    samples.sort_by_key(Vec::len);
    for m in [1, 4] {
        let method = format!("short-m-at-k:m={m}:tokens={tokens_of_a_piece}");
        let method = method.parse().unwrap();
        let first = tree_of(policy, method);
        let solutions = first.solutions();
        let kept: Vec<Vec<u32>> = solutions.iter().map(|own| tokens(&own.steps)).collect();
        let mut shortest = samples[..m].to_vec();
        // Equal samples are one solution.
        let mut known = HashSet::new();
        shortest.retain(|own| known.insert(own.clone()));
        assert_eq!(kept, shortest);
        let steps = drawn(&all);
        assert!(drawn(&first).iter().all(|own| steps.contains(own)));
    }
}

#[test]
fn the_same_seed_gives_the_same_solution_whatever_else_is_drawn() {
    let own = policy("cap:9");
    let thoughts = own.thoughts().unwrap().clone();
    let extension = |seeds: Vec<u64>| Extension {
        problem: Arc::new(Problem::new(r"Evaluate $(17+19)\cdot 4-16$.")),
        steps: Vec::new(),
        seeds,
        until: Until::Answer,
        sampling: Sampling::at(1.0),
        max_tokens: 200,
        offset: 0,
    };
    let draw = |seeds: Vec<u64>| {
        let thinker = Thinker::new(&own, thoughts.clone());
        block_on(thinker.extend(vec![extension(seeds)]))
            .unwrap()
            .remove(0)
            .0
    };
    let together = draw(vec![1, 2, 3, 4]);
    assert_eq!(draw(vec![3]), together[2..3]);
    let text = "\n\\boxed\n\n**Final Answer**\n\n";
    let written = block_on(own.written(&Problem::new("?"), text));
    let close = written.unwrap().tokens;
    for continuation in &together {
        let all: Vec<u32> = continuation
            .steps
            .iter()
            .flat_map(|step| step.tokens.clone())
            .collect();
        assert_eq!(all[9..9 + close.len()], close, "after 9 tokens of thought");
    }
}

#[test]
fn templates_say_whether_a_thought_is_opened_and_can_be_turned_off() {
    let load = |family: &str, thinking: &str| {
        let checkpoint = checkpoint(&format!("tests/families/{family}"));
        let policy = EmbeddedPolicy::load(&checkpoint, None).unwrap();
        let policy = policy.with_thinking(thinking.parse().unwrap());
        let prompt = policy.prompt(&Problem::new("1 + 1?")).unwrap();
        (policy.thoughts().unwrap().clone(), policy.text(&prompt))
    };
    let (
        Thoughts {
            thinking,
            opened,
            end,
            ..
        },
        prompt,
    ) = load("qwen3", "on");
    assert!(!opened && end == "</think>" && thinking == Thinking::ON);
    assert!(!prompt.contains("<think>"), "{prompt}");
    let (thoughts, prompt) = load("qwen3", "skip");
    assert_eq!(
        thoughts.thinking,
        Thinking::ON,
        "the template turns it off itself"
    );
    assert!(prompt.ends_with("<think>\n\n</think>\n\n"), "{prompt}");
    let (thoughts, prompt) = load("deepseek-r1-distill", "skip");
    assert!(thoughts.opened, "{prompt}");
    assert_eq!(thoughts.thinking.name(), "skip", "it has to be written");
    let (thoughts, _) = load("deepseek-r1-distill", "cap:5");
    assert_eq!(thoughts.thinking.name(), "cap:tokens=5");
}
