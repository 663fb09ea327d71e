//! The choosers: one candidate for all problems, one for each band of oracle difficulty, and one for each problem by what
//! a probe shows.

use outthink_strategy::linear::{Linear, Scale};
use outthink_strategy::multiplier::multiplier;
use outthink_strategy::{CostModel, Forecast, Predicted, Predictor, Probe};
use rayon::prelude::*;

use super::evidence::{Evidence, Row};
use crate::estimate::difficulty::BANDS;

/// A row's features for a probe.
pub(super) fn row_features(probe: Probe, row: &Row) -> Vec<f64> {
    probe.features_of(&row.glimpses[probe.place()])
}

/// All probes that evidence offers.
pub(super) fn probes(evidence: &Evidence) -> Vec<Probe> {
    let verifiers = (0..evidence.verifiers.len()).map(Probe::Verifier);
    std::iter::once(Probe::Votes).chain(verifiers).collect()
}

/// Costs of every candidate in one unit, row by row: by itself, or after a probe.
///
/// What a probe drew, whole solutions drawn at a temperature have for nothing; what a verifier read of it, the same
/// verifier need not read again. For all else the probe is paid on top.
pub(super) fn costs(
    evidence: &Evidence,
    cost_model: &CostModel,
    probe: Option<Probe>,
) -> Vec<Vec<f64>> {
    let reader = match probe {
        Some(Probe::Verifier(number)) => Some(evidence.verifiers[number].name.as_str()),
        _ => None,
    };
    let one = |row: &Row| {
        let probed = probe.map(|probe| row.probe_costs[probe.place()]);
        let costs = evidence.candidates.iter().zip(&row.costs);
        costs
            .map(|(candidate, cost)| {
                let (drawing, reading) = (
                    cost_model.drawing(cost),
                    cost_model.reading(cost, candidate.verifier.as_deref()),
                );
                let Some(probed) = probed else {
                    return drawing + reading;
                };
                let (drawn, read) = (
                    cost_model.drawing(&probed),
                    cost_model.reading(&probed, reader),
                );
                let reuses = candidate.reuses_probe();
                let drawing = if reuses {
                    drawing.max(drawn)
                } else {
                    drawing + drawn
                };
                let reading = if reuses && candidate.verifier.as_deref() == reader {
                    reading.max(read)
                } else {
                    reading + read
                };
                drawing + reading
            })
            .collect()
    };
    evidence.rows.iter().map(one).collect()
}

/// The mean of a candidate over some rows.
fn mean(rows: &[usize], of: impl Fn(usize) -> f64) -> f64 {
    rows.iter().map(|&row| of(row)).sum::<f64>() / rows.len().max(1) as f64
}

/// The candidate that is best on these rows on average, among those that cost at most `budget` there on average.
pub(super) fn best_fixed(
    evidence: &Evidence,
    costs: &[Vec<f64>],
    rows: &[usize],
    allowed: &[usize],
    budget: f64,
) -> Option<usize> {
    let mut best: Option<(usize, f64, f64)> = None;
    for &candidate in allowed {
        let cost = mean(rows, |row| costs[row][candidate]);
        if rows.is_empty() || cost > budget * (1.0 + 1e-9) {
            continue;
        }
        let chance = mean(rows, |row| evidence.rows[row].chances[candidate]);
        // Of equals the cheaper.
        if best.is_none_or(|(_, other, dear)| chance > other || (chance == other && cost < dear)) {
            best = Some((candidate, chance, cost));
        }
    }
    best.map(|(candidate, ..)| candidate)
}

/// The band of oracle difficulty of each problem: its share of right samples over all runs.
pub(super) fn bands(evidence: &Evidence) -> Vec<usize> {
    let mut sums = vec![(0.0, 0.0); evidence.problems];
    for row in &evidence.rows {
        let (sum, count) = sums[row.problem];
        sums[row.problem] = (sum + row.pass, count + 1.0);
    }
    let band = |(sum, count): (f64, f64)| match sum / f64::max(count, 1.0) {
        share if share >= 0.5 => 0,
        share if share >= 0.1 => 1,
        _ => 2,
    };
    sums.into_iter().map(band).collect()
}

/// The paper's choice: the best candidate in each band of oracle difficulty; none for a band without problems or money.
pub(super) fn best_by_band(
    evidence: &Evidence,
    costs: &[Vec<f64>],
    rows: &[usize],
    allowed: &[usize],
    budget: f64,
) -> [Option<usize>; BANDS.len()] {
    let bands = bands(evidence);
    std::array::from_fn(|band| {
        let own = |row: &&usize| bands[evidence.rows[**row].problem] == band;
        let own: Vec<usize> = rows.iter().filter(own).copied().collect();
        best_fixed(evidence, costs, &own, allowed, budget)
    })
}

/// Fits a predictor on some rows, a shortlist of the candidates.
pub(super) fn fit_predictor(
    evidence: &Evidence,
    costs: &[Vec<f64>],
    rows: &[usize],
    allowed: &[usize],
    probe: Probe,
) -> Predictor {
    let shortlist = shortlist(evidence, costs, rows, allowed);
    let raw: Vec<Vec<f64>> = rows
        .iter()
        .map(|&row| row_features(probe, &evidence.rows[row]))
        .collect();
    let scale = Scale::of(&raw);
    let inputs: Vec<Vec<f64>> = raw.iter().map(|row| scale.apply(row)).collect();
    let models = shortlist
        .into_par_iter()
        .map(|candidate| {
            let column = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
                rows.iter().map(|&row| of(row)).collect()
            };
            let chances = column(&|row| evidence.rows[row].chances[candidate]);
            let costs = column(&|row| costs[row][candidate]);
            Forecast {
                candidate,
                chance: Linear::fit_logistic(&inputs, &chances),
                cost: Linear::fit(&inputs, &costs),
                least: costs.into_iter().fold(f64::INFINITY, f64::min),
            }
        })
        .collect();
    Predictor {
        probe,
        scale,
        models,
    }
}

/// Of candidates with the same method, width and verifier, those that no other beats both in chance and in cost, on average: less
/// to be fooled by. Of equals the first.
fn shortlist(
    evidence: &Evidence,
    costs: &[Vec<f64>],
    rows: &[usize],
    allowed: &[usize],
) -> Vec<usize> {
    let worth = |own: usize| {
        let chance = mean(rows, |row| evidence.rows[row].chances[own]);
        (own, chance, mean(rows, |row| costs[row][own]))
    };
    let worths: Vec<(usize, f64, f64)> = allowed.iter().map(|&own| worth(own)).collect();
    let beaten = |&(own, chance, cost): &(usize, f64, f64)| {
        let me = &evidence.candidates[own];
        worths.iter().any(|&(other, better, cheaper)| {
            let kin = &evidence.candidates[other];
            let same =
                (me.method, me.width, &me.verifier) == (kin.method, kin.width, &kin.verifier);
            let equal = better == chance && cheaper == cost;
            same && better >= chance && cheaper <= cost && (!equal || other < own)
        })
    };
    let kept = worths.iter().filter(|own| !beaten(own));
    kept.map(|own| own.0).collect()
}

/// The multiplier at which rows choose within a budget, by predictions that were made without them.
pub(super) fn priced(predicted: &[Predicted], costs: &[Vec<f64>], budget: f64) -> Option<f64> {
    let column = |of: fn(&Predicted) -> &Vec<f64>| -> Vec<Vec<f64>> {
        predicted.iter().map(|own| of(own).clone()).collect()
    };
    let real: Vec<Vec<f64>> = predicted
        .iter()
        .zip(costs)
        .map(|(own, costs)| own.candidates.iter().map(|&c| costs[c]).collect())
        .collect();
    multiplier(
        &column(|own| &own.chances),
        &column(|own| &own.costs),
        &real,
        budget,
    )
}
