//! Fetching from a hub: a small one of our own, which serves a model of the micro family and can be made to fail.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const FILES: [&str; 5] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors",
];

/// What the hub is asked, and what it does wrong.
#[derive(Default)]
struct Log {
    /// `file` or `file from BYTE` of every download.
    downloads: Vec<String>,
    /// Break off the next download of the weights after this many bytes.
    cut: Option<usize>,
    /// Send other weights than it says.
    lie: bool,
    /// Answer every request for a file with this status and a location: this, and the file's name.
    sends_on: Option<(u16, String)>,
    /// Say in that answer what the file is called by and how large it is.
    says: bool,
    /// Refuse everything with this status and this message.
    refuses: Option<(u16, &'static str)>,
    /// Keep what is known of a file to oneself, once it is sent.
    silent: bool,
    /// `Authorization` of every request.
    keys: Vec<Option<String>>,
}

struct Hub {
    url: String,
    log: Arc<Mutex<Log>>,
    cache: PathBuf,
}

impl Hub {
    fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Log::default()));
        let cache =
            std::env::temp_dir().join(format!("outthink-hub-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&cache).unwrap();
        let shared = Arc::clone(&log);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&shared);
                std::thread::spawn(move || serve(&stream, &log));
            }
        });
        Self { url, log, cache }
    }

    fn ask(&self, model: &str) -> Output {
        self.ask_as(model, None)
    }

    /// Asks with a token.
    fn ask_as(&self, model: &str, token: Option<&str>) -> Output {
        let mut command = self.command(model);
        command.env("HF_TOKEN", token.unwrap_or_default());
        command.output().unwrap()
    }

    fn command(&self, model: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_outthink"));
        command
            .args([
                "generate",
                "--policy",
                model,
                "--prompt",
                "Evaluate $7+8$.",
                "--max-tokens",
                "4",
            ])
            .env("HF_ENDPOINT", &self.url)
            .env("HF_HUB_CACHE", &self.cache)
            .env("HF_TOKEN", "")
            .env_remove("HF_HUB_OFFLINE");
        command
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.cache);
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Log>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut from = None;
        let mut key = None;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some((_, value)) = header.split_once(": ")
                && header.to_lowercase().starts_with("authorization:")
            {
                key = Some(value.trim().to_owned());
            }
            if let Some(range) = header.to_lowercase().strip_prefix("range: bytes=") {
                let (start, end) = range.trim().split_once('-').unwrap();
                // A request for the first byte only asks for the size.
                from = (end != "0").then(|| start.parse::<usize>().unwrap());
            }
        }
        log.lock().unwrap().keys.push(key);
        if !answer(stream, &path, from, log) {
            return;
        }
    }
}

/// False if the connection is to be broken off.
fn answer(mut stream: &TcpStream, path: &str, from: Option<usize>, log: &Mutex<Log>) -> bool {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/micro/micro-24k");
    if let Some((status, why)) = log.lock().unwrap().refuses {
        write!(
            stream,
            "HTTP/1.1 {status} No\r\nx-error-message: {why}\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
        return true;
    }
    if path.starts_with("/api/models/someone/micro/revision/main")
        || path.starts_with(&format!("/api/models/someone/micro/revision/{COMMIT}"))
    {
        let siblings: Vec<_> = FILES
            .iter()
            .map(|file| serde_json::json!({"rfilename": file}))
            .collect();
        let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        return true;
    }
    let known = [format!("/someone/micro/resolve/{COMMIT}/"), "/cdn/".into()];
    let Some(file) = known.iter().find_map(|start| path.strip_prefix(start)) else {
        write!(
            stream,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
        )
        .unwrap();
        return true;
    };
    let mut bytes = std::fs::read(model.join(file)).unwrap();
    let size = bytes.len();
    let etag = sha256(&bytes);
    let known = format!("etag: \"{etag}\"\r\nx-repo-commit: {COMMIT}\r\n");
    let (sends_on, says, silent) = {
        let log = log.lock().unwrap();
        (log.sends_on.clone(), log.says, log.silent)
    };
    if let Some((status, to)) = sends_on.filter(|_| !path.starts_with("/cdn/")) {
        let said = match says {
            true => format!(
                "x-linked-etag: \"{etag}\"\r\nx-linked-size: {size}\r\nx-repo-commit: {COMMIT}\r\n"
            ),
            false => String::new(),
        };
        write!(
            stream,
            "HTTP/1.1 {status} Elsewhere\r\nlocation: {to}{file}\r\n{said}content-length: 0\r\n\r\n"
        )
        .unwrap();
        return true;
    }
    let known = if silent { String::new() } else { known };
    let Some(start) = from else {
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\n{known}content-range: bytes 0-0/{size}\r\ncontent-length: 1\r\n\r\n{}",
            char::from(bytes[0])
        )
        .unwrap();
        return true;
    };
    let mut log = log.lock().unwrap();
    log.downloads.push(if start == 0 {
        file.to_owned()
    } else {
        format!("{file} from {start}")
    });
    if log.lie && file == "model.safetensors" {
        bytes[size - 1] ^= 1;
    }
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\n\r\n",
        size - start
    )
    .unwrap();
    let cut = if file == "model.safetensors" {
        log.cut.take()
    } else {
        None
    };
    let end = cut.map_or(size, |cut| start + cut);
    // Whoever broke off does not read to the end.
    let _ = stream.write_all(&bytes[start..end]);
    if cut.is_some() {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
    cut.is_none()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_model_is_fetched_once_and_needs_no_network_then() {
    let mut hub = Hub::start("once");
    let first = hub.ask("someone/micro");
    assert!(first.status.success(), "{}", said(&first));
    assert!(
        said(&first).contains(COMMIT),
        "it is pinned: {}",
        said(&first)
    );
    assert_eq!(hub.log.lock().unwrap().downloads, FILES);
    hub.url = "http://127.0.0.1:9".into();
    for name in ["someone/micro", &format!("someone/micro@{COMMIT}")] {
        let again = hub.ask(name);
        assert_eq!(again.stdout, first.stdout, "{}", said(&again));
        assert_eq!(said(&again), "");
    }
}

/// What is started fetches the weights itself.
#[cfg(unix)]
#[test]
fn for_a_server_that_is_started_only_what_makes_tokens_is_fetched() {
    let hub = Hub::start("started");
    let start = || {
        let mut command = hub.command("vllm:someone/micro");
        command.env("OUTTHINK_VLLM", "/bin/echo");
        said(&command.env("TMPDIR", &hub.cache).output().unwrap())
    };
    let told = start();
    let named = "serve someone/micro --served-model-name someone/micro --enable-prefix-caching";
    assert!(told.contains(named), "{told}");
    let downloads = hub.log.lock().unwrap().downloads.clone();
    assert_eq!(downloads, FILES[..4]);
    // And no second time.
    start();
    assert_eq!(hub.log.lock().unwrap().downloads, downloads);
}

#[test]
fn a_folder_with_the_owners_name_hides_no_model_of_the_hub() {
    let hub = Hub::start("shadow");
    let here = hub.cache.join("here");
    let own = here.join("someone/micro");
    let notes = |folder: &Path| std::fs::write(folder.join("notes.txt"), "").map(|()| 0);
    let model = |folder: &Path| {
        let from = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro/micro-24k");
        let files = std::fs::read_dir(from)?.map(|file| file.map(|file| file.path()));
        files
            .map(|file| {
                file.and_then(|file| std::fs::copy(&file, folder.join(file.file_name().unwrap())))
            })
            .sum()
    };
    type SetUp<'a> = Option<&'a dyn Fn(&Path) -> std::io::Result<u64>>;
    let cases: [(SetUp<'_>, &str); 3] = [
        (None, "no model here, so it is the hub's"),
        (Some(&notes), "no model here, so it is the hub's"),
        (Some(&model), "taken from here, not from the hub"),
    ];
    for (set_up, taken) in cases {
        std::fs::create_dir_all(here.join("someone")).unwrap();
        if let Some(set_up) = set_up {
            std::fs::create_dir_all(&own).unwrap();
            set_up(&own).unwrap();
        }
        let output = hub
            .command("someone/micro")
            .current_dir(&here)
            .output()
            .unwrap();
        assert!(said(&output).contains(taken), "{}", said(&output));
        assert!(output.status.success(), "{}", said(&output));
    }
    let typo = hub
        .command("someone/mikro")
        .current_dir(&here)
        .output()
        .unwrap();
    assert_eq!(typo.status.code(), Some(2));
    assert!(
        said(&typo).contains("there is no model someone/mikro here; did you mean micro?"),
        "{}",
        said(&typo)
    );
}

#[test]
fn a_download_that_was_cut_off_goes_on_where_it_stopped() {
    let hub = Hub::start("resume");
    hub.log.lock().unwrap().cut = Some(20_000);
    let output = hub.ask("someone/micro");
    assert!(output.status.success(), "{}", said(&output));
    let downloads = hub.log.lock().unwrap().downloads.clone();
    assert_eq!(
        downloads[4..],
        ["model.safetensors", "model.safetensors from 20000"]
    );
}

#[test]
fn damaged_weights_are_not_kept() {
    let hub = Hub::start("damage");
    hub.log.lock().unwrap().lie = true;
    let output = hub.ask("someone/micro");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("what came is damaged"),
        "{}",
        said(&output)
    );
    hub.log.lock().unwrap().lie = false;
    let output = hub.ask("someone/micro");
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn what_cannot_be_fetched_is_told_with_what_to_do() {
    let mut hub = Hub::start("errors");
    let missing = hub.ask("someone/other");
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        said(&missing).contains("the hub has no someone/other@main"),
        "{}",
        said(&missing)
    );
    hub.url = "http://127.0.0.1:9".into();
    let refused = hub.ask("someone/micro");
    assert!(
        said(&refused).contains("without a network, copy its folder here"),
        "{}",
        said(&refused)
    );
}

#[test]
fn the_token_goes_to_no_other_host_and_what_is_known_comes_from_any() {
    // Who sends on, with what status, who says what the file is, and whether by a path of the same host.
    for (name, status, says, silent) in [
        ("cdn", 302, true, true),
        ("mirror", 308, false, false),
        ("nobody-says", 307, false, true),
        ("both-say", 301, true, false),
    ] {
        let (hub, other) = (Hub::start(name), Hub::start(&format!("{name}-other")));
        let elsewhere = other.url.replace("127.0.0.1", "localhost");
        hub.log.lock().unwrap().sends_on = Some((status, format!("{elsewhere}/cdn/")));
        hub.log.lock().unwrap().says = says;
        other.log.lock().unwrap().silent = silent;
        let output = hub.ask_as("someone/micro", Some("hf_secret"));
        assert!(output.status.success(), "{name}: {}", said(&output));
        let keys = |hub: &Hub| hub.log.lock().unwrap().keys.clone();
        let whole = Some("Bearer hf_secret".to_owned());
        assert!(keys(&hub).iter().all(|key| *key == whole), "{name}");
        let elsewhere = keys(&other);
        assert!(
            !elsewhere.is_empty() && elsewhere.iter().all(Option::is_none),
            "{name}"
        );
    }
}

#[test]
fn a_redirect_within_the_hub_keeps_the_token() {
    for (name, to) in [
        ("absolute-path", "/cdn/"),
        ("relative-path", "../../../../cdn/"),
    ] {
        let hub = Hub::start(name);
        hub.log.lock().unwrap().sends_on = Some((307, to.into()));
        let output = hub.ask_as("someone/micro", Some("hf_secret"));
        assert!(output.status.success(), "{name}: {}", said(&output));
        let keys = hub.log.lock().unwrap().keys.clone();
        assert!(keys.iter().all(Option::is_some), "{name}");
    }
}

#[test]
fn a_refusal_says_what_to_accept_and_what_to_set() {
    let hub = Hub::start("gated");
    let url = hub.url.clone();
    let told = |status, why, token| {
        hub.log.lock().unwrap().refuses = Some((status, why));
        let output = hub.ask_as("someone/micro", token);
        // What is refused is asked for wrongly; what may work later failed on the way.
        let code = if status < 429 { 2 } else { 1 };
        assert_eq!(output.status.code(), Some(code));
        said(&output).replace(&url, "HUB")
    };
    insta::assert_snapshot!(told(403, "Access to model someone/micro is restricted: it is gated", Some("hf_x")), @"error: the hub refuses someone/micro@main: accept its terms at HUB/someone/micro and set HF_TOKEN to a token of that account (403 Forbidden, Access to model someone/micro is restricted: it is gated)");
    insta::assert_snapshot!(told(401, "Invalid username or password.", None), @"error: the hub refuses someone/micro@main: there is none, or it is private, or its terms must be accepted at HUB/someone/micro; set HF_TOKEN (401 Unauthorized, Invalid username or password.)");
    insta::assert_snapshot!(told(429, "slow down", None), @"error: the hub asks to wait before more of someone/micro@main is fetched; HF_TOKEN raises its limits (429 Too Many Requests, slow down)");
    insta::assert_snapshot!(told(503, "later", None), @"error: cannot fetch someone/micro@main from HUB: 503 Service Unavailable, later");
}
