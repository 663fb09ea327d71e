//! A strategy of either kind: fitted on a study, or fixed by others.

use outthink_core::{AnyMethod, ModelInfo};

use crate::builtin::Fixed;
use crate::choice::{Bounds, Chosen};
use crate::confidence::Ended;
use crate::cost_model::Unit;
use crate::elimination::Elimination;
use crate::error::StrategyError;
use crate::features::ProbeFeatures;
use crate::file::StrategyFile;
use crate::predictor::Predicted;
use crate::unlike::Shown;

/// A strategy, ready to choose.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// Fitted by `outthink tune`, for its models.
    Fitted(Box<StrategyFile>),
    /// A recipe of others, with the models that are there.
    Fixed(Fixed),
}

impl Strategy {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, StrategyError> {
        StrategyFile::parse(text).map(|file| Self::Fitted(Box::new(file)))
    }

    /// Where it comes from, for people.
    pub fn source(&self) -> String {
        match self {
            Self::Fitted(file) => {
                let origin = file.origin();
                format!("fitted on {} of {}", origin.name, origin.dataset)
            }
            Self::Fixed(fixed) => fixed.name().source().to_owned(),
        }
    }

    /// What its confidence rests on, for people.
    pub fn grounds(&self) -> String {
        match self {
            Self::Fitted(file) => {
                let origin = file.origin();
                let (count, dataset) = (origin.problems, &origin.dataset);
                match file.knows_problems() {
                    true => format!("fitted on {count} problems of {dataset}"),
                    false => format!(
                        "fitted on {count} problems of {dataset}, and true of problems like these only; the file does not say what they are like"
                    ),
                }
            }
            Self::Fixed(_) => "nothing was fitted".into(),
        }
    }

    /// A hash of all that it does.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Fitted(file) => file.fingerprint(),
            Self::Fixed(fixed) => fixed.fingerprint(),
        }
    }

    /// The unit of its budgets.
    pub fn unit(&self) -> Unit {
        match self {
            Self::Fitted(file) => file.unit(),
            Self::Fixed(_) => Unit::Samples,
        }
    }

    /// What a sample costs in that unit on average, drawn alone.
    pub fn sample(&self) -> f64 {
        match self {
            Self::Fitted(file) => file.sample(),
            Self::Fixed(_) => 1.0,
        }
    }

    /// The budgets that it was fitted for, ascending; a fixed one takes any.
    pub fn budgets(&self) -> Option<Vec<f64>> {
        match self {
            Self::Fitted(file) => Some(file.budgets()),
            Self::Fixed(_) => None,
        }
    }

    /// The smallest budget that it has something for, in samples: those that cost as much on average.
    pub fn smallest_in_samples(&self) -> usize {
        let fitted = self.budgets().unwrap_or_default();
        let least = |budget: &f64| (budget / self.sample()).ceil() as usize;
        fitted.first().map_or(1, least)
    }

    /// The names of the verifiers that it may ask at a budget, for one problem or for many that share a total.
    pub fn asks(&self, budget: f64, together: bool) -> Result<Vec<&str>, StrategyError> {
        match self {
            Self::Fitted(file) => {
                let asked = file.asks(budget, together)?;
                Ok(asked.into_iter().map(|own| own.name.as_str()).collect())
            }
            Self::Fixed(fixed) => Ok(vec![fixed.verifier()]),
        }
    }

    /// Is it for these models? Another policy or verifier is an error; another profile is a warning.
    pub fn check(
        &self,
        policy: &ModelInfo,
        verifiers: &[&ModelInfo],
    ) -> Result<Vec<String>, StrategyError> {
        match self {
            Self::Fitted(file) => file.check(policy, verifiers),
            Self::Fixed(_) => Ok(Vec::new()),
        }
    }

    /// Who reads the probe at a budget, if there is one: none for no probe, else the verifier's name or none.
    pub fn probe(&self, budget: f64) -> Result<Option<Option<&str>>, StrategyError> {
        match self {
            Self::Fitted(file) => file.probe(budget),
            Self::Fixed(fixed) => Ok(fixed.probes().then_some(None)),
        }
    }

    /// How sure one may be of an answer that was found for a budget; nothing is known where nothing was fitted.
    pub fn confidence(&self, budget: f64, ended: &Ended) -> Result<Option<f64>, StrategyError> {
        match self {
            Self::Fitted(file) => file.confidence(budget, ended).map(Some),
            Self::Fixed(_) => Ok(None),
        }
    }

    /// Why a problem is not like those that it was fitted on, if it is not: then nothing is known of its answer.
    pub fn unlike(
        &self,
        budget: f64,
        problem: &str,
        shown: &Shown,
    ) -> Result<Option<String>, StrategyError> {
        match self {
            Self::Fitted(file) => file.unlike(budget, problem, shown),
            Self::Fixed(_) => Ok(None),
        }
    }

    /// The methods that it may take.
    pub fn methods(&self) -> Vec<AnyMethod> {
        match self {
            Self::Fitted(file) => file.methods(),
            Self::Fixed(fixed) => fixed.methods().to_vec(),
        }
    }

    /// How a total of `budget` a problem is spent by what draws show, if it is.
    pub fn shared(&self, budget: f64) -> Result<Option<Elimination>, StrategyError> {
        match self {
            Self::Fitted(file) => file.shared(budget),
            Self::Fixed(_) => Ok(None),
        }
    }

    /// What is predicted of each candidate, if the budget is one for which the first samples are looked at.
    pub(crate) fn predicted(
        &self,
        budget: f64,
        glimpses: &[ProbeFeatures],
    ) -> Result<Option<Predicted>, StrategyError> {
        match self {
            Self::Fitted(file) => file.predicted(budget, glimpses),
            Self::Fixed(_) => Ok(None),
        }
    }

    /// What a problem gets, by the first samples if the budget is one for which they are looked at.
    pub fn choose(
        &self,
        budget: f64,
        glimpses: &[ProbeFeatures],
        bounds: Bounds,
    ) -> Result<Chosen, StrategyError> {
        match self {
            Self::Fitted(file) => file.choose(budget, glimpses, bounds),
            Self::Fixed(fixed) => Ok(fixed.choose(budget, glimpses)),
        }
    }
}
