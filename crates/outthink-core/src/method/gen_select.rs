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

use super::knockout::{ByKnockout, Goes, USUAL};
use super::{AnyMethod, Named};

const PROMPT: &str = r"Here is a problem and {count} solutions of it, of which some may be wrong.

Problem: {problem}

{solutions}

Compare the solutions: check the steps in which they differ, and look at which final answers they come to. Then decide which one is the most likely to be correct. Do not solve the problem anew. End with the number of that solution in a box, as \boxed{1} for solution 1.";

/// The policy's own choice among its solutions: `gen-select:window=8:characters=8000`.
pub const GEN_SELECT: AnyMethod = AnyMethod::new(&Named {
    method: &ByKnockout {
        name: "gen-select",
        aliases: &["genselect"],
        title: "GenSelect",
        prompt: PROMPT,
        goes: Goes::Named,
        own: USUAL,
    },
    written: "gen-select",
});
