//! Majority voting, self-consistency (arXiv 2203.11171): `N` solutions, the commonest answer.

use super::one_shot::{OneShot, solutions};
use super::{Allocator, AnyMethod, Method, Named, Plan, Traits};

#[derive(Debug)]
struct Majority;

/// `N` solutions, the commonest answer: majority voting, self-consistency.
pub const MAJORITY: AnyMethod = AnyMethod::new(&Named {
    method: &Majority,
    written: "majority",
});

impl Method for Majority {
    fn name(&self) -> &'static str {
        MAJORITY.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["majority-vote", "majority-voting", "self-consistency"]
    }

    fn traits(&self) -> Traits {
        Traits::default()
    }

    fn describe(&self, plan: &Plan) -> String {
        solutions(plan)
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(OneShot::new(plan.budget()))
    }
}
