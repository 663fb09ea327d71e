//! How answers are found in solutions and told apart.

use std::collections::HashMap;

/// Finds answers and groups equal ones. Real mathematical equivalence implements this too.
pub trait Domain: Send + Sync {
    /// The final answer of a solution. Nothing found is `None`, never an empty answer.
    fn extract(&self, solution: &str) -> Option<String>;

    /// The class of each answer: equal numbers for equal answers, none for one that says nothing.
    fn group(&self, answers: &[&str]) -> Vec<Option<usize>>;

    /// Is a predicted answer the gold one?
    fn equal(&self, gold: &str, prediction: &str) -> bool {
        matches!(self.group(&[gold, prediction])[..], [Some(gold), Some(own)] if gold == own)
    }
}

/// The class of each answer, numbered by first appearance. Whatever [`Domain::group`] returns, there is one class or none
/// for each answer, and no number is skipped: whoever counts votes may rely on it.
pub fn classes(answers: &dyn Domain, texts: &[&str]) -> Vec<Option<usize>> {
    let mut numbers = HashMap::new();
    let number = |class: Option<usize>| {
        let next = numbers.len();
        Some(*numbers.entry(class?).or_insert(next))
    };
    let mut classes: Vec<Option<usize>> = answers.group(texts).into_iter().map(number).collect();
    classes.resize(texts.len(), None);
    classes
}

/// The last closed `\boxed{}`, compared as a string without surrounding space.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactAnswers;

impl Domain for ExactAnswers {
    fn extract(&self, solution: &str) -> Option<String> {
        const OPENING: &str = "\\boxed{";
        let mut boxes = solution.rmatch_indices(OPENING);
        let answer = boxes.find_map(|(at, _)| closed(&solution[at + OPENING.len()..]))?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    fn group(&self, answers: &[&str]) -> Vec<Option<usize>> {
        let mut classes = HashMap::new();
        answers
            .iter()
            .map(|answer| {
                let next = classes.len();
                let answer = answer.trim();
                (!answer.is_empty()).then(|| *classes.entry(answer).or_insert(next))
            })
            .collect()
    }
}

/// The text up to the brace that closes the one before it.
fn closed(body: &str) -> Option<&str> {
    let mut depth = 1;
    for (at, c) in body.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&body[..at]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_closed_box_is_the_answer() {
        let found = |text| ExactAnswers.extract(text);
        assert_eq!(
            found(r"\boxed{1} then \boxed{\frac{1}{2}}."),
            Some(r"\frac{1}{2}".into())
        );
        assert_eq!(found(r"so \boxed{12"), None);
        assert_eq!(found(r"\boxed{1} so \boxed{12"), Some("1".into()));
        assert_eq!(found(r"\boxed{ }"), None);
        assert_eq!(found("7"), None);
    }
}
