//! Servers that are started for a model: used, and gone with the program, however that ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod command;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use command::Folder;

/// What stands in for llama-server; it needs Python.
fn fake() -> Option<PathBuf> {
    let python = Command::new("python3").arg("--version").output();
    if python.is_err() {
        eprintln!("skipped: no python3");
        return None;
    }
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/started/llama_server.py"))
}

/// The program in a folder with a model, which no engine reads.
fn outthink(folder: &Folder, fake: &Path, arguments: &[&str]) -> Command {
    std::fs::write(folder.file("model.gguf"), "weights").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_outthink"));
    command
        .args(arguments)
        .current_dir(&folder.0)
        .env("OUTTHINK_LLAMA_SERVER", fake)
        .env("STARTS", folder.file("starts"))
        .env("TMPDIR", &folder.0)
        // Nobody is asked for the way to this machine.
        .env("HTTP_PROXY", "http://127.0.0.1:1");
    command
}

const ASKED: [&str; 5] = [
    "generate",
    "--policy",
    "llama.cpp:model.gguf",
    "--prompt",
    "What is 12 times 12?",
];

/// What was started: both processes, and the arguments.
fn starts(folder: &Folder) -> Vec<([u64; 2], Vec<String>)> {
    let lines = std::fs::read_to_string(folder.file("starts")).unwrap_or_default();
    let read = |line| {
        let start: (u64, u64, Vec<String>) = serde_json::from_str(line).unwrap();
        ([start.0, start.1], start.2)
    };
    lines.lines().map(read).collect()
}

/// Is a process there? One that has ended and waits to be noticed is not.
fn runs(process: u64) -> bool {
    let mut ps = Command::new("ps");
    let told = ps
        .args(["-o", "stat=", "-p", &process.to_string()])
        .output();
    let told = String::from_utf8(told.unwrap().stdout).unwrap();
    !told.trim().is_empty() && !told.trim().starts_with('Z')
}

/// Waits until something holds.
fn within(seconds: u64, holds: impl Fn() -> bool) -> bool {
    let from = Instant::now();
    while from.elapsed() < Duration::from_secs(seconds) {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    holds()
}

fn logs(folder: &Folder) -> Vec<PathBuf> {
    let files = std::fs::read_dir(&folder.0).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect()
}

#[test]
fn a_server_is_started_used_and_gone_afterwards() {
    let Some(fake) = fake() else { return };
    let folder = Folder::new("started");
    let mut command = outthink(&folder, &fake, &ASKED);
    let output = command
        .env("OUTTHINK_LLAMA_FLAGS", "-t '2'")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "The answer is $\\boxed{144}$.\n"
    );
    assert!(
        told.contains("starting llama-server for llama.cpp:model.gguf"),
        "{told}"
    );
    let starts = starts(&folder);
    let [(processes, arguments)] = &starts[..] else {
        panic!("{starts:?}")
    };
    let line = arguments.join(" ");
    let expected = format!(
        "-m {} --alias model -np 4 -c 36864 --host 127.0.0.1 --port ",
        folder.file("model.gguf")
    );
    assert!(
        line.starts_with(&expected) && line.ends_with(" -t 2"),
        "{line}"
    );
    assert!(!processes.iter().any(|process| runs(*process)));
    assert!(logs(&folder).is_empty());
}

#[test]
fn however_the_program_ends_its_server_ends_too() {
    let Some(fake) = fake() else { return };
    for signal in ["INT", "TERM", "KILL"] {
        let folder = Folder::new(&format!("started-{signal}"));
        // Whoever runs the tests in the background has Ctrl-C ignored, and what is started inherits that.
        let heeding = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])";
        let asked = outthink(&folder, &fake, &ASKED);
        let mut command = Command::new("python3");
        command
            .args(["-c", heeding])
            .arg(asked.get_program())
            .args(asked.get_args())
            .current_dir(&folder.0)
            .envs(
                asked
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            );
        let mut program = command
            .env("FAKE", "hangs")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert!(within(60, || !starts(&folder).is_empty()), "{signal}");
        let (processes, _) = starts(&folder).remove(0);
        assert!(processes.iter().all(|process| runs(*process)));
        let kill = Command::new("kill")
            .args(["-s", signal, &program.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        assert!(!program.wait().unwrap().success());
        assert!(
            within(30, || !processes.iter().any(|process| runs(*process))),
            "{signal}"
        );
        assert!(within(30, || logs(&folder).is_empty()), "{signal}");
    }
}

#[test]
fn a_server_that_dies_while_it_starts_says_why_and_no_secrets() {
    let Some(fake) = fake() else { return };
    let folder = Folder::new("started-dies");
    let mut command = outthink(&folder, &fake, &ASKED);
    command
        .env("FAKE", "dies")
        .env("OUTTHINK_LLAMA_FLAGS", "--api-key sk-secret-1");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("llama-server ended while it started (exit status: 1)"),
        "{told}"
    );
    assert!(
        told.contains("error: out of memory") && told.contains("--api-key [key]"),
        "{told}"
    );
    assert!(!told.contains("sk-secret-1"), "{told}");
    let [log] = &logs(&folder)[..] else {
        panic!("{told}")
    };
    assert!(told.contains(&log.display().to_string()), "{told}");
    let (processes, _) = starts(&folder).remove(0);
    assert!(!processes.iter().any(|process| runs(*process)));
}

#[test]
fn what_is_not_installed_or_not_there_is_said() {
    let folder = Folder::new("started-absent");
    let told = |policy: &str, program: &str| {
        let arguments = ["generate", "--policy", policy, "--prompt", "x"];
        let mut command = outthink(&folder, Path::new(program), &arguments);
        let output = command.env("PATH", &folder.0).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let absent = [
        ("llama.cpp:model.gguf", ""),
        ("llama.cpp:model.gguf", "/nowhere/llama-server"),
        ("llama.cpp:modle.gguf", "/bin/sh"),
        ("llama.cpp:.", "/bin/sh"),
        ("llama.cpp:owner/name@old", "/bin/sh"),
        ("vllm:owner/name", ""),
        ("sglang:owner/name", ""),
    ];
    let all = absent.map(|(policy, program)| told(policy, program));
    insta::assert_snapshot!(all.concat());
}

/// A study knows its model by what its file holds: neither by a port nor by a path.
#[test]
fn a_model_is_started_once_and_is_the_same_everywhere() {
    let Some(fake) = fake() else { return };
    let folder = Folder::new("started-study");
    std::fs::create_dir(folder.file("elsewhere")).unwrap();
    std::fs::write(folder.file("elsewhere/model.gguf"), "weights").unwrap();
    let study = |model: &str, more: &[&str]| {
        let entry = |heat: &str| {
            format!(
                "[[policies]]\nmodel = \"{model}\"\nname = \"at {heat}\"\ntemperature = {heat}\n"
            )
        };
        let recipe = format!(
            "name = \"s\"\ndataset = \"micro:3\"\nproblems = 2\nmethods = [\"majority\"]\nbudgets = [2]\n{}{}",
            entry("0.5"),
            entry("1.0")
        );
        std::fs::write(folder.file("recipe.toml"), recipe).unwrap();
        let arguments = ["study", "recipe.toml", "--store", "s.sqlite"];
        let mut command = outthink(&folder, &fake, &arguments);
        let output = command.args(more).output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{told}");
        told
    };
    study("llama.cpp:model.gguf", &[]);
    assert_eq!(starts(&folder).len(), 1);
    let told = study("llama.cpp:elsewhere/model.gguf", &["--replace"]);
    assert!(
        told.contains("units were done before: nothing to do"),
        "{told}"
    );
}
