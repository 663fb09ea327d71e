//! A search under a halt ends with what it has, and what it drew by then is counted.

mod scripted;

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, pending, ready};
use outthink_core::method::{BEAM, MAJORITY};
use outthink_core::{
    AnyMethod, Capped, Continuation, Error, Extension, Halt, ModelError, Policy, Reply, Sampling,
    Stop, Tree, Usage, search,
};
use scripted::{LIMITS, RUN, Scorer, Script, kept, plan, problem, step};

fn capped(
    method: AnyMethod,
    budget: usize,
    policy: &dyn Policy,
    halt: &Halt,
) -> Result<Tree, Error> {
    let scorer = Scorer::constant(0.5);
    block_on(search(
        problem("p"),
        &plan(method, budget, 2),
        Sampling::at(0.7),
        LIMITS,
        RUN,
        &Capped::new(policy, halt),
        Some(&scorer),
    ))
}

/// Answers the draws from `first` on; the others never end.
struct Stuck {
    script: Script,
    first: u64,
}

impl Policy for Stuck {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let draw = scripted::Draw {
            problem: &requests[0].problem,
            path: "",
            seed: requests[0].seeds[0],
        };
        match (draw.index() as u64) < self.first {
            true => pending().boxed(),
            false => self.script.extend(requests),
        }
    }
}

#[test]
fn whole_answers_that_are_done_are_kept_and_the_others_are_said_to_be_unknown() {
    let policy = Stuck {
        script: Script::new(|_| "=7.".into()),
        first: 2,
    };
    let tree = capped(MAJORITY, 5, &policy, &Halt::after(6)).expect("a tree");
    // Two never end, two are done, and with these the halt stops before the last is asked for.
    assert_eq!(policy.script.calls().len(), 2);
    let solutions = tree.solutions();
    let done: Vec<(usize, Stop)> = solutions.iter().map(|own| (own.count, own.stop)).collect();
    assert_eq!(done, [(3, Stop::Length), (2, Stop::Answer)]);
    let spent = Usage {
        requests: 4,
        generated: 6,
        estimated: 2,
        ..Usage::default()
    };
    assert_eq!(tree.policy, spent);
}

/// Draws a token of every answer in turn and hands over what it has when a halt stops.
struct Meter(Script);

impl Policy for Meter {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.0.extend(requests)
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        async move {
            let mut replies = self.0.extend(requests).await?;
            for (continuations, usage) in &mut replies {
                usage.generated = 0;
                let whole: Vec<usize> = continuations
                    .iter()
                    .map(|own| own.steps.iter().map(|step| step.tokens.len()).sum())
                    .collect();
                let longest = whole.iter().copied().max().unwrap_or_default();
                let mut drawn = vec![0; whole.len()];
                for _ in 0..longest {
                    for (drawn, whole) in drawn.iter_mut().zip(&whole) {
                        if *drawn < *whole && !halt.is_stopped() {
                            *drawn += 1;
                            usage.generated += 1;
                            halt.drew(1);
                        }
                    }
                }
                for ((own, drawn), whole) in continuations.iter_mut().zip(drawn).zip(whole) {
                    if drawn < whole {
                        *own = Continuation {
                            steps: Vec::new(),
                            stop: Stop::Length,
                        };
                    }
                }
            }
            Ok(replies)
        }
        .boxed()
    }
}

#[test]
fn a_policy_that_can_tell_is_asked_once_for_all_and_what_it_drew_before_the_halt_counts() {
    let policy = Meter(Script::cycling([("", "a/b/=7. =7.")]));
    let tree = capped(MAJORITY, 8, &policy, &Halt::after(25)).expect("a tree");
    assert_eq!(policy.0.calls(), [[(String::new(), 8)]]);
    // Four short answers take 12 tokens, the long ones have 13 by then.
    assert_eq!(tree.policy.generated, 25);
    assert_eq!((tree.policy.requests, tree.policy.estimated), (1, 0));
    assert_eq!(kept(&tree), ["", "=7."]);
    assert_eq!(tree.solutions()[1].count, 4);
}

#[test]
fn without_a_reason_to_stop_a_halt_changes_nothing() {
    let script = || Script::cycling([("", "a/ =7."), ("a/", "=8.")]);
    for method in [MAJORITY, BEAM] {
        let free = scripted::run(
            &plan(method, 4, 2),
            LIMITS,
            &script(),
            Some(&Scorer::constant(0.5)),
        );
        let tree = capped(method, 4, &Meter(script()), &Halt::default()).expect("a tree");
        assert_eq!(tree, free.expect("a tree"));
    }
}

#[test]
fn a_search_by_steps_ends_after_the_round_in_which_it_is_halted() {
    let policy = Meter(Script::new(|_| "a/".into()));
    let tree = capped(BEAM, 4, &policy, &Halt::after(10)).expect("a tree");
    assert_eq!(tree.policy.generated, 10);
    assert_eq!(policy.0.calls().len(), 2);
    assert!(tree.solutions().iter().all(|own| own.stop == Stop::Length));
    // What is stopped before it begins asks nobody.
    let (policy, halt) = (Meter(Script::new(|_| "a/".into())), Halt::default());
    halt.stop();
    let tree = capped(BEAM, 4, &policy, &halt).expect("a tree");
    assert_eq!((policy.0.calls().len(), tree.policy), (0, Usage::default()));
}

/// Leaves out replies, or draws of a reply.
struct Silent(bool);

impl Policy for Silent {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let drawn = Continuation {
            steps: vec![step("=7.")],
            stop: Stop::Answer,
        };
        let reply = |_: &Extension| (vec![drawn.clone(); 2], Usage::default());
        let replies = requests.iter().filter(|_| self.0).map(reply).collect();
        ready(Ok(replies)).boxed()
    }
}

#[test]
fn a_policy_that_does_not_reply_to_every_draw_has_failed() {
    for (replies, told) in [
        (false, "the policy returned 0 replies to 1 request"),
        (true, "the policy returned 2 draws for 1"),
    ] {
        let failed = capped(MAJORITY, 2, &Silent(replies), &Halt::default());
        let source = match failed {
            Err(Error::Policy { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(source, told);
    }
}
