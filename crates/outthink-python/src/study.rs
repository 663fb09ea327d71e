//! Studies: a recipe, its run, and what is in the store of it.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use outthink::Failure;
use outthink::embedding::{self, ReadyStudy};
use outthink::lab::{
    Analysis, Caps, Halt, Published, Recipe, Report, ResultRow, Shard, Status, Store, Study,
    export_jsonl, export_results, run,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use crate::errors;
use crate::rows::{from_python, map_from_python, to_python};
use crate::wait::{Watch, detached, wait};

/// A study, by its recipe or by its name in a store.
#[pyclass(frozen, name = "Study", module = "outthink._native", subclass)]
pub(crate) struct PyStudy {
    /// None of a study that is only read.
    recipe: Option<Recipe>,
    name: Option<String>,
    place: String,
}

impl PyStudy {
    fn stored(&self) -> Result<(Study, Store), Failure> {
        let mut store = Store::existing(&self.place).map_err(Failure::input)?;
        let study = store.study(self.name.as_deref()).map_err(Failure::input)?;
        Ok((study, store))
    }
}

/// What is asked for as a recipe: a file, or its fields.
fn recipe(
    py: Python<'_>,
    given: &Bound<'_, PyAny>,
    changes: &Bound<'_, PyDict>,
) -> PyResult<Recipe> {
    let mut recipe = if given.is_instance_of::<PyDict>() {
        let read = serde_json::from_value(from_python(given)?);
        read.map_err(|error| errors::input(py, format!("the recipe: {error}")))?
    } else {
        let file: PathBuf = given.extract()?;
        detached(py, || embedding::recipe(&file))?
    };
    let changes = map_from_python(changes)?;
    if !changes.is_empty() {
        let mut fields =
            serde_json::to_value(&recipe).map_err(|error| errors::run(py, error.to_string()))?;
        if let Value::Object(fields) = &mut fields {
            fields.extend(changes);
        }
        recipe = serde_json::from_value(fields)
            .map_err(|error| errors::input(py, format!("the recipe: {error}")))?;
    }
    Ok(recipe)
}

#[pymethods]
impl PyStudy {
    #[new]
    #[pyo3(signature = (recipe_of, changes))]
    fn new(
        py: Python<'_>,
        recipe_of: &Bound<'_, PyAny>,
        changes: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let recipe = recipe(py, recipe_of, changes)?;
        Ok(Self {
            name: Some(recipe.name.clone()),
            place: embedding::place(&recipe),
            recipe: Some(recipe),
        })
    }

    /// A study that is in a store.
    #[classmethod]
    #[pyo3(name = "_stored_in")]
    fn stored_in(
        class: &Bound<'_, pyo3::types::PyType>,
        store: String,
        name: Option<String>,
    ) -> PyResult<Py<PyAny>> {
        let py = class.py();
        let own = Self {
            recipe: None,
            name,
            place: store,
        };
        detached(py, || own.stored().map(drop))?;
        Ok(Py::new(py, own)?.into_any())
    }

    /// Its name in the store.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where its store is.
    #[getter]
    fn store(&self) -> &str {
        &self.place
    }

    #[pyo3(name = "_start")]
    fn start<'py>(
        &self,
        py: Python<'py>,
        progress: Option<Py<PyAny>>,
        flops: Option<f64>,
        seconds: Option<f64>,
        money: Option<f64>,
        replace: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let caps = Caps {
            flops,
            seconds,
            money,
        };
        let recipe = self.recipe.clone();
        let told = wait(py, &Watch::default(), || async move {
            let recipe = recipe.ok_or_else(|| {
                Failure::Input(anyhow!(
                    "a study that is only read from a store has no recipe to run"
                ))
            })?;
            let ReadyStudy {
                study,
                models,
                store,
            } = embedding::ready(recipe, replace)?;
            caps.check(&study).map_err(Failure::input)?;
            let domain = study.recipe.domain();
            let domain = domain.map_err(|error| Failure::Input(anyhow!(error)))?;
            // What a listener raises ends the run when it next looks.
            let mut raised = None;
            let mut watch = |status: &Status| {
                if let (Some(progress), None) = (&progress, &raised) {
                    let told = standing(status);
                    raised = Python::attach(|py| {
                        let told = to_python(py, &told)?;
                        progress.call1(py, (told,)).err().map_or(Ok(()), Err)
                    })
                    .err();
                }
            };
            let (shard, answers) = (Shard::WHOLE, domain.get());
            let done = run(&study, &models, store, shard, caps, answers, &mut watch).await;
            if let Some(error) = raised {
                return Err(Failure::from(error));
            }
            let (mut store, halt, status) = done?;
            let mut told = standing(&status);
            told["name"] = study.name.clone().into();
            told["capped"] = match halt {
                Halt::Capped(cap) => cap.into(),
                Halt::Complete => Value::Null,
            };
            // The run's own counts are of before its last writes.
            told["count"] = counted(store.count(&study.name)?);
            Ok(told)
        })?;
        to_python(py, &told)
    }

    #[pyo3(name = "_rows")]
    fn rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = detached(py, || {
            let (study, mut store) = self.stored()?;
            results(&study, &mut store)
        })?;
        to_python(py, &rows)
    }

    #[pyo3(name = "_sample_rows")]
    fn sample_rows<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let rows = detached(py, || {
            let (study, mut store) = self.stored()?;
            samples(&study, &mut store)
        })?;
        to_python(py, &rows)
    }

    /// The report as one page.
    fn report(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || {
            let (study, mut store) = self.stored()?;
            let analysis = Analysis::of(study, &mut store)?;
            Ok(Report::new(&analysis, &Published::load()?).html())
        })
    }

    /// How many units are ``done``, ``failed`` and ``open``.
    fn count<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let count = detached(py, || {
            let (study, mut store) = self.stored()?;
            Ok(counted(store.count(&study.name)?))
        })?;
        to_python(py, &count)
    }

    fn __repr__(&self) -> String {
        let name = self.name.as_deref().unwrap_or("the only one");
        format!("<Study {name} in {}>", shown(&self.place))
    }
}

/// The results of a study, row by row.
pub(crate) fn results(study: &Study, store: &mut Store) -> Result<Vec<ResultRow>, Failure> {
    let mut rows = Vec::new();
    export_results(study, store, &mut |row| -> Result<(), Failure> {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// The samples of a study, as `outthink export` writes them.
pub(crate) fn samples(study: &Study, store: &mut Store) -> Result<Vec<Value>, Failure> {
    let mut lines = Vec::new();
    export_jsonl(study, store, &mut lines)?;
    let lines = lines.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    Ok(lines
        .map(serde_json::from_slice)
        .collect::<Result<_, _>>()?)
}

fn counted(count: outthink::lab::store::Count) -> Value {
    json!({"done": count.done, "failed": count.failed, "open": count.open})
}

fn standing(status: &Status) -> Value {
    json!({
        "done": status.done,
        "count": counted(status.count),
        "seconds": status.elapsed.as_secs_f64(),
        "tokens": status.generated,
        "flops": status.flops,
        "money": status.money,
        "failure": status.failure,
    })
}

/// A place without a password.
fn shown(place: &str) -> String {
    match Path::new(place).exists() {
        true => place.to_owned(),
        false => outthink::lab::store::shown(place),
    }
}
