//! Which server is asked next: the one that has the prefix cached, unless it is full and another idle.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::breaker::{Breaker, Fault};
use crate::limit::Limit;
use crate::pool::{Granted, Waiting};

/// More than any server batches.
const MOST_IN_FLIGHT: usize = 1024;
/// Work stealing: a server below 90 % load with an empty queue takes requests queued elsewhere once those queues are as
/// long as what runs there. Recomputing a prefix is cheaper than idling.
const IDLE: f64 = 0.9;
/// Prefixes whose servers are remembered.
const HOMES: usize = 1 << 16;

/// What happened at one server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) wasted: u64,
    pub(crate) busy: u64,
    pub(crate) refused: u64,
}

struct Slot {
    limit: Limit,
    breaker: Breaker,
    waiting: VecDeque<Waiting>,
    counts: Counts,
    /// Prefixes that are cached here.
    homes: usize,
}

impl Slot {
    fn is_overrun(&self) -> bool {
        self.waiting.len() >= self.limit.allowed()
    }
}

/// What to do with a request.
pub(crate) enum Choice {
    /// Send it there; it counts as in flight.
    Room(usize),
    /// Wait for a place.
    Queue(Granted),
    /// No server may be asked before `next`; nobody knows when if there is none.
    Down {
        since: Instant,
        next: Option<Instant>,
        reason: String,
    },
}

/// All that is known of the servers of a role.
pub(crate) struct State {
    slots: Vec<Slot>,
    /// Where each prefix is cached.
    homes: HashMap<u64, usize>,
    /// Since when no server answers, and why the last one did not.
    down: Option<Instant>,
    reason: String,
    /// Was it told that no server answers?
    told: bool,
}

impl State {
    pub(crate) fn new(servers: usize, concurrency: Option<usize>) -> Self {
        let slot = |_| Slot {
            limit: match concurrency {
                Some(allowed) => Limit::fixed(allowed),
                None => Limit::adaptive(MOST_IN_FLIGHT),
            },
            breaker: Breaker::default(),
            waiting: VecDeque::new(),
            counts: Counts::default(),
            homes: 0,
        };
        Self {
            slots: (0..servers).map(slot).collect(),
            homes: HashMap::new(),
            down: None,
            reason: String::new(),
            told: false,
        }
    }

    pub(crate) fn counts(&self, server: usize) -> Counts {
        self.slots[server].counts
    }

    pub(crate) fn limit(&self, server: usize) -> usize {
        self.slots[server].limit.allowed()
    }

    pub(crate) fn cap(&mut self, server: usize, most: usize) {
        let limit = &mut self.slots[server].limit;
        if most < limit.allowed() {
            *limit = Limit::adaptive(most);
        }
    }

    /// True the first time.
    pub(crate) fn goes_down(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// True if it was told that no server answers.
    pub(crate) fn comes_back(&mut self) -> bool {
        self.down = None;
        std::mem::take(&mut self.told)
    }

    pub(crate) fn choose(&mut self, key: u64, now: Instant) -> Choice {
        let open = |slot: &Slot| slot.breaker.admits(now);
        if !self.slots.iter().any(open) {
            let next = |slot: &Slot| slot.breaker.opens_at().filter(|next| *next > now);
            return Choice::Down {
                since: *self.down.get_or_insert(now),
                next: self.slots.iter().filter_map(next).min(),
                reason: self.reason.clone(),
            };
        }
        let home = match self.homes.get(&key).copied() {
            Some(home) if open(&self.slots[home]) => home,
            _ => {
                let Some(home) = self.least_loaded(now) else {
                    return Choice::Down {
                        since: now,
                        next: None,
                        reason: self.reason.clone(),
                    };
                };
                self.move_home(key, home);
                home
            }
        };
        let idle = |slot: &Slot| slot.waiting.is_empty() && slot.limit.load() < IDLE;
        let chosen = if self.slots[home].limit.has_room() {
            Some(home)
        } else if !self.slots[home].is_overrun() {
            None
        } else {
            self.least_loaded(now)
                .filter(|&other| idle(&self.slots[other]))
        };
        match chosen {
            Some(server) => {
                self.enter(server);
                Choice::Room(server)
            }
            None => {
                let (waiting, granted) = oneshot::channel();
                self.slots[home].waiting.push_back(waiting);
                Choice::Queue(granted)
            }
        }
    }

    fn move_home(&mut self, key: u64, home: usize) {
        if self.homes.len() >= HOMES {
            self.homes.clear();
            self.slots.iter_mut().for_each(|slot| slot.homes = 0);
        }
        if let Some(old) = self.homes.insert(key, home) {
            self.slots[old].homes -= 1;
        }
        self.slots[home].homes += 1;
    }

    fn enter(&mut self, server: usize) {
        self.slots[server].limit.enter();
        self.slots[server].breaker.sent();
    }

    fn least_loaded(&self, now: Instant) -> Option<usize> {
        let fullness = |slot: &Slot| {
            let queued = slot.waiting.len() as f64 / slot.limit.allowed() as f64;
            slot.limit.load() + queued
        };
        let admitted = self
            .slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.breaker.admits(now));
        // Between equals, the one that is home to fewer: problems that all start at once spread.
        admitted
            .min_by(|(_, x), (_, y)| {
                let by_load = fullness(x).total_cmp(&fullness(y));
                by_load.then(x.homes.cmp(&y.homes))
            })
            .map(|(server, _)| server)
    }

    /// Takes the next one in line for a free place at a server, if there is a place and a line. The place is taken.
    pub(crate) fn next_waiting(&mut self, server: usize) -> Option<Waiting> {
        let slot = &self.slots[server];
        if !slot.limit.has_room() || slot.breaker.is_open() {
            return None;
        }
        let line = if !slot.waiting.is_empty() {
            server
        } else if slot.limit.load() < IDLE {
            let longest = |line: &usize| self.slots[*line].waiting.len();
            let overrun = |line: &usize| self.slots[*line].is_overrun();
            (0..self.slots.len()).filter(overrun).max_by_key(longest)?
        } else {
            return None;
        };
        let next = self.slots[line].waiting.pop_front()?;
        self.enter(server);
        Some(next)
    }

    /// An answer began. True if the server had been left alone.
    pub(crate) fn heard(&mut self, server: usize) -> bool {
        self.slots[server].breaker.answered()
    }

    /// True if the server had been left alone.
    pub(crate) fn answered(&mut self, server: usize, work: u64, now: Instant) -> bool {
        self.down = None;
        let slot = &mut self.slots[server];
        slot.counts.answered += 1;
        slot.limit.complete(work, now);
        slot.breaker.answered()
    }

    pub(crate) fn given_up(&mut self, server: usize) {
        let slot = &mut self.slots[server];
        slot.limit.leave();
        slot.breaker.nothing_learnt();
    }

    /// Who waited for this server, if it is left alone now.
    pub(crate) fn busy(&mut self, server: usize, until: Option<Instant>) -> VecDeque<Waiting> {
        let slot = &mut self.slots[server];
        slot.counts.busy += 1;
        slot.limit.overloaded();
        let Some(until) = until else {
            slot.breaker.nothing_learnt();
            return VecDeque::new();
        };
        slot.breaker.rest_until(until);
        std::mem::take(&mut slot.waiting)
    }

    /// Is it now that no server answers any more? And who waited for this one, if it is left alone now.
    pub(crate) fn failed(
        &mut self,
        server: usize,
        fault: Fault,
        jitter: f64,
        reason: &str,
        now: Instant,
    ) -> (bool, VecDeque<Waiting>) {
        reason.clone_into(&mut self.reason);
        let slot = &mut self.slots[server];
        match fault {
            Fault::Gone => slot.counts.refused += 1,
            Fault::Bad => slot.counts.wasted += 1,
        }
        slot.limit.leave();
        if !slot.breaker.failed(fault, jitter, now) {
            return (false, VecDeque::new());
        }
        let stranded = std::mem::take(&mut slot.waiting);
        let all_down = self.slots.iter().all(|slot| slot.breaker.is_open());
        (all_down && self.goes_down(), stranded)
    }
}
