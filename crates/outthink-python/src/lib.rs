//! What `import outthink` loads: the library behind Python's objects, and the command line as a function.
//!
//! Rust works without Python's lock and takes it only where an object of the caller's is called (`call`). A search runs on the
//! thread that asked for it (`wait`), so that a policy in Python runs where its caller does, and Ctrl-C ends it. What Python shows
//! of this, with its documentation, is in `python/outthink`.

mod answers;
mod call;
mod domain;
mod errors;
mod method;
mod models;
mod outcome;
mod policy;
mod pool;
mod program;
mod reading;
mod rows;
mod selection;
mod slots;
mod solve;
mod strategy;
mod study;
mod tree;
mod verifier;
mod wait;

use pyo3::prelude::*;

/// The extension module `outthink._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<models::NamedPolicy>()?;
    module.add_class::<models::NamedVerifier>()?;
    module.add_class::<method::PyPlan>()?;
    module.add_class::<method::PyGrown>()?;
    module.add_class::<outcome::PyOutcome>()?;
    module.add_class::<outcome::PySolution>()?;
    module.add_class::<policy::PyContinuation>()?;
    module.add_class::<policy::PyRequest>()?;
    module.add_class::<pool::PyPool>()?;
    module.add_class::<reading::PolicyReader>()?;
    module.add_class::<reading::PyDraw>()?;
    module.add_class::<reading::VerifierReader>()?;
    module.add_class::<selection::PySignals>()?;
    module.add_class::<strategy::PyStrategy>()?;
    module.add_class::<study::PyStudy>()?;
    module.add_class::<tree::PyNode>()?;
    module.add_class::<tree::PyTree>()?;
    module.add_class::<verifier::PyPrefix>()?;
    module.add_class::<wait::Cancel>()?;
    for function in [
        wrap_pyfunction!(answers::equal, module)?,
        wrap_pyfunction!(answers::extract, module)?,
        wrap_pyfunction!(domain::register_domain, module)?,
        wrap_pyfunction!(method::register_method, module)?,
        wrap_pyfunction!(models::load_policy, module)?,
        wrap_pyfunction!(models::load_verifier, module)?,
        wrap_pyfunction!(program::main, module)?,
        wrap_pyfunction!(rows::problems, module)?,
        wrap_pyfunction!(selection::register_score, module)?,
        wrap_pyfunction!(selection::register_vote, module)?,
        wrap_pyfunction!(selection::names, module)?,
        wrap_pyfunction!(solve::solve, module)?,
    ] {
        module.add_function(function)?;
    }
    Ok(())
}
