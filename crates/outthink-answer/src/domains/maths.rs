//! Mathematical equivalence where a search asks for answers.

use outthink_core::Domain;

use crate::{Answer, AnswerGroups, equivalent, extract};

/// Answers found and compared as mathematics: `\frac12` and `0.5` are one class.
#[derive(Clone, Copy, Debug, Default)]
pub struct Maths;

impl Domain for Maths {
    fn extract(&self, solution: &str) -> Option<String> {
        Some(extract(solution)?.text)
    }

    fn group(&self, answers: &[&str]) -> Vec<Option<usize>> {
        let mut groups = AnswerGroups::new();
        answers.iter().map(|answer| groups.insert(answer)).collect()
    }

    fn equal(&self, gold: &str, prediction: &str) -> bool {
        equivalent(&Answer::parse(gold), &Answer::parse(prediction)).equal
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outthink_core::{Selection, Solution, Step, Stop};
    use proptest::prelude::*;

    use super::*;

    /// Takes each solution for its answer, whatever it says.
    struct Whole;

    impl Domain for Whole {
        fn extract(&self, solution: &str) -> Option<String> {
            Some(solution.to_owned())
        }

        fn group(&self, answers: &[&str]) -> Vec<Option<usize>> {
            Maths.group(answers)
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
            let solutions = solutions(&texts);
            for answers in [&Whole as &dyn Domain, &Maths] {
                let says = |solution: &Solution| {
                    let found = answers.extract(&solution.text());
                    found.is_some_and(|answer| !Answer::parse(&answer).is_empty())
                };
                let (places, voters): (Vec<usize>, Vec<Solution>) =
                    solutions.iter().cloned().enumerate().filter(|(_, own)| says(own)).unzip();
                for selection in Selection::rewarded() {
                    let alone = selection.choose(&voters, answers);
                    let alone = alone.map(|own| (places[own.solution], own.answer, own.agreement));
                    let among = selection.choose(&solutions, answers);
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
        assert_eq!(Maths.group(&answers), classes);
        assert!(Maths.equal("(27, 21)", r"\left(27,21\right)"));
        assert_eq!(Maths.extract("I do not know."), None);
    }
}
