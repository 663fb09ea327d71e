//! The bootstrap over problems of statistics that are functions of sums: a draw adds up vectors and never sees a step.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::estimate::bootstrap::percentiles;
use crate::estimate::interval::{Interval, Proportion};

/// Bootstrap draws.
pub(super) const DRAWS: usize = 2_000;

/// A statistic with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The statistic.
    pub value: f64,
    /// Its interval.
    pub interval: Interval,
}

/// Sums by problem.
pub(crate) struct Sums {
    width: usize,
    rows: BTreeMap<usize, Vec<f64>>,
}

impl Sums {
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            rows: BTreeMap::new(),
        }
    }

    /// The sums of a problem.
    pub(crate) fn of(&mut self, problem: usize) -> &mut [f64] {
        self.rows
            .entry(problem)
            .or_insert_with(|| vec![0.0; self.width])
    }

    pub(crate) fn total(&self) -> Vec<f64> {
        add(self.width, self.rows.values())
    }

    /// A statistic of the sums and its interval; none where the statistic is not a number.
    pub(crate) fn measure(&self, statistic: impl Fn(&[f64]) -> f64) -> Option<Measured> {
        let value = statistic(&self.total());
        if !value.is_finite() {
            return None;
        }
        let rows: Vec<&Vec<f64>> = self.rows.values().collect();
        let mut values: Vec<f64> = (0..DRAWS)
            .map(|draw| {
                let mut rng = ChaCha8Rng::seed_from_u64(1);
                rng.set_stream(draw as u64);
                let drawn = (0..rows.len()).map(|_| rows[rng.random_range(0..rows.len())]);
                statistic(&add(self.width, drawn))
            })
            .filter(|value| value.is_finite())
            .collect();
        // A bootstrap of a distance is biased upwards; an interval that does not hold its own estimate would confuse.
        let Interval { low, high } = percentiles(&mut values);
        Some(Measured {
            value,
            interval: Interval {
                low: low.min(value),
                high: high.max(value),
            },
        })
    }

    /// The first sum over the second: a share or a mean. A share that no draw can move (all or none) has Wilson's interval over problems.
    pub(crate) fn ratio(&self) -> Option<Measured> {
        let mut measured = self.measure(|sums| sums[0] / sums[1])?;
        let Interval { low, high } = measured.interval;
        let extreme = measured.value == 0.0 || measured.value == 1.0;
        if low == high && extreme {
            let problems = self.rows.values().filter(|sums| sums[1] > 0.0).count();
            measured.interval = Proportion::wilson(measured.value, problems as f64);
        }
        Some(measured)
    }
}

fn add<'a>(width: usize, rows: impl Iterator<Item = &'a Vec<f64>>) -> Vec<f64> {
    let mut total = vec![0.0; width];
    for row in rows {
        for (sum, value) in total.iter_mut().zip(row) {
            *sum += value;
        }
    }
    total
}
