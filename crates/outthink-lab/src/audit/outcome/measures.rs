//! The measures of an outcome audit, each with its interval over problems.

use std::collections::HashMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{BINS, Course, OutcomeSample, Preference, ScoreAudit};
use crate::audit::resample::{DRAWS, Sums};
use crate::audit::{LengthTable, Measured, Reliability};
use crate::estimate::bootstrap::percentiles;

pub(super) fn sums(
    samples: &[OutcomeSample],
    width: usize,
    mut add: impl FnMut(usize, &OutcomeSample, &mut [f64]),
) -> Sums {
    let mut sums = Sums::new(width);
    for (place, own) in samples.iter().enumerate() {
        add(place, own, sums.of(own.problem));
    }
    sums
}

/// The samples of each problem.
pub(crate) fn grouped(samples: &[OutcomeSample]) -> Vec<(usize, Vec<usize>)> {
    let mut groups: std::collections::BTreeMap<usize, Vec<usize>> = Default::default();
    for (place, own) in samples.iter().enumerate() {
        groups.entry(own.problem).or_default().push(place);
    }
    groups.into_iter().collect()
}

impl ScoreAudit {
    pub(super) fn of(name: &str, samples: &[OutcomeSample], scores: &[f64]) -> Self {
        let mean = |right: bool| {
            let own = samples
                .iter()
                .zip(scores)
                .filter(|(own, _)| own.right == right);
            let (sum, count) = own.fold((0.0, 0.0), |(s, c), (_, score)| (s + score, c + 1.0));
            sum / count
        };
        let (mut pairs, mut means) = (Sums::new(2), Sums::new(2));
        for (problem, places) in grouped(samples) {
            let (won, all) = won(samples, scores, &places);
            let own = pairs.of(problem);
            (own[0], own[1]) = (won, all);
            let own = means.of(problem);
            if all > 0.0 {
                (own[0], own[1]) = (won / all, 1.0);
            }
        }
        let binned = sums(samples, 3 * BINS, |place, own, sums| {
            let score = scores[place];
            let bin = 3 * ((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1);
            sums[bin] += 1.0;
            sums[bin + 1] += score;
            sums[bin + 2] += f64::from(u8::from(own.right));
        });
        let squares = sums(samples, 2, |place, own, sums| {
            let gap = scores[place] - f64::from(u8::from(own.right));
            sums[0] += gap * gap;
            sums[1] += 1.0;
        });
        Self {
            score: name.to_owned(),
            right: mean(true),
            wrong: mean(false),
            auc: auc(samples, scores),
            auc_within: pairs.ratio(),
            auc_by_problem: means.ratio(),
            ece: binned.measure(|sums| {
                let gaps = sums.chunks_exact(3).map(|bin| (bin[1] - bin[2]).abs());
                let count: f64 = sums.chunks_exact(3).map(|bin| bin[0]).sum();
                gaps.sum::<f64>() / count
            }),
            brier: squares.ratio(),
        }
    }
}

/// Of the pairs of a right and a wrong sample, how many the right one wins (a tie is half of one), and how many there are.
pub(crate) fn won(samples: &[OutcomeSample], scores: &[f64], places: &[usize]) -> (f64, f64) {
    let of = |right: bool| {
        let own = places
            .iter()
            .filter(move |&&place| samples[place].right == right);
        own.map(|&place| scores[place]).collect::<Vec<f64>>()
    };
    let (right, wrong) = (of(true), of(false));
    let mut won = 0.0;
    for a in &right {
        for b in &wrong {
            won += f64::from(u8::from(a > b)) + 0.5 * f64::from(u8::from(a == b));
        }
    }
    (won, (right.len() * wrong.len()) as f64)
}

/// The area under the curve over all samples; a bootstrap draw weighs each problem's.
pub(crate) fn auc(samples: &[OutcomeSample], scores: &[f64]) -> Option<Measured> {
    let mut order: Vec<usize> = (0..samples.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let problems: Vec<usize> = grouped(samples).into_iter().map(|(own, _)| own).collect();
    let number: HashMap<usize, usize> = problems
        .iter()
        .enumerate()
        .map(|(at, own)| (*own, at))
        .collect();
    let of: Vec<usize> = samples.iter().map(|own| number[&own.problem]).collect();
    let area = |weight: &[f64]| {
        let (mut below, mut won, mut right) = (0.0, 0.0, 0.0);
        let mut at = 0;
        while at < order.len() {
            let (mut tied_right, mut tied_wrong) = (0.0, 0.0);
            let score = scores[order[at]];
            while at < order.len() && scores[order[at]] == score {
                let place = order[at];
                match samples[place].right {
                    true => tied_right += weight[of[place]],
                    false => tied_wrong += weight[of[place]],
                }
                at += 1;
            }
            won += tied_right * (below + 0.5 * tied_wrong);
            below += tied_wrong;
            right += tied_right;
        }
        won / (right * below)
    };
    let value = area(&vec![1.0; problems.len()]);
    if !value.is_finite() {
        return None;
    }
    let mut drawn: Vec<f64> = (0..DRAWS)
        .into_par_iter()
        .map(|draw| {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            rng.set_stream(draw as u64);
            let mut weight = vec![0.0; problems.len()];
            for _ in 0..problems.len() {
                weight[rng.random_range(0..problems.len())] += 1.0;
            }
            area(&weight)
        })
        .filter(|value| value.is_finite())
        .collect();
    Some(Measured {
        value,
        interval: percentiles(&mut drawn),
    })
}

pub(super) fn lengths(samples: &[OutcomeSample]) -> Vec<(&'static str, LengthTable)> {
    let known = samples.iter().all(|own| own.tokens > 0);
    let of = |name: &'static str, wanted: &dyn Fn(&OutcomeSample) -> bool| {
        let own: Vec<&OutcomeSample> = samples.iter().filter(|own| wanted(own)).collect();
        let length = |own: &OutcomeSample| match known {
            true => own.tokens,
            false => own.characters.iter().sum(),
        };
        let total: usize = own.iter().map(|own| length(own)).sum();
        let steps: usize = own.iter().map(|own| own.rewards.len()).sum();
        let count = own.len() as f64;
        let table = LengthTable {
            unit: if known { "tokens" } else { "characters" }.into(),
            per_step: total as f64 / steps as f64,
            per_response: total as f64 / count,
            steps: steps as f64 / count,
        };
        (!own.is_empty()).then_some((name, table))
    };
    let all = of("all", &|_| true);
    let right = of("right", &|own| own.right);
    let wrong = of("wrong", &|own| !own.right);
    [all, right, wrong].into_iter().flatten().collect()
}

/// Pairs of one problem and outcome: what more characters and more steps do to a score.
pub(super) fn preferences(
    samples: &[OutcomeSample],
    scores: &[(String, Vec<f64>)],
) -> Vec<Preference> {
    let groups = grouped(samples);
    let size = |more: &str, own: &OutcomeSample| match more {
        "steps" => own.rewards.len(),
        _ => own.characters.iter().sum(),
    };
    let mut found = Vec::new();
    for more in ["characters", "steps"] {
        for (name, scores) in scores {
            for right in [true, false] {
                let (mut differences, mut wins) = (Sums::new(2), Sums::new(2));
                for (problem, places) in &groups {
                    let own: Vec<(usize, f64)> = places
                        .iter()
                        .filter(|&&place| samples[place].right == right)
                        .map(|&place| (size(more, &samples[place]), scores[place]))
                        .collect();
                    let (mut difference, mut won, mut pairs) = (0.0, 0.0, 0.0);
                    for (place, a) in own.iter().enumerate() {
                        for b in &own[..place] {
                            let (long, short) = match a.0.cmp(&b.0) {
                                std::cmp::Ordering::Greater => (a.1, b.1),
                                std::cmp::Ordering::Less => (b.1, a.1),
                                std::cmp::Ordering::Equal => continue,
                            };
                            difference += long - short;
                            won += f64::from(u8::from(long > short));
                            won += 0.5 * f64::from(u8::from(long == short));
                            pairs += 1.0;
                        }
                    }
                    let own = differences.of(*problem);
                    (own[0], own[1]) = (difference, pairs);
                    let own = wins.of(*problem);
                    (own[0], own[1]) = (won, pairs);
                }
                found.push(Preference {
                    more,
                    score: name.clone(),
                    right,
                    difference: differences.ratio(),
                    preferred: wins.ratio(),
                });
            }
        }
    }
    found
}

impl Course {
    pub(super) fn of(samples: &[OutcomeSample], right: bool) -> Option<Self> {
        const FIFTHS: usize = 5;
        // Of each solution the step that stands at the middle of each fifth, so that short ones count everywhere.
        let mut fifths = vec![(0.0, 0.0); FIFTHS];
        for own in samples.iter().filter(|own| own.right == right) {
            let steps = own.rewards.len();
            for (place, fifth) in fifths.iter_mut().enumerate() {
                let at = (2 * place + 1) * steps / (2 * FIFTHS);
                *fifth = (fifth.0 + own.rewards[at.min(steps - 1)], fifth.1 + 1.0);
            }
        }
        let change = sums(samples, 2, |_, own, sums| {
            if own.right == right
                && let [first, .., last] = own.rewards[..]
            {
                sums[0] += last - first;
                sums[1] += 1.0;
            }
        });
        let fifths: Vec<f64> = fifths.into_iter().map(|(sum, count)| sum / count).collect();
        fifths.iter().all(|own| own.is_finite()).then(|| Self {
            right,
            fifths,
            last_over_first: change.ratio(),
        })
    }
}

pub(super) fn chosen_length(samples: &[OutcomeSample], scores: &[f64]) -> Option<Measured> {
    let length = |place: usize| samples[place].characters.iter().sum::<usize>() as f64;
    let mut ratios = Sums::new(2);
    for (problem, places) in grouped(samples) {
        let all = places.iter().map(|&place| length(place)).sum::<f64>() / places.len() as f64;
        let top = places
            .iter()
            .map(|&place| scores[place])
            .fold(f64::NEG_INFINITY, f64::max);
        // Of several best ones each as much.
        let best: Vec<f64> = places
            .iter()
            .filter(|&&place| scores[place] == top)
            .map(|&place| length(place))
            .collect();
        if places.len() > 1 && all > 0.0 {
            let own = ratios.of(problem);
            own[0] = best.iter().sum::<f64>() / best.len() as f64 / all;
            own[1] = 1.0;
        }
    }
    ratios.ratio()
}

pub(super) fn reliability(samples: &[OutcomeSample], scores: &[f64]) -> Vec<Reliability> {
    let mut bins = [(0usize, 0.0, 0.0); BINS];
    for (own, score) in samples.iter().zip(scores) {
        let bin = &mut bins[((score.clamp(0.0, 1.0) * BINS as f64) as usize).min(BINS - 1)];
        *bin = (
            bin.0 + 1,
            bin.1 + score,
            bin.2 + f64::from(u8::from(own.right)),
        );
    }
    let filled = bins.into_iter().filter(|bin| bin.0 > 0);
    filled
        .map(|(steps, reward, right)| Reliability {
            steps,
            reward: reward / steps as f64,
            right: right / steps as f64,
        })
        .collect()
}
