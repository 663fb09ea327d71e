//! Search with backtracking by subpools (arXiv 2605.25143): every scored prefix stays in a pool, and may be gone on with later.
//!
//! With budget `N` and `B` subpools:
//! 1. Draw `N` first steps. Those that do not end an answer are the pool.
//! 2. `W = N −` the paths that have ended. Divide the pool at random into `B` subpools of equal size.
//! 3. Draw one next step of each of the `W / B` prefixes of highest reward of each subpool. New prefixes join the pool, and none
//!    leaves it. Repeat from 2 until no path is left to end.
//!
//! A prefix that a beam would have dropped goes on where its subpool has nothing better: a reward that is too high misleads one
//! subpool, not the search. Of equal rewards the newest goes first, so that verifiers whose rewards never rise along a path do not
//! hold it at its beginning. A subpool with fewer prefixes than draws draws several times from its best, and of more subpools than draws some draw nothing.
//!
//! A search has no more steps than `N` solutions of the most steps: what has not ended by then is not kept. The paper's other
//! mechanism, power-backtrack SMC, is not here: only the abstract was at hand, which does not give its weights. The number of
//! subpools is therefore ours as well.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::resampling::Chance;
use super::{Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, deal};
use crate::{Limits, NodeId, Stop, Tree};

/// Four, as many as a usual beam has samples.
const USUAL: Subpool = Subpool { pools: 4 };

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Subpool {
    pools: usize,
}

/// Search with backtracking by subpools: `subpool:pools=4`.
pub const SUBPOOL: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "subpool",
});

impl Default for Subpool {
    fn default() -> Self {
        USUAL
    }
}

impl Method for Subpool {
    fn name(&self) -> &'static str {
        SUBPOOL.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["subpool-selection", "backtracking"]
    }

    fn title(&self) -> &'static str {
        "subpools with backtracking"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        match own.pools {
            0 => Err("`pools` is at least 1".into()),
            _ => Ok(Box::new(own)),
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        match (plan.budget(), self.pools.min(plan.budget())) {
            (1, _) => "1 path".to_owned(),
            (budget, 1) => format!("{budget} paths, from the best of all prefixes"),
            (budget, pools) => format!("{budget} paths, from the best of {pools} subpools"),
        }
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        Box::new(Pool {
            pools: self.pools,
            left: plan.budget(),
            steps: plan.budget(),
            open: Vec::new(),
            known: HashSet::new(),
            done: Vec::new(),
            chance: Chance::new(seed),
        })
    }
}

struct Pool {
    /// `B`.
    pools: usize,
    /// `W`.
    left: usize,
    /// How many more steps may be drawn.
    steps: usize,
    /// Every prefix that has not ended, and the same as a set.
    open: Vec<NodeId>,
    known: HashSet<NodeId>,
    done: Vec<NodeId>,
    chance: Chance,
}

impl Pool {
    fn shuffle(&mut self) {
        for last in (1..self.open.len()).rev() {
            let other = (self.chance.uniform() * (last + 1) as f64) as usize;
            self.open.swap(last, other);
        }
    }
}

impl Allocator for Pool {
    fn begin(&mut self, limits: &Limits) {
        self.steps = self.left.saturating_mul(limits.steps.max(1));
    }

    fn first(&mut self) -> Vec<Branch> {
        self.steps -= self.left;
        vec![Branch {
            node: Tree::ROOT,
            draws: self.left,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        for &node in grown.iter().flat_map(|grown| &grown.children) {
            match tree.nodes()[node].finished {
                Some((stop, _)) => {
                    self.left = self.left.saturating_sub(1);
                    if stop == Stop::Answer && !self.done.contains(&node) {
                        self.done.push(node);
                    }
                }
                None if self.known.insert(node) => self.open.push(node),
                None => {}
            }
        }
        // A path that is drawn again may be cut off then.
        let answered =
            |&node: &NodeId| matches!(tree.nodes()[node].finished, Some((Stop::Answer, _)));
        self.done.retain(answered);
        let draws = self.left.min(self.steps);
        let pools = self.pools.min(self.open.len());
        if draws == 0 || pools == 0 {
            return Vec::new();
        }
        self.steps -= draws;
        self.shuffle();
        let reward = |node: NodeId| tree.nodes()[node].reward.unwrap_or(f64::NEG_INFINITY);
        let mut branches = Vec::new();
        for pool in 0..pools {
            let share = draws / pools + usize::from(pool < draws % pools);
            if share == 0 {
                break;
            }
            let mut own: Vec<NodeId> = self
                .open
                .iter()
                .copied()
                .skip(pool)
                .step_by(pools)
                .collect();
            own.sort_by(|&a, &b| reward(b).total_cmp(&reward(a)).then(b.cmp(&a)));
            own.truncate(share);
            branches.extend(deal(share, &own));
        }
        branches
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}
