//! A server as a process that ends when nobody needs it any more: when it is dropped, and however this process ends.

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ureq::Agent;

use super::log::Log;
use super::secrets::Secrets;
use super::{StartError, StartNotice};

/// What a server is started with.
pub(super) struct Launch {
    /// What it is called.
    pub(super) command: &'static str,
    /// The model, as it was named.
    pub(super) model: String,
    /// The program's file.
    pub(super) program: OsString,
    /// All but where it listens.
    pub(super) arguments: Vec<OsString>,
    /// What the user adds, which counts most.
    pub(super) flags: Vec<String>,
    /// How long it may write nothing to its log and not be ready.
    pub(super) patience: Duration,
}

/// Who is told what becomes of it.
pub(super) type Tell = Arc<dyn Fn(StartNotice) + Send + Sync>;

/// A server that runs until this is dropped.
pub(super) struct Process {
    pub(super) url: String,
    state: Arc<State>,
    waiter: Option<JoinHandle<()>>,
}

/// What the thread that waits for its end knows, too.
struct State {
    command: &'static str,
    log: Log,
    /// While this is open it runs: see launch.sh.
    lifeline: Mutex<Option<ChildStdin>>,
    ended: OnceLock<ExitStatus>,
    ready: OnceLock<()>,
}

/// Between two looks at whether it is ready.
const TURN: Duration = Duration::from_millis(100);
/// Between two words that it is not ready yet.
const WORD: Duration = Duration::from_secs(30);

impl Process {
    /// Starts a server at a free port of this machine's own, and waits until it is ready.
    pub(super) fn start(launch: Launch, tell: &Tell) -> Result<Self, StartError> {
        let command = launch.command;
        let spawning = |source| StartError::Spawn { command, source };
        let port = free_port().map_err(spawning)?;
        let log = Log::create(command, Secrets::known(&launch.flags));
        let (log, file) = log.map_err(spawning)?;
        tell(StartNotice::Starting {
            command,
            model: launch.model.clone(),
            log: log.path.clone(),
        });
        let mut child = spawn(&launch, port, &log, file).map_err(spawning)?;
        let state = Arc::new(State {
            command,
            log,
            lifeline: Mutex::new(child.stdin.take()),
            ended: OnceLock::new(),
            ready: OnceLock::new(),
        });
        let (own, told) = (Arc::clone(&state), Arc::clone(tell));
        let waiter = std::thread::Builder::new()
            .name(command.into())
            .spawn(move || own.wait(child, &told))
            .map_err(spawning)?;
        let process = Self {
            url: format!("http://127.0.0.1:{port}"),
            state,
            waiter: Some(waiter),
        };
        process.wait_until_ready(launch.patience, tell)?;
        Ok(process)
    }

    /// Has it ended by itself?
    pub(super) fn has_ended(&self) -> bool {
        self.state.ended.get().is_some()
    }

    fn wait_until_ready(&self, patience: Duration, tell: &Tell) -> Result<(), StartError> {
        let State {
            command,
            log,
            ended,
            ready,
            ..
        } = &*self.state;
        let (started, mut told) = (Instant::now(), Instant::now());
        let (mut length, mut spoke) = (0, Instant::now());
        let agent = agent();
        let health = format!("{}/health", self.url);
        loop {
            let healthy = agent.get(&health).call().is_ok();
            // Whoever answers after it has ended is another server.
            if let Some(status) = ended.get() {
                return Err(StartError::Died {
                    command,
                    status: status.to_string(),
                    last: log.last_lines(),
                    log: log.path.clone(),
                });
            }
            let seconds = started.elapsed().as_secs();
            if healthy {
                ready.get_or_init(|| ());
                tell(StartNotice::Ready {
                    command,
                    url: self.url.clone(),
                    seconds,
                });
                return Ok(());
            }
            let now = log.length();
            if now != length {
                (length, spoke) = (now, Instant::now());
            }
            if spoke.elapsed() > patience {
                self.state.release(true);
                return Err(StartError::Silent {
                    command,
                    seconds: patience.as_secs(),
                    last: log.last_lines(),
                    log: log.path.clone(),
                });
            }
            if told.elapsed() > WORD {
                told = Instant::now();
                tell(StartNotice::Waiting {
                    command,
                    seconds,
                    last: log.last_line(),
                });
            }
            std::thread::sleep(TURN);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.state.release(false);
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
    }
}

impl State {
    /// Waits for its end; where nobody wanted that, its log is kept, and a person is told.
    fn wait(&self, mut child: Child, tell: &Tell) {
        let Ok(status) = child.wait() else { return };
        // Whoever sees that it has ended finds its log.
        let by_itself = self.release(true);
        let _ = self.ended.set(status);
        // What it has started itself ends a moment later.
        if let Some(mut group) = child.stdout.take() {
            let _ = std::io::copy(&mut group, &mut std::io::sink());
        }
        if by_itself && self.ready.get().is_some() {
            tell(StartNotice::Ended {
                command: self.command,
                status: status.to_string(),
                log: self.log.path.clone(),
            });
        }
    }

    /// Lets go of it, so that it ends with all that it started. False where that was done before.
    fn release(&self, keeps_log: bool) -> bool {
        let Some(mut lifeline) = self.lifeline().take() else {
            return false;
        };
        if keeps_log {
            let _ = lifeline.write_all(b"keep\n");
        }
        true
    }

    fn lifeline(&self) -> MutexGuard<'_, Option<ChildStdin>> {
        self.lifeline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port that nobody listens on at the moment.
fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Asks for its health, never through a proxy.
fn agent() -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(5)))
        .build();
    config.new_agent()
}

/// In a process group of its own: Ctrl-C at a terminal is for this process, and what the server starts ends with it.
#[cfg(unix)]
fn spawn(launch: &Launch, port: u16, log: &Log, file: std::fs::File) -> std::io::Result<Child> {
    use std::os::unix::process::CommandExt;

    Command::new("/bin/sh")
        .args(["-c", include_str!("launch.sh"), "sh"])
        .arg(&log.path)
        .arg(&launch.program)
        .args(&launch.arguments)
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .args(&launch.flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(file)
        .process_group(0)
        .spawn()
}

#[cfg(not(unix))]
fn spawn(_: &Launch, _: u16, _: &Log, _: std::fs::File) -> std::io::Result<Child> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn launch(script: &str, patience: Duration) -> Launch {
        Launch {
            command: "toy-server",
            model: "toy:model".into(),
            program: "/bin/sh".into(),
            arguments: ["-c", script, "sh"].map(Into::into).into(),
            flags: Vec::new(),
            patience,
        }
    }

    #[test]
    fn one_that_never_gets_ready_is_given_up_and_its_log_kept() {
        let tell: Tell = Arc::new(drop);
        let script = "echo loading; sleep 1000";
        let started = Process::start(launch(script, Duration::from_millis(300)), &tell);
        let Err(StartError::Silent { last, log, .. }) = started else {
            panic!("it is no server");
        };
        assert_eq!(last, "\n    loading");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "loading\n");
        std::fs::remove_file(log).unwrap();
    }

    #[test]
    fn one_that_ends_while_it_is_used_is_told_of() {
        let (sender, notices) = std::sync::mpsc::channel();
        let tell: Tell = Arc::new(move |notice| {
            if let StartNotice::Starting { log, .. } = &notice {
                assert!(log.is_file());
            }
            let _ = sender.send(notice);
        });
        let script = r#"exec python3 -c '
import sys, http.server
class Once(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[4])), Once)
server.handle_request()
server.handle_request()
' "$@""#;
        if std::process::Command::new("python3")
            .arg("--version")
            .output()
            .is_err()
        {
            return;
        }
        let process = Process::start(launch(script, Duration::from_secs(60)), &tell).unwrap();
        let mut stream = std::net::TcpStream::connect(&process.url["http://".len()..]).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let ended = notices.iter().find_map(|notice| match notice {
            StartNotice::Ended { status, log, .. } => Some((status, log)),
            _ => None,
        });
        let (status, log) = ended.unwrap();
        assert_eq!(status, "exit status: 0");
        assert!(process.has_ended());
        drop(process);
        std::fs::remove_file(log).unwrap();
    }
}
