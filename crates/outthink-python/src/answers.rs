//! Answers found and compared, without a model.

use anyhow::anyhow;
use outthink::Failure;
use outthink::answer::Mode;
use pyo3::prelude::*;

use crate::wait::detached;

fn mode(rules: &str) -> Result<Mode, Failure> {
    rules
        .parse()
        .map_err(|error| Failure::Input(anyhow!("{error}")))
}

/// Equal, by which rule, and why.
#[pyfunction]
pub(crate) fn equal(
    py: Python<'_>,
    gold: &str,
    prediction: &str,
    rules: &str,
) -> PyResult<(bool, &'static str, String)> {
    detached(py, || {
        let verdict = mode(rules)?.equivalent(gold, prediction);
        let reason = verdict.reason.into_owned();
        Ok((verdict.equal, verdict.rule, reason))
    })
}

#[pyfunction]
pub(crate) fn extract(py: Python<'_>, text: &str, rules: &str) -> PyResult<Option<String>> {
    detached(py, || Ok(mode(rules)?.extract(text)))
}
