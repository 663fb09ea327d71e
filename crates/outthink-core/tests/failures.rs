//! What a search makes of models that fail or misbehave: an error with a name, never a panic, a hang or a score.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{BoxFuture, FutureExt, ready};
use insta::{assert_debug_snapshot, assert_snapshot};
use outthink_core::method::{BEAM, BEST_OF_N, DVTS, MAJORITY};
use outthink_core::{
    AnyMethod, Continuation, Error, Extension, Finished, Judgement, Limits, ModelError, Plan,
    Policy, Prefix, Reply, Selection, Step, Stop, Usage, Verifier,
};
use proptest::prelude::*;
use scripted::{AfterEquals, LIMITS, Scorer, Script, chosen_by, plan, run, step};

/// A model that fails.
struct Lost(&'static str);

impl Policy for Lost {
    fn extend(&self, _: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        ready(Err(self.0.into())).boxed()
    }
}

impl Verifier for Lost {
    fn score(&self, _: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        ready(Err(self.0.into())).boxed()
    }
}

/// A model whose replies are spoilt on the way.
struct Spoilt<M, R>(M, fn(&mut R));

impl Policy for Spoilt<Script, Vec<Reply>> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let mut replies = self.0.extend(requests).await?;
            (self.1)(&mut replies);
            Ok(replies)
        }
        .boxed()
    }
}

impl Verifier for Spoilt<Scorer, Vec<Judgement>> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let mut judgements = self.0.score(prefixes).await?;
            (self.1)(&mut judgements);
            Ok(judgements)
        }
        .boxed()
    }
}

fn script() -> Script {
    Script::cycling([("", "a/=1. b/=2."), ("a/", "=1."), ("b/", "=2.")])
}

fn fails(method: AnyMethod, policy: &dyn Policy, verifier: &dyn Verifier) -> Error {
    run(&plan(method, 4, 2), LIMITS, policy, Some(verifier)).unwrap_err()
}

fn spoilt_policy(method: AnyMethod, spoil: fn(&mut Vec<Reply>)) -> String {
    fails(method, &Spoilt(script(), spoil), &Scorer::constant(0.5)).to_string()
}

/// All methods that ask a verifier fail alike.
fn spoilt_verifier(spoil: fn(&mut Vec<Judgement>)) -> String {
    let verifier = Spoilt(Scorer::constant(0.5), spoil);
    let [best_of_n, beam, dvts] =
        [BEST_OF_N, BEAM, DVTS].map(|method| fails(method, &script(), &verifier).to_string());
    assert_eq!(dvts, beam);
    // Whole solutions have two steps, first steps are one.
    assert_eq!(
        best_of_n.replace(char::is_numeric, ""),
        beam.replace(char::is_numeric, "")
    );
    beam
}

#[test]
fn a_failure_of_a_model_is_an_error_of_its_problem_in_its_own_words() {
    let error = fails(BEAM, &Lost("the server hung up"), &Scorer::constant(0.5));
    assert_snapshot!(error, @"the policy failed on problem p");
    assert_snapshot!(error.source().unwrap(), @"the server hung up");
    let error = fails(BEAM, &script(), &Lost("out of memory"));
    assert_snapshot!(error, @"the verifier failed on problem p");
    assert_snapshot!(error.source().unwrap(), @"out of memory");
}

#[test]
fn a_policy_that_miscounts_is_told_what_it_was_asked_for() {
    let steps = |spoil| spoilt_policy(BEAM, spoil);
    assert_snapshot!(steps(|replies| replies.clear()), @"the policy returned 0 replies for 1 on problem p");
    assert_snapshot!(steps(|replies| replies.push(replies[0].clone())), @"the policy returned 2 replies for 1 on problem p");
    assert_snapshot!(steps(|replies| replies[0].0.truncate(1)), @"the policy returned 1 continuations for 4 on problem p");
    assert_snapshot!(steps(|replies| replies[0].0.extend_from_within(..1)), @"the policy returned 5 continuations for 4 on problem p");
    assert_snapshot!(steps(|replies| replies[0].0[0].steps.push(step("c/"))), @"the policy returned 2 steps for 1 on problem p");
    let stops = spoilt_policy(MAJORITY, |replies| replies[0].0[0].stop = Stop::Step);
    assert_snapshot!(stops, @"the policy stopped after a step of problem p where it was asked for the whole answer");
}

#[test]
fn a_verifier_that_miscounts_is_told_what_it_was_asked_for() {
    assert_snapshot!(spoilt_verifier(|judgements| judgements.clear()), @"the verifier returned 0 judgements for 2 on problem p");
    assert_snapshot!(spoilt_verifier(|judgements| judgements.push(judgements[0].clone())), @"the verifier returned 3 judgements for 2 on problem p");
    assert_snapshot!(spoilt_verifier(|judgements| judgements[1].rewards.clear()), @"the verifier returned 0 rewards for 1 on problem p");
    assert_snapshot!(spoilt_verifier(|judgements| judgements[1].rewards.push(0.5)), @"the verifier returned 2 rewards for 1 on problem p");
}

#[test]
fn a_reward_is_a_number_from_zero_to_one() {
    assert_snapshot!(spoilt_verifier(|judgements| judgements[0].rewards[0] = f64::NAN), @"the verifier returned NaN as a reward on problem p; rewards lie in [0, 1]");
    assert_snapshot!(spoilt_verifier(|judgements| judgements[0].rewards[0] = 1.5), @"the verifier returned 1.5 as a reward on problem p; rewards lie in [0, 1]");
    assert_snapshot!(spoilt_verifier(|judgements| judgements[1].rewards[0] = -1e-9), @"the verifier returned -0.000000001 as a reward on problem p; rewards lie in [0, 1]");
    assert_snapshot!(spoilt_verifier(|judgements| judgements[1].rewards[0] = f64::INFINITY), @"the verifier returned inf as a reward on problem p; rewards lie in [0, 1]");
    for reward in [0.0, -0.0, 1.0] {
        let verifier = Scorer::constant(reward);
        run(&plan(BEAM, 4, 2), LIMITS, &script(), Some(&verifier)).unwrap();
    }
}

#[test]
fn errors_have_types_to_tell_them_apart() {
    let verifier = Spoilt(Scorer::constant(0.5), |judgements: &mut Vec<Judgement>| {
        judgements.truncate(1);
    });
    assert_debug_snapshot!(fails(BEAM, &script(), &verifier), @r#"
    Misshaped {
        model: "verifier",
        what: "judgements",
        expected: 2,
        got: 1,
        problem: "p",
    }
    "#);
    let verifier = Scorer::constant(2.0);
    assert_debug_snapshot!(fails(BEAM, &script(), &verifier), @r#"
    RewardOutOfRange {
        reward: 2.0,
        problem: "p",
    }
    "#);
}

#[test]
fn a_method_that_needs_a_verifier_does_not_start_without_one() {
    for method in AnyMethod::all()
        .into_iter()
        .filter(|method| method.needs_verifier())
    {
        let policy = script();
        let error = run(&plan(method, 4, 2), LIMITS, &policy, None).unwrap_err();
        assert_eq!(error.to_string(), format!("{method} needs a verifier"));
        assert!(policy.calls().is_empty());
    }
}

/// Vec<Reply> with whatever comes next, in nearly the right numbers.
#[derive(Debug)]
struct Hostile<T> {
    says: Vec<T>,
    /// Added to the number of replies of a call.
    off: Vec<isize>,
    said: AtomicUsize,
    calls: AtomicUsize,
}

impl<T: Clone> Hostile<T> {
    fn next(&self) -> T {
        self.says[self.said.fetch_add(1, Ordering::Relaxed) % self.says.len()].clone()
    }

    fn count(&self, asked: usize) -> usize {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(call < 1000, "the search goes on for ever");
        asked.saturating_add_signed(self.off[call % self.off.len()])
    }
}

impl Policy for Hostile<Continuation> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = |request: &Extension| {
            let continuations = request.seeds.iter().map(|_| self.next()).collect();
            (continuations, Usage::default())
        };
        let mut replies: Vec<Reply> = requests.iter().map(reply).collect();
        replies.resize(self.count(replies.len()), (Vec::new(), Usage::default()));
        ready(Ok(replies)).boxed()
    }
}

impl Verifier for Hostile<f64> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        let judge = |prefix: &Prefix| {
            let steps = &prefix.steps;
            assert!(!steps.is_empty() && steps.iter().all(|step| !step.text.is_empty()));
            Judgement {
                rewards: prefix.steps.iter().map(|_| self.next()).collect(),
                usage: Usage::default(),
            }
        };
        let mut judgements: Vec<Judgement> = prefixes.iter().map(judge).collect();
        if let Some(last) = judgements.last_mut() {
            let rewards = self.count(last.rewards.len());
            last.rewards.resize(rewards, 0.5);
        }
        ready(Ok(judgements)).boxed()
    }
}

fn hostile<T: Clone + std::fmt::Debug>(
    says: impl Strategy<Value = T>,
) -> impl Strategy<Value = Hostile<T>> {
    let off = prop_oneof![40 => Just(0), 1 => Just(-1), 1 => Just(1)];
    (
        prop::collection::vec(says, 1..20),
        prop::collection::vec(off, 1..8),
    )
        .prop_map(|(says, off)| Hostile {
            says,
            off,
            said: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
        })
}

/// Few texts and tokens, so that steps meet: blank ones, silent ones, equal tokens with other texts and stops.
fn continuation(stepwise: bool) -> impl Strategy<Value = Continuation> {
    let text = prop::sample::select(vec!["", " ", "a", "=1", " =2\n", "é"]);
    let tokens = prop::collection::vec(0u32..3, 0..3);
    let step = (text, tokens, any::<f64>()).prop_map(|(text, tokens, logprob)| Step {
        text: text.into(),
        tokens,
        logprob,
        ..Step::default()
    });
    let most = if stepwise { 1 } else { 3 };
    let steps = prop_oneof![
        30 => prop::collection::vec(step.clone(), 0..=most),
        1 => prop::collection::vec(step, 0..4),
    ];
    let steps_end = if stepwise { 20 } else { 1 };
    let stop = prop_oneof![
        steps_end => Just(Stop::Step),
        10 => Just(Stop::Answer),
        5 => Just(Stop::Length),
    ];
    (steps, stop).prop_map(|(steps, stop)| Continuation { steps, stop })
}

fn reward() -> impl Strategy<Value = f64> {
    prop_oneof![60 => 0.0..=1.0, 20 => Just(1.0), 1 => any::<f64>()]
}

fn setting() -> impl Strategy<Value = (Plan, Hostile<Continuation>)> {
    let finished = [Finished::Official, Finished::Refill, Finished::Compete];
    let method = prop::sample::select(AnyMethod::all()[1..].to_vec());
    (
        method,
        1usize..5,
        1usize..5,
        prop::sample::select(finished.to_vec()),
    )
        .prop_flat_map(|(method, beams, width, finished)| {
            let plan = Plan::new(method, beams * width, width, finished).unwrap();
            (Just(plan), hostile(continuation(method.is_stepwise())))
        })
}

fn limits() -> impl Strategy<Value = Limits> {
    (0usize..4, 0usize..12, 0usize..5).prop_map(|(draw_tokens, solution_tokens, steps)| Limits {
        draw_tokens,
        solution_tokens,
        steps,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_the_models_say_the_search_ends_with_a_sound_tree_or_an_error(
        (plan, policy) in setting(),
        verifier in hostile(reward()),
        limits in limits(),
    ) {
        let Ok(tree) = run(&plan, limits, &policy, Some(&verifier)) else {
            return Ok(());
        };
        let mut kept = tree.kept.clone();
        kept.sort_unstable();
        kept.dedup();
        prop_assert_eq!(kept.len(), tree.kept.len(), "a path is kept once");
        let solutions = tree.solutions();
        for solution in &solutions {
            prop_assert!(solution.count > 0);
            prop_assert!(solution.stop == Stop::Answer || !plan.method().is_stepwise() && solution.stop == Stop::Length);
            let scored = plan.method().needs_verifier() && solution.stop == Stop::Answer;
            let rewards = if scored { solution.steps.len() } else { 0 };
            prop_assert_eq!(solution.rewards.len(), rewards);
        }
        for selection in Selection::rewarded() {
            if let Some(chosen) = chosen_by(selection, &solutions, &AfterEquals) {
                prop_assert!(0.0 < chosen.agreement && chosen.agreement <= 1.0);
            }
        }
    }
}
