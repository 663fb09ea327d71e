//! Models and problems for the lab, which knows neither engines nor the micro domain.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use futures::future::BoxFuture;
use outthink_core::{Judgement, Limits, ModelCost, ModelError, Prefix, Verifier};
use outthink_engine::Precision;
use outthink_lab::{
    Columns, ModelInfo, ModelTable, Models, PolicyModel, PolicyPart, Problem, Recipe, Study,
    VerifierModel, read_dataset,
};
use outthink_micro::domain::{self, Split};
use serde_json::json;

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::failure::Failure;
use crate::models::{self, AnyVerifier};
use crate::solve::limits;

/// Draws in flight for an embedded policy: enough for the matrix kernels, little enough for the cache.
const EMBEDDED_APPETITE: usize = 1024;

/// A verifier that the lab can share between searches.
struct Shared(Arc<AnyVerifier>);

impl Verifier for Shared {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        self.0.as_verifier().score(prefixes)
    }
}

/// Loads the models of a recipe and lays out the study.
pub(crate) fn resolve(recipe: Recipe, columns: &Columns) -> Result<(Study, Models), Failure> {
    let problems = problems(&recipe, columns)?;
    let policies = recipe.policies.iter().map(|entry| policy(&entry.table()));
    let policies: Vec<PolicyModel> = policies.collect::<Result<_, _>>()?;
    let verifiers = recipe
        .verifiers
        .iter()
        .map(|entry| verifier(&entry.table()));
    let verifiers: Vec<VerifierModel> = verifiers.collect::<Result<_, _>>()?;
    let parts = policies.iter().map(|policy| PolicyPart {
        info: policy.info.clone(),
        sampling: policy.sampling,
        limits: policy.limits,
    });
    let infos = verifiers.iter().map(|verifier| verifier.info.clone());
    let study = recipe.resolve(problems, parts.collect(), infos.collect());
    let models = Models {
        policies,
        verifiers,
    };
    Ok((study.map_err(Failure::input)?, models))
}

fn policy(entry: &ModelTable) -> Result<PolicyModel, Failure> {
    let dtype = dtype(entry)?;
    let choice = PolicyChoice {
        policy: Some(entry.model.clone()),
        policy_profile: entry.profile.clone(),
        dtype,
    };
    let policy = models::policy(&choice)?;
    let mut sampling = policy.sampling();
    if let Some(temperature) = entry.temperature {
        if !(0.0..=100.0).contains(&temperature) {
            return Err(Failure::Input(anyhow!(
                "a temperature must be from 0 to 100"
            )));
        }
        sampling.temperature = temperature;
    }
    let mut limits: Limits = limits(&policy);
    limits.solution_tokens = entry.max_tokens.unwrap_or(limits.solution_tokens);
    let identity = json!({
        "model": entry.model,
        "dtype": dtype.to_string(),
        "parameters": policy.cost().parameters,
        "profile": policy.profile_name(),
        "profile_text": serde_json::to_value(policy.profile())?,
    });
    Ok(PolicyModel {
        info: info(entry, identity, Some(policy.cost())),
        model: Arc::new(policy),
        sampling,
        limits,
        appetite: EMBEDDED_APPETITE,
    })
}

fn verifier(entry: &ModelTable) -> Result<VerifierModel, Failure> {
    let dtype = dtype(entry)?;
    let choice = VerifierChoice {
        verifier: Some(entry.model.clone()),
        verifier_profile: entry.profile.clone(),
        verifier_dtype: dtype,
        ..VerifierChoice::default()
    };
    let verifier = models::verifier(&choice)?;
    let verifier = Arc::new(verifier.ok_or_else(|| {
        Failure::Input(anyhow!(
            "`none` is no verifier; leave the list of verifiers empty"
        ))
    })?);
    let cost = verifier.cost();
    let identity = json!({
        "model": entry.model,
        "dtype": dtype.to_string(),
        "parameters": cost.map(|cost| cost.parameters),
        "profile": verifier.profile_name(),
    });
    let reader = Arc::clone(&verifier);
    Ok(VerifierModel {
        info: info(entry, identity, cost),
        model: Arc::new(Shared(verifier)),
        render: Some(Box::new(move |prefix| match reader.as_ref() {
            AnyVerifier::Model(model) => Some(model.render(prefix).ok()?.tokens),
            AnyVerifier::StepChecker(_) => None,
        })),
    })
}

fn dtype(entry: &ModelTable) -> Result<Precision, Failure> {
    let dtype = entry.dtype.as_deref().unwrap_or("auto");
    dtype
        .parse()
        .map_err(|error| Failure::Input(anyhow!("{}: {error}", entry.model)))
}

fn info(entry: &ModelTable, identity: serde_json::Value, cost: Option<ModelCost>) -> ModelInfo {
    let said = entry.parameters.map(|parameters| ModelCost {
        parameters,
        layers: 0,
        attention_width: 0,
    });
    ModelInfo {
        name: entry
            .name
            .clone()
            .unwrap_or_else(|| short_name(&entry.model)),
        identity,
        cost: cost.or(said),
        active_parameters: entry.active_parameters,
        training_tokens: entry.training_tokens,
        price: entry.price,
        oracle: entry.oracle,
    }
}

/// The last part of a path or hub id.
fn short_name(model: &str) -> String {
    let trimmed = model.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned()
}

/// `micro` (or `micro:SEED`) for fresh test problems of the micro domain, `micro-tune:SEED` for tuning ones; else a known
/// set or a file.
fn problems(recipe: &Recipe, columns: &Columns) -> Result<Vec<Problem>, Failure> {
    let (name, seed) = recipe
        .dataset
        .split_once(':')
        .unwrap_or((&recipe.dataset, "1"));
    let split = match name {
        "micro" => Some(Split::Test),
        "micro-tune" => Some(Split::Tune),
        _ => None,
    };
    let mut problems = match split {
        Some(split) => {
            let seed = seed.parse().map_err(|_| {
                Failure::Input(anyhow!("`{}`: the seed is no number", recipe.dataset))
            })?;
            let count = recipe.problems.unwrap_or(200);
            micro(seed, split, count)
        }
        None => read_dataset(Path::new(&recipe.dataset), columns).map_err(Failure::input)?,
    };
    if let Some(count) = recipe.problems {
        if problems.len() < count {
            return Err(Failure::Input(anyhow!(
                "{} has only {} problems, not {count}",
                recipe.dataset,
                problems.len()
            )));
        }
        problems.truncate(count);
    }
    Ok(problems)
}

fn micro(seed: u64, split: Split, count: usize) -> Vec<Problem> {
    domain::generate(seed, split, None, None)
        .take(count)
        .map(|problem| Problem {
            id: problem.id,
            text: problem.problem,
            gold: problem.answer,
            level: Some(problem.level.number() as i64),
            subject: Some(problem.kind.to_string()),
        })
        .collect()
}
