//! A circuit breaker: a server that fails is left alone for a while, then asked with one request.

use std::time::{Duration, Instant};

/// Consecutive failures after which a server that still accepts connections is left alone.
const TOLERATED: u32 = 3;
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection was refused.
    Unreachable,
    /// The server was reached, but did not answer as it should.
    BadAnswer,
}

/// Whether requests may be sent to a server.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Set while the server is left alone.
    until: Option<Instant>,
    /// One request is in flight to find out whether the server is back.
    probing: bool,
}

impl Breaker {
    /// May a request be sent now?
    pub(crate) fn admits(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now >= until && !self.probing)
    }

    /// When a request may be sent again, if not now. While a probe is in flight, this lies in the past.
    pub(crate) fn opens_at(&self) -> Option<Instant> {
        self.until
    }

    pub(crate) fn is_open(&self) -> bool {
        self.until.is_some()
    }

    /// A request is sent.
    pub(crate) fn sent(&mut self) {
        self.probing = self.until.is_some();
    }

    /// A request ended without saying anything about the server.
    pub(crate) fn nothing_learnt(&mut self) {
        self.probing = false;
    }

    /// The server answered. True if it had been left alone until now.
    pub(crate) fn answered(&mut self) -> bool {
        let was_open = self.until.is_some();
        *self = Self::default();
        was_open
    }

    /// The server failed. `jitter` in [0, 1) keeps clients from coming back all at once. True if it is left alone from
    /// now on.
    pub(crate) fn failed(&mut self, fault: Fault, jitter: f64, now: Instant) -> bool {
        let was_open = self.until.is_some();
        // Requests that were in flight when it went down say nothing new.
        if was_open && !self.probing {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if fault == Fault::BadAnswer && self.failures < TOLERATED {
            return false;
        }
        let doublings = self.failures.min(8).saturating_sub(1);
        let pause = LONGEST.min(SHORTEST * 2u32.pow(doublings));
        self.until = Some(now + pause.mul_f64(0.5 + jitter / 2.0));
        !was_open
    }

    /// The server named a time to come back.
    pub(crate) fn rest_until(&mut self, until: Instant) {
        self.probing = false;
        self.until = Some(self.until.map_or(until, |old| old.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_finds_out_whether_a_server_is_back() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        assert!(breaker.failed(Fault::Unreachable, 0.0, start));
        assert!(!breaker.admits(start));
        let later = start + SHORTEST;
        assert!(breaker.admits(later));
        breaker.sent();
        assert!(!breaker.admits(later), "only one");
        assert!(!breaker.failed(Fault::Unreachable, 0.0, later));
        assert!(
            !breaker.admits(later + SHORTEST / 2),
            "it waits longer each time"
        );
        breaker.sent();
        assert!(breaker.answered());
        assert!(breaker.admits(later));
    }

    #[test]
    fn a_bad_answer_now_and_then_is_tolerated() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert!(!breaker.failed(Fault::BadAnswer, 0.5, now));
            assert!(!breaker.failed(Fault::BadAnswer, 0.5, now));
            assert!(breaker.admits(now));
            breaker.answered();
        }
        for open in [false, false, true] {
            assert_eq!(breaker.failed(Fault::BadAnswer, 0.5, now), open);
        }
        assert!(!breaker.admits(now));
    }
}
