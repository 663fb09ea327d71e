//! Models of one's own: a policy behind a server that only chats, and nothing else is named.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use command::{Chat, Folder, outthink};
use outthink_core::AnyMethod;
use serde_json::Value;

const TWELVE: &[&str] = &[
    "Add them.\n\nThe answer is \\boxed{12}.",
    "The answer is \\boxed{13}.",
    "So the answer is \\boxed{12}.",
];

fn told(arguments: &[&str], folder: &Folder) -> (Option<i32>, String, String) {
    let output = outthink(arguments, folder);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn no_verifier_that_was_not_named_judges_a_policy_of_ones_own() {
    let (folder, chat) = (Folder::new("unjudged"), Chat::start(TWELVE));
    let solve = ["solve", "--policy", &chat.url, "--budget", "6"];
    let (code, out, errors) = told(&[&solve[..], &["What is 12 times 1?"]].concat(), &folder);
    assert_eq!(code, Some(0), "{errors}");
    assert!(out.contains("plan       6 solutions (majority)\n"), "{out}");
    assert!(out.contains("answer     12\nagreement  67 %\n"), "{out}");
    assert!(
        !out.contains("verifier   ") && !out.contains("trust"),
        "{out}"
    );
    assert_eq!(
        errors,
        "no verifier named: majority vote. Name a PRM with --verifier for best-of-N or beam search.\n"
    );
    // What was said needs no word.
    for asked in [["--method", "majority"], ["--verifier", "none"]] {
        let typed = [&solve[..], &asked, &["What is 12 times 1?"]].concat();
        assert_eq!(told(&typed, &folder).2, "");
    }
    // A verifier of the micro family knows nothing of it, named or not.
    let typed = [
        &solve[..],
        &["--verifier", "micro-prm", "--json", "What is 12 times 1?"],
    ]
    .concat();
    assert!(
        told(&typed, &folder)
            .2
            .starts_with("warning: the verifier (micro-prm) only knows")
    );
    // What the pair cannot do is said before anything is asked.
    let before = chat.heads.lock().unwrap().len();
    let typed = [
        &solve[..],
        &[
            "--method",
            "beam",
            "--width",
            "3",
            "--verifier",
            "micro-prm",
            "What?",
        ],
    ]
    .concat();
    let (code, _, errors) = told(&typed, &folder);
    assert!(
        code == Some(2) && errors.contains("majority or best-of-n"),
        "{errors}"
    );
    let typed = [
        &solve[..],
        &["--strategy", "paper", "--verifier", "micro-prm", "What?"],
    ]
    .concat();
    assert_eq!(told(&typed, &folder).0, Some(2));
    let heads = chat.heads.lock().unwrap();
    assert!(
        heads[before..].iter().all(|head| head.starts_with("GET ")),
        "{heads:?}"
    );
}

#[test]
fn doctor_says_what_a_chat_server_can_do_and_does_not_call_the_rest_a_fault() {
    let (folder, chat) = (Folder::new("doctor"), Chat::start(TWELVE));
    let (code, out, errors) = told(&["doctor", "--policy", &chat.url], &folder);
    assert_eq!(code, Some(0), "{out}{errors}");
    let steps = AnyMethod::all()
        .into_iter()
        .filter(|method| method.is_stepwise() || method.traits().live);
    let steps: Vec<&str> = steps.map(AnyMethod::name).collect();
    let limited = format!("limited {} are not available because", steps.join(", "));
    // A long line is broken where it is shown.
    let shown = out.split_whitespace().collect::<Vec<&str>>().join(" ");
    for part in [
        "OpenAI-compatible chat server (version not reported), model tiny-chat, context length not reported",
        "methods that work: cot, majority, recursive-self-aggregation",
        &limited,
        "without a verifier there is no best-of-n",
    ] {
        assert!(shown.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("FAIL") && !out.contains("unknown"), "{out}");
}

#[test]
fn replies_without_an_answer_are_shown_and_that_is_no_success() {
    let (folder, chat) = (
        Folder::new("answerless"),
        Chat::start(&["Paris.", "It is Paris."]),
    );
    let solve = [
        "solve",
        "--policy",
        &chat.url,
        "--budget",
        "4",
        "What is the capital of France?",
    ];
    let (code, out, _) = told(&solve, &folder);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("\n  Paris.\n"), "{out}");
    assert!(
        out.contains("answer     none was found in 4 replies"),
        "{out}"
    );
    let (code, out, _) = told(&[&solve[..], &["--json"]].concat(), &folder);
    let reply: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(1) && reply["answer"].is_null(), "{reply}");
    assert!(reply["solutions"].to_string().contains("Paris"), "{reply}");
}

#[test]
fn what_a_model_writes_cannot_steer_a_terminal() {
    let chat = Chat::start(&["\u{1b}[31mred\u{7}\u{202e}. The answer is \\boxed{7}."]);
    let folder = Folder::new("escapes");
    let solve = ["solve", "--policy", &chat.url, "--budget", "2", "What?"];
    let (_, out, _) = told(&solve, &folder);
    assert!(
        out.contains(r"\u{1b}[31mred\u{7}\u{202e}. The answer"),
        "{out}"
    );
    assert!(!out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{out}");
    // JSON stays what it was, to the last character.
    let (_, out, _) = told(&[&solve[..], &["--json"]].concat(), &folder);
    let reply: Value = serde_json::from_str(&out).unwrap();
    let text = reply["solutions"][0]["steps"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("\u{1b}[31mred\u{7}\u{202e}."), "{text:?}");
}

#[test]
fn two_servers_are_compared_by_their_models_or_else_by_their_addresses() {
    let folder = Folder::new("compared");
    let (first, second) = (Chat::start(TWELVE), Chat::start(TWELVE));
    std::fs::write(
        folder.file("d.jsonl"),
        "{\"problem\": \"What is 12 times 1?\", \"answer\": \"12\"}\n",
    )
    .unwrap();
    let policies = format!("{},{}", first.url, second.url);
    let study = [
        "study",
        "--dataset",
        "d.jsonl",
        "--budgets",
        "4",
        "--store",
        "s.sqlite",
    ];
    let (code, out, errors) = told(
        &[
            &study[..],
            &[
                "--policy",
                &first.url,
                "--policy",
                &second.url,
                "--name",
                "both",
            ],
        ]
        .concat(),
        &folder,
    );
    assert_eq!(code, Some(0), "{policies}: {out}{errors}");
    for url in [&first.url, &second.url] {
        let host = url.split('/').nth(2).unwrap();
        assert!(out.contains(&format!("tiny-chat@{host}")), "{out}");
    }
    // Each of them was asked.
    for chat in [&first, &second] {
        let heads = chat.heads.lock().unwrap();
        assert!(
            heads.iter().any(|head| head.starts_with("POST ")),
            "{heads:?}"
        );
    }
    let (_, out, _) = told(
        &[
            &study[..],
            &["--policy", &first.url, "--name", "one", "--dry-run"],
        ]
        .concat(),
        &folder,
    );
    assert!(out.contains("policies   tiny-chat\n"), "{out}");
}
