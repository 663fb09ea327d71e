//! A policy as a verifier: what it is asked, how often, and what becomes of what it says.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::method::BEST_OF_N;
use outthink_core::{
    Continuation, Extension, Generative, JudgePrompt, Limits, ModelError, Policy, Prefix, Problem,
    Reply, Sampling, Scoring, Search, Selection, Step, Stop, TokenStats, Until, Usage, Verifier,
    Voting,
};
use proptest::prelude::*;

/// What is said to a question by number of the draw.
type Says = dyn Fn(&str, usize) -> String + Send + Sync;

/// Says something to each seed of each question, one token at a log-probability, if there is one.
struct Critic {
    says: Box<Says>,
    logprob: Option<f32>,
    asked: Mutex<Vec<Vec<Extension>>>,
}

impl Critic {
    fn new(says: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Self {
        Self {
            says: Box::new(says),
            logprob: None,
            asked: Mutex::default(),
        }
    }
}

impl Policy for Critic {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: &Extension| -> Reply {
            let say = |index: usize| Continuation {
                steps: vec![Step {
                    text: (self.says)(&request.problem.text, index),
                    tokens: vec![7],
                    logprob: self.logprob.map_or(0.0, f64::from),
                    stats: TokenStats::of(1, self.logprob.into_iter().collect(), Vec::new()),
                }],
                stop: Stop::Answer,
            };
            let usage = Usage {
                requests: 1,
                prompt: 10,
                generated: request.seeds.len() as u64,
                ..Usage::default()
            };
            ((0..request.seeds.len()).map(say).collect(), usage)
        };
        let replies = requests.iter().map(reply).collect();
        self.asked.lock().unwrap().push(requests);
        ready(Ok(replies)).boxed()
    }
}

fn judging<P: Policy>(policy: P, prompt: JudgePrompt) -> Generative<P> {
    Generative::new(policy, prompt, Sampling::at(0.6), Limits::default())
}

fn prefix(steps: &[&str], complete: bool) -> Prefix {
    let step = |text: &&str| Arc::new(Step::written(*text));
    Prefix {
        problem: Arc::new(Problem::new("What is 3 + 4?")),
        steps: steps.iter().map(step).collect(),
        complete,
    }
}

fn rewards(verifier: &dyn Verifier, prefixes: Vec<Prefix>) -> Vec<Vec<f64>> {
    let judged = block_on(verifier.score(prefixes)).unwrap();
    judged.into_iter().map(|own| own.rewards).collect()
}

#[test]
fn votes_are_draws_of_one_question_and_their_mean_is_every_steps_reward() {
    let critic = Critic::new(|prompt, vote| {
        let wrong = prompt.contains("= 8") || vote == 0;
        format!(
            "<think>Yes</think>So: \\boxed{{{}}}",
            if wrong { "No" } else { "Yes" }
        )
    });
    let prompt = JudgePrompt {
        votes: 4,
        ..JudgePrompt::default()
    };
    let verifier = judging(&critic, prompt);
    let asked = vec![
        prefix(&["<think>\n\nNo\n\n</think>", "3 + 4 = 7"], true),
        prefix(&["Add them.", "3 + 4 = 8"], false),
    ];
    let judged = block_on(verifier.score(asked.clone())).unwrap();
    let own: Vec<&[f64]> = judged.iter().map(|own| own.rewards.as_slice()).collect();
    assert_eq!(own, [[0.75; 2], [0.0; 2]]);
    let usage = Usage {
        requests: 1,
        prompt: 10,
        generated: 4,
        ..Usage::default()
    };
    assert!(judged.iter().all(|own| own.usage == usage));
    assert_eq!(rewards(&verifier, asked), [[0.75; 2], [0.0; 2]]);
    let calls = critic.asked.lock().unwrap();
    let [first, again] = &calls[..] else {
        panic!("{} calls", calls.len())
    };
    let seeds = |call: &[Extension]| -> Vec<Vec<u64>> {
        call.iter().map(|own| own.seeds.clone()).collect()
    };
    assert_eq!(
        seeds(first),
        seeds(again),
        "the same solution is judged the same"
    );
    assert_eq!(seeds(first).concat().len(), 8);
    let [whole, begun] = &first[..] else {
        panic!("{} questions", first.len())
    };
    assert!(whole.steps.is_empty() && whole.until == Until::Answer);
    assert!(
        whole.problem.text.contains("\n\n3 + 4 = 7\n\n") && !whole.problem.text.contains("think>")
    );
    assert!(
        begun
            .problem
            .text
            .contains("Step 1: Add them.\n\nStep 2: 3 + 4 = 8")
    );
    assert!(begun.problem.text.contains("beginning of a solution"));
}

#[test]
fn a_word_is_as_sure_as_its_probability() {
    let p = |word: &'static str, logprob| {
        let critic = Critic {
            logprob,
            ..Critic::new(move |_, _| word.to_owned())
        };
        let prompt = JudgePrompt::named("p-yes").unwrap();
        let given = rewards(&judging(&critic, prompt), vec![prefix(&["= 7"], true)])[0][0];
        let asked = critic.asked.lock().unwrap().concat();
        assert_eq!(
            (asked[0].max_tokens, asked[0].sampling),
            (1, Sampling::GREEDY)
        );
        assert_eq!(asked[0].seeds.len(), 1);
        given
    };
    assert!((p("Yes", Some(-0.105)) - (-0.105f64).exp()).abs() < 1e-6);
    assert!((p(" no", Some(-0.105)) - (1.0 - (-0.105f64).exp())).abs() < 1e-6);
    assert_eq!((p("Yes", None), p("No", None)), (1.0, 0.0));
    assert_eq!(p("Perhaps", Some(-0.1)), 0.5);
}

#[test]
fn each_step_is_a_question_where_that_is_asked_for() {
    let critic = Critic::new(|prompt, _| if prompt.contains("two") { "No" } else { "Yes" }.into());
    let prompt = JudgePrompt {
        each_step: true,
        ..JudgePrompt::default()
    };
    let given = rewards(
        &judging(&critic, prompt),
        vec![prefix(&["one", "two", "three"], true)],
    );
    assert_eq!(given, [[1.0, 0.0, 0.0]]);
    let asked = critic.asked.lock().unwrap().concat();
    let begun = |own: &Extension| own.problem.text.contains("beginning");
    let begun: Vec<bool> = asked.iter().map(begun).collect();
    assert_eq!(begun, [true, true, false]);
}

#[test]
fn what_cannot_be_read_is_told_and_a_model_that_says_nothing_readable_is_refused() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let readable = |vote: usize| if vote % 2 == 1 { "Yes" } else { "Hm" };
    let prompt = JudgePrompt {
        votes: 8,
        ..JudgePrompt::default()
    };
    let verifier = judging(
        Critic::new(move |_, vote| readable(vote).into()),
        prompt.clone(),
    );
    let verifier =
        verifier.telling(move |unread, asked, _| heard.lock().unwrap().push((unread, asked)));
    let given = rewards(&verifier, vec![prefix(&["= 7"], true)]);
    assert_eq!(given, [[1.0]], "what cannot be read is no vote");
    assert_eq!(
        (told.lock().unwrap().as_slice(), verifier.unreadable()),
        (&[(1, 1), (2, 3), (4, 7)][..], (4, 8))
    );
    let silent = judging(Critic::new(|_, _| "Hm".into()), prompt);
    assert_eq!(rewards(&silent, vec![prefix(&["= 7"], true)]), [[0.5]]);
    let refused = block_on(silent.score(vec![prefix(&["= 8"], true)])).unwrap_err();
    insta::assert_snapshot!(refused, @"none of its first 16 verdicts can be read, the last of which is `Hm`; ask it by another prompt");
}

/// Solves by guessing and judges by knowing.
struct Both;

impl Policy for Both {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: Extension| -> Reply {
            let judges = request.problem.text.contains("Check the solution");
            let say = |seed: &u64| Continuation {
                steps: vec![Step::written(match judges {
                    true if request.problem.text.contains(r"\boxed{7}.") => r"\boxed{Yes}".into(),
                    true => r"\boxed{No}".into(),
                    false => format!(r"\boxed{{{}}}.", seed % 9),
                })],
                stop: Stop::Answer,
            };
            let usage = Usage {
                requests: 1,
                generated: 3 * request.seeds.len() as u64,
                ..Usage::default()
            };
            (request.seeds.iter().map(say).collect(), usage)
        };
        ready(Ok(requests.into_iter().map(reply).collect())).boxed()
    }
}

#[test]
fn a_policy_that_knows_better_than_it_guesses_gains_by_judging_itself() {
    let judge = judging(&Both, JudgePrompt::default());
    let best = Selection::Scored(Scoring::LAST, Voting::MAX);
    let search = Search::new(&Both)
        .verifier(&judge)
        .method(BEST_OF_N)
        .budget(64)
        .selection(best);
    let outcome = block_on(search.solve(&Problem::new("What is 3 + 4?"))).unwrap();
    assert_eq!(outcome.answer.as_deref(), Some("7"));
    // One verdict a distinct solution, all of them counted.
    let distinct = outcome.tree.nodes().len() as u64 - 1;
    assert_eq!(
        (
            outcome.tree.verifier.requests,
            outcome.tree.verifier.generated
        ),
        (distinct, 3 * distinct)
    );
}

#[test]
fn prompts_that_cannot_be_asked_say_why() {
    let refused = |prompt: JudgePrompt| prompt.checked().unwrap_err();
    let usual = JudgePrompt::default();
    insta::assert_snapshot!(refused(JudgePrompt::asking("Right?")), @"a verifier's prompt has `{solution}` or `{steps}` where the solution goes, and `{problem}` where the problem goes");
    insta::assert_snapshot!(refused(JudgePrompt { votes: 0, ..usual.clone() }), @"a verifier has from 1 to 1024 votes, not 0");
    let word = JudgePrompt::named("p-yes").unwrap();
    insta::assert_snapshot!(refused(JudgePrompt { votes: 2, ..word }), @"under `p-yes` the likeliest word is drawn, which is the same in every vote; leave out the votes");
    for name in JudgePrompt::NAMES {
        assert!(JudgePrompt::named(name).unwrap().checked().is_ok());
    }
}

proptest! {
    #[test]
    fn whatever_is_said_there_is_one_reward_in_bounds_for_each_step(
        said in prop::collection::vec("\\PC{0,20}|Yes|no|\\\\boxed\\{(Yes|No|x)\\}", 1..4),
        logprob in prop::option::of(prop::sample::select(vec![0.0f32, -3.0, 5.0, f32::NAN, f32::NEG_INFINITY])),
        steps in 1usize..5,
        votes in 1usize..4,
        word: bool,
        each_step: bool,
    ) {
        let own = said.clone();
        let critic = Critic { logprob, ..Critic::new(move |_, vote| own[vote % own.len()].clone()) };
        let prompt = JudgePrompt::named(if word { "p-yes" } else { "verdict" }).unwrap();
        let prompt = JudgePrompt { votes: if word { 1 } else { votes }, each_step, ..prompt };
        let given = rewards(&judging(critic, prompt), vec![prefix(&vec!["a step"; steps], true)]);
        prop_assert_eq!(given[0].len(), steps);
        prop_assert!(given[0].iter().all(|reward| (0.0..=1.0).contains(reward)), "{given:?}");
    }
}
