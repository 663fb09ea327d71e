//! Policies and verifiers of any make: by name, loaded once, or objects of Python's.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use outthink::core::{Pair, Thinking};
use outthink::{
    AnyMethod, AnyPolicy, AnyVerifier, Beside, Candidate, Failure, Limits, LoadError, Loader,
    ModelCost, ModelInfo, ModelSpec, Policy, Sampling, Verifier,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use serde_json::{Value, json};

use crate::errors;
use crate::policy::PyPolicy;
use crate::rows::from_python;
use crate::verifier::PyVerifier;
use crate::wait::detached;

/// A policy of any make.
#[derive(Clone)]
pub(crate) enum SomePolicy {
    /// By name, and as it was named.
    Named(Arc<AnyPolicy>, Box<ModelSpec>),
    /// An object of Python's.
    Own(Arc<PyPolicy>),
}

impl SomePolicy {
    pub(crate) fn takes_steps(&self) -> bool {
        match self {
            Self::Named(model, _) => model.takes_steps(),
            Self::Own(own) => own.takes_steps,
        }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        match self {
            Self::Named(model, _) => model.sampling(),
            Self::Own(own) => own.usual_sampling(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        match self {
            Self::Named(model, _) => model.limits(),
            Self::Own(own) => own.usual_limits(),
        }
    }

    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Named(model, _) => model.cost(),
            Self::Own(own) => own.cost,
        }
    }

    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Named(model, _) => Some(model.profile_name()),
            Self::Own(own) => own.profile_name(),
        }
    }

    /// Can the method be used, with whichever verifier?
    pub(crate) fn takes(&self, method: AnyMethod) -> Result<(), outthink::core::Error> {
        match self {
            Self::Named(model, _) => model.takes(method),
            Self::Own(own) => Pair {
                steps: own.takes_steps,
                verifier: true,
            }
            .check(method),
        }
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> Result<ModelInfo, Failure> {
        let (name, identity) = match self {
            Self::Named(model, spec) => {
                let (name, identity) = loader().policy_identity(model, spec)?;
                (name.to_owned(), identity)
            }
            Self::Own(own) => (own.name().to_owned(), json!({ "python": own.name() })),
        };
        Ok(info(name, identity, self.cost()))
    }

    /// As a trait's object.
    pub(crate) fn shared(&self) -> Arc<dyn Policy> {
        match self {
            Self::Named(model, _) => Arc::clone(model) as Arc<dyn Policy>,
            Self::Own(own) => Arc::clone(own) as Arc<dyn Policy>,
        }
    }

    /// As a verifier meets it that reads its engine or asks it for its verdict.
    fn beside(&self, sampling: Sampling, limits: Limits) -> Result<Beside, Failure> {
        let ModelInfo { name, identity, .. } = self.info()?;
        let candidate = Candidate {
            policy: self.shared(),
            identity: identity.clone(),
            cost: self.cost(),
            profile: self.profile_name().unwrap_or_default().to_owned(),
            sampling,
            limits,
        };
        let own = match self {
            Self::Named(model, _) => Beside::new(model, &name, identity),
            Self::Own(_) => Beside::stored(&name, identity),
        };
        Ok(own.judging(candidate))
    }
}

fn info(name: String, identity: Value, cost: Option<ModelCost>) -> ModelInfo {
    ModelInfo {
        name,
        identity,
        cost,
        training_tokens: None,
        price: None,
        oracle: false,
    }
}

/// A verifier of any make.
#[derive(Clone)]
pub(crate) enum SomeVerifier {
    /// By name, and as it was named.
    Named(Arc<AnyVerifier>, Box<ModelSpec>),
    /// An object of Python's.
    Own(Arc<PyVerifier>),
}

impl SomeVerifier {
    pub(crate) fn get(&self) -> &dyn Verifier {
        match self {
            Self::Named(model, _) => model.as_ref(),
            Self::Own(own) => own.as_ref(),
        }
    }

    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Named(model, _) => model.cost(),
            Self::Own(own) => own.cost,
        }
    }

    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Named(model, _) => model.profile_name(),
            Self::Own(own) => own.profile_name(),
        }
    }

    /// What is known of it.
    pub(crate) fn info(&self) -> Result<ModelInfo, Failure> {
        let (name, identity) = match self {
            Self::Named(model, spec) => {
                let identity = loader().verifier_identity(model, spec)?;
                (spec.model.clone(), identity)
            }
            Self::Own(own) => (own.name().to_owned(), json!({ "python": own.name() })),
        };
        Ok(info(name, identity, self.cost()))
    }

    /// As a trait's object.
    pub(crate) fn shared(&self) -> Arc<dyn Verifier> {
        match self {
            Self::Named(model, _) => Arc::clone(model) as Arc<dyn Verifier>,
            Self::Own(own) => Arc::clone(own) as Arc<dyn Verifier>,
        }
    }
}

/// What the caller gave as a model, before it is loaded.
#[derive(Clone)]
pub(crate) enum Given<T> {
    Nothing,
    Name(String),
    Model(T),
}

impl<T> Given<T> {
    /// Its name, if it was named.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Nothing | Self::Model(_) => None,
        }
    }
}

/// A policy as it was given.
pub(crate) fn given_policy(given: Option<&Bound<'_, PyAny>>) -> PyResult<Given<SomePolicy>> {
    let Some(given) = given else {
        return Ok(Given::Nothing);
    };
    if given.is_instance_of::<PyString>() {
        return Ok(Given::Name(given.extract()?));
    }
    Ok(Given::Model(match given.cast::<NamedPolicy>() {
        Ok(named) => SomePolicy::Named(
            Arc::clone(&named.get().model),
            Box::new(named.get().spec.clone()),
        ),
        Err(_) => SomePolicy::Own(Arc::new(PyPolicy::of(given)?)),
    }))
}

/// A verifier as it was given.
pub(crate) fn given_verifier(given: Option<&Bound<'_, PyAny>>) -> PyResult<Given<SomeVerifier>> {
    let Some(given) = given else {
        return Ok(Given::Nothing);
    };
    if given.is_instance_of::<PyString>() {
        return Ok(Given::Name(given.extract()?));
    }
    Ok(Given::Model(match given.cast::<NamedVerifier>() {
        Ok(named) => SomeVerifier::Named(
            Arc::clone(&named.get().model),
            Box::new(named.get().spec.clone()),
        ),
        Err(_) => SomeVerifier::Own(Arc::new(PyVerifier::of(given)?)),
    }))
}

/// The policy that was given, with its thoughts under a control; without a name the usual one, as on the command line.
pub(crate) fn loaded_policy(
    given: Given<SomePolicy>,
    thinking: Option<Thinking>,
) -> Result<SomePolicy, Failure> {
    const USUAL: &str = "micro-0.3m";
    let name = match given {
        Given::Model(_) if thinking.is_some() => {
            return Err(Failure::Input(anyhow!(
                "thinking goes with a policy that is named; an object has its own: load_policy(…, thinking=…), or transformers_policy and vllm_policy with it"
            )));
        }
        Given::Model(model) => return Ok(model),
        Given::Name(name) => name,
        Given::Nothing => USUAL.to_owned(),
    };
    let spec = ModelSpec {
        thinking,
        ..name.into()
    };
    Ok(SomePolicy::Named(policy_of(&spec)?, Box::new(spec)))
}

/// The verifier that was given, for a policy that draws so: without a name the usual one of the policy, `none` is no verifier, and a
/// vote needs none that was not named.
pub(crate) fn loaded_verifier(
    given: Given<SomeVerifier>,
    votes: bool,
    policy: &SomePolicy,
    (sampling, limits): (Sampling, Limits),
) -> Result<Option<SomeVerifier>, Failure> {
    let name = match (given, policy) {
        (Given::Model(model), _) => return Ok(Some(model)),
        (Given::Name(name), _) => Some(name).filter(|name| name != "none"),
        (Given::Nothing, SomePolicy::Named(model, _)) if !votes => model.usual_verifier(),
        (Given::Nothing, _) => None,
    };
    let Some(name) = name else { return Ok(None) };
    let spec = ModelSpec::from(name);
    if let Some(known) = known(&VERIFIERS, &spec) {
        return Ok(Some(SomeVerifier::Named(known, Box::new(spec))));
    }
    let failed = RefCell::new(None);
    let asked = Cell::new(false);
    let beside = || {
        asked.set(true);
        let own = policy.beside(sampling, limits);
        own.map(|own| vec![own]).map_err(|error| {
            failed.replace(Some(error));
            Box::new(LoadError::NoSelf)
        })
    };
    let loaded = loader().verifier_beside(&spec, &beside);
    let model = match (failed.take(), loaded) {
        (Some(error), Err(_)) => return Err(error),
        (_, loaded) => Arc::new(loaded?),
    };
    // One that reads this policy is none for another.
    if !asked.get() {
        keep(&VERIFIERS, &spec, &model);
    }
    Ok(Some(SomeVerifier::Named(model, Box::new(spec))))
}

/// The last models that were named: a loop over problems loads nothing twice, and few are held.
type Kept<T> = Mutex<Vec<(ModelSpec, Arc<T>)>>;

static POLICIES: Kept<AnyPolicy> = Mutex::new(Vec::new());
static VERIFIERS: Kept<AnyVerifier> = Mutex::new(Vec::new());

/// How many of each are held.
const HELD: usize = 4;

fn policy_of(spec: &ModelSpec) -> Result<Arc<AnyPolicy>, Failure> {
    kept(&POLICIES, spec, |spec| Ok(loader().any_policy(spec)?))
}

fn verifier_of(spec: &ModelSpec) -> Result<Arc<AnyVerifier>, Failure> {
    kept(&VERIFIERS, spec, |spec| Ok(loader().any_verifier(spec)?))
}

fn kept<T>(
    all: &Kept<T>,
    spec: &ModelSpec,
    load: impl FnOnce(&ModelSpec) -> Result<T, Failure>,
) -> Result<Arc<T>, Failure> {
    if let Some(known) = known(all, spec) {
        return Ok(known);
    }
    // Not under the lock: a hub's model takes minutes.
    let model = Arc::new(load(spec)?);
    keep(all, spec, &model);
    Ok(model)
}

fn known<T>(all: &Kept<T>, spec: &ModelSpec) -> Option<Arc<T>> {
    let all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all.iter().find(|(own, _)| own == spec);
    known.map(|(_, model)| Arc::clone(model))
}

fn keep<T>(all: &Kept<T>, spec: &ModelSpec, model: &Arc<T>) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == HELD {
        all.remove(0);
    }
    all.push((spec.clone(), Arc::clone(model)));
}

/// Tells on Python's standard error, which a notebook shows.
fn loader() -> Loader {
    Loader::telling(|notice| {
        let text = format!("{notice}\n");
        // Who closed it does not want to know.
        let _ = Python::try_attach(|py| {
            let error = py.import("sys")?.getattr("stderr")?;
            error.call_method1("write", (text,)).map(drop)
        });
    })
}

/// A policy that was loaded by name.
#[pyclass(frozen, name = "LoadedPolicy", module = "outthink")]
pub(crate) struct NamedPolicy {
    spec: ModelSpec,
    model: Arc<AnyPolicy>,
}

/// A verifier that was loaded by name.
#[pyclass(frozen, name = "LoadedVerifier", module = "outthink")]
pub(crate) struct NamedVerifier {
    spec: ModelSpec,
    model: Arc<AnyVerifier>,
}

#[pymethods]
impl NamedPolicy {
    /// As it was named.
    #[getter]
    fn name(&self) -> &str {
        &self.spec.model
    }

    /// The profile that it is read by.
    #[getter]
    fn profile(&self) -> &str {
        self.model.profile_name()
    }

    /// Its size, where it is known.
    #[getter]
    fn parameters(&self) -> Option<u64> {
        self.model.cost().map(|cost| cost.parameters)
    }

    fn __repr__(&self) -> String {
        format!("<policy {} under profile {}>", self.name(), self.profile())
    }
}

#[pymethods]
impl NamedVerifier {
    /// As it was named.
    #[getter]
    fn name(&self) -> &str {
        &self.spec.model
    }

    /// The profile that it is read by.
    #[getter]
    fn profile(&self) -> Option<&str> {
        self.model.profile_name()
    }

    /// Its size, where it is known.
    #[getter]
    fn parameters(&self) -> Option<u64> {
        self.model.cost().map(|cost| cost.parameters)
    }

    fn __repr__(&self) -> String {
        format!("<verifier {}>", self.name())
    }
}

/// What is known and wanted of a model.
fn spec(py: Python<'_>, model: &str, options: Option<&Bound<'_, PyDict>>) -> PyResult<ModelSpec> {
    let mut fields = serde_json::Map::new();
    if let Some(options) = options {
        for (name, value) in options {
            let name: String = name.extract()?;
            fields.insert(name.replace('_', "-"), from_python(&value)?);
        }
    }
    fields.insert("model".into(), model.into());
    serde_json::from_value(fields.into())
        .map_err(|error| errors::input(py, format!("{model}: {error}")))
}

/// Loads a policy by name, for as long as the object is held.
///
/// `model` is an embedded model (or two joined by `+`), a checkpoint folder, a .gguf file, a hub id as `owner/name@revision`, a server's
/// address, or a server to start (`llama.cpp:FILE.gguf`, `vllm:MODEL`, `sglang:MODEL`). `options` say more: `profile`, `tokenizer`,
/// `dtype` (`"auto"`, `"f32"`, `"stored"`, `"q8_0"`), `memory` (`"4GB"`), `thinking` (`"cap:tokens=512"`).
#[pyfunction]
#[pyo3(signature = (model, **options))]
pub(crate) fn load_policy(
    py: Python<'_>,
    model: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<NamedPolicy> {
    let spec = spec(py, model, options)?;
    let model = detached(py, || policy_of(&spec))?;
    Ok(NamedPolicy { spec, model })
}

/// Loads a verifier by name, for as long as the object is held.
///
/// `model` and `options` are as for `load_policy`; also `"step-checker"`, and of an implicit PRM `reference`, the model that it was
/// trained from; `windows=True` scores solutions longer than its context in overlapping windows.
#[pyfunction]
#[pyo3(signature = (model, **options))]
pub(crate) fn load_verifier(
    py: Python<'_>,
    model: &str,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<NamedVerifier> {
    let spec = spec(py, model, options)?;
    let model = detached(py, || verifier_of(&spec))?;
    Ok(NamedVerifier { spec, model })
}
