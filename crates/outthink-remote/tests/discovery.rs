//! Servers at the first contact: what they list, what they are recognised by, where their addresses lead, and the keys that
//! go there.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;
mod provider;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use futures::stream::TryStreamExt;
use mock::{Act, Mock, Request};
use outthink_core::Sampling;
use outthink_remote::{Config, Notice, RemotePolicy, Servers};
use provider::{CHAT, answers, choice, connect_error, draw, provider, reply, servers, text};
use serde_json::{Value, json};

#[test]
fn a_model_that_is_named_need_not_be_listed() {
    let listing: [(fn() -> Act, bool); 13] = [
        (|| Act::Status(404, json!({"detail": "Not Found"})), false),
        (|| Act::Status(401, json!({"error": "no"})), false),
        (|| Act::Status(403, json!({"error": "no"})), false),
        (|| Act::Status(405, Value::Null), false),
        (|| Act::Status(500, json!({"error": "no"})), false),
        (
            || Act::Json(json!({"error": {"message": "no", "code": 500}})),
            false,
        ),
        (|| Act::Garbage("<html></html>"), false),
        (|| Act::Garbage(""), false),
        (
            || Act::Json(json!({"data": [{"id": "other"}], "has_more": true})),
            false,
        ),
        (|| Act::Endless("application/json", b"{\"data\": ["), false),
        (|| Act::Json(json!({"data": []})), false),
        (|| Act::Json(json!(["unlisted", "other"])), true),
        (
            || Act::Json(json!({"models": [{"name": "unlisted"}]})),
            true,
        ),
    ];
    for (refusal, listed) in listing {
        let mock = Mock::start(move |request| match request.path.as_str() {
            "/v1/models" => refusal(),
            CHAT => answers(request),
            _ => Act::Status(404, Value::Null),
        });
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&told);
        let named = servers(&format!("{}#unlisted", mock.url()));
        let client = RemotePolicy::connect(&named, None, move |notice: Notice| {
            heard.lock().unwrap().push(notice.to_string());
        });
        let client = client.unwrap();
        assert_eq!(
            (client.model(), client.facts()[0].dialect.name()),
            ("unlisted", "chat")
        );
        assert!(draw(&client, 1, Sampling::at(0.7)).is_ok());
        // What is listed needs no word.
        let told = told.lock().unwrap();
        assert_eq!(told.len(), usize::from(!listed), "{told:?}");
        assert!(
            told.iter()
                .all(|told| told.contains("asking for unlisted as named"))
        );
    }
    let silent = Mock::start(|_| Act::Status(401, json!({"error": {"message": "no key"}})));
    let error = connect_error(&servers(&silent.url()));
    assert!(
        error.contains("401: no key")
            && error.contains("it wants a key")
            && error.contains("#NAME"),
        "{error}"
    );
}

#[test]
fn a_provider_whose_paths_have_no_version_is_found_by_its_list() {
    let mock = Mock::start(|request| match request.path.as_str() {
        "/api/paas/v4/models" => Act::Json(json!({"data": [{"id": "big"}]})),
        "/api/paas/v4/chat/completions" => answers(request),
        _ => Act::Status(404, Value::Null),
    });
    let base = mock.url().replace("/v1", "/api/paas/v4");
    for url in [
        base.clone(),
        format!("{base}/"),
        format!("{base}/chat/completions"),
    ] {
        let client = RemotePolicy::connect(&servers(&url), None, |_| {}).unwrap();
        assert!(draw(&client, 1, Sampling::at(0.7)).is_ok(), "{url}");
    }
}

#[test]
fn a_vllm_behind_a_proxy_that_names_itself_is_known_by_what_it_answers_or_by_its_configuration() {
    let renamed = |request: &Request, tells: bool| match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [{"id": "micro", "owned_by": "proxy"}]})),
        "/metrics" | "/openapi.json" if !tells => Act::Status(404, Value::Null),
        _ => mock::policy(request),
    };
    let telling = Mock::start(move |request| renamed(request, true));
    let silent = Mock::start(move |request| renamed(request, false));
    let dialect = |servers: &Servers| {
        RemotePolicy::connect(servers, None, |_| {})
            .unwrap()
            .facts()[0]
            .dialect
            .name()
    };
    assert_eq!(dialect(&servers(&telling.url())), "vllm");
    assert_eq!(dialect(&servers(&silent.url())), "chat");
    assert_eq!(
        dialect(&servers(&format!("{}?dialect=vllm#micro", silent.url()))),
        "vllm"
    );
    let file = format!(
        "[policy]\nurls = \"{}\"\ndialect = \"vllm\"\n",
        silent.url()
    );
    let config = Config::parse(&file).unwrap();
    assert_eq!(dialect(&config.policy.unwrap()), "vllm");
    let llama = Mock::start(|request| match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [{"id": "micro", "owned_by": "proxy"}]})),
        "/props" => {
            Act::Json(json!({"default_generation_settings": {"n_ctx": 512}, "total_slots": 2}))
        }
        _ => Act::Status(404, Value::Null),
    });
    assert_eq!(dialect(&servers(&llama.url())), "llama.cpp");
}

#[test]
fn another_outthink_is_asked_for_whole_answers_under_the_profile_that_it_names() {
    let mock = Mock::start(|request| match request.path.as_str() {
        "/v1/models" => Act::Json(json!({"data": [
            {"id": "micro-0.3m", "owned_by": "outthink", "outthink": {"profile": "micro"}},
            {"id": "majority:micro-0.3m", "owned_by": "outthink"}]})),
        "/openapi.json" => Act::Json(
            json!({"info": {"version": "0.9.0"}, "paths": {"/v1/chat/completions": {}, "/v1/completions": {}}}),
        ),
        CHAT => answers(request),
        _ => Act::Status(404, Value::Null),
    });
    let client = RemotePolicy::connect(
        &servers(&format!("{}#micro-0.3m", mock.url())),
        None,
        |_| {},
    )
    .unwrap();
    let facts = &client.facts()[0];
    assert_eq!(
        format!("{} {}", facts.dialect, facts.version.as_deref().unwrap()),
        "outthink serve 0.9.0"
    );
    assert_eq!(
        (client.profile_name(), client.takes_steps()),
        ("micro", false)
    );
    assert!(draw(&client, 4, Sampling::at(1.0)).is_ok());
    assert_eq!(
        mock.bodies()[0].1["messages"],
        json!([{"role": "user", "content": "What is $3+4$?"}])
    );
}

#[test]
fn a_redirect_never_carries_a_key_to_another_server() {
    let thief = provider(answers);
    let target = thief.url();
    let mock = Mock::start(move |request| {
        Act::Headers(
            307,
            vec![("location", format!("{target}{}", &request.path[3..]))],
            Value::Null,
        )
    });
    let file = key_file("redirect", "sk-very-secret");
    let asked = Servers {
        key_file: Some(file.clone()),
        ..servers(&format!("{}#big", mock.url()))
    };
    let error = connect_error(&asked);
    assert!(
        error.contains("sends requests on to") && error.contains(&thief.url()),
        "{error}"
    );
    // At the server itself it is followed, the key too.
    let seen: Arc<Mutex<Vec<Option<String>>>> = Arc::default();
    let sees = Arc::clone(&seen);
    let mock = Mock::start(move |request| {
        sees.lock().unwrap().push(request.authorization.clone());
        match request.path.as_str() {
            "/api/v1/models" => Act::Json(json!({"data": [{"id": "big"}]})),
            "/api/v1/chat/completions" => answers(request),
            path => Act::Headers(308, vec![("location", format!("/api{path}"))], Value::Null),
        }
    });
    let asked = Servers {
        key_file: Some(file.clone()),
        ..servers(&mock.url())
    };
    let client = RemotePolicy::connect(&asked, None, |_| {}).unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(draw(&client, 1, Sampling::at(0.7)).is_ok());
    assert!(
        seen.lock()
            .unwrap()
            .iter()
            .all(|key| key.as_deref() == Some("Bearer sk-very-secret"))
    );
}

fn key_file(name: &str, key: &str) -> std::path::PathBuf {
    let file = std::env::temp_dir().join(format!("outthink-{name}-{}", std::process::id()));
    std::fs::write(&file, key).unwrap();
    file
}

#[test]
fn a_key_that_a_server_echoes_goes_nowhere() {
    const KEY: &str = "sk-very-secret";
    let mock = provider(|request| {
        let echoed = request.authorization.clone().unwrap_or_default();
        match request.body["temperature"].as_f64() {
            Some(0.5) => Act::Status(
                401,
                json!({"error": {"message": format!("wrong key: {echoed}\u{1b}[2J")}}),
            ),
            _ => Act::Json(reply(&[choice(&format!("You sent {echoed}."))])),
        }
    });
    let file = key_file("echo", KEY);
    let asked = Servers {
        key_file: Some(file.clone()),
        ..servers(&mock.url())
    };
    let client = RemotePolicy::connect(&asked, None, |_| {}).unwrap();
    std::fs::remove_file(file).unwrap();
    let error = draw(&client, 1, Sampling::at(0.5)).unwrap_err();
    assert!(
        error.contains("wrong key: Bearer [key]\\u{1b}[2J"),
        "{error}"
    );
    let (drawn, _) = draw(&client, 1, Sampling::at(0.7)).unwrap();
    assert_eq!(text(&drawn[0]), "You sent Bearer [key].");
    for temperature in [0.5, 0.7] {
        let body = json!({"model": "big", "temperature": temperature}).to_string();
        let passed = block_on(client.forward(CHAT, body.into())).unwrap();
        let parts: Vec<u8> =
            block_on(passed.body.map_ok(|part| part.to_vec()).try_concat()).unwrap();
        let text = String::from_utf8(parts).unwrap();
        assert!(text.contains("[key]") && !text.contains(KEY), "{text}");
    }
}

#[test]
fn probing_waits_no_longer_than_a_request_may_take() {
    let mock = Mock::start(|_| Act::Hang);
    let asked = Servers {
        timeout_seconds: 0.2,
        patience_seconds: 0.1,
        ..servers(&mock.url())
    };
    let error = connect_error(&asked);
    assert!(error.contains("no answer within 200ms"), "{error}");
}

#[test]
fn a_server_that_is_loading_is_waited_for_and_that_is_told() {
    let ready = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&ready);
    let mock = Mock::start(move |request| match request.path.as_str() {
        "/v1/models" if count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 => Act::Status(
            503,
            json!({"error": {"message": "Loading model", "code": 503}}),
        ),
        "/v1/models" => Act::Json(json!({"data": [{"id": "big"}]})),
        _ => Act::Status(404, Value::Null),
    });
    let asked = Servers {
        patience_seconds: 60.0,
        ..servers(&mock.url())
    };
    let heard: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let hears = Arc::clone(&heard);
    RemotePolicy::connect(&asked, None, move |notice| {
        hears.lock().unwrap().push(notice)
    })
    .unwrap();
    let heard = heard.lock().unwrap();
    assert!(
        matches!(&heard[..], [Notice::Down { patience, .. }, Notice::Up { .. }] if *patience == Duration::from_secs(60)),
        "{heard:?}"
    );
    assert!(heard[0].to_string().contains("Loading model"), "{heard:?}");
    assert!(
        heard[0]
            .to_string()
            .contains("waiting up to 60 s (patience-seconds), Ctrl-C to stop"),
        "{heard:?}"
    );
}

#[test]
fn what_is_typed_wrong_is_told_without_its_secrets() {
    for (text, words) in [
        (
            "localhost:8480/v1",
            "did you mean http://localhost:8480/v1?",
        ),
        ("127.0.0.1:8000#m", "did you mean http://127.0.0.1:8000?"),
        ("htp://h/v1", "neither http nor https"),
        ("HTTP://me:sk-secret@h/v1", "keys come from"),
        ("http://me:sk-sec#ret@h/v1", "keys come from"),
        ("http://me:sk-sec,ret@h/v1", "keys come from"),
        ("http://h/v1?key=sk-secret", "it has a query"),
        ("http://h/v1?dialect=tgi", "one of vllm, sglang"),
    ] {
        assert!(Servers::recognises(text));
        let error = Servers::parse(text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(words) && !shown.contains("sk-sec"),
            "{shown}"
        );
    }
    let at = Servers::parse("https://h/v1#@cf/meta/llama").unwrap();
    assert_eq!(at.model.as_deref(), Some("@cf/meta/llama"));
    for (file, words) in [
        (
            "[policy]\nurls = []\napi_key = \"sk-secret\"\n",
            "line 3: unknown field `api_key`",
        ),
        (
            "[policy]\nurls = \"http://h\"\ntimeout_seconds = \"sk-secret\"\n",
            "line 3: invalid type: text, expected f64",
        ),
        (
            "[policy]\nurls = \"http://me:sk-secret@h\"\n",
            "keys come from",
        ),
        ("[policy]\nurls = sk-secret\n", "line 2"),
        (
            "[policy]\nurls = [\"http://h\"]\ndialect = \"tgi\"\n",
            "no kind of server `tgi`",
        ),
    ] {
        let error = Config::parse(file).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(words) && !shown.contains("sk-secret"),
            "{shown}"
        );
    }
}
