//! What any rule would have made of fewer samples: exactly where that is cheap, else over many subsets drawn at random.

use outthink_core::{Scoring, Selection, Voting};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::binomial::Factorials;
use crate::subset::{best_at, majority_at, pass_at};

/// Shuffles of a pool, where subsets are drawn at random.
const SHUFFLES: usize = 32;
/// Most disjoint subsets that one shuffle is cut into.
const BLOCKS: usize = 8;
/// Steps above which the exact vote is left to sampling.
const EXACT_WORK: usize = 20_000;

/// A score by each of [`Scoring::ALL`].
pub(crate) type Scores = [f64; Scoring::ALL.len()];

/// One sample, as a vote sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vote {
    /// The class of its answer; none without an answer.
    pub class: Option<usize>,
    /// Is the answer right?
    pub right: bool,
    /// Its score by each of [`Scoring::ALL`]; none without rewards.
    pub scores: Option<Scores>,
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
pub fn ceiling(votes: &[Vote], budgets: &[usize], factorials: &Factorials) -> Vec<Chance> {
    let right = votes.iter().filter(|vote| vote.right).count();
    let pass = |&k: &usize| Chance::exact(pass_at(votes.len(), right, k, factorials));
    budgets.iter().map(pass).collect()
}

/// For each rule, the chance that it is right on `k` of the samples, for each `k`. The whole pool is taken in its order,
/// as [`Selection::choose`] takes it.
pub fn chances(
    votes: &[Vote],
    rules: &[Selection],
    budgets: &[usize],
    seed: u64,
    factorials: &Factorials,
) -> Vec<Vec<Chance>> {
    let (votes, classes) = numbered(votes);
    let mut table: Vec<Vec<Option<Chance>>> = rules
        .iter()
        .map(|rule| exact_curve(&votes, classes, *rule, budgets, factorials))
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
    let sampled = |b: usize| !wanted[b].is_empty() && budgets[b] < votes.len();
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
            table[rule][b] = Some(if budget >= votes.len() {
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
    votes: &[Vote],
    classes: usize,
    rule: Selection,
    budgets: &[usize],
    factorials: &Factorials,
) -> Vec<Option<Chance>> {
    let at = |chance: &dyn Fn(usize) -> Option<f64>| {
        let below = |&k: &usize| (k < votes.len()).then(|| chance(k)).flatten();
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
        Selection::Scored(scoring, Voting::Max) => {
            let place = scoring.place();
            let scored: Vec<Option<(f64, bool)>> = votes
                .iter()
                .map(|vote| {
                    vote.class?;
                    Some((vote.scores?[place], vote.right))
                })
                .collect();
            at(&|k| best_at(&scored, k, factorials))
        }
        Selection::Scored(_, Voting::Vote) => {
            // One sample alone is what every rule takes.
            let own = |vote: &&Vote| vote.class.is_some() && vote.scores.is_some() && vote.right;
            let right = votes.iter().filter(own).count() as f64;
            at(&|k| (k == 1).then(|| right / votes.len() as f64))
        }
    }
}

/// The same votes with classes numbered without gaps, and how many there are.
pub(crate) fn numbered(votes: &[Vote]) -> (Vec<Vote>, usize) {
    let mut numbers = std::collections::HashMap::new();
    let votes = votes
        .iter()
        .map(|vote| {
            let class = vote.class.map(|class| {
                let next = numbers.len();
                *numbers.entry(class).or_insert(next)
            });
            Vote { class, ..*vote }
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
    /// Classes that have a vote, first drawn first.
    present: Vec<usize>,
    /// Classes that have a scored vote, first drawn first.
    scored: Vec<usize>,
}

#[derive(Clone, Copy, Default)]
struct Class {
    count: u32,
    scored: u32,
    right: bool,
    sums: Scores,
    best: Scores,
    /// Is the sample with the best score right? By scoring.
    best_right: [bool; Scoring::ALL.len()],
}

impl Tally {
    pub(crate) fn new(classes: usize) -> Self {
        Self {
            classes: vec![Class::default(); classes],
            present: Vec::with_capacity(classes),
            scored: Vec::with_capacity(classes),
        }
    }

    pub(crate) fn count(&mut self, votes: &[Vote], subset: &[usize]) {
        for class in self.present.drain(..) {
            self.classes[class] = Class::default();
        }
        self.scored.clear();
        for &sample in subset {
            let Vote {
                class: Some(number),
                right,
                scores,
            } = votes[sample]
            else {
                continue;
            };
            let class = &mut self.classes[number];
            if class.count == 0 {
                class.right = right;
                self.present.push(number);
            }
            class.count += 1;
            if let Some(scores) = scores {
                if class.scored == 0 {
                    self.scored.push(number);
                }
                for (place, score) in scores.into_iter().enumerate() {
                    class.sums[place] += score;
                    if class.scored == 0 || score > class.best[place] {
                        class.best[place] = score;
                        class.best_right[place] = right;
                    }
                }
                class.scored += 1;
            }
        }
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
        for &number in candidates {
            let class = &self.classes[number];
            let (weight, votes, right) = match rule {
                Selection::Majority => (f64::from(class.count), class.count, class.right),
                Selection::Scored(scoring, Voting::Max) => {
                    let place = scoring.place();
                    (class.best[place], class.scored, class.best_right[place])
                }
                Selection::Scored(scoring, Voting::Vote) => {
                    (class.sums[scoring.place()], class.scored, class.right)
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
            Selection::Scored(scoring, _) => Some(self.classes[number].best[scoring.place()]),
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
