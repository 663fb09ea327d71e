//! What is wrong with a verifier: its judgement of steps, its ways to fail, its calibration, each with an interval.
//!
//! A solution's steps are right up to its first error; what follows the error has no label of its own (ProcessBench,
//! arXiv 2412.06559) and enters no statistic but the search for the lowest reward. Intervals are 95 % percentile bootstraps
//! over problems.

mod ability;
mod audited;
mod bias;
mod calibrated;
mod calibration;
mod combination;
mod findings;
mod hazards;
mod judgement;
pub(crate) mod outcome;
pub(crate) mod resample;
mod rows;
mod score;
mod selection;
mod stored;
mod together;

use std::collections::HashMap;

pub use outthink_core::{Calibrated, Isotonic};
use serde::Serialize;

pub use ability::{Ability, AbilityPoint, Fit};
pub use audited::Audited;
pub(crate) use audited::{signed, size};
pub use bias::{Bin, Effect};
pub use calibrated::{CalibrationError, CalibrationFile};
pub use calibration::{Calibration, Reliability};
pub use combination::{Rated, Weights, with_labels, without_labels};
pub use findings::{Finding, Harm};
pub use hazards::{Hazard, hazards};
pub use judgement::{Judged, JudgedKind};
pub use outcome::{
    Course, OutcomeAudit, OutcomeSample, Preference, ScoreAudit, WRONG_PROBLEM, outcome_audits,
    tree_judgement,
};
pub use resample::Measured;
use resample::Sums;
pub use rows::{RowError, SolutionRow, read_labelled};
pub use score::{Failed, Lengths, score};
pub use selection::{Ruled, Sensitivity, Spread};
pub use stored::{POOLED, StepLabels, stored};
pub use together::{Together, Vote, combination_file, together};

/// A solution as a verifier scored it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// What it was asked; rows of one text are one problem.
    pub problem: String,
    /// Its steps.
    pub steps: Vec<String>,
    /// The first wrong step, from 0; none for a right solution.
    pub first_error: Option<usize>,
    /// One a step, in [0, 1].
    pub rewards: Vec<f64>,
    /// Length of each step, in the unit that the audit is told.
    pub lengths: Vec<usize>,
    /// The unit of the store that its rewards are from.
    pub unit: Option<i64>,
    /// The kind of its error, or the part of the set that it is from.
    pub kind: Option<String>,
}

impl Scored {
    /// How many steps have a label: all, or those up to the first error.
    fn labelled(&self) -> usize {
        self.first_error
            .map_or(self.rewards.len(), |error| error + 1)
    }

    fn right(&self, step: usize) -> bool {
        self.first_error.is_none_or(|error| step < error)
    }
}

/// A solution kept for its statistics; the texts are gone.
struct Kept {
    problem: usize,
    scored: Scored,
}

impl Kept {
    /// Splits problems by the parity of their index's bits (Thue–Morse): every prefix is balanced to within one, and
    /// periodic data cannot land in one half.
    fn reports(&self) -> bool {
        self.problem.count_ones() % 2 == 1
    }
}

/// A step that shows a failure at its worst.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// What was asked.
    pub problem: String,
    /// The number of the step, from 1.
    pub step: usize,
    /// The step.
    pub text: String,
    /// Its reward.
    pub reward: f64,
    /// The number of the first wrong step, from 1.
    pub first_error: Option<usize>,
    /// The unit of the store that the reward is from.
    #[serde(skip)]
    pub unit: Option<i64>,
    /// The steps up to this one.
    #[serde(skip)]
    pub path: Vec<String>,
    /// Where the step is shown in its tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Step and response lengths of the solutions (the paper's Table 1).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LengthTable {
    /// What is counted.
    pub unit: String,
    /// Mean length of a step.
    pub per_step: f64,
    /// Mean length of a response.
    pub per_response: f64,
    /// Mean number of steps of a response.
    pub steps: f64,
}

/// Scored solutions of one verifier, and what they say of it.
pub struct Audit {
    /// A threshold that was chosen beforehand; then all problems report.
    threshold: Option<f64>,
    unit: String,
    problems: HashMap<String, usize>,
    kept: Vec<Kept>,
    /// Right steps with the lowest rewards, and first wrong ones with the highest.
    criticised: Vec<Example>,
    neglected: Vec<Example>,
}

/// Worst examples kept of each kind.
const EXAMPLES: usize = 5;

/// All that an audit says of a verifier.
#[derive(Clone, Debug, Serialize)]
pub struct AuditReport {
    /// Solutions scored.
    pub solutions: usize,
    /// Of them with an error.
    pub erroneous: usize,
    /// Different problems.
    pub problems: usize,
    /// Lengths of the data.
    pub lengths: LengthTable,
    /// The first step with a reward below this is called the first error.
    pub threshold: Option<f64>,
    /// Judgement of steps; none if a half of the problems lacks right or wrong solutions.
    pub judgement: Option<Judged>,
    /// Share of right steps that the threshold calls wrong.
    pub over_criticism: Option<Measured>,
    /// Share of first wrong steps that the threshold lets pass.
    pub error_neglect: Option<Measured>,
    /// Mean of (step that the threshold calls the first error − first wrong step), in steps, of the erroneous solutions of
    /// which it calls one.
    pub localisation: Option<Measured>,
    /// Mean of its absolute value.
    pub distance: Option<Measured>,
    /// Mean of (first of the steps with the lowest reward − first wrong step). A verifier that stays low after an error may
    /// well be lowest later.
    pub lowest: Option<Measured>,
    /// Long steps against short ones of the same correctness and place.
    pub length: Option<Effect>,
    /// Late steps against early ones of the same correctness and length.
    pub position: Option<Effect>,
    /// Reward against the share of right steps.
    pub calibration: Option<Calibration>,
    /// The same judgement by kind of error or part of the set, where the set has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<JudgedKind>,
    /// In plain words, the worst first.
    pub findings: Vec<Finding>,
    /// Right steps with the lowest rewards.
    pub criticised: Vec<Example>,
    /// First wrong steps with the highest rewards.
    pub neglected: Vec<Example>,
}

impl Audit {
    /// Nothing yet; `unit` names what the lengths count, in the plural.
    pub fn new(unit: &str) -> Self {
        Self {
            threshold: None,
            unit: unit.to_owned(),
            problems: HashMap::new(),
            kept: Vec::new(),
            criticised: Vec::new(),
            neglected: Vec::new(),
        }
    }

    /// Calls the first step below this the first error, instead of choosing a threshold on one half of the problems; all problems then
    /// report.
    pub fn at_threshold(&mut self, threshold: f64) {
        self.threshold = Some(threshold);
    }

    /// Lengths count this, in the plural, after all.
    pub fn count_in(&mut self, unit: &str) {
        unit.clone_into(&mut self.unit);
    }

    /// Takes a solution in.
    pub fn push(&mut self, mut scored: Scored) {
        for (step, &reward) in scored.rewards.iter().enumerate().take(scored.labelled()) {
            let right = scored.right(step);
            let list = match right {
                true => &mut self.criticised,
                false => &mut self.neglected,
            };
            let text = scored.steps.get(step).map_or("", String::as_str);
            let badness = |reward: f64| if right { -reward } else { reward };
            // The same step of the same problem is shown once, at its worst.
            let same = |known: &Example| known.text == text && known.problem == scored.problem;
            match list.iter().position(same) {
                Some(at) if badness(list[at].reward) < badness(reward) => drop(list.remove(at)),
                Some(_) => continue,
                None => {}
            }
            let place = list.partition_point(|known| badness(known.reward) >= badness(reward));
            if place < EXAMPLES {
                list.insert(
                    place,
                    Example {
                        problem: scored.problem.clone(),
                        step: step + 1,
                        text: text.to_owned(),
                        reward,
                        first_error: scored.first_error.map(|error| error + 1),
                        unit: scored.unit,
                        path: scored.steps.iter().take(step + 1).cloned().collect(),
                        link: None,
                    },
                );
                list.truncate(EXAMPLES);
            }
        }
        let next = self.problems.len();
        let problem = std::mem::take(&mut scored.problem);
        scored.steps = Vec::new();
        let problem = *self.problems.entry(problem).or_insert(next);
        self.kept.push(Kept { problem, scored });
    }

    /// How many solutions there are.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The half of the problems that thresholds and calibrations are chosen on; the other half reports.
    fn choosing(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| !kept.reports())
    }

    fn reporting(&self) -> impl Iterator<Item = &Kept> {
        let all = self.threshold.is_some();
        // Where none is chosen, none of the problems is spent on it.
        let all = all
            || self
                .kept
                .iter()
                .all(|kept| kept.scored.first_error.is_some());
        self.kept.iter().filter(move |kept| all || kept.reports())
    }

    /// Sums by problem.
    fn sums<'a>(
        &self,
        kept: impl Iterator<Item = &'a Kept>,
        width: usize,
        mut add: impl FnMut(&Scored, &mut [f64]),
    ) -> Sums {
        let mut sums = Sums::new(width);
        for Kept { problem, scored } in kept {
            add(scored, sums.of(*problem));
        }
        sums
    }

    /// Everything, measured.
    pub fn report(&self) -> AuditReport {
        let judgement = self.judge();
        let erroneous = self
            .kept
            .iter()
            .filter(|kept| kept.scored.first_error.is_some());
        let erroneous = erroneous.count();
        // A set of erroneous solutions alone leaves no threshold to choose by F1: a half is what such sets are reported at.
        let usual = (erroneous > 0 && erroneous == self.kept.len()).then_some(0.5);
        let chosen = judgement.as_ref().map(|judged| judged.threshold);
        let threshold = self.threshold.or(chosen).or(usual);
        let over_criticism = threshold.and_then(|threshold| {
            self.sums(self.reporting(), 2, |scored, sums| {
                for (step, &reward) in scored.rewards.iter().enumerate() {
                    if scored.right(step) {
                        sums[0] += f64::from(u8::from(reward < threshold));
                        sums[1] += 1.0;
                    }
                }
            })
            .ratio()
        });
        let error_neglect = threshold.and_then(|threshold| {
            self.sums(self.reporting(), 2, |scored, sums| {
                if let Some(&reward) = scored.first_error.and_then(|at| scored.rewards.get(at)) {
                    sums[0] += f64::from(u8::from(reward >= threshold));
                    sums[1] += 1.0;
                }
            })
            .ratio()
        });
        let mut report = AuditReport {
            solutions: self.kept.len(),
            erroneous,
            threshold,
            problems: self.problems.len(),
            lengths: self.length_table(),
            kinds: threshold.map_or_else(Vec::new, |threshold| self.kinds(threshold)),
            judgement,
            over_criticism,
            error_neglect,
            localisation: threshold.and_then(|threshold| self.called(threshold, |steps| steps)),
            distance: threshold.and_then(|threshold| self.called(threshold, f64::abs)),
            lowest: self.lowest(),
            length: self.length_effect(),
            position: self.position_effect(),
            calibration: self.calibrate(),
            findings: Vec::new(),
            criticised: self.criticised.clone(),
            neglected: self.neglected.clone(),
        };
        report.findings = findings::of(&report);
        report
    }

    fn called(&self, threshold: f64, of: impl Fn(f64) -> f64) -> Option<Measured> {
        self.sums(self.reporting(), 2, |scored, sums| {
            let called = judgement::first_below(&scored.rewards, threshold);
            if let (Some(error), Some(called)) = (scored.first_error, called) {
                sums[0] += of(called as f64 - error as f64);
                sums[1] += 1.0;
            }
        })
        .measure(|sums| sums[0] / sums[1])
    }

    fn lowest(&self) -> Option<Measured> {
        self.sums(self.kept.iter(), 2, |scored, sums| {
            let Some(error) = scored.first_error else {
                return;
            };
            let lowest = scored.rewards.iter().enumerate().fold(
                (0, f64::INFINITY),
                |(at, low), (step, &reward)| match reward < low {
                    true => (step, reward),
                    false => (at, low),
                },
            );
            sums[0] += lowest.0 as f64 - error as f64;
            sums[1] += 1.0;
        })
        .measure(|sums| sums[0] / sums[1])
    }

    fn length_table(&self) -> LengthTable {
        let steps: usize = self.kept.iter().map(|kept| kept.scored.lengths.len()).sum();
        let total: usize = self.kept.iter().flat_map(|kept| &kept.scored.lengths).sum();
        let responses = self.kept.len() as f64;
        LengthTable {
            unit: self.unit.clone(),
            per_step: total as f64 / steps as f64,
            per_response: total as f64 / responses,
            steps: steps as f64 / responses,
        }
    }
}
