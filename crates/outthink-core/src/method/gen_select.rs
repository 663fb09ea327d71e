//! GenSelect (arXiv 2504.16891): the policy reads the solutions and says which is the best.
//!
//! 1. Draw as many solutions as leave something of the budget for choosing.
//! 2. Split them into windows of at most `window`, as even as they go; ask which solution of each window is the best.
//! 3. Those go on; repeat until one is left. It is the answer.
//!
//! Its authors train a model for it and give it summaries; here the policy itself reads the solutions, without their thoughts and
//! cut to their ends, by a prompt of ours. A choice that cannot be read is the first solution of its window. Equal solutions enter
//! once, so how often an answer was drawn does not count.
//!
//! Doubt: a majority vote of the same budget is hard to beat where many solutions agree; what small models gain by it is unknown.

use serde::{Deserialize, Serialize};

use super::knockout::{Goes, Knockout, described, entrants};
use super::population::{CHARACTERS, Population, checked_window};
use super::{Allocator, AnyMethod, Method, Named, Parameters, Plan, Traits};

/// With the window of optillm's GenSelect.
const USUAL: GenSelect = GenSelect {
    window: 8,
    characters: CHARACTERS,
};

const PROMPT: &str = r"Here is a problem and {count} solutions of it, of which some may be wrong.

Problem: {problem}

{solutions}

Compare the solutions: check the steps in which they differ, and look at which final answers they come to. Then decide which one is the most likely to be correct. Do not solve the problem anew. End with the number of that solution in a box, as \boxed{1} for solution 1.";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GenSelect {
    window: usize,
    characters: usize,
}

/// The policy's own choice among its solutions: `gen-select:window=8:characters=8000`.
pub const GEN_SELECT: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "gen-select",
});

impl Default for GenSelect {
    fn default() -> Self {
        USUAL
    }
}

impl Method for GenSelect {
    fn name(&self) -> &'static str {
        GEN_SELECT.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["genselect"]
    }

    fn title(&self) -> &'static str {
        "GenSelect"
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
        checked_window(own.window, own.characters)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        described(plan, self.window)
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        let first = entrants(plan.budget(), self.window);
        let knockout = Knockout::new(plan, self.window, PROMPT, Goes::Named);
        Box::new(Population::new(first, self.characters, knockout))
    }
}
