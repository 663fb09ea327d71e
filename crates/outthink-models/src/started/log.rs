//! A server's log, as long as the server runs, and longer if it fails.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use outthink_core::visible_line;

use super::secrets::Secrets;

/// Lines of a log that an error shows.
const LINES: usize = 12;
/// Bytes of a log that these are looked for in.
const TAIL: u64 = 16 << 10;

/// A file that only its owner may read.
pub(super) struct Log {
    pub(super) path: PathBuf,
    secrets: Secrets,
}

impl Log {
    /// A new one in the folder for temporary files, and the file to write to.
    pub(super) fn create(command: &str, secrets: Secrets) -> std::io::Result<(Self, File)> {
        let own = std::process::id();
        let mut number = 0;
        loop {
            let path = std::env::temp_dir().join(format!("outthink-{command}-{own}-{number}.log"));
            // What lies there already is somebody else's.
            match new_file(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                made => return made.map(|file| (Self { path, secrets }, file)),
            }
        }
    }

    /// Bytes that were written so far.
    pub(super) fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// The last lines, each after a line break.
    pub(super) fn last_lines(&self) -> String {
        let lines = self.tail();
        if lines.is_empty() {
            return " it wrote nothing".into();
        }
        let from = lines.len().saturating_sub(LINES);
        lines[from..]
            .iter()
            .fold(String::new(), |text, line| text + "\n    " + line)
    }

    /// The last line.
    pub(super) fn last_line(&self) -> String {
        self.tail().pop().unwrap_or_default()
    }

    fn tail(&self) -> Vec<String> {
        let read = || {
            let mut file = File::open(&self.path)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>((bytes, length > TAIL))
        };
        let (bytes, is_cut) = read().unwrap_or_default();
        let mut text = &*String::from_utf8_lossy(&bytes);
        // Half a key would be shown.
        if is_cut {
            text = text.split_once('\n').map_or("", |(_, whole)| whole);
        }
        let text = self.secrets.hide(text);
        // Progress is written over itself.
        let lines = text.split(['\n', '\r']).map(str::trim_end);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(|line| visible_line(line).into_owned()).collect()
    }
}

fn new_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
