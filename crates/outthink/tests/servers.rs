//! Models behind addresses, as a user names them.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const SOLUTIONS: &str = r#"{"problem": "Evaluate $(17+19)\\cdot 4-16$.", "steps": ["$17+19=36$, so $36\\cdot 4-16$.", "$36\\cdot 4=144$, so $144-16$.", "$144-16=128$.", "The answer is $\\boxed{128}$."]}
{"problem": "Evaluate $(17+19)\\cdot 4-16$.", "steps": ["$17+19=36$, so $36\\cdot 4-16$.", "$36\\cdot 4=146$, so $146-16$."]}
{"problem": "Evaluate $7+8$.", "steps": ["$7+8=15$.", "The answer is $\\boxed{15}$."]}
"#;

/// `outthink prm-serve` on a port of its own, until dropped.
struct Served {
    child: Child,
    url: String,
    folder: PathBuf,
}

impl Served {
    fn start(verifier: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args([
                "prm-serve",
                "--verifier",
                verifier,
                "--listen",
                "127.0.0.1:0",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let url = line.trim().rsplit_once(" at ").unwrap().1.to_owned();
        let folder = std::env::temp_dir().join(format!("outthink-servers-{}", child.id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("solutions.jsonl"), SOLUTIONS).unwrap();
        Self { child, url, folder }
    }

    fn score(&self, verifier: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args(["score", "--jsonl", "solutions.jsonl", "--verifier"])
            .args(verifier)
            .current_dir(&self.folder)
            .output()
            .unwrap()
    }

    fn rewards(&self, verifier: &[&str]) -> Vec<Vec<f64>> {
        let output = self.score(verifier);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let lines = output.stdout.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines
            .map(|line| {
                let line: Value = serde_json::from_slice(line).unwrap();
                serde_json::from_value(line["rewards"].clone()).unwrap()
            })
            .collect()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_served_verifier_gives_the_rewards_that_it_gives_here() {
    for verifier in ["micro-prm-short", "micro-prm-likelihood"] {
        let server = Served::start(verifier);
        let here = server.rewards(&[verifier]);
        let there = server.rewards(&[&server.url, "--verifier-tokenizer", verifier]);
        let lengths: Vec<usize> = here.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4, 2, 2]);
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here.len(), there.len());
            for (here, there) in here.iter().zip(there) {
                assert!(
                    (here - there).abs() < 1e-6,
                    "{verifier}: {here} and {there}"
                );
            }
        }
    }
}

#[test]
fn servers_may_stand_in_a_file() {
    let server = Served::start("micro-prm-short");
    let write = |text: String| std::fs::write(server.folder.join("outthink.toml"), text).unwrap();
    write(format!(
        "[verifier]\nurls = [\"{}\"]\ntokenizer = \"micro-prm-short\"\npatience_seconds = 5\n",
        server.url
    ));
    assert_eq!(
        server.rewards(&["outthink.toml"]),
        server.rewards(&[&server.url, "--verifier-tokenizer", "micro-prm-short"])
    );

    // Nobody listens on port 1.
    write("[verifier]\nurls = [\"http://127.0.0.1:1/v1\"]\ntokenizer = \"micro-prm-short\"\npatience_seconds = 0\n".into());
    let output = server.score(&["outthink.toml"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(errors.contains("127.0.0.1:1"), "{errors}");

    write("[verifier]\nurl = \"http://127.0.0.1:1/v1\"\n".into());
    let output = server.score(&["outthink.toml"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("unknown field `url`"), "{errors}");
}
