//! What whole solutions would have come to at every N and stopping rule, replayed from one pool.
//!
//! The pool's first samples are what a probe sees, so they are in every subset; the others are shuffled. What is
//! measured is the chance of being right *given that probe*, and a chooser that looks at the probe is scored fairly.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use outthink_core::Selection;
use outthink_strategy::{Candidate, Cost, PROBE, Stopping, VoteState};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::estimate::binomial::Factorials;
use crate::estimate::spent::Spent;
use crate::estimate::votes::{GradedSample, Slots, Taken, Tally, numbered};

/// Orders of what follows the probe.
const SHUFFLES: usize = 16;

/// What a candidate comes to on a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Replayed {
    /// The chance of being right.
    pub(super) chance: f64,
    /// The expected cost.
    pub(super) cost: Cost,
    /// What it takes in the pool's own order: what a run with its seed takes.
    pub(super) end: Taken,
}

/// One pool with what each verifier says of it.
#[derive(Clone)]
pub(super) struct Pool {
    pub(super) plain: Vec<GradedSample>,
    pub(super) spent: Spent,
    pub(super) seconds: f64,
    /// By verifier's name: the same votes with scores, what reading cost, and its seconds.
    pub(super) scored: BTreeMap<String, (Vec<GradedSample>, Spent, f64)>,
    pub(super) seed: u64,
}

impl Pool {
    /// What the first `n` samples cost, read by a verifier or not.
    pub(super) fn cost(&self, verifier: Option<&str>, n: usize, factorials: &Factorials) -> Cost {
        let (policy, _) = self.spent.at(n as u64, factorials);
        let share = n as f64 / self.spent.draws.max(1) as f64;
        let mut cost = Cost {
            samples: n as f64,
            policy,
            policy_seconds: self.seconds * share,
            ..Cost::default()
        };
        if let Some((_, spent, seconds)) = verifier.and_then(|name| self.scored.get(name)) {
            cost.verifier = spent.at(n as u64, factorials).1;
            cost.verifier_seconds = seconds * share;
        }
        cost
    }

    /// The chance of being right and the expected cost of every candidate that draws whole solutions; the others are
    /// passed over.
    pub(super) fn replay(&self, candidates: &[&Candidate]) -> Vec<Replayed> {
        let size = self.plain.len();
        let factorials = Factorials::to(size as u64);
        let mut sums = vec![0.0; candidates.len()];
        let mut costs = vec![Cost::default(); candidates.len()];
        let mut ends = vec![Taken::default(); candidates.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut order: Vec<usize> = (0..size).collect();
        let mut known: BTreeMap<(Option<&str>, usize), Cost> = BTreeMap::new();
        for shuffle in 0..SHUFFLES {
            // The first order is the pool's own.
            if shuffle > 0 {
                order[PROBE.min(size)..].shuffle(&mut rng);
            }
            let mut draws = Draws::new(self, &order);
            for (place, candidate) in candidates.iter().enumerate() {
                let n = draws.stops_at(candidate);
                let verifier = candidate.verifier.as_deref();
                let taken = draws.taken(candidate, n);
                sums[place] += f64::from(u8::from(taken.right));
                if shuffle == 0 {
                    ends[place] = taken;
                }
                costs[place] += *known
                    .entry((verifier, n))
                    .or_insert_with(|| self.cost(verifier, n, &factorials));
            }
        }
        let share = 1.0 / SHUFFLES as f64;
        sums.into_iter()
            .zip(costs)
            .zip(ends)
            .map(|((sum, cost), end)| Replayed {
                chance: sum * share,
                cost: cost.scaled(share),
                end,
            })
            .collect()
    }

    /// The votes of these samples.
    fn tally(&self, verifier: Option<&str>, subset: &[usize], slots: &Arc<Slots>) -> Tally {
        let votes = verifier
            .and_then(|name| self.scored.get(name))
            .map_or(&self.plain, |(votes, ..)| votes);
        let chosen: Vec<GradedSample> =
            subset.iter().map(|&sample| votes[sample].clone()).collect();
        let (chosen, classes) = numbered(&chosen);
        let mut tally = Tally::new(classes, slots);
        tally.count(&chosen, &(0..chosen.len()).collect::<Vec<usize>>());
        tally
    }
}

/// A pool's samples in an order, and what is known of their beginnings.
pub(super) struct Draws<'a> {
    pool: &'a Pool,
    order: &'a [usize],
    slots: Arc<Slots>,
    tallies: BTreeMap<(Option<&'a str>, usize), Tally>,
    /// What was asked before: candidates that stop take by the same rule at the same looks.
    taken: HashMap<(Option<&'a str>, usize, Selection), Taken>,
}

impl<'a> Draws<'a> {
    pub(super) fn new(pool: &'a Pool, order: &'a [usize]) -> Self {
        Self {
            pool,
            order,
            slots: Slots::new(),
            tallies: BTreeMap::new(),
            taken: HashMap::new(),
        }
    }

    /// What a candidate takes of the first `n`.
    pub(super) fn taken(&mut self, candidate: &'a Candidate, n: usize) -> Taken {
        let verifier = candidate.verifier.as_deref();
        let tally = self.tallies.entry((verifier, n));
        let tally = tally.or_insert_with(|| {
            let first = &self.order[..n];
            self.pool.tally(verifier, first, &self.slots)
        });
        let rule = candidate.selection;
        let taken = self.taken.entry((verifier, n, rule));
        *taken.or_insert_with(|| tally.taken(rule))
    }

    /// How a candidate stands after each of its looks, until `reached` says that it is enough.
    pub(super) fn climb(
        &mut self,
        candidate: &'a Candidate,
        mut reached: impl FnMut(usize, &VoteState) -> bool,
    ) {
        let mut state = VoteState::default();
        let mut counted = 0;
        let by_reward = candidate.stopping.is_some_and(Stopping::needs_rewards);
        for look in candidate.looks() {
            let look = look.min(self.order.len());
            for &sample in &self.order[counted..look] {
                if let Some(class) = self.pool.plain[sample].class {
                    state.ballot.add(class);
                }
            }
            counted = look;
            if by_reward {
                state.reward = self.taken(candidate, look).score;
            }
            if reached(look, &state) {
                return;
            }
        }
    }

    /// After how many draws a candidate stops.
    pub(super) fn stops_at(&mut self, candidate: &'a Candidate) -> usize {
        let Some(stopping) = candidate.stopping else {
            return candidate.budget.min(self.order.len());
        };
        let mut last = 0;
        self.climb(candidate, |look, state| {
            last = look;
            stopping.decided(state)
        });
        last
    }
}
