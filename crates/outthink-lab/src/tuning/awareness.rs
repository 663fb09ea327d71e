//! Ablation: how much of a strategy's gain comes from having been fitted to the verifier it runs with? *Aware* is fitted with
//! verifier A, *blind* with B; both run with A. Majority is open to both.

use outthink_strategy::{CostModelError, Unit};

use super::chooser::costs;
use super::evaluation::{banded, commonest, difference};
use super::evidence::Evidence;
use super::tune::{Outcome, Tuning};
use crate::estimate::interval::Difference;

/// Both at a budget.
pub(super) struct Awareness {
    /// The budget.
    pub(super) budget: f64,
    /// The verifier that blind was fitted with.
    pub(super) other: String,
    /// Do both choose as the paper does, by oracle bands, or else by what the first samples show?
    pub(super) bands: bool,
    /// Fitted with this verifier.
    pub(super) aware: Outcome,
    /// Fitted with the other.
    pub(super) blind: Outcome,
    /// Aware minus blind.
    pub(super) gain: Difference,
    /// The candidates taken most often: aware, blind.
    pub(super) usual: [usize; 2],
}

/// Both for a verifier of this number, with each of the others, for budgets in samples; none if there are no others or a budget buys
/// nothing.
pub(super) fn awareness(
    tune: &Evidence,
    test: &Evidence,
    verifier: usize,
    budgets: &[f64],
) -> Result<Vec<Awareness>, CostModelError> {
    // In samples: of verifiers that change places the work would be priced by the other's shape.
    let cost_model = tune.cost_model(Unit::Samples)?;
    let unseen = test.cost_model(Unit::Samples)?;
    let plain = costs(test, &unseen, None);
    let all: Vec<usize> = (0..tune.rows.len()).collect();
    let fitted = |verifier: usize| Tuning::new(tune, &cost_model, open_to(tune, verifier), 5, 0);
    let aware = fitted(verifier);
    let tuned = aware.fit(budgets);
    let mut found = Vec::new();
    for other in (0..tune.verifiers.len()).filter(|other| *other != verifier) {
        let blind = fitted(other);
        let mut pairs = Vec::new();
        // Where the other stood, there is this one.
        let swapped = test.swapped(verifier, other);
        let misled = costs(&swapped, &unseen, None);
        for &budget in budgets {
            let with = banded(test, &plain, &aware.by_band(&all, budget));
            let without = banded(&swapped, &misled, &blind.by_band(&all, budget));
            pairs.push((budget, true, with.zip(without)));
        }
        let without = blind.fit(budgets);
        for entry in &tuned.entries {
            let same = without
                .entries
                .iter()
                .find(|own| own.budget == entry.budget);
            let outcomes = same.map(|own| {
                let with = tuned.apply(entry, test, &unseen);
                (with, without.apply(own, &swapped, &unseen))
            });
            pairs.push((entry.budget, false, outcomes));
        }
        for (budget, bands, outcomes) in pairs {
            let Some((aware, blind)) = outcomes else {
                continue;
            };
            found.push(Awareness {
                budget,
                bands,
                other: tune.verifiers[other].name.clone(),
                gain: difference(test, &aware.chances, &blind.chances),
                usual: [
                    commonest(&aware.taken),
                    // By the verifier that it runs with.
                    test.twin(commonest(&blind.taken), verifier, other),
                ],
                aware,
                blind,
            });
        }
    }
    Ok(found)
}

/// Candidates that ask no verifier or this one.
fn open_to(evidence: &Evidence, verifier: usize) -> Vec<usize> {
    let name = evidence.verifiers[verifier].name.as_str();
    let open = |place: &usize| {
        let asked = evidence.candidates[*place].verifier.as_deref();
        asked.is_none_or(|asked| asked == name)
    };
    (0..evidence.candidates.len()).filter(open).collect()
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::{self, BIASED, GOOD};
    use super::*;

    #[test]
    fn who_does_not_know_that_a_verifier_is_biased_trusts_it() {
        let (tune, test) = (synthetic::evidence(80, 5), synthetic::evidence(80, 6));
        let biased = tune.verifiers.iter().position(|own| own.name == BIASED);
        let biased = biased.unwrap_or_default();
        let budgets = [16.0, 64.0];
        let found = awareness(&tune, &test, biased, &budgets);
        let found = found.unwrap_or_default();
        assert_eq!(found.len(), 4);
        for own in found {
            let [aware, blind] = own.usual.map(|place| &test.candidates[place]);
            assert_eq!(own.other, GOOD);
            assert!(own.gain.interval.low > 0.2, "{:?}", own.gain);
            assert_eq!(blind.verifier.as_deref(), Some(BIASED));
            assert_ne!(aware.verifier.as_deref(), Some(BIASED));
        }
    }

    #[test]
    fn verifiers_that_change_places_twice_are_where_they_were() {
        let evidence = synthetic::evidence(6, 1);
        let swapped = evidence.swapped(0, 1);
        let back = swapped.swapped(0, 1);
        let differ = |a: &Evidence, b: &Evidence| {
            let rows = a.rows.iter().zip(&b.rows);
            rows.filter(|(a, b)| a.chances != b.chances || a.glimpses != b.glimpses)
                .count()
        };
        assert_eq!(
            (differ(&evidence, &back), differ(&evidence, &swapped)),
            (0, 6)
        );
    }
}
