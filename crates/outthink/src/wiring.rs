//! Models and problems for the lab, which knows neither engines nor the micro domain.

use std::sync::Arc;

use anyhow::anyhow;
use futures::future::{BoxFuture, FutureExt};
use outthink_core::{AnyMethod, Extension, ModelError, Policy, Reply};
use outthink_engine::{Bytes, Precision};
use outthink_lab::{
    Columns, Config, ModelEntry, ModelInfo, ModelTable, Models, PolicyModel, PolicyPart, Problem,
    Recipe, Store, Study, VerifierModel,
};
use outthink_micro::domain::{self, Kind, Split};
use outthink_models::{AnyPolicy, Beside, Candidate, LoadError, ModelSpec};
use serde_json::{Value, json};

use crate::cli::{PolicyChoice, VerifierChoice};
use crate::data;
use crate::failure::{Failure, is_refusal};
use crate::{models, strategy};

pub(crate) use outthink_models::LoadedPolicy;

/// Loads the models of a recipe and lays out the study. A policy or dataset `stored:NAME` is that of a study in the store.
pub(crate) fn resolve(
    mut recipe: Recipe,
    columns: &Columns,
    store: &mut Store,
) -> Result<(Study, Models), Failure> {
    let stored = stored(&recipe, store)?;
    let problems = match (&stored, recipe.dataset.starts_with(STORED)) {
        (Some(stored), true) => stored.problems.clone(),
        _ => problems(&recipe, columns)?,
    };
    // As everywhere, `none` is no verifier.
    recipe
        .verifiers
        .retain(|entry| entry.table().model != "none");
    let mut policies: Vec<PolicyModel> = Vec::new();
    let mut beside: Vec<Beside> = Vec::new();
    for entry in &recipe.policies {
        let entry = entry.table();
        match &stored {
            Some(stored) if entry.model.starts_with(STORED) => {
                let (pools, draws) = stored_policies(stored)?;
                let infos = pools.iter().map(|own| &own.info);
                beside.extend(infos.map(|own| Beside::stored(&own.name, own.identity.clone())));
                policies.extend(pools);
                // The pools are as large as they are.
                recipe.budgets.retain(|&budget| budget < draws);
                recipe.budgets.push(draws);
            }
            _ => {
                let loaded = usable_policy(&entry, &recipe.methods)?;
                let own = Beside::from(&loaded);
                let policy = policy_model(loaded);
                beside.push(own.judging(candidate(&policy)));
                policies.push(policy);
            }
        }
    }
    let verifiers = recipe
        .verifiers
        .iter()
        .map(|entry| verifier(&entry.table(), &beside));
    let mut verifiers: Vec<VerifierModel> = verifiers.collect::<Result<_, _>>()?;
    if stored.is_none() {
        let own = policies.iter_mut().map(|policy| &mut policy.info);
        tell_apart(own.zip(&recipe.policies).collect());
    }
    let own = verifiers.iter_mut().map(|verifier| &mut verifier.info);
    tell_apart(own.zip(&recipe.verifiers).collect());
    let parts = policies.iter().map(|policy| PolicyPart {
        info: policy.info.clone(),
        sampling: policy.sampling,
        limits: policy.limits,
        imported: policy.imported.clone(),
    });
    let infos = verifiers.iter().map(|verifier| verifier.info.clone());
    let parts: Vec<PolicyPart> = parts.collect();
    let named = recipe.strategies.clone();
    if stored.is_some() && !named.is_empty() {
        return Err(Failure::Input(anyhow!(
            "a strategy draws as it goes, and stored samples are there already; name a policy that can draw"
        )));
    }
    let study = recipe.resolve(problems, parts.clone(), infos.collect());
    let mut study = study.map_err(Failure::input)?;
    let mut strategies = Vec::new();
    for name in named {
        for (info, own) in strategy::of_study(&name, &study)? {
            let part = &parts[info.policy];
            study
                .add_strategy(info, &own, part)
                .map_err(Failure::input)?;
            strategies.push(own);
        }
    }
    if let Some(stored) = stored {
        study.seeds = stored.seeds;
    }
    let models = Models {
        policies,
        verifiers,
        strategies,
        is_hopeless: is_refusal,
    };
    Ok((study, models))
}

/// Gives servers of one model their addresses, where a study has several: in their names and in what they are known by, which
/// is else only the model's name.
fn tell_apart(models: Vec<(&mut ModelInfo, &ModelEntry)>) {
    let seen: Vec<(String, Value)> = models
        .iter()
        .map(|(info, _)| (info.name.clone(), info.identity.clone()))
        .collect();
    for (place, (info, entry)) in models.into_iter().enumerate() {
        let entry = entry.table();
        let Some(address) = host(&entry.model) else {
            continue;
        };
        let mut others = (0..seen.len()).filter(|&other| other != place);
        if others.clone().any(|other| seen[other].1 == seen[place].1) {
            info.identity["endpoint"] = json!(address);
        }
        if entry.name.is_none() && others.any(|other| seen[other].0 == seen[place].0) {
            info.name = format!("{}@{address}", info.name);
        }
    }
}

/// The first server's host and port in an address.
fn host(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split(['/', ',', '#']).next()?;
    (scheme.starts_with("http") && !host.is_empty()).then_some(host)
}

/// What names a study of the store in place of a model or a dataset.
const STORED: &str = "stored:";

/// The study whose pools a recipe goes on from, if it does.
fn stored(recipe: &Recipe, store: &mut Store) -> Result<Option<Study>, Failure> {
    let models = recipe.policies.iter().map(|entry| entry.table().model);
    let mut names: Vec<String> = models
        .chain([recipe.dataset.clone()])
        .filter_map(|name| name.strip_prefix(STORED).map(str::to_owned))
        .collect();
    names.dedup();
    match names.as_slice() {
        [] => Ok(None),
        [name] => {
            let searches = recipe.methods.iter().find(|method| method.is_search());
            if let Some(method) = searches {
                return Err(Failure::Input(anyhow!(
                    "{method} draws as it goes, and stored samples are there already; use --methods majority,best-of-n"
                )));
            }
            store.study(Some(name)).map(Some).map_err(Failure::input)
        }
        _ => Err(Failure::Input(anyhow!(
            "a study goes on from one stored study, not from {}",
            names.join(" and ")
        ))),
    }
}

/// A policy whose samples are in the store.
struct Stored;

impl Policy for Stored {
    fn extend(&self, _: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async { Err("its samples are stored; it cannot draw new ones".into()) }.boxed()
    }
}

/// The policies of a stored study with their pools, and the size of these.
fn stored_policies(study: &Study) -> Result<(Vec<PolicyModel>, usize), Failure> {
    let (mut policies, mut size) = (Vec::new(), 0);
    for cell in study.cells.iter().filter(|cell| !cell.is_greedy()) {
        if let Config::Pool {
            sampling,
            limits,
            draws,
            imported,
            ..
        } = cell.config()
        {
            size = *draws;
            policies.push(PolicyModel {
                info: study.policies[cell.policy].clone(),
                model: Arc::new(Stored),
                sampling: *sampling,
                limits: *limits,
                target_in_flight: AnyPolicy::EMBEDDED_IN_FLIGHT,
                imported: imported.clone(),
            });
        }
    }
    if policies.is_empty() {
        return Err(Failure::Input(anyhow!(
            "study {} has no pools of samples",
            study.name
        )));
    }
    Ok((policies, size))
}

/// A policy that was typed, as a recipe has it.
pub(crate) fn policy_table(choice: &PolicyChoice) -> ModelTable {
    ModelTable {
        model: choice.name().to_owned(),
        profile: choice.policy_profile.clone(),
        tokenizer: choice.policy_tokenizer.clone(),
        dtype: (choice.dtype != Precision::Auto).then(|| choice.dtype.to_string()),
        memory: choice.memory.map(|Bytes(bytes)| bytes.to_string()),
        thinking: choice.thinking,
        ..ModelTable::default()
    }
}

/// A verifier that was typed, as a recipe has it.
pub(crate) fn verifier_table(choice: &VerifierChoice) -> ModelTable {
    ModelTable {
        model: choice.name().to_owned(),
        profile: choice.verifier_profile.clone(),
        tokenizer: choice.verifier_tokenizer.clone(),
        dtype: (choice.verifier_dtype != Precision::Auto)
            .then(|| choice.verifier_dtype.to_string()),
        memory: choice.verifier_memory.map(|Bytes(bytes)| bytes.to_string()),
        calibration: choice.calibration.clone(),
        prompt: choice.verifier_prompt.clone(),
        votes: choice.verifier_votes,
        ..ModelTable::default()
    }
}

/// A model of a recipe, as it is loaded; a verifier's calibration comes on top.
fn spec(entry: &ModelTable) -> Result<ModelSpec, Failure> {
    Ok(ModelSpec {
        model: entry.model.clone(),
        name: entry.name.clone(),
        profile: entry.profile.clone(),
        tokenizer: entry.tokenizer.clone(),
        dtype: dtype(entry)?,
        memory: memory(entry)?,
        temperature: entry.temperature,
        top_p: entry.top_p,
        max_tokens: entry.max_tokens,
        thinking: entry.thinking,
        parameters: entry.parameters,
        active_parameters: entry.active_parameters,
        training_tokens: entry.training_tokens,
        price: entry.price,
        oracle: entry.oracle,
        prompt: entry.prompt.clone(),
        votes: entry.votes,
        ..ModelSpec::default()
    })
}

pub(crate) fn load_policy(entry: &ModelTable) -> Result<LoadedPolicy, Failure> {
    Ok(models::loader().policy(spec(entry)?)?)
}

/// A policy that all of the methods can be used with.
fn usable_policy(entry: &ModelTable, methods: &[AnyMethod]) -> Result<LoadedPolicy, Failure> {
    let loaded = load_policy(entry)?;
    for method in entry.methods.as_deref().unwrap_or(methods) {
        loaded.model.takes(*method).map_err(Failure::input)?;
    }
    Ok(loaded)
}

/// A policy as the lab takes it.
pub(crate) fn policy_model(loaded: LoadedPolicy) -> PolicyModel {
    PolicyModel {
        target_in_flight: loaded.model.target_in_flight(),
        imported: None,
        info: loaded.info,
        model: Arc::new(loaded.model),
        sampling: loaded.sampling,
        limits: loaded.limits,
    }
}

/// A policy of a study that may be its own verifier.
fn candidate(own: &PolicyModel) -> Candidate {
    let profile = own.info.identity["profile"].as_str();
    Candidate {
        policy: Arc::clone(&own.model),
        profile: profile.unwrap_or_default().to_owned(),
        identity: own.info.identity.clone(),
        cost: own.info.cost,
        sampling: own.sampling,
        limits: own.limits,
    }
}

/// A recipe's verifier as if it was typed.
pub(crate) fn verifier_choice(entry: &ModelTable) -> Result<VerifierChoice, Failure> {
    Ok(VerifierChoice {
        verifier: Some(entry.model.clone()),
        verifier_profile: entry.profile.clone(),
        verifier_tokenizer: entry.tokenizer.clone(),
        verifier_dtype: dtype(entry)?,
        verifier_memory: memory(entry)?,
        calibration: entry.calibration.clone(),
        verifier_prompt: entry.prompt.clone(),
        verifier_votes: entry.votes,
        ..VerifierChoice::default()
    })
}

/// A verifier beside the policies that it is to judge.
pub(crate) fn verifier(entry: &ModelTable, beside: &[Beside]) -> Result<VerifierModel, Failure> {
    let policies = || Ok(beside.to_vec());
    let verifier = models::verifier_beside(&verifier_choice(entry)?, &policies)?;
    let verifier = verifier.ok_or_else(|| Failure::input(LoadError::NoVerifier))?;
    let loaded = models::loader().describe(verifier, &spec(entry)?)?;
    Ok(VerifierModel {
        info: loaded.info,
        model: Arc::new(loaded.model),
    })
}

fn dtype(entry: &ModelTable) -> Result<Precision, Failure> {
    let dtype = entry.dtype.as_deref().unwrap_or("auto");
    dtype
        .parse()
        .map_err(|error| Failure::Input(anyhow!("{}: {error}", entry.model)))
}

fn memory(entry: &ModelTable) -> Result<Option<Bytes>, Failure> {
    let bytes = entry.memory.as_deref().map(str::parse).transpose();
    bytes.map_err(|error: String| Failure::Input(anyhow!("{}: {error}", entry.model)))
}

/// Fresh problems, or those of a known set or a file.
fn problems(recipe: &Recipe, columns: &Columns) -> Result<Vec<Problem>, Failure> {
    let mut problems = match fresh_problems(&recipe.dataset, recipe.problems)? {
        Some(problems) => problems,
        None => data::problems(&recipe.dataset, columns)?,
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

/// Problems of the embedded families that are made: `micro`, `grid` or `both` (or `micro:SEED` and so on) are test problems,
/// `micro-tune:SEED` and so on tuning ones; `both` takes its problems in turn from the two. None for any other name.
pub(crate) fn fresh_problems(
    dataset: &str,
    count: Option<usize>,
) -> Result<Option<Vec<Problem>>, Failure> {
    /// Where nobody says how many.
    const COUNT: usize = 200;
    let (name, seed) = dataset.split_once(':').unwrap_or((dataset, "1"));
    let (family, split) = match name.strip_suffix("-tune") {
        Some(family) => (family, Split::Tune),
        None => (name, Split::Test),
    };
    let [first, second] = match family {
        "micro" => [None, None],
        "grid" => [Some(Kind::Grid), Some(Kind::Grid)],
        "both" => [None, Some(Kind::Grid)],
        _ => return Ok(None),
    };
    let number = || Failure::Input(anyhow!("`{dataset}`: the seed is no number"));
    let seed = seed.parse().map_err(|_| number())?;
    let count = count.unwrap_or(COUNT);
    if first == second {
        return Ok(Some(fresh(seed, split, first, count)));
    }
    let first = fresh(seed, split, first, count.div_ceil(2));
    let mut second = fresh(seed, split, second, count / 2).into_iter();
    let turns = first.into_iter();
    let turns = turns.flat_map(|own| std::iter::once(own).chain(second.next()));
    Ok(Some(turns.collect()))
}

fn fresh(seed: u64, split: Split, kind: Option<Kind>, count: usize) -> Vec<Problem> {
    domain::generate(seed, split, kind, None)
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
