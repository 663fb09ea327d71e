//! What is chosen among: the candidates that a study has the samples for.

use outthink_core::method::{BEST_OF_N, COT, MAJORITY};
use outthink_core::selection::Reads;
use outthink_core::{AnyMethod, Selection};
use outthink_strategy::{Candidate, PROBE, Stopping};

/// Confidences and risks at which a vote may stop.
const VOTED: [Stopping; 5] = [
    Stopping::Beta(0.8),
    Stopping::Beta(0.9),
    Stopping::Beta(0.95),
    Stopping::Beta(0.99),
    Stopping::Certified(0.1),
];

/// Of a vote by rewards.
const WEIGHTED: [Stopping; 3] = [
    Stopping::Beta(0.9),
    Stopping::Beta(0.95),
    Stopping::Beta(0.99),
];

/// Rewards at which a search may stop.
const REWARDED: [Stopping; 4] = [
    Stopping::Rewarded(0.3),
    Stopping::Rewarded(0.5),
    Stopping::Rewarded(0.9),
    Stopping::Rewarded(0.99),
];

/// A search step by step that a study has made: method, `N`, `M` and verifier.
pub(super) type Searched = (AnyMethod, usize, Option<usize>, String);

/// The selections by rewards, majority first, in every setting that is tried.
pub(super) fn rules() -> Vec<Selection> {
    Selection::rewarded().flat_map(Selection::tried).collect()
}

/// Chain of thought; whole solutions at every one of `budgets`, ascending, alone, by each of the rules that go by what the policy
/// `told`, and with each verifier, and those that may stop; and the searches.
pub(super) fn options(
    greedy: bool,
    budgets: &[usize],
    told: &[Selection],
    verifiers: &[String],
    searches: &[Searched],
) -> Vec<Candidate> {
    let one = |method, budget, selection| Candidate {
        method,
        budget,
        width: None,
        selection,
        verifier: None,
        stopping: None,
        rungs: Vec::new(),
    };
    let mut options = Vec::new();
    if greedy {
        options.push(one(COT, 1, Selection::Majority));
    }
    for &budget in budgets {
        let vote = one(MAJORITY, budget, Selection::Majority);
        options.push(vote.clone());
        if budget > PROBE {
            options.extend(stopped(&vote, &VOTED));
        }
        // They are many, and alike: each at every budget is enough to choose from.
        for rule in told.iter().filter(|_| budget > 1) {
            let settings = rule.tried().into_iter();
            options.extend(settings.map(|rule| one(MAJORITY, budget, rule)));
        }
    }
    for verifier in verifiers {
        for &budget in budgets.iter().filter(|&&n| n > 1) {
            for rule in rules().into_iter().skip(1) {
                let scored = Candidate {
                    verifier: Some(verifier.clone()),
                    ..one(BEST_OF_N, budget, rule)
                };
                options.push(scored.clone());
                if budget > PROBE {
                    if matches!(rule, Selection::Scored(_, voting) if voting.reads() != Reads::Best)
                    {
                        options.extend(stopped(&scored, &WEIGHTED));
                    }
                    options.extend(stopped(&scored, &REWARDED));
                }
            }
        }
    }
    for (method, budget, width, verifier) in searches {
        options.extend(rules().into_iter().map(|rule| Candidate {
            width: *width,
            verifier: Some(verifier.clone()),
            ..one(*method, *budget, rule)
        }));
    }
    options
}

/// The searches that may stop: one of more subtrees begins with those of a smaller one.
pub(super) fn growing(searches: &[Searched]) -> Vec<Candidate> {
    let mut options = Vec::new();
    for (method, budget, width, verifier) in searches {
        let kin = searches.iter().filter(|other| {
            (other.0, other.2, &other.3) == (*method, *width, verifier) && other.1 < *budget
        });
        let mut rungs: Vec<usize> = kin.map(|other| other.1).collect();
        rungs.sort_unstable();
        if !method.traits().nested || rungs.is_empty() {
            continue;
        }
        for selection in rules().into_iter().skip(1) {
            let grown = Candidate {
                method: *method,
                budget: *budget,
                width: *width,
                selection,
                verifier: Some(verifier.clone()),
                stopping: None,
                rungs: rungs.clone(),
            };
            options.extend(stopped(&grown, &REWARDED));
        }
    }
    options
}

fn stopped<'a>(
    candidate: &'a Candidate,
    by: &'a [Stopping],
) -> impl Iterator<Item = Candidate> + 'a {
    by.iter().map(|stopping| Candidate {
        stopping: Some(*stopping),
        ..candidate.clone()
    })
}

#[cfg(test)]
mod tests {
    use outthink_core::method::{BEAM, DVTS};

    use super::*;

    #[test]
    fn only_what_is_drawn_on_may_stop() {
        let search = |method, n| (method, n, Some(4), "prm".to_owned());
        let searches = [
            search(BEAM, 4),
            search(BEAM, 16),
            search(DVTS, 16),
            search(DVTS, 4),
        ];
        let told: Vec<Selection> = Selection::told().skip(1).collect();
        let mut options = options(true, &[1, 4, 8], &told, &["prm".to_owned()], &searches);
        options.extend(growing(&searches));
        for own in &options {
            match own.stopping {
                None => assert!(own.rungs.is_empty()),
                Some(_) if own.method == DVTS => assert_eq!(own.looks(), [4, 16]),
                Some(_) => assert!(own.reuses_probe() && own.looks() == [4, 8]),
            }
        }
        for own in &options {
            for most in 0..20 {
                let less = own.within(most);
                assert!(less.budget <= most.max(1) && less.is_sound() && less.plan().is_ok());
                assert!(most < own.budget || less == *own);
            }
        }
        let damaged = |own: &Candidate, how: &dyn Fn(&mut Candidate)| {
            let mut other = own.clone();
            how(&mut other);
            other.is_sound()
        };
        for own in &options {
            assert!(own.is_sound());
            assert!(!damaged(own, &|own| own.width = own.width.xor(Some(0))));
            assert!(!damaged(own, &|own| own.rungs.insert(0, own.budget)));
            let stepwise = own.method.is_stepwise();
            let beam = stepwise && own.stopping.is_some();
            assert!(!beam || !damaged(own, &|own| own.method = BEAM));
            let rewarded = Some(Stopping::Rewarded(0.5));
            let voted = own.selection == Selection::Majority;
            assert!(!voted || !damaged(own, &|own| own.stopping = rewarded));
        }
        let growing = options.iter().filter(|own| !own.rungs.is_empty());
        assert_eq!(growing.count(), (rules().len() - 1) * REWARDED.len());
    }
}
