//! The command line.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;

/// Does what a command line asks for, the program's own name first, and returns its exit status.
#[pyfunction]
pub(crate) fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| {
        let code = outthink::run(arguments);
        let is = |number: &u8| ExitCode::from(*number) == code;
        (0..=u8::MAX).find(is).unwrap_or(1)
    })
}
