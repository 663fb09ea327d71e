//! A method and a vote that this file alone defines are asked for by their names, as any other.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use outthink_core::method::{Allocator, Branch, Grown, Method, Plan, Traits};
use outthink_core::selection::{ScoredAnswer, Vote, Voting};
use outthink_core::{AnyMethod, NodeId, Tree};
use serde_json::json;
use server::{Server, asked, with};

/// Whole solutions, scored.
#[derive(Debug)]
struct Whole;

impl Method for Whole {
    fn name(&self) -> &'static str {
        "whole"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            ..Traits::default()
        }
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Round {
            draws: plan.budget(),
            done: Vec::new(),
        })
    }
}

struct Round {
    draws: usize,
    done: Vec<NodeId>,
}

impl Allocator for Round {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.draws,
            part: 0,
        }]
    }

    fn next(&mut self, _: &Tree, grown: &[Grown]) -> Vec<Branch> {
        self.done
            .extend(grown.iter().flat_map(|grown| &grown.children));
        self.done.sort_unstable();
        self.done.dedup();
        Vec::new()
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}

/// The worst score of an answer's solutions.
struct Worst;

impl Vote for Worst {
    fn name(&self) -> &'static str {
        "worst"
    }

    fn weights(&self, solutions: &[ScoredAnswer], classes: usize) -> Vec<f64> {
        let mut weights = vec![f64::INFINITY; classes];
        for solution in solutions {
            let weight = &mut weights[solution.class];
            *weight = weight.min(solution.score);
        }
        weights
    }
}

#[test]
fn ones_own_method_and_vote_answer_requests() {
    AnyMethod::register(Whole).unwrap();
    Voting::register(Worst).unwrap();
    let server = Server::open();
    let body = with(
        asked("whole:small", "What is 2 + 3?"),
        "outthink",
        json!({"budget": 3, "selection": "last-worst"}),
    );
    let (status, reply) = server.chat(&body);
    assert_eq!(status, 200, "{reply}");
    let told = &reply["outthink"];
    assert_eq!(
        (&told["method"], &told["plan"], &told["selection"]),
        (&json!("whole"), &json!("3 samples"), &json!("last-worst"))
    );
    assert_eq!(told["samples"], 3);
    let (status, refusal) = server.chat(&asked("hole:small", "?"));
    assert_eq!(status, 404);
    let told = refusal["error"]["message"].as_str().unwrap();
    assert!(told.contains(&AnyMethod::names()), "{told}");
}
