//! Rounds of a knock-out: the population is split into windows, and one of each goes on.

use serde::{Deserialize, Serialize};

use super::population::{
    CHARACTERS, Folding, Member, Population, checked_window, distinct, quoting,
};
use super::{Allocator, Method, Parameters, Plan, Question, Traits};
use crate::ExactAnswers;

/// A method that is such a knock-out: what it is called, and what its windows are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByKnockout {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) title: &'static str,
    pub(super) prompt: &'static str,
    pub(super) goes: Goes,
    pub(super) own: Windows,
}

/// The parameters of a knock-out.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Windows {
    window: usize,
    characters: usize,
}

/// With the window of optillm's GenSelect.
pub(super) const USUAL: Windows = Windows {
    window: 8,
    characters: CHARACTERS,
};

impl Default for Windows {
    fn default() -> Self {
        USUAL
    }
}

impl Method for ByKnockout {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn title(&self) -> &'static str {
        self.title
    }

    fn traits(&self) -> Traits {
        Traits {
            prompts: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(&self.own)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Windows = parameters.read()?;
        checked_window(own.window, own.characters)?;
        Ok(Box::new(Self { own, ..*self }))
    }

    fn describe(&self, plan: &Plan) -> String {
        described(plan, self.own.window)
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        let Windows { window, characters } = self.own;
        let first = entrants(plan.budget(), window);
        let knockout = Knockout::new(plan, window, self.prompt, self.goes);
        Box::new(Population::new(first, characters, knockout))
    }
}

/// What goes on from a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// The solution that the sample names.
    Named,
    /// The sample itself.
    Sample,
}

/// What each window is asked, until one solution is left.
struct Knockout {
    window: usize,
    template: &'static str,
    goes: Goes,
    /// Samples of the budget.
    left: usize,
    windows: Vec<Vec<Member>>,
}

impl Knockout {
    fn new(plan: &Plan, window: usize, template: &'static str, goes: Goes) -> Self {
        Self {
            window,
            template,
            goes,
            left: plan.budget() - entrants(plan.budget(), window),
            windows: Vec::new(),
        }
    }
}

/// How a plan is spent, in words.
fn described(plan: &Plan, window: usize) -> String {
    let first = entrants(plan.budget(), window);
    match samples(first, window) {
        0 => "1 solution".to_owned(),
        prompts => {
            let (all, plural) = (first + prompts, if prompts == 1 { "" } else { "s" });
            format!("{all} = {first} solutions + {prompts} prompt{plural} with up to {window} each")
        }
    }
}

/// The most solutions whose knock-out the budget pays for too.
fn entrants(budget: usize, window: usize) -> usize {
    let fits = |&first: &usize| first + samples(first, window) <= budget;
    (1..=budget).rev().find(fits).unwrap_or(1)
}

/// How many windows a knock-out has in all.
fn samples(mut left: usize, window: usize) -> usize {
    let mut all = 0;
    while left > 1 {
        left = left.div_ceil(window);
        all += left;
    }
    all
}

impl Folding for Knockout {
    fn ask(&mut self, problem: &str, quoted: &[Member]) -> Vec<Question> {
        let own = distinct(quoted);
        let windows = own.len().div_ceil(self.window);
        // One is the winner; and a policy that cannot be quoted must not play on for ever.
        if own.len() < 2 || windows > self.left {
            return Vec::new();
        }
        self.left -= windows;
        // As even as they go: a window of one would be no choice.
        let bound = |place: usize| place * own.len() / windows;
        let window = |place: usize| own[bound(place)..bound(place + 1)].to_vec();
        self.windows = (0..windows).map(window).collect();
        let windows = self.windows.iter();
        windows
            .map(|own| quoting(self.template, problem, own))
            .collect()
    }

    fn fold(&mut self, _: Vec<Member>, drawn: Vec<Vec<Member>>) -> Vec<Member> {
        if self.goes == Goes::Sample {
            return drawn.concat();
        }
        let windows = std::mem::take(&mut self.windows).into_iter();
        let best = |(own, drawn): (Vec<Member>, Vec<Member>)| {
            let named = drawn.first().and_then(|said| named(&said.text, own.len()));
            own.into_iter().nth(named.unwrap_or(0))
        };
        windows.zip(drawn).filter_map(best).collect()
    }
}

/// Which of so many solutions a text names, from 0: by the number in its last box, or else by the last number of its last line.
fn named(text: &str, of: usize) -> Option<usize> {
    let last_line = || text.lines().rev().find(|line| !line.trim().is_empty());
    let place = ExactAnswers::find(text).or_else(last_line)?;
    let mut digits = place.split(|c: char| !c.is_ascii_digit());
    let number: usize = digits.rfind(|own| !own.is_empty())?.parse().ok()?;
    number.checked_sub(1).filter(|&place| place < of)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_choice_is_read_as_it_is_commonly_written() {
        for (text, place) in [
            (r"Both check out. \boxed{2}", Some(1)),
            (r"\boxed{\text{Solution 3}}", Some(2)),
            ("1 is wrong.\nThe best is solution **2**.\n", Some(1)),
            (r"\boxed{9}", None),
            (r"\boxed{0}", None),
            ("none of them", None),
            ("99999999999999999999999999", None),
            ("", None),
        ] {
            assert_eq!(named(text, 3), place, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_budget_pays_for_every_window_and_not_for_one_solution_more(budget in 1usize..400, window in 2usize..12) {
            let first = entrants(budget, window);
            prop_assert!(first + samples(first, window) <= budget);
            prop_assert!(first + 1 + samples(first + 1, window) > budget);
        }
    }
}
