//! Reads a study's cells, run by run, and works out what each candidate comes to there.

use std::collections::BTreeMap;

use outthink_core::Selection;
use outthink_strategy::{Candidate, Cost, PROBE, ProbeFeatures, VoteState};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::evidence::Row;
use super::options::{self, growing, options, rules};
use super::replay::{Pool, Replayed};
use crate::estimate::binomial::Factorials;
use crate::estimate::votes::{
    GradedSample, Slots, Taken, Tally, numbered, told_rules, with_rewards, with_told,
};
use crate::store::{Store, StoreError, UnitRow};
use crate::study::{Cell, Config, Study};

/// Which cells hold what.
pub(super) struct Layout<'a> {
    pub(super) candidates: Vec<Candidate>,
    pub(super) verifiers: Vec<usize>,
    /// Samples of another program: fewer of some problems, perhaps, and not all of them scored.
    partial: bool,
    draws: usize,
    names: Vec<String>,
    /// Does any rule go by what the policy told of its tokens?
    told: bool,
    pool: &'a Cell,
    greedy: Option<&'a Cell>,
    scores: Vec<&'a Cell>,
    searches: Vec<&'a Cell>,
    /// Of each search that may stop: its place, and those of what it looks at.
    climbs: Vec<(usize, Vec<usize>)>,
}

/// What a search takes by rule, and its cost.
type Searched = (Vec<Taken>, Cost);

/// What was read for one row.
pub(super) struct Raw {
    problem: usize,
    run: usize,
    pool: Pool,
    /// The first samples' tokens and log-probabilities.
    first: Vec<(usize, f64)>,
    /// By verifier: the first samples' rewards.
    rewards: Vec<Vec<Vec<f64>>>,
    greedy: Option<Replayed>,
    searches: Vec<Searched>,
}

impl<'a> Layout<'a> {
    /// What a study has of a policy. Searches that may stop have the rungs that the study has, or those of other candidates.
    pub(super) fn new(
        study: &Study,
        own: &[&'a Cell],
        pool: &'a Cell,
        draws: usize,
        told: &[Selection],
        others: Option<&[Candidate]>,
    ) -> Self {
        let scores: Vec<&Cell> = own
            .iter()
            .copied()
            .filter(
                |cell| matches!(cell.config(), Config::Score { pool: of, .. } if of == pool.hash()),
            )
            .collect();
        let searches: Vec<&Cell> = own
            .iter()
            .copied()
            // A strategy is fitted to searches with rewards; what asks prompts of its own is not among its options.
            .filter(|cell| {
                matches!(cell.config(), Config::Search { .. }) && cell.verifier.is_some()
            })
            .collect();
        let greedy = own.iter().copied().find(|cell| cell.is_greedy());
        let verifiers: Vec<usize> = scores.iter().filter_map(|cell| cell.verifier).collect();
        let name = |v: usize| study.verifiers[v].name.clone();
        let names: Vec<String> = verifiers.iter().map(|&v| name(v)).collect();
        let powers = (0..usize::BITS).map(|power| 1usize << power);
        let mut budgets: Vec<usize> = powers.take_while(|&n| n <= draws).collect();
        budgets.extend(study.budgets.iter().copied().filter(|&n| n <= draws));
        budgets.sort_unstable();
        budgets.dedup();
        let searched = searches.iter().filter_map(|cell| match cell.config() {
            Config::Search { plan, .. } => {
                let name = name(cell.verifier?);
                let width = plan.method().has_width().then(|| plan.width());
                Some((plan.method(), plan.budget(), width, name))
            }
            _ => None,
        });
        let searched: Vec<options::Searched> = searched.collect();
        let mut candidates = options(greedy.is_some(), &budgets, told, &names, &searched);
        let grown = match others {
            None => growing(&searched),
            Some(others) => {
                let mut grown: Vec<Candidate> = others.to_vec();
                let has = |own: &Candidate, look: usize| candidates.contains(&own.at(look));
                let whole = |own: &Candidate| own.looks().into_iter().all(|look| has(own, look));
                grown.retain(|own| !own.rungs.is_empty() && whole(own));
                grown
            }
        };
        candidates.extend(grown);
        let climbs = (0..candidates.len()).filter(|&own| !candidates[own].rungs.is_empty());
        let climbs = climbs.map(|own| (own, climb(&candidates, own))).collect();
        Self {
            climbs,
            partial: study.source.is_some(),
            draws,
            told: !told.is_empty(),
            candidates,
            verifiers,
            names,
            pool,
            greedy,
            scores,
            searches,
        }
    }

    pub(super) fn read<'u>(
        &self,
        store: &mut Store,
        (problem, run): (usize, usize),
        unit: &dyn Fn(&Cell) -> Option<&'u UnitRow>,
        shuffle: Option<u64>,
    ) -> Result<Option<Raw>, StoreError> {
        let cells = self.scores.iter().chain(&self.searches);
        let all = cells
            .chain(self.greedy.iter())
            .all(|cell| unit(cell).is_some());
        let Some((row, took)) = unit(self.pool).and_then(|row| Some((row, row.took.as_ref()?)))
        else {
            return Ok(None);
        };
        if !all {
            return Ok(None);
        }
        let plain = match self.told {
            true => read_told(store, row.id)?,
            false => read_votes(store, row.id)?,
        };
        // Which of the stored samples stands where.
        let mut order: Vec<usize> = (0..plain.len()).collect();
        if let Some(seed) = shuffle {
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed ^ row.id as u64));
        }
        let mut place = vec![0; order.len()];
        for (at, &sample) in order.iter().enumerate() {
            place[sample] = at;
        }
        let plain: Vec<GradedSample> = order.iter().map(|&at| plain[at].clone()).collect();
        // A ragged pool has no value of the larger budgets here.
        if self.partial && plain.len() < self.draws {
            return Ok(None);
        }
        let mut pool = Pool {
            plain,
            spent: took.spent.clone(),
            seconds: took.seconds,
            scored: BTreeMap::new(),
            seed: row.id as u64,
        };
        let first = match shuffle {
            None => store.first_drawn(row.id, PROBE)?,
            Some(_) => {
                let all = store.first_drawn(row.id, order.len())?;
                let first = order.iter().take(PROBE);
                first.filter_map(|&at| all.get(at).copied()).collect()
            }
        };
        let mut first_rewards = Vec::new();
        for (cell, name) in self.scores.iter().zip(&self.names) {
            let Some((row, took)) = unit(cell).and_then(|row| Some((row, row.took.as_ref()?)))
            else {
                return Ok(None);
            };
            let mut rewards = store.rewards(row.id)?;
            for (number, _) in &mut rewards {
                *number = place.get(*number).copied().unwrap_or(usize::MAX);
            }
            let mut firsts = vec![Vec::new(); PROBE.min(pool.plain.len())];
            for (number, rewards) in &rewards {
                if let Some(first) = firsts.get_mut(*number) {
                    first.clone_from(rewards);
                }
            }
            first_rewards.push(firsts);
            let votes = with_rewards(pool.plain.clone(), rewards);
            // Samples of another program that were never scored leave nothing to choose by.
            if self.partial && votes.iter().any(|vote| vote.scores.is_none()) {
                return Ok(None);
            }
            let of = (votes, took.spent.clone(), took.seconds);
            pool.scored.insert(name.clone(), of);
        }
        let greedy = match self.greedy.and_then(unit) {
            Some(row) => {
                let vote = read_votes(store, row.id)?
                    .first()
                    .cloned()
                    .unwrap_or_default();
                let voices = u32::from(vote.class.is_some());
                let took = row.took.clone();
                took.map(|took| {
                    let (policy, _) = took.spent.at(1, &Factorials::to(took.spent.draws));
                    let cost = Cost {
                        samples: 1.0,
                        policy,
                        policy_seconds: took.seconds,
                        ..Cost::default()
                    };
                    let end = Taken {
                        class: vote.class,
                        right: vote.right,
                        votes: voices,
                        all: voices,
                        score: None,
                    };
                    sure(end, cost)
                })
            }
            None => None,
        };
        let mut searches = Vec::new();
        for cell in &self.searches {
            if let (Some(row), Config::Search { plan, .. }) = (unit(cell), cell.config()) {
                searches.push(search(store, row, plan.budget())?);
            }
        }
        Ok(Some(Raw {
            problem,
            run,
            pool,
            first,
            rewards: first_rewards,
            greedy,
            searches,
        }))
    }

    /// What searches that may stop come to: what the first rung at which they do comes to.
    fn climb(&self, values: &mut [Replayed]) {
        for (place, looks) in &self.climbs {
            let stopping = self.candidates[*place].stopping;
            let stops = |look: &&usize| {
                let state = VoteState::rewarded(values[**look].end.score);
                stopping.is_some_and(|rule| rule.decided(&state))
            };
            let last = looks.iter().find(stops).or(looks.last());
            if let Some(&look) = last {
                values[*place] = values[look];
            }
        }
    }

    pub(super) fn row(&self, raw: Raw) -> Row {
        let Raw {
            problem,
            run,
            pool,
            first,
            rewards,
            greedy,
            searches,
        } = raw;
        let whole: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|c| c.reuses_probe())
            .collect();
        let mut replayed = pool.replay(&whole).into_iter();
        let mut searched = searches
            .into_iter()
            .flat_map(|(taken, cost)| taken.into_iter().map(move |end| sure(end, cost)));
        let values = self.candidates.iter().map(|candidate| {
            let value = match candidate.method {
                method if method.is_greedy() => greedy,
                _ if candidate.reuses_probe() => replayed.next(),
                _ if candidate.rungs.is_empty() => searched.next(),
                _ => None,
            };
            value.unwrap_or(Replayed {
                chance: f64::NAN,
                cost: Cost::default(),
                end: Taken::default(),
            })
        });
        let mut values: Vec<Replayed> = values.collect();
        self.climb(&mut values);
        let factorials = Factorials::to(pool.plain.len() as u64);
        let seen = PROBE.min(pool.plain.len());
        let readers = || std::iter::once(None).chain(self.names.iter().map(|n| Some(n.as_str())));
        let probe_costs = readers()
            .map(|reader| pool.cost(reader, seen, &factorials))
            .collect();
        let none = vec![Vec::new(); seen];
        let glimpses = std::iter::once(&none).chain(&rewards).map(|rewards| {
            let samples = pool.plain.iter().zip(&first).zip(rewards);
            samples
                .map(|((vote, &(tokens, logprob)), rewards)| ProbeFeatures {
                    class: vote.class,
                    tokens,
                    logprob,
                    rewards: rewards.clone(),
                })
                .collect()
        });
        let glimpses = glimpses.collect();
        let right = pool.plain.iter().filter(|vote| vote.right).count();
        Row {
            problem,
            run,
            chances: values.iter().map(|own| own.chance).collect(),
            costs: values.iter().map(|own| own.cost).collect(),
            ends: values.iter().map(|own| own.end).collect(),
            probe_costs,
            glimpses,
            pass: right as f64 / pool.plain.len().max(1) as f64,
            pool,
        }
    }
}

/// The places of what a candidate is at each of its looks.
pub(super) fn climb(candidates: &[Candidate], own: usize) -> Vec<usize> {
    let looks = candidates[own].looks().into_iter();
    let at = looks.map(|look| candidates[own].at(look));
    at.filter_map(|rung| candidates.iter().position(|other| *other == rung))
        .collect()
}

/// One outcome, without any chance in it.
fn sure(end: Taken, cost: Cost) -> Replayed {
    Replayed {
        chance: f64::from(u8::from(end.right)),
        cost,
        end,
    }
}

pub(super) fn read_votes(store: &mut Store, unit: i64) -> Result<Vec<GradedSample>, StoreError> {
    let verdicts = store.verdicts(unit)?.into_iter();
    let vote = |(_, class, right)| GradedSample {
        class,
        right,
        ..GradedSample::default()
    };
    Ok(verdicts.map(vote).collect())
}

fn read_told(store: &mut Store, unit: i64) -> Result<Vec<GradedSample>, StoreError> {
    let votes = read_votes(store, unit)?;
    let (stats, lengths) = (store.token_stats(unit)?, store.lengths(unit)?);
    Ok(with_told(votes, stats, &lengths))
}

/// The rules that go by what the policy told of its tokens in one pool, as it does in all.
pub(super) fn told(store: &mut Store, unit: i64) -> Result<Vec<Selection>, StoreError> {
    Ok(told_rules(&read_told(store, unit)?))
}

fn search(store: &mut Store, unit: &UnitRow, budget: usize) -> Result<Searched, StoreError> {
    let solutions = store.verdicts(unit.id)?;
    let counts: Vec<usize> = solutions.iter().map(|(draws, ..)| *draws).collect();
    let voted = with_rewards(read_votes(store, unit.id)?, store.rewards(unit.id)?);
    // A solution votes once for each draw that led to it.
    let voted: Vec<GradedSample> = voted
        .into_iter()
        .zip(counts)
        .flat_map(|(vote, draws)| std::iter::repeat_n(vote, draws))
        .collect();
    let (voted, classes) = numbered(&voted);
    let mut tally = Tally::new(classes, &Slots::new());
    tally.count(&voted, &(0..voted.len()).collect::<Vec<usize>>());
    let rules = rules().into_iter();
    let taken = rules.map(|rule| tally.taken(rule)).collect();
    let mut cost = Cost {
        samples: budget as f64,
        ..Cost::default()
    };
    if let Some(took) = &unit.took {
        let draws = took.spent.draws;
        let (policy, verifier) = took.spent.at(draws, &Factorials::to(draws));
        (cost.policy, cost.verifier) = (policy, verifier);
        cost.policy_seconds = took.seconds;
    }
    Ok((taken, cost))
}
