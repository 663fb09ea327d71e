//! What a budget is counted in.

use outthink_core::{Expected, ModelInfo, Usage};
use serde::{Deserialize, Serialize};

/// What a budget is counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Samples; what a verifier reads is free.
    #[default]
    Samples,
    /// Tokens that the policy draws and those that the verifier reads.
    Tokens,
    /// Floating-point operations, all of them (see [`outthink_core::ModelCost::full_flops`]).
    Flops,
    /// Seconds, as the study took them.
    Seconds,
    /// Money, by the prices of the study's recipe.
    Money,
}

impl Unit {
    /// All units.
    pub const ALL: [Self; 5] = [
        Self::Samples,
        Self::Tokens,
        Self::Flops,
        Self::Seconds,
        Self::Money,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Tokens => "tokens",
            Self::Flops => "flops",
            Self::Seconds => "seconds",
            Self::Money => "money",
        }
    }
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Unit {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|unit| unit.name() == name)
            .ok_or_else(|| format!("unknown unit `{name}` (one of {known})"))
    }
}

/// What something costs, by every measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Samples.
    pub samples: f64,
    /// The policy's work.
    pub policy: Expected,
    /// The verifier's work.
    pub verifier: Expected,
    /// The policy's seconds, as its study took them.
    pub policy_seconds: f64,
    /// The verifier's.
    pub verifier_seconds: f64,
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.samples += other.samples;
        self.policy += other.policy;
        self.verifier += other.verifier;
        self.policy_seconds += other.policy_seconds;
        self.verifier_seconds += other.verifier_seconds;
    }
}

impl Cost {
    /// A fraction of it.
    pub fn scaled(self, by: f64) -> Self {
        Self {
            samples: self.samples * by,
            policy: self.policy.scaled(by),
            verifier: self.verifier.scaled(by),
            policy_seconds: self.policy_seconds * by,
            verifier_seconds: self.verifier_seconds * by,
        }
    }
}

/// A cost cannot be told in a unit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CostModelError {
    /// A model's shape is not known.
    #[error(
        "{model} does not tell its size; say `parameters` in its table of the recipe, or count in another unit"
    )]
    NoShape {
        /// The model.
        model: String,
    },
    /// A model has no price.
    #[error(
        "{model} has no `price` in the study's recipe; run the study with one, or count in another unit"
    )]
    NoPrice {
        /// The model.
        model: String,
    },
}

/// Prices by which costs become numbers of one unit.
#[derive(Clone, Debug)]
pub struct CostModel {
    unit: Unit,
    policy: ModelInfo,
    verifiers: Vec<ModelInfo>,
}

impl CostModel {
    /// The prices of a policy and its verifiers in a unit.
    pub fn new(
        unit: Unit,
        policy: &ModelInfo,
        verifiers: &[ModelInfo],
    ) -> Result<Self, CostModelError> {
        for model in std::iter::once(policy).chain(verifiers) {
            let name = || model.name.clone();
            match unit {
                Unit::Flops if model.shape().is_none() => {
                    return Err(CostModelError::NoShape { model: name() });
                }
                Unit::Money if model.price.is_none() => {
                    return Err(CostModelError::NoPrice { model: name() });
                }
                _ => {}
            }
        }
        Ok(Self {
            unit,
            policy: policy.clone(),
            verifiers: verifiers.to_vec(),
        })
    }

    /// The unit.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// What the policy's part of a cost comes to.
    pub fn drawing(&self, cost: &Cost) -> f64 {
        match self.unit {
            Unit::Samples => cost.samples,
            Unit::Tokens => cost.policy.generated,
            Unit::Seconds => cost.policy_seconds,
            Unit::Flops | Unit::Money => self.model(&self.policy, &cost.policy),
        }
    }

    /// What a verifier's part comes to.
    pub fn reading(&self, cost: &Cost, verifier: Option<&str>) -> f64 {
        let model = verifier.and_then(|name| self.verifiers.iter().find(|own| own.name == name));
        let Some(model) = model else {
            return 0.0;
        };
        match self.unit {
            Unit::Samples => 0.0,
            Unit::Tokens => cost.verifier.computed,
            Unit::Seconds => cost.verifier_seconds,
            Unit::Flops | Unit::Money => self.model(model, &cost.verifier),
        }
    }

    /// What draws and readings come to that were counted.
    pub fn spent(&self, samples: usize, policy: &Usage, read: &[(String, Usage)]) -> f64 {
        let drawn = Cost {
            samples: samples as f64,
            policy: (*policy).into(),
            ..Cost::default()
        };
        let read = read.iter().map(|(name, usage)| {
            let read = Cost {
                verifier: (*usage).into(),
                ..Cost::default()
            };
            self.reading(&read, Some(name))
        });
        self.drawing(&drawn) + read.sum::<f64>()
    }

    fn model(&self, model: &ModelInfo, work: &Expected) -> f64 {
        let million = |[prompt, drawn]: [f64; 2]| {
            let read = (work.computed - work.generated).max(0.0);
            (read * prompt + work.generated * drawn) / 1e6
        };
        match self.unit {
            Unit::Money => model.price.map_or(0.0, million),
            _ => model.shape().map_or(0.0, |shape| shape.full_flops(*work)),
        }
    }
}
