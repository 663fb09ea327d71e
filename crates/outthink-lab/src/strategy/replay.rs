//! What whole solutions would have come to at every N and stopping rule, replayed from one pool.
//!
//! The pool's first samples are what a probe sees, so they are in every subset; the others are shuffled. What is
//! measured is the chance of being right *given that probe*, and a chooser that looks at the probe is scored fairly.

use std::collections::BTreeMap;

use outthink_core::Selection;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::candidate::Candidate;
use super::evidence::Cost;
use super::stopping::{Ballot, PROBE, Stopping};
use crate::binomial::Factorials;
use crate::spent::Spent;
use crate::votes::{Taken, Tally, Vote, numbered};

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
pub(super) struct Pool {
    pub(super) plain: Vec<Vote>,
    pub(super) spent: Spent,
    pub(super) seconds: f64,
    /// By verifier's name: the same votes with scores, what reading cost, and its seconds.
    pub(super) scored: BTreeMap<String, (Vec<Vote>, Spent, f64)>,
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
            let mut rights: BTreeMap<(Option<&str>, usize), [Taken; 9]> = BTreeMap::new();
            for (place, candidate) in candidates.iter().enumerate() {
                let n = self.stops_at(candidate, &order);
                let verifier = candidate.verifier.as_deref();
                let taken = rights
                    .entry((verifier, n))
                    .or_insert_with(|| self.taken(verifier, &order[..n]));
                let rule = Selection::all().position(|rule| rule == candidate.selection);
                let taken = taken[rule.unwrap_or_default()];
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

    /// After how many draws in this order a candidate stops.
    pub(super) fn stops_at(&self, candidate: &Candidate, order: &[usize]) -> usize {
        let most = candidate.budget.min(order.len());
        let Some(stopping) = candidate.stopping else {
            return most;
        };
        let mut ballot = Ballot::default();
        let mut counted = 0;
        for look in Stopping::looks(most) {
            for &sample in &order[counted..look] {
                if let Some(class) = self.plain[sample].class {
                    ballot.add(class);
                }
            }
            counted = look;
            if stopping.decided(&ballot) {
                return look;
            }
        }
        most
    }

    /// Is the majority of the first `n` samples right?
    pub(super) fn majority_right(&self, n: usize) -> bool {
        let order: Vec<usize> = (0..n.min(self.plain.len())).collect();
        self.taken(None, &order)[0].right
    }

    /// What each of [`Selection::all`] takes of these samples.
    fn taken(&self, verifier: Option<&str>, subset: &[usize]) -> [Taken; 9] {
        let votes = verifier
            .and_then(|name| self.scored.get(name))
            .map_or(&self.plain, |(votes, ..)| votes);
        let chosen: Vec<Vote> = subset.iter().map(|&sample| votes[sample]).collect();
        let (chosen, classes) = numbered(&chosen);
        let mut tally = Tally::new(classes);
        let all: Vec<usize> = (0..chosen.len()).collect();
        tally.count(&chosen, &all);
        let mut taken = [Taken::default(); 9];
        for (own, rule) in taken.iter_mut().zip(Selection::all()) {
            *own = tally.taken(rule);
        }
        taken
    }
}
