//! Mathematical equivalence where a search asks for answers.

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{Domain, ModelError, Problem};

use crate::{Answer, AnswerGroups, equivalent, extract};

/// Answers found and compared as mathematics: `\frac12` and `0.5` are one class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maths;

/// Goes up with every change that may change a verdict, so that stores tell what they hold; the first was that of version 0.1.0.
const IDENTITY: &str = "outthink-answer 2";

impl Maths {
    /// Are two answers the same, the first of them known to be right?
    ///
    /// ```
    /// assert!(outthink_answer::Maths::equal(r"\frac12", "0.5"));
    /// ```
    pub fn equal(gold: &str, prediction: &str) -> bool {
        equivalent(&Answer::parse(gold), &Answer::parse(prediction)).equal
    }

    fn classes(answers: &[&str]) -> Vec<Option<usize>> {
        let mut groups = AnswerGroups::new();
        answers.iter().map(|answer| groups.insert(answer)).collect()
    }
}

impl Domain for Maths {
    fn identity(&self) -> String {
        IDENTITY.to_owned()
    }

    fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
        Some(extract(solution)?.text)
    }

    fn group<'a>(
        &'a self,
        _: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        async { Ok(Self::classes(answers)) }.boxed()
    }

    fn grade<'a>(
        &'a self,
        _: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        let right = |answer: &&str| Self::equal(gold, answer);
        async move { Ok(answers.iter().map(right).collect()) }.boxed()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::sync::Arc;

    use futures::executor::block_on;
    use outthink_core::{Selection, Solution, Step, Stop};
    use proptest::prelude::*;

    use super::*;

    /// Takes each solution for its answer, whatever it says.
    struct Whole;

    impl Domain for Whole {
        fn identity(&self) -> String {
            "whole".into()
        }

        fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
            Some(solution.to_owned())
        }

        fn group<'a>(
            &'a self,
            problem: &'a Problem,
            answers: &'a [&'a str],
        ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
            Maths.group(problem, answers)
        }
    }

    fn solutions(texts: &[&str]) -> Vec<Solution> {
        let solution = |(place, text): (usize, &&str)| Solution {
            node: 0,
            steps: vec![Arc::new(Step::written(*text))],
            rewards: vec![[0.5, 0.25, 1.0][place % 3]],
            count: 1 + text.len() % 2,
            stop: Stop::Answer,
        };
        texts.iter().enumerate().map(solution).collect()
    }

    proptest! {
        #[test]
        fn what_says_nothing_never_votes(
            texts in prop::collection::vec(prop::sample::select(vec![
                r"\text{}", "$", r"\(", "...", "{,}", "{$}", r"\quad", "~", "",
                r"\boxed{...}", r"\boxed{~}", "The answer is $", "Final Answer: $$",
                "7", r"\boxed{7}", r"\boxed{14/2}", "The answer is 8.", r"\boxed{\text{no}}",
            ]), 0..12),
        ) {
            let problem = Problem::new("?");
            let solutions = solutions(&texts);
            for answers in [&Whole as &dyn Domain, &Maths] {
                let says = |solution: &Solution| {
                    let found = answers.extract(&problem, &solution.text());
                    found.is_some_and(|answer| !Answer::parse(&answer).is_empty())
                };
                let (places, voters): (Vec<usize>, Vec<Solution>) =
                    solutions.iter().cloned().enumerate().filter(|(_, own)| says(own)).unzip();
                for selection in Selection::rewarded() {
                    let chosen = |solutions: &[Solution]| {
                        block_on(selection.choose(&problem, solutions, answers))
                    };
                    let alone = chosen(&voters).unwrap();
                    let alone = alone.map(|own| (places[own.solution], own.answer, own.agreement));
                    let among = chosen(&solutions).unwrap();
                    let among = among.map(|own| (own.solution, own.answer, own.agreement));
                    prop_assert_eq!(among, alone);
                }
            }
        }
    }

    #[test]
    fn answers_of_equal_value_vote_together() {
        let answers = [r"\text{}", r"\frac{1}{2}", "0.5", "$", "3", "1/2", "x = 3"];
        let classes = [None, Some(0), Some(0), None, Some(1), Some(0), Some(1)];
        assert_eq!(Maths::classes(&answers), classes);
        assert!(Maths::equal("(27, 21)", r"\left(27,21\right)"));
        assert_eq!(Maths.extract(&Problem::new("?"), "I do not know."), None);
    }
}
