//! The answer that a model gives when it is interrupted.

use crate::Step;

/// What is written to be answered at once.
pub(super) const QUESTION: &str = "\n\n**Final Answer**\n\\boxed{";
/// Most tokens of such an answer.
pub(super) const ANSWER_TOKENS: usize = 20;

/// An answer that was asked for in the middle of a thought, drawn greedily after an opened `\boxed{`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ForcedAnswer {
    /// All that was drawn.
    pub text: String,
    /// Log-probabilities of its tokens, in nats; none where the policy does not tell them.
    pub logprobs: Vec<f32>,
    /// How many of the tokens are the answer's, its closing brace included.
    pub tokens: usize,
}

impl ForcedAnswer {
    pub(super) fn of(steps: &[Step]) -> Self {
        let stats = crate::TokenStats::joined(steps);
        Self {
            text: steps.iter().map(|step| step.text.as_str()).collect(),
            tokens: steps.iter().map(|step| step.tokens.len()).sum(),
            logprobs: stats.logprobs,
        }
    }

    /// The text up to the brace that closes the box, without it; none where there is no such brace.
    pub fn boxed(&self) -> Option<&str> {
        let mut depth = 1usize;
        for (at, c) in self.text.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return self.text.get(..at);
            }
        }
        None
    }

    /// The answer as it is compared: without blanks, dollar signs, commands of layout and a final full stop, in lower case. None
    /// where it is unfinished.
    pub fn answer(&self) -> Option<String> {
        let mut plain = self.boxed()?.to_lowercase();
        for layout in ["\\left", "\\right", "\\,", "\\!", "\\;", "\\ ", "$"] {
            plain = plain.replace(layout, "");
        }
        plain = plain
            .replace("\\dfrac", "\\frac")
            .replace("\\tfrac", "\\frac");
        plain.retain(|c| !c.is_whitespace());
        Some(plain.trim_end_matches('.').to_owned())
    }

    fn known(&self) -> Option<&[f32]> {
        self.logprobs
            .get(..self.tokens)
            .filter(|own| !own.is_empty())
    }

    /// The arithmetic mean of its tokens' probabilities, where they are known.
    pub fn arithmetic_mean(&self) -> Option<f64> {
        let own = self.known()?;
        let sum: f64 = own.iter().map(|value| f64::from(*value).exp()).sum();
        Some(sum / own.len() as f64)
    }

    /// The geometric mean of its tokens' probabilities, where they are known.
    pub fn geometric_mean(&self) -> Option<f64> {
        let own = self.known()?;
        let sum: f64 = own.iter().map(|value| f64::from(*value)).sum();
        Some((sum / own.len() as f64).exp())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn forced(text: &str) -> ForcedAnswer {
        ForcedAnswer {
            text: text.into(),
            ..ForcedAnswer::default()
        }
    }

    #[test]
    fn an_answer_ends_at_the_brace_that_closes_its_box() {
        assert_eq!(forced("42}. Wait").boxed(), Some("42"));
        assert_eq!(forced("\\frac{1}{2}}$").boxed(), Some("\\frac{1}{2}"));
        assert_eq!(forced("\\frac{1}{2").boxed(), None);
        assert_eq!(
            forced("\\dfrac{1}{2} }").answer(),
            forced("\\frac{1}{ 2}.}").answer()
        );
    }

    #[test]
    fn means_are_of_the_answers_tokens_alone() {
        let answer = ForcedAnswer {
            logprobs: vec![0.25f32.ln(), 0.0, -9.0],
            tokens: 2,
            ..forced("4} or")
        };
        assert!((answer.arithmetic_mean().unwrap() - 0.625).abs() < 1e-6);
        assert!((answer.geometric_mean().unwrap() - 0.5).abs() < 1e-6);
        assert_eq!(forced("4}").geometric_mean(), None, "nothing is known");
    }
}
