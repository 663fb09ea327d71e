//! A program that serves models, and where it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Job, StartError};

/// A program that serves one model, as its command line is. All take `--host` and `--port`.
pub(super) struct Program {
    /// What stands before a model's name; also the kind of server that it is.
    pub(super) name: &'static str,
    /// Its file.
    pub(super) command: &'static str,
    /// The environment variable that says where it is.
    pub(super) path: &'static str,
    /// The environment variable that holds more flags.
    pub(super) flags: &'static str,
    /// How to install it.
    pub(super) install: &'static str,
    /// Does it read GGUF files, and not folders?
    pub(super) reads_gguf: bool,
    /// Does it make token ids of a conversation?
    pub(super) tokenises: bool,
    /// How it is told what to serve.
    pub(super) arguments: fn(&Job<'_>) -> Vec<OsString>,
}

impl Program {
    /// Where it is: where its variable says, or on PATH.
    pub(super) fn find(&self, model: &str) -> Result<PathBuf, StartError> {
        let named = std::env::var_os(self.path).filter(|path| !path.is_empty());
        if let Some(named) = named {
            let path = PathBuf::from(named);
            return on_path(&path).ok_or(StartError::NoProgram {
                variable: self.path,
                path,
            });
        }
        on_path(Path::new(self.command)).ok_or_else(|| StartError::NotInstalled {
            model: model.to_owned(),
            command: self.command,
            variable: self.path,
            install: self.install,
        })
    }

    /// The user's own flags, split as a shell does.
    pub(super) fn flags(&self) -> Result<Vec<String>, StartError> {
        let text = std::env::var(self.flags).unwrap_or_default();
        shlex::split(&text).ok_or(StartError::Flags {
            variable: self.flags,
        })
    }
}

/// A program by its path, or by its name on PATH.
fn on_path(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return is_program(program).then(|| program.to_owned());
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(program));
    places.find(|place| is_program(place))
}

fn is_program(path: &Path) -> bool {
    let Ok(file) = std::fs::metadata(path) else {
        return false;
    };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    file.is_file() && may_run
}
