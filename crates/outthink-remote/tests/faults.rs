//! Everything that can break between this process and a fleet. The mock models are pure functions of what they are sent, so
//! a search under a fault must grow the very tree, at the very cost, of a search without.

#![allow(clippy::unwrap_used, missing_docs)]

mod mock;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::executor::block_on;
use mock::{Act, Mock, Request};
use outthink_core::method::{BEAM, MAJORITY};
use outthink_core::{
    AnyMethod, Error, Finished, Halt, Limits, Plan, Policy, Problem, Sampling, Stop, Tree, Until,
    Usage, Verifier, search,
};
use outthink_remote::{Notice, RemotePolicy, RemoteVerifier, Role, Servers};
use serde_json::json;

fn model(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/micro")
        .join(name)
}

fn servers(urls: &[String], checkpoint: &str) -> Servers {
    Servers {
        tokenizer: Some(model(checkpoint)),
        timeout_seconds: 5.0,
        patience_seconds: 20.0,
        ..Servers::parse(&urls.join(",")).unwrap()
    }
}

fn policy_at(urls: &[String]) -> RemotePolicy {
    RemotePolicy::connect(&servers(urls, "micro-0.3m"), None, |_| {}).unwrap()
}

fn verifier_at(urls: &[String]) -> RemoteVerifier {
    RemoteVerifier::connect(&servers(urls, "micro-prm"), None, |_| {}).unwrap()
}

fn problem(number: usize) -> Arc<Problem> {
    Arc::new(Problem {
        id: format!("p{number}"),
        text: format!("Evaluate $3+{number}$."),
    })
}

fn grow_problem(
    number: usize,
    method: AnyMethod,
    policy: &dyn Policy,
    verifier: Option<&dyn Verifier>,
) -> Result<Tree, Error> {
    let limits = Limits {
        draw_tokens: 96,
        solution_tokens: 320,
        steps: 8,
    };
    let plan = Plan::new(method, 8, 2, Finished::Compete).unwrap();
    block_on(search(
        problem(number),
        &plan,
        Sampling::at(1.0),
        limits,
        7,
        policy,
        verifier,
    ))
}

fn grow(policy: &RemotePolicy, verifier: &RemoteVerifier) -> Result<Tree, Error> {
    grow_problem(4, BEAM, policy, Some(verifier))
}

/// Steps, rewards, draws and costs: all that a tree is.
fn shape(tree: &Tree) -> (Vec<String>, Usage, Usage) {
    let node = |node: &outthink_core::Node| {
        let step = node
            .step
            .as_ref()
            .map(|step| (step.text.clone(), step.tokens.clone()));
        format!(
            "{:?} {step:?} {:?} {} {:?}",
            node.parent, node.reward, node.draws, node.finished
        )
    };
    (
        tree.nodes().iter().map(node).collect(),
        tree.policy,
        tree.verifier,
    )
}

/// The tree that faultless servers grow.
fn expected() -> (Vec<String>, Usage, Usage) {
    let (policy, prm) = (Mock::start(mock::policy), Mock::start(mock::prm));
    shape(&grow(&policy_at(&[policy.url()]), &verifier_at(&[prm.url()])).unwrap())
}

/// Does `fault` to every third question to either model, and what it should to the others.
fn survives(fault: fn() -> Act) {
    let every_third = move |request: &Request, usual: fn(&Request) -> Act| {
        let question = matches!(request.path.as_str(), "/v1/completions" | "/pooling");
        match question && request.number % 3 == 1 {
            true => fault(),
            false => usual(request),
        }
    };
    let policy = Mock::start(move |request| every_third(request, mock::policy));
    let prm = Mock::start(move |request| every_third(request, mock::prm));
    let (client, judge) = (policy_at(&[policy.url()]), verifier_at(&[prm.url()]));
    let tree = grow(&client, &judge).unwrap();
    assert_eq!(shape(&tree), expected());
    let stats = &client.stats()[0];
    assert!(
        stats.wasted + stats.busy > 0,
        "no fault happened: {stats:?}"
    );
    // Every request that brought nothing is told apart from those that did.
    assert_eq!(
        stats.answered + stats.wasted + stats.busy,
        policy.asked() as u64
    );
    assert_eq!(tree.policy.requests, stats.answered);
}

#[test]
fn failures_of_the_server_lose_no_sample_and_count_none_twice() {
    survives(|| {
        Act::Status(
            500,
            json!({"error": {"message": "EngineCore encountered an issue."}}),
        )
    });
}

#[test]
fn broken_connections_lose_no_sample_and_count_none_twice() {
    survives(|| Act::Reset);
}

#[test]
fn truncated_answers_lose_no_sample_and_count_none_twice() {
    survives(|| Act::Truncated(json!({"choices": [{"text": "3"}]}).to_string()));
}

#[test]
fn answers_that_are_cut_off_json_lose_no_sample_and_count_none_twice() {
    survives(|| Act::Garbage("{\"choices\": [{\"token_ids\": [23, 6"));
}

#[test]
fn overload_with_and_without_a_time_to_come_back_loses_no_sample() {
    survives(|| Act::Status(429, json!({"error": "slow down"})));
    survives(|| {
        Act::Headers(
            429,
            vec![("retry-after", "0.05".into())],
            json!({"error": "slow down"}),
        )
    });
    survives(|| Act::Status(503, json!({"error": "loading"})));
}

#[test]
fn a_server_that_hangs_is_asked_again_and_told_to_stop() {
    let policy = Mock::start(|request| match (request.path.as_str(), request.number) {
        ("/v1/completions", 2) => Act::Hang,
        _ => mock::policy(request),
    });
    let prm = Mock::start(mock::prm);
    let mut servers = servers(&[policy.url()], "micro-0.3m");
    servers.timeout_seconds = 0.3;
    let client = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
    let tree = grow(&client, &verifier_at(&[prm.url()])).unwrap();
    assert_eq!(shape(&tree), expected());
    assert_eq!((client.stats()[0].wasted, policy.hung_up()), (1, 1));
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let mut policy = Mock::absent(mock::policy);
    let url = policy.url();
    let heard: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let hears = Arc::clone(&heard);
    let (say, when) = std::sync::mpsc::channel();
    let connecting = std::thread::spawn(move || {
        let notice = move |notice: Notice| {
            hears.lock().unwrap().push(notice);
            let _ = say.send(());
        };
        RemotePolicy::connect(&servers(&[url], "micro-0.3m"), None, notice).map(|_| ())
    });
    when.recv_timeout(Duration::from_secs(20)).unwrap();
    policy.begin();
    connecting.join().unwrap().unwrap();
    let heard = heard.lock().unwrap();
    assert!(
        matches!(
            &heard[..],
            [
                Notice::Down {
                    role: Role::Policy,
                    ..
                },
                Notice::Up { .. }
            ]
        ),
        "{heard:?}"
    );
}

#[test]
fn who_is_not_there_at_the_first_contact_is_not_waited_for_long() {
    let policy = Mock::absent(mock::policy);
    let mut servers = servers(&[policy.url()], "micro-0.3m");
    servers.patience_seconds = 0.2;
    let error = RemotePolicy::connect(&servers, None, |_| {})
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("no policy server answers"), "{error}");
    assert!(
        error.contains("Is it running, and is the port right?"),
        "{error}"
    );
}

#[test]
fn a_run_ends_when_patience_does_and_says_what_to_do() {
    let mut policy = Mock::start(mock::policy);
    let mut servers = servers(&[policy.url()], "micro-0.3m");
    servers.patience_seconds = 0.2;
    let client = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
    policy.kill();
    let error = grow_problem(1, MAJORITY, &client, None).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert!(error.contains("no policy server has answered"), "{error}");
    assert!(error.contains("run the same command again"), "{error}");
}

#[test]
fn a_crash_as_vllms_own_is_survived_until_someone_restarts_it() {
    // 500 for what was under way, then the process is gone, then it is back.
    let crash = Arc::new(AtomicUsize::new(0));
    let crashing = Arc::clone(&crash);
    let policy = Arc::new(Mutex::new(Mock::absent(move |request: &Request| {
        if request.path == "/v1/completions"
            && request.number >= 3
            && crashing
                .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        {
            return Act::Status(
                500,
                json!({"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root cause."}}),
            );
        }
        mock::policy(request)
    })));
    policy.lock().unwrap().begin();
    let url = policy.lock().unwrap().url();
    let (killed, down) = (Arc::clone(&policy), Arc::new(AtomicUsize::new(0)));
    let (counted, watching) = (Arc::clone(&down), Arc::clone(&crash));
    let killer = std::thread::spawn(move || {
        while watching.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        killed.lock().unwrap().kill();
        while counted.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        killed.lock().unwrap().begin();
    });
    let counting = Arc::clone(&down);
    let notice = move |notice: Notice| {
        if matches!(notice, Notice::Down { .. }) {
            counting.fetch_add(1, Ordering::SeqCst);
        }
    };
    let client = RemotePolicy::connect(&servers(&[url], "micro-0.3m"), None, notice).unwrap();
    let prm = Mock::start(mock::prm);
    let tree = grow(&client, &verifier_at(&[prm.url()])).unwrap();
    killer.join().unwrap();
    assert_eq!(shape(&tree), expected());
    assert_eq!(down.load(Ordering::SeqCst), 1);
    // What was under way when it died was lost, and what came later refused; which of the two there was is a matter of time.
    let stats = &client.stats()[0];
    assert!(stats.refused + stats.wasted > 0);
}

#[test]
fn a_dead_replica_loses_no_sample() {
    let (mut one, two) = (Mock::start(mock::policy), Mock::start(mock::policy));
    let prm = Mock::start(mock::prm);
    let client = policy_at(&[one.url(), two.url()]);
    let judge = verifier_at(&[prm.url()]);
    let alone = Mock::start(mock::policy);
    let reference = policy_at(&[alone.url()]);
    for number in 0..8 {
        if number == 3 {
            one.kill();
        }
        if number == 6 {
            one.begin();
        }
        let tree = grow_problem(number, BEAM, &client, Some(&judge)).unwrap();
        let expected = grow_problem(number, BEAM, &reference, Some(&judge)).unwrap();
        assert_eq!(shape(&tree), shape(&expected));
    }
    assert!(one.asked() > 0 && two.asked() > 0);
}

#[test]
fn draws_that_are_halted_hand_over_what_came_and_count_what_was_asked() {
    let drawn = AtomicUsize::new(0);
    let policy = Mock::start(move |request| match request.path.as_str() {
        "/v1/completions" if drawn.fetch_add(1, Ordering::SeqCst) == 1 => Act::Hang,
        _ => mock::policy(request),
    });
    let client = policy_at(&[policy.url()]);
    let halt = Halt::default();
    let answered = || client.stats()[0].answered;
    let before = answered();
    let mut work = client.extend_until(
        vec![outthink_core::Extension {
            problem: problem(1),
            steps: Vec::new(),
            seeds: vec![1, 2],
            until: Until::Step,
            sampling: Sampling::at(1.0),
            max_tokens: 8,
            offset: 0,
        }],
        &halt,
    );
    while answered() == before || policy.asked() < 2 {
        let _ = block_on(async { futures::poll!(&mut work) });
        std::thread::sleep(Duration::from_millis(1));
    }
    halt.stop();
    let mut replies = block_on(work).unwrap();
    let (draws, usage) = replies.pop().unwrap();
    let done = draws.iter().filter(|draw| !draw.steps.is_empty());
    assert_eq!((replies.len(), draws.len(), done.count()), (0, 2, 1));
    assert!(
        draws
            .iter()
            .any(|draw| draw.steps.is_empty() && draw.stop == Stop::Length)
    );
    // The question was sent twice, and what became of one is not known.
    let prompt = client.prompt(&problem(1)).unwrap().len() as u64;
    assert_eq!((usage.requests, usage.prompt), (2, 2 * prompt));
    assert!(usage.estimated >= 1 && usage.generated > 0);
}

#[test]
fn a_search_that_is_dropped_hangs_up() {
    let policy = Mock::start(|request| match request.path.as_str() {
        "/v1/completions" => Act::Hang,
        _ => mock::policy(request),
    });
    let client = policy_at(&[policy.url()]);
    let work = client.extend(vec![outthink_core::Extension {
        problem: problem(1),
        steps: Vec::new(),
        seeds: vec![1, 2, 3],
        until: Until::Step,
        sampling: Sampling::at(1.0),
        max_tokens: 8,
        offset: 0,
    }]);
    {
        let mut work = work;
        // Polled until the requests are out, then dropped.
        while policy.asked() < 3 {
            let _ = block_on(async { futures::poll!(&mut work) });
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for _ in 0..2000 {
        if policy.hung_up() == 3 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} of 3 requests were given up", policy.hung_up());
}

/// A verifier whose answers are spoilt: how a search ends.
fn spoilt(rows: fn(&serde_json::Value) -> serde_json::Value) -> String {
    let policy = Mock::start(mock::policy);
    let prm = Mock::start(move |request| match request.path.as_str() {
        "/pooling" => {
            let mut reply = mock::pooled(&request.body);
            reply["data"][0]["data"] = rows(&reply["data"][0]["data"]);
            Act::Json(reply)
        }
        _ => mock::prm(request),
    });
    let error = grow(&policy_at(&[policy.url()]), &verifier_at(&[prm.url()])).unwrap_err();
    let error: &dyn std::error::Error = &error;
    format!("{error}: {}", error.source().unwrap())
}

#[test]
fn a_reply_without_its_rows_is_an_error_and_never_a_score() {
    let none = spoilt(|_| json!([]));
    assert!(
        none.contains("0 reward rows for 1 steps") && none.contains("step_tag_id"),
        "{none}"
    );
    let more = spoilt(|rows| json!([rows[0], rows[0], rows[0]]));
    assert!(more.contains("3 reward rows for 1 steps"), "{more}");
}

#[test]
fn a_row_that_is_no_probability_is_an_error_and_never_a_score() {
    for rows in [
        |_: &_| json!([[null, null]]),
        |_: &_| json!([[-0.5, 1.5]]),
        |_: &_| json!([[2.5, 0.1]]),
        |_: &_| json!([0.5]),
    ] {
        let error = spoilt(rows);
        assert!(
            error.contains("row of label probabilities was expected"),
            "{error}"
        );
    }
}

#[test]
fn a_wrong_model_is_told_with_those_that_are_there() {
    let policy = Mock::start(mock::policy);
    let servers = Servers {
        model: Some("macro".into()),
        ..servers(&[policy.url()], "micro-0.3m")
    };
    let error = RemotePolicy::connect(&servers, None, |_| {})
        .err()
        .unwrap()
        .to_string();
    assert!(error.ends_with("serves micro, not \"macro\""), "{error}");
}

#[test]
fn a_model_that_is_taken_away_ends_the_search_at_once() {
    let policy = Mock::start(|request| match request.path.as_str() {
        "/v1/completions" => Act::Status(
            404,
            json!({"error": {"message": "The model `micro` does not exist."}}),
        ),
        _ => mock::policy(request),
    });
    let client = policy_at(&[policy.url()]);
    let error = grow_problem(1, MAJORITY, &client, None).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("404") && source.contains("does not exist"),
        "{source}"
    );
    assert!(policy.asked() <= 8, "asking again would not help");
}

#[test]
fn a_prompt_beyond_the_context_is_an_error_before_it_is_sent() {
    let policy = Mock::start(|request| match request.path.as_str() {
        "/v1/models" => {
            Act::Json(json!({"data": [{"id": "micro", "owned_by": "vllm", "max_model_len": 5}]}))
        }
        _ => mock::policy(request),
    });
    let client = policy_at(&[policy.url()]);
    let error = grow_problem(1, MAJORITY, &client, None).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("9 tokens exceed the context of 5"),
        "{source}"
    );
    assert_eq!(policy.asked(), 0);
}

#[test]
fn a_stream_that_breaks_is_asked_for_again() {
    let policy = Mock::start(
        |request| match (request.path.as_str(), request.number % 3) {
            ("/v1/completions", 0) => {
                let mut events = mock::completion_events(&request.body);
                events.truncate(2);
                Act::Stream(events, false)
            }
            ("/v1/completions", 1) => {
                let mut events = mock::completion_events(&request.body);
                events[1].truncate(30);
                Act::Stream(events, true)
            }
            ("/v1/completions", _) => Act::Stream(mock::completion_events(&request.body), true),
            _ => mock::policy(request),
        },
    );
    let servers = Servers {
        stream: true,
        attempts: 30,
        ..servers(&[policy.url()], "micro-0.3m")
    };
    let client = RemotePolicy::connect(&servers, None, |_| {}).unwrap();
    let tree = grow_problem(2, MAJORITY, &client, None).unwrap();
    let whole = Mock::start(mock::policy);
    let expected = grow_problem(2, MAJORITY, &policy_at(&[whole.url()]), None).unwrap();
    assert_eq!(shape(&tree), shape(&expected));
    assert!(client.stats()[0].wasted > 0);
}
