//! What stands in a strategy's file, and how it becomes candidates and predictors.

use outthink_core::{AnyMethod, Selection};
use serde::{Deserialize, Serialize};

use super::candidate::Candidate;
use super::chooser::{Forecast, Predictor, Probe};
use super::confidence::Confidence;
use super::evaluation::majority;
use super::evidence::Evidence;
use super::features::{NAMES, WITHOUT_REWARDS};
use super::fitted::Fitted;
use super::predictor::{Linear, Scale};
use super::stopping::Stopping;
use super::tariff::{Tariff, Unit};
use super::tune::{Decision, Entry, Tuned};
use super::unlike::Seen;
use crate::study::{ModelInfo, Study, canonical, sha256};

/// The format that is written and read.
pub(super) const VERSION: u32 = 3;

/// Where a strategy comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The study's name.
    pub name: String,
    /// Its data set.
    pub dataset: String,
    /// Its problems.
    pub problems: usize,
    /// Runs that were complete.
    pub runs: usize,
    /// A hash of all that the study is made from.
    pub fingerprint: String,
}

/// A candidate, as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Listed {
    pub(super) method: AnyMethod,
    pub(super) n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) width: Option<usize>,
    pub(super) selection: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stopping: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rungs: Vec<usize>,
    /// On the problems that it was fitted on, all alike.
    pub(super) accuracy: f64,
}

/// A predictor, as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Probed {
    /// The verifier that reads the probe; none if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verifier: Option<String>,
    pub(super) features: Vec<String>,
    pub(super) means: Vec<f64>,
    pub(super) deviations: Vec<f64>,
    pub(super) models: Vec<Model>,
}

/// Intercepts and weights of one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) candidate: usize,
    pub(super) chance: Vec<f64>,
    pub(super) cost: Vec<f64>,
    /// The least that it has cost.
    pub(super) least: f64,
}

/// What is done for a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Budgeted {
    pub(super) budget: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) always: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) predictor: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) multiplier: Option<f64>,
    /// By cross-validation.
    pub(super) accuracy: f64,
    pub(super) spent: f64,
    pub(super) confidence: Confidence,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shared: Option<Eliminated>,
}

/// What is done where many problems share a total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Eliminated {
    pub(super) candidate: usize,
    pub(super) order: String,
    /// By cross-validation.
    pub(super) accuracy: f64,
    pub(super) confidence: Confidence,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub(super) version: u32,
    pub(super) unit: Unit,
    /// What a sample costs in it on average, drawn alone.
    pub(super) sample: f64,
    pub(super) probe: usize,
    pub(super) study: Origin,
    /// What its problems are like; what was written before that was known has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seen: Option<Seen>,
    pub(super) policy: Fitted,
    #[serde(default)]
    pub(super) verifiers: Vec<Fitted>,
    pub(super) budgets: Vec<Budgeted>,
    pub(super) candidates: Vec<Listed>,
    #[serde(default)]
    pub(super) predictors: Vec<Probed>,
}

impl Written {
    /// What was fitted; only what may be taken is written.
    pub(super) fn of(study: &Study, evidence: &Evidence, tariff: &Tariff, tuned: &Tuned) -> Self {
        let load =
            |info: &ModelInfo, own: &[ModelInfo], entries: &[crate::study::recipe::ModelEntry]| {
                let place = own.iter().position(|other| other.name == info.name);
                let entry = place.and_then(|place| entries.get(place));
                let mut table = entry
                    .map(crate::study::recipe::ModelEntry::table)
                    .unwrap_or_default();
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
        Self {
            version: VERSION,
            unit: tariff.unit(),
            sample: rounded(sample(evidence, tariff)),
            probe: super::PROBE,
            study: Origin {
                name: study.name.clone(),
                dataset: study.dataset.clone(),
                problems: evidence.problems,
                runs: evidence.rows.len(),
                fingerprint: sha256(canonical(study).as_bytes()),
            },
            seen: Seen::of(study, evidence),
            policy,
            verifiers: evidence.verifiers.iter().map(verifier).collect(),
            budgets: budgeted.collect(),
            candidates: candidates.collect(),
            predictors: predictors.collect(),
        }
    }
}

/// What a whole solution costs on average, drawn alone.
fn sample(evidence: &Evidence, tariff: &Tariff) -> f64 {
    let Some(place) = majority(evidence, 1) else {
        return 1.0;
    };
    let costs = evidence
        .rows
        .iter()
        .map(|row| tariff.drawing(&row.costs[place]));
    costs.sum::<f64>() / evidence.rows.len().max(1) as f64
}

/// To six digits, as written.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

pub(super) fn names(probe: Probe) -> Vec<String> {
    let count = match probe {
        Probe::Votes => WITHOUT_REWARDS,
        Probe::Verifier(_) => NAMES.len(),
    };
    NAMES[..count]
        .iter()
        .map(|name| (*name).to_owned())
        .collect()
}

pub(super) fn write(candidate: &Candidate, accuracy: f64) -> Listed {
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

pub(super) fn read(option: &Listed) -> Result<Candidate, String> {
    let stopping = option
        .stopping
        .as_ref()
        .map(|text| text.parse::<Stopping>());
    Ok(Candidate {
        method: option.method,
        budget: option.n,
        width: option.width,
        selection: option.selection.parse::<Selection>()?,
        verifier: option.verifier.clone(),
        stopping: stopping.transpose()?,
        rungs: option.rungs.clone(),
    })
}

pub(super) fn predictor(
    own: &Probed,
    verifiers: &[Fitted],
    candidates: usize,
) -> Result<Predictor, String> {
    let probe = match &own.verifier {
        None => Probe::Votes,
        Some(name) => {
            let place = verifiers.iter().position(|own| own.name == *name);
            Probe::Verifier(place.ok_or_else(|| format!("there is no verifier `{name}`"))?)
        }
    };
    let count = names(probe).len();
    if own.features != names(probe) || own.means.len() != count || own.deviations.len() != count {
        return Err("a predictor's features are not those that are known".into());
    }
    let sound = |model: &Model| {
        let all = || model.chance.iter().chain(&model.cost);
        model.candidate < candidates
            && model.chance.len() == count + 1
            && model.cost.len() == count + 1
            && all().all(|weight| weight.is_finite())
            && model.least.is_finite()
    };
    if own.models.is_empty() || !own.models.iter().all(sound) {
        return Err("a predictor's weights do not fit its features".into());
    }
    if own.deviations.iter().any(|deviation| *deviation <= 0.0) {
        return Err("a predictor's deviation is not positive".into());
    }
    let models = own.models.iter().map(|model| Forecast {
        candidate: model.candidate,
        chance: Linear(model.chance.clone()),
        cost: Linear(model.cost.clone()),
        least: model.least,
    });
    Ok(Predictor {
        probe,
        scale: Scale {
            means: own.means.clone(),
            deviations: own.deviations.clone(),
        },
        models: models.collect(),
    })
}
