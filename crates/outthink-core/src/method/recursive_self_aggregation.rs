//! Recursive self-aggregation (RSA, arXiv 2509.26626): a population that the policy makes better by putting its members together.
//!
//! 1. Draw `n` solutions.
//! 2. `T` times: draw `n` new ones, each from a prompt with `K` of the last ones, taken at random.
//! 3. Keep the last population, for a majority vote.
//!
//! A budget `N` pays for all rounds: `n = N / (T + 1)`, and what is left over enlarges the first population. The authors hold `n`
//! at 16, `K` at 4 and `T` at up to 10, a hundred and seventy-six samples a problem. Here `T` is, unless it is said, the most of 1, 2 and 3 that
//! leaves a population of `2 K`: with fewer, all prompts quote the same. The prompt is ours. It quotes answers without thoughts.
//!
//! The search does not end where all agree: whether two answers are the same is the domain's to say, and no method asks it.
//!
//! Doubt: its authors report gains from 3 billion parameters up, on policies that reason; below that nothing is known.

use serde::{Deserialize, Serialize};

use super::population::{CHARACTERS, Folding, Member, Population, quoting};
use super::resampling::Chance;
use super::{Allocator, AnyMethod, Method, Named, Parameters, Plan, Question, Traits};
use crate::parameters::at_least_one;

/// As its paper, but for the rounds.
const USUAL: RecursiveSelfAggregation = RecursiveSelfAggregation {
    k: 4,
    rounds: None,
    characters: CHARACTERS,
};

/// Most rounds where nobody says how many: the authors see most of the gain by then.
const MOST_ROUNDS: usize = 3;

const PROMPT: &str = r"{problem}

Below are {count} candidate solutions of this problem. Each of them may be wrong, in part or altogether, and the answer that most of them give need not be the right one. Check their steps, take over what holds, correct what does not, and try another way if none of them works. Then solve the problem: write one complete solution of your own, from the beginning to the final answer, without mentioning the candidates.

{solutions}";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RecursiveSelfAggregation {
    k: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<usize>,
    characters: usize,
}

/// Recursive self-aggregation: `recursive-self-aggregation:k=4:rounds=3:characters=8000`.
pub const RECURSIVE_SELF_AGGREGATION: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "recursive-self-aggregation",
});

impl Default for RecursiveSelfAggregation {
    fn default() -> Self {
        USUAL
    }
}

impl RecursiveSelfAggregation {
    /// The first population, the later ones, and how many there are of these.
    fn laid_out(&self, budget: usize) -> (usize, usize, usize) {
        let usual = budget / (2 * self.k).max(1);
        let usual = usual.saturating_sub(1).clamp(1, MOST_ROUNDS);
        let rounds = self.rounds.unwrap_or(usual).min(budget.saturating_sub(1));
        let size = budget / (rounds + 1);
        (budget - size * rounds, size, rounds)
    }
}

impl Method for RecursiveSelfAggregation {
    fn name(&self) -> &'static str {
        RECURSIVE_SELF_AGGREGATION.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["rsa"]
    }

    fn title(&self) -> &'static str {
        "RSA"
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
        at_least_one("k", own.k)?;
        at_least_one("characters", own.characters)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        let budget = plan.budget();
        let (first, size, rounds) = self.laid_out(budget);
        let k = self.k.min(size);
        let plural = if first == 1 { "" } else { "s" };
        match rounds {
            0 => super::one_shot::solutions(plan),
            1 => {
                format!(
                    "{budget} = {first} solution{plural} + {size} from prompts with {k} of them each"
                )
            }
            _ => format!(
                "{budget} = {first} solution{plural} + {rounds} rounds × {size} from prompts with {k} of the last each"
            ),
        }
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        let (first, size, rounds) = self.laid_out(plan.budget());
        let aggregation = Aggregation {
            k: self.k,
            size,
            rounds,
            chance: Chance::new(seed),
        };
        Box::new(Population::new(first, self.characters, aggregation))
    }
}

struct Aggregation {
    k: usize,
    size: usize,
    /// Those to come.
    rounds: usize,
    chance: Chance,
}

impl Folding for Aggregation {
    fn ask(&mut self, problem: &str, quoted: &[Member]) -> Vec<Question> {
        let Some(rounds) = self.rounds.checked_sub(1) else {
            return Vec::new();
        };
        self.rounds = rounds;
        let prompt = |_| quoting(PROMPT, problem, self.chance.some_of(quoted, self.k));
        (0..self.size).map(prompt).collect()
    }

    fn fold(&mut self, _: Vec<Member>, drawn: Vec<Vec<Member>>) -> Vec<Member> {
        drawn.concat()
    }
}
