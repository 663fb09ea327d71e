//! Best-of-N (arXiv 2110.14168): `N` solutions, and the verifier chooses.

use super::one_shot::{OneShot, solutions};
use super::{Allocator, AnyMethod, Method, Named, Plan, Traits};

#[derive(Debug)]
struct BestOfN;

/// `N` solutions, the verifier's choice.
pub const BEST_OF_N: AnyMethod = AnyMethod::new(&Named {
    method: &BestOfN,
    written: "best-of-n",
});

impl Method for BestOfN {
    fn name(&self) -> &'static str {
        BEST_OF_N.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["bon", "offline-bon"]
    }

    fn title(&self) -> &'static str {
        "best-of-N"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            ..Traits::default()
        }
    }

    fn describe(&self, plan: &Plan) -> String {
        solutions(plan)
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(OneShot::new(plan.budget()))
    }
}
