//! A policy of any make, and one that is loaded.

use std::sync::Arc;

use futures::future::BoxFuture;
use outthink_core::{
    AnyMethod, Extension, Halt, Limits, ModelCost, ModelError, ModelInfo, Pair, Policy, Problem,
    Reply, Sampling, Step, Thoughts,
};
use outthink_engine::EmbeddedPolicy;
use outthink_micro::domain::{self, Kind};
use outthink_micro::family::Family;
use outthink_micro::{Experts, experts};
use outthink_prompt::PolicyProfile;
use outthink_remote::RemotePolicy;

use crate::AskError;
use crate::identity::told;

/// What is said of a problem that the micro family cannot read.
const FOREIGN: &str = r"the embedded models only know `Evaluate $(17+19)\cdot 4-16$.`, `Solve $5x-7=23$ for $x$.` and recurrences (`outthink micro generate --seed 1 --count 5` shows some), and with --policy grid-90k grids. For anything else name a model with --policy: a folder, a .gguf file, a hub id or http://host:port/v1";

/// What is said of a problem that the grid family cannot read.
const NO_GRID: &str = "the embedded grid models only know `Fill the grid:` and six lines of six digits or `.` (`outthink micro generate --kind grid --seed 1 --count 5` shows some). For anything else name another model with --policy";

/// What is said of a grid to a model that knows none.
const IS_GRID: &str = "that is a grid, and there are models for grids: --policy grid-90k";

/// Draws in flight for each server of a policy: what a large one holds at once; the pool finds how many it is given.
const SERVER_IN_FLIGHT: usize = 1024;

/// The limits of a profile.
pub fn limits(profile: &PolicyProfile) -> Limits {
    Limits {
        draw_tokens: profile.draw_tokens,
        solution_tokens: profile.solution_tokens,
        steps: profile.steps,
    }
}

/// A policy that is loaded, with what is known of it and how it draws unless one says otherwise. It is a [`Policy`] itself.
pub struct LoadedPolicy {
    /// The model.
    pub model: AnyPolicy,
    /// What a study knows of it.
    pub info: ModelInfo,
    /// How it draws: as its profile says, but for what the spec says.
    pub sampling: Sampling,
    /// How far: as its profile says, but for what the spec says.
    pub limits: Limits,
}

impl Policy for LoadedPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        self.model.extend(requests)
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        self.model.extend_until(requests, halt)
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        self.model.written(problem, text)
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        self.model.thoughts()
    }

    fn usual_sampling(&self) -> Sampling {
        self.sampling
    }

    fn usual_limits(&self) -> Limits {
        self.limits
    }
}

/// A policy of any make.
pub enum AnyPolicy {
    /// A model in this process.
    Model(Box<EmbeddedPolicy>),
    /// Two of them as one.
    Experts(Box<PolicyExperts>),
    /// A model on servers.
    Remote(RemotePolicy),
}

/// One policy for arithmetic and one for grids, with a profile that has room for both.
pub struct PolicyExperts {
    /// The two.
    pub experts: Experts<Arc<EmbeddedPolicy>>,
    profile: PolicyProfile,
    profile_name: String,
}

impl PolicyExperts {
    pub(crate) fn new(experts: Experts<Arc<EmbeddedPolicy>>) -> Self {
        let [first, second] = experts.both();
        let (own, other) = (first.profile(), second.profile());
        Self {
            profile: PolicyProfile {
                draw_tokens: own.draw_tokens.max(other.draw_tokens),
                solution_tokens: own.solution_tokens.max(other.solution_tokens),
                steps: own.steps.max(other.steps),
                ..own.clone()
            },
            profile_name: both(first.profile_name(), second.profile_name()),
            experts,
        }
    }
}

/// What two models are called together.
pub(crate) fn both(first: &str, second: &str) -> String {
    format!("{first}+{second}")
}

impl AnyPolicy {
    /// The profile in force, by name.
    pub fn profile_name(&self) -> &str {
        match self {
            Self::Model(model) => model.profile_name(),
            Self::Experts(pair) => &pair.profile_name,
            Self::Remote(servers) => servers.profile_name(),
        }
    }

    /// The profile in force.
    pub fn profile(&self) -> &PolicyProfile {
        match self {
            Self::Model(model) => model.profile(),
            Self::Experts(pair) => &pair.profile,
            Self::Remote(servers) => servers.profile(),
        }
    }

    /// How the profile draws.
    pub fn sampling(&self) -> Sampling {
        match self {
            Self::Model(model) => model.sampling(),
            // The families draw alike.
            Self::Experts(pair) => pair.experts.arithmetic.sampling(),
            Self::Remote(servers) => servers.sampling(),
        }
    }

    /// The profile's limits.
    pub fn limits(&self) -> Limits {
        limits(self.profile())
    }

    /// Draws in flight that keep it busy.
    pub fn target_in_flight(&self) -> usize {
        match self {
            Self::Model(_) | Self::Experts(_) => Self::EMBEDDED_IN_FLIGHT,
            Self::Remote(servers) => SERVER_IN_FLIGHT * servers.facts().len(),
        }
    }

    /// Draws in flight for an embedded policy: enough for the matrix kernels, little enough for the cache.
    pub const EMBEDDED_IN_FLIGHT: usize = 1024;

    /// The model's shape, as far as it is known.
    pub fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Model(model) => Some(model.cost()),
            Self::Experts(pair) => Some(experts::cost(
                pair.experts.both().map(|policy| policy.cost()),
            )),
            Self::Remote(servers) => told(servers.facts()),
        }
    }

    /// Can it continue an answer from any step? A chat-only server writes whole answers.
    pub fn takes_steps(&self) -> bool {
        match self {
            Self::Model(_) | Self::Experts(_) => true,
            Self::Remote(servers) => servers.takes_steps(),
        }
    }

    /// Can the method be used, with whichever verifier?
    ///
    /// # Errors
    ///
    /// Where the method continues answers from any step, and the policy cannot; or asks prompts in words, and the policy is of an
    /// embedded family.
    pub fn takes(&self, method: AnyMethod) -> Result<(), outthink_core::Error> {
        if method.traits().prompts && !self.families().is_empty() {
            let method = method.name();
            return Err(outthink_core::Error::OwnProblemsOnly { method });
        }
        let pair = Pair {
            steps: self.takes_steps(),
            verifier: true,
        };
        pair.check(method)
    }

    /// The embedded families that it is of, which have problems and verifiers of their own.
    pub fn families(&self) -> Vec<Family> {
        families(self.profile_name())
    }

    /// The name of the verifier that goes with it where none is named: the first of its own family, which only the embedded
    /// policies have.
    pub fn usual_verifier(&self) -> Option<String> {
        if let Self::Remote(_) = self {
            return None;
        }
        let families = self.families();
        let first = |family: &Family| Some(family.verifiers.first()?.name);
        let own: Vec<&str> = families.iter().filter_map(first).collect();
        (!own.is_empty()).then(|| own.join("+"))
    }

    /// Can the problem be asked?
    ///
    /// # Errors
    ///
    /// Where the policy cannot read it, or it is longer than its context.
    pub fn check(&self, problem: &Problem) -> Result<(), AskError> {
        let foreign = |error, advice| Err(AskError::Foreign { error, advice });
        let model = match self {
            Self::Model(model) => model,
            Self::Experts(pair) => {
                return match pair.experts.of(&problem.text).prompt(problem) {
                    Ok(_) => Ok(()),
                    Err(error) if is_foreign(&error) => foreign(error, FOREIGN),
                    Err(error) => Err(error.into()),
                };
            }
            // A chat-only provider has no tokens to count.
            Self::Remote(servers) if !servers.takes_steps() => return Ok(()),
            Self::Remote(servers) => return Ok(servers.prompt(problem).map(|_| ())?),
        };
        match model.prompt(problem) {
            Ok(_) => Ok(()),
            Err(error) if is_foreign(&error) && is_grid(problem) => foreign(error, IS_GRID),
            Err(error) if is_foreign(&error) => match self.families().first() {
                Some(family) if family.kind == Some(Kind::Grid) => foreign(error, NO_GRID),
                Some(_) => foreign(error, FOREIGN),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

impl Policy for AnyPolicy {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        match self {
            Self::Model(model) => model.extend(requests),
            Self::Experts(pair) => pair.experts.extend(requests),
            Self::Remote(servers) => servers.extend(requests),
        }
    }

    fn extend_until<'a>(
        &'a self,
        requests: Vec<Extension>,
        halt: &'a Halt,
    ) -> BoxFuture<'a, Result<Vec<Reply>, ModelError>> {
        match self {
            Self::Model(model) => model.extend_until(requests, halt),
            Self::Experts(pair) => pair.experts.extend_until(requests, halt),
            Self::Remote(servers) => servers.extend_until(requests, halt),
        }
    }

    fn written<'a>(
        &'a self,
        problem: &'a Problem,
        text: &'a str,
    ) -> BoxFuture<'a, Result<Step, ModelError>> {
        match self {
            Self::Model(model) => model.written(problem, text),
            Self::Experts(pair) => pair.experts.written(problem, text),
            Self::Remote(servers) => servers.written(problem, text),
        }
    }

    fn thoughts(&self) -> Option<&Thoughts> {
        match self {
            Self::Model(model) => model.thoughts(),
            Self::Experts(pair) => pair.experts.thoughts(),
            Self::Remote(servers) => servers.thoughts(),
        }
    }
}

fn is_grid(problem: &Problem) -> bool {
    domain::Problem::parse(&problem.text).is_ok_and(|own| own.kind == Kind::Grid)
}

/// Is a text in letters that the model does not have?
fn is_foreign(error: &outthink_engine::Error) -> bool {
    use outthink_prompt::Error;
    matches!(
        error,
        outthink_engine::Error::Prompt(Error::OutsideAlphabet { .. })
    )
}

/// The embedded families that a profile, or a pair of profiles, is made for.
pub(crate) fn families(profile_name: &str) -> Vec<Family> {
    profile_name
        .split('+')
        .filter_map(Family::of_profile)
        .collect()
}
