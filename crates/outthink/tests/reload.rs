//! Keys and strategies that change while a server runs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod command;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use command::Folder;

struct Served {
    process: Child,
    address: String,
    log: Receiver<String>,
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        Self::of("serve", arguments)
    }

    fn of(command: &str, arguments: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_outthink"))
            .args([command, "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = process.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next();
        let (tell, log) = channel();
        let errors = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || {
            errors
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(line))
        });
        Self {
            address: address.unwrap().to_owned(),
            process,
            log,
        }
    }

    /// The status that a key gets.
    fn ask(&self, key: &str) -> u16 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        reply.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn hang_up(&self) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-HUP", &id]).status().unwrap();
        assert!(sent.success());
    }

    /// The next line of the log that says this.
    fn told(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(60));
            let line = line.unwrap_or_else(|_| panic!("nothing said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_server_of_a_verifier_reads_its_keys_again_too() {
    let folder = Folder::new("reload-prm");
    let file = folder.file("keys.toml");
    let add = |name: &str| {
        let key = command::ok(&["keys", "add", name, "--file", &file], &folder);
        key.trim().to_owned()
    };
    let first = add("first");
    let served = Served::of(
        "prm-serve",
        &["--keys", &file, "--verifier", "micro-prm-short"],
    );
    assert_eq!((served.ask(&first), served.ask("ot-other")), (200, 401));
    let second = add("second");
    served.hang_up();
    served.told("new API keys are in force");
    assert_eq!((served.ask(&first), served.ask(&second)), (200, 200));
}

#[test]
fn new_keys_let_in_and_old_ones_stay_where_the_file_is_bad() {
    let folder = Folder::new("reload-keys");
    let file = folder.file("keys.toml");
    let add = |name: &str| {
        let key = command::ok(&["keys", "add", name, "--file", &file], &folder);
        key.trim().to_owned()
    };
    let first = add("first");
    let policy = ["--policy", "micro-24k", "--verifier", "none"];
    let served = Served::start(&[&["--keys", &file][..], &policy].concat());
    assert_eq!((served.ask(&first), served.ask("ot-other")), (200, 401));
    // Without a signal: what is in the file is looked at.
    let second = add("second");
    served.told("new API keys are in force");
    assert_eq!((served.ask(&first), served.ask(&second)), (200, 200));
    // A file that would let in everyone, one that is no file of keys, and none.
    for bad in ["", "[[key]]\nname = 1"] {
        std::fs::write(&file, bad).unwrap();
        served.hang_up();
        let line = served.told("API keys stay as they were");
        assert!(
            line.contains("keys.toml") && !line.contains(&first),
            "{line}"
        );
        assert_eq!((served.ask(&second), served.ask("ot-other")), (200, 401));
    }
    std::fs::remove_file(&file).unwrap();
    served.hang_up();
    served.told("API keys stay as they were");
    let third = add("third");
    served.hang_up();
    served.told("new API keys are in force");
    assert_eq!((served.ask(&second), served.ask(&third)), (401, 200));
}

#[test]
fn a_strategy_is_read_again_if_it_fits_the_models_that_are_loaded() {
    const FITTED: &str = "/../../docs/both-strategy/strategy-micro-0.3m+grid-90k.toml";
    let text = std::fs::read_to_string(format!("{}{FITTED}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let folder = Folder::new("reload-strategy");
    let file = folder.file("strategy.toml");
    std::fs::write(&file, &text).unwrap();
    let served = Served::start(&["--strategy", &file]);
    std::fs::write(&file, format!("# fitted again\n{text}")).unwrap();
    served.told("new strategies are in force");
    std::fs::write(&file, "unit = 7").unwrap();
    served.told("strategies stay as they were");
    // Another policy by its fingerprint; a verifier that is not loaded.
    for (own, other) in [
        (
            "3646546107ec0eff2a47f9003d839340",
            "3646546107ec0eff2a47f9003d839341",
        ),
        (
            "name = \"micro-prm-likelihood+grid-prm\"",
            "name = \"another\"",
        ),
    ] {
        let other = text.replace(own, other);
        assert_ne!(other, text);
        std::fs::write(&file, other).unwrap();
        served.told("strategies stay as they were");
    }
}
