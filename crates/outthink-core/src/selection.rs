//! Which answer is taken from the finished solutions: scoring × voting (arXiv 2502.06703 §2.3).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Answers, Solution, classes, did_you_mean};

/// How step rewards become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// The lowest reward.
    Min,
    /// The newest reward.
    Last,
    /// The average reward.
    Mean,
    /// The product of all.
    Product,
}

impl Scoring {
    /// All scorings.
    pub const ALL: [Self; 4] = [Self::Min, Self::Last, Self::Mean, Self::Product];

    /// Its place in [`Scoring::ALL`].
    pub const fn place(self) -> usize {
        match self {
            Self::Min => 0,
            Self::Last => 1,
            Self::Mean => 2,
            Self::Product => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Last => "last",
            Self::Mean => "mean",
            Self::Product => "product",
        }
    }

    /// One score for a solution's rewards; none for no rewards.
    pub fn score(self, rewards: &[f64]) -> Option<f64> {
        let last = *rewards.last()?;
        Some(match self {
            Self::Min => rewards.iter().copied().fold(last, f64::min),
            Self::Last => last,
            Self::Mean => rewards.iter().sum::<f64>() / rewards.len() as f64,
            Self::Product => rewards.iter().product(),
        })
    }
}

/// How scored solutions become one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voting {
    /// The answer of the best solution.
    Max,
    /// The answer whose solutions' scores add up highest.
    Vote,
}

/// How the answer is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The commonest answer; no rewards needed.
    Majority,
    /// By rewards.
    Scored(Scoring, Voting),
}

impl Selection {
    /// All selections.
    pub fn all() -> impl Iterator<Item = Self> {
        let scored = Scoring::ALL.into_iter().flat_map(|scoring| {
            [Voting::Max, Voting::Vote].map(|voting| Self::Scored(scoring, voting))
        });
        std::iter::once(Self::Majority).chain(scored)
    }

    /// The answer, or `None` when no solution has one. A solution without an answer never votes; one without rewards
    /// never votes by reward. Ties go to the answer with more votes by count, then to the one found first.
    pub fn choose(self, solutions: &[Solution], answers: &dyn Answers) -> Option<Chosen> {
        let ballots = self.tally(solutions, answers);
        let votes: usize = ballots.iter().map(|ballot| ballot.count).sum();
        let mut winner = None::<&Ballot>;
        for ballot in &ballots {
            let beats =
                |other: &Ballot| (ballot.weight, ballot.count) > (other.weight, other.count);
            if winner.is_none_or(beats) {
                winner = Some(ballot);
            }
        }
        winner.map(|winner| Chosen {
            answer: winner.answer.clone(),
            agreement: winner.count as f64 / votes as f64,
            solution: winner.solution,
        })
    }

    /// Every answer with what speaks for it, in the order of first appearance.
    pub fn tally(self, solutions: &[Solution], answers: &dyn Answers) -> Vec<Ballot> {
        let found: Vec<(usize, String, f64)> = solutions
            .iter()
            .enumerate()
            .filter_map(|(index, solution)| {
                let score = match self {
                    Self::Majority => 1.0,
                    Self::Scored(scoring, _) => scoring.score(&solution.rewards)?,
                };
                Some((index, answers.extract(&solution.text())?, score))
            })
            .collect();
        let texts: Vec<&str> = found.iter().map(|(_, answer, _)| answer.as_str()).collect();
        let classes = classes(answers, &texts);
        let mut ballots: Vec<Ballot> = Vec::new();
        for ((index, answer, score), class) in found.into_iter().zip(classes) {
            let Some(class) = class else {
                continue;
            };
            let count = solutions[index].count;
            if class == ballots.len() {
                ballots.push(Ballot {
                    answer,
                    count: 0,
                    best: score,
                    weight: 0.0,
                    solution: index,
                });
            } else if score > ballots[class].best {
                let ballot = &mut ballots[class];
                (ballot.answer, ballot.best, ballot.solution) = (answer, score, index);
            }
            let ballot = &mut ballots[class];
            ballot.count += count;
            match self {
                Self::Scored(_, Voting::Max) => ballot.weight = ballot.best,
                Self::Majority | Self::Scored(_, Voting::Vote) => {
                    ballot.weight += score * count as f64;
                }
            }
        }
        ballots
    }
}

/// An answer, and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ballot {
    /// As its best solution wrote it.
    pub answer: String,
    /// Samples that gave it.
    pub count: usize,
    /// The best score of its solutions; 1 under [`Selection::Majority`].
    pub best: f64,
    /// What the selection compares: the best score, or the sum of all.
    pub weight: f64,
    /// Index of its best solution.
    pub solution: usize,
}

/// The answer that a selection took.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// As its best solution wrote it.
    pub answer: String,
    /// Share of the draws with an answer that gave this one.
    pub agreement: f64,
    /// Index of the best solution with this answer.
    pub solution: usize,
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.pad("majority"),
            Self::Scored(scoring, voting) => {
                let voting = match voting {
                    Voting::Max => "max",
                    Voting::Vote => "vote",
                };
                f.pad(&format!("{}-{voting}", scoring.name()))
            }
        }
    }
}

impl FromStr for Selection {
    type Err = String;

    /// Reads a name in upper or lower case, also with search-and-learn's `avg` and `prod`.
    fn from_str(name: &str) -> Result<Self, String> {
        let plain = name.trim().to_lowercase().replace('_', "-");
        let plain = match plain.split_once('-') {
            Some(("avg", voting)) => format!("mean-{voting}"),
            Some(("prod", voting)) => format!("product-{voting}"),
            _ => plain,
        };
        let known: Vec<String> = Self::all().map(|own| own.to_string()).collect();
        let place = known.iter().position(|own| *own == plain);
        place
            .and_then(|place| Self::all().nth(place))
            .ok_or_else(|| {
                let meant = did_you_mean(&plain, known.iter().map(String::as_str));
                format!(
                    "unknown selection `{name}` (one of {}){meant}",
                    known.join(", ")
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scoring_stands_at_its_place_and_every_selection_once() {
        for (place, scoring) in Scoring::ALL.into_iter().enumerate() {
            assert_eq!(scoring.place(), place);
        }
        let all: Vec<Selection> = Selection::all().collect();
        for selection in &all {
            assert_eq!(all.iter().filter(|own| *own == selection).count(), 1);
            assert_eq!(selection.to_string().parse(), Ok(*selection));
        }
    }
}
