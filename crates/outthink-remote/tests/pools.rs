//! Which server gets what, how much at once, and what a chat-only provider can do.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use futures::stream::TryStreamExt;
use mock::{Act, Mock, Request};
use outthink_core::method::{BEAM, BEST_OF_N, MAJORITY};
use outthink_core::{
    AnyMethod, ExactAnswers, Extension, Finished, Halt, Limits, Plan, Policy, Problem, Sampling,
    Selection, Step, Stop, Tree, Until, Verifier, search,
};
use outthink_prompt::Profile;
use outthink_remote::{Config, RemotePolicy, RemoteVerifier, Servers};
use serde_json::{Value, json};

fn folder(checkpoint: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/micro")
        .join(checkpoint)
}

fn servers(mocks: &[&Mock], checkpoint: Option<&str>) -> Servers {
    let urls: Vec<String> = mocks.iter().map(|mock| mock.url()).collect();
    Servers {
        tokenizer: checkpoint.map(folder),
        patience_seconds: 20.0,
        ..Servers::parse(&urls.join(",")).unwrap()
    }
}

fn policy(servers: &Servers) -> RemotePolicy {
    RemotePolicy::connect(servers, None, |_| {}).unwrap()
}

fn problem(number: usize) -> Arc<Problem> {
    Arc::new(Problem {
        id: format!("p{number}"),
        text: format!("Evaluate $3+{number}$."),
    })
}

async fn grow(
    number: usize,
    method: AnyMethod,
    policy: &dyn Policy,
    verifier: Option<&dyn Verifier>,
) -> Result<Tree, outthink_core::Error> {
    let limits = Limits {
        draw_tokens: 96,
        solution_tokens: 320,
        steps: 8,
    };
    let plan = Plan::new(method, 8, 2, Finished::Compete).unwrap();
    search(
        problem(number),
        &plan,
        Sampling::at(1.0),
        limits,
        7,
        policy,
        verifier,
    )
    .await
}

/// Keeps a question as long as a server would that is busy with it.
fn slow(request: &Request, usual: fn(&Request) -> Act) -> Act {
    if matches!(request.path.as_str(), "/v1/completions" | "/pooling") {
        std::thread::sleep(Duration::from_millis(3));
    }
    usual(request)
}

/// The prompt of the question, which in these tests tells the problem: its steps come after.
fn prompts(mock: &Mock) -> Vec<Vec<u32>> {
    let bodies = mock.bodies();
    let prompt = |(_, body): &(String, Value)| {
        let tokens = mock::tokens(&body["prompt"]);
        let end = tokens.iter().position(|token| *token == 2).unwrap();
        tokens[..end].to_vec()
    };
    bodies.iter().map(prompt).collect()
}

#[test]
fn the_steps_of_a_problem_go_where_its_prefix_is_cached() {
    let [one, two] = [0; 2].map(|_| Mock::start(|request| slow(request, mock::policy)));
    let prm = Mock::start(mock::prm);
    let client = policy(&servers(&[&one, &two], Some("micro-0.3m")));
    let judge =
        RemoteVerifier::connect(&servers(&[&prm], Some("micro-prm")), None, |_| {}).unwrap();
    let searches = (0..8).map(|number| grow(number, BEAM, &client, Some(&judge)));
    block_on(futures::future::try_join_all(searches)).unwrap();
    let (one, two) = (prompts(&one), prompts(&two));
    let homes = [&one, &two].map(|prompts| prompts.iter().cloned().collect::<HashSet<_>>());
    assert!(
        homes[0].is_disjoint(&homes[1]),
        "a problem was sent to both"
    );
    assert_eq!((homes[0].len(), homes[1].len()), (4, 4));
}

#[test]
fn a_full_server_gets_no_more_than_its_limit_and_an_idle_one_helps() {
    let [one, two] = [0; 2].map(|_| Mock::start(|request| slow(request, mock::policy)));
    let mut servers = servers(&[&one, &two], Some("micro-0.3m"));
    servers.concurrency = Some(3);
    let client = policy(&servers);
    let request = Extension {
        problem: problem(1),
        steps: Vec::new(),
        seeds: (0..60).collect(),
        until: Until::Step,
        sampling: Sampling::at(1.0),
        max_tokens: 8,
        offset: 0,
    };
    let replies = block_on(client.extend(vec![request])).unwrap();
    assert_eq!(replies[0].0.len(), 60);
    assert_eq!((one.most_in_flight(), two.most_in_flight()), (3, 3));
    assert_eq!(one.asked() + two.asked(), 60);
}

#[test]
fn a_slow_verifier_holds_the_policy_back() {
    let open = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&open);
    let prm = Mock::start(move |request| {
        while request.path == "/pooling" && opened.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        mock::prm(request)
    });
    let drawing = Mock::start(mock::policy);
    let client = policy(&servers(&[&drawing], Some("micro-0.3m")));
    let judge =
        RemoteVerifier::connect(&servers(&[&prm], Some("micro-prm")), None, |_| {}).unwrap();
    let opener = std::thread::spawn({
        let open = Arc::clone(&open);
        move || {
            std::thread::sleep(Duration::from_millis(300));
            let asked = drawing.asked();
            open.store(1, Ordering::SeqCst);
            (asked, drawing)
        }
    });
    let searches = (0..4).map(|number| grow(number, BEAM, &client, Some(&judge)));
    block_on(futures::future::try_join_all(searches)).unwrap();
    let (asked, drawing) = opener.join().unwrap();
    assert_eq!(
        asked,
        4 * 8,
        "one round of each problem, and no more until it is scored"
    );
    assert!(drawing.asked() > asked);
}

#[test]
fn a_stream_is_hung_up_on_where_the_answer_ends() {
    // This one goes on after the step that closes its box.
    let chatty = Mock::start(|request| match request.path.as_str() {
        "/v1/completions" => {
            let mut events = mock::completion_events(&request.body);
            events.truncate(events.len() - 2);
            let box_ends = events.len() - 1;
            let more = events[0]
                .replace("[23]", "[6]")
                .replace("[24]", "[6]")
                .replace("[25]", "[6]");
            events[box_ends] = more.clone();
            events.extend(std::iter::repeat_n(more, 500));
            Act::Stream(events, true)
        }
        _ => mock::policy(request),
    });
    let servers = Servers {
        stream: true,
        ..servers(&[&chatty], Some("micro-0.3m"))
    };
    let tree = block_on(grow(3, MAJORITY, &policy(&servers), None)).unwrap();
    let solutions = tree.solutions();
    assert!(
        solutions
            .iter()
            .all(|s| s.stop == Stop::Answer && s.text().ends_with('}'))
    );
    assert_eq!(tree.policy.estimated, 8, "what it cost was counted here");
    assert!(tree.policy.generated < 8 * 20);
    for _ in 0..1000 {
        if chatty.hung_up() == 8 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} of 8 streams were hung up on", chatty.hung_up());
}

/// A provider that gives at most two choices, and says little of what they cost.
fn provider(request: &Request) -> Act {
    match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [{"id": "big", "owned_by": "someone"}]})),
        "/v1/chat/completions" => {
            let n = request.body["n"].as_u64().unwrap_or(1).min(2);
            let choice = |index: u64| {
                json!({"index": index, "message": {"role": "assistant",
                "content": format!("First.\n\nSo \\boxed{{{}}}.", request.number % 2)}, "finish_reason": "stop"})
            };
            Act::Json(json!({"choices": (0..n).map(choice).collect::<Vec<_>>(),
                "usage": {"prompt_tokens": 30, "completion_tokens": 10 * n}}))
        }
        _ => Act::Status(404, Value::Null),
    }
}

#[test]
fn under_a_cap_one_request_asks_for_no_more_than_is_sure_to_come_whole() {
    // A provider of ten tokens an answer, asked for six answers of at most twenty.
    let asked = |halt: &Halt| -> Vec<u64> {
        let mock = Mock::start(|request| match request.path.as_str() {
            "/v1/chat/completions" => {
                let n = request.body["n"].as_u64().unwrap_or(1);
                let choice = |index: u64| json!({"index": index, "message": {"role": "assistant", "content": "It is \\boxed{4}."}, "finish_reason": "stop"});
                Act::Json(json!({"choices": (0..n).map(choice).collect::<Vec<_>>(),
                    "usage": {"prompt_tokens": 30, "completion_tokens": 10 * n}}))
            }
            _ => provider(request),
        });
        let client = policy(&servers(&[&mock], None));
        let request = Extension {
            problem: problem(1),
            steps: Vec::new(),
            seeds: (0..6).collect(),
            until: Until::Answer,
            sampling: Sampling::at(1.0),
            max_tokens: 20,
            offset: 0,
        };
        let replies = block_on(client.extend_until(vec![request], halt)).unwrap();
        assert_eq!(replies[0].0.len(), 6);
        let bodies = mock.bodies();
        let chats = bodies.iter().filter(|(path, _)| path.contains("chat"));
        let n = |body: &Value| body["n"].as_u64().unwrap_or(1);
        chats.map(|(_, body)| n(body)).collect()
    };
    assert_eq!(asked(&Halt::after(1000)), [6]);
    // Five may take all of the hundred; they took fifty, so the sixth is sure too.
    assert_eq!(asked(&Halt::after(100)), [5, 1]);
    // Whoever may be stopped at any time loses as little as can be.
    assert_eq!(asked(&Halt::default()), [1; 6]);
    assert_eq!(asked(&Halt::when_told_or_after(1000)), [1; 6]);
}

#[test]
fn a_provider_that_returns_fewer_choices_is_asked_for_the_rest() {
    let mock = Mock::start(provider);
    let client = policy(&servers(&[&mock], None));
    assert_eq!(client.facts()[0].dialect.name(), "chat");
    let tree = block_on(grow(1, MAJORITY, &client, None)).unwrap();
    assert_eq!(tree.solutions().iter().map(|s| s.count).sum::<usize>(), 8);
    assert_eq!(tree.solutions()[0].steps.len(), 2);
    let asked: Vec<Value> = mock
        .bodies()
        .iter()
        .map(|(_, body)| body["n"].clone())
        .collect();
    assert_eq!(asked, [json!(8), json!(2), json!(2), json!(2)]);
    let usage = tree.policy;
    assert_eq!(
        (usage.prompt, usage.generated, usage.estimated),
        (120, 80, 4)
    );
    let solutions = tree.solutions();
    let chosen = Selection::Majority.choose(&tree.problem, &solutions, &ExactAnswers);
    let chosen = block_on(chosen).unwrap();
    assert!(chosen.is_some());
}

#[test]
fn a_chat_only_provider_refuses_step_methods_and_says_why() {
    let mock = Mock::start(provider);
    let client = policy(&servers(&[&mock], None));
    assert!(!client.takes_steps());
    let prm = Mock::start(mock::prm);
    let judge =
        RemoteVerifier::connect(&servers(&[&prm], Some("micro-prm")), None, |_| {}).unwrap();
    let error = block_on(grow(1, BEAM, &client, Some(&judge))).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("use majority or best-of-n"), "{source}");
    assert_eq!(mock.asked(), 0);
    assert!(block_on(grow(1, BEST_OF_N, &client, Some(&judge))).is_ok());
}

/// SGLang's `/generate`, in the shape of its documentation.
fn sglang(request: &Request) -> Act {
    match request.path.as_str() {
        "/v1/models" => Act::Json(
            json!({"data": [{"id": "micro", "owned_by": "sglang", "root": "micro", "max_model_len": 512}]}),
        ),
        "/get_server_info" => Act::Json(json!({"version": "0.5.23", "disable_radix_cache": false})),
        "/generate" => {
            let parameters = &request.body["sampling_params"];
            let seed = parameters["sampling_seed"].as_u64().unwrap();
            assert!(seed < 1 << 31);
            let asked = json!({"prompt": request.body["input_ids"], "seed": seed, "stop": parameters["stop"], "model": "micro"});
            let reply = mock::completion(&asked);
            let choice = &reply["choices"][0];
            let written = mock::tokens(&choice["token_ids"]);
            let logprobs: Vec<Value> = written
                .iter()
                .map(|token| json!([-0.5, token, null]))
                .collect();
            let matched = match written.last() {
                Some(&mock::token::END) => json!(mock::token::END),
                _ => json!("\n\n"),
            };
            Act::Json(
                json!({"text": choice["text"], "output_ids": written, "meta_info": {"id": "1",
                "finish_reason": {"type": "stop", "matched": matched}, "prompt_tokens": asked["prompt"].as_array().unwrap().len(),
                "completion_tokens": written.len(), "cached_tokens": 4, "output_token_logprobs": logprobs}}),
            )
        }
        _ => Act::Status(404, Value::Null),
    }
}

#[test]
fn sglang_draws_steps_by_its_own_endpoint() {
    let mock = Mock::start(sglang);
    let client = policy(&servers(&[&mock], Some("micro-0.3m")));
    assert_eq!(client.facts()[0].dialect.name(), "sglang");
    let prm = Mock::start(mock::prm);
    let judge =
        RemoteVerifier::connect(&servers(&[&prm], Some("micro-prm")), None, |_| {}).unwrap();
    let tree = block_on(grow(1, BEAM, &client, Some(&judge))).unwrap();
    let solutions = tree.solutions();
    assert!(!solutions.is_empty() && solutions.iter().all(|s| s.stop == Stop::Answer));
    assert_eq!(tree.policy.cached, 4 * tree.policy.requests);
    let error = RemotePolicy::connect(&servers(&[&mock], None), None, |_| {})
        .err()
        .unwrap();
    assert!(error.to_string().contains("tokenizer.json"), "{error}");
}

#[test]
fn servers_of_different_kinds_are_not_one_fleet() {
    let (one, two) = (Mock::start(mock::policy), Mock::start(sglang));
    let error = RemotePolicy::connect(&servers(&[&one, &two], Some("micro-0.3m")), None, |_| {});
    assert!(
        error
            .err()
            .unwrap()
            .to_string()
            .contains("must be of one kind")
    );
}

#[test]
fn a_key_reaches_the_servers_and_nobody_else() {
    const KEY: &str = "sk-very-secret";
    let seen: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let sees = Arc::clone(&seen);
    let mock = Mock::start(move |request| {
        sees.lock().unwrap().push(request.authorization.clone());
        match request.path.as_str() {
            "/v1/completions" => Act::Status(401, json!({"error": "no"})),
            _ => mock::policy(request),
        }
    });
    let file = std::env::temp_dir().join(format!("outthink-key-{}", std::process::id()));
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    let servers = Servers {
        key_file: Some(file.clone()),
        ..servers(&[&mock], Some("micro-0.3m"))
    };
    let client = policy(&servers);
    std::fs::remove_file(file).unwrap();
    let error = block_on(grow(1, MAJORITY, &client, None)).unwrap_err();
    let shown = format!(
        "{servers:?} {error:?} {error} {:?} {:?}",
        client.facts(),
        client.stats()
    );
    assert!(!shown.contains(KEY));
    let expected = Some(format!("Bearer {KEY}"));
    assert!(seen.lock().unwrap().iter().all(|key| *key == expected));
}

#[test]
fn addresses_are_read_and_secrets_in_them_refused() {
    let servers = Servers::parse("http://h1:8000/v1, http://h2:8000/v1#org/model").unwrap();
    assert_eq!(servers.urls, ["http://h1:8000/v1", "http://h2:8000/v1"]);
    assert_eq!(servers.model.as_deref(), Some("org/model"));
    for (text, reason) in [
        ("ftp://h/v1", "neither http nor https"),
        ("http://", "does not parse"),
        (
            "http://me:sk-secret@h:1/v1",
            "keys come from the environment or a file",
        ),
        ("https://h/v1?key=sk-secret", "it has a query"),
    ] {
        let error = Servers::parse(text).unwrap_err().to_string();
        assert!(
            error.contains(reason) && !error.contains("sk-secret"),
            "{error}"
        );
    }
    let config = Config::parse(
        "[policy]\nurls = [\"http://h:1/v1\"]\nkey_env = \"KEY\"\ntimeout-seconds = 60\nconcurrency = 8\n\n[verifier]\nurls = [\"http://v:1\"]\ntokenizer = \"prm\"\n",
    );
    let config = config.unwrap();
    assert_eq!(config.policy.unwrap().concurrency, Some(8));
    assert_eq!(config.verifier.unwrap().tokenizer, Some("prm".into()));
    assert!(Config::parse("[policy]\nurls = []\nkey = \"sk-secret\"\n").is_err());
}

#[test]
fn a_request_that_is_passed_on_skips_a_dead_server_and_brings_back_what_the_other_says() {
    let refuses = |request: &Request| match request.path.as_str() {
        "/v1/chat/completions" if request.body["n"] == 3 => {
            Act::Status(400, json!({"error": {"message": "n is 1"}}))
        }
        _ => mock::policy(request),
    };
    let mut mocks = [Mock::start(refuses), Mock::start(refuses)];
    let policy = policy(&servers(&[&mocks[0], &mocks[1]], Some("micro-0.3m")));
    mocks[0].kill();
    // The client hears of its kept connections' end: a request that has gone out on one of them fails, and is not sent twice.
    std::thread::sleep(Duration::from_millis(100));
    let body = json!({"model": "any", "n": 3, "tools": []});
    // Wherever the first one goes, the dead server has its turn.
    for number in 0..8 {
        let mut body = body.clone();
        body["user"] = json!(number);
        let sent = policy.forward("/v1/chat/completions", body.to_string().into());
        let reply = block_on(sent).unwrap();
        let told: Vec<u8> = block_on(reply.body.map_ok(|part| part.to_vec()).try_concat()).unwrap();
        let told: Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(
            (reply.status, &told["error"]["message"]),
            (400, &json!("n is 1"))
        );
        assert_eq!(mocks[1].bodies().last().unwrap().1, body);
    }
    mocks[1].kill();
    let sent = policy.forward("/v1/chat/completions", body.to_string().into());
    assert!(block_on(sent).is_err(), "nobody is left to answer");
}

#[test]
fn what_is_passed_on_finds_a_servers_limit_and_its_way_back() {
    const SLOW: Duration = Duration::from_millis(30);
    let slow = |request: &Request| {
        if request.path == "/v1/chat/completions" {
            std::thread::sleep(SLOW);
            return Act::Json(json!({"choices": []}));
        }
        mock::policy(request)
    };
    let mut mock = Mock::start(slow);
    let policy = policy(&servers(&[&mock], Some("micro-0.3m")));
    let pass = |count: usize| {
        let one = |number: usize| {
            let body = json!({"user": number}).to_string();
            let sent = policy.forward("/v1/chat/completions", body.into());
            async {
                match sent.await {
                    Ok(reply) => reply.body.try_for_each(async |_| Ok(())).await.is_ok(),
                    Err(_) => false,
                }
            }
        };
        let all = block_on(futures::future::join_all((0..count).map(one)));
        all.into_iter().filter(|ok| *ok).count()
    };
    assert_eq!(pass(600), 600);
    let limit = policy.stats()[0].limit;
    assert!(limit > 32, "{limit} at once, as at the start");
    mock.kill();
    assert_eq!(pass(1), 0);
    mock.begin();
    // An answer that has begun says that the server is back, however long the rest of it takes.
    let begun = loop {
        match block_on(policy.forward("/v1/chat/completions", "{}".into())) {
            Ok(reply) => break reply,
            Err(_) => std::thread::sleep(SLOW),
        }
    };
    assert_eq!(pass(8), 8, "not one at a time after the server came back");
    drop(begun);
}

#[test]
fn thinking_that_ended_in_an_earlier_step_has_ended_as_embedded() {
    use mock::token::{BOX, CLOSE, SEPARATOR, ZERO};
    let boxes = |request: &Request| match request.path.as_str() {
        "/v1/completions" => {
            let mut reply = mock::completion(&request.body);
            let choice = &mut reply["choices"][0];
            choice["token_ids"] = json!([BOX, ZERO, CLOSE, SEPARATOR]);
            choice["logprobs"]["token_logprobs"] = json!([-0.5, -0.5, -0.5, -0.5]);
            choice["stop_reason"] = json!("\n\n");
            Act::Json(reply)
        }
        _ => mock::policy(request),
    };
    let mock = Mock::start(boxes);
    let mut profile = Profile::named("micro").unwrap();
    if let Some(policy) = &mut profile.policy {
        policy.think_end = Some("=$".into());
    }
    let servers = servers(&[&mock], Some("micro-0.3m"));
    let client = RemotePolicy::connect(&servers, Some(profile), |_| {}).unwrap();
    let stop = |steps: &[&str]| {
        let step = |text: &&str| {
            Arc::new(Step {
                text: (*text).into(),
                tokens: vec![ZERO, SEPARATOR],
                logprob: 0.0,
                ..Step::default()
            })
        };
        let request = Extension {
            problem: problem(1),
            steps: steps.iter().map(step).collect(),
            seeds: vec![1],
            until: Until::Step,
            sampling: Sampling::at(1.0),
            max_tokens: 8,
            offset: 0,
        };
        block_on(client.extend(vec![request])).unwrap()[0].0[0].stop
    };
    assert_eq!(stop(&["$1+2$.\n\n"]), Stop::Step);
    assert_eq!(stop(&["$1+2$.\n\n", "$3=$.\n\n"]), Stop::Answer);
}
