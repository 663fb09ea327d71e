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

use super::knockout::{ByKnockout, Goes, USUAL};
use super::{AnyMethod, Named};

const PROMPT: &str = r"{problem}

Here are {count} attempts at this problem. Some may be wrong, and none need be right. Find out where they agree and where they differ, decide who is right by checking the steps, and write one complete solution from what is sound in them, with the final answer at its end. Do not mention the attempts.

{solutions}";

/// One solution written from many, layer by layer: `gen-synthesis:window=8:characters=8000`.
pub const GEN_SYNTHESIS: AnyMethod = AnyMethod::new(&Named {
    method: &ByKnockout {
        name: "gen-synthesis",
        aliases: &["gensynthesis"],
        title: "GenSynthesis",
        prompt: PROMPT,
        goes: Goes::Sample,
        own: USUAL,
    },
    written: "gen-synthesis",
});
