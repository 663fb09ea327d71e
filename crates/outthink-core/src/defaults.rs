//! What a policy and a verifier can do together, and what is done where nobody says. Decided here and nowhere else.

use crate::method::{BEAM, BEST_OF_N, MAJORITY};
use crate::{AnyMethod, Error, Plan, Scoring, Selection, Voting};

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
    pub fn check(self, method: AnyMethod) -> Result<(), Error> {
        let method_name = method.name();
        if (method.is_stepwise() || method.traits().live) && !self.steps {
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
    pub fn methods(self) -> impl Iterator<Item = AnyMethod> {
        AnyMethod::all()
            .into_iter()
            .filter(move |method| self.check(*method).is_ok())
    }

    /// The method where none is named: beam search, best-of-N where steps cannot be continued, and without a verifier a
    /// majority vote.
    pub fn default_method(self) -> AnyMethod {
        match self {
            Self {
                verifier: false, ..
            } => MAJORITY,
            Self { steps: false, .. } => BEST_OF_N,
            _ => BEAM,
        }
    }
}

impl AnyMethod {
    /// The budget where none is named.
    pub fn default_budget(self) -> usize {
        match self.is_greedy() {
            true => 1,
            false => Plan::USUAL_BUDGET,
        }
    }

    /// The selection that is named; else a vote, weighted by the last reward where there are rewards.
    pub fn selection(self, named: Option<Selection>) -> Result<Selection, Error> {
        match (self.needs_verifier(), named) {
            (true, None) => Ok(Selection::Scored(Scoring::LAST, Voting::VOTE)),
            (false, Some(named)) if named.needs_rewards() => Err(Error::Unscored {
                method: self.name(),
            }),
            (_, named) => Ok(named.unwrap_or(Selection::Majority)),
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
            let takes_up = |method: AnyMethod| method.is_stepwise() || method.traits().live;
            assert!(pair.methods().all(|method| steps || !takes_up(method)));
        }
    }

    #[test]
    fn every_usual_plan_can_be_laid_out_and_its_selection_taken() {
        let finished = crate::Finished::default();
        for method in AnyMethod::all() {
            for budget in 1..=40 {
                let width = Plan::usual_width(budget);
                let plan = Plan::new(method, budget, width, finished);
                assert_eq!(plan.is_ok(), !method.is_greedy() || budget == 1);
            }
            let usual = method.selection(None).ok();
            assert_eq!(
                usual.and_then(|own| method.selection(Some(own)).ok()),
                usual
            );
            let best = Selection::Scored(Scoring::LAST, Voting::MAX);
            assert_eq!(
                method.selection(Some(best)).is_ok(),
                method.needs_verifier()
            );
        }
        assert_eq!([16, 10, 9, 7].map(Plan::usual_width), [4, 2, 3, 1]);
    }
}
