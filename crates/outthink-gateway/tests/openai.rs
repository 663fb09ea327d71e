//! What OpenAI's clients and their like send, and what they are told.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use outthink_gateway::{Keys, Settings};
use serde_json::{Value, json};

use server::{Server, asked, with};

fn text(reply: &Value) -> &str {
    reply["choices"][0]["message"]["content"].as_str().unwrap()
}

/// The data of a stream's events.
fn events(stream: &str) -> Vec<Value> {
    let data = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

#[test]
fn a_field_that_is_null_or_spells_out_a_default_is_as_if_left_out() {
    let server = Server::open();
    let neutral = json!({
        "n": 1, "stream": false, "stop": [], "logprobs": false, "top_logprobs": 0, "presence_penalty": 0,
        "frequency_penalty": 0.0, "logit_bias": {}, "response_format": {"type": "text"}, "tools": [],
        "tool_choice": "none", "parallel_tool_calls": true, "store": false, "metadata": {"a": "b"}, "user": "me",
        "service_tier": "auto", "modalities": ["text"], "top_k": -1, "min_p": 0, "repetition_penalty": 1,
        "ignore_eos": false, "skip_special_tokens": true, "stream_options": null, "chat_template_kwargs": {},
    });
    let nulls: Vec<&str> = vec![
        "stream",
        "stop",
        "seed",
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "max_tokens",
        "n",
        "tools",
        "logprobs",
        "max_completion_tokens",
        "reasoning_effort",
        "reasoning",
        "outthink",
        "stream_options",
        "budget",
        "whatever",
        "response_format",
        "tts_beam_size",
    ];
    for model in ["small", "majority:small"] {
        let plain = server.chat(&with(asked(model, "say 5"), "temperature", json!(1)));
        assert_eq!(plain.0, 200, "{}", plain.1);
        let same = |body: &Value, what: &str| {
            let (status, reply) = server.chat(body);
            assert_eq!(
                (status, text(&plain.1)),
                (200, text(&reply)),
                "{model}, {what}: {reply}"
            );
        };
        let mut all = asked(model, "say 5");
        for (name, value) in neutral.as_object().unwrap() {
            same(&with(asked(model, "say 5"), name, value.clone()), name);
            all[name] = value.clone();
        }
        same(&all, "all of them");
        for name in &nulls {
            let body = with(asked(model, "say 5"), name, Value::Null);
            assert_eq!(server.chat(&body).0, 200, "{model}, {name}: null");
        }
        let options = json!({"budget": 4.0, "method": "majority", "trace": null, "verifier": null, "width": null});
        assert_eq!(
            server
                .chat(&with(asked(model, "say 5"), "outthink", options))
                .0,
            200
        );
    }
}

#[test]
fn what_is_asked_of_a_policy_is_done_or_refused() {
    let server = Server::open();
    let ask = |field: &str, value: Value| {
        server.chat(&with(asked("small", "one two three"), field, value))
    };
    assert_eq!(text(&ask("stop", json!("two")).1), "three ");
    assert_eq!(text(&ask("stop", json!(["one", " two"])).1), "three");
    assert_eq!(text(&ask("stop", json!("four")).1), "three two one ");
    assert_eq!(
        ask("stop", json!("two")).1["choices"][0]["finish_reason"],
        "stop"
    );
    let (status, reply) = ask("n", json!(3));
    assert_eq!(
        (status, reply["choices"].as_array().unwrap().len()),
        (200, 3)
    );
    assert_eq!(reply["choices"][2]["index"], 2);
    assert_eq!(
        reply["usage"],
        json!({"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 0}})
    );
    for (field, value) in [
        ("logprobs", json!(true)),
        ("top_logprobs", json!(2)),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(-1)),
        ("logit_bias", json!({"5": 1})),
        ("response_format", json!({"type": "json_object"})),
        ("tools", json!([{"type": "function"}])),
        ("n", json!(0)),
        ("n", json!(5000)),
        ("seed", json!(1.5)),
        ("seed", json!("1")),
        ("seed", json!(1e30)),
        ("stop", json!([1])),
        ("stream", json!("yes")),
        ("temperature", json!("hot")),
        ("top_k", json!(-2)),
        ("min_p", json!(2)),
        ("max_tokens", json!(0)),
        ("max_tokens", json!(-1)),
        ("messages", json!("hello")),
        ("messages", json!([{"role": "user", "content": null}])),
        ("messages", json!([{"role": "narrator", "content": "x"}])),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "image_url"}]}]),
        ),
        ("reasoning_effort", json!("enormous")),
        ("reasoning", json!({"effort": "enormous"})),
        ("reasoning", json!({"max_tokens": 100})),
        ("mystery", json!(1)),
        ("outthink", json!({"width": 4})),
        ("tts_beam_size", json!(4_611_686_018_427_387_905_u64)),
    ] {
        let (status, reply) = ask(field, value.clone());
        assert_eq!(status, 400, "{field} {value}: {reply}");
        assert_eq!(reply["error"]["type"], "invalid_request_error");
    }
    for seed in [
        json!(-1),
        json!(-7),
        json!(1.0),
        json!(0),
        json!(u64::MAX),
        json!(i64::MIN),
    ] {
        assert_eq!(ask("seed", seed.clone()).0, 200, "{seed}");
    }
    let parts = json!([{"role": "developer", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}], "name": null, "tool_calls": []}]);
    assert_eq!(text(&ask("messages", parts).1), "two one ");
}

#[test]
fn a_seed_names_one_reply_and_minus_one_any() {
    let server = Server::open();
    let say = |seed: Value, n: usize| {
        let body = with(asked("small", "seed"), "seed", seed);
        let reply = server.chat(&with(body, "n", json!(n))).1;
        let choices = reply["choices"].as_array().unwrap().iter();
        choices
            .map(|choice| choice["message"]["content"].to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(say(json!(7), 1), say(json!(7.0), 1));
    assert_eq!(say(json!(-7), 1), say(json!(-7), 1));
    assert_ne!(say(json!(-1), 1), say(json!(-1), 1));
    let three = say(json!(7), 3);
    assert_eq!((&three[..1], three.len()), (&say(json!(7), 1)[..], 3));
    assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
}

#[test]
fn streams_of_both_apis_stop_where_they_are_told_to() {
    let server = Server::open();
    let body = json!({"model": "small", "stream": true, "stop": "two", "n": 2, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "one two three"}], "prompt": "one two three"});
    for (route, object) in [
        ("chat/completions", "chat.completion.chunk"),
        ("completions", "text_completion"),
    ] {
        let mut body = body.clone();
        body.as_object_mut()
            .unwrap()
            .remove(if object == "text_completion" {
                "messages"
            } else {
                "prompt"
            });
        let (status, head, stream) =
            server.send(&format!("POST /v1/{route} HTTP/1.1"), &body.to_string());
        assert!(
            status == 200 && head.contains("text/event-stream"),
            "{head}"
        );
        let mut said = [String::new(), String::new()];
        let mut finished = Vec::new();
        let events = events(&stream);
        for event in &events {
            assert_eq!(event["object"], object);
            for choice in event["choices"].as_array().unwrap() {
                let text = choice["text"]
                    .as_str()
                    .or(choice["delta"]["content"].as_str());
                said[choice["index"].as_u64().unwrap() as usize] += text.unwrap_or_default();
                finished.extend(choice["finish_reason"].as_str().map(str::to_owned));
            }
        }
        assert_eq!(
            (said, finished),
            (
                ["three ".into(), "three ".into()],
                vec!["stop".into(), "stop".into()]
            ),
            "{stream}"
        );
        assert_eq!(events.last().unwrap()["usage"]["prompt_tokens"], 5);
        assert!(stream.trim_end().ends_with("data: [DONE]"));
    }
}

#[test]
fn the_older_api_refuses_what_it_does_not_do() {
    let server = Server::open();
    let ask = |field: &str, value: Value| {
        let body = with(json!({"model": "small", "prompt": "one two"}), field, value);
        let (status, _, reply) = server.send("POST /v1/completions HTTP/1.1", &body.to_string());
        (status, serde_json::from_str::<Value>(&reply).unwrap())
    };
    for (field, value) in [
        ("echo", json!(false)),
        ("suffix", json!("")),
        ("best_of", json!(1)),
        ("logprobs", Value::Null),
        ("prompt", json!(["one two"])),
    ] {
        let (status, reply) = ask(field, value);
        assert_eq!(
            (status, &reply["choices"][0]["text"]),
            (200, &json!("two one ")),
            "{field}: {reply}"
        );
    }
    for (field, value) in [
        ("echo", json!(true)),
        ("suffix", json!("x")),
        ("best_of", json!(3)),
        ("logprobs", json!(0)),
        ("prompt", json!(["one", "two"])),
        ("prompt", json!([1, 2])),
        ("prompt", Value::Null),
        ("stream", json!(1)),
    ] {
        assert_eq!(ask(field, value.clone()).0, 400, "{field} {value}");
    }
    assert_eq!(ask("best_of", json!(2)).0, 400);
    assert_eq!(
        ask("model", json!("gpt")).1["error"]["code"],
        "model_not_found"
    );
}

#[test]
fn the_older_api_searches_as_the_chat_does() {
    let server = Server::open();
    let ask = |fields: Value| {
        let mut body = json!({"model": "beam:small", "prompt": "say 42", "seed": 7});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        let (status, _, reply) = server.send("POST /v1/completions HTTP/1.1", &body.to_string());
        (status, reply)
    };
    let (_, chat) = server.chat(&with(asked("beam:small", "say 42"), "seed", json!(7)));
    let (status, reply) = ask(json!({}));
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!((status, &reply["object"]), (200, &json!("text_completion")));
    assert_eq!(reply["choices"][0]["text"], text(&chat));
    for told in ["answer", "plan", "votes", "seed"] {
        assert_eq!(reply["outthink"][told], chat["outthink"][told], "{told}");
    }
    let (_, stream) = ask(json!({"stream": true}));
    let events = events(&stream);
    let texts = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str());
    assert_eq!(texts.collect::<String>(), text(&chat));
    // A budget makes a search of a policy's own name, and what a search does not do is refused here too.
    let (status, reply) = ask(json!({"model": "small", "outthink": {"budget": 8}}));
    let reply: Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(
        (status, &reply["outthink"]["method"]),
        (200, &json!("beam"))
    );
    for (field, value) in [("stop", json!(["\n"])), ("echo", json!(true))] {
        assert_eq!(ask(json!({field: value})).0, 400, "{field}");
    }
}

#[test]
fn efforts_are_budgets() {
    let server = Server::open();
    let plan = |model: &str, field: &str, value: Value| {
        let (status, reply) = server.chat(&with(asked(model, "say 5"), field, value));
        assert_eq!(status, 200, "{reply}");
        reply["outthink"]["plan"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    };
    let effort = |model: &str, effort: &str| plan(model, "reasoning_effort", json!(effort));
    assert!(effort("majority:small", "none").contains("1 "));
    assert_eq!(effort("auto@small", "none"), "1 greedy solution");
    assert_eq!(
        effort("small", "none"),
        "none",
        "no search is needed for one sample"
    );
    for (name, budget) in [
        ("minimal", "4"),
        ("low", "4"),
        ("medium", "16"),
        ("high", "64"),
        ("xhigh", "256"),
        ("max", "256"),
    ] {
        assert!(effort("beam:small", name).starts_with(budget), "{name}");
        assert!(
            plan(
                "small",
                "reasoning",
                json!({"effort": name, "summary": "auto"})
            )
            .starts_with(budget),
            "{name}"
        );
    }
    let both = with(
        asked("beam:small", "say 5"),
        "reasoning_effort",
        json!("high"),
    );
    let both = with(both, "outthink", json!({"budget": 8}));
    assert_eq!(server.chat(&both).1["outthink"]["plan"], "8 = 2 beams × 4");
}

#[test]
fn every_listed_model_can_be_looked_up_by_its_name() {
    let server = Server::open();
    let get = |path: &str| {
        let (status, _, body) = server.send(&format!("GET {path} HTTP/1.1"), "");
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (_, list) = get("/v1/models");
    for model in list["data"].as_array().unwrap() {
        let id = model["id"].as_str().unwrap();
        assert_eq!(get(&format!("/v1/models/{id}")), (200, model.clone()));
        let escaped: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(get(&format!("/v1/models/{escaped}")), (200, model.clone()));
    }
    let names: Vec<&str> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|own| own["id"].as_str())
        .collect();
    assert!(names.contains(&"beam:small") && names.contains(&"best-of-n:far"));
    assert!(
        !names.contains(&"beam:far"),
        "a server that only chats continues no steps"
    );
    for path in [
        "/v1/models/gpt-5",
        "/v1/models/beam:gpt-5",
        "/v1/models/beam:far",
        "/v1/models/a/b",
    ] {
        let (status, reply) = get(path);
        assert_eq!(
            (status, &reply["error"]["code"]),
            (404, &json!("model_not_found")),
            "{path}"
        );
    }
    let (status, reply) = server.chat(&asked("beam:far", "x"));
    assert_eq!(status, 400, "{reply}");
    let (_, reply) = server.chat(&with(
        asked("auto@far", "say 3"),
        "outthink",
        json!({"budget": 2}),
    ));
    assert_eq!(reply["outthink"]["method"], "best-of-n");
}

#[test]
fn refusals_have_openais_shape_whatever_was_asked() {
    let server = Server::start(
        Keys::default(),
        Settings {
            body_bytes: 2000,
            ..Settings::default()
        },
    );
    let body = asked("small", "x").to_string();
    let long = asked("small", &"x".repeat(3000)).to_string();
    for (head, body, expected) in [
        ("GET /nowhere HTTP/1.1", "", 404),
        ("POST /v1/responses HTTP/1.1", &*body, 404),
        ("GET /v1/chat/completions HTTP/1.1", "", 405),
        ("DELETE /v1/models/small HTTP/1.1", "", 405),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=x",
            &body,
            415,
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/xml",
            &body,
            415,
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-encoding: gzip",
            &body,
            415,
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json; charset=utf-8",
            &body,
            200,
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded",
            &body,
            200,
        ),
        ("POST /v1/chat/completions HTTP/1.1", &long, 413),
        ("POST /v1/completions HTTP/1.1", &long, 413),
        ("POST /v1/chat/completions HTTP/1.1", "{", 400),
    ] {
        let (status, _, reply) = server.send(head, body);
        assert_eq!(status, expected, "{head}: {reply}");
        if status != 200 {
            let reply: Value = serde_json::from_str(&reply).unwrap();
            assert!(
                reply["error"]["message"].as_str().unwrap().len() > 10,
                "{reply}"
            );
        }
    }
    // Nothing that was sent comes back whole.
    let server = Server::open();
    let long = "long ".repeat(100_000);
    for body in [
        asked(&long, "x"),
        with(asked("small", "x"), "messages", json!(long)),
        with(asked("small", "x"), "reasoning_effort", json!(long)),
        with(
            asked("small", "x"),
            "messages",
            json!([{"role": long, "content": ""}]),
        ),
        with(
            asked("beam:small", "x"),
            "outthink",
            json!({"verifier": long}),
        ),
        with(
            asked("beam:small", "x"),
            "outthink",
            json!({"selection": long}),
        ),
        with(
            asked("beam:small", "x"),
            "outthink",
            json!({long.clone(): 1}),
        ),
        with(asked("beam:small", "x"), &long, json!(1)),
        asked("beam:small", &format!("foreign {long}")),
    ] {
        let (status, reply) = server.chat(&body);
        assert!(
            (400..500).contains(&status) && reply.to_string().len() < 2000,
            "{status} {reply}"
        );
    }
}

#[test]
fn a_client_that_is_at_fault_is_told_so() {
    let server = Server::open();
    for model in ["small", "majority:small", "beam:small"] {
        let body = asked(model, "foreign");
        let (status, reply) = server.chat(&body);
        assert_eq!(status, 400, "{reply}");
        assert_eq!(reply["error"]["code"], "context_length_exceeded");
        assert_eq!(reply["error"]["message"], "foreign letters");
        let body = with(body, "stream", json!(true)).to_string();
        let (_, _, stream) = server.send("POST /v1/chat/completions HTTP/1.1", &body);
        let last = events(&stream).pop().unwrap();
        assert_eq!(last["error"]["code"], "context_length_exceeded", "{stream}");
    }
}

#[test]
fn turns_and_forms_that_are_not_searched_say_so() {
    let server = Server::open();
    let turns = json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "one two"}]);
    for model in ["beam:small", "majority:far"] {
        let (status, reply) = server.chat(&json!({"model": model, "messages": turns}));
        assert_eq!(
            (status, &reply["outthink"]["method"]),
            (200, &json!("none")),
            "{reply}"
        );
        let note = reply["outthink"]["note"].as_str().unwrap();
        assert!(note.contains("this conversation has other turns"), "{note}");
    }
    let body = json!({"model": "beam:small", "messages": turns, "stream": true}).to_string();
    let (_, head, stream) = server.send("POST /v1/chat/completions HTTP/1.1", &body);
    assert!(
        head.contains("x-outthink-note: a search answers one question"),
        "{head}"
    );
    assert_eq!(events(&stream)[0]["outthink"]["method"], "none");
    let (_, reply) = server.chat(&json!({"model": "small", "messages": turns}));
    assert_eq!(reply["outthink"], Value::Null, "no search was asked for");
}
