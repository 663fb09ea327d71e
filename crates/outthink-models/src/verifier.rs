//! A verifier of any make, and one that is loaded.

use futures::future::BoxFuture;
use outthink_core::{
    Calibrated, Isotonic, Judgement, ModelCost, ModelError, ModelInfo, Prefix, Verifier,
    combined_cost,
};
use outthink_engine::EmbeddedVerifier;
use outthink_micro::{Experts, StepChecker, experts};
use outthink_remote::RemoteVerifier;

use crate::combination::CombinedVerifier;
use crate::identity::told;
use crate::policy::families;
use crate::{AnyPolicy, Judge, LoadedProbe};

/// The exact step checker's name.
pub const STEP_CHECKER: &str = "step-checker";

/// A verifier that is loaded, with what is known of it. It is a [`Verifier`] itself.
pub struct LoadedVerifier {
    /// The model.
    pub model: AnyVerifier,
    /// What a study knows of it.
    pub info: ModelInfo,
}

impl Verifier for LoadedVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        self.model.score(prefixes)
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        self.model.reads(prefix)
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        self.model.at_hand(prefix)
    }
}

/// A verifier of any make.
pub enum AnyVerifier {
    /// A model in this process.
    Model(Box<EmbeddedVerifier>),
    /// Two of them as one.
    Experts {
        /// The two.
        experts: Box<Experts<EmbeddedVerifier>>,
        /// What their profiles are called together.
        profile_name: String,
    },
    /// A model on servers.
    Remote(RemoteVerifier),
    /// A head on the states of the policy.
    Probe(Box<LoadedProbe>),
    /// A policy that is asked for its verdict.
    Generative(Box<Judge>),
    /// The exact checker of the embedded families' problems.
    StepChecker(StepChecker),
    /// Several as one, with weights.
    Combined(Box<CombinedVerifier>),
    /// Another one behind a map of its rewards.
    Calibrated(Box<Calibrated<Self>>),
}

impl AnyVerifier {
    /// The verifier without its calibration.
    pub fn bare(&self) -> &Self {
        match self {
            Self::Calibrated(calibrated) => &calibrated.verifier,
            own => own,
        }
    }

    /// The verifier behind a map of its rewards.
    pub fn calibrated(self, map: Isotonic) -> Self {
        Self::Calibrated(Box::new(Calibrated {
            verifier: self,
            map,
        }))
    }

    /// The profile in force; the step checker has none.
    pub fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Calibrated(calibrated) => calibrated.verifier.profile_name(),
            Self::Model(model) => Some(model.profile_name()),
            Self::Experts { profile_name, .. } => Some(profile_name),
            Self::Remote(servers) => Some(servers.profile_name()),
            Self::Generative(judge) => Some(&judge.profile),
            Self::StepChecker(_) | Self::Probe(_) | Self::Combined(_) => None,
        }
    }

    /// The model's shape, as far as it is known; the step checker is no model and computes nothing.
    pub fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::Experts { experts, .. } => {
                Some(experts::cost(experts.both().map(EmbeddedVerifier::cost)))
            }
            Self::Remote(servers) => told(servers.facts()),
            Self::Probe(probe) => Some(probe.verifier.cost()),
            Self::Generative(judge) => judge.cost,
            Self::StepChecker(_) => Some(ModelCost::FREE),
            Self::Combined(several) => {
                let costs: Option<Vec<ModelCost>> =
                    several.combined.members().map(Self::cost).collect();
                costs.map(combined_cost)
            }
            Self::Calibrated(calibrated) => calibrated.verifier.cost(),
        }
    }
}

impl Verifier for AnyVerifier {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        match self {
            Self::Model(model) => model.score(prefixes),
            Self::Experts { experts, .. } => experts.score(prefixes),
            Self::Remote(servers) => servers.score(prefixes),
            Self::Probe(probe) => probe.verifier.score(prefixes),
            Self::Generative(judge) => judge.verifier.score(prefixes),
            Self::StepChecker(checker) => checker.score(prefixes),
            Self::Combined(several) => several.combined.score(prefixes),
            Self::Calibrated(calibrated) => calibrated.score(prefixes),
        }
    }

    fn reads(&self, prefix: &Prefix) -> Option<Vec<u32>> {
        match self {
            Self::Model(model) => model.reads(prefix),
            Self::Experts { experts, .. } => experts.reads(prefix),
            Self::Remote(servers) => servers.reads(prefix),
            Self::Probe(probe) => probe.verifier.reads(prefix),
            Self::Generative(judge) => judge.verifier.reads(prefix),
            Self::StepChecker(checker) => checker.reads(prefix),
            Self::Combined(several) => several.combined.reads(prefix),
            Self::Calibrated(calibrated) => calibrated.reads(prefix),
        }
    }

    fn at_hand(&self, prefix: &Prefix) -> usize {
        match self {
            Self::Probe(probe) => probe.verifier.at_hand(prefix),
            Self::Calibrated(calibrated) => calibrated.at_hand(prefix),
            Self::Model(_)
            | Self::Experts { .. }
            | Self::Remote(_)
            | Self::Generative(_)
            | Self::StepChecker(_)
            | Self::Combined(_) => 0,
        }
    }
}

/// Why a verifier's rewards mean nothing to a policy, if they don't: those of an embedded family know its own problems only.
pub fn mismatch(policy: &AnyPolicy, verifier: &AnyVerifier) -> Option<String> {
    let asked: Vec<&str> = policy.families().iter().map(|family| family.name).collect();
    let (name, known) = match verifier.bare() {
        AnyVerifier::Combined(several) => {
            let mut members = several.combined.members();
            return members.find_map(|member| mismatch(policy, member));
        }
        AnyVerifier::StepChecker(_) if !asked.is_empty() => return None,
        AnyVerifier::StepChecker(_) => (STEP_CHECKER, vec!["micro"]),
        own => {
            let name = own.profile_name()?;
            (
                name,
                families(name).iter().map(|family| family.name).collect(),
            )
        }
    };
    if known.is_empty() {
        return None;
    }
    let told = known.join(" and ");
    let foreign = asked.iter().find(|family| !known.contains(family));
    match foreign {
        None if !asked.is_empty() => None,
        Some(family) if asked.len() > 1 => Some(format!(
            "the verifier ({name}) only knows the problems of the embedded {told} models: on those of the {family} models its rewards mean nothing"
        )),
        _ => Some(format!(
            "the verifier ({name}) only knows the problems of the embedded {told} models, and the policy is none of them: its rewards mean nothing"
        )),
    }
}
