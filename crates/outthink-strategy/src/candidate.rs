//! What a strategy chooses among: a method with all its settings.

use std::fmt;

use outthink_core::method::MAJORITY;
use outthink_core::{AnyMethod, Finished, Plan, Selection};

use crate::stopping::{PROBE, Stopping};

/// A method × width × `N` × selection × verifier, and when to stop before `N`.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The method.
    pub method: AnyMethod,
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
    /// Of a tree search that may stop: the budgets below `N` after which it looks, ascending. Subtrees of DVTS are drawn alike
    /// whatever `N` is, so each search is the beginning of the next and is not paid for again.
    pub rungs: Vec<usize>,
}

impl Candidate {
    /// Its plan for the kernel.
    pub fn plan(&self) -> Result<Plan, outthink_core::Error> {
        let width = self.width.unwrap_or(1);
        Plan::new(self.method, self.budget, width, Finished::default())
    }

    /// Do its draws begin with those of a probe? Whole solutions drawn at a temperature do.
    pub fn reuses_probe(&self) -> bool {
        self.method.takes_pool()
    }

    /// After how many samples it looks whether to stop; the last is `N`.
    pub fn looks(&self) -> Vec<usize> {
        match self.stopping {
            Some(_) if self.reuses_probe() => Stopping::looks(self.budget),
            _ => self.rungs.iter().copied().chain([self.budget]).collect(),
        }
    }

    /// The same, or as much of it as draws no more than `most`.
    pub fn within(&self, most: usize) -> Self {
        if self.budget <= most {
            return self.clone();
        }
        let most = most.max(1);
        if let Some(look) = self.rungs.iter().rposition(|&rung| rung <= most) {
            let rungs = self.rungs[..look].to_vec();
            return Self {
                budget: self.rungs[look],
                stopping: self.stopping.filter(|_| !rungs.is_empty()),
                rungs,
                ..self.clone()
            };
        }
        let width = self.width.map(|width| width.min(most));
        Self {
            budget: most - most % width.unwrap_or(1),
            width,
            stopping: self.stopping.filter(|_| self.reuses_probe()),
            rungs: Vec::new(),
            ..self.clone()
        }
    }

    /// The same, or as much of it as draws no more than `most` together with a probe; where that is nothing, a vote on as many.
    pub fn after_probe(&self, most: usize) -> Self {
        let probe = if self.reuses_probe() { 0 } else { PROBE };
        match most.checked_sub(probe) {
            Some(left @ 1..) => self.within(left),
            _ => Self {
                method: MAJORITY,
                budget: most.max(1),
                width: None,
                selection: Selection::Majority,
                verifier: None,
                stopping: None,
                rungs: Vec::new(),
            },
        }
    }

    /// Is the combination valid? Only step-wise methods have a width; only sampling methods may stop early; only those
    /// whose larger search begins with the smaller may stop at rungs below `N`; a reward rule needs a verifier.
    pub fn is_sound(&self) -> bool {
        let beams = self.method.has_width() == self.width.is_some();
        let by_reward = self.stopping.is_some_and(Stopping::needs_rewards);
        let rewarded = !by_reward || (self.verifier.is_some() && self.selection.needs_rewards());
        let rising = self.rungs.windows(2).all(|two| two[0] < two[1]);
        let below = |rung: &usize| *rung < self.budget && self.at(*rung).plan().is_ok();
        let climbs = !self.rungs.is_empty() && rising && self.rungs.iter().all(below);
        let stops = match self.stopping {
            Some(_) if !self.method.takes_pool() => {
                self.method.traits().nested && by_reward && climbs
            }
            _ => self.rungs.is_empty(),
        };
        beams && rewarded && stops
    }

    /// The same without stopping, at one of [`Candidate::looks`].
    pub fn at(&self, look: usize) -> Self {
        Self {
            budget: look,
            stopping: None,
            rungs: Vec::new(),
            ..self.clone()
        }
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
