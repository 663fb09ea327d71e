//! Ctrl-C, and what a system sends to a process that is to end: one clear line, then the end, at once. What is stored is stored
//! at every moment, so nothing is waited for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::Failure;

/// A signal that ends a command, and its number.
#[cfg(unix)]
const SIGNALS: [i32; 3] = [1, 2, 15];

/// Says where a command stands when it is interrupted, and ends it with the shell's status for the signal (130 for Ctrl-C).
#[cfg(unix)]
pub(crate) fn tell(standing: impl Fn() -> String + Send + 'static) -> Result<(), Failure> {
    use futures::future::{FutureExt, select_all};
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let guard = runtime.enter();
    // What the parent wants ignored, as `nohup` does, stays ignored.
    let wanted = SIGNALS.into_iter().filter(|number| !is_ignored(*number));
    let mut listeners = Vec::new();
    for number in wanted {
        listeners.push((number, signal(SignalKind::from_raw(number))?));
    }
    drop(guard);
    if listeners.is_empty() {
        return Ok(());
    }
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let came = listeners.iter_mut().map(|(number, listener)| {
                let number = *number;
                async move {
                    listener.recv().await;
                    number
                }
                .boxed()
            });
            let (number, ..) = runtime.block_on(select_all(came));
            end(&standing(), 128 + number)
        })?;
    Ok(())
}

/// Says where a command stands when it is interrupted.
#[cfg(not(unix))]
pub(crate) fn tell(standing: impl Fn() -> String + Send + 'static) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                end(&standing(), 130)
            }
        })?;
    Ok(())
}

/// How far a run has come, told while it runs.
#[derive(Clone, Default)]
pub(crate) struct Standing(Arc<(AtomicUsize, AtomicUsize)>);

impl Standing {
    pub(crate) fn set(&self, done: usize, all: usize) {
        self.0.0.store(done, Ordering::Relaxed);
        self.0.1.store(all, Ordering::Relaxed);
    }
}

/// `505 of 1,320`
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, all) = (&self.0.0, &self.0.1);
        let [done, all] = [done, all].map(|own| grouped(own.load(Ordering::Relaxed)));
        write!(f, "{done} of {all}")
    }
}

/// A number with commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[expect(
    clippy::disallowed_methods,
    reason = "who interrupts wants the end at once, and what is stored is stored"
)]
fn end(standing: &str, status: i32) -> ! {
    use std::io::IsTerminal;
    // Below the ^C, and below a progress bar.
    let below = match std::io::stderr().is_terminal() {
        true => "\n",
        false => "",
    };
    eprintln!("{below}interrupted: {standing}");
    std::process::exit(status)
}

/// Was the process started with this signal ignored? Where the system does not tell, a hang-up may be, and the others are not.
#[cfg(unix)]
fn is_ignored(number: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.map_or(number == 1, |mask| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_reads_as_people_write_numbers() {
        let standing = Standing::default();
        for (done, all, told) in [
            (0, 7, "0 of 7"),
            (505, 1320, "505 of 1,320"),
            (99_999, 1_234_567, "99,999 of 1,234,567"),
        ] {
            standing.set(done, all);
            assert_eq!(standing.to_string(), told);
        }
    }
}
