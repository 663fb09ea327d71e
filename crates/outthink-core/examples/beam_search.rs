//! A beam search: `cargo run -p outthink-core --example beam_search`.
#![allow(clippy::print_stdout, reason = "an example")]

#[path = "own_policy/sums.rs"]
mod sums;

use futures::executor::block_on;
use outthink_core::{Problem, Search, method::BEAM};

fn main() -> Result<(), outthink_core::Error> {
    let problem = Problem::new("What is 2 + 3 + 4?");
    // 8 samples: two beams, four candidates for each kept step.
    let search = Search::new(&sums::Adder).verifier(&sums::Checker);
    let outcome = block_on(search.method(BEAM).budget(8).seed(0).solve(&problem))?;
    for step in outcome.solution.iter().flat_map(|solution| &solution.steps) {
        println!("{}", step.text);
    }
    println!("answer {}", outcome.answer.unwrap_or_default());
    Ok(())
}
