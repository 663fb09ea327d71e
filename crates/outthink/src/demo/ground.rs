//! The two grounds of the demo, and what is measured on each.

use outthink_core::method::{BEAM, BEST_OF_N, COT, DVTS, MAJORITY};
use outthink_core::{AnyMethod, Scoring, Selection, Voting};
use outthink_micro::domain::Kind;

use crate::models::STEP_CHECKER;

/// A kind of problems with the models that know it. The pair of the headline is the smallest policy that search can lift, and one
/// at least four times its size.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ground {
    pub(super) name: &'static str,
    /// What is asked, and why it is a ground of its own.
    pub(super) about: &'static str,
    /// None is all kinds but grids.
    pub(super) kind: Option<Kind>,
    /// Smallest first.
    pub(super) policies: [&'static str; 4],
    pub(super) small: &'static str,
    pub(super) large: &'static str,
    pub(super) verifier: &'static str,
    /// What policies are searched with besides; all but the step checker only under --full.
    pub(super) others: &'static [&'static str],
    /// A verifier that is a language model, and can be asked for an answer itself.
    pub(super) speaker: &'static str,
    /// The best method at the largest budget, chosen on the tuning split (docs/choices.md).
    pub(super) method: AnyMethod,
    pub(super) selection: Selection,
    /// Beam width M of the methods that go step by step, chosen likewise.
    pub(super) width: usize,
    /// Problems for one that was asked for: cheap ones can be many.
    pub(super) times: usize,
    pub(super) budgets: &'static [usize],
}

pub(super) const BUDGET: usize = 64;

/// Where checking is easier than solving.
pub(super) const GRIDS: Ground = Ground {
    name: "grids",
    about: "Sudoku of 6 × 6, filled row by row: an early row may fit all that is seen and be wrong, and a clash shows later. Checking is easier than solving.",
    kind: Some(Kind::Grid),
    policies: ["grid-24k", "grid-90k", "grid-0.3m", "grid-1.6m"],
    small: "grid-90k",
    large: "grid-1.6m",
    verifier: "grid-prm",
    others: &["grid-prm-likelihood", STEP_CHECKER],
    speaker: "grid-prm-likelihood",
    method: BEST_OF_N,
    selection: Selection::Scored(Scoring::LAST, Voting::VOTE),
    width: 4,
    times: 3,
    budgets: &[16, 32, BUDGET],
};

/// Where every step can be judged as it is written.
pub(super) const ARITHMETIC: Ground = Ground {
    name: "arithmetic",
    about: "Expressions, nested equations and recurrences: every step can be judged as it is written.",
    kind: None,
    policies: ["micro-24k", "micro-90k", "micro-0.3m", "micro-1.6m"],
    small: "micro-0.3m",
    large: "micro-1.6m",
    verifier: "micro-prm-likelihood",
    others: &[STEP_CHECKER],
    speaker: "micro-prm-likelihood",
    method: DVTS,
    selection: Selection::Scored(Scoring::LAST, Voting::MAX),
    width: 16,
    times: 1,
    budgets: &[16, BUDGET],
};

/// One line of a table: a policy, a method, a budget, a verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) policy: &'static str,
    pub(super) method: AnyMethod,
    pub(super) budget: usize,
    pub(super) verifier: Option<&'static str>,
    pub(super) width: Option<usize>,
}

impl Entry {
    /// Are its samples those that the other, a majority vote, is taken over?
    pub(super) fn is_pool_of(&self, vote: &Self) -> bool {
        let same = self.policy == vote.policy && self.budget == vote.budget;
        same && vote.method == MAJORITY && self.method == BEST_OF_N
    }

    pub(super) fn cot(policy: &'static str) -> Self {
        Self {
            policy,
            method: COT,
            budget: 1,
            verifier: None,
            width: None,
        }
    }
}

impl Ground {
    /// A search on this ground.
    pub(super) fn search(
        &self,
        policy: &'static str,
        method: AnyMethod,
        budget: usize,
        verifier: &'static str,
    ) -> Entry {
        Entry {
            policy,
            method,
            budget,
            verifier: method.needs_verifier().then_some(verifier),
            width: method.is_stepwise().then_some(budget.min(self.width)),
        }
    }

    /// How an entry's answer is taken.
    pub(super) fn selection(&self, entry: &Entry) -> Selection {
        match entry.method.needs_verifier() {
            true => self.selection,
            false => Selection::Majority,
        }
    }

    /// The search of the headline.
    pub(super) fn headline(&self) -> Entry {
        self.searched(BUDGET)
    }

    /// The headline's search at a budget.
    pub(super) fn searched(&self, budget: usize) -> Entry {
        self.search(self.small, self.method, budget, self.verifier)
    }

    /// What is measured, in the order it is shown.
    pub(super) fn entries(&self, full: bool) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.policies.map(Entry::cot).to_vec();
        entries.push(Entry::cot(self.speaker));
        // Majority after best-of-N, whose samples it votes on.
        let methods = [BEST_OF_N, MAJORITY, BEAM, DVTS];
        if full {
            for policy in self.policies {
                for method in methods {
                    let budgets = [4, 16, BUDGET, 256].into_iter();
                    let row = |budget| self.search(policy, method, budget, self.verifier);
                    entries.extend(budgets.map(row));
                }
                for &other in self.others {
                    entries.push(self.search(policy, BEST_OF_N, BUDGET, other));
                    entries.push(self.search(policy, DVTS, BUDGET, other));
                }
            }
            return entries;
        }
        for method in methods {
            // The best method of each ground at every budget, the others at the largest.
            let budgets = match method == self.method {
                true => self.budgets,
                false => &[BUDGET][..],
            };
            let row = |&budget| self.search(self.small, method, budget, self.verifier);
            entries.extend(budgets.iter().map(row));
        }
        entries.push(self.search(self.small, self.method, BUDGET, STEP_CHECKER));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_hold_what_the_report_speaks_of_and_nothing_twice() {
        for ground in [GRIDS, ARITHMETIC] {
            for full in [false, true] {
                let entries = ground.entries(full);
                for spoken_of in [
                    Entry::cot(ground.small),
                    Entry::cot(ground.large),
                    Entry::cot(ground.speaker),
                    ground.search(ground.small, MAJORITY, BUDGET, ground.verifier),
                    ground.searched(16),
                    ground.headline(),
                    ground.search(ground.small, ground.method, BUDGET, STEP_CHECKER),
                ] {
                    let times = entries.iter().filter(|&&entry| entry == spoken_of).count();
                    assert_eq!(times, 1, "{}: {spoken_of:?}, full: {full}", ground.name);
                }
            }
        }
    }
}
