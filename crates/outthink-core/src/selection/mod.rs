//! Which answer is taken from the finished solutions: signal → score → vote (arXiv 2502.06703 §2.3).
//!
//! A [`Score`] makes one number of a solution's signals, a [`Vote`] weighs the answers by their solutions' scores. Both are open:
//! [`Scoring::register`] and [`Voting::register`] put one's own beside those that come with outthink.

mod score;
mod scores;
mod table;
mod vote;
mod votes;

use std::fmt;
use std::str::FromStr;

use crate::{Domain, Error, Problem, Solution, classes, did_you_mean, verdicts};

pub use score::{Score, Scoring, Signal, Signals};
pub(crate) use scores::windows;
pub use vote::{Reads, ScoredAnswer, Vote, Voting};

/// How the answer is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Selection {
    /// The commonest answer; no rewards needed.
    Majority,
    /// By rewards.
    Scored(Scoring, Voting),
}

impl Selection {
    /// All selections: majority, then every score with every vote that is meant for it, in their usual settings.
    pub fn all() -> impl Iterator<Item = Self> {
        let scored = Scoring::all().into_iter().flat_map(|scoring| {
            let votes = Voting::all().into_iter();
            let meant = votes.filter(move |voting| voting.suits(scoring.signal()));
            meant.map(move |voting| Self::Scored(scoring, voting))
        });
        std::iter::once(Self::Majority).chain(scored)
    }

    /// Those that a verifier's rewards are enough for, and majority: what a study reads from its stored samples.
    pub fn rewarded() -> impl Iterator<Item = Self> {
        Self::all().filter(|own| *own == Self::Majority || own.needs_rewards())
    }

    /// Those that need no verifier: majority, and what goes by what the policy tells.
    pub fn told() -> impl Iterator<Item = Self> {
        Self::all().filter(|own| !own.needs_rewards())
    }

    /// Itself, and the other settings of its vote or of its score that a tuner tries.
    pub fn tried(self) -> Vec<Self> {
        let Self::Scored(scoring, voting) = self else {
            return vec![self];
        };
        let votes = voting.tried().into_iter();
        let scores = scoring.tried().into_iter().skip(1);
        votes
            .map(|voting| Self::Scored(scoring, voting))
            .chain(scores.map(|scoring| Self::Scored(scoring, voting)))
            .collect()
    }

    /// Does it need a verifier's rewards?
    pub fn needs_rewards(self) -> bool {
        matches!(self, Self::Scored(scoring, _) if scoring.signal() == Signal::Rewards)
    }

    /// Its place among [`Selection::all`] by score, then vote, each with its setting: what it is sorted by.
    pub fn place(self) -> [(usize, usize); 2] {
        match self {
            Self::Majority => [(0, 0); 2],
            Self::Scored(scoring, voting) => {
                let (place, setting) = scoring.place();
                [(1 + place, setting), voting.place()]
            }
        }
    }

    /// Does it go by what the policy tells, where nothing was told of any of these?
    fn is_untold(self, solutions: &[Solution]) -> bool {
        let Self::Scored(scoring, _) = self else {
            return false;
        };
        let mut steps = solutions.iter().flat_map(|own| &own.steps);
        let told = match scoring.signal() {
            Signal::Rewards => return false,
            Signal::Tokens => steps.any(|step| !step.stats.is_empty()),
            Signal::Length => steps.any(|step| !step.tokens.is_empty()),
        };
        !told && !solutions.is_empty()
    }

    /// The score of a solution, for selections that score.
    pub fn score(self, solution: &Solution) -> Option<f64> {
        match self {
            Self::Majority => None,
            Self::Scored(scoring, _) => scoring.of(solution),
        }
    }

    /// The answer, or `None` when no solution has one. A solution without an answer never votes; one without rewards
    /// never votes by reward. Ties go to the answer with more votes by count, then to the one found first.
    ///
    /// # Errors
    ///
    /// The domain failed, or the policy told nothing of what the selection goes by.
    pub async fn choose(
        self,
        problem: &Problem,
        solutions: &[Solution],
        domain: &dyn Domain,
    ) -> Result<Option<Chosen>, Error> {
        let ballots = self.tally(problem, solutions, domain).await?;
        let votes: usize = ballots.iter().map(|ballot| ballot.count).sum();
        let mut winner = None::<&Ballot>;
        for ballot in &ballots {
            let beats =
                |other: &Ballot| (ballot.weight, ballot.count) > (other.weight, other.count);
            if winner.is_none_or(beats) {
                winner = Some(ballot);
            }
        }
        Ok(winner.map(|winner| Chosen {
            answer: winner.answer.clone(),
            agreement: winner.count as f64 / votes as f64,
            solution: winner.solution,
        }))
    }

    /// Every answer with what speaks for it, in the order of first appearance.
    ///
    /// # Errors
    ///
    /// The domain failed, or the policy told nothing of what the selection goes by.
    pub async fn tally(
        self,
        problem: &Problem,
        solutions: &[Solution],
        domain: &dyn Domain,
    ) -> Result<Vec<Ballot>, Error> {
        if self.is_untold(solutions) {
            return Err(Error::Untold {
                selection: self.to_string(),
                problem: problem.id.clone(),
            });
        }
        let found: Vec<(usize, String, f64)> = solutions
            .iter()
            .enumerate()
            .filter_map(|(index, solution)| {
                let score = match self {
                    Self::Majority => 1.0,
                    Self::Scored(scoring, _) => scoring.of(solution)?,
                };
                Some((index, domain.extract(problem, &solution.text())?, score))
            })
            .collect();
        let texts: Vec<&str> = found.iter().map(|(_, answer, _)| answer.as_str()).collect();
        let classes = classes(domain, problem, &texts).await?;
        let mut ballots: Vec<Ballot> = Vec::new();
        let mut scored: Vec<ScoredAnswer> = Vec::new();
        for ((index, answer, score), class) in found.into_iter().zip(classes) {
            let Some(class) = class else {
                continue;
            };
            let count = solutions[index].count;
            scored.push(ScoredAnswer {
                class,
                score,
                count,
            });
            if class == ballots.len() {
                ballots.push(Ballot {
                    answer,
                    count,
                    best: score,
                    weight: 0.0,
                    solution: index,
                });
                continue;
            }
            let ballot = &mut ballots[class];
            ballot.count += count;
            if score > ballot.best {
                (ballot.answer, ballot.best, ballot.solution) = (answer, score, index);
            }
        }
        let voting = match self {
            Self::Majority => Voting::VOTE,
            Self::Scored(_, voting) => voting,
        };
        let weights = voting.weights(&scored, ballots.len());
        for (ballot, weight) in ballots.iter_mut().zip(weights) {
            ballot.weight = weight;
        }
        Ok(ballots)
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
    /// What the selection compares: what its vote makes of the scores.
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

impl Chosen {
    /// Is it the right answer?
    ///
    /// # Errors
    ///
    /// The domain failed.
    pub async fn is_right(
        &self,
        problem: &Problem,
        gold: &str,
        domain: &dyn Domain,
    ) -> Result<bool, Error> {
        Ok(verdicts(domain, problem, gold, &[&self.answer]).await? == [true])
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.pad("majority"),
            Self::Scored(scoring, voting) => {
                f.pad(&format!("{}-{}", scoring.name(), voting.name()))
            }
        }
    }
}

impl FromStr for Selection {
    type Err = String;

    /// Reads a name in upper or lower case, also with search-and-learn's `avg` and `prod`; parameters follow a colon.
    fn from_str(name: &str) -> Result<Self, String> {
        let plain = name.trim().to_lowercase().replace('_', "-");
        let plain = match plain.split_once('-') {
            Some(("avg", voting)) => format!("mean-{voting}"),
            Some(("prod", voting)) => format!("product-{voting}"),
            _ => plain,
        };
        if plain == "majority" {
            return Ok(Self::Majority);
        }
        // A parameter may have a hyphen as well: the one that counts has a score before it and a vote behind it.
        for (place, _) in plain.match_indices('-') {
            let (score, vote) = (&plain[..place], &plain[place + 1..]);
            if let (Some(scoring), Some(voting)) = (Scoring::named(score), Voting::named(vote)) {
                return Ok(Self::Scored(scoring?, voting?));
            }
        }
        let known: Vec<String> = Self::all().map(|own| own.to_string()).collect();
        let meant = did_you_mean(&plain, known.iter().map(String::as_str));
        let scores: Vec<&str> = Scoring::all().into_iter().map(Scoring::name).collect();
        let votes: Vec<&str> = Voting::all().into_iter().map(Voting::name).collect();
        Err(format!(
            "unknown selection `{name}` (majority, or SCORE-VOTE, the score one of {} and the vote one of {}){meant}",
            scores.join(", "),
            votes.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scoring_stands_at_its_place_and_every_selection_once() {
        for (place, scoring) in Scoring::all().into_iter().enumerate() {
            assert_eq!(scoring.place(), (place, 0));
        }
        let all: Vec<Selection> = Selection::all().collect();
        for selection in &all {
            assert_eq!(all.iter().filter(|own| *own == selection).count(), 1);
            assert_eq!(selection.to_string().parse(), Ok(*selection));
            let tried = selection.tried();
            let settings = |(name, count)| format!("{name}: {count} settings");
            let own = (selection.to_string(), tried.len());
            let Selection::Scored(scoring, voting) = selection else {
                continue;
            };
            let all = scoring.0.item.settings().len() + voting.0.item.settings().len();
            assert_eq!(tried.len(), 1 + all, "{}", settings(own));
            for setting in tried {
                assert_eq!(setting.to_string().parse(), Ok(setting));
                assert_eq!(setting == *selection, setting.place() == selection.place());
            }
        }
    }
}
