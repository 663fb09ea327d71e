//! Servers that are started because a model's name says so: `llama.cpp:FILE.gguf`, `vllm:owner/name`, `sglang:FOLDER`. Each
//! program is a file here and a line in [`PROGRAMS`].

mod error;
mod llama_cpp;
mod log;
mod notice;
mod process;
mod program;
mod secrets;
mod sglang;
mod vllm;

use std::ffi::OsString;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use outthink_engine::{Checkpoint, gguf_parts};
use outthink_prompt::{Profile, PromptFiles, RewardLayout};
use outthink_remote::{DialectId, Role, Servers};
use serde::Deserialize;

pub use error::StartError;
pub use notice::StartNotice;
use process::{Launch, Process, Tell};
use program::Program;

use crate::digest::digest_of;
use crate::hub::HubId;
use crate::loader::{Served, files_of, profile};
use crate::{LoadError, Loader, ModelSpec, Notice, files};

/// All programs that are started. A new one is a file and a line here.
static PROGRAMS: [Program; 3] = [llama_cpp::LLAMA_CPP, vllm::VLLM, sglang::SGLANG];

/// How long a server may say nothing while it loads: compiling kernels and reading weights over a network take long.
const PATIENCE: Duration = Duration::from_secs(1200);
/// Seconds to wait for one that no longer answers: it is at work, or it is gone for good.
const RETURN: f64 = 10.0;
/// Tokens of a solution, where no policy's profile says how many.
const SOLUTION: usize = 8192;
/// Tokens of a question, at most.
const QUESTION: usize = 1024;

/// A model's name that says which program serves it.
pub(crate) struct Started<'n> {
    program: &'static Program,
    /// The whole name.
    name: &'n str,
    /// What stands behind the program's.
    model: &'n str,
}

/// Where a program finds a model.
enum Source {
    /// A file or a folder.
    Path(PathBuf),
    /// The hub, from which it fetches the model itself.
    Hub {
        id: String,
        revision: Option<String>,
    },
}

/// What a program is to serve.
struct Job<'j> {
    source: &'j Source,
    /// What it is to call the model.
    served: &'j str,
    /// Tokens of the longest request with its answer.
    context: usize,
    /// Are rewards read from a head, and no text drawn?
    pools: bool,
}

/// What is known of a model before its server runs.
#[derive(Default)]
struct Known {
    files: Option<PromptFiles>,
    /// Tokens that it was made for.
    context: Option<usize>,
}

impl<'n> Started<'n> {
    /// None for any other name.
    pub(crate) fn parse(name: &'n str) -> Option<Self> {
        let (program, model) = name.split_once(':')?;
        let program = PROGRAMS.iter().find(|own| own.name == program)?;
        Some(Self {
            program,
            name,
            // Addresses may have settings behind a question mark; here there are none.
            model: model.strip_suffix('?').unwrap_or(model),
        })
    }

    /// What its files on this machine hold; none for a model of the hub, whose name says it all.
    pub(crate) fn digest(&self) -> Result<Option<String>, LoadError> {
        let Source::Path(path) = self.source(&|_| {})? else {
            return Ok(None);
        };
        let digest = parts(&path).and_then(|files| digest_of(&files));
        let digest = digest.map_err(|source| LoadError::Fingerprint {
            name: self.name.to_owned(),
            source,
        });
        digest.map(Some)
    }

    fn source(&self, tell: &dyn Fn(Notice)) -> Result<Source, LoadError> {
        match self.program.reads_gguf {
            true => self.gguf(tell),
            false => self.folder(),
        }
    }

    /// A GGUF file, here or fetched, or a repository of them.
    fn gguf(&self, tell: &dyn Fn(Notice)) -> Result<Source, LoadError> {
        let path = Path::new(self.model);
        if path.is_file() {
            return Ok(Source::Path(self.absolute(path)?));
        }
        if path.is_dir() {
            let command = self.program.command;
            return Err(self.wrong(format!("it is a folder, and {command} reads a GGUF file")));
        }
        let id = HubId::parse(self.model);
        let of_hub = id.as_ref().is_some_and(HubId::is_file);
        if self.model.to_ascii_lowercase().ends_with(".gguf") && !of_hub {
            let meant = files::neighbour(path);
            return Err(self.wrong(format!("there is no such file{meant}")));
        }
        // The quantization may follow, as the program itself takes it.
        let (id, _) = self.model.split_once(':').unwrap_or((self.model, ""));
        match HubId::parse(id) {
            Some(file) if file.is_file() => {
                let fetched = file.fetch(tell);
                Ok(Source::Path(
                    fetched.map_err(|error| LoadError::Hub(Box::new(error)))?,
                ))
            }
            Some(id) if id.named_revision().is_none() => Ok(Source::Hub {
                id: self.model.to_owned(),
                revision: None,
            }),
            Some(_) => Err(self.wrong("no revision can be named".into())),
            None => Err(self.wrong("it is neither a GGUF file nor a hub id".into())),
        }
    }

    /// A checkpoint's folder, or a repository of one.
    fn folder(&self) -> Result<Source, LoadError> {
        let path = Path::new(self.model);
        if path.join("config.json").is_file() {
            return Ok(Source::Path(self.absolute(path)?));
        }
        match HubId::parse(self.model) {
            _ if path.is_file() => Err(self.wrong(
                "it is a file; a folder or a hub id is served, and a GGUF file as llama.cpp:FILE"
                    .into(),
            )),
            Some(id) if !id.is_file() => Ok(Source::Hub {
                id: id.repository_id(),
                revision: id.named_revision(),
            }),
            _ => Err(self.wrong("it is neither a folder with a config.json nor a hub id".into())),
        }
    }

    /// A path that is no option of the program, whatever it begins with.
    fn absolute(&self, path: &Path) -> Result<PathBuf, LoadError> {
        absolute(path).map_err(|source| LoadError::Read {
            name: self.name.to_owned(),
            source,
        })
    }

    fn wrong(&self, reason: String) -> LoadError {
        LoadError::Start(StartError::NoModel {
            model: self.name.to_owned(),
            reason,
        })
    }

    fn dialect(&self) -> Result<DialectId, LoadError> {
        self.program.name.parse().map_err(LoadError::Servers)
    }

    /// Are a verifier's rewards read from a head?
    fn pools(&self, profile: &Profile, files: &PromptFiles) -> Result<bool, LoadError> {
        let Some(shown) = &profile.verifier else {
            return Ok(false);
        };
        let reward = RewardLayout::new(shown, &files.tokenizer)?.reward();
        let dialect = self.dialect()?;
        if dialect.scores(reward, false).is_ok() {
            return Ok(false);
        }
        dialect.scores(reward, true).map_err(|reason| {
            LoadError::Start(StartError::CannotScore {
                model: self.name.to_owned(),
                command: self.program.command,
                profile: profile.name.clone(),
                reason,
            })
        })?;
        Ok(true)
    }
}

impl Loader {
    /// Starts a model's server, or takes the one that runs already.
    pub(crate) fn start(
        &self,
        started: &Started<'_>,
        spec: &ModelSpec,
        role: Role,
    ) -> Result<Served, LoadError> {
        let program = started.program;
        let model = started.name.to_owned();
        let command = program.command;
        if cfg!(not(unix)) {
            return Err(LoadError::Start(StartError::NotUnix { model, command }));
        }
        let file = program.find(started.name)?;
        let flags = program.flags()?;
        let source = started.source(&|notice| self.tell(notice))?;
        let Known { files, context } = self.known(started, &source, spec, role)?;
        let profile = match (profile(spec.profile.as_deref())?, &files) {
            (None, Some(files)) => Some(detected(role, files)?),
            (named, _) => named,
        };
        let plays = |profile: &Profile| match role {
            Role::Policy => profile.policy.is_some(),
            Role::Verifier => profile.verifier.is_some(),
        };
        if let Some(profile) = profile.as_ref().filter(|profile| !plays(profile)) {
            let reason = format!("the profile {} is no {role}'s", profile.name);
            return Err(LoadError::Connect(outthink_remote::Error::Unsendable(
                reason,
            )));
        }
        let pools = match (role, &profile, &files) {
            (Role::Policy, ..) => false,
            (Role::Verifier, Some(profile), Some(files)) => started.pools(profile, files)?,
            (Role::Verifier, ..) => return Err(LoadError::NoTokenizer),
        };
        let asked = profile.as_ref().and_then(|profile| profile.policy.as_ref());
        let solution = asked.map_or(SOLUTION, |asked| asked.solution_tokens);
        let wanted = solution.max(spec.max_tokens.unwrap_or(0)) + QUESTION;
        let served = served_name(&source);
        let arguments = (program.arguments)(&Job {
            source: &source,
            served: &served,
            context: wanted.min(context.unwrap_or(wanted)),
            pools,
        });
        let loader = self.clone();
        let process = shared(
            Launch {
                command,
                model,
                program: file.into(),
                arguments,
                flags,
                patience: PATIENCE,
            },
            &(Arc::new(move |notice| loader.tell(Notice::Start(notice))) as Tell),
        )?;
        let servers = Servers::parse(&format!("{}/v1", process.url)).map_err(LoadError::Servers)?;
        Ok(Served {
            servers: Servers {
                model: Some(served),
                dialect: Some(started.dialect()?),
                patience_seconds: RETURN,
                process: Some(process),
                ..servers
            },
            files,
            profile,
        })
    }

    /// What makes tokens of text: what the spec names, or the model's own. A policy's is left to a server that has one too, if
    /// it cannot be read here.
    fn known(
        &self,
        started: &Started<'_>,
        source: &Source,
        spec: &ModelSpec,
        role: Role,
    ) -> Result<Known, LoadError> {
        if let Some(name) = &spec.tokenizer {
            return Ok(Known {
                files: Some(self.prompt_files(name)?),
                context: None,
            });
        }
        let program = started.program;
        let (command, model) = (program.command, started.name.to_owned());
        let own = match source {
            Source::Path(file) if program.reads_gguf => of_gguf(file),
            Source::Path(folder) => PromptFiles::read(folder).ok().map(Known::of),
            Source::Hub { .. } if program.reads_gguf => None,
            Source::Hub { .. } => {
                let id = HubId::parse(started.model);
                let folder = id.map(|id| id.fetch_prompt_files(&|notice| self.tell(notice)));
                let folder = folder.transpose();
                let folder = folder.map_err(|error| LoadError::Hub(Box::new(error)))?;
                folder.and_then(|folder| PromptFiles::read(&folder).ok().map(Known::of))
            }
        };
        match own {
            Some(known) => Ok(known),
            None if role == Role::Verifier => Err(LoadError::NoTokenizer),
            None if program.tokenises => {
                self.tell(Notice::Start(StartNotice::ServersTokenizer {
                    command,
                    model,
                }));
                Ok(Known::default())
            }
            None => Err(LoadError::Start(StartError::Unreadable { model, command })),
        }
    }
}

impl Known {
    fn of(files: PromptFiles) -> Self {
        Self {
            files: Some(files),
            context: None,
        }
    }
}

/// What a GGUF file tells, if the engine reads its kind.
fn of_gguf(file: &Path) -> Option<Known> {
    #[derive(Deserialize)]
    struct Config {
        max_position_embeddings: Option<usize>,
    }
    let checkpoint = Checkpoint::read_gguf(file).ok()?;
    let config: Option<Config> = serde_json::from_slice(&checkpoint.config).ok();
    Some(Known {
        files: Some(files_of(&checkpoint).ok()?),
        context: config.and_then(|config| config.max_position_embeddings),
    })
}

fn detected(role: Role, files: &PromptFiles) -> Result<Profile, outthink_prompt::Error> {
    let role = match role {
        Role::Policy => outthink_prompt::Role::Policy,
        Role::Verifier => outthink_prompt::Role::Verifier,
    };
    Profile::detect(role, &files.architecture, &files.tokenizer)
}

/// What a server is to call a model: its hub id, or the last part of its path.
fn served_name(source: &Source) -> String {
    let name = match source {
        Source::Hub { id, .. } => id.clone(),
        Source::Path(path) => {
            let name = path.file_stem().filter(|_| path.is_file());
            let name = name.or(path.file_name()).unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
    };
    // Where several names may stand they are separated by commas.
    name.replace(',', "-")
}

/// The files of a model: one with its other parts, or those of a folder that may matter, in the order of their names.
fn parts(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parts = gguf_parts(&name).into_iter();
        return Ok(parts.map(|part| path.with_file_name(part)).collect());
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        let matters = ["json", "jinja", "safetensors", "bin", "model", "txt"];
        if file.is_file() && ending.is_some_and(|ending| matters.contains(&ending)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// One process for all that ask for the same: a model that is named twice is in memory once.
fn shared(launch: Launch, tell: &Tell) -> Result<Arc<Process>, StartError> {
    type Running = (Vec<OsString>, Weak<Process>);
    static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());
    let flags = launch.flags.iter().map(OsString::from);
    let key = std::iter::once(launch.program.clone())
        .chain(launch.arguments.iter().cloned())
        .chain(flags);
    let key: Vec<OsString> = key.collect();
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|(_, process)| process.strong_count() > 0);
    let same = running.iter().filter(|(own, _)| *own == key);
    let mut same = same.filter_map(|(_, process)| process.upgrade());
    if let Some(process) = same.find(|process| !process.has_ended()) {
        return Ok(process);
    }
    let process = Arc::new(Process::start(launch, tell)?);
    running.push((key, Arc::downgrade(&process)));
    Ok(process)
}

/// The error for a model that the engine does not run, with the name under which a server is started for it.
pub(crate) fn advise(error: LoadError, name: &str, role: Role) -> LoadError {
    let (LoadError::Checkpoint(cause) | LoadError::Model { source: cause, .. }) = &error else {
        return error;
    };
    if !matches!(cause, outthink_engine::Error::Unsupported { .. }) {
        return error;
    }
    let program = match name.to_ascii_lowercase().ends_with(".gguf") {
        true => &llama_cpp::LLAMA_CPP,
        false => &vllm::VLLM,
    };
    LoadError::NeedsServer {
        role,
        started: format!("{}:{name}", program.name),
        source: Box::new(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn line(name: &str, source: &Source, pools: bool) -> String {
        let job = Job {
            served: &served_name(source),
            source,
            context: 9216,
            pools,
        };
        let arguments = (Started::parse(name).unwrap().program.arguments)(&job);
        arguments.join(" ".as_ref()).into_string().unwrap()
    }

    #[test]
    fn each_program_is_told_what_to_serve_in_its_own_words() {
        let file = Source::Path("/models/tiny,q4.gguf".into());
        let hub = Source::Hub {
            id: "owner/name".into(),
            revision: Some("abc".into()),
        };
        for (program, source, pools, expected) in [
            (
                "llama.cpp:x",
                &file,
                false,
                "-m /models/tiny,q4.gguf --alias tiny-q4.gguf -np 4 -c 36864",
            ),
            (
                "vllm:x",
                &hub,
                false,
                "serve owner/name --revision abc --served-model-name owner/name --enable-prefix-caching --enable-prompt-tokens-details",
            ),
            (
                "vllm:x",
                &hub,
                true,
                "serve owner/name --revision abc --served-model-name owner/name --runner pooling",
            ),
            (
                "sglang:x",
                &hub,
                false,
                "serve --model-path owner/name --revision abc --served-model-name owner/name --enable-cache-report",
            ),
        ] {
            assert_eq!(line(program, source, pools), expected);
        }
        for other in [
            "vllm",
            "micro-24k",
            "./vllm:x",
            "http://vllm:8000/v1",
            "stored:vllm",
        ] {
            assert!(Started::parse(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_verifier_is_served_by_what_reads_its_rewards_and_by_nothing_else() {
        let pools = |program: &str, model: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro");
            let files = PromptFiles::read(&Path::new(folder).join(model)).unwrap();
            let profile = detected(Role::Verifier, &files).unwrap();
            let name = format!("{program}:{model}");
            let pools = Started::parse(&name).unwrap().pools(&profile, &files);
            pools.map_err(|error| error.to_string())
        };
        assert_eq!(pools("vllm", "micro-prm"), Ok(true));
        assert_eq!(pools("vllm", "micro-prm-likelihood"), Ok(false));
        assert_eq!(pools("sglang", "micro-prm-likelihood"), Ok(false));
        for (program, model) in [
            ("sglang", "micro-prm"),
            ("llama.cpp", "micro-prm"),
            ("llama.cpp", "micro-prm-likelihood"),
            ("vllm", "grid-prm"),
        ] {
            let error = pools(program, model).unwrap_err();
            let start = format!("{program}:{model} cannot be the verifier: ");
            assert!(
                error.starts_with(&start) && error.contains("use "),
                "{error}"
            );
        }
    }
}
