//! API keys, kept as hashes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::live::Live;

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// No key can have this name.
    #[error("no key was added: {0}")]
    Name(String),
    /// It is no list of keys.
    #[error("{path} is no file of keys: {reason}")]
    Malformed {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Keys that may be renewed while a server runs. Clones are one.
#[derive(Clone)]
pub struct LiveKeys(Live<Keys>);

impl LiveKeys {
    /// These keys, until others are in force.
    pub fn new(keys: Keys) -> Self {
        Self(Live::new(keys))
    }

    /// Lets in whoever holds one of these keys from now on; who is in already stays. No keys would let in everyone: then those in
    /// force stay, and it is false.
    pub fn renew(&self, keys: Keys) -> bool {
        let some = !keys.keys.is_empty();
        if some {
            self.0.set(keys);
        }
        some
    }

    pub(crate) fn get(&self) -> Arc<Keys> {
        self.0.get()
    }
}

/// Who may ask, and how much: of searches, and of what is passed on to the models' servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Who it was given to; shown in the log.
    pub name: String,
    /// SHA-256 of the key in hexadecimal.
    pub sha256: String,
    /// Most searches at once, and as many requests that are passed on.
    #[serde(default = "four")]
    pub searches: usize,
    /// Largest budget `N`, and most choices of what is passed on.
    #[serde(default = "largest")]
    pub budget: usize,
}

fn four() -> usize {
    4
}

fn largest() -> usize {
    256
}

/// All keys; none lets everyone in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// One table a key.
    #[serde(default, rename = "key")]
    pub keys: Vec<Key>,
}

impl Keys {
    /// Reads a TOML file of `[[key]]` tables. A file without any is refused: it would let everyone in.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let file = KeyFile(path);
        let keys =
            file.parse(&outthink_core::file::read_to_string(path).map_err(|e| file.unusable(e))?)?;
        match keys.keys.is_empty() {
            true => Err(file
                .malformed("it holds no key; make one with `outthink keys add NAME --file FILE`")),
            false => Ok(keys),
        }
    }

    /// Makes a key, adds its hash to a file, and returns it: it is nowhere else. The file stays as it was if that fails; whoever else
    /// adds to it waits.
    pub fn add(path: &Path, name: &str) -> Result<String, KeyFileError> {
        // A link stays one.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        KeyFile(&path).add(name)
    }

    /// The key that was presented. Every hash is compared in full, so that time tells nothing.
    pub(crate) fn find(&self, presented: &str) -> Option<&Key> {
        let presented = hash(presented);
        let mut found = None;
        for key in &self.keys {
            if bool::from(
                key.sha256
                    .to_ascii_lowercase()
                    .as_bytes()
                    .ct_eq(presented.as_bytes()),
            ) {
                found = Some(key);
            }
        }
        found
    }
}

/// A file of keys.
struct KeyFile<'a>(&'a Path);

impl KeyFile<'_> {
    fn unusable(&self, source: std::io::Error) -> KeyFileError {
        KeyFileError::File {
            path: self.0.display().to_string(),
            source,
        }
    }

    fn malformed(&self, reason: impl Into<String>) -> KeyFileError {
        KeyFileError::Malformed {
            path: self.0.display().to_string(),
            reason: reason.into(),
        }
    }

    fn parse(&self, text: &str) -> Result<Keys, KeyFileError> {
        let keys: Keys = toml::from_str(text).map_err(|error| self.malformed(error.message()))?;
        let mut names = HashSet::new();
        for key in &keys.keys {
            let name = &key.name;
            let hex = key.sha256.len() == 64 && key.sha256.bytes().all(|b| b.is_ascii_hexdigit());
            let wrong = if let Err(reason) = printable(name) {
                reason.to_owned()
            } else if !names.insert(name) {
                format!("two keys have the name {name}")
            } else if !hex {
                format!("sha256 of {name} is not 64 hexadecimal digits")
            } else if key.searches == 0 || key.budget == 0 {
                format!("searches and budget of {name} are at least 1")
            } else {
                continue;
            };
            return Err(self.malformed(wrong));
        }
        Ok(keys)
    }

    fn add(&self, name: &str) -> Result<String, KeyFileError> {
        printable(name).map_err(|reason| KeyFileError::Name(reason.into()))?;
        let mut file = self.lock().map_err(|error| self.unusable(error))?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| self.unusable(error))?;
        let keys = self.parse(&text)?;
        if keys.keys.iter().any(|key| key.name == name) {
            let reason = format!("{} has a key of the name {name} already", self.0.display());
            return Err(KeyFileError::Name(reason));
        }
        #[expect(clippy::disallowed_methods, reason = "nobody may draw it again")]
        let secret: [u8; 32] = rand::rng().random();
        let key = format!("ot-{}", hex(&secret));
        if !text.is_empty() {
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        let (searches, budget) = (four(), largest());
        text.push_str(&format!(
            "[[key]]\nname = {}\nsha256 = \"{}\"\nsearches = {searches}\nbudget = {budget}\n",
            toml::Value::from(name),
            hash(&key)
        ));
        // What people wrote by hand may leave no room for another table.
        self.parse(&text).map_err(|_| {
            self.malformed(
                "nothing can be added after its last line; write each key as a [[key]] table",
            )
        })?;
        self.replace(&file, &text)
            .map_err(|error| self.unusable(error))?;
        Ok(key)
    }

    /// The file, for whoever holds it alone.
    fn lock(&self) -> Result<File, std::io::Error> {
        if self.0.exists() && !self.0.is_file() {
            let reason = "it is a folder, a pipe or a device; keys are kept in a file";
            return Err(std::io::Error::new(ErrorKind::InvalidInput, reason));
        }
        loop {
            let file = File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(self.0)?;
            file.lock()?;
            // While it was waited for, another may have been put in its place.
            if is_still(&file, self.0) {
                return Ok(file);
            }
        }
    }

    /// Written beside and put in its place, so that there is a whole file at any time.
    fn replace(&self, before: &File, text: &str) -> Result<(), std::io::Error> {
        let mut beside = self.0.as_os_str().to_owned();
        beside.push(".new");
        let written = File::create(&beside).and_then(|mut file| {
            file.set_permissions(before.metadata()?.permissions())?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, self.0)
        });
        if written.is_err() {
            // Nothing more can be done about what is left of it.
            let _ = std::fs::remove_file(&beside);
        }
        written
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |a: &std::fs::Metadata, b: &std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    matches!((file.metadata(), std::fs::metadata(path)), (Ok(a), Ok(b)) if same(&a, &b))
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

/// Names stand in the log and tell keys apart.
fn printable(name: &str) -> Result<(), &'static str> {
    if name.trim().is_empty() {
        return Err("a key needs a name");
    }
    // Marks that show as nothing, or turn the line around.
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if name.trim() != name || name.chars().any(unseen) || name.chars().count() > 100 {
        return Err(
            "the name of a key is printable, of at most 100 characters, without space around it",
        );
    }
    Ok(())
}

fn hash(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    /// A path for one test, where nothing is.
    fn place(name: &str) -> std::path::PathBuf {
        let path =
            std::env::temp_dir().join(format!("outthink-{name}-{}.toml", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn a_key_is_shown_once_and_known_by_its_hash() {
        let path = place("keys");
        let first = Keys::add(&path, "alice").unwrap();
        let second = Keys::add(&path, "bob \"the\" [[key]]").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&first) && !text.contains(&second));
        let keys = Keys::read(&path).unwrap();
        assert_eq!(keys.find(&first).unwrap().name, "alice");
        assert_eq!(keys.find(&second).unwrap().name, "bob \"the\" [[key]]");
        assert_eq!(keys.find("ot-guess"), None);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_lets_the_wrong_ones_in_is_refused() {
        let path = place("bad-keys");
        let refused = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Keys::read(&path).unwrap_err().to_string()
        };
        let digest = "0".repeat(64);
        let key = |name: &str, more: &str| {
            format!("[[key]]\nname = {name:?}\nsha256 = \"{digest}\"\n{more}\n")
        };
        let cases = [
            (String::new(), "holds no key"),
            ("# nobody yet\n".into(), "holds no key"),
            ("key = []\n".into(), "holds no key"),
            (
                "[[key]]\nname = \"x\"\nsha256 = \"12\"\n".into(),
                "sha256 of x is not 64",
            ),
            (key("", ""), "needs a name"),
            (key(" ", ""), "needs a name"),
            (key("a\tb", ""), "printable"),
            (key("x", "") + &key("x", ""), "two keys have the name x"),
            (key("x", "searches = 0"), "at least 1"),
            (key("x", "budget = 0"), "at least 1"),
            (key("x", "serches = 1"), "unknown field"),
        ];
        for (text, reason) in cases {
            let told = refused(&text);
            assert!(told.contains(reason), "{told}");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_people_wrote_in_the_file_stays() {
        let path = place("commented-keys");
        std::fs::write(&path, "# ours\n").unwrap();
        Keys::add(&path, "alice").unwrap();
        let edited = std::fs::read_to_string(&path).unwrap() + "# until May";
        std::fs::write(&path, edited.replace("searches = 4", "searches = 1")).unwrap();
        Keys::add(&path, "bob").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# ours\n") && text.contains("# until May\n"),
            "{text}"
        );
        let searches: Vec<usize> = Keys::read(&path)
            .unwrap()
            .keys
            .iter()
            .map(|key| key.searches)
            .collect();
        assert_eq!(searches, [1, 4]);
        for name in ["", "  ", "bob", "a\nb"] {
            assert!(Keys::add(&path, name).is_err(), "{name:?}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn keys_that_are_added_at_once_are_all_there() {
        let path = place("many-keys");
        let made: Vec<String> = std::thread::scope(|scope| {
            let add = |number: usize| {
                let path = &path;
                scope.spawn(move || Keys::add(path, &format!("user-{number}")).unwrap())
            };
            let adding: Vec<_> = (0..20).map(add).collect();
            adding.into_iter().map(|key| key.join().unwrap()).collect()
        });
        let keys = Keys::read(&path).unwrap();
        assert_eq!(keys.keys.len(), 20);
        for (number, key) in made.iter().enumerate() {
            assert_eq!(keys.find(key).unwrap().name, format!("user-{number}"));
        }
        std::fs::remove_file(path).unwrap();
    }
}
