//! The binary, run in a folder that goes when the test ends.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder that goes when the test ends.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("outthink-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn outthink(arguments: &[&str], folder: &Folder) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outthink"))
        .args(arguments)
        .current_dir(&folder.0)
        .env("OUTTHINK_DATA", folder.file("data"))
        .output()
        .unwrap()
}

pub(crate) fn ok(arguments: &[&str], folder: &Folder) -> String {
    let output = outthink(arguments, folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn fails(arguments: &[&str], folder: &Folder) -> (Option<i32>, String) {
    let output = outthink(arguments, folder);
    assert!(!output.status.success());
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

pub(crate) const TINY: [&str; 12] = [
    "study",
    "--dataset",
    "micro:3",
    "--problems",
    "4",
    "--policy",
    "micro-24k",
    "--verifier",
    "micro-prm-short",
    "--budgets",
    "4,8",
    "--store",
];
