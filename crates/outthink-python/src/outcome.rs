//! What a search came to.

use std::sync::Arc;

use futures::future::FutureExt;
use outthink::core::visible;
use outthink::{
    AnyDomain, AnyMethod, Chosen, Domain, Failure, Plan, Problem, Selection, Solution, Spending,
    Tree,
};
use pyo3::prelude::*;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::domain::PyDomain;
use crate::policy::stopped;
use crate::rows::to_python;
use crate::tree::{PyTree, title};
use crate::wait::detached;

/// How answers are found and compared.
#[derive(Clone)]
pub(crate) enum Answers {
    /// By a domain that has a name.
    Named(AnyDomain),
    /// By an object of Python's.
    Own(Arc<PyDomain>),
}

impl Answers {
    pub(crate) fn get(&self) -> &dyn Domain {
        match self {
            Self::Named(domain) => domain.get(),
            Self::Own(own) => own.as_ref(),
        }
    }

    /// What `extract` of an object of Python's raised for a problem, if it did.
    fn extracted(&self, problem: &Problem) -> Result<(), Failure> {
        let asked = self.get().group(problem, &[]).now_or_never();
        let failed = asked.and_then(Result::err);
        let failed = failed.and_then(|error| error.downcast::<PyErr>().ok());
        failed.map_or(Ok(()), |error| Err(Failure::from(*error)))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Named(domain) => domain.name().to_owned(),
            Self::Own(own) => own.identity(),
        }
    }
}

/// What is told of a strategy's choice.
#[derive(Clone, Serialize)]
pub(crate) struct Choice {
    pub(crate) choice: String,
    pub(crate) reason: String,
    pub(crate) budget: f64,
    pub(crate) unit: &'static str,
    pub(crate) samples: usize,
    pub(crate) confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unlike: Option<String>,
}

/// What a search came to: what `outthink solve --json` prints, and the tree.
#[pyclass(frozen, name = "Outcome", module = "outthink")]
pub(crate) struct PyOutcome {
    pub(crate) problem: Arc<Problem>,
    pub(crate) chosen: Option<Chosen>,
    pub(crate) correct: Option<bool>,
    pub(crate) plan: Option<Plan>,
    pub(crate) choice: Option<Choice>,
    pub(crate) selection: Selection,
    pub(crate) profiles: (Option<String>, Option<String>),
    pub(crate) usage: Spending,
    pub(crate) solutions: Vec<Solution>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) answers: Answers,
}

/// As the command line writes it.
#[derive(Serialize)]
struct Report<'a> {
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correct: Option<bool>,
    #[serde(flatten)]
    choice: Option<&'a Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<AnyMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verifier_profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selection: Option<String>,
    agreement: Option<f64>,
    usage: Spending,
    solutions: Vec<Written>,
}

#[derive(Serialize)]
struct Written {
    steps: Vec<WrittenStep>,
    answer: Option<String>,
    score: Option<f64>,
    count: usize,
}

#[derive(Serialize)]
struct WrittenStep {
    text: String,
    reward: Option<f64>,
    tokens: usize,
}

impl PyOutcome {
    fn written(&self, solution: &Solution) -> Written {
        let rewards = solution.rewards.iter().map(|reward| Some(*reward));
        let rewards = rewards.chain(std::iter::repeat(None));
        let steps = solution.steps.iter().zip(rewards);
        let steps = steps.map(|(step, reward)| WrittenStep {
            text: step.text.clone(),
            reward,
            tokens: step.tokens.len(),
        });
        Written {
            steps: steps.collect(),
            answer: self.answers.get().extract(&self.problem, &solution.text()),
            score: self.selection.score(solution),
            count: solution.count,
        }
    }

    fn report(&self) -> Result<Box<RawValue>, Failure> {
        let solutions = self.solutions.iter().map(|own| self.written(own)).collect();
        self.answers.extracted(&self.problem)?;
        Ok(to_raw_value(&Report {
            answer: self.answer(),
            correct: self.correct,
            choice: self.choice.as_ref(),
            method: self.plan.map(|plan| plan.method()),
            n: self.plan.map(|plan| plan.budget()),
            plan: self.plan(),
            policy_profile: self.profiles.0.as_deref(),
            verifier_profile: self.profiles.1.as_deref(),
            selection: self.plan.map(|_| self.selection.to_string()),
            agreement: self.agreement(),
            usage: self.usage,
            solutions,
        })?)
    }

    fn views<'a>(
        &self,
        solutions: impl IntoIterator<Item = &'a Solution>,
    ) -> Result<Vec<PySolution>, Failure> {
        let view = |solution: &Solution| PySolution {
            answer: self.answers.get().extract(&self.problem, &solution.text()),
            score: self.selection.score(solution),
            solution: solution.clone(),
        };
        let views = solutions.into_iter().map(view).collect();
        self.answers.extracted(&self.problem)?;
        Ok(views)
    }
}

#[pymethods]
impl PyOutcome {
    /// What was asked.
    #[getter]
    fn problem(&self) -> &str {
        &self.problem.text
    }

    /// The answer; None where no solution has one.
    #[getter]
    fn answer(&self) -> Option<&str> {
        self.chosen.as_ref().map(|chosen| chosen.answer.as_str())
    }

    /// Is it the gold answer, where that was given?
    #[getter]
    fn correct(&self) -> Option<bool> {
        self.correct
    }

    /// The share of the samples with an answer that gave this one, in [0, 1].
    #[getter]
    fn agreement(&self) -> Option<f64> {
        self.chosen.as_ref().map(|chosen| chosen.agreement)
    }

    /// The calibrated chance that the answer is right, in [0, 1]; None where nothing was fitted.
    #[getter]
    fn confidence(&self) -> Option<f64> {
        self.choice.as_ref().and_then(|own| own.confidence)
    }

    /// What a strategy chose.
    #[getter]
    fn choice(&self) -> Option<&str> {
        self.choice.as_ref().map(|own| own.choice.as_str())
    }

    /// Why it did.
    #[getter]
    fn reason(&self) -> Option<&str> {
        self.choice.as_ref().map(|own| own.reason.as_str())
    }

    /// How many samples these stand for; of a strategy, all that were drawn.
    #[getter]
    fn samples(&self) -> usize {
        match &self.choice {
            Some(choice) => choice.samples,
            None => self.solutions.iter().map(|own| own.count).sum(),
        }
    }

    /// How the budget was spent, as ``64 = 16 subtrees × 4``; None of a strategy.
    #[getter]
    fn plan(&self) -> Option<String> {
        self.plan.map(|plan| plan.to_string())
    }

    /// How the answer was chosen.
    #[getter]
    fn selection(&self) -> String {
        self.selection.to_string()
    }

    /// Tokens of ``policy`` and ``verifier``, ``flops_full``, and ``flops_paper``; None where a model's size is unknown.
    #[getter]
    fn usage<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.usage)
    }

    /// The solution that the answer is from.
    #[getter]
    fn solution(&self, py: Python<'_>) -> PyResult<Option<PySolution>> {
        let chosen = self.chosen.as_ref().map(|chosen| chosen.solution);
        let chosen = chosen.and_then(|place| self.solutions.get(place));
        Ok(detached(py, || self.views(chosen))?.pop())
    }

    /// All complete solutions that the method kept.
    #[getter]
    fn solutions(&self, py: Python<'_>) -> PyResult<Vec<PySolution>> {
        detached(py, || self.views(&self.solutions))
    }

    /// All that was drawn and scored.
    #[getter]
    fn tree(&self) -> PyTree {
        let title = match (&self.plan, &self.choice) {
            (Some(plan), _) => title(plan, &self.answers),
            (None, Some(choice)) => choice.choice.clone(),
            (None, None) => String::new(),
        };
        PyTree::new(Arc::clone(&self.tree), title)
    }

    /// What ``outthink solve --json`` prints.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let report = detached(py, || self.report())?;
        to_python(py, &report)
    }

    fn __repr__(&self) -> String {
        match &self.chosen {
            Some(chosen) => format!(
                "<Outcome: {} ({:.0} % of {} samples)>",
                visible(&chosen.answer),
                100.0 * chosen.agreement,
                self.samples()
            ),
            None => format!("<Outcome: no answer in {} samples>", self.samples()),
        }
    }

    fn _repr_html_(&self) -> String {
        let answer = self.answer().unwrap_or("none");
        let answer = outthink::lab::tree_page::markup(answer);
        let agreement = self.agreement().map_or(String::new(), |own| {
            format!(", {:.0} % of {} samples", 100.0 * own, self.samples())
        });
        let tree = self.tree()._repr_html_();
        format!("<p><b>{answer}</b>{agreement}</p>{tree}")
    }
}

/// A complete path of the tree.
#[pyclass(frozen, name = "Solution", module = "outthink")]
pub(crate) struct PySolution {
    solution: Solution,
    answer: Option<String>,
    score: Option<f64>,
}

#[pymethods]
impl PySolution {
    /// Its steps.
    #[getter]
    fn steps(&self) -> Vec<&str> {
        let steps = self.solution.steps.iter();
        steps.map(|step| step.text.as_str()).collect()
    }

    /// A reward in [0, 1] a step; empty without a verifier, or where it was cut off.
    #[getter]
    fn rewards(&self) -> Vec<f64> {
        self.solution.rewards.clone()
    }

    /// The token ids of each step.
    #[getter]
    fn tokens(&self) -> Vec<&[u32]> {
        let steps = self.solution.steps.iter();
        steps.map(|step| &step.tokens[..]).collect()
    }

    /// The steps as one text, a blank line between them.
    #[getter]
    fn text(&self) -> String {
        self.solution.text()
    }

    /// Its answer.
    #[getter]
    fn answer(&self) -> Option<&str> {
        self.answer.as_deref()
    }

    /// What the selection makes of its rewards.
    #[getter]
    fn score(&self) -> Option<f64> {
        self.score
    }

    /// How many equal samples it stands for.
    #[getter]
    fn count(&self) -> usize {
        self.solution.count
    }

    /// ``"answer"``, or ``"length"`` where it was cut off.
    #[getter]
    fn stop(&self) -> &'static str {
        stopped(self.solution.stop)
    }

    /// Its last node in the tree.
    #[getter]
    fn node(&self) -> usize {
        self.solution.node
    }

    fn __str__(&self) -> String {
        self.text()
    }

    fn __repr__(&self) -> String {
        let steps = self.solution.steps.len();
        format!("<Solution: {steps} steps, answer {:?}>", self.answer)
    }
}
