//! How many requests a server may have in flight: found by trying, by its throughput.

use std::time::Instant;

/// The first limit.
const FIRST: usize = 32;
/// A doubled limit is kept if it raises throughput by this factor.
const WORTH: f64 = 1.08;
/// Fewest completions in a measurement.
const SHORTEST_WINDOW: usize = 16;
/// Measurements after which a settled limit is tried again, because loads change.
const SETTLED_WINDOWS: usize = 24;

/// A limit on the requests in flight at one server.
///
/// It doubles while throughput follows, and settles where it no longer does: beyond that point a server only queues.
/// When the server says that it is overloaded, the limit halves. Latency is not used, because on a server that batches
/// it rises with throughput.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    allowed: usize,
    most: usize,
    in_flight: usize,
    phase: LimitPhase,
    window: ThroughputWindow,
    /// Throughput (tokens per second) at the previous limit, and that limit.
    before: Option<(f64, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum LimitPhase {
    Climbing,
    Settled { windows: usize },
}

#[derive(Debug, Default)]
struct ThroughputWindow {
    start: Option<Instant>,
    completed: usize,
    work: u64,
    /// Completions while the limit was reached. Only those say anything about the limit.
    full: usize,
}

impl ConcurrencyLimit {
    /// A limit that adapts, up to `most`.
    pub(crate) fn adaptive(most: usize) -> Self {
        Self {
            allowed: FIRST.min(most.max(1)),
            most: most.max(1),
            in_flight: 0,
            phase: LimitPhase::Climbing,
            window: ThroughputWindow::default(),
            before: None,
        }
    }

    /// A limit that never exceeds `allowed`; overload lowers it for a while.
    pub(crate) fn fixed(allowed: usize) -> Self {
        let allowed = allowed.max(1);
        Self {
            allowed,
            phase: LimitPhase::Settled { windows: 0 },
            ..Self::adaptive(allowed)
        }
    }

    pub(crate) fn allowed(&self) -> usize {
        self.allowed
    }

    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn has_room(&self) -> bool {
        self.in_flight < self.allowed
    }

    /// Requests in flight as a share of the limit: 1 when it is reached.
    pub(crate) fn load(&self) -> f64 {
        self.in_flight as f64 / self.allowed as f64
    }

    pub(crate) fn enter(&mut self) {
        self.in_flight += 1;
    }

    /// A request that says nothing about throughput: it was given up or failed.
    pub(crate) fn leave(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A request that was answered after `work` tokens.
    pub(crate) fn complete(&mut self, work: u64, now: Instant) {
        let full = self.in_flight >= self.allowed;
        self.leave();
        let Some(start) = self.window.start else {
            self.window.start = Some(now);
            return;
        };
        self.window.completed += 1;
        self.window.work += work;
        self.window.full += usize::from(full);
        if self.window.completed < SHORTEST_WINDOW.max(2 * self.allowed) {
            return;
        }
        let window = std::mem::take(&mut self.window);
        self.window.start = Some(now);
        let seconds = now.saturating_duration_since(start).as_secs_f64();
        if window.full * 2 >= window.completed && seconds > 0.0 {
            self.judge(window.work as f64 / seconds);
        }
    }

    fn judge(&mut self, throughput: f64) {
        match self.phase {
            LimitPhase::Climbing => match self.before {
                Some((before, smaller)) if throughput < before * WORTH => {
                    self.allowed = smaller;
                    self.settle();
                }
                _ if self.allowed >= self.most => self.settle(),
                _ => {
                    self.before = Some((throughput, self.allowed));
                    self.allowed = (2 * self.allowed).min(self.most);
                }
            },
            LimitPhase::Settled { windows } if windows + 1 < SETTLED_WINDOWS => {
                self.phase = LimitPhase::Settled {
                    windows: windows + 1,
                };
            }
            LimitPhase::Settled { .. } if self.allowed < self.most => {
                self.before = Some((throughput, self.allowed));
                self.allowed = (2 * self.allowed).min(self.most);
                self.phase = LimitPhase::Climbing;
            }
            LimitPhase::Settled { .. } => {}
        }
    }

    fn settle(&mut self) {
        self.before = None;
        self.phase = LimitPhase::Settled { windows: 0 };
    }

    /// A request was rejected because the server is overloaded.
    pub(crate) fn overloaded(&mut self) {
        self.leave();
        self.allowed = (self.allowed / 2).max(1);
        self.window = ThroughputWindow::default();
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that answers `per_second(n)` requests a second with `n` in flight, driven as hard as the limit allows.
    fn drive(limit: &mut ConcurrencyLimit, rounds: usize, per_second: impl Fn(usize) -> f64) {
        let mut now = Instant::now();
        for _ in 0..rounds {
            while limit.has_room() {
                limit.enter();
            }
            now += Duration::from_secs_f64(1.0 / per_second(limit.in_flight()));
            limit.complete(10, now);
        }
    }

    #[test]
    fn the_limit_climbs_to_where_throughput_stops_and_stays_there() {
        let mut limit = ConcurrencyLimit::adaptive(1024);
        drive(&mut limit, 20_000, |n| n.min(200) as f64);
        assert!(
            (128..=512).contains(&limit.allowed()),
            "{}",
            limit.allowed()
        );
        let mut narrow = ConcurrencyLimit::adaptive(1024);
        drive(&mut narrow, 20_000, |n| n.min(8) as f64);
        assert!(narrow.allowed() <= 64, "{}", narrow.allowed());
    }

    #[test]
    fn an_idle_server_teaches_nothing() {
        let mut limit = ConcurrencyLimit::adaptive(1024);
        let mut now = Instant::now();
        for _ in 0..1000 {
            limit.enter();
            now += Duration::from_millis(1);
            limit.complete(1, now);
        }
        assert_eq!(limit.allowed(), FIRST);
    }

    #[test]
    fn overload_halves_the_limit_down_to_one() {
        let mut limit = ConcurrencyLimit::fixed(4);
        for expected in [2, 1, 1] {
            limit.enter();
            limit.overloaded();
            assert_eq!((limit.allowed(), limit.in_flight()), (expected, 0));
        }
    }
}
