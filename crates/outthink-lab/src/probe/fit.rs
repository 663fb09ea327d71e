//! From states and verdicts to a probe: which head, on which folds, calibrated.

use outthink_core::{Isotonic, Probe, ProbeHead};
use rayon::prelude::*;

use super::audit::{KindAudit, ProbeAudit, areas_within};
use super::data::{ProbeData, ProbeError};
use super::train::{Kind, Loss, train};
use crate::tuning::folds::folds;

/// How a probe is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FitOptions {
    /// Parts that the problems are dealt to; each is told about by heads that were fitted on the others.
    pub folds: usize,
    /// Which problems go to which, and where descents begin.
    pub seed: u64,
    /// Units of the inner layer that is tried beside none.
    pub units: usize,
}

impl Default for FitOptions {
    /// Five folds, and the 512 units of STEP (arXiv 2601.09093).
    fn default() -> Self {
        Self {
            folds: 5,
            seed: 0,
            units: 512,
        }
    }
}

/// A probe with what it is worth.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Fitted on all problems.
    pub probe: Probe,
    /// Of problems that heads were not fitted on.
    pub audit: ProbeAudit,
}

/// Problems with right and wrong samples below which there is nothing to fit.
const LEAST: usize = 10;

/// By how many standard errors another kind must be better, problem by problem: among several that know nothing, chance would choose.
const ERRORS: f64 = 2.0;

/// Fits heads of each kind on all folds but one in turn, takes the kind that ranks best within the problems left out, and fits that on
/// all problems. The same data and seed give the same probe.
///
/// # Errors
///
/// Too few problems with right and wrong samples, or folds that cannot be made.
pub fn fit(mut data: ProbeData, options: &FitOptions) -> Result<Fitted, ProbeError> {
    let (problems, mixed) = (data.problems(), data.mixed());
    let FitOptions {
        folds: parts,
        seed,
        units,
    } = *options;
    if parts < 2 || parts > problems {
        return Err(ProbeError::Folds {
            folds: parts,
            problems,
        });
    }
    if mixed < LEAST {
        return Err(ProbeError::TooFew {
            mixed,
            problems,
            needed: LEAST,
        });
    }
    let (centre, scale) = data.standardise();
    let dealt = folds(problems, parts, seed);
    let kind = |units, loss| Kind { units, loss };
    let mut kinds = vec![kind(0, Loss::Pointwise), kind(0, Loss::Within)];
    if units > 0 {
        kinds.extend([kind(units, Loss::Pointwise), kind(units, Loss::Within)]);
    }
    // What each kind says of each state, by a head that did not see its problem.
    let unseen: Vec<Vec<f64>> = kinds
        .par_iter()
        .map(|kind| {
            let heads: Vec<ProbeHead> = (0..parts)
                .into_par_iter()
                .map(|fold| {
                    let chosen: Vec<bool> = dealt.iter().map(|own| *own != fold).collect();
                    train(&data, *kind, &chosen, seed ^ (fold as u64 + 1))
                })
                .collect();
            let said = |state: usize| {
                let fold = dealt[data.states[state].problem];
                squashed(&heads[fold], data.row(state))
            };
            (0..data.states()).map(said).collect()
        })
        .collect();
    let best = |of: &dyn Fn(usize) -> bool| choose(&data, &unseen, of);
    // The kind of each fold, and its map, are chosen on the others.
    let by_fold: Vec<(usize, Isotonic)> = (0..parts)
        .map(|fold| {
            let others = |problem: usize| dealt[problem] != fold;
            let kind = best(&others);
            (kind, calibration(&data, &unseen[kind], &others))
        })
        .collect();
    let reward = |state: usize| {
        let (kind, map) = &by_fold[dealt[data.states[state].problem]];
        map.apply(unseen[*kind][state])
    };
    let rewards: Vec<f64> = (0..data.states()).map(reward).collect();
    let everywhere = |_: usize| true;
    let chosen = best(&everywhere);
    let tried = kinds.iter().zip(&unseen).map(|(kind, said)| KindAudit {
        units: kind.units,
        within: kind.loss == Loss::Within,
        auc_within: mean(&areas_within(&data, said, &everywhere)),
    });
    let audit = ProbeAudit::of(&data, &rewards, tried.collect(), chosen, seed);
    let head = train(&data, kinds[chosen], &vec![true; problems], seed);
    Ok(Fitted {
        probe: Probe {
            layout: data.layout.clone(),
            mean: centre,
            scale,
            head,
            map: calibration(&data, &unseen[chosen], &everywhere),
        },
        audit,
    })
}

/// A head's chance for a row; bounded, so that two of them differ.
fn squashed(head: &ProbeHead, row: &[f32]) -> f64 {
    let logit = f64::from(head.logit(row)).clamp(-30.0, 30.0);
    1.0 / (1.0 + (-logit).exp())
}

/// The kind that ranks best within some problems: the first, unless a later one is better beyond chance.
fn choose(data: &ProbeData, unseen: &[Vec<f64>], of: &dyn Fn(usize) -> bool) -> usize {
    let areas = |said: &Vec<f64>| areas_within(data, said, of);
    let mut best = (0, areas(&unseen[0]));
    for (kind, said) in unseen.iter().enumerate().skip(1) {
        let own = areas(said);
        let gains: Vec<f64> = own.iter().zip(&best.1).map(|(a, b)| a - b).collect();
        let count = gains.len() as f64;
        let mean = gains.iter().sum::<f64>() / count;
        let spread: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
        if mean > 0.0 && mean * count > ERRORS * spread.sqrt() {
            best = (kind, own);
        }
    }
    best.0
}

/// The isotonic map from what a head says to the share of right completions. It is pulled apart a little, and goes on to 0 and 1 at its
/// ends, so that what the head tells apart stays apart.
fn calibration(data: &ProbeData, said: &[f64], of: &dyn Fn(usize) -> bool) -> Isotonic {
    const APART: f64 = 1e-3;
    let own = data
        .states
        .iter()
        .zip(said)
        .filter(|(state, _)| of(state.problem));
    let points = own.flat_map(|(state, &said)| {
        let times = state.total.round() as usize;
        std::iter::repeat_n((said, state.share()), times)
    });
    let mut map = Isotonic::fit(points);
    for (_, share) in &mut map.knots {
        *share = APART + (1.0 - 2.0 * APART) * *share;
    }
    // Means of equal numbers may differ from them, and from each other, in the last digit.
    map.knots.dedup_by(|next, before| next.0 <= before.0);
    map.knots.insert(0, (0.0, 0.0));
    map.knots.push((1.0, 1.0));
    map
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
