//! Policies and verifiers of any make: by name, loaded once, or objects of Python's.

use std::sync::{Arc, Mutex, PoisonError};

use outthink::{
    AnyPolicy, AnyVerifier, Failure, Limits, Loader, ModelCost, ModelSpec, Policy, Sampling,
    Verifier,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::errors;
use crate::policy::PyPolicy;
use crate::rows::from_python;
use crate::verifier::PyVerifier;
use crate::wait::detached;

/// A policy of any make.
#[derive(Clone)]
pub(crate) enum SomePolicy {
    /// By name.
    Named(Arc<AnyPolicy>),
    /// An object of Python's.
    Own(Arc<PyPolicy>),
}

impl SomePolicy {
    pub(crate) fn takes_steps(&self) -> bool {
        match self {
            Self::Named(model) => model.takes_steps(),
            Self::Own(own) => own.takes_steps,
        }
    }

    pub(crate) fn sampling(&self) -> Sampling {
        match self {
            Self::Named(model) => model.sampling(),
            Self::Own(own) => own.usual_sampling(),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        match self {
            Self::Named(model) => model.limits(),
            Self::Own(own) => own.usual_limits(),
        }
    }

    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Named(model) => model.cost(),
            Self::Own(own) => own.cost,
        }
    }

    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Named(model) => Some(model.profile_name()),
            Self::Own(_) => None,
        }
    }
}

/// A verifier of any make.
#[derive(Clone)]
pub(crate) enum SomeVerifier {
    /// By name.
    Named(Arc<AnyVerifier>),
    /// An object of Python's.
    Own(Arc<PyVerifier>),
}

impl SomeVerifier {
    pub(crate) fn get(&self) -> &dyn Verifier {
        match self {
            Self::Named(model) => model.as_ref(),
            Self::Own(own) => own.as_ref(),
        }
    }

    pub(crate) fn cost(&self) -> Option<ModelCost> {
        match self {
            Self::Named(model) => model.cost(),
            Self::Own(own) => own.cost,
        }
    }

    pub(crate) fn profile_name(&self) -> Option<&str> {
        match self {
            Self::Named(model) => model.profile_name(),
            Self::Own(_) => None,
        }
    }
}

/// What the caller gave as a model, before it is loaded.
pub(crate) enum Given<T> {
    Nothing,
    Name(String),
    Model(T),
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
        Ok(named) => SomePolicy::Named(Arc::clone(&named.get().model)),
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
        Ok(named) => SomeVerifier::Named(Arc::clone(&named.get().model)),
        Err(_) => SomeVerifier::Own(Arc::new(PyVerifier::of(given)?)),
    }))
}

/// Loads a policy and a verifier that belong together: without a name the policy is the usual one and so is its verifier, `none` is
/// no verifier, and a vote needs none that was not named.
pub(crate) fn pair(
    policy: Given<SomePolicy>,
    verifier: Given<SomeVerifier>,
    votes: bool,
) -> Result<(SomePolicy, Option<SomeVerifier>), Failure> {
    /// As on the command line.
    const USUAL: &str = "micro-0.3m";
    let policy = match policy {
        Given::Nothing => SomePolicy::Named(policy_of(USUAL.into())?),
        Given::Name(name) => SomePolicy::Named(policy_of(name.into())?),
        Given::Model(model) => model,
    };
    let name = match (verifier, &policy) {
        (Given::Model(model), _) => return Ok((policy, Some(model))),
        (Given::Name(name), _) => Some(name).filter(|name| name != "none"),
        (Given::Nothing, SomePolicy::Named(model)) if !votes => model.usual_verifier(),
        (Given::Nothing, _) => None,
    };
    let verifier = name.map(|name| verifier_of(name.into())).transpose()?;
    Ok((policy, verifier.map(SomeVerifier::Named)))
}

/// The last models that were named: a loop over problems loads nothing twice, and few are held.
type Kept<T> = Mutex<Vec<(ModelSpec, Arc<T>)>>;

static POLICIES: Kept<AnyPolicy> = Mutex::new(Vec::new());
static VERIFIERS: Kept<AnyVerifier> = Mutex::new(Vec::new());

/// How many of each are held.
const HELD: usize = 4;

fn policy_of(spec: ModelSpec) -> Result<Arc<AnyPolicy>, Failure> {
    kept(&POLICIES, spec, |spec| Ok(loader().any_policy(spec)?))
}

fn verifier_of(spec: ModelSpec) -> Result<Arc<AnyVerifier>, Failure> {
    kept(&VERIFIERS, spec, |spec| Ok(loader().any_verifier(spec)?))
}

fn kept<T>(
    all: &Kept<T>,
    spec: ModelSpec,
    load: impl FnOnce(&ModelSpec) -> Result<T, Failure>,
) -> Result<Arc<T>, Failure> {
    let find = || {
        let all = all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().find(|(own, _)| *own == spec);
        known.map(|(_, model)| Arc::clone(model))
    };
    if let Some(known) = find() {
        return Ok(known);
    }
    // Not under the lock: a hub's model takes minutes.
    let model = Arc::new(load(&spec)?);
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == HELD {
        all.remove(0);
    }
    all.push((spec, Arc::clone(&model)));
    Ok(model)
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
    name: String,
    model: Arc<AnyPolicy>,
}

/// A verifier that was loaded by name.
#[pyclass(frozen, name = "LoadedVerifier", module = "outthink")]
pub(crate) struct NamedVerifier {
    name: String,
    model: Arc<AnyVerifier>,
}

#[pymethods]
impl NamedPolicy {
    /// As it was named.
    #[getter]
    fn name(&self) -> &str {
        &self.name
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
        format!("<policy {} under profile {}>", self.name, self.profile())
    }
}

#[pymethods]
impl NamedVerifier {
    /// As it was named.
    #[getter]
    fn name(&self) -> &str {
        &self.name
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
        format!("<verifier {}>", self.name)
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
/// `dtype` (`"auto"`, `"f32"`, `"stored"`, `"q8_0"`), `memory` (`"4GB"`).
#[pyfunction]
#[pyo3(signature = (model, **options))]
pub(crate) fn load_policy(
    py: Python<'_>,
    model: String,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<NamedPolicy> {
    let spec = spec(py, &model, options)?;
    let loaded = detached(py, || policy_of(spec))?;
    Ok(NamedPolicy {
        name: model,
        model: loaded,
    })
}

/// Loads a verifier by name, for as long as the object is held.
///
/// `model` and `options` are as for `load_policy`; also `"step-checker"`, and of an implicit PRM `reference`, the model that it was
/// trained from; `windows=True` scores solutions longer than its context in overlapping windows.
#[pyfunction]
#[pyo3(signature = (model, **options))]
pub(crate) fn load_verifier(
    py: Python<'_>,
    model: String,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<NamedVerifier> {
    let spec = spec(py, &model, options)?;
    let loaded = detached(py, || verifier_of(spec))?;
    Ok(NamedVerifier {
        name: model,
        model: loaded,
    })
}
