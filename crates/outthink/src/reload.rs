//! Files that are read again while a server runs: API keys and strategies, at SIGHUP or when what is in them has changed.
//!
//! A file that cannot be used is told in the log, and what it said before stays in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use outthink_gateway::{Gateway, Keys, LiveKeys};
use outthink_lab::ModelInfo;
use outthink_strategy::Strategy;

use crate::cli::Serve;
use crate::failure::Failure;
use crate::strategy::Named;

/// Between two looks at a file. Secrets and ConfigMaps of Kubernetes arrive as other links, so it is read, and not watched.
const LOOK: Duration = Duration::from_secs(5);

/// What the files held before anything was loaded from them: what changes while models are loaded is not missed.
pub(crate) struct Texts {
    keys: Option<Vec<u8>>,
    strategy: Option<Vec<u8>>,
}

impl Texts {
    pub(crate) fn of(arguments: &Serve) -> Self {
        Self {
            keys: arguments.keys.as_deref().and_then(text),
            strategy: arguments
                .strategy
                .as_deref()
                .and_then(|name| text(Path::new(name))),
        }
    }
}

/// A file and what becomes of its text.
pub(crate) struct Watched {
    /// What it holds, for the log.
    what: &'static str,
    path: PathBuf,
    seen: Option<Vec<u8>>,
    /// Puts a new text in force, or says why it cannot be.
    renew: Box<dyn Fn() -> Result<(), Failure> + Send>,
}

/// What is read again while it serves: the keys, and the file of a fitted strategy.
pub(crate) fn files(
    arguments: &Serve,
    before: Texts,
    fitted: Option<Renewal>,
    gateway: &Arc<Gateway>,
) -> Vec<Watched> {
    let mut files = Vec::new();
    if let Some(path) = arguments.keys.clone() {
        files.push(keys(path, before.keys, gateway.keys()));
    }
    if let (Some(renewal), Some(name)) = (fitted, &arguments.strategy) {
        let (name, gateway) = (name.clone(), Arc::clone(gateway));
        files.push(Watched {
            what: "strategies",
            path: name.clone().into(),
            seen: before.strategy,
            renew: Box::new(move || {
                let strategy = renewal.read(&name)?;
                gateway.renew_strategy(&renewal.policy.name, Arc::new(strategy));
                Ok(())
            }),
        });
    }
    files
}

/// A file of API keys, which held this before it was read.
pub(crate) fn keys(path: PathBuf, seen: Option<Vec<u8>>, live: LiveKeys) -> Watched {
    let file = path.clone();
    Watched {
        what: "API keys",
        path,
        seen,
        renew: Box::new(move || {
            live.renew(Keys::read(&file).map_err(Failure::input)?);
            Ok(())
        }),
    }
}

/// What a strategy's file must fit when it is read again: the models stay.
pub(crate) struct Renewal {
    pub(crate) policy: ModelInfo,
    pub(crate) verifiers: Vec<ModelInfo>,
    /// The verifiers that the first file named.
    pub(crate) named: Vec<String>,
    /// Methods that the policy takes.
    pub(crate) methods: Vec<&'static str>,
}

impl Renewal {
    fn read(&self, name: &str) -> Result<Strategy, Failure> {
        let named = Named::parse(name)?;
        if let Named::File(file) = &named {
            let mut verifiers = file.verifiers().iter();
            if let Some(other) = verifiers.find(|own| !self.named.contains(&own.name)) {
                return Err(Failure::Input(anyhow!(
                    "it asks the verifier {}, which is not loaded; start the server anew",
                    other.name
                )));
            }
        }
        let infos: Vec<&ModelInfo> = self.verifiers.iter().collect();
        let strategy = named.with(&self.policy, &infos)?;
        let methods = strategy.methods();
        let mut methods = methods.iter().map(|method| method.name());
        match methods.find(|method| !self.methods.contains(method)) {
            Some(method) => Err(Failure::Input(anyhow!(
                "{} cannot be searched by {method}",
                self.policy.name
            ))),
            None => Ok(strategy),
        }
    }
}

/// Looks at the files until it is dropped.
pub(crate) async fn watch(mut files: Vec<Watched>) {
    if files.is_empty() {
        return;
    }
    let mut asked = Asked::new();
    loop {
        let told = tokio::select! {
            () = asked.next() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        for file in &mut files {
            let text = text(&file.path);
            if !told && text == file.seen {
                continue;
            }
            let gone = text.is_none();
            file.seen = text;
            let (what, path) = (file.what, file.path.display());
            match (file.renew)() {
                Ok(()) => tracing::info!(%path, "new {what} are in force"),
                Err(failure) => {
                    let reason = failure.to_string();
                    tracing::error!(%path, %reason, gone, "{what} stay as they were");
                }
            }
        }
    }
}

/// What a file holds, if it can be read.
pub(crate) fn text(path: &Path) -> Option<Vec<u8>> {
    outthink_core::file::read(path).ok()
}

/// SIGHUP, where it is not what a closed terminal sends.
struct Asked(#[cfg(unix)] Option<tokio::signal::unix::Signal>);

impl Asked {
    #[cfg(unix)]
    fn new() -> Self {
        use std::io::IsTerminal;
        use tokio::signal::unix::{SignalKind, signal};
        let apart = !std::io::stderr().is_terminal() && !std::io::stdin().is_terminal();
        Self(apart.then(|| signal(SignalKind::hangup()).ok()).flatten())
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self()
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}
