//! What any rule would have made of fewer samples: exactly where that is cheap, else over many subsets drawn at random.

use std::sync::Arc;

use outthink_core::selection::{Reads, ScoredAnswer, Signal, Signals};
use outthink_core::{Scoring, Selection, TokenStats, Voting};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::estimate::binomial::Factorials;
use crate::estimate::subset::{best_at, majority_at, pass_at};

/// Shuffles of a pool, where subsets are drawn at random.
const SHUFFLES: usize = 32;
/// Most disjoint subsets that one shuffle is cut into.
const BLOCKS: usize = 8;
/// Subsets up to which a rule that reads all scores is asked about each: no more than would be drawn.
const EVERY_SUBSET: f64 = (SHUFFLES * BLOCKS) as f64;
/// Steps above which the exact vote is left to sampling.
const EXACT_WORK: usize = 20_000;

/// One sample, as a vote sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradedSample {
    /// The class of its answer; none without an answer.
    pub class: Option<usize>,
    /// Is the answer right?
    pub right: bool,
    /// Its score by each of [`Scoring::rewarded`]; none without rewards.
    pub scores: Option<Arc<[f64]>>,
    /// Its score by each of [`Scoring::told`], not a number where it has none; none where the policy told nothing.
    pub told: Option<Arc<[f64]>>,
}

/// Where the scores of a [`GradedSample`] stand.
pub(crate) struct Slots {
    rewarded: Vec<Scoring>,
    told: Vec<Scoring>,
}

impl Slots {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            rewarded: Scoring::rewarded(),
            told: Scoring::told(),
        })
    }

    /// A sample's score; none where it does not vote by it.
    pub(crate) fn score(&self, vote: &GradedSample, scoring: Scoring) -> Option<f64> {
        self.slot(scoring)?.score([&vote.scores, &vote.told])
    }

    fn slot(&self, scoring: Scoring) -> Option<Slot> {
        if scoring.signal() == Signal::Rewards {
            return self.rewarded(scoring).map(Slot::Rewarded);
        }
        let told = self.told.iter().position(|own| *own == scoring);
        told.map(Slot::Told)
    }

    fn rewarded(&self, scoring: Scoring) -> Option<usize> {
        self.rewarded.iter().position(|own| *own == scoring)
    }
}

/// Where one score stands.
#[derive(Clone, Copy)]
enum Slot {
    Rewarded(usize),
    Told(usize),
}

impl Slot {
    fn score(self, [scores, told]: [&Option<Arc<[f64]>>; 2]) -> Option<f64> {
        match self {
            Self::Rewarded(slot) => scores.as_ref()?.get(slot).copied(),
            Self::Told(slot) => {
                let score = told.as_ref()?.get(slot).copied();
                score.filter(|score| !score.is_nan())
            }
        }
    }
}

/// Does a rule read more of the votes than sums and bests by rewards?
fn reads_all(scoring: Scoring, voting: Voting) -> bool {
    voting.reads() == Reads::All || scoring.signal() != Signal::Rewards
}

/// The chance that a rule is right, with the standard error of the subsets drawn to find it; 0 where it is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chance {
    /// The chance.
    pub value: f64,
    /// The error.
    pub error: f64,
}

impl Chance {
    fn exact(value: f64) -> Self {
        Self { value, error: 0.0 }
    }
}

/// The chance that at least one of `k` samples is right, for each `k`.
pub fn ceiling(votes: &[GradedSample], budgets: &[usize], factorials: &Factorials) -> Vec<Chance> {
    let right = votes.iter().filter(|vote| vote.right).count();
    let pass = |&k: &usize| Chance::exact(pass_at(votes.len(), right, k, factorials));
    budgets.iter().map(pass).collect()
}

/// For each rule, the chance that it is right on `k` of the samples, for each `k`. The whole pool is taken in its order,
/// as [`Selection::choose`] takes it.
pub fn chances(
    votes: &[GradedSample],
    rules: &[Selection],
    budgets: &[usize],
    seed: u64,
    factorials: &Factorials,
) -> Vec<Vec<Chance>> {
    in_order_or_not(votes, rules, budgets, seed, factorials, true)
}

/// The same where the order of the pool means nothing, or too much: a file may be sorted by reward, and the first of tied answers
/// would be the verifier's. Ties at the whole pool go to each of the tied answers alike.
pub(crate) fn chances_in_any_order(
    votes: &[GradedSample],
    rules: &[Selection],
    budgets: &[usize],
    seed: u64,
    factorials: &Factorials,
) -> Vec<Vec<Chance>> {
    in_order_or_not(votes, rules, budgets, seed, factorials, false)
}

fn in_order_or_not(
    votes: &[GradedSample],
    rules: &[Selection],
    budgets: &[usize],
    seed: u64,
    factorials: &Factorials,
    in_order: bool,
) -> Vec<Vec<Chance>> {
    let (votes, classes) = numbered(votes);
    let slots = Slots::new();
    // From this size on the pool is taken in its order.
    let whole = if in_order {
        votes.len()
    } else {
        votes.len() + 1
    };
    let mut table: Vec<Vec<Option<Chance>>> = rules
        .iter()
        .map(|rule| exact_curve(&votes, classes, &slots, *rule, budgets, whole, factorials))
        .collect();
    let mut tally = Tally::new(classes, &slots);
    let order: Vec<usize> = (0..votes.len()).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let missing = |table: &[Vec<Option<Chance>>], b: usize| -> Vec<usize> {
        (0..rules.len())
            .filter(|&rule| table[rule][b].is_none())
            .collect()
    };
    // The same shuffles for all budgets and rules: what is compared is compared on the same subsets.
    let wanted: Vec<Vec<usize>> = (0..budgets.len()).map(|b| missing(&table, b)).collect();
    let mut sums = vec![vec![(0.0f64, 0.0f64, 0usize); budgets.len()]; rules.len()];
    let sampled = |b: usize| !wanted[b].is_empty() && budgets[b] < whole;
    if (0..budgets.len()).any(sampled) {
        for _ in 0..SHUFFLES {
            let mut order = order.clone();
            order.shuffle(&mut rng);
            for b in (0..budgets.len()).filter(|&b| sampled(b)) {
                let mut means = vec![(0.0, 0); rules.len()];
                for block in order.chunks_exact(budgets[b]).take(BLOCKS) {
                    tally.count(&votes, block);
                    for &rule in &wanted[b] {
                        means[rule].0 += f64::from(u8::from(tally.right(rules[rule])));
                        means[rule].1 += 1;
                    }
                }
                for &rule in &wanted[b] {
                    let mean = means[rule].0 / f64::from(means[rule].1);
                    let sum = &mut sums[rule][b];
                    *sum = (sum.0 + mean, sum.1 + mean * mean, sum.2 + 1);
                }
            }
        }
    }
    for (b, &budget) in budgets.iter().enumerate() {
        for &rule in &wanted[b] {
            table[rule][b] = Some(if budget >= whole {
                tally.count(&votes, &order);
                Chance::exact(f64::from(u8::from(tally.right(rules[rule]))))
            } else {
                let (sum, squares, count) = sums[rule][b];
                let n = count as f64;
                let mean = sum / n;
                let variance = (squares / n - mean * mean).max(0.0) / (n - 1.0).max(1.0);
                Chance {
                    value: mean,
                    error: variance.sqrt(),
                }
            });
        }
    }
    let curve = |row: Vec<Option<Chance>>| row.into_iter().flatten().collect();
    table.into_iter().map(curve).collect()
}

/// What is exact of a rule's curve, up to but without the whole pool.
fn exact_curve(
    votes: &[GradedSample],
    classes: usize,
    slots: &Arc<Slots>,
    rule: Selection,
    budgets: &[usize],
    whole: usize,
    factorials: &Factorials,
) -> Vec<Option<Chance>> {
    let at = |chance: &dyn Fn(usize) -> Option<f64>| {
        let below = |&k: &usize| (k < whole).then(|| chance(k)).flatten();
        budgets
            .iter()
            .map(|k| below(k).map(Chance::exact))
            .collect()
    };
    let each = |scoring, voting, k| {
        let subsets = factorials.choose(votes.len() as u64, k as u64).exp();
        let few = reads_all(scoring, voting) && subsets < EVERY_SUBSET + 0.5;
        few.then(|| every_subset(votes, Tally::new(classes, slots), rule, k))
    };
    match rule {
        Selection::Majority => {
            let mut counts = vec![(0, false); classes];
            for vote in votes {
                if let Some(class) = vote.class {
                    // An answer is as right as the first of its class.
                    if counts[class].0 == 0 {
                        counts[class].1 = vote.right;
                    }
                    counts[class].0 += 1;
                }
            }
            let silent = votes.iter().filter(|vote| vote.class.is_none()).count();
            at(&|k| majority_at(&counts, silent, k, EXACT_WORK, factorials))
        }
        Selection::Scored(scoring, voting) if voting.reads() == Reads::Best => {
            let scored: Vec<Option<(f64, bool)>> = votes
                .iter()
                .map(|vote| {
                    vote.class?;
                    Some((slots.score(vote, scoring)?, vote.right))
                })
                .collect();
            at(&|k| match k {
                1 => Some(alone(votes, slots, scoring)),
                k => best_at(&scored, k, factorials).or_else(|| each(scoring, voting, k)),
            })
        }
        Selection::Scored(scoring, voting) => at(&|k| match k {
            1 => Some(alone(votes, slots, scoring)),
            k => each(scoring, voting, k),
        }),
    }
}

/// One sample alone is what every rule takes that has its score.
fn alone(votes: &[GradedSample], slots: &Slots, scoring: Scoring) -> f64 {
    let own = |vote: &&GradedSample| {
        vote.class.is_some() && vote.right && slots.score(vote, scoring).is_some()
    };
    votes.iter().filter(own).count() as f64 / votes.len() as f64
}

/// The chance that a rule is right on `k` of the samples: its mean over each subset, in which tied answers win as often, as the
/// first-drawn one does.
fn every_subset(votes: &[GradedSample], mut tally: Tally, rule: Selection, k: usize) -> f64 {
    let mut subset: Vec<usize> = (0..k).collect();
    let (mut sum, mut subsets) = (0.0, 0.0);
    loop {
        tally.count(votes, &subset);
        sum += tally.chance(rule);
        subsets += 1.0;
        // The next one: the last place that can go on does, and those behind it follow.
        let last = (0..k)
            .rev()
            .find(|&place| subset[place] < votes.len() - k + place);
        let Some(place) = last else {
            return sum / subsets;
        };
        let next = subset[place] + 1;
        for (own, sample) in subset[place..].iter_mut().zip(next..) {
            *own = sample;
        }
    }
}

/// The same votes with classes numbered without gaps, and how many there are.
pub(crate) fn numbered(votes: &[GradedSample]) -> (Vec<GradedSample>, usize) {
    let mut numbers = std::collections::HashMap::new();
    let votes = votes
        .iter()
        .map(|vote| {
            let class = vote.class.map(|class| {
                let next = numbers.len();
                *numbers.entry(class).or_insert(next)
            });
            GradedSample {
                class,
                ..vote.clone()
            }
        })
        .collect();
    (votes, numbers.len())
}

/// The answer that a rule takes: is it right, how many votes has it, how many have all, and the highest score of a sample with
/// it, for rules that score. Nothing taken is nothing right.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Taken {
    /// The class of the answer, as [`numbered`] counts them; none where nothing is taken.
    pub(crate) class: Option<usize>,
    pub(crate) right: bool,
    pub(crate) votes: u32,
    pub(crate) all: u32,
    pub(crate) score: Option<f64>,
}

/// The votes of one subset, by class.
pub(crate) struct Tally {
    classes: Vec<Class>,
    /// By class and scoring: the sum of all scores, the best, and whether the sample that has it is right.
    scores: Vec<ClassScore>,
    scorings: usize,
    /// Classes that have a vote, first drawn first.
    present: Vec<usize>,
    /// Classes that have a scored vote, first drawn first.
    scored: Vec<usize>,
    /// The votes with their scores, for rules that read them all.
    votes: Vec<Ballot>,
    slots: Arc<Slots>,
}

/// One vote: the class of its answer, whether it is right, and its scores by rewards and by what was told.
type Ballot = (usize, bool, [Option<Arc<[f64]>>; 2]);

/// An answer before a rule that reads all scores: its class, samples that vote for it, and its best.
struct Standing {
    number: usize,
    weight: f64,
    votes: u32,
    best: f64,
    best_right: bool,
}

#[derive(Clone, Copy, Default)]
struct Class {
    count: u32,
    scored: u32,
    right: bool,
}

#[derive(Clone, Copy, Default)]
struct ClassScore {
    sum: f64,
    best: f64,
    best_right: bool,
}

impl Tally {
    pub(crate) fn new(classes: usize, slots: &Arc<Slots>) -> Self {
        let scorings = slots.rewarded.len();
        Self {
            classes: vec![Class::default(); classes],
            scores: vec![ClassScore::default(); classes * scorings],
            scorings,
            present: Vec::with_capacity(classes),
            scored: Vec::with_capacity(classes),
            votes: Vec::new(),
            slots: Arc::clone(slots),
        }
    }

    pub(crate) fn count(&mut self, votes: &[GradedSample], subset: &[usize]) {
        for class in self.present.drain(..) {
            self.classes[class] = Class::default();
            self.scores[class * self.scorings..][..self.scorings].fill(ClassScore::default());
        }
        self.scored.clear();
        self.votes.clear();
        for &sample in subset {
            let GradedSample {
                class: Some(number),
                right,
                scores,
                told,
            } = &votes[sample]
            else {
                continue;
            };
            let class = &mut self.classes[*number];
            if class.count == 0 {
                class.right = *right;
                self.present.push(*number);
            }
            class.count += 1;
            self.votes
                .push((*number, *right, [scores.clone(), told.clone()]));
            let Some(scores) = scores else {
                continue;
            };
            if class.scored == 0 {
                self.scored.push(*number);
            }
            let own = &mut self.scores[number * self.scorings..][..self.scorings];
            for (own, &score) in own.iter_mut().zip(scores.iter()) {
                own.sum += score;
                if class.scored == 0 || score > own.best {
                    own.best = score;
                    own.best_right = *right;
                }
            }
            class.scored += 1;
        }
    }

    fn score(&self, class: usize, scoring: Scoring) -> ClassScore {
        let slot = self.slots.rewarded(scoring);
        slot.map_or(ClassScore::default(), |slot| {
            self.scores[class * self.scorings + slot]
        })
    }

    /// The answers by a rule that reads all scores, first drawn first.
    fn standing(&self, scoring: Scoring, voting: Voting) -> Vec<Standing> {
        // Numbered as they were drawn, as a vote over solutions numbers them.
        let mut places = vec![None; self.classes.len()];
        let mut standing: Vec<Standing> = Vec::new();
        let mut scored = Vec::with_capacity(self.votes.len());
        let slot = self.slots.slot(scoring);
        for &(number, right, [ref scores, ref told]) in &self.votes {
            let Some(score) = slot.and_then(|slot| slot.score([scores, told])) else {
                continue;
            };
            let place = *places[number].get_or_insert_with(|| {
                standing.push(Standing {
                    number,
                    weight: 0.0,
                    votes: 0,
                    best: score,
                    best_right: right,
                });
                standing.len() - 1
            });
            let own = &mut standing[place];
            own.votes += 1;
            if score > own.best {
                (own.best, own.best_right) = (score, right);
            }
            scored.push(ScoredAnswer {
                class: place,
                score,
                count: 1,
            });
        }
        let weights = voting.weights(&scored, standing.len());
        for (own, weight) in standing.iter_mut().zip(weights) {
            own.weight = weight;
        }
        standing
    }

    fn standing_right(&self, own: &Standing, voting: Voting) -> bool {
        match voting.reads() {
            Reads::Best => own.best_right,
            Reads::Sum | Reads::All => self.classes[own.number].right,
        }
    }

    /// The chance that what a rule that reads all scores takes is right, where the order of the draws is anyone's: of tied answers each
    /// is as often the first.
    fn chance(&self, rule: Selection) -> f64 {
        let Selection::Scored(scoring, voting) = rule else {
            return f64::from(u8::from(self.right(rule)));
        };
        let standing = self.standing(scoring, voting);
        let Some(best) = heaviest(&standing) else {
            return 0.0;
        };
        let tied = standing
            .iter()
            .filter(|own| (own.weight, own.votes) == (best.weight, best.votes));
        let (mut right, mut all) = (0.0, 0.0);
        for own in tied {
            right += f64::from(u8::from(self.standing_right(own, voting)));
            all += 1.0;
        }
        // A weight that is no number is tied with nothing, not even itself: the first is taken.
        match all > 0.0 {
            true => right / all,
            false => f64::from(u8::from(self.standing_right(best, voting))),
        }
    }

    /// Is what the rule takes right?
    pub(crate) fn right(&self, rule: Selection) -> bool {
        self.taken(rule).right
    }

    /// What the rule takes. Ties go to the answer with more votes, then to the one drawn first.
    pub(crate) fn taken(&self, rule: Selection) -> Taken {
        if let Selection::Scored(scoring, voting) = rule
            && reads_all(scoring, voting)
        {
            let standing = self.standing(scoring, voting);
            let all = standing.iter().map(|own| own.votes).sum();
            let taken = |own: &Standing| Taken {
                class: Some(own.number),
                right: self.standing_right(own, voting),
                votes: own.votes,
                all,
                // A reward, for those who stop by it.
                score: rule.needs_rewards().then_some(own.best),
            };
            return heaviest(&standing).map_or(Taken::default(), taken);
        }
        let mut winner: Option<((f64, u32), bool, usize)> = None;
        let candidates = match rule {
            Selection::Majority => &self.present,
            Selection::Scored(..) => &self.scored,
        };
        for &number in candidates {
            let class = &self.classes[number];
            let (weight, votes, right) = match rule {
                Selection::Majority => (f64::from(class.count), class.count, class.right),
                Selection::Scored(scoring, voting) => {
                    let own = self.score(number, scoring);
                    let (weight, right) = match voting.reads() {
                        Reads::Best => (own.best, own.best_right),
                        Reads::Sum | Reads::All => (own.sum, class.right),
                    };
                    (weight, class.scored, right)
                }
            };
            if winner.is_none_or(|(best, ..)| (weight, votes) > best) {
                winner = Some(((weight, votes), right, number));
            }
        }
        let own = |&number: &usize| match rule {
            Selection::Majority => self.classes[number].count,
            Selection::Scored(..) => self.classes[number].scored,
        };
        let all = candidates.iter().map(own).sum();
        let score = |number: usize| match rule {
            Selection::Majority => None,
            Selection::Scored(scoring, _) => Some(self.score(number, scoring).best),
        };
        winner.map_or(Taken::default(), |((_, votes), right, number)| {
            let score = score(number);
            Taken {
                class: Some(number),
                right,
                votes,
                all,
                score,
            }
        })
    }
}

/// The answer that is taken: ties go to the one with more votes, then to the one drawn first.
fn heaviest(standing: &[Standing]) -> Option<&Standing> {
    let mut best: Option<&Standing> = None;
    for own in standing {
        let heavier = |best: &Standing| (own.weight, own.votes) > (best.weight, best.votes);
        if best.is_none_or(heavier) {
            best = Some(own);
        }
    }
    best
}

/// Votes with scores from what the policy told: token statistics by number, and of each how many tokens it took until it was finished, where
/// that is known.
pub(crate) fn with_told(
    mut votes: Vec<GradedSample>,
    mut stats: Vec<(usize, TokenStats)>,
    lengths: &[Option<usize>],
) -> Vec<GradedSample> {
    let scorings = Scoring::told();
    stats.sort_by_key(|(number, _)| *number);
    let unknown = TokenStats::default();
    for (number, vote) in votes.iter_mut().enumerate() {
        let place = stats.binary_search_by_key(&number, |(own, _)| *own);
        let signals = Signals {
            rewards: &[],
            tokens: place.map_or(&unknown, |place| &stats[place].1),
            length: lengths.get(number).copied().flatten(),
        };
        if !signals.tokens.is_empty() || signals.length.is_some() {
            let score = |own: &Scoring| own.read(&signals).unwrap_or(f64::NAN);
            vote.told = Some(scorings.iter().map(score).collect());
        }
    }
    votes
}

/// The rules that need no verifier and have something to go by in these votes; majority is not among them.
pub(crate) fn told_rules<'a>(votes: impl IntoIterator<Item = &'a GradedSample>) -> Vec<Selection> {
    let slots = Slots::new();
    let votes: Vec<&GradedSample> = votes.into_iter().filter(|own| own.told.is_some()).collect();
    let has = |scoring| votes.iter().any(|own| slots.score(own, scoring).is_some());
    let known = |rule: &Selection| matches!(rule, Selection::Scored(scoring, _) if has(*scoring));
    Selection::told().filter(known).collect()
}

/// Votes with scores from the rewards, by number.
pub(crate) fn with_rewards(
    mut votes: Vec<GradedSample>,
    rewards: Vec<(usize, Vec<f64>)>,
) -> Vec<GradedSample> {
    let scorings = Scoring::rewarded();
    for (number, rewards) in rewards {
        if let (Some(vote), false) = (votes.get_mut(number), rewards.is_empty()) {
            // Whoever has rewards has every score that is made of them.
            let score = |rule: Scoring| rule.score(&rewards).unwrap_or(f64::NAN);
            vote.scores = Some(scorings.iter().copied().map(score).collect());
        }
    }
    votes
}
