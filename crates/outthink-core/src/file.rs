//! Files that are read whole: no device, which may have no end, and nothing larger than it ought to be.

use std::fs::{File, Metadata};
use std::io::{Error, ErrorKind, IsTerminal, Read, Result};
use std::path::Path;

/// Larger is no file that a person or a program wrote to be read as text.
const LARGEST: u64 = 256 << 20;

/// Opens what can hold data: a file, a pipe or a terminal, not a folder or a device.
pub fn open(path: &Path) -> Result<File> {
    let about = std::fs::metadata(path)?;
    let wrong = |kind, what: &str| Err(Error::new(kind, what.to_owned()));
    if about.is_dir() {
        return wrong(ErrorKind::IsADirectory, "it is a folder, not a file");
    }
    let file = match is_device(&about) {
        Some("block") => None,
        _ => Some(File::open(path)?),
    };
    match file {
        Some(file) if is_device(&about).is_none() || file.is_terminal() => Ok(file),
        _ => wrong(ErrorKind::InvalidInput, "it is a device, not a file"),
    }
}

/// All that a file or a pipe holds.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", LARGEST >> 20),
        )),
        false => Ok(bytes),
    }
}

/// The text that a file or a pipe holds.
pub fn read_to_string(path: &Path) -> Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| Error::new(ErrorKind::InvalidData, "it is no text (UTF-8)"))
}

#[cfg(unix)]
fn is_device(about: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = about.file_type();
    match (kind.is_block_device(), kind.is_char_device()) {
        (true, _) => Some("block"),
        (_, true) => Some("character"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn is_device(_: &Metadata) -> Option<&'static str> {
    None
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::io::{Write, pipe};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn devices_and_folders_are_refused_at_once_and_pipes_are_read() {
        for device in ["/dev/zero", "/dev/urandom", "/dev/full", "/dev/null"] {
            let error = read(device.as_ref()).unwrap_err().to_string();
            assert_eq!(error, "it is a device, not a file", "{device}");
        }
        let error = read("/".as_ref()).unwrap_err().to_string();
        assert_eq!(error, "it is a folder, not a file");
        assert_eq!(
            read("/nowhere".as_ref()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        // As the shell gives the output of a command.
        let (reader, mut writer) = pipe().unwrap();
        writer.write_all("é\n".as_bytes()).unwrap();
        drop(writer);
        let name = format!("/dev/fd/{}", reader.as_raw_fd());
        assert_eq!(read_to_string(name.as_ref()).unwrap(), "é\n");
    }
}
