//! A strategy on problems that it has never seen, beside what it is to be compared with.

use outthink_core::Selection;
use outthink_core::method::MAJORITY;
use outthink_strategy::{CostModelError, Ended, Unit};

use super::chooser::{bands, costs};
use super::evidence::{Evidence, EvidenceError};
use super::tune::{Entry, Outcome, Tuned, Tuning, calibrate};
use crate::estimate::bootstrap::{BOOTSTRAP, Values, percentiles};
use crate::estimate::calibration::{CalibrationBin, tenths};
use crate::estimate::interval::Difference;
use crate::store::Store;
use crate::study::Study;

/// Why a strategy cannot be fitted or tested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TuneError {
    /// The study says too little.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The unit does not fit the models.
    #[error(transparent)]
    CostModel(#[from] CostModelError),
    /// Problems of both.
    #[error(
        "{0} problems are in both studies: a strategy is tested on problems it was not fitted on"
    )]
    Overlap(usize),
    /// Other models or methods.
    #[error("study {test} does not have everything that {tune} has of {policy}: {what}")]
    Unlike {
        /// The study to test on.
        test: String,
        /// The study to fit on.
        tune: String,
        /// The policy.
        policy: String,
        /// What it lacks.
        what: String,
    },
}

/// Evidence to fit on and, if there is a test study, to test on; candidates are numbered alike.
pub struct Split {
    /// To fit on.
    pub tune: Evidence,
    /// To test on.
    pub test: Option<Evidence>,
}

impl Split {
    /// Reads both, and sees to it that they share no problem and the same models.
    pub fn read(
        tune: &Study,
        test: Option<&Study>,
        store: &mut Store,
        policy: &str,
    ) -> Result<Self, TuneError> {
        let fitted = Evidence::of(tune, store, policy)?;
        let Some(test) = test else {
            return Ok(Self {
                tune: fitted,
                test: None,
            });
        };
        let texts: std::collections::HashSet<&str> = tune
            .problems
            .iter()
            .map(|problem| problem.text.as_str())
            .collect();
        let both = test
            .problems
            .iter()
            .filter(|p| texts.contains(p.text.as_str()));
        match both.count() {
            0 => {}
            shared => return Err(TuneError::Overlap(shared)),
        }
        let unlike = |what: String| TuneError::Unlike {
            test: test.name.clone(),
            tune: tune.name.clone(),
            policy: policy.to_owned(),
            what,
        };
        let unseen = Evidence::like(&fitted, test, store, policy)?;
        if unseen.policy.identity != fitted.policy.identity {
            return Err(unlike("the policy is another model".into()));
        }
        for verifier in &fitted.verifiers {
            let same = unseen
                .verifiers
                .iter()
                .find(|own| own.name == verifier.name);
            if same.is_none_or(|own| own.identity != verifier.identity) {
                return Err(unlike(format!("the verifier {}", verifier.name)));
            }
        }
        let names: Vec<&str> = fitted.verifiers.iter().map(|v| v.name.as_str()).collect();
        if unseen
            .verifiers
            .iter()
            .map(|v| v.name.as_str())
            .collect::<Vec<_>>()
            != names
        {
            return Err(unlike("the order of its verifiers".into()));
        }
        let missing = fitted
            .candidates
            .iter()
            .find(|own| unseen.place(own).is_none());
        if let Some(missing) = missing {
            return Err(unlike(missing.to_string()));
        }
        let unseen = unseen.arranged(&fitted.candidates);
        Ok(Self {
            test: unseen,
            tune: fitted,
        })
    }
}

/// Budgets that a strategy is fitted for: doublings from what the cheapest candidate costs to what the dearest does.
pub fn budgets(tuning: &Tuning<'_>) -> Vec<f64> {
    let rows = tuning.plain.len().max(1) as f64;
    let mean = |&c: &usize| tuning.plain.iter().map(|row| row[c]).sum::<f64>() / rows;
    let means: Vec<f64> = tuning.allowed.iter().map(mean).collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(0.0, f64::max);
    let start = match tuning.cost_model.unit() {
        Unit::Samples => 1.0,
        // Two digits, rounded up: a number that can be typed.
        _ => {
            let scale = 10f64.powf(low.log10().floor() - 1.0);
            (low / scale).ceil() * scale
        }
    };
    let doubled = |budget: &f64| (*budget < high).then(|| budget * 2.0);
    std::iter::successors(Some(start), doubled)
        .take(60)
        .collect()
}

/// The mean difference of two outcomes on the same rows, with the paired bootstrap interval over problems and runs.
pub fn difference(evidence: &Evidence, a: &[f64], b: &[f64]) -> Difference {
    let mut values = Values::new(evidence.problems, evidence.runs, 1);
    for (row, (a, b)) in evidence.rows.iter().zip(a.iter().zip(b)) {
        values.set(row.problem, row.run, 0, a - b);
    }
    let mut drawn: Vec<f64> = values
        .resampled(BOOTSTRAP, 0)
        .into_iter()
        .map(|means| means[0])
        .filter(|mean| !mean.is_nan())
        .collect();
    Difference {
        mean: values.mean(0),
        interval: percentiles(&mut drawn),
    }
}

/// A fixed candidate on some evidence.
pub fn fixed(evidence: &Evidence, costs: &[Vec<f64>], taken: usize) -> Outcome {
    let mut outcome = Outcome::default();
    for (row, costs) in evidence.rows.iter().zip(costs) {
        outcome.chances.push(row.chances[taken]);
        outcome.costs.push(costs[taken]);
        outcome.taken.push(taken);
        outcome.said.push(f64::NAN);
        outcome.ends.push(row.ends[taken]);
    }
    outcome
}

/// The bands' choices of the tune split on other evidence, whose bands are an oracle's too.
pub(super) fn banded(
    evidence: &Evidence,
    costs: &[Vec<f64>],
    by_band: &[Option<usize>; 3],
) -> Option<Outcome> {
    let bands = bands(evidence);
    let any = by_band.iter().flatten().next().copied();
    let mut outcome = Outcome::default();
    for (row, costs) in evidence.rows.iter().zip(costs) {
        let taken = by_band[bands[row.problem]].or(any)?;
        outcome.chances.push(row.chances[taken]);
        outcome.costs.push(costs[taken]);
        outcome.taken.push(taken);
        outcome.said.push(f64::NAN);
        outcome.ends.push(row.ends[taken]);
    }
    Some(outcome)
}

/// How good a confidence is: what was said and what came true in tenths, the mean distance of these (expected calibration
/// error), and the mean square of what was said minus what came true (Brier's score).
pub struct Calibrated {
    /// The diagram.
    pub lines: Vec<CalibrationBin>,
    /// The expected calibration error.
    pub error: f64,
    /// Brier's score.
    pub brier: f64,
}

/// The confidence by what was predicted alone, and with how the draws agree and the reward in the end.
pub fn reliability(entry: &Entry, outcome: &Outcome, evidence: &Evidence) -> [Calibrated; 2] {
    let (ended, right) = outcome.ended(evidence);
    let judged = |of: &dyn Fn(&Ended) -> f64| {
        let said: Vec<f64> = ended.iter().map(of).collect();
        let pairs = said.iter().copied().zip(right.iter().copied());
        let squares: f64 = pairs
            .clone()
            .map(|(said, came)| (said - came).powi(2))
            .sum();
        let (lines, error) = tenths(pairs);
        Calibrated {
            lines,
            error,
            brier: squares / right.len().max(1) as f64,
        }
    };
    [
        judged(&|own| calibrate(own.said, entry.calibration)),
        judged(&|own| entry.confidence.at(own)),
    ]
}

/// All choosers at one budget, on the tune split by cross-validation and on the test split.
pub struct Compared {
    /// The budget.
    pub budget: f64,
    /// The paper's: oracle bands, chosen on the problems that are shown.
    pub bands_in_sample: Option<Outcome>,
    /// The same, chosen on the other folds.
    pub bands_validated: Option<Outcome>,
    /// One candidate for all, chosen on the other folds.
    pub fixed_validated: Option<Outcome>,
    /// The deployable one, by cross-validation.
    pub deployable_validated: Outcome,
    /// On the test split, all chosen on the tune split.
    pub tested: Option<Tested>,
}

/// Outcomes on the test split.
pub struct Tested {
    /// The best fixed candidate of the tune split.
    pub fixed: Option<(usize, Outcome)>,
    /// The paper's choices on the tune split, by oracle bands of the test split.
    pub bands: Option<Outcome>,
    /// The deployable one.
    pub deployable: Outcome,
    /// Who knows everything.
    pub oracle: Option<Outcome>,
    /// Deployable minus fixed.
    pub gain: Option<Difference>,
}

/// Compares all choosers at every fitted budget.
pub fn compare(
    split: &Split,
    tuning: &Tuning<'_>,
    tuned: &Tuned,
) -> Result<Vec<Compared>, CostModelError> {
    let all: Vec<usize> = (0..split.tune.rows.len()).collect();
    let test = split.test.as_ref();
    let unseen = test
        .map(|test| {
            let cost_model = test.cost_model(tuning.cost_model.unit())?;
            let allowed = tuning.allowed.clone();
            Ok::<_, CostModelError>((test, costs(test, &cost_model, None), cost_model, allowed))
        })
        .transpose()?;
    let mut compared = Vec::new();
    for entry in &tuned.entries {
        let budget = entry.budget;
        let tested = unseen.as_ref().map(|(test, plain, cost_model, allowed)| {
            let chosen = super::chooser::best_fixed(
                &split.tune,
                &tuning.plain,
                &all,
                &tuning.classic(),
                budget,
            );
            let deployable = tuned.apply(entry, test, cost_model);
            let fixed = chosen.map(|taken| (taken, fixed(test, plain, taken)));
            let gain = fixed
                .as_ref()
                .map(|(_, fixed)| difference(test, &deployable.chances, &fixed.chances));
            Tested {
                bands: banded(test, plain, &tuning.by_band(&all, budget)),
                oracle: Tuning::new(test, cost_model, allowed.clone(), 2, 0).oracle(budget),
                fixed,
                deployable,
                gain,
            }
        });
        compared.push(Compared {
            budget,
            bands_in_sample: tuning.bands_in_sample(budget),
            bands_validated: tuning.bands_validated(budget),
            fixed_validated: tuning.fixed_validated(&tuning.classic(), budget),
            deployable_validated: entry.validated.clone(),
            tested,
        });
    }
    Ok(compared)
}

/// A fixed method and selection at its own full cost, and the deployable strategy given exactly that on average.
pub struct Rival {
    /// The fixed candidate.
    pub taken: usize,
    /// On the test split.
    pub fixed: Outcome,
    /// The strategy fitted for what the candidate costs on the tune split.
    pub strategy: Outcome,
    /// Strategy minus fixed.
    pub gain: Difference,
}

/// The strategy against every fixed method and selection at a budget `N`, at equal cost in the cost model's unit.
pub fn rivals(
    tuning: &Tuning<'_>,
    test: &Evidence,
    n: usize,
) -> Result<Vec<Rival>, CostModelError> {
    let cost_model = test.cost_model(tuning.cost_model.unit())?;
    let plain = costs(test, &cost_model, None);
    let rows = tuning.plain.len().max(1) as f64;
    let at = |&c: &usize| {
        let own = &tuning.evidence.candidates[c];
        own.budget == n && !own.method.is_greedy()
    };
    let classic: Vec<usize> = tuning.classic().into_iter().filter(at).collect();
    let means: Vec<f64> = classic
        .iter()
        .map(|&c| tuning.plain.iter().map(|row| row[c]).sum::<f64>() / rows)
        .collect();
    let tuned = tuning.fit(&means);
    let mut rivals = Vec::new();
    for (&taken, &mean) in classic.iter().zip(&means) {
        let Some(entry) = tuned.entries.iter().find(|entry| entry.budget == mean) else {
            continue;
        };
        let fixed = fixed(test, &plain, taken);
        let strategy = tuned.apply(entry, test, &cost_model);
        let gain = difference(test, &strategy.chances, &fixed.chances);
        rivals.push(Rival {
            taken,
            fixed,
            strategy,
            gain,
        });
    }
    Ok(rivals)
}

/// The candidate taken most often.
pub fn commonest(taken: &[usize]) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for candidate in taken {
        *counts.entry(*candidate).or_insert(0usize) += 1;
    }
    let most = counts.into_iter().max_by_key(|&(_, count)| count);
    most.map(|(candidate, _)| candidate).unwrap_or_default()
}

/// The place of plain majority voting at `N`.
pub fn majority(evidence: &Evidence, n: usize) -> Option<usize> {
    evidence.candidates.iter().position(|own| {
        own.method == MAJORITY
            && own.selection == Selection::Majority
            && own.budget == n
            && own.stopping.is_none()
    })
}
