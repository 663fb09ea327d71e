//! A method that is written in Python: a factory of allocators.

use std::fmt;
use std::sync::Arc;

use outthink::Limits;
use outthink::core::NodeId;
use outthink::method::{Allocator, Branch, Grown, Parameters, Round, Traits};
use outthink::{AnyMethod, Method, Plan, Tree};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde_json::{Map, Value};

use crate::errors;
use crate::policy::kind;
use crate::rows::{map_from_python, to_python};
use crate::slots::{Slot, Slots};
use crate::tree::PyTree;
use crate::wait::raise_later;

/// What was registered.
struct Registered {
    factory: Py<PyAny>,
    traits: Traits,
    /// Parameters with their usual values.
    usual: Map<String, Value>,
}

static METHODS: Slots<Registered> = Slots::new();

/// A method by its name, in one setting of its parameters.
struct PyMethod {
    name: &'static str,
    slot: Arc<Slot<Registered>>,
    /// Those that are not the usual ones.
    set: Map<String, Value>,
}

impl fmt::Debug for PyMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PyMethod {
    fn all(&self) -> Map<String, Value> {
        let mut all = self.slot.get().usual.clone();
        all.extend(self.set.clone());
        all
    }

    fn allocator(&self, plan: &Plan, seed: u64) -> PyResult<Py<PyAny>> {
        let registered = self.slot.get();
        Python::attach(|py| {
            let keywords = PyDict::new(py);
            for (name, value) in self.all() {
                keywords.set_item(name, to_python(py, &value)?)?;
            }
            let factory = registered.factory.bind(py);
            let own = factory.call((PyPlan(*plan), seed), Some(&keywords))?;
            for needed in ["first", "next", "kept"] {
                if !own.hasattr(needed)? {
                    return Err(PyTypeError::new_err(format!(
                        "an allocator has first(), next(tree, grown) and kept(), and {} has no {needed}",
                        kind(&own)
                    )));
                }
            }
            Ok(own.unbind())
        })
    }
}

impl Method for PyMethod {
    fn name(&self) -> &'static str {
        self.name
    }

    fn traits(&self) -> Traits {
        self.slot.get().traits
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(&self.all())
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let set: Map<String, Value> = parameters.read()?;
        let usual = &self.slot.get().usual;
        if let Some(unknown) = set.keys().find(|name| !usual.contains_key(*name)) {
            let known: Vec<&str> = usual.keys().map(String::as_str).collect();
            return Err(match known.is_empty() {
                true => format!("it has no parameter `{unknown}`"),
                false => format!(
                    "it has no parameter `{unknown}` (it has {})",
                    known.join(", ")
                ),
            });
        }
        Ok(Box::new(Self {
            name: self.name,
            slot: Arc::clone(&self.slot),
            set,
        }))
    }

    fn start(&self, plan: &Plan, seed: u64) -> Box<dyn Allocator> {
        Box::new(PyAllocator(match self.allocator(plan, seed) {
            Ok(own) => Some(own),
            Err(error) => {
                raise_later(error);
                None
            }
        }))
    }
}

/// An allocator of Python's; none after it has raised, and then it asks for what there is not: the search fails, for it is not over.
struct PyAllocator(Option<Py<PyAny>>);

/// A branch of no tree.
const NOWHERE: Branch = Branch {
    node: NodeId::MAX,
    draws: 1,
    part: 0,
};

impl PyAllocator {
    fn ask<T>(&mut self, call: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Option<T> {
        let own = self.0.as_ref()?;
        match Python::attach(|py| call(own.bind(py))) {
            Ok(answer) => Some(answer),
            Err(error) => {
                raise_later(error);
                self.0 = None;
                None
            }
        }
    }
}

impl Allocator for PyAllocator {
    fn begin(&mut self, limits: &Limits) {
        let Limits {
            draw_tokens,
            solution_tokens,
            steps,
        } = *limits;
        self.ask(|own| {
            if own.hasattr("begin")? {
                let limits = PyDict::new(own.py());
                limits.set_item("draw_tokens", draw_tokens)?;
                limits.set_item("solution_tokens", solution_tokens)?;
                limits.set_item("steps", steps)?;
                own.call_method1("begin", (limits,))?;
            }
            Ok(())
        });
    }

    fn first(&mut self) -> Vec<Branch> {
        let first = self.ask(|own| branches(&own.call_method0("first")?, "first"));
        first.unwrap_or_else(|| vec![NOWHERE])
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let next = self.ask(|own| {
            let py = own.py();
            let tree = PyTree::new(Arc::new(tree.clone()), String::new());
            let grown = PyList::new(py, grown.iter().cloned().map(PyGrown))?;
            branches(&own.call_method1("next", (tree, grown))?, "next")
        });
        next.unwrap_or_else(|| vec![NOWHERE])
    }

    fn round(&self) -> Round {
        let Some(own) = &self.0 else {
            return Round::default();
        };
        let round = Python::attach(|py| {
            let own = own.bind(py);
            match own.hasattr("round")? {
                true => round_of(&own.call_method0("round")?),
                false => Ok(Round::default()),
            }
        });
        round.unwrap_or_else(|error| {
            raise_later(error);
            Round::default()
        })
    }

    fn kept(&self) -> Vec<NodeId> {
        let Some(own) = &self.0 else {
            return vec![NOWHERE.node];
        };
        let kept = Python::attach(|py| -> PyResult<Vec<NodeId>> {
            let kept = own.bind(py).call_method0("kept")?.try_iter()?;
            kept.map(|node| node?.extract()).collect()
        });
        kept.unwrap_or_else(|error| {
            raise_later(error);
            vec![NOWHERE.node]
        })
    }
}

/// How a round is drawn, from a dict; what it does not say is as usual.
fn round_of(told: &Bound<'_, PyAny>) -> PyResult<Round> {
    let mut round = Round::default();
    if told.is_none() {
        return Ok(round);
    }
    for (name, value) in told.cast::<PyDict>()? {
        match name.extract::<String>()?.as_str() {
            "greedy" => round.greedy = value.extract()?,
            "scored" => round.scored = value.extract()?,
            "block" => round.block = value.extract()?,
            other => {
                return Err(PyTypeError::new_err(format!(
                    "round() returns a dict of greedy, scored and block, and `{other}` is none of them"
                )));
            }
        }
    }
    Ok(round)
}

fn branches(returned: &Bound<'_, PyAny>, method: &str) -> PyResult<Vec<Branch>> {
    let branch = |own: PyResult<Bound<'_, PyAny>>| {
        let own = own?;
        let parted = own.extract::<(NodeId, usize, usize)>();
        let parted = parted.or_else(|_| {
            let (node, draws) = own.extract::<(NodeId, usize)>()?;
            Ok((node, draws, 0))
        });
        let shape = |_: PyErr| {
            let told = own
                .repr()
                .map_or_else(|_| kind(&own), |own| own.to_string());
            PyTypeError::new_err(format!(
                "{method}() must return a list of (node, draws) or (node, draws, part), and {told} is none"
            ))
        };
        let (node, draws, part) = parted.map_err(shape)?;
        Ok(Branch { node, draws, part })
    };
    if returned.is_none() {
        return Ok(Vec::new());
    }
    returned.try_iter()?.map(branch).collect()
}

/// A budget laid out.
#[pyclass(frozen, name = "Plan", module = "outthink")]
pub(crate) struct PyPlan(Plan);

#[pymethods]
impl PyPlan {
    /// N.
    #[getter]
    fn budget(&self) -> usize {
        self.0.budget()
    }

    /// M, the samples of every kept step.
    #[getter]
    fn width(&self) -> usize {
        self.0.width()
    }

    /// The method's name with its parameters.
    #[getter]
    fn method(&self) -> &'static str {
        self.0.method().name()
    }

    fn __repr__(&self) -> String {
        format!("<Plan: {} of {}>", self.0.budget(), self.0.method())
    }
}

/// A node that was grown, and the node that each of its samples led to.
#[pyclass(frozen, name = "Grown", module = "outthink")]
pub(crate) struct PyGrown(Grown);

#[pymethods]
impl PyGrown {
    /// The node.
    #[getter]
    fn node(&self) -> NodeId {
        self.0.branch.node
    }

    /// How many samples were drawn from it.
    #[getter]
    fn draws(&self) -> usize {
        self.0.branch.draws
    }

    /// The part of the search that it belongs to.
    #[getter]
    fn part(&self) -> usize {
        self.0.branch.part
    }

    /// A node a sample; equal samples lead to the same one.
    #[getter]
    fn children(&self) -> Vec<NodeId> {
        self.0.children.clone()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Grown: node {} to {:?}>",
            self.0.branch.node, self.0.children
        )
    }
}

#[pyfunction]
#[pyo3(signature = (name, factory, rewards, stepwise, width, parameters))]
pub(crate) fn register_method(
    name: &str,
    factory: Bound<'_, PyAny>,
    rewards: bool,
    stepwise: bool,
    width: bool,
    parameters: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = factory.py();
    if !factory.is_callable() {
        return Err(PyTypeError::new_err(format!(
            "a method is a class or a function that returns an allocator, not {}",
            kind(&factory)
        )));
    }
    let own = Registered {
        usual: map_from_python(parameters)?,
        factory: factory.unbind(),
        traits: Traits {
            rewards,
            stepwise,
            width,
            ..Traits::default()
        },
    };
    let put = py.detach(|| {
        METHODS.put(name, own, |name, slot| {
            let set = Map::new();
            AnyMethod::register(PyMethod { name, slot, set }).map(drop)
        })
    });
    put.map_err(|error| errors::input(py, error))
}
