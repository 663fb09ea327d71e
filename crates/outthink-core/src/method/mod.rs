//! The methods: each file is one, told as its paper tells it.
//!
//! A method of one's own is a type with [`Method`] and an [`Allocator`]; [`AnyMethod::register`] puts it beside those that come
//! with outthink, and every name, plan, study and report knows it from then on.

mod allocator;
mod any;
mod beam;
mod best_of_n;
mod cot;
mod deep_conf;
mod dora;
mod dvts;
mod entropic_particle_filtering;
mod gen_select;
mod gen_synthesis;
mod granularity;
mod knockout;
mod lookahead;
mod majority;
mod one_shot;
mod pairwise;
mod particle_filtering;
mod plan;
mod population;
mod rebase;
mod recursive_self_aggregation;
mod resampling;
mod short_m_at_k;
mod subpool;
mod value_guided_search;

use std::fmt;

pub use allocator::{
    Allocator, Branch, Ends, Grown, Question, Round, Watch, counted, deal, ranked,
};
pub use any::AnyMethod;
use any::Named;
pub use beam::BEAM;
pub use best_of_n::BEST_OF_N;
pub use cot::COT;
pub use deep_conf::DEEP_CONF;
pub use dora::DORA;
pub use dvts::DVTS;
pub use entropic_particle_filtering::ENTROPIC_PARTICLE_FILTERING;
pub use gen_select::GEN_SELECT;
pub use gen_synthesis::GEN_SYNTHESIS;
pub use lookahead::LOOKAHEAD;
pub use majority::MAJORITY;
pub use pairwise::PAIRWISE;
pub use particle_filtering::PARTICLE_FILTERING;
pub use plan::{Finished, Plan};
pub use rebase::REBASE;
pub use recursive_self_aggregation::RECURSIVE_SELF_AGGREGATION;
pub use short_m_at_k::SHORT_M_AT_K;
pub use subpool::SUBPOOL;
pub use value_guided_search::VALUE_GUIDED_SEARCH;

pub use crate::parameters::Parameters;

/// The table of methods, in the order in which they are listed and sorted. A new one is a file and a line here.
const BUILT_IN: &[AnyMethod] = &[
    COT,
    MAJORITY,
    BEST_OF_N,
    BEAM,
    DVTS,
    REBASE,
    PARTICLE_FILTERING,
    ENTROPIC_PARTICLE_FILTERING,
    DORA,
    LOOKAHEAD,
    VALUE_GUIDED_SEARCH,
    SUBPOOL,
    SHORT_M_AT_K,
    DEEP_CONF,
    RECURSIVE_SELF_AGGREGATION,
    GEN_SELECT,
    GEN_SYNTHESIS,
    PAIRWISE,
];

/// The methods that arXiv 2502.06703 compares: what studies run and reports show where nothing else is named.
pub const PAPER: [AnyMethod; 5] = [COT, MAJORITY, BEST_OF_N, BEAM, DVTS];

/// What a method needs, and what others may do with its samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Needs a verifier's rewards.
    pub rewards: bool,
    /// Grows solutions a step at a time, where others draw whole ones.
    pub stepwise: bool,
    /// Draws `M` samples of every kept step (the beam width), so that `M` must divide the budget.
    pub width: bool,
    /// Is one greedy sample, so its budget is 1 and its result is the same for every seed.
    pub greedy: bool,
    /// Asks the policy prompts of its own, made of earlier solutions ([`Allocator::questions`]): it needs whole answers only, but a
    /// policy that follows instructions.
    pub prompts: bool,
    /// A search with a larger budget begins with the samples of a smaller one: it can look whether to stop on the way, and
    /// pays for nothing twice.
    pub nested: bool,
    /// Ends samples that are not done when others are, so that a pool of whole samples does not stand for it.
    pub live: bool,
}

/// How a budget is spent: a name, what it needs, its own parameters, and the [`Allocator`] that decides where samples go.
///
/// ```
/// use outthink_core::method::{Allocator, AnyMethod, Branch, Grown, Method, Plan, Traits};
/// use outthink_core::{NodeId, Stop, Tree};
///
/// /// Draws `N` first steps and goes on with each by itself.
/// #[derive(Debug)]
/// struct Parallel;
///
/// impl Method for Parallel {
///     fn name(&self) -> &'static str {
///         "parallel"
///     }
///
///     fn traits(&self) -> Traits {
///         Traits { rewards: true, stepwise: true, ..Traits::default() }
///     }
///
///     fn start(&self, plan: &Plan, _seed: u64) -> Box<dyn Allocator> {
///         Box::new(Chains { chains: plan.budget(), done: Vec::new() })
///     }
/// }
///
/// struct Chains {
///     chains: usize,
///     done: Vec<NodeId>,
/// }
///
/// impl Allocator for Chains {
///     fn first(&mut self) -> Vec<Branch> {
///         vec![Branch { node: Tree::ROOT, draws: self.chains, part: 0 }]
///     }
///
///     fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
///         let mut live = Vec::new();
///         for &node in grown.iter().flat_map(|grown| &grown.children) {
///             match tree.nodes()[node].finished {
///                 Some((Stop::Answer, _)) => self.done.push(node),
///                 Some(_) => {}
///                 None => live.push(Branch { node, draws: 1, part: 0 }),
///             }
///         }
///         live
///     }
///
///     fn kept(&self) -> Vec<NodeId> {
///         self.done.clone()
///     }
/// }
///
/// let method = AnyMethod::register(Parallel)?;
/// assert_eq!("parallel".parse(), Ok(method));
/// assert_eq!(Plan::of(method, 8)?.to_string(), "8 samples");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Method: fmt::Debug + Send + Sync {
    /// Its name in lower case, with hyphens.
    fn name(&self) -> &'static str;

    /// What it needs.
    fn traits(&self) -> Traits;

    /// Other names in use, in lower case, with hyphens.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// As tables and figures call it.
    fn title(&self) -> &'static str {
        self.name()
    }

    /// Its parameters with their values. Budget, width and the treatment of finished paths are the plan's.
    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    /// The same method with other values of its parameters, or why they cannot be.
    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        Err(parameters.unknown_to(self.name()))
    }

    /// How a plan spends its budget, in words.
    fn describe(&self, plan: &Plan) -> String {
        match plan.budget() {
            1 => "1 sample".to_owned(),
            budget => format!("{budget} samples"),
        }
    }

    /// Begins a search. What the allocator decides at random it draws from a generator of this seed, so that a search with the
    /// same seed is the same search.
    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{NodeId, Problem, Tree, TreeNode};

    proptest! {
        #[test]
        fn no_reward_makes_a_method_panic_or_spend_more_than_it_has(
            rewards in prop::collection::vec(prop::sample::select(vec![
                None,
                Some(0.0),
                Some(0.5),
                Some(1.0),
                Some(f64::MIN_POSITIVE),
                Some(f64::NAN),
                Some(f64::INFINITY),
                Some(f64::NEG_INFINITY),
            ]), 1..12),
            method in prop::sample::select(AnyMethod::all()),
            seed: u64,
        ) {
            prop_assume!(!method.is_greedy());
            let node = |reward: &Option<f64>| TreeNode {
                parent: Tree::ROOT,
                text: "a step".into(),
                reward: *reward,
                kept: false,
            };
            let tree = Tree::grown(Problem::new("?"), rewards.iter().map(node).collect()).unwrap();
            let plan = Plan::of(method, rewards.len()).unwrap();
            let mut allocator = method.start(&plan, seed);
            allocator.begin(&crate::Limits::default());
            for _ in 0..3 {
                let live = allocator.first();
                let children: Vec<NodeId> = (1..=rewards.len()).collect();
                let grown = live.into_iter().map(|branch| Grown { branch, children: children.clone() });
                let grown: Vec<Grown> = grown.take(1).collect();
                let next = allocator.next(&tree, &grown);
                let asked = allocator.questions();
                let draws = next.iter().map(|branch| branch.draws);
                let draws: Vec<usize> = draws.chain(asked.iter().map(|own| own.draws)).collect();
                let sum: usize = draws.iter().sum();
                prop_assert!(sum <= plan.budget(), "{method}: {sum}");
                prop_assert!(draws.iter().all(|&draws| draws > 0));
                prop_assert!(asked.is_empty() || method.traits().prompts);
            }
        }
    }
}
