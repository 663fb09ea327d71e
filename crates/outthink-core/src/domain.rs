//! What an answer is: how it is found in a solution, which answers are the same, and which is right.

use std::collections::HashMap;

use futures::future::{BoxFuture, FutureExt, ready};

use crate::{Error, ModelError, Problem};

/// Finds answers, groups equal ones and grades them. A domain may take its time and may fail: to tell two programs apart, they
/// are run.
///
/// `examples/own_domain.rs` is one.
pub trait Domain: Send + Sync {
    /// Its name and version, as stores keep it with each verdict. What may change a verdict changes it.
    fn identity(&self) -> String;

    /// The final answer of a solution. Nothing found is `None`, never an empty answer.
    fn extract(&self, problem: &Problem, solution: &str) -> Option<String>;

    /// The class of each answer: equal numbers for equal answers, none for one that says nothing.
    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>>;

    /// Is each answer right? `gold` is what the data set has beside the problem. Unless a domain brings its own way, an
    /// answer is right that is of one class with the gold one.
    fn grade<'a>(
        &'a self,
        problem: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        async move {
            let mut right = Vec::with_capacity(answers.len());
            for &answer in answers {
                let classes = self.group(problem, &[gold, answer]).await?;
                right.push(matches!(classes[..], [Some(gold), Some(own)] if gold == own));
            }
            Ok(right)
        }
        .boxed()
    }
}

impl<D: Domain + ?Sized> Domain for &D {
    fn identity(&self) -> String {
        (**self).identity()
    }

    fn extract(&self, problem: &Problem, solution: &str) -> Option<String> {
        (**self).extract(problem, solution)
    }

    fn group<'a>(
        &'a self,
        problem: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        (**self).group(problem, answers)
    }

    fn grade<'a>(
        &'a self,
        problem: &'a Problem,
        gold: &'a str,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<bool>, ModelError>> {
        (**self).grade(problem, gold, answers)
    }
}

/// The class of each answer, numbered by first appearance. Whatever [`Domain::group`] returns, there is one class or none
/// for each answer, and no number is skipped: whoever counts votes may rely on it.
///
/// # Errors
///
/// The domain failed.
pub async fn classes(
    domain: &dyn Domain,
    problem: &Problem,
    texts: &[&str],
) -> Result<Vec<Option<usize>>, Error> {
    let mut numbers = HashMap::new();
    let number = |class: Option<usize>| {
        let next = numbers.len();
        Some(*numbers.entry(class?).or_insert(next))
    };
    let found = domain.group(problem, texts).await;
    let found = found.map_err(|source| Error::domain(problem, source))?;
    let mut classes: Vec<Option<usize>> = found.into_iter().map(number).collect();
    classes.resize(texts.len(), None);
    Ok(classes)
}

/// Is each answer right?
///
/// # Errors
///
/// The domain failed, or returned another number of verdicts: a verdict that is not there is not a wrong answer.
pub async fn verdicts(
    domain: &dyn Domain,
    problem: &Problem,
    gold: &str,
    texts: &[&str],
) -> Result<Vec<bool>, Error> {
    let found = domain.grade(problem, gold, texts).await;
    let right = found.map_err(|source| Error::domain(problem, source))?;
    match right.len() == texts.len() {
        true => Ok(right),
        false => Err(Error::Misshaped {
            model: "domain",
            what: "verdicts",
            expected: texts.len(),
            got: right.len(),
            problem: problem.id.clone(),
        }),
    }
}

/// The last closed `\boxed{}`, compared as a string without surrounding space.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactAnswers;

impl ExactAnswers {
    /// The last closed box of a text.
    ///
    /// ```
    /// assert_eq!(outthink_core::ExactAnswers::find(r"so \boxed{7}."), Some("7"));
    /// ```
    pub fn find(text: &str) -> Option<&str> {
        const OPENING: &str = "\\boxed{";
        let mut boxes = text.rmatch_indices(OPENING);
        let answer = boxes.find_map(|(at, _)| closed(&text[at + OPENING.len()..]))?;
        let answer = answer.trim();
        (!answer.is_empty()).then_some(answer)
    }
}

impl Domain for ExactAnswers {
    fn identity(&self) -> String {
        "exact 1".to_owned()
    }

    fn extract(&self, _: &Problem, solution: &str) -> Option<String> {
        Self::find(solution).map(str::to_owned)
    }

    fn group<'a>(
        &'a self,
        _: &'a Problem,
        answers: &'a [&'a str],
    ) -> BoxFuture<'a, Result<Vec<Option<usize>>, ModelError>> {
        let mut classes = HashMap::new();
        let class = |answer: &&'a str| {
            let next = classes.len();
            let answer = answer.trim();
            (!answer.is_empty()).then(|| *classes.entry(answer).or_insert(next))
        };
        ready(Ok(answers.iter().map(class).collect())).boxed()
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
        let found = ExactAnswers::find;
        assert_eq!(
            found(r"\boxed{1} then \boxed{\frac{1}{2}}."),
            Some(r"\frac{1}{2}")
        );
        assert_eq!(found(r"so \boxed{12"), None);
        assert_eq!(found(r"\boxed{1} so \boxed{12"), Some("1"));
        assert_eq!(found(r"\boxed{ }"), None);
        assert_eq!(found("7"), None);
    }
}
