//! What stands in a strategy's file, and how it becomes candidates and predictors.

use outthink_core::{AnyMethod, Selection};
use serde::{Deserialize, Serialize};

use crate::candidate::Candidate;
use crate::confidence::Confidence;
use crate::cost_model::Unit;
use crate::features::{NAMES, WITHOUT_REWARDS};
use crate::fitted::Fitted;
use crate::linear::{Linear, Scale};
use crate::predictor::{Forecast, Predictor, Probe};
use crate::stopping::Stopping;
use crate::unlike::Seen;

/// The format that is written and read.
pub const VERSION: u32 = 3;

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
pub struct Listed {
    /// The method.
    pub method: AnyMethod,
    /// The budget `N`.
    pub n: usize,
    /// The beam width `M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// How the answer is chosen.
    pub selection: String,
    /// The verifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// When it stops before `N`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopping: Option<String>,
    /// The budgets below `N` after which it looks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<usize>,
    /// On the problems that it was fitted on, all alike.
    pub accuracy: f64,
}

/// A predictor, as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Probed {
    /// The verifier that reads the probe; none if none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier: Option<String>,
    /// The names of the features.
    pub features: Vec<String>,
    /// Their means.
    pub means: Vec<f64>,
    /// Their standard deviations.
    pub deviations: Vec<f64>,
    /// What it says of each candidate.
    pub models: Vec<Model>,
}

/// Intercepts and weights of one candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The place of the candidate.
    pub candidate: usize,
    /// Of the logit of its chance.
    pub chance: Vec<f64>,
    /// Of its cost.
    pub cost: Vec<f64>,
    /// The least that it has cost.
    pub least: f64,
}

/// What is done for a budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgeted {
    /// The budget per problem.
    pub budget: f64,
    /// The candidate that every problem gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<usize>,
    /// Or the predictor that chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictor: Option<usize>,
    /// And its price of compute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
    /// By cross-validation.
    pub accuracy: f64,
    /// What that cost.
    pub spent: f64,
    /// How sure one may be of the answer in the end.
    pub confidence: Confidence,
    /// What is done where problems share a total.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shared: Option<Eliminated>,
}

/// What is done where many problems share a total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Eliminated {
    /// The place of the candidate.
    pub candidate: usize,
    /// Who draws on first.
    pub order: String,
    /// By cross-validation.
    pub accuracy: f64,
    /// How sure one may be of the answer in the end.
    pub confidence: Confidence,
}

/// A strategy's file, as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// The format.
    pub version: u32,
    /// What budgets are counted in.
    pub unit: Unit,
    /// What a sample costs in it on average, drawn alone.
    pub sample: f64,
    /// Samples of a probe.
    pub probe: usize,
    /// Where it comes from.
    pub study: Origin,
    /// What its problems are like; what was written before that was known has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The policy.
    pub policy: Fitted,
    /// The verifiers.
    #[serde(default)]
    pub verifiers: Vec<Fitted>,
    /// What is done, by budget.
    pub budgets: Vec<Budgeted>,
    /// What may be chosen.
    pub candidates: Vec<Listed>,
    /// The predictors.
    #[serde(default)]
    pub predictors: Vec<Probed>,
}

/// The names of a probe's features.
pub fn names(probe: Probe) -> Vec<String> {
    let count = match probe {
        Probe::Votes => WITHOUT_REWARDS,
        Probe::Verifier(_) => NAMES.len(),
    };
    NAMES[..count]
        .iter()
        .map(|name| (*name).to_owned())
        .collect()
}

pub(crate) fn read(option: &Listed) -> Result<Candidate, String> {
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

pub(crate) fn predictor(
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
