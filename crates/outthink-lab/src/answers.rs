//! Mathematical equivalence where a search asks for answers.

use outthink_answer::{Answer, AnswerGroups, equivalent, extract};
use outthink_core::Answers;

/// Answers found and compared as mathematics: `\frac12` and `0.5` are one class.
#[derive(Clone, Copy, Debug, Default)]
pub struct MathAnswers;

impl Answers for MathAnswers {
    fn extract(&self, solution: &str) -> Option<String> {
        Some(extract(solution)?.text)
    }

    fn group(&self, answers: &[&str]) -> Vec<usize> {
        let mut groups = AnswerGroups::new();
        // What reads as nothing is a class of its own, after all others.
        let classes: Vec<Option<usize>> =
            answers.iter().map(|answer| groups.insert(answer)).collect();
        classes
            .into_iter()
            .map(|class| class.unwrap_or(groups.len()))
            .collect()
    }

    fn equal(&self, gold: &str, prediction: &str) -> bool {
        equivalent(&Answer::parse(gold), &Answer::parse(prediction)).equal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_equal_value_vote_together() {
        let answers = [r"\frac{1}{2}", "0.5", "3", "1/2", "x = 3", r"\text{}"];
        assert_eq!(MathAnswers.group(&answers), [0, 0, 1, 0, 1, 2]);
        assert!(MathAnswers.equal("(27, 21)", r"\left(27,21\right)"));
        assert_eq!(MathAnswers.extract("I do not know."), None);
    }
}
