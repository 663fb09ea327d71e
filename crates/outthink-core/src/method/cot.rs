//! Chain of thought (arXiv 2201.11903): one greedy solution.

use super::one_shot::OneShot;
use super::{Allocator, AnyMethod, Method, Named, Plan, Traits};

#[derive(Debug)]
struct Cot;

/// One greedy solution: chain of thought.
pub const COT: AnyMethod = AnyMethod::new(&Named {
    method: &Cot,
    written: "cot",
});

impl Method for Cot {
    fn name(&self) -> &'static str {
        COT.name()
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["greedy", "chain-of-thought"]
    }

    fn title(&self) -> &'static str {
        "CoT"
    }

    fn traits(&self) -> Traits {
        Traits {
            greedy: true,
            ..Traits::default()
        }
    }

    fn describe(&self, _: &Plan) -> String {
        "1 greedy solution".to_owned()
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(OneShot::new(plan.budget()))
    }
}
