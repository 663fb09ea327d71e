//! A fitted strategy as a file.

use outthink_core::ModelInfo;
use outthink_core::identity::{canonical, sha256};
use outthink_strategy::features::features;
use outthink_strategy::written::{
    Budgeted, Eliminated, Listed, Model, Origin, Probed, VERSION, Written, names,
};
use outthink_strategy::{
    Candidate, CostModel, Fitted, PROBE, Probe, Seen, StrategyError, StrategyFile, rounded,
};

use super::evaluation::majority;
use super::evidence::Evidence;
use super::tune::{Decision, Entry, Tuned};
use crate::study::Study;
use crate::study::recipe::ModelEntry;

/// The file of what was fitted.
pub fn strategy_file(
    study: &Study,
    evidence: &Evidence,
    cost_model: &CostModel,
    tuned: &Tuned,
) -> Result<StrategyFile, StrategyError> {
    StrategyFile::from_written(written(study, evidence, cost_model, tuned))
}

/// What was fitted; only what may be taken is written.
fn written(study: &Study, evidence: &Evidence, cost_model: &CostModel, tuned: &Tuned) -> Written {
    let load = |info: &ModelInfo, own: &[ModelInfo], entries: &[ModelEntry]| {
        let place = own.iter().position(|other| other.name == info.name);
        let entry = place.and_then(|place| entries.get(place));
        let mut table = entry.map(ModelEntry::table).unwrap_or_default();
        table.methods = None;
        Fitted::of(info, table)
    };
    let recipe = &study.recipe;
    let policy = load(&evidence.policy, &study.policies, &recipe.policies);
    let verifier = |info| load(info, &study.verifiers, &recipe.verifiers);
    let mean = |place: usize| {
        let chances = evidence.rows.iter().map(|row| row.chances[place]);
        chances.sum::<f64>() / evidence.rows.len().max(1) as f64
    };
    // Only what may be taken is written.
    let asked = |number: &usize| {
        let asks = |entry: &Entry| matches!(entry.decision, Decision::Predicted { predictor, .. } if predictor == *number);
        tuned.entries.iter().any(asks)
    };
    let asked: Vec<usize> = (0..tuned.predictors.len()).filter(asked).collect();
    let models = asked
        .iter()
        .flat_map(|&own| tuned.predictors[own].models.iter());
    let always = tuned
        .entries
        .iter()
        .filter_map(|entry| match entry.decision {
            Decision::Always(taken) => Some(taken),
            Decision::Predicted { .. } => None,
        });
    let shared = tuned
        .entries
        .iter()
        .filter_map(|entry| entry.shared.as_ref());
    let shared = shared.map(|shared| shared.candidate);
    let models = models.map(|model| model.candidate);
    let mut used: Vec<usize> = models.chain(always).chain(shared).collect();
    used.sort_unstable();
    used.dedup();
    let place = |of: &[usize], number: usize| {
        let found = of.binary_search(&number);
        found.expect("what an entry uses is among what is written")
    };
    let budgeted = tuned.entries.iter().map(|entry| {
        let (always, predictor, multiplier) = match entry.decision {
            Decision::Always(taken) => (Some(place(&used, taken)), None, None),
            Decision::Predicted {
                predictor,
                multiplier,
            } => (None, Some(place(&asked, predictor)), Some(multiplier)),
        };
        Budgeted {
            budget: entry.budget,
            always,
            predictor,
            multiplier,
            accuracy: rounded(entry.validated.accuracy()),
            spent: rounded(entry.validated.cost()),
            confidence: entry.confidence.clone().rounded(rounded),
            shared: entry.shared.as_ref().map(|shared| Eliminated {
                candidate: place(&used, shared.candidate),
                order: shared.order.to_string(),
                accuracy: rounded(shared.validated.accuracy()),
                confidence: shared.confidence.clone().rounded(rounded),
            }),
        }
    });
    let all = |values: &[f64]| values.iter().copied().map(rounded).collect::<Vec<f64>>();
    let predictors = asked.iter().map(|&number| {
        let own = &tuned.predictors[number];
        let models = own.models.iter().map(|model| Model {
            candidate: place(&used, model.candidate),
            chance: all(&model.chance.0),
            cost: all(&model.cost.0),
            least: rounded(model.least),
        });
        Probed {
            verifier: match own.probe {
                Probe::Votes => None,
                Probe::Verifier(v) => Some(evidence.verifiers[v].name.clone()),
            },
            features: names(own.probe),
            means: all(&own.scale.means),
            deviations: all(&own.scale.deviations),
            models: models.collect(),
        }
    });
    let candidates = used
        .iter()
        .map(|&number| write(&evidence.candidates[number], rounded(mean(number))));
    Written {
        version: VERSION,
        unit: cost_model.unit(),
        sample: rounded(sample(evidence, cost_model)),
        probe: PROBE,
        study: Origin {
            name: study.name.clone(),
            dataset: study.dataset.clone(),
            problems: evidence.problems,
            runs: evidence.rows.len(),
            fingerprint: sha256(canonical(study).as_bytes()),
        },
        seen: seen(study, evidence),
        policy,
        verifiers: evidence.verifiers.iter().map(verifier).collect(),
        budgets: budgeted.collect(),
        candidates: candidates.collect(),
        predictors: predictors.collect(),
    }
}

/// What the problems are like.
fn seen(study: &Study, evidence: &Evidence) -> Option<Seen> {
    let texts = study.problems.iter().map(|own| own.text.as_str());
    let rows = evidence.rows.iter().filter_map(|row| row.glimpses.first());
    Seen::among(texts, rows.map(|first| features(first, false)))
}

/// What a whole solution costs on average, drawn alone.
fn sample(evidence: &Evidence, cost_model: &CostModel) -> f64 {
    let Some(place) = majority(evidence, 1) else {
        return 1.0;
    };
    let costs = evidence
        .rows
        .iter()
        .map(|row| cost_model.drawing(&row.costs[place]));
    costs.sum::<f64>() / evidence.rows.len().max(1) as f64
}

fn write(candidate: &Candidate, accuracy: f64) -> Listed {
    Listed {
        method: candidate.method,
        n: candidate.budget,
        width: candidate.width,
        selection: candidate.selection.to_string(),
        verifier: candidate.verifier.clone(),
        stopping: candidate.stopping.map(|stopping| stopping.to_string()),
        rungs: candidate.rungs.clone(),
        accuracy,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use outthink_strategy::{Bounds, Ended};

    use super::super::synthetic;
    use super::*;

    /// Strategies are kept and compared by their text: whoever changes one of these changes the files that people have.
    #[test]
    fn the_same_evidence_makes_the_same_file() {
        let evidence = synthetic::evidence(80, 2);
        for (verified, file, fingerprint) in [
            (
                true,
                include_str!("../../tests/fitted/rewarded.toml"),
                "817888ab6712977ae14058c00f8c9caa",
            ),
            (
                false,
                include_str!("../../tests/fitted/voted.toml"),
                "c9d117f7314eea63e1bf855ad306fac2",
            ),
        ] {
            let strategy = synthetic::strategy(&evidence, verified);
            assert_eq!(strategy.text().unwrap(), file);
            assert_eq!(strategy.fingerprint(), fingerprint);
        }
    }

    #[test]
    fn a_strategy_that_was_written_and_read_chooses_the_same() {
        let evidence = synthetic::evidence(60, 1);
        let strategy = synthetic::strategy(&evidence, true);
        let read = StrategyFile::parse(&strategy.text().unwrap()).unwrap();
        assert_eq!(read.text().unwrap(), strategy.text().unwrap());
        assert_eq!(read.fingerprint(), strategy.fingerprint());
        for budget in [4.0, 10.0, 64.0, 1e6] {
            let reader = strategy.probe(budget).unwrap().flatten();
            let place = evidence
                .verifiers
                .iter()
                .position(|own| Some(own.name.as_str()) == reader);
            for row in &evidence.rows {
                let glimpses = &row.glimpses[place.map_or(0, |place| place + 1)];
                let chosen = strategy
                    .choose(budget, glimpses, Bounds::default())
                    .unwrap();
                assert_eq!(
                    chosen,
                    read.choose(budget, glimpses, Bounds::default()).unwrap()
                );
                let said = chosen.predicted.unwrap();
                let sure = |votes: f64| {
                    let ended = Ended {
                        said,
                        stepwise: false,
                        votes,
                        all: 64.0,
                        reward: None,
                    };
                    strategy.confidence(budget, &ended).unwrap()
                };
                assert!(0.0 < sure(20.0) && sure(20.0) <= sure(64.0) && sure(64.0) < 1.0);
                let bounded = strategy
                    .choose(
                        budget,
                        glimpses,
                        Bounds {
                            most: Some(4),
                            price: None,
                        },
                    )
                    .unwrap();
                assert!(bounded.candidate.budget <= 4);
            }
        }
        let poor = strategy
            .choose(0.5, &[], Bounds::default())
            .unwrap_err()
            .to_string();
        assert!(poor.contains("smallest budget is 4"), "{poor}");
    }
}
