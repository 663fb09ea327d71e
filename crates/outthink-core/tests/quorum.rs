//! A search that does not wait for its last draws.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod scripted;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::{BoxFuture, pending, ready};
use outthink_core::method::{BEAM, MAJORITY};
use outthink_core::{
    AnyMethod, Capped, Error, Extension, Halt, ModelError, Plan, Policy, Quorum, QuorumPolicy,
    Reply, Stop, Tree,
};
use scripted::{Draw, LIMITS, Scorer, Script, kept, plan, run, show};

/// What becomes of a draw.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Comes,
    Fails,
    NeverEnds,
}

/// A script some of whose draws fail or never end: asked for with others, they take these with them.
struct Unsteady<F> {
    script: Script,
    fate: F,
}

impl<F: Fn(&Draw<'_>) -> Fate + Send + Sync> Policy for Unsteady<F> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let fates = requests.iter().flat_map(|request| {
            let path = scripted::path_of(&request.steps);
            let fate = move |&seed: &u64| {
                let draw = Draw {
                    problem: &request.problem,
                    path: &path,
                    seed,
                };
                (self.fate)(&draw)
            };
            request.seeds.iter().map(fate).collect::<Vec<_>>()
        });
        let fates: Vec<Fate> = fates.collect();
        if fates.contains(&Fate::Fails) {
            return ready(Err("the server broke down".into())).boxed();
        }
        if fates.contains(&Fate::NeverEnds) {
            return pending().boxed();
        }
        self.script.extend(requests)
    }
}

fn majority(
    quorum: Quorum,
    fate: impl Fn(&Draw<'_>) -> Fate + Send + Sync,
) -> (Result<Tree, Error>, u64) {
    let script = Script::new(|draw| format!("={}.", draw.index() % 3));
    let policy = QuorumPolicy::new(Unsteady { script, fate }, quorum);
    let tree = run(&plan(MAJORITY, 6, 1), LIMITS, &policy, None);
    (tree, policy.lost())
}

/// Texts of whole solutions, as often as they were drawn, and how many draws brought none.
fn drawn(tree: &Tree) -> (Vec<(String, usize)>, usize) {
    let solutions = tree.solutions();
    let (whole, none): (Vec<_>, Vec<_>) = solutions
        .iter()
        .partition(|own| own.stop == Stop::Answer && !own.steps.is_empty());
    let whole = whole.iter().map(|own| (own.text(), own.count)).collect();
    (whole, none.iter().map(|own| own.count).sum())
}

const SOON: Option<f64> = Some(0.02);

#[test]
fn a_round_goes_on_without_the_draws_that_never_end() {
    let quorum = Quorum {
        least: 4,
        seconds: SOON,
    };
    let (tree, lost) = majority(quorum, |draw| match draw.index() {
        1 | 3 => Fate::NeverEnds,
        _ => Fate::Comes,
    });
    let expected = [("=0", 1), ("=2", 2), ("=1", 1)].map(|(text, count)| (text.to_owned(), count));
    let tree = tree.unwrap();
    let (mut whole, none) = drawn(&tree);
    whole.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!((whole, none, lost), (expected, 2, 2));
    // Of what never ended, nobody knows what it cost.
    assert_eq!(tree.policy.estimated, 2);
}

#[test]
fn as_many_draws_may_fail_as_the_quorum_can_spare() {
    let failing = |fails: usize| {
        let quorum = Quorum {
            least: 4,
            seconds: None,
        };
        majority(quorum, move |draw| match draw.index() < fails {
            true => Fate::Fails,
            false => Fate::Comes,
        })
    };
    let (tree, lost) = failing(2);
    assert_eq!((drawn(&tree.unwrap()).1, lost), (2, 2));
    let error = failing(3).0.unwrap_err();
    let Error::Policy { source, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(source.to_string(), "the server broke down");
}

#[test]
fn late_and_failed_draws_are_counted_together() {
    let quorum = Quorum {
        least: 4,
        seconds: SOON,
    };
    let (tree, lost) = majority(quorum, |draw| match draw.index() {
        0 => Fate::Fails,
        5 => Fate::NeverEnds,
        _ => Fate::Comes,
    });
    assert_eq!((drawn(&tree.unwrap()).1, lost), (2, 2));
}

#[test]
fn a_round_that_is_late_waits_for_its_quorum() {
    /// The draws of a script, a while after they are asked for: the later, the higher their number.
    struct Slow(Script);
    impl Policy for Slow {
        fn extend(
            &self,
            requests: Vec<Extension>,
        ) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
            async move {
                let draw = Draw {
                    problem: &requests[0].problem,
                    path: "",
                    seed: requests[0].seeds[0],
                };
                let millis = 30 + 300 * draw.index() as u64;
                futures_timer::Delay::new(std::time::Duration::from_millis(millis)).await;
                self.0.extend(requests).await
            }
            .boxed()
        }
    }
    let quorum = Quorum {
        least: 2,
        seconds: Some(0.001),
    };
    let script = Script::new(|draw| format!("={}.", draw.index()));
    let policy = QuorumPolicy::new(Slow(script), quorum);
    let tree = run(&plan(MAJORITY, 20, 1), LIMITS, &policy, None).unwrap();
    let (whole, none) = drawn(&tree);
    assert!(whole.len() >= 2 && none > 0, "{whole:?}");
    assert_eq!(whole[0], ("=0".into(), 1));
}

#[test]
fn a_smaller_round_needs_all_of_its_own_draws() {
    // Two beams of one draw each, and a quorum of five.
    let quorum = Quorum {
        least: 5,
        seconds: None,
    };
    let fate = |draw: &Draw<'_>| match draw.path {
        "a/" => Fate::Fails,
        _ => Fate::Comes,
    };
    let script = Script::cycling([("", "a/ b/"), ("a/", "=1."), ("b/", "=2.")]);
    let policy = QuorumPolicy::new(Unsteady { script, fate }, quorum);
    let verifier = Scorer::constant(0.5);
    let error = run(&plan(BEAM, 2, 1), LIMITS, &policy, Some(&verifier)).unwrap_err();
    assert!(matches!(error, Error::Policy { .. }), "{error}");
}

#[test]
fn a_beam_whose_draws_are_lost_ends_and_the_others_go_on() {
    let quorum = Quorum {
        least: 1,
        seconds: SOON,
    };
    let fate = |draw: &Draw<'_>| match draw.path {
        "a/" => Fate::NeverEnds,
        _ => Fate::Comes,
    };
    let script = Script::cycling([("", "a/ b/"), ("a/", "=1."), ("b/", "=2.")]);
    let policy = QuorumPolicy::new(Unsteady { script, fate }, quorum);
    let verifier = Scorer::constant(0.5);
    let tree = run(&plan(BEAM, 4, 2), LIMITS, &policy, Some(&verifier)).unwrap();
    assert_eq!(kept(&tree), ["b/=2."]);
    assert_eq!(policy.lost(), 2);
}

#[test]
fn a_halt_ends_a_search_under_a_quorum_and_its_draws_are_not_late() {
    let script = Script::new(|_| "=7.".into());
    let fate = |draw: &Draw<'_>| match draw.index() {
        0 => Fate::NeverEnds,
        _ => Fate::Comes,
    };
    let quorum = Quorum {
        least: 6,
        seconds: None,
    };
    let policy = QuorumPolicy::new(Unsteady { script, fate }, quorum);
    let halt = Halt::after(6);
    let tree = run(
        &plan(MAJORITY, 6, 1),
        LIMITS,
        &Capped::new(&policy, &halt),
        None,
    );
    let (whole, none) = drawn(&tree.unwrap());
    assert_eq!((whole, none, policy.lost()), (vec![("=7".into(), 2)], 4, 0));
}

#[test]
fn where_nothing_is_lost_every_method_grows_the_tree_that_it_grows_without_a_quorum() {
    let quorum = Quorum {
        least: 1,
        seconds: Some(600.0),
    };
    for method in AnyMethod::all() {
        let plan = Plan::of(method, method.default_budget().min(8)).unwrap();
        let grown = |quorum: Option<Quorum>| {
            let script = Script::new(|draw| match (draw.path.len(), draw.index() % 3) {
                (4.., index) => format!("={index}."),
                (_, index) => format!("{index}/"),
            });
            let verifier = Scorer::new(|path| {
                let digits = path.chars().filter_map(|own| own.to_digit(10));
                f64::from(digits.sum::<u32>() % 7) / 7.0
            });
            let tree = match quorum {
                None => run(&plan, LIMITS, &script, Some(&verifier)),
                Some(quorum) => {
                    let policy = QuorumPolicy::new(&script, quorum);
                    run(&plan, LIMITS, &policy, Some(&verifier))
                }
            };
            show(&tree.unwrap())
        };
        assert_eq!(grown(None), grown(Some(quorum)), "{method}");
    }
}

#[test]
fn every_method_ends_with_what_it_has_whichever_draws_are_lost() {
    let quorum = Quorum {
        least: 1,
        seconds: None,
    };
    for method in AnyMethod::all() {
        let plan = Plan::of(method, method.default_budget().min(8)).unwrap();
        for lost in 0..8 {
            let script = Script::new(|draw| match (draw.path.len(), draw.index() % 3) {
                (4.., index) => format!("={index}."),
                (_, index) => format!("{index}/"),
            });
            let fate = move |draw: &Draw<'_>| match (draw.seed >> lost) & 3 {
                0 => Fate::Fails,
                _ => Fate::Comes,
            };
            let policy = QuorumPolicy::new(Unsteady { script, fate }, quorum);
            let verifier = Scorer::new(|path| 1.0 / (path.len() + 1) as f64);
            match run(&plan, LIMITS, &policy, Some(&verifier)) {
                Ok(tree) => {
                    let offered = tree.kept.iter().map(|&node| tree.nodes()[node].finished);
                    let whole = |finished: Option<(Stop, usize)>| {
                        finished.is_some_and(|(stop, _)| stop == Stop::Answer)
                            || !method.is_stepwise()
                    };
                    assert!(offered.into_iter().all(whole), "{method}");
                }
                // All draws of a round.
                Err(error) => assert!(
                    matches!(error, Error::Policy { .. } | Error::Prompted { .. }),
                    "{error}"
                ),
            }
        }
    }
}

#[test]
fn a_time_that_no_clock_counts_is_as_none() {
    for seconds in [1e19, f64::INFINITY, f64::NAN, -1.0] {
        let quorum = Quorum {
            least: 1,
            seconds: Some(seconds),
        };
        let (tree, _) = majority(quorum, |_| Fate::Comes);
        assert!(tree.is_ok(), "{seconds}");
    }
}

#[test]
fn a_child_halt_stops_with_its_parent_and_not_the_other_way_round() {
    let parent = Halt::after(10);
    let (one, other) = (parent.child(), parent.child());
    one.stop();
    assert!(one.is_stopped() && !other.is_stopped() && !parent.is_stopped());
    block_on(one.stopped());
    other.drew(10);
    assert!(other.is_stopped() && parent.is_stopped());
    block_on(other.stopped());
}
