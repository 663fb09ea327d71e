//! Scoring bias: what a step's length and place do to its reward at equal correctness.

use serde::Serialize;

use super::resample::{Measured, Sums};
use super::{Audit, Scored};

/// Bins by quantile, an even number so that the median is a border.
const BINS: usize = 6;

/// Steps above the median against the others: the mean difference of their rewards over groups of steps alike in
/// correctness and in the other covariate. Groups count by n₁n₀/(n₁+n₀), so one without both kinds says nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// The median: steps above it are compared with the others.
    pub cut: usize,
    /// The difference.
    pub difference: Measured,
    /// Partial dependence: every bin against all other steps that are alike.
    pub bins: Vec<Bin>,
}

/// Steps of similar length or place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// Above this.
    pub above: Option<usize>,
    /// Up to this.
    pub up_to: Option<usize>,
    /// How many steps.
    pub steps: usize,
    /// Mean reward of these minus that of all others, likewise.
    pub difference: Option<Measured>,
}

/// Borders of quantile bins; equal ones are one.
struct Borders {
    median: usize,
    borders: Vec<usize>,
}

impl Borders {
    fn of(mut values: Vec<usize>) -> Option<Self> {
        values.sort_unstable();
        let last = *values.last()?;
        let quantile = |part: usize| values[(part * values.len() / BINS).min(values.len() - 1)];
        // steps above the median must exist
        let median = quantile(BINS / 2);
        let median = match median < last {
            true => median,
            false => values
                .iter()
                .rev()
                .copied()
                .find(|&value| value < last)
                .unwrap_or(last),
        };
        let mut borders: Vec<usize> = (1..BINS)
            .map(quantile)
            .chain([median])
            .filter(|&border| border < last)
            .collect();
        borders.sort_unstable();
        borders.dedup();
        Some(Self { median, borders })
    }

    fn bin(&self, value: usize) -> usize {
        self.borders.partition_point(|&border| border < value)
    }

    fn count(&self) -> usize {
        self.borders.len() + 1
    }
}

/// Sums by group and bin: how many steps, and their rewards.
struct Table {
    groups: usize,
    bins: usize,
    sums: Sums,
}

impl Table {
    /// Mean over groups of what the chosen bins have more than the others.
    fn difference(&self, chosen: impl Fn(usize) -> bool) -> Option<Measured> {
        self.sums.measure(|sums| {
            let (mut weighted, mut weights) = (0.0, 0.0);
            for group in 0..self.groups {
                let mut sides = [(0.0, 0.0); 2];
                for bin in 0..self.bins {
                    let place = 2 * (group * self.bins + bin);
                    let side = &mut sides[usize::from(chosen(bin))];
                    side.0 += sums[place];
                    side.1 += sums[place + 1];
                }
                let [(n0, sum0), (n1, sum1)] = sides;
                if n0 > 0.0 && n1 > 0.0 {
                    let weight = n0 * n1 / (n0 + n1);
                    weighted += weight * (sum1 / n1 - sum0 / n0);
                    weights += weight;
                }
            }
            weighted / weights
        })
    }

    fn effect(&self, own: &Borders) -> Option<Effect> {
        let split = own.bin(own.median);
        let total = self.sums.total();
        let bins = (0..self.bins)
            .map(|bin| Bin {
                above: bin.checked_sub(1).map(|before| own.borders[before]),
                up_to: own.borders.get(bin).copied(),
                steps: (0..self.groups)
                    .map(|group| total[2 * (group * self.bins + bin)])
                    .sum::<f64>() as usize,
                difference: self.difference(|other| other == bin),
            })
            .collect();
        Some(Effect {
            cut: own.median,
            difference: self.difference(|bin| bin > split)?,
            bins,
        })
    }
}

impl Audit {
    fn covariates(&self) -> Option<(Borders, Borders)> {
        let steps = || self.kept.iter().map(|kept| &kept.scored);
        let lengths = steps().flat_map(|scored| scored.lengths[..scored.labelled()].to_vec());
        let places = steps().flat_map(|scored| 1..=scored.labelled());
        Some((
            Borders::of(lengths.collect())?,
            Borders::of(places.collect())?,
        ))
    }

    /// Rewards by (correctness, bin of one covariate) and bin of the other.
    fn table(&self, own: &Borders, other: &Borders, length: bool) -> Table {
        let bins = own.count();
        let groups = 2 * other.count();
        let sums = self.sums(
            self.kept.iter(),
            2 * groups * bins,
            |scored: &Scored, sums| {
                for step in 0..scored.labelled() {
                    let (of_length, of_place) = (scored.lengths[step], step + 1);
                    let (mine, theirs) = match length {
                        true => (of_length, of_place),
                        false => (of_place, of_length),
                    };
                    let group = 2 * other.bin(theirs) + usize::from(scored.right(step));
                    let place = 2 * (group * bins + own.bin(mine));
                    sums[place] += 1.0;
                    sums[place + 1] += scored.rewards[step];
                }
            },
        );
        Table { groups, bins, sums }
    }

    pub(super) fn length_effect(&self) -> Option<Effect> {
        let (lengths, places) = self.covariates()?;
        self.table(&lengths, &places, true).effect(&lengths)
    }

    pub(super) fn position_effect(&self) -> Option<Effect> {
        let (lengths, places) = self.covariates()?;
        self.table(&places, &lengths, false).effect(&places)
    }
}
