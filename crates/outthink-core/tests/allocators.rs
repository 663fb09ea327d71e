//! Allocators that anyone may write: what cannot be drawn is an error of the problem, never a panic or a search without end.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use insta::assert_snapshot;
use outthink_core::method::{Allocator, Branch, Grown, Method, Plan, Traits};
use outthink_core::selection::{ScoredAnswer, Vote};
use outthink_core::{AnyMethod, NodeId, Tree, Voting};
use scripted::{LIMITS, Scorer, Script, run};

/// Asks for so many samples of a node, round after round, and keeps a node.
#[derive(Debug)]
struct Asks {
    name: &'static str,
    draws: usize,
    node: NodeId,
    rounds: usize,
    keeps: NodeId,
}

impl Method for Asks {
    fn name(&self) -> &'static str {
        self.name
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            ..Traits::default()
        }
    }

    fn start(&self, _: &Plan, _: u64) -> Box<dyn Allocator> {
        let Self { draws, node, .. } = *self;
        let branch = Branch {
            node,
            draws,
            part: 0,
        };
        Box::new(Asking {
            branch,
            rounds: self.rounds,
            keeps: self.keeps,
        })
    }
}

struct Asking {
    branch: Branch,
    rounds: usize,
    keeps: NodeId,
}

impl Allocator for Asking {
    fn first(&mut self) -> Vec<Branch> {
        vec![self.branch]
    }

    fn next(&mut self, _: &Tree, _: &[Grown]) -> Vec<Branch> {
        self.rounds -= 1;
        let more = self.rounds > 0;
        more.then_some(self.branch).into_iter().collect()
    }

    fn kept(&self) -> Vec<NodeId> {
        vec![self.keeps]
    }
}

#[test]
fn what_cannot_be_drawn_is_an_error_of_the_problem() {
    let told = |name, draws, node, rounds, keeps| {
        let method = AnyMethod::register(Asks {
            name,
            draws,
            node,
            rounds,
            keeps,
        });
        let plan = Plan::of(method.unwrap(), 4).unwrap();
        let policy = Script::cycling([("", "a/ b/")]);
        let tree = run(&plan, LIMITS, &policy, Some(&Scorer::constant(0.5)));
        tree.map_or_else(|error| error.to_string(), |tree| format!("{:?}", tree.kept))
    };
    assert_eq!(told("modest", 4, 0, 8, 1), "[1]", "8 steps are the limit");
    assert_snapshot!(told("endless", 4, 0, 1_000_000, 1), @"endless cannot go on with problem p: more samples than 4 solutions of 8 steps have");
    assert_snapshot!(told("idle", 0, 0, 2, 0), @"idle cannot go on with problem p: a round of 0 samples, with a budget of 4");
    assert_snapshot!(told("greedy-for-more", 5, 0, 1, 0), @"greedy-for-more cannot go on with problem p: a round of 5 samples, with a budget of 4");
    assert_snapshot!(told("lost", 1, 9, 1, 0), @"lost cannot go on with problem p: there is no node 9 in its tree of 1");
    assert_snapshot!(told("keeper-of-none", 1, 0, 1, 7), @"keeper-of-none cannot go on with problem p: there is no node 7 in its tree of 2");
}

#[test]
fn a_name_has_one_owner() {
    struct Mine;
    struct Other;
    macro_rules! vote {
        ($type:ident, $name:literal) => {
            impl Vote for $type {
                fn name(&self) -> &'static str {
                    $name
                }

                fn weights(&self, _: &[ScoredAnswer], classes: usize) -> Vec<f64> {
                    vec![1.0; classes]
                }
            }
        };
    }
    struct Max;
    vote!(Mine, "mine");
    vote!(Other, "mine");
    vote!(Max, "max");
    let mine = Voting::register(Mine).unwrap();
    assert_eq!(Voting::register(Mine), Ok(mine), "the same again");
    assert_snapshot!(Voting::register(Other).unwrap_err(), @"there is another `mine` already");
    assert_snapshot!(Voting::register(Max).unwrap_err(), @"there is another `max` already");
    let asks = |name| Asks {
        name,
        draws: 1,
        node: 0,
        rounds: 1,
        keeps: 0,
    };
    let own = AnyMethod::register(asks("mine")).unwrap();
    assert_eq!(AnyMethod::register(asks("mine")), Ok(own));
    // A name, and another one in use.
    for name in ["beam", "greedy"] {
        let told = AnyMethod::register(asks(name)).unwrap_err();
        assert_eq!(told, format!("there is another method `{name}` already"));
    }
    assert_snapshot!(AnyMethod::register(asks("My Method")).unwrap_err(), @"`My Method` cannot be a method's name: it has lower-case letters, digits and hyphens");
}
