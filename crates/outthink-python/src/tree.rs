//! The tree of a search.

use std::sync::Arc;

use outthink::Tree;
use outthink::lab::tree_page::CaseTree;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::outcome::Answers;
use crate::policy::stopped;
use crate::rows::to_python;

/// All that a search drew for one problem.
#[pyclass(frozen, name = "Tree", module = "outthink")]
pub(crate) struct PyTree {
    pub(crate) tree: Arc<Tree>,
    title: String,
}

impl PyTree {
    pub(crate) fn new(tree: Arc<Tree>, title: String) -> Self {
        Self { tree, title }
    }

    fn known(&self, id: usize) -> PyResult<usize> {
        let all = self.tree.nodes().len();
        match id < all {
            true => Ok(id),
            false => Err(PyIndexError::new_err(format!(
                "there is no node {id} in a tree of {all}"
            ))),
        }
    }

    /// The page that `outthink tree` writes.
    pub(crate) fn page(&self) -> String {
        CaseTree::of(&self.tree, self.title.clone(), String::new(), None).html()
    }
}

#[pymethods]
impl PyTree {
    /// What was asked.
    #[getter]
    fn problem(&self) -> &str {
        &self.tree.problem.text
    }

    /// The ends of the solutions that the method kept.
    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.tree.kept.clone()
    }

    fn __len__(&self) -> usize {
        self.tree.nodes().len()
    }

    fn __getitem__(&self, id: usize) -> PyResult<PyNode> {
        let id = self.known(id)?;
        Ok(PyNode {
            tree: Arc::clone(&self.tree),
            id,
        })
    }

    /// The nodes from below the root down to one.
    fn path(&self, id: usize) -> PyResult<Vec<usize>> {
        Ok(self.tree.path(self.known(id)?))
    }

    /// Their texts.
    fn steps(&self, id: usize) -> PyResult<Vec<String>> {
        let steps = self.tree.steps(self.known(id)?);
        Ok(steps.iter().map(|step| step.text.clone()).collect())
    }

    /// ``problem``, ``nodes`` and ``kept``.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let nodes = (0..self.tree.nodes().len()).map(|id| {
            let node = PyNode {
                tree: Arc::clone(&self.tree),
                id,
            };
            node.value()
        });
        let nodes: Vec<Value> = nodes.collect();
        let value = json!({
            "problem": self.tree.problem.text,
            "nodes": nodes,
            "kept": self.tree.kept,
        });
        to_python(py, &value)
    }

    /// The page that ``outthink tree --out`` writes.
    fn html(&self) -> String {
        self.page()
    }

    pub(crate) fn _repr_html_(&self) -> String {
        framed(&self.page())
    }

    fn __repr__(&self) -> String {
        let (nodes, kept) = (self.tree.nodes().len() - 1, self.tree.kept.len());
        format!("<Tree: {nodes} steps, {kept} solutions kept>")
    }
}

/// A page in a frame of a notebook, whose styles stay its own.
pub(crate) fn framed(page: &str) -> String {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<iframe srcdoc=\"{escaped}\" style=\"width: 100%; height: 28em; border: 1px solid #8884\"></iframe>"
    )
}

/// A step of the tree.
#[pyclass(frozen, name = "Node", module = "outthink")]
pub(crate) struct PyNode {
    tree: Arc<Tree>,
    id: usize,
}

impl PyNode {
    fn node(&self) -> &outthink::core::Node {
        &self.tree.nodes()[self.id]
    }

    fn value(&self) -> Value {
        json!({
            "id": self.id,
            "parent": self.parent(),
            "text": self.text(),
            "reward": self.reward(),
            "draws": self.draws(),
            "stop": self.stop(),
            "tokens": self.tokens().len(),
            "children": self.children(),
        })
    }
}

#[pymethods]
impl PyNode {
    /// Its number; 0 is the root, which has no text.
    #[getter]
    fn id(&self) -> usize {
        self.id
    }

    /// The step before; None of the root.
    #[getter]
    fn parent(&self) -> Option<usize> {
        self.node().parent
    }

    /// The steps after, in order of appearance.
    #[getter]
    fn children(&self) -> Vec<usize> {
        self.tree.children(self.id).to_vec()
    }

    /// The step.
    #[getter]
    fn text(&self) -> &str {
        let step = self.node().step.as_ref();
        step.map_or("", |step| &step.text)
    }

    /// Its token ids; empty where they are unknown.
    #[getter]
    fn tokens(&self) -> &[u32] {
        let step = self.node().step.as_ref();
        step.map_or(&[], |step| &step.tokens)
    }

    /// Its reward in [0, 1]; None where it was not scored.
    #[getter]
    fn reward(&self) -> Option<f64> {
        self.node().reward
    }

    /// How many samples came through here.
    #[getter]
    fn draws(&self) -> usize {
        self.node().draws
    }

    /// Why a solution ends here; None where none does.
    #[getter]
    fn stop(&self) -> Option<&'static str> {
        self.node().finished.map(|(stop, _)| stopped(stop))
    }

    /// All of this; of the tokens how many.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.value())
    }

    fn __repr__(&self) -> String {
        let reward = self
            .reward()
            .map_or(String::new(), |own| format!(", reward {own:.3}"));
        format!("<Node {}{reward}: {:?}>", self.id, self.text())
    }
}

/// How a tree is called in its page.
pub(crate) fn title(plan: &outthink::Plan, answers: &Answers) -> String {
    format!("{}: {plan} ({})", plan.method(), answers.name())
}
