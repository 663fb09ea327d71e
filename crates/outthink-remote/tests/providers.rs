//! OpenAI-compatible servers as they are: what they answer, refuse and break.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;
mod provider;

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use mock::{Act, Mock, Request};
use outthink_core::{Extension, Policy, Problem, Sampling, Stop, Until, Usage};
use outthink_prompt::Profile;
use outthink_remote::{Notice, RemotePolicy, Servers};
use provider::{
    TEXT, answers, choice, client, connect_error, draw, provider, reply, servers, text,
};
use serde_json::{Value, json};

#[test]
fn all_answers_to_a_problem_are_asked_for_in_one_request() {
    let mock = provider(answers);
    let (drawn, usage) = draw(&client(&mock), 16, Sampling::at(0.7)).unwrap();
    assert_eq!((drawn.len(), usage.requests), (16, 1));
    assert_eq!(mock.bodies().len(), 1);
    assert_eq!(mock.bodies()[0].1["n"], 16);
}

#[test]
fn a_reply_that_is_there_is_a_sample_whatever_it_is_said_to_have_ended_by() {
    for (reason, stop) in [
        (json!("eos"), Stop::Answer),
        (json!("end_turn"), Stop::Answer),
        (json!(""), Stop::Answer),
        (json!("unheard_of"), Stop::Answer),
        (Value::Null, Stop::Answer),
        (json!("MAX_TOKENS"), Stop::Length),
        (json!("content_filter"), Stop::Length),
    ] {
        let mut ended = choice(TEXT);
        ended["finish_reason"] = reason.clone();
        let mock = provider(move |_| Act::Json(reply(&[ended.clone()])));
        let (drawn, _) = draw(&client(&mock), 1, Sampling::at(0.7)).unwrap();
        assert_eq!((&*text(&drawn[0]), drawn[0].stop), (TEXT, stop), "{reason}");
        assert_eq!(mock.asked(), 1);
    }
}

#[test]
fn an_answer_goes_on_after_a_box_and_after_thinking_under_every_profile() {
    let replies = [
        "<think>\nMaybe \\boxed{8}?\n\nNo.\n</think>\n\nThe sum is $\\boxed{7}$.",
        "Let me see.\n\n\\boxed{8}\n</think>\n\nThe sum is 7.\n\n\\boxed{7}",
        "First $\\boxed{3}$.\n\nThen $\\boxed{4}$.\n\nTogether $\\boxed{7}$.\n\nThat is all.",
    ];
    for profile in Profile::built_in().unwrap() {
        if profile.policy.is_none() {
            continue;
        }
        for said in replies {
            let mock = provider(move |_| Act::Json(reply(&[choice(said)])));
            let client =
                RemotePolicy::connect(&servers(&mock.url()), Some(profile.clone()), |_| {});
            let (drawn, _) = draw(&client.unwrap(), 1, Sampling::at(0.7)).unwrap();
            assert_eq!(
                (&*text(&drawn[0]), drawn[0].stop),
                (said, Stop::Answer),
                "{}",
                profile.name
            );
        }
    }
}

#[test]
fn choices_without_a_place_of_their_own_are_samples_of_their_own() {
    let mock = provider(|_| {
        let mut choices: Vec<Value> = (0..3)
            .map(|n| choice(&format!("The answer is {n}.")))
            .collect();
        choices[2].as_object_mut().unwrap().remove("index");
        Act::Json(reply(&choices))
    });
    let (drawn, _) = draw(&client(&mock), 2, Sampling::at(0.7)).unwrap();
    let texts: Vec<String> = drawn.iter().map(text).collect();
    assert_eq!(
        texts,
        ["The answer is 0.", "The answer is 1."],
        "a third was not asked for"
    );
}

#[test]
fn a_server_that_streams_unasked_is_read_all_the_same() {
    let mock = provider(|_| {
        let event = |index: u64, text: &str, end: Value| {
            json!({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": end}]})
                .to_string()
        };
        Act::Stream(
            vec![
                json!({"choices": [{"index": 0, "delta": {"role": "assistant", "content": null}}]})
                    .to_string(),
                event(0, "The answer", Value::Null),
                event(1, "It is 8.", json!("stop")),
                event(0, " is 7.", Value::Null),
                json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 9}})
                    .to_string(),
                "[DONE]".into(),
            ],
            true,
        )
    });
    let (drawn, usage) = draw(&client(&mock), 2, Sampling::at(0.7)).unwrap();
    let texts: Vec<String> = drawn.iter().map(text).collect();
    assert_eq!(texts, ["The answer is 7.", "It is 8."]);
    assert_eq!((usage.prompt, usage.generated), (10, 9));
}

#[test]
fn usage_that_cannot_be_is_estimated_and_marked() {
    let cost = |usage: Value| -> Usage {
        let mock = provider(move |_| {
            let mut reply = reply(&[choice(TEXT)]);
            reply["usage"] = usage.clone();
            Act::Json(reply)
        });
        draw(&client(&mock), 1, Sampling::at(0.7)).unwrap().1
    };
    let details = json!({"prompt_tokens": 10, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 4}});
    let exact = cost(details);
    assert_eq!(
        (exact.prompt, exact.cached, exact.generated, exact.estimated),
        (10, 4, 20, 0)
    );
    let guess = (TEXT.len() as u64).div_ceil(4);
    for usage in [
        Value::Null,
        json!({}),
        json!({"prompt_tokens": u64::MAX, "completion_tokens": u64::MAX}),
        json!({"prompt_tokens": -1, "completion_tokens": -1}),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"prompt_tokens": 1e300, "completion_tokens": 1}),
        json!("much"),
    ] {
        let cost = cost(usage.clone());
        assert_eq!((cost.generated, cost.estimated), (guess, 1), "{usage}");
        assert!(
            cost.prompt > 10 && cost.prompt < 100,
            "{usage}: {}",
            cost.prompt
        );
    }
}

#[test]
fn an_error_that_has_the_status_of_a_success_is_an_error() {
    let busy = json!({"error": {"message": "slow down", "code": 429}});
    let mock = provider(move |request| match request.number {
        0 => Act::Json(busy.clone()),
        _ => answers(request),
    });
    let (drawn, _) = draw(&client(&mock), 2, Sampling::at(0.7)).unwrap();
    assert_eq!((drawn.len(), mock.asked()), (2, 2));
    for (body, words) in [
        (
            json!({"error": {"message": "Provider returned error", "code": 429}}),
            "overloaded: Provider returned error",
        ),
        (
            json!({"object": "error", "message": "too many requests", "code": 429}),
            "too many requests",
        ),
        (
            json!({"error": {"message": "upstream is gone", "code": 502}}),
            "502: upstream is gone",
        ),
        (
            json!({"detail": "no credits", "code": "insufficient_quota"}),
            "no credits",
        ),
        (
            json!({"choices": [{"error": {"message": "cut short", "code": 400}, "finish_reason": "error", "message": {"content": "x"}}]}),
            "cut short",
        ),
    ] {
        let mock = provider(move |_| Act::Json(body.clone()));
        let mut servers = servers(&mock.url());
        servers.attempts = 2;
        let client = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
        let error = draw(&client, 1, Sampling::at(0.7)).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let mock = provider(|_| {
        Act::Garbage("<!DOCTYPE html><html><head><title>Sign in</title></head></html>")
    });
    let mut servers = servers(&mock.url());
    servers.attempts = 1;
    let client = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
    let error = draw(&client, 1, Sampling::at(0.7)).unwrap_err();
    assert!(error.contains("a web page, “Sign in”"), "{error}");
}

/// A client of a server that refuses, and what it was told.
fn refused(
    reply: impl Fn(&Request) -> Act + Send + Sync + 'static,
) -> (Mock, RemotePolicy, Arc<Mutex<Vec<Notice>>>) {
    let mock = provider(reply);
    let heard: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let hears = Arc::clone(&heard);
    let notice = move |notice: Notice| hears.lock().unwrap().push(notice);
    let client = RemotePolicy::connect(&servers(&mock.url()), None, notice).unwrap();
    (mock, client, heard)
}

#[test]
fn what_a_server_refuses_is_left_out_once_told_and_remembered() {
    let (mock, client, heard) = refused(|request| {
        if request.body.get("max_tokens").is_some() {
            return Act::Status(
                400,
                json!({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "param": "max_tokens", "code": "unsupported_parameter"}}),
            );
        }
        if request.body.get("seed").is_some() {
            return Act::Status(
                422,
                json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 1}]}),
            );
        }
        answers(request)
    });
    for asked in [3, 4] {
        assert_eq!(draw(&client, 2, Sampling::at(0.7)).unwrap().0.len(), 2);
        assert_eq!(mock.asked(), asked);
    }
    let body = &mock.bodies()[3].1;
    assert_eq!(
        (&body["max_completion_tokens"], &body["seed"], &body["n"]),
        (&json!(100), &Value::Null, &json!(2))
    );
    let heard: Vec<String> = heard
        .lock()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(
        heard[1].contains("takes no `seed`: what it draws cannot be repeated"),
        "{heard:?}"
    );
}

#[test]
fn a_server_that_gives_one_answer_a_request_is_asked_as_often_as_needed() {
    let (mock, client, heard) = refused(|request| match request.body.get("n") {
        Some(_) => Act::Status(
            400,
            json!({"error": {"message": "'n' : number must be at most 1"}}),
        ),
        None => answers(request),
    });
    assert_eq!(draw(&client, 3, Sampling::at(0.7)).unwrap().0.len(), 3);
    assert_eq!(mock.asked(), 4);
    assert_eq!(draw(&client, 3, Sampling::at(0.7)).unwrap().0.len(), 3);
    assert_eq!(mock.asked(), 7, "it is not asked for several again");
    let seeds: Vec<Value> = mock.bodies()[4..]
        .iter()
        .map(|(_, body)| body["seed"].clone())
        .collect();
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2]);
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[test]
fn a_limit_that_leaves_no_room_is_left_to_the_server_and_a_prompt_that_is_too_long_is_an_error() {
    let long = json!({"error": {"message": "This model's maximum context length is 64 tokens. However, you requested 120 tokens.", "code": "context_length_exceeded"}});
    let always = long.clone();
    let (mock, client, _) = refused(move |request| match request.body.get("max_tokens") {
        Some(_) => Act::Status(400, long.clone()),
        None => answers(request),
    });
    assert!(draw(&client, 1, Sampling::at(0.7)).is_ok());
    assert_eq!(mock.asked(), 2);
    let (mock, client, heard) = refused(move |_| Act::Status(400, always.clone()));
    let error = draw(&client, 1, Sampling::at(0.7)).unwrap_err();
    assert!(error.contains("maximum context length"), "{error}");
    assert_eq!(
        (mock.asked(), heard.lock().unwrap().len()),
        (2, 0),
        "what did not help is not kept"
    );
}

#[test]
fn a_value_that_a_server_does_not_take_is_not_replaced() {
    let (mock, client, _) = refused(|_| {
        Act::Status(
            400,
            json!({"error": {"message": "temperature: Input should be less than or equal to 1", "param": "temperature"}}),
        )
    });
    let error = draw(&client, 1, Sampling::at(1.5)).unwrap_err();
    assert!(
        error.contains("refuses the request (400): temperature"),
        "{error}"
    );
    assert_eq!(mock.asked(), 1);
}

#[test]
fn answers_without_a_choice_end_after_a_few_tries_and_are_shown() {
    for (body, shown) in [
        (
            json!({"choices": [], "prompt_filter_results": []}),
            "prompt_filter_results",
        ),
        (json!({"choices": null, "id": "x1"}), "x1"),
        (json!({"id": "x2", "usage": {"prompt_tokens": 3}}), "x2"),
        (json!({}), "it sent {}"),
    ] {
        let mock = provider(move |_| Act::Json(body.clone()));
        let error = draw(&client(&mock), 4, Sampling::at(0.7)).unwrap_err();
        let place = mock.url().trim_end_matches("/v1").to_owned();
        assert!(error.contains(&place) && error.contains(shown), "{error}");
        assert_eq!(mock.asked(), 3);
    }
    // One that comes on the way is no reason to give up, and an error beside it is that error.
    let mock = provider(|request| match request.number {
        0 | 1 => Act::Json(reply(&[])),
        _ => answers(request),
    });
    assert_eq!(
        draw(&client(&mock), 4, Sampling::at(0.7)).unwrap().0.len(),
        4
    );
    let mock = provider(|_| {
        Act::Json(json!({"choices": [], "error": {"message": "no such key", "code": 401}}))
    });
    let error = draw(&client(&mock), 1, Sampling::at(0.7)).unwrap_err();
    assert!(error.contains("(401)") && mock.asked() == 1, "{error}");
    // An answer of thinking or calls alone is a sample that says nothing.
    for message in [
        json!({"content": null, "tool_calls": [{"type": "function", "function": {"name": "f"}}]}),
        json!({"content": null, "reasoning_content": "so"}),
        json!({"role": "assistant"}),
    ] {
        let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
        let mock = provider(move |_| Act::Json(reply(std::slice::from_ref(&choice))));
        let (drawn, _) = draw(&client(&mock), 1, Sampling::at(0.7)).unwrap();
        assert_eq!(text(&drawn[0]), "");
    }
}

#[test]
fn what_a_server_sends_has_bounds() {
    for (kind, part) in [
        ("application/json", b"{\"data\": [".as_slice()),
        ("text/event-stream", b"data: x"),
    ] {
        let mock = provider(move |_| Act::Endless(kind, part));
        let error = draw(&client(&mock), 1, Sampling::at(0.7)).unwrap_err();
        assert!(error.contains("more than 64 MiB"), "{error}");
        assert_eq!(mock.asked(), 1);
    }
    let mock = Mock::start(|_| Act::Endless("application/json", b"{\"data\": ["));
    assert!(connect_error(&servers(&mock.url())).contains("more than 64 MiB"));
    let mock = Mock::start(|request| match request.path.as_str() {
        "/v1/completions" => Act::Endless("text/event-stream", b"data: x"),
        _ => mock::policy(request),
    });
    let stream = Servers {
        stream: true,
        ..servers(&mock.url())
    };
    let micro = Profile::named("micro").unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro/micro-0.3m");
    let stream = Servers {
        tokenizer: Some(folder.into()),
        ..stream
    };
    let client = RemotePolicy::connect(&stream, Some(micro), |_| {}).unwrap();
    let request = Extension {
        problem: Arc::new(Problem {
            id: "p".into(),
            text: "Evaluate $3+4$.".into(),
        }),
        steps: Vec::new(),
        seeds: vec![1],
        until: Until::Answer,
        sampling: Sampling::at(1.0),
        max_tokens: 10,
        offset: 0,
    };
    let error = block_on(client.extend(vec![request]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("an event without end"), "{error}");
}
