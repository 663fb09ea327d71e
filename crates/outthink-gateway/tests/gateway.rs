//! The gateway over a scripted policy and verifier, as a client sees it.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::time::{Duration, Instant};

use outthink_gateway::{Key, Keys, Settings};
use serde_json::{Value, json};

use server::{Server, asked, with};

#[test]
fn a_search_answers_with_its_votes_and_the_sum_of_all_calls() {
    let server = Server::open();
    let (status, reply) = server.chat(&asked("beam:small", "say 42"));
    assert_eq!(status, 200, "{reply}");
    assert_eq!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .lines()
            .last(),
        Some("\\boxed{42}")
    );
    assert_eq!(reply["outthink"]["answer"], "42");
    assert_eq!(reply["outthink"]["plan"], "16 = 4 beams × 4");
    let (usage, parts) = (&reply["usage"], &reply["outthink"]["usage"]);
    assert_eq!(usage["completion_tokens"], parts["policy"]["generated"]);
    let prompts =
        parts["policy"]["prompt"].as_u64().unwrap() + parts["verifier"]["prompt"].as_u64().unwrap();
    assert_eq!(usage["prompt_tokens"], prompts);
    assert_eq!(usage["outthink"]["stopped_by"], "end");
}

#[test]
fn every_way_to_ask_for_a_search_means_the_same() {
    let server = Server::open();
    let plan = |body: Value| {
        let (status, reply) = server.chat(&body);
        assert_eq!(status, 200, "{reply}");
        reply["outthink"]["plan"].as_str().unwrap().to_owned()
    };
    let ask = |model: &str| asked(model, "say 7");
    assert_eq!(
        plan(with(ask("auto@small"), "outthink", json!({"budget": 8}))),
        "8 = 2 beams × 4"
    );
    assert_eq!(
        plan(with(ask("small"), "reasoning_effort", json!("high"))),
        "64 = 16 beams × 4"
    );
    assert_eq!(
        plan(with(ask("bon-small"), "budget", json!(6))),
        "6 solutions"
    );
    assert_eq!(
        plan(with(
            with(ask("small"), "optillm_approach", json!("majority_voting")),
            "num_paths",
            json!(5)
        )),
        "5 solutions"
    );
    assert_eq!(
        plan(with(
            with(ask("small"), "tts_strategy", json!("beam_search")),
            "tts_num_trajectories",
            json!(8)
        )),
        "8 = 2 beams × 4"
    );
    let (_, _, body) = server.send(
        "POST /v1/self_consistency/judge/chat/completions HTTP/1.1\r\nx-its-budget: 3",
        &ask("small").to_string(),
    );
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap()["outthink"]["plan"],
        "3 solutions"
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_what_can() {
    let server = Server::open();
    let refused = |body: Value| {
        let (status, reply) = server.chat(&body);
        format!(
            "{status} {}",
            reply["error"]["message"].as_str().unwrap_or_default()
        )
    };
    let beam = || asked("beam:small", "say 7");
    let cases = [
        refused(asked("tiny", "x")),
        refused(asked("cot:tiny", "x")),
        refused(with(
            asked("small", "x"),
            "outthink",
            json!({"method": "mcts"}),
        )),
        refused(with(beam(), "outthink", json!({"budget": 0}))),
        refused(with(beam(), "outthink", json!({"budget": 10, "width": 4}))),
        refused(with(beam(), "outthink", json!({"verifier": "jury"}))),
        refused(with(beam(), "outthink", json!({"verifier": "none"}))),
        refused(with(beam(), "outthink", json!({"selection": "best"}))),
        refused(with(beam(), "outthink", json!({"beams": 4}))),
        refused(with(beam(), "logprobs", json!(true))),
        refused(with(beam(), "n", json!(2))),
        refused(with(beam(), "temperature", json!(-1))),
        refused(with(
            asked("small", "x"),
            "reasoning_effort",
            json!("extreme"),
        )),
        refused(asked("beam:small", " ")),
        refused(json!({"model": "small"})),
    ];
    let cases = cases
        .join("\n")
        .replace(&outthink_core::AnyMethod::names(), "[all]");
    insta::assert_snapshot!(cases, @r#"
    404 unknown model `tiny`: name a policy (small, far), auto@policy, or method:policy with a method of [all]
    404 unknown model `tiny`: name a policy (small, far), auto@policy, or method:policy with a method of [all]
    400 unknown method `mcts` (one of [all]), or auto
    400 a budget lies between 1 and 4096, not at 0
    400 beam cannot spend a budget of 10: the beam width of 4 must divide it; try a budget of 8 or 12, or a width of 2, 5 or 10
    400 unknown verifier `jury` (one of judge, none)
    400 beam needs a verifier, and none is served or named
    400 unknown selection `best` (majority, or SCORE-VOTE, the score one of min, last, mean, product, certainty, likelihood, group, tail, bottom, short and the vote one of max, vote, mob, pessimistic, softmax, borda, filtered, top)
    400 `outthink`: unknown field `beams`, expected one of `method`, `budget`, `width`, `verifier`, `selection`, `thinking`, `max_tokens_total`, `max_seconds`, `min_samples`, `round_seconds`, `trace` at line 1 column 8
    400 a search does not support `logprobs`; it takes model, messages, stream, stream_options, temperature, top_p, top_k, min_p, max_tokens, seed, reasoning_effort and outthink
    400 a search gives one answer: n is 1; the budget says how many are drawn
    400 temperature lies between 0 and 10
    400 unknown reasoning_effort `extreme` (one of none, minimal, low, medium, high, xhigh, max)
    400 the question is empty
    400 `messages` is missing: a list of messages, each with a role and its content
    "#);
}

#[test]
fn a_reply_without_an_answer_is_taken_by_its_score_and_says_so() {
    let server = Server::open();
    let (_, reply) = server.chat(&with(
        asked("beam:small", "words"),
        "outthink",
        json!({"trace": true}),
    ));
    assert_eq!(
        reply["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .lines()
            .last(),
        Some("as you like it")
    );
    assert_eq!(
        reply["outthink"]["note"],
        "no answer could be extracted to vote on; taken by the verifier's score"
    );
    assert!(reply["outthink"]["trace"].as_array().unwrap().len() > 2);
}

#[test]
fn conversations_and_tools_are_passed_on_unharmed() {
    let server = Server::open();
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let body = with(
        with(asked("beam:far", "call f"), "tools", tools.clone()),
        "mystery",
        json!([1]),
    );
    let (status, reply) = server.chat(&body);
    assert_eq!(
        (status, &reply["path"]),
        (200, &json!("/v1/chat/completions"))
    );
    assert_eq!(reply["sent"]["tools"], tools);
    assert_eq!(reply["sent"]["mystery"], json!([1]));
    assert_eq!(reply["sent"]["model"], "far");
    let turns = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "one two"}]);
    let (_, reply) = server.chat(&json!({"model": "beam:small", "messages": turns}));
    assert_eq!(reply["choices"][0]["message"]["content"], "two one ");
    let (status, reply) = server.chat(&asked("far", "unreachable"));
    assert_eq!(
        (status, &reply["error"]["type"]),
        (502, &json!("upstream_error"))
    );
}

#[test]
fn streams_tell_the_search_and_then_the_answer() {
    let server = Server::open();
    let body = with(
        with(asked("beam:small", "say 9"), "stream", json!(true)),
        "stream_options",
        json!({"include_usage": true}),
    );
    let (_, head, plain) = server.send("POST /v1/chat/completions HTTP/1.1", &body.to_string());
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(
        plain.contains(": growing") && !plain.contains("event: outthink"),
        "comments only: {plain}"
    );
    assert!(
        plain.contains("boxed{9}")
            && plain.contains("\"finish_reason\":\"stop\"")
            && plain.contains("\"total_tokens\"")
    );
    assert!(plain.contains("data: [DONE]"));
    let (_, _, traced) = server.send(
        "POST /v1/chat/completions HTTP/1.1",
        &with(body, "outthink", json!({"trace": true})).to_string(),
    );
    for kind in ["grow", "step", "reward", "report"] {
        assert!(
            traced.contains(&format!("\"type\":\"{kind}\"")),
            "{kind}: {traced}"
        );
    }
    let broken = with(asked("beam:small", "broken"), "stream", json!(true));
    let (_, _, broken) = server.send("POST /v1/chat/completions HTTP/1.1", &broken.to_string());
    assert!(
        broken.contains("the model failed") && broken.contains("[DONE]"),
        "{broken}"
    );
}

#[test]
fn a_cap_ends_a_search_and_it_still_answers() {
    let server = Server::open();
    let start = Instant::now();
    let body = with(
        asked("majority:small", "slow 5"),
        "outthink",
        json!({"budget": 32, "max_seconds": 0.3}),
    );
    let (status, reply) = server.chat(&body);
    assert_eq!(status, 200, "{reply}");
    assert_eq!(
        (
            &reply["outthink"]["answer"],
            &reply["outthink"]["stopped_by"]
        ),
        (&json!("5"), &json!("max_seconds"))
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    let body = with(
        asked("majority:small", "say 5"),
        "outthink",
        json!({"budget": 32, "max_tokens_total": 6}),
    );
    assert_eq!(
        server.chat(&body).1["outthink"]["stopped_by"],
        "max_tokens_total"
    );
}

#[test]
fn a_quorum_of_a_round_is_enough_and_the_reply_counts_what_was_lost() {
    let server = Server::open();
    let chat = |content: &str, options: Value| {
        let asked = with(asked("majority:small", content), "seed", json!(1));
        server.chat(&with(asked, "outthink", options))
    };
    let told = |options: Value| {
        let (status, reply) = chat("slow 5", options);
        assert_eq!(status, 200, "{reply}");
        assert_eq!(
            (
                &reply["outthink"]["answer"],
                &reply["outthink"]["stopped_by"]
            ),
            (&json!("5"), &json!("end"))
        );
        let lost = reply["outthink"]["lost"].as_u64().unwrap();
        assert_eq!(lost + reply["outthink"]["samples"].as_u64().unwrap(), 32);
        lost
    };
    // Three draws of four take a minute.
    assert!(told(json!({"budget": 32, "round_seconds": 0.3})) > 8);
    assert!(told(json!({"budget": 32, "round_seconds": 0.3, "min_samples": 2})) > 8);
    // One broken server more than the quorum can spare is an error; no draw of these comes.
    assert_eq!(
        chat("broken", json!({"budget": 4, "min_samples": 2})).0,
        502
    );
    // Nobody waits for more than there is.
    let (_, reply) = chat("say 5", json!({"budget": 4, "min_samples": 1000}));
    assert_eq!(reply["outthink"]["lost"], 0);
    let (_, reply) = chat("say 5", json!({"budget": 4}));
    assert!(reply["outthink"].get("lost").is_none(), "{reply}");
    for wrong in [
        json!({"min_samples": 0}),
        json!({"min_samples": "many"}),
        json!({"round_seconds": 0}),
        json!({"round_seconds": 1e9}),
    ] {
        assert_eq!(chat("say 5", wrong.clone()).0, 400, "{wrong}");
    }
}

#[test]
fn keys_open_the_door_and_bound_what_is_asked() {
    let sha256 = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"; // of `key`
    let key = Key {
        name: "alice".into(),
        sha256: sha256.into(),
        searches: 1,
        budget: 8,
    };
    let server = Server::start(Keys { keys: vec![key] }, Settings::default());
    let ask = |head: &str, budget: u64| {
        let body = with(
            asked("beam:small", "say 1"),
            "outthink",
            json!({"budget": budget}),
        );
        server
            .send(
                &format!("POST /v1/chat/completions HTTP/1.1{head}"),
                &body.to_string(),
            )
            .0
    };
    assert_eq!(ask("", 8), 401);
    assert_eq!(ask("\r\nauthorization: Bearer other", 8), 401);
    assert_eq!(ask("\r\nauthorization: Bearer key", 8), 200);
    assert_eq!(ask("\r\nauthorization: Bearer key", 16), 400);
    assert_eq!(server.send("GET /health HTTP/1.1", "").0, 200);
    assert_eq!(server.send("GET /v1/models HTTP/1.1", "").0, 401);
}

#[test]
fn a_search_without_a_cap_asks_for_all_its_samples_at_once() {
    let server = Server::open();
    let requests = |caps: Value| {
        let mut options = json!({"budget": 8});
        if let (Some(options), Value::Object(caps)) = (options.as_object_mut(), caps) {
            options.extend(caps);
        }
        let (status, reply) =
            server.chat(&with(asked("majority:small", "say 5"), "outthink", options));
        assert_eq!(status, 200, "{reply}");
        assert_eq!(reply["outthink"]["samples"], 8);
        reply["outthink"]["usage"]["policy"]["requests"].clone()
    };
    assert_eq!(requests(json!({})), 1);
    // A policy that cannot hand over what it has is asked for each, so that what is done can be kept.
    assert_eq!(requests(json!({"max_seconds": 60})), 8);
}

#[test]
fn a_cap_before_the_first_draw_gives_an_empty_reply_that_is_cut_off() {
    let server = Server::open();
    let caps = json!({"budget": 4, "max_seconds": 0.2});
    for model in ["beam:small", "majority:small"] {
        let (status, reply) = server.chat(&with(asked(model, "never"), "outthink", caps.clone()));
        assert_eq!(status, 200, "{reply}");
        let choice = &reply["choices"][0];
        assert_eq!(choice["message"]["content"], "");
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(reply["outthink"]["stopped_by"], "max_seconds");
        assert_eq!(reply["outthink"]["samples"], 0);
        assert_eq!(reply["outthink"]["answer"], Value::Null);
    }
}
