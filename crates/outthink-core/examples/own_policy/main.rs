//! A policy and a verifier of one's own: `cargo run -p outthink-core --example own_policy`. They are in `sums.rs`; a real policy
//! calls a model in the same place.
#![allow(clippy::print_stdout, reason = "an example")]

mod sums;

use futures::executor::block_on;
use outthink_core::{Problem, Search};

fn main() -> Result<(), outthink_core::Error> {
    let problem = Problem::new("What is 2 + 3 + 4?");
    for search in [
        Search::new(&sums::Adder),
        Search::new(&sums::Adder).verifier(&sums::Checker),
    ] {
        let outcome = block_on(search.budget(8).solve(&problem))?;
        let (answer, drawn) = (outcome.answer, outcome.tree.policy.generated);
        let answer = answer.as_deref().unwrap_or("none");
        println!("{}: {answer}, {drawn} tokens drawn", outcome.plan);
    }
    Ok(())
}
