//! A domain of one's own: `cargo run -p outthink-core --example own_domain`.
//!
//! Answers are words after `word:`, and two words are the same if they have the same letters.
#![allow(clippy::print_stdout, reason = "an example")]

use futures::executor::block_on;
use futures::future::{BoxFuture, FutureExt, ready};
use outthink_core::{
    Continuation, Domain, Extension, ModelError, Policy, Problem, Reply, Search, Step, Stop, Usage,
};

struct Anagrams;

impl Anagrams {
    fn letters(word: &str) -> Vec<char> {
        let mut letters: Vec<char> = word.trim().to_lowercase().chars().collect();
        letters.sort_unstable();
        letters
    }
}

impl Domain for Anagrams {
    fn identity(&self) -> String {
        "anagrams 1".to_owned()
    }

    fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
        let (_, word) = solution.rsplit_once("word:")?;
        let word = word.trim();
        (!word.is_empty()).then(|| word.to_owned())
    }

    fn group<'a>(
        &'a self,
        _: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        let mut classes: Vec<Vec<char>> = Vec::new();
        let class = |answer: &&str| {
            let letters = Self::letters(answer);
            let known = classes.iter().position(|own| *own == letters);
            Some(known.unwrap_or_else(|| {
                classes.push(letters);
                classes.len() - 1
            }))
        };
        ready(Ok(answers.iter().map(class).collect())).boxed()
    }
}

/// Says one of four words.
struct Speaker;

impl Policy for Speaker {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        const WORDS: [&str; 4] = ["listen", "silent", "tinsel", "lentils"];
        let said = |seed: &u64| {
            let word = WORDS[(seed % 4) as usize];
            Continuation {
                steps: vec![Step {
                    tokens: vec![(seed % 4) as u32],
                    ..Step::written(format!("word: {word}"))
                }],
                stop: Stop::Answer,
            }
        };
        let reply = |request: &Extension| {
            let drawn: Vec<Continuation> = request.seeds.iter().map(said).collect();
            (drawn, Usage::default())
        };
        ready(Ok(requests.iter().map(reply).collect())).boxed()
    }
}

fn main() -> Result<(), outthink_core::Error> {
    let problem = Problem::new("Which word has the letters e, i, l, n, s and t?");
    let search = Search::new(&Speaker).domain(&Anagrams).budget(16);
    let outcome = block_on(search.solve(&problem))?;
    let agreement = 100.0 * outcome.agreement.unwrap_or_default();
    println!(
        "{}: {agreement:.0} % of the samples",
        outcome.answer.unwrap_or_default()
    );
    Ok(())
}
