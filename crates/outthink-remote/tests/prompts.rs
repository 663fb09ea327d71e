//! A chat-only provider under methods that ask again with earlier solutions, and as its own verifier.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;
mod provider;

use futures::executor::block_on;
use mock::Act;
use outthink_core::{Generative, JudgePrompt, Outcome, Policy, Problem, Search};
use provider::{choice, client, provider, reply};
use serde_json::Value;

/// What the user's turn of a request says.
fn asked(body: &Value) -> String {
    body["messages"].as_array().unwrap().last().unwrap()["content"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn solve(method: &str, policy: &dyn Policy) -> Outcome {
    let search = Search::new(policy)
        .method(method.parse().unwrap())
        .budget(16);
    block_on(search.solve(&Problem::new("What is $3+4$?"))).unwrap()
}

#[test]
fn a_chat_only_provider_aggregates_selects_and_compares() {
    let mock = provider(|request| {
        let question = asked(&request.body);
        let says = match question.matches("### Solution").count() {
            0 => r"<think>6? 8?</think>It may be \boxed{8}.",
            _ if question.contains("Compare the solutions") => r"All alike. \boxed{1}",
            _ if question.contains("grade how sure") => r"\boxed{9, 2}",
            _ => r"They are wrong: \boxed{7}.",
        };
        let n = request.body["n"].as_u64().unwrap_or(1) as usize;
        Act::Json(reply(&vec![choice(says); n]))
    });
    let policy = client(&mock);
    let outcome = solve("rsa", &policy);
    assert_eq!(outcome.answer.as_deref(), Some("7"));
    let drawn: usize = outcome.tree.nodes().iter().map(|node| node.drawn).sum();
    assert_eq!(drawn, 16);
    let quoting: Vec<String> = mock
        .bodies()
        .iter()
        .map(|(_, body)| asked(body))
        .filter(|question| question.contains("### Solution"))
        .collect();
    assert!(!quoting.is_empty());
    for question in quoting {
        assert_eq!(question.matches("### Solution").count(), 4);
        assert!(question.contains(r"It may be \boxed{8}.") && !question.contains("<think>"));
        assert!(question.contains("What is $3+4$?"));
    }
    for method in ["gen-select", "pairwise"] {
        assert_eq!(
            solve(method, &policy).answer.as_deref(),
            Some("8"),
            "{method}"
        );
    }
}

#[test]
fn a_chat_only_provider_judges_its_own_answers() {
    let mock = provider(|request| {
        let question = asked(&request.body);
        let n = request.body["n"].as_u64().unwrap_or(1) as usize;
        let says = |number: usize| match question.contains("Check the solution") {
            true if question.contains(r"\boxed{7}.") => r"\boxed{Yes}",
            true => "**No.**",
            false => [
                r"It is \boxed{8}.",
                r"It is \boxed{8}.",
                r"It is \boxed{7}.",
            ][number % 3],
        };
        let choices: Vec<Value> = (0..n)
            .map(|number| {
                let mut own = choice(says(number));
                own["index"] = number.into();
                own
            })
            .collect();
        Act::Json(reply(&choices))
    });
    let policy = client(&mock);
    let prompt = JudgePrompt {
        votes: 2,
        ..JudgePrompt::default()
    };
    let (sampling, limits) = (policy.usual_sampling(), policy.usual_limits());
    let judge = Generative::new(&policy, prompt, sampling, limits);
    let search = Search::new(&policy).verifier(&judge).budget(6);
    let search = search.method("best-of-n".parse().unwrap());
    let outcome = block_on(search.solve(&Problem::new("What is $3+4$?"))).unwrap();
    assert_eq!(
        outcome.answer.as_deref(),
        Some("7"),
        "two of six, but judged right"
    );
    assert_eq!(judge.unreadable(), (0, 4));
    assert!(outcome.tree.verifier.generated > 0 && outcome.tree.verifier.requests >= 2);
}
