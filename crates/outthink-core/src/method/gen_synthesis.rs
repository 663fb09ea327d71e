//! Synthesis instead of selection (GenSelect's relative; ReMoM and PaCoRe, arXiv 2601.05593, work in such layers): the policy reads
//! solutions and writes one from them.
//!
//! 1. Draw as many solutions as leave something of the budget for what follows.
//! 2. Split them into windows of at most `window`, as even as they go, and draw one new solution from a prompt with each window.
//! 3. Those are the next layer; repeat until it is one solution. It is the answer.
//!
//! As [GenSelect](super::gen_select) with another prompt. The layers are as wide as the windows make them, where ReMoM's breadths
//! are its user's. A layer of which nothing ends with an answer is drawn again, as far as the budget goes.
//!
//! Doubt: one last sample decides; recursive self-aggregation lets a population vote instead.

use serde::{Deserialize, Serialize};

use super::knockout::{Goes, Knockout, described, entrants};
use super::population::{CHARACTERS, Population, checked_window};
use super::{Allocator, AnyMethod, Method, Named, Parameters, Plan, Traits};

/// With GenSelect's window.
const USUAL: GenSynthesis = GenSynthesis {
    window: 8,
    characters: CHARACTERS,
};

const PROMPT: &str = r"{problem}

Here are {count} attempts at this problem. Some may be wrong, and none need be right. Find out where they agree and where they differ, decide who is right by checking the steps, and write one complete solution from what is sound in them, with the final answer at its end. Do not mention the attempts.

{solutions}";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GenSynthesis {
    window: usize,
    characters: usize,
}

/// One solution written from many, layer by layer: `gen-synthesis:window=8:characters=8000`.
pub const GEN_SYNTHESIS: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "gen-synthesis",
});

impl Default for GenSynthesis {
    fn default() -> Self {
        USUAL
    }
}

impl Method for GenSynthesis {
    fn name(&self) -> &'static str {
        GEN_SYNTHESIS.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["gensynthesis"]
    }

    fn title(&self) -> &'static str {
        "GenSynthesis"
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
        let layers = Knockout::new(plan, self.window, PROMPT, Goes::Sample);
        Box::new(Population::new(first, self.characters, layers))
    }
}
