//! Pairwise self-verification (V1-Infer, arXiv 2603.04304): the policy compares its solutions two by two, in a tournament.
//!
//! 1. Draw `n` solutions.
//! 2. In rounds, as many as the budget pays for: pair solutions that stand next to each other by `μ` and have not met (Swiss
//!    pairing), and ask for a grade of each of the two. `μ` of a solution is the mean over its comparisons of
//!    `1/2 + margin / 2`, where the margin is the difference of the grades, from -1 to 1.
//! 3. The solution with the largest `μ` is the answer.
//!
//! A budget `N` has `n = N / (1 + comparisons)` solutions with the paper's three comparisons a solution, and no pair meets twice. The
//! first rounds are between solutions that have met nobody, so that each is compared before the places are fought for; the
//! paper asks for a least number of comparisons first. Which of the two stands first is drawn by lot. The prompt is ours.
//! A comparison that cannot be read is a draw. Equal solutions enter once.
//!
//! Doubt: its authors' numbers are of models trained to verify as well; what an untrained small policy gains is unknown.

use serde::{Deserialize, Serialize};

use super::population::{CHARACTERS, Folding, Member, Population, distinct, quoting};
use super::resampling::Chance;
use super::{Allocator, AnyMethod, Method, Named, Parameters, Plan, Question, Traits};
use crate::ExactAnswers;
use crate::parameters::at_least_one;

/// As its paper.
const USUAL: Pairwise = Pairwise {
    comparisons: 3,
    characters: CHARACTERS,
};

const PROMPT: &str = r"Here is a problem and {count} solutions of it, of which either may be wrong.

Problem: {problem}

{solutions}

Check both solutions step by step. Then grade how sure you are that each one comes to the correct final answer, from 1 (certainly wrong) to 10 (certainly right). End with both grades in a box, that of solution 1 first, as \boxed{3, 8}.";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pairwise {
    comparisons: usize,
    characters: usize,
}

/// A tournament of solutions that the policy compares itself: `pairwise:comparisons=3:characters=8000`.
pub const PAIRWISE: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "pairwise",
});

impl Default for Pairwise {
    fn default() -> Self {
        USUAL
    }
}

impl Pairwise {
    /// How many solutions, and how many comparisons of them at most: there are no more than there are pairs.
    fn laid_out(&self, budget: usize) -> (usize, usize) {
        let pairs = |n: usize| n.saturating_mul(n.saturating_sub(1)) / 2;
        let compared = |n: usize| n.saturating_mul(self.comparisons).min(pairs(n));
        // Where few pairs are all there are, more solutions take the place of comparisons.
        let least = (budget / self.comparisons.saturating_add(1)).max(1);
        let fits = |&n: &usize| n.saturating_add(compared(n)) <= budget;
        let solutions = (least..=budget).take_while(fits).last().unwrap_or(1);
        (solutions, (budget - solutions).min(pairs(solutions)))
    }
}

impl Method for Pairwise {
    fn name(&self) -> &'static str {
        PAIRWISE.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["v1-infer", "pairwise-self-verification"]
    }

    fn title(&self) -> &'static str {
        "pairwise self-verification"
    }

    fn traits(&self) -> Traits {
        Traits {
            prompts: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        at_least_one("comparisons", own.comparisons)?;
        at_least_one("characters", own.characters)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        match self.laid_out(plan.budget()) {
            (1, _) => "1 solution".to_owned(),
            (first, compared) => {
                let (all, plural) = (first + compared, if compared == 1 { "" } else { "s" });
                format!("{all} = {first} solutions + {compared} comparison{plural}")
            }
        }
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        let (first, left) = self.laid_out(plan.budget());
        let tournament = Tournament {
            left,
            chance: Chance::new(seed),
            standings: Vec::new(),
            pairs: Vec::new(),
        };
        Box::new(Population::new(first, self.characters, tournament))
    }
}

/// How a solution stands.
struct Standing {
    solution: Member,
    /// Those it has met, by place.
    met: Vec<usize>,
    points: f64,
}

impl Standing {
    /// `μ`; who has met nobody is in the middle.
    fn mean(&self) -> f64 {
        match self.met.len() {
            0 => 0.5,
            met => self.points / met as f64,
        }
    }
}

struct Tournament {
    /// Comparisons to come, at most.
    left: usize,
    chance: Chance,
    standings: Vec<Standing>,
    /// Those of the round, by place; the one that the prompt shows first is first.
    pairs: Vec<[usize; 2]>,
}

impl Tournament {
    /// The places of the table, best first; who stood first stays so in a tie.
    fn ranked(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.standings.len()).collect();
        let mean = |place: usize| self.standings[place].mean();
        places.sort_by(|&a, &b| mean(b).total_cmp(&mean(a)));
        places
    }

    /// Neighbours that have not met. Those who have met the fewest are paired first, so that nobody waits twice.
    fn paired(&mut self) -> Vec<[usize; 2]> {
        let ranked = self.ranked();
        let mut free = ranked.clone();
        let mut turns = ranked;
        turns.sort_by_key(|&place| self.standings[place].met.len());
        let mut pairs = Vec::new();
        for one in turns {
            let Some(at) = free.iter().position(|&place| place == one) else {
                continue;
            };
            let met = &self.standings[one].met;
            let fits = |&other: &usize| {
                let place = free[other];
                place != one && !met.contains(&place)
            };
            let nearest = (0..free.len())
                .filter(fits)
                .min_by_key(|other| at.abs_diff(*other));
            if let Some(other) = nearest.map(|other| free[other])
                && pairs.len() < self.left
            {
                free.retain(|&place| place != one && place != other);
                let first = self.chance.uniform() < 0.5;
                pairs.push(if first { [one, other] } else { [other, one] });
            }
        }
        pairs
    }
}

impl Folding for Tournament {
    fn ask(&mut self, problem: &str, quoted: &[Member]) -> Vec<Question> {
        if self.standings.is_empty() {
            let standing = |solution| Standing {
                solution,
                met: Vec::new(),
                points: 0.0,
            };
            self.standings = distinct(quoted).into_iter().map(standing).collect();
        }
        self.pairs = self.paired();
        self.left -= self.pairs.len();
        let prompt = |pair: &[usize; 2]| {
            let both = pair.iter().map(|&place| &self.standings[place].solution);
            quoting(PROMPT, problem, both)
        };
        self.pairs.iter().map(prompt).collect()
    }

    /// Who leads so far is kept: the search may end after any round.
    fn fold(&mut self, _: Vec<Member>, drawn: Vec<Vec<Member>>) -> Vec<Member> {
        let pairs = std::mem::take(&mut self.pairs).into_iter();
        for ([one, other], drawn) in pairs.zip(drawn) {
            let margin = drawn.first().and_then(|said| margin(&said.text));
            let points = 0.5 + margin.unwrap_or(0.0) / 2.0;
            for (own, other, points) in [(one, other, points), (other, one, 1.0 - points)] {
                self.standings[own].met.push(other);
                self.standings[own].points += points;
            }
        }
        let leader = self.ranked().first().copied();
        let leader = leader.map(|place| self.standings[place].solution.clone());
        leader.into_iter().collect()
    }
}

/// By how much the first of two grades in the last box of a text is above the second, from -1 to 1.
fn margin(text: &str) -> Option<f64> {
    let grades = ExactAnswers::find(text)?;
    let numbers = grades.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    let grade = |own: &str| Some(own.trim_end_matches('.').parse::<f64>().ok()?.min(10.0));
    let [one, other] = <[f64; 2]>::try_from(numbers.filter_map(grade).collect::<Vec<_>>()).ok()?;
    Some((one - other) / 10.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn grades_are_read_from_the_last_box() {
        assert_eq!(margin(r"as \boxed{3, 8}: \boxed{9, 4}"), Some(0.5));
        assert_eq!(margin(r"\boxed{\text{2 and 10.}}"), Some(-0.8));
        assert_eq!(margin(r"\boxed{99, 0}"), Some(1.0));
        for unreadable in [
            "",
            "9, 4",
            r"\boxed{9}",
            r"\boxed{1, 2, 3}",
            r"\boxed{a, b}",
        ] {
            assert_eq!(margin(unreadable), None, "{unreadable}");
        }
    }

    proptest! {
        #[test]
        fn the_budget_pays_for_solutions_and_comparisons(budget in 1usize..300, comparisons in 1usize..6) {
            let (first, compared) = Pairwise { comparisons, ..USUAL }.laid_out(budget);
            prop_assert!(first >= 1 && first + compared <= budget);
            prop_assert!(compared <= first * (first - 1) / 2);
        }

        #[test]
        fn no_pair_meets_twice_and_the_best_wins_where_grades_tell(solutions in 2usize..8, seed: u64) {
            let member = |node: usize| Member::quoted(node, &format!("{node}"));
            let quoted: Vec<Member> = (1..=solutions).map(member).collect();
            let mut tournament = Tournament {
                left: solutions * 3,
                chance: Chance::new(seed),
                standings: Vec::new(),
                pairs: Vec::new(),
            };
            let mut met = std::collections::HashSet::new();
            let mut winner = Vec::new();
            loop {
                let asked = tournament.ask("?", &quoted);
                if asked.is_empty() {
                    break;
                }
                let pairs = tournament.pairs.clone();
                prop_assert_eq!(asked.len(), pairs.len());
                for [one, other] in &pairs {
                    prop_assert!(met.insert([one.min(other).to_owned(), one.max(other).to_owned()]));
                }
                let said = |&[one, other]: &[usize; 2]| {
                    vec![Member::quoted(99, &format!(r"\boxed{{{}, {}}}", one + 1, other + 1))]
                };
                winner = tournament.fold(Vec::new(), pairs.iter().map(said).collect());
            }
            prop_assert_eq!(winner, vec![member(solutions)]);
        }
    }
}
