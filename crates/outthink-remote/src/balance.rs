//! Load balancing: a request goes to the server that has its prefix cached, unless that one is full and another is
//! idle.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::breaker::{Breaker, Fault};
use crate::limit::ConcurrencyLimit;
use crate::pool::{Granted, Waiting};

/// Upper bound of the adaptive concurrency limit: more requests than any server batches.
const MOST_IN_FLIGHT: usize = 1024;
/// Work stealing: a server below 90 % load with an empty queue takes requests queued elsewhere once those queues are as
/// long as what runs there. Recomputing a prefix is cheaper than idling.
const IDLE: f64 = 0.9;
/// Most prefixes whose server is remembered.
const HOMES: usize = 1 << 16;

/// Requests of one server, by how they ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RequestCounts {
    pub(crate) answered: u64,
    pub(crate) wasted: u64,
    pub(crate) busy: u64,
    pub(crate) refused: u64,
}

struct Replica {
    limit: ConcurrencyLimit,
    breaker: Breaker,
    waiting: VecDeque<Waiting>,
    counts: RequestCounts,
    /// How many prefixes are cached here.
    homes: usize,
}

impl Replica {
    fn is_overrun(&self) -> bool {
        self.waiting.len() >= self.limit.allowed()
    }
}

/// Where a request goes.
pub(crate) enum Placement {
    /// To this server, now; it already counts as in flight.
    Room(usize),
    /// To a server's queue: wait for a place.
    Queue(Granted),
    /// Nowhere: every server is left alone, until `next` if that is known.
    Down {
        since: Instant,
        next: Option<Instant>,
        reason: String,
    },
}

/// The state of all servers of a role.
pub(crate) struct Balancer {
    replicas: Vec<Replica>,
    /// Where each prefix is cached.
    homes: HashMap<u64, usize>,
    /// Since when no server answers. `reason` says why the last one did not.
    down: Option<Instant>,
    reason: String,
    /// Has the user been told that no server answers?
    announced: bool,
}

impl Balancer {
    pub(crate) fn new(servers: usize, concurrency: Option<usize>) -> Self {
        let replica = |_| Replica {
            limit: match concurrency {
                Some(allowed) => ConcurrencyLimit::fixed(allowed),
                None => ConcurrencyLimit::adaptive(MOST_IN_FLIGHT),
            },
            breaker: Breaker::default(),
            waiting: VecDeque::new(),
            counts: RequestCounts::default(),
            homes: 0,
        };
        Self {
            replicas: (0..servers).map(replica).collect(),
            homes: HashMap::new(),
            down: None,
            reason: String::new(),
            announced: false,
        }
    }

    pub(crate) fn counts(&self, server: usize) -> RequestCounts {
        self.replicas[server].counts
    }

    pub(crate) fn limit(&self, server: usize) -> usize {
        self.replicas[server].limit.allowed()
    }

    pub(crate) fn cap(&mut self, server: usize, most: usize) {
        let limit = &mut self.replicas[server].limit;
        if most < limit.allowed() {
            *limit = ConcurrencyLimit::adaptive(most);
        }
    }

    /// Notes that the user is told that no server answers. False if that was told before.
    pub(crate) fn goes_down(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    /// Notes that a server answers. True if the user was told that none did.
    pub(crate) fn comes_back(&mut self) -> bool {
        self.down = None;
        std::mem::take(&mut self.announced)
    }

    pub(crate) fn choose(&mut self, key: u64, now: Instant) -> Placement {
        let open = |replica: &Replica| replica.breaker.admits(now);
        if !self.replicas.iter().any(open) {
            let next = |replica: &Replica| replica.breaker.opens_at().filter(|next| *next > now);
            return Placement::Down {
                since: *self.down.get_or_insert(now),
                next: self.replicas.iter().filter_map(next).min(),
                reason: self.reason.clone(),
            };
        }
        let home = match self.homes.get(&key).copied() {
            Some(home) if open(&self.replicas[home]) => home,
            _ => {
                let Some(home) = self.least_loaded(now) else {
                    return Placement::Down {
                        since: now,
                        next: None,
                        reason: self.reason.clone(),
                    };
                };
                self.move_home(key, home);
                home
            }
        };
        let idle = |replica: &Replica| replica.waiting.is_empty() && replica.limit.load() < IDLE;
        let chosen = if self.replicas[home].limit.has_room() {
            Some(home)
        } else if !self.replicas[home].is_overrun() {
            None
        } else {
            self.least_loaded(now)
                .filter(|&other| idle(&self.replicas[other]))
        };
        match chosen {
            Some(server) => {
                self.enter(server);
                Placement::Room(server)
            }
            None => {
                let (waiting, granted) = oneshot::channel();
                self.replicas[home].waiting.push_back(waiting);
                Placement::Queue(granted)
            }
        }
    }

    fn move_home(&mut self, key: u64, home: usize) {
        if self.homes.len() >= HOMES {
            self.homes.clear();
            self.replicas
                .iter_mut()
                .for_each(|replica| replica.homes = 0);
        }
        if let Some(old) = self.homes.insert(key, home) {
            self.replicas[old].homes -= 1;
        }
        self.replicas[home].homes += 1;
    }

    fn enter(&mut self, server: usize) {
        self.replicas[server].limit.enter();
        self.replicas[server].breaker.sent();
    }

    fn least_loaded(&self, now: Instant) -> Option<usize> {
        let fullness = |replica: &Replica| {
            let queued = replica.waiting.len() as f64 / replica.limit.allowed() as f64;
            replica.limit.load() + queued
        };
        let admitted = self
            .replicas
            .iter()
            .enumerate()
            .filter(|(_, replica)| replica.breaker.admits(now));
        // Ties go to the server with fewer cached prefixes, which spreads problems that all start at once.
        admitted
            .min_by(|(_, x), (_, y)| {
                let by_load = fullness(x).total_cmp(&fullness(y));
                by_load.then(x.homes.cmp(&y.homes))
            })
            .map(|(server, _)| server)
    }

    /// The next request in a queue for a server that has a free place, if there is one. It counts as in flight from
    /// here on.
    pub(crate) fn next_waiting(&mut self, server: usize) -> Option<Waiting> {
        let replica = &self.replicas[server];
        if !replica.limit.has_room() || replica.breaker.is_open() {
            return None;
        }
        let line = if !replica.waiting.is_empty() {
            server
        } else if replica.limit.load() < IDLE {
            let longest = |line: &usize| self.replicas[*line].waiting.len();
            let overrun = |line: &usize| self.replicas[*line].is_overrun();
            (0..self.replicas.len())
                .filter(overrun)
                .max_by_key(longest)?
        } else {
            return None;
        };
        let next = self.replicas[line].waiting.pop_front()?;
        self.enter(server);
        Some(next)
    }

    /// An answer has begun. True if the server had been left alone until now.
    pub(crate) fn heard(&mut self, server: usize) -> bool {
        self.replicas[server].breaker.answered()
    }

    /// A request was answered after `work` tokens. True if the server had been left alone until now.
    pub(crate) fn answered(&mut self, server: usize, work: u64, now: Instant) -> bool {
        self.down = None;
        let replica = &mut self.replicas[server];
        replica.counts.answered += 1;
        replica.limit.complete(work, now);
        replica.breaker.answered()
    }

    pub(crate) fn given_up(&mut self, server: usize) {
        let replica = &mut self.replicas[server];
        replica.limit.leave();
        replica.breaker.nothing_learnt();
    }

    /// The server is overloaded. Returns its queue if it named a time (`until`) up to which it is left alone.
    pub(crate) fn busy(&mut self, server: usize, until: Option<Instant>) -> VecDeque<Waiting> {
        let replica = &mut self.replicas[server];
        replica.counts.busy += 1;
        replica.limit.overloaded();
        let Some(until) = until else {
            replica.breaker.nothing_learnt();
            return VecDeque::new();
        };
        replica.breaker.rest_until(until);
        std::mem::take(&mut replica.waiting)
    }

    /// A request failed. Returns whether with it the last server is down, and this server's queue if it is left alone
    /// now.
    pub(crate) fn failed(
        &mut self,
        server: usize,
        fault: Fault,
        jitter: f64,
        reason: &str,
        now: Instant,
    ) -> (bool, VecDeque<Waiting>) {
        reason.clone_into(&mut self.reason);
        let replica = &mut self.replicas[server];
        match fault {
            Fault::Unreachable => replica.counts.refused += 1,
            Fault::BadAnswer => replica.counts.wasted += 1,
        }
        replica.limit.leave();
        if !replica.breaker.failed(fault, jitter, now) {
            return (false, VecDeque::new());
        }
        let stranded = std::mem::take(&mut replica.waiting);
        let all_down = self
            .replicas
            .iter()
            .all(|replica| replica.breaker.is_open());
        (all_down && self.goes_down(), stranded)
    }
}
