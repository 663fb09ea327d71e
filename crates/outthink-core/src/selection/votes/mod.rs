//! The votes: each file is one, told as its paper tells it.

mod borda;
mod filtered;
mod max;
mod mob;
mod pessimistic;
mod softmax;
mod sum;
mod top;

use super::table::{Entry, entries};
use super::vote::{ScoredAnswer, Vote, Voting};

/// The table of votes, in the order in which they are listed and sorted. A new one is a file and a line here.
const TABLE: &[&dyn Vote] = &[
    &max::Max,
    &sum::Sum,
    &mob::USUAL,
    &pessimistic::USUAL,
    &softmax::USUAL,
    &borda::USUAL,
    &filtered::USUAL,
    &top::USUAL,
];

pub(super) static BUILT_IN: [Entry<dyn Vote>; TABLE.len()] = entries(TABLE);

/// Those that others know by name.
pub(super) const MAX: Voting = Voting(&BUILT_IN[0]);
pub(super) const VOTE: Voting = Voting(&BUILT_IN[1]);

/// The solutions by falling score, those of one score together. Sums over them do not depend on the order of the draws.
fn ranked(solutions: &[ScoredAnswer]) -> Vec<ScoredAnswer> {
    let mut ranked = solutions.to_vec();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

/// How many samples solutions stand for.
fn samples(solutions: &[ScoredAnswer]) -> usize {
    let add = |sum: usize, own: &ScoredAnswer| sum.saturating_add(own.count);
    solutions.iter().fold(0, add)
}
