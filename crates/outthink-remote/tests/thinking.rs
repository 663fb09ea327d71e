//! Thoughts under a control on model servers.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;

use std::path::PathBuf;
use std::sync::Arc;

use futures::executor::block_on;
use mock::token::{BOX, CLOSE, END, SEPARATOR, ZERO};
use mock::{Act, Mock, Request};
use outthink_core::method::MAJORITY;
use outthink_core::{Limits, Plan, Policy, Problem, Sampling, Thinking, Tree, search};
use outthink_prompt::Profile;
use outthink_remote::{RemotePolicy, Servers};
use serde_json::{Value, json};

const CONTROL: &str = "cap:4";
/// What the mock's tokenizer makes of a text: a token a byte, above those that it draws.
const BYTES: u32 = 100;

/// A server that thinks `0`, a paragraph each, until its thought is closed, and then boxes a seven.
fn thinks(request: &Request) -> Act {
    match request.path.as_str() {
        "/v1/completions" => {
            let mut reply = mock::completion(&request.body);
            let prompt = mock::tokens(&request.body["prompt"]);
            let wanted = request.body["max_tokens"].as_u64().unwrap() as usize;
            let closed = prompt.iter().any(|&token| token >= BYTES);
            let drawn: Vec<u32> = match closed {
                true => vec![BOX, ZERO + 7, CLOSE, END],
                false => [ZERO, SEPARATOR].into_iter().cycle().take(wanted).collect(),
            };
            let choice = &mut reply["choices"][0];
            choice["token_ids"] = json!(drawn);
            choice["logprobs"]["token_logprobs"] = json!(vec![-0.5; drawn.len()]);
            choice["finish_reason"] = json!(if closed { "stop" } else { "length" });
            choice["stop_reason"] = Value::Null;
            reply["usage"]["completion_tokens"] = json!(drawn.len());
            Act::Json(reply)
        }
        "/tokenize" => {
            let tokens: Vec<u32> = match request.body["prompt"].as_str() {
                Some(text) => {
                    assert_eq!(request.body["add_special_tokens"], json!(false));
                    text.bytes().map(|byte| BYTES + u32::from(byte)).collect()
                }
                None => vec![1, 2, 3],
            };
            Act::Json(json!({"tokens": tokens, "count": tokens.len(), "max_model_len": 512}))
        }
        _ => mock::policy(request),
    }
}

fn servers(mock: &Mock, local: bool) -> Servers {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/micro/micro-0.3m");
    Servers {
        tokenizer: local.then_some(folder),
        stream: false,
        patience_seconds: 20.0,
        ..Servers::parse(&mock.url()).unwrap()
    }
}

fn grow(policy: &dyn Policy) -> Tree {
    let problem = Arc::new(Problem::new("Evaluate $3+4$."));
    let limits = Limits {
        draw_tokens: 100,
        solution_tokens: 100,
        steps: 8,
    };
    let plan = Plan::of(MAJORITY, 3).unwrap();
    block_on(search(
        problem,
        &plan,
        Sampling::at(1.0),
        limits,
        1,
        policy,
        None,
    ))
    .unwrap()
}

#[test]
fn a_cap_is_kept_by_servers_that_make_the_tokens_of_what_is_written() {
    let mock = Mock::start(thinks);
    let mut profile = Profile::named("deepseek-r1-distill").unwrap();
    profile.policy.as_mut().unwrap().answer_ends_with_box = false;
    let policy = RemotePolicy::connect(&servers(&mock, false), Some(profile), |_| {}).unwrap();
    let policy = policy.with_thinking(CONTROL.parse().unwrap()).unwrap();
    let tree = grow(&policy);
    let close = "\n</think>\n\n**Final Answer**\n\n";
    for solution in tree.solutions() {
        let tokens: Vec<u32> = solution
            .steps
            .iter()
            .flat_map(|step| step.tokens.clone())
            .collect();
        let thought = [ZERO, SEPARATOR, ZERO, SEPARATOR];
        let written: Vec<u32> = close.bytes().map(|byte| BYTES + u32::from(byte)).collect();
        let answer = [BOX, ZERO + 7, CLOSE, END];
        assert_eq!(tokens, [&thought[..], &written, &answer].concat());
        assert!(solution.text().contains("</think>\n\n**Final Answer**"));
    }
    assert_eq!(tree.policy.generated, 3 * 8);
    // Each piece has a seed of its own.
    let drawn: Vec<(usize, u64)> = mock
        .bodies()
        .iter()
        .map(|(_, body)| {
            (
                mock::tokens(&body["prompt"]).len(),
                body["seed"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(drawn.len(), 6);
    assert_eq!(drawn.iter().filter(|(prompt, _)| *prompt == 3).count(), 3);
    let mut seeds: Vec<u64> = drawn.iter().map(|(_, seed)| *seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    assert_eq!(seeds.len(), 6);
}

#[test]
fn a_chat_only_provider_refuses_a_control_by_its_name() {
    let mock = Mock::start(|request: &Request| match request.path.as_str() {
        "/v1/models" => {
            Act::Json(json!({"object": "list", "data": [{"id": "m", "object": "model"}]}))
        }
        _ => Act::Status(404, json!({"detail": "Not Found"})),
    });
    let connect = || RemotePolicy::connect(&servers(&mock, false), None, |_| {}).unwrap();
    let error = connect()
        .with_thinking(CONTROL.parse().unwrap())
        .err()
        .unwrap();
    let told = error.to_string();
    assert!(
        told.contains("`cap:tokens=4`") && told.contains("whole answers only"),
        "{told}"
    );
    assert!(error.is_configuration());
    assert!(connect().with_thinking(Thinking::ON).is_ok());
    assert!(connect().thoughts().is_none());
}
