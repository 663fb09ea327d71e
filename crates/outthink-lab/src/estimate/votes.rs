//! What any rule would have made of fewer samples: exactly where that is cheap, else over many subsets drawn at random.

use std::sync::Arc;

use outthink_core::selection::{Reads, ScoredAnswer};
use outthink_core::{Scoring, Selection, Voting};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::estimate::binomial::Factorials;
use crate::estimate::subset::{best_at, majority_at, pass_at};

/// Shuffles of a pool, where subsets are drawn at random.
const SHUFFLES: usize = 32;
/// Most disjoint subsets that one shuffle is cut into.
const BLOCKS: usize = 8;
/// Steps above which the exact vote is left to sampling.
const EXACT_WORK: usize = 20_000;

/// One sample, as a vote sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GradedSample {
    /// The class of its answer; none without an answer.
    pub class: Option<usize>,
    /// Is the answer right?
    pub right: bool,
    /// Its score by each of [`Scoring::all`]; none without rewards.
    pub scores: Option<Arc<[f64]>>,
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
    // From this size on the pool is taken in its order.
    let whole = if in_order {
        votes.len()
    } else {
        votes.len() + 1
    };
    let mut table: Vec<Vec<Option<Chance>>> = rules
        .iter()
        .map(|rule| exact_curve(&votes, classes, *rule, budgets, whole, factorials))
        .collect();
    let mut tally = Tally::new(classes);
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
            let place = scoring.place();
            let scored: Vec<Option<(f64, bool)>> = votes
                .iter()
                .map(|vote| {
                    vote.class?;
                    Some((vote.scores.as_ref()?[place], vote.right))
                })
                .collect();
            at(&|k| match k {
                1 => Some(alone(votes)),
                k => best_at(&scored, k, factorials),
            })
        }
        Selection::Scored(..) => at(&|k| (k == 1).then(|| alone(votes))),
    }
}

/// One sample alone is what every rule takes that has its rewards.
fn alone(votes: &[GradedSample]) -> f64 {
    let own = |vote: &&GradedSample| vote.class.is_some() && vote.scores.is_some() && vote.right;
    votes.iter().filter(own).count() as f64 / votes.len() as f64
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
    /// The scored votes, for rules that read them all.
    votes: Vec<(usize, Arc<[f64]>)>,
    keeps_votes: bool,
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
    pub(crate) fn new(classes: usize) -> Self {
        let scorings = Scoring::all().len();
        Self {
            classes: vec![Class::default(); classes],
            scores: vec![ClassScore::default(); classes * scorings],
            scorings,
            present: Vec::with_capacity(classes),
            scored: Vec::with_capacity(classes),
            votes: Vec::new(),
            keeps_votes: Voting::all().iter().any(|own| own.reads() == Reads::All),
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
            if self.keeps_votes {
                self.votes.push((*number, Arc::clone(scores)));
            }
        }
    }

    fn score(&self, class: usize, scoring: Scoring) -> ClassScore {
        self.scores[class * self.scorings + scoring.place()]
    }

    /// The weight of each class by a vote that reads all scores.
    fn weights(&self, scoring: Scoring, voting: Voting) -> Vec<f64> {
        // Numbered as they were drawn, as a vote over solutions numbers them.
        let mut number = vec![0; self.classes.len()];
        for (place, &class) in self.scored.iter().enumerate() {
            number[class] = place;
        }
        let scored = |(class, scores): &(usize, Arc<[f64]>)| ScoredAnswer {
            class: number[*class],
            score: scores[scoring.place()],
            count: 1,
        };
        let scored: Vec<ScoredAnswer> = self.votes.iter().map(scored).collect();
        voting.weights(&scored, self.scored.len())
    }

    /// Is what the rule takes right?
    pub(crate) fn right(&self, rule: Selection) -> bool {
        self.taken(rule).right
    }

    /// What the rule takes. Ties go to the answer with more votes, then to the one drawn first.
    pub(crate) fn taken(&self, rule: Selection) -> Taken {
        let mut winner: Option<((f64, u32), bool, usize)> = None;
        let candidates = match rule {
            Selection::Majority => &self.present,
            Selection::Scored(..) => &self.scored,
        };
        let weights = match rule {
            Selection::Scored(scoring, voting) if voting.reads() == Reads::All => {
                self.weights(scoring, voting)
            }
            _ => Vec::new(),
        };
        for (place, &number) in candidates.iter().enumerate() {
            let class = &self.classes[number];
            let (weight, votes, right) = match rule {
                Selection::Majority => (f64::from(class.count), class.count, class.right),
                Selection::Scored(scoring, voting) => {
                    let own = self.score(number, scoring);
                    let (weight, right) = match voting.reads() {
                        Reads::Best => (own.best, own.best_right),
                        Reads::Sum => (own.sum, class.right),
                        Reads::All => (weights[place], class.right),
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

/// Votes with scores from the rewards, by number.
pub(crate) fn with_rewards(
    mut votes: Vec<GradedSample>,
    rewards: Vec<(usize, Vec<f64>)>,
) -> Vec<GradedSample> {
    for (number, rewards) in rewards {
        if let (Some(vote), false) = (votes.get_mut(number), rewards.is_empty()) {
            // Whoever has rewards has every score that is made of them.
            let score = |rule: Scoring| rule.score(&rewards).unwrap_or(f64::NAN);
            vote.scores = Some(Scoring::all().into_iter().map(score).collect());
        }
    }
    votes
}
