//! Pools: samples that are there, of which every rule is read at every budget.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::anyhow;
use outthink::lab::{
    Analysis, Entry, ImportOptions, Imported, Rule, Samples, Store, Study, Verdicts, import,
    read_samples, samples_of,
};
use outthink::{AnyDomain, Failure, Selection};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::rows::to_python;
use crate::study::{results, samples};
use crate::wait::detached;

/// Samples in a store of their own, in memory.
#[pyclass(frozen, name = "Pool", module = "outthink._native", subclass)]
pub(crate) struct PyPool {
    study: Study,
    store: Mutex<Held>,
    count: usize,
    warnings: Vec<String>,
    left_out: Vec<String>,
}

struct Held {
    store: Store,
    /// The last analysis, and the budget that it was made for.
    analysis: Option<(usize, Analysis)>,
}

/// How samples are taken in.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    name: String,
    policy: Option<String>,
    verifier: Option<String>,
    domain: Option<String>,
    verdicts: String,
}

impl PyPool {
    fn taken(samples: Samples, options: &Options) -> Result<Self, Failure> {
        let domain = match &options.domain {
            Some(name) => name.parse(),
            None => Ok(AnyDomain::default()),
        };
        let domain = domain.map_err(|error: String| Failure::Input(anyhow!(error)))?;
        let verdicts = match options.verdicts.as_str() {
            "ours" => Verdicts::Ours,
            "file" => Verdicts::File,
            other => {
                return Err(Failure::Input(anyhow!(
                    "`{other}` are no verdicts: they are ours or the file's (`ours`, `file`)"
                )));
            }
        };
        let import_options = ImportOptions {
            domain_name: (domain != AnyDomain::default()).then(|| domain.name()),
            policy: options.policy.as_deref(),
            verifier: options.verifier.as_deref(),
            verdicts,
            ..ImportOptions::new(&options.name, domain.get())
        };
        let mut store = Store::open(":memory:")?;
        let imported = import(samples, &import_options, Some(&mut store));
        let Imported {
            study,
            samples,
            warnings,
            left_out,
            ..
        } = imported.map_err(Failure::input)?;
        let analysis = None;
        Ok(Self {
            study,
            store: Mutex::new(Held { store, analysis }),
            count: samples,
            warnings,
            left_out,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(
        &self,
        rule: &str,
        n: usize,
        policy: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<Entry, Failure> {
        let rule = match rule {
            "pass" | "ceiling" => Rule::Ceiling,
            name => {
                let selection: Selection = name
                    .parse()
                    .map_err(|error: String| Failure::Input(anyhow!(error)))?;
                Rule::Chosen(outthink::lab::Choice(selection))
            }
        };
        let named = |models: &[outthink::lab::ModelInfo], name: Option<&str>, role: &str| {
            let Some(name) = name else {
                return Ok(None);
            };
            let place = models.iter().position(|own| own.name == name);
            let names = || {
                let names: Vec<&str> = models.iter().map(|own| own.name.as_str()).collect();
                names.join(", ")
            };
            let missing = || {
                Failure::Input(anyhow!(
                    "the pool has no {role} {name} (it has {})",
                    names()
                ))
            };
            place.map(Some).ok_or_else(missing)
        };
        if n == 0 {
            return Err(Failure::Input(anyhow!("n is at least one sample")));
        }
        let policy = named(&self.study.policies, policy, "policy")?;
        let verifier = named(&self.study.verifiers, verifier, "verifier")?;
        let mut held = self.held();
        if held.analysis.as_ref().is_none_or(|(own, _)| *own != n) {
            let study = Study {
                budgets: vec![n],
                ..self.study.clone()
            };
            let analysis = Analysis::of(study, &mut held.store)?;
            held.analysis = Some((n, analysis));
        }
        let entries = held.analysis.iter().flat_map(|(_, own)| &own.entries);
        let mut found = entries.filter(|entry| {
            let key = &entry.key;
            key.rule == rule
                && key.budget == n
                && policy.is_none_or(|own| key.policy == own)
                && verifier.is_none_or(|own| key.verifier == Some(own))
        });
        let Some(entry) = found.next() else {
            return Err(Failure::Input(anyhow!(
                "the pool says nothing of {} at N = {n}: it has {} samples of {} problems{}",
                match rule {
                    Rule::Chosen(choice) => choice.0.to_string(),
                    _ => "pass".to_owned(),
                },
                self.count,
                self.study.problems.len(),
                match self.study.verifiers.is_empty() {
                    true => ", without rewards",
                    false => "",
                }
            )));
        };
        if let Some(other) = found.next() {
            let several = entry.key.policy != other.key.policy;
            let (role, models) = match several {
                true => ("policy", &self.study.policies),
                false => ("verifier", &self.study.verifiers),
            };
            let names: Vec<&str> = models.iter().map(|own| own.name.as_str()).collect();
            return Err(Failure::Input(anyhow!(
                "the pool has several: name a {role} of {}",
                names.join(", ")
            )));
        }
        Ok(entry.clone())
    }
}

#[pymethods]
impl PyPool {
    #[new]
    fn new(
        py: Python<'_>,
        files: Vec<PathBuf>,
        text: Option<String>,
        options: Options,
    ) -> PyResult<Self> {
        detached(py, || {
            let mut all: Option<Samples> = None;
            if let Some(text) = text {
                let own = samples_of(&options.name, text.into_bytes());
                all = Some(own.map_err(Failure::input)?);
            }
            for file in &files {
                let own = read_samples(file).map_err(Failure::input)?;
                match &mut all {
                    Some(all) => all.append(own),
                    None => all = Some(own),
                }
            }
            let all = all.ok_or_else(|| Failure::Input(anyhow!("name a file of samples")))?;
            Self::taken(all, &options)
        })
    }

    /// The names of its policies.
    #[getter]
    fn policies(&self) -> Vec<&str> {
        let policies = self.study.policies.iter();
        policies.map(|own| own.name.as_str()).collect()
    }

    /// The names of its verifiers.
    #[getter]
    fn verifiers(&self) -> Vec<&str> {
        let verifiers = self.study.verifiers.iter();
        verifiers.map(|own| own.name.as_str()).collect()
    }

    /// Its problems with their gold answers.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.study.problems)
    }

    /// What should be known before anything is concluded from it.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// What was left out, and why.
    #[getter]
    fn left_out(&self) -> Vec<String> {
        self.left_out.clone()
    }

    fn __len__(&self) -> usize {
        self.count
    }

    #[pyo3(name = "_measure", signature = (rule, n, policy, verifier))]
    fn measure<'py>(
        &self,
        py: Python<'py>,
        rule: &str,
        n: usize,
        policy: Option<&str>,
        verifier: Option<&str>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let entry = detached(py, || self.entry(rule, n, policy, verifier))?;
        let told = PyDict::new(py);
        told.set_item("accuracy", entry.accuracy)?;
        told.set_item("low", entry.interval.low)?;
        told.set_item("high", entry.interval.high)?;
        told.set_item("problems", entry.problems)?;
        Ok(told)
    }

    #[pyo3(name = "_rows")]
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = detached(py, || samples(&self.study, &mut self.held().store))?;
        to_python(py, &rows)
    }

    #[pyo3(name = "_result_rows")]
    fn result_rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = detached(py, || results(&self.study, &mut self.held().store))?;
        to_python(py, &rows)
    }

    fn __repr__(&self) -> String {
        let (samples, problems) = (self.count, self.study.problems.len());
        format!("<Pool: {samples} samples of {problems} problems>")
    }
}
