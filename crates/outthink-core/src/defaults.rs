//! What a policy and a verifier can do together, and what is done where nobody says. Decided here and nowhere else.

use crate::{Error, Method, Scoring, Selection, Voting};

/// The budget where none is named.
const USUAL_BUDGET: usize = 16;

/// A policy and perhaps a verifier, as far as a method cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Can the policy continue an answer from any step? A chat-only server writes whole answers.
    pub steps: bool,
    /// Is there a verifier?
    pub verifier: bool,
}

impl Pair {
    /// Says why the pair cannot use a method, if it cannot.
    pub fn check(self, method: Method) -> Result<(), Error> {
        let method_name = method.name();
        if method.is_stepwise() && !self.steps {
            return Err(Error::WholeAnswersOnly {
                method: method_name,
            });
        }
        if method.needs_verifier() && !self.verifier {
            return Err(Error::NoVerifier {
                method: method_name,
            });
        }
        Ok(())
    }

    /// The methods that the pair can use.
    pub fn methods(self) -> impl Iterator<Item = Method> {
        Method::ALL
            .into_iter()
            .filter(move |method| self.check(*method).is_ok())
    }

    /// The method where none is named: beam search, best-of-N where steps cannot be continued, and without a verifier a
    /// majority vote.
    pub fn default_method(self) -> Method {
        match self {
            Self {
                verifier: false, ..
            } => Method::Majority,
            Self { steps: false, .. } => Method::BestOfN,
            _ => Method::Beam,
        }
    }
}

impl Method {
    /// The budget where none is named.
    pub fn default_budget(self) -> usize {
        match self {
            Self::Cot => 1,
            _ => USUAL_BUDGET,
        }
    }

    /// The selection where none is named: a vote, weighted by the last reward where there are rewards.
    pub fn default_selection(self) -> Selection {
        match self.needs_verifier() {
            true => Selection::Scored(Scoring::Last, Voting::Vote),
            false => Selection::Majority,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_offered_what_it_can_do_and_nothing_else() {
        for (steps, verifier) in [(false, false), (false, true), (true, false), (true, true)] {
            let pair = Pair { steps, verifier };
            assert_eq!(pair.check(pair.default_method()).ok(), Some(()), "{pair:?}");
            assert!(pair.methods().all(|method| pair.check(method).is_ok()));
            assert!(
                pair.methods()
                    .all(|method| verifier || !method.needs_verifier())
            );
            assert!(pair.methods().all(|method| steps || !method.is_stepwise()));
        }
    }
}
