//! What a strategy chooses among: a method with all its settings.

use std::fmt;

use outthink_core::{Finished, Method, Plan, Selection};

use super::stopping::Stopping;

/// A method × width × `N` × selection × verifier, and for votes when to stop drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The method.
    pub method: Method,
    /// The budget `N`: with [`Candidate::stopping`] the most that is drawn.
    pub budget: usize,
    /// The beam width `M`, where there are beams.
    pub width: Option<usize>,
    /// How the answer is chosen.
    pub selection: Selection,
    /// The verifier's name; none where none is asked.
    pub verifier: Option<String>,
    /// When to stop before `N`.
    pub stopping: Option<Stopping>,
}

impl Candidate {
    /// Its plan for the kernel.
    pub fn plan(&self) -> Result<Plan, outthink_core::Error> {
        let width = self.width.unwrap_or(1);
        Plan::new(self.method, self.budget, width, Finished::default())
    }

    /// Do its draws begin with those of a probe? Whole solutions drawn at a temperature do.
    pub fn reuses_probe(&self) -> bool {
        matches!(self.method, Method::Majority | Method::BestOfN)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.method)?;
        match self.stopping {
            Some(_) => write!(f, " N ≤ {}", self.budget)?,
            None => write!(f, " N = {}", self.budget)?,
        }
        if let Some(width) = self.width {
            write!(f, ", M = {width}")?;
        }
        if self.selection != Selection::Majority {
            write!(f, ", {}", self.selection)?;
        } else if self.method.needs_verifier() {
            write!(f, ", majority")?;
        }
        if let Some(verifier) = &self.verifier {
            write!(f, ", {verifier}")?;
        }
        match self.stopping {
            Some(stopping) => write!(f, ", until {stopping}"),
            None => Ok(()),
        }
    }
}
