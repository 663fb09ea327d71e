//! DeepConf online (arXiv 2508.15260 §3.3): samples that become unsure are given up.
//!
//! With budget `N`, a warm-up of `n`, a window of tokens and a share `top`:
//! 1. Draw `n` solutions. Each is as sure as its least sure window (its lowest group confidence). The threshold is the value that the
//!    share `top` of them reach.
//! 2. Draw the other `N − n` side by side, `tokens` tokens at a time. One whose confidence over a window falls below the threshold ends there.
//! 3. Keep the finished solutions that are as sure as the threshold. The vote is [`crate::Selection`]'s; the paper weighs it by the confidence:
//!    `group-vote`.
//!
//! A token's confidence is minus the entropy that it was drawn at, or where that is unknown its log-probability; the paper's is that of
//! the 20 likeliest tokens. Where a policy tells neither, nothing is given up. A solution that is shorter than a window is one
//! window, and is given up by none. The paper also stops the search when 95 % of the votes agree; that is [`crate::Search`]'s caller's
//! to do, who knows which answers are the same. What was drawn of the samples that were given up counts.

use serde::{Deserialize, Serialize};

use super::any::Named;
use super::one_shot::solutions;
use super::{
    Allocator, AnyMethod, Branch, Ends, Grown, Method, Parameters, Plan, Round, Traits, Watch,
};
use crate::selection::windows;
use crate::{NodeId, Stop, TokenStats, Tree};

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DeepConf {
    /// Solutions that are drawn whole.
    warm_up: usize,
    /// The share of them that is as sure as the threshold.
    top: f64,
    /// Tokens of a window.
    window: usize,
    /// Tokens between two looks.
    tokens: usize,
}

/// The paper's, "low": the surest tenth of 16.
const USUAL: DeepConf = DeepConf {
    warm_up: 16,
    top: 0.1,
    window: 2048,
    tokens: 64,
};

/// Samples that become unsure are given up: `deep-conf:top=0.1`.
pub const DEEP_CONF: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "deep-conf",
});

impl Default for DeepConf {
    fn default() -> Self {
        USUAL
    }
}

impl Method for DeepConf {
    fn name(&self) -> &'static str {
        DEEP_CONF.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["deepconf", "deepconf-online"]
    }

    fn title(&self) -> &'static str {
        "DeepConf"
    }

    fn traits(&self) -> Traits {
        Traits {
            live: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        if own.warm_up == 0 || own.window == 0 || own.tokens == 0 {
            return Err("`warm_up`, `window` and `tokens` are at least 1".into());
        }
        match own.top > 0.0 && own.top <= 1.0 {
            true => Ok(Box::new(own)),
            false => Err(format!("`top` is above 0 and at most 1, not {}", own.top)),
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        match plan.budget() > self.warm_up {
            true => format!("{}, the first {} whole", solutions(plan), self.warm_up),
            false => solutions(plan),
        }
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Watched {
            method: *self,
            left: plan.budget(),
            least: None,
            done: Vec::new(),
        })
    }
}

struct Watched {
    method: DeepConf,
    /// Samples that are still to be drawn.
    left: usize,
    /// The threshold, after the warm-up.
    least: Option<f64>,
    done: Vec<NodeId>,
}

impl Watched {
    fn draw(&mut self, draws: usize) -> Vec<Branch> {
        self.left -= draws;
        let branch = Branch {
            node: Tree::ROOT,
            draws,
            part: 0,
        };
        if draws > 0 { vec![branch] } else { Vec::new() }
    }

    /// The confidence of a solution's least sure window; none where nothing is told of its tokens.
    fn confidence(&self, tree: &Tree, node: NodeId) -> Option<f64> {
        let steps = tree.steps(node);
        let stats = TokenStats::joined(steps.iter().map(|step| step.as_ref()));
        windows(&stats, self.method.window)?
            .into_iter()
            .reduce(f64::min)
    }
}

impl Allocator for Watched {
    fn first(&mut self) -> Vec<Branch> {
        self.draw(self.method.warm_up.min(self.left))
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let children: Vec<NodeId> = grown
            .iter()
            .flat_map(|grown| &grown.children)
            .copied()
            .collect();
        if self.least.is_none() {
            let mut sure: Vec<f64> = children
                .iter()
                .filter_map(|&node| self.confidence(tree, node))
                .collect();
            sure.sort_by(|a, b| b.total_cmp(a));
            let kept = (sure.len() as f64 * self.method.top).round().max(1.0) as usize;
            self.least = sure.get(kept - 1).copied();
        }
        for node in children {
            let answered = matches!(tree.nodes()[node].finished, Some((Stop::Answer, _)));
            let sure = match (self.least, self.confidence(tree, node)) {
                (Some(least), Some(own)) => own >= least,
                _ => true,
            };
            if answered && sure && !self.done.contains(&node) {
                self.done.push(node);
            }
        }
        let left = self.left;
        self.draw(left)
    }

    fn round(&self) -> Round {
        let watch = |below: f64| Watch {
            ends: Ends::Unsure {
                below,
                window: self.method.window,
            },
            tokens: self.method.tokens,
        };
        Round {
            watch: self.least.map(watch),
            ..Round::default()
        }
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}
