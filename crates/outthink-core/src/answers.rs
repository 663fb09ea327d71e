//! How answers are found in solutions and told apart.

/// Finds answers and groups equal ones. Real mathematical equivalence implements this too.
pub trait Answers: Send + Sync {
    /// The final answer of a solution. Nothing found is `None`, never an empty answer.
    fn extract(&self, solution: &str) -> Option<String>;

    /// The class of each answer: equal numbers for equal answers, numbered by first appearance.
    fn group(&self, answers: &[&str]) -> Vec<usize>;

    /// Is a predicted answer the gold one?
    fn equal(&self, gold: &str, prediction: &str) -> bool {
        self.group(&[gold, prediction]) == [0, 0]
    }
}

/// The last closed `\boxed{}`, compared as a string without surrounding space.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactAnswers;

impl Answers for ExactAnswers {
    fn extract(&self, solution: &str) -> Option<String> {
        const OPENING: &str = "\\boxed{";
        let mut boxes = solution.rmatch_indices(OPENING);
        let answer = boxes.find_map(|(at, _)| closed(&solution[at + OPENING.len()..]))?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    fn group(&self, answers: &[&str]) -> Vec<usize> {
        let mut classes = std::collections::HashMap::new();
        answers
            .iter()
            .map(|answer| {
                let next = classes.len();
                *classes.entry(answer.trim()).or_insert(next)
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
