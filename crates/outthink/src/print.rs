//! Printing, in one place. What models, servers and files say is shown with its control characters visible, and where the
//! reader is gone, as in `outthink … | head`, the command ends without
//! a word. The macros stand in for the standard ones, which would panic.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{ErrorKind, Write};

use outthink_core::visible;

/// Prints text without a line end of its own.
macro_rules! print {
    ($($part:tt)*) => { $crate::print::out(&format!($($part)*)) };
}

/// Prints a line.
macro_rules! println {
    () => { $crate::print::out("\n") };
    ($($part:tt)*) => { $crate::print::out(&(format!($($part)*) + "\n")) };
}

/// Prints a line to standard error, if anybody reads it.
macro_rules! eprintln {
    ($($part:tt)*) => { $crate::print::err(&(format!($($part)*) + "\n")) };
}

/// Prints text to standard error, if anybody reads it.
macro_rules! eprint {
    ($($part:tt)*) => { $crate::print::err(&format!($($part)*)) };
}

pub(crate) fn out(text: &str) {
    // `stdout` ends the process where nobody reads on; there is nothing more to do about it here.
    let _ = stdout().write_all(visible(text).as_bytes());
}

/// Prints JSON, which stays what it is: what would steer a terminal is escaped as JSON does it.
pub(crate) fn json(text: &str) {
    let _ = stdout().write_all((json_escaped(text) + "\n").as_bytes());
}

/// Outside of strings JSON has no such characters, so all of them may be escaped as in a string.
fn json_escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut buffer, mut units) = ([0; 4], [0; 2]);
    for c in text.chars() {
        let own = c.encode_utf8(&mut buffer);
        match visible(own) {
            Cow::Borrowed(plain) => shown.push_str(plain),
            Cow::Owned(_) => {
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(shown, "\\u{unit:04x}");
                }
            }
        }
    }
    shown
}

pub(crate) fn err(text: &str) {
    let _ = std::io::stderr().write_all(visible(text).as_bytes());
}

/// Standard output for what is data: nothing is changed in it.
pub(crate) fn stdout() -> Stdout {
    Stdout(std::io::stdout())
}

/// See [`stdout`].
pub(crate) struct Stdout(std::io::Stdout);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes).map_err(ended)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().map_err(ended)
    }
}

/// Ends the process where standard output cannot be written: quietly where its reader is gone, else as a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "nobody is left to say anything to"
)]
fn ended(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        ErrorKind::Interrupted => error,
        ErrorKind::BrokenPipe => std::process::exit(0),
        _ => {
            err(&format!(
                "error: cannot write to standard output: {error}\n"
            ));
            std::process::exit(1)
        }
    }
}

/// What is said of a panic: a fault of this program, in few words, with what helps to find it.
pub(crate) fn explain_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::capture();
        let traced = match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{backtrace}"),
            _ => String::new(),
        };
        let fault = Fault {
            version: env!("CARGO_PKG_VERSION"),
            said: panic.payload_as_str().unwrap_or("a panic without words"),
            place: panic.location().map(ToString::to_string),
        };
        err(&format!("{fault}{traced}\n"));
    }));
}

/// A panic, for people.
struct Fault<'a> {
    version: &'a str,
    said: &'a str,
    place: Option<String>,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.as_deref().unwrap_or("an unknown place");
        write!(
            f,
            "error: outthink {} has met a fault of its own at {place}: {}\nPlease report this line with the command that led to it (RUST_BACKTRACE=1 tells more).",
            self.version, self.said
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_whatever_it_holds() {
        let text = "plain naïve 你好 \u{1b}[31m\u{7f}\u{9b}2J\u{202e}\u{e0041}\r\n\t end";
        let printed = json_escaped(&serde_json::to_string(text).unwrap());
        assert_eq!(visible(&printed), printed);
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }
}
