//! Bootstrap intervals over problems, and over seeds within problems.
//!
//! Every series is resampled with the same draws, so a difference of two is paired.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::estimate::interval::{Interval, Proportion};

/// Bootstrap draws behind an interval.
pub const BOOTSTRAP: usize = 10_000;

/// Values by row and series: a row is a run of a problem, and the runs of one problem stand together.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    problems: usize,
    runs: usize,
    series: usize,
    /// Row by row; not a number where a run is missing.
    values: Vec<f64>,
}

impl Values {
    /// Nothing yet, for so many problems with so many runs each.
    pub fn new(problems: usize, runs: usize, series: usize) -> Self {
        Self {
            problems,
            runs,
            series,
            values: vec![f64::NAN; problems * runs * series],
        }
    }

    /// Notes a value.
    pub fn set(&mut self, problem: usize, run: usize, series: usize, value: f64) {
        let row = problem * self.runs + run;
        self.values[row * self.series + series] = value;
    }

    /// A value; not a number if there is none.
    pub fn get(&self, problem: usize, run: usize, series: usize) -> f64 {
        let row = problem * self.runs + run;
        self.values[row * self.series + series]
    }

    /// A series, row by row.
    pub fn column(&self, series: usize) -> impl Iterator<Item = f64> + '_ {
        self.values
            .iter()
            .skip(series)
            .step_by(self.series.max(1))
            .copied()
    }

    /// How many problems a series has a value of.
    pub fn present(&self, series: usize) -> usize {
        let has =
            |problem: &usize| (0..self.runs).any(|run| !self.get(*problem, run, series).is_nan());
        (0..self.problems).filter(has).count()
    }

    /// The mean of a series over the rows that there are; not a number without any.
    pub fn mean(&self, series: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for value in self.column(series).filter(|value| !value.is_nan()) {
            sum += value;
            count += 1;
        }
        sum / f64::from(count)
    }

    /// 95 % intervals of all means by the percentile bootstrap: problems are drawn with replacement, and of each its
    /// runs. Where the values are one-shot successes, and where a bootstrap would see no spread at all (everything
    /// right, everything wrong), it is Wilson's interval.
    pub fn intervals(&self, draws: usize, seed: u64) -> Vec<Interval> {
        let means = self.resampled(draws, seed);
        (0..self.series)
            .into_par_iter()
            .map(|series| self.interval(series, &means))
            .collect()
    }

    fn interval(&self, series: usize, means: &[Vec<f64>]) -> Interval {
        let present = self.present(series);
        let binary = self.runs == 1
            && self
                .column(series)
                .filter(|value| !value.is_nan())
                .all(|value| value == 0.0 || value == 1.0);
        let mean = self.mean(series);
        if present == 0 || binary {
            let trials = present;
            let successes = (mean * present as f64).round() as usize;
            return Proportion { successes, trials }.interval();
        }
        let mut drawn: Vec<f64> = means
            .iter()
            .map(|means| means[series])
            .filter(|mean| !mean.is_nan())
            .collect();
        let interval = percentiles(&mut drawn);
        if interval.high - interval.low > 1e-12 || !(0.0..=1.0).contains(&mean) {
            return interval;
        }
        Proportion::wilson(mean, present as f64)
    }

    /// The mean of every series in every draw.
    pub fn resampled(&self, draws: usize, seed: u64) -> Vec<Vec<f64>> {
        let rows = self.problems * self.runs;
        let complete = self.values.iter().all(|value| !value.is_nan());
        (0..draws)
            .into_par_iter()
            .map_init(
                || vec![0u32; rows],
                |weights, draw| {
                    weights.fill(0);
                    let mut rng = ChaCha8Rng::seed_from_u64(seed);
                    rng.set_stream(draw as u64);
                    for _ in 0..self.problems {
                        let problem = rng.random_range(0..self.problems as u32) as usize;
                        for _ in 0..self.runs {
                            let run = match self.runs {
                                1 => 0,
                                runs => rng.random_range(0..runs as u32) as usize,
                            };
                            weights[problem * self.runs + run] += 1;
                        }
                    }
                    if complete {
                        self.weighted_sums(weights, rows)
                    } else {
                        self.weighted_means(weights)
                    }
                },
            )
            .collect()
    }

    fn weighted_sums(&self, weights: &[u32], rows: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.series];
        for (row, &weight) in self.values.chunks_exact(self.series.max(1)).zip(weights) {
            if weight > 0 {
                let weight = f64::from(weight);
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += weight * value);
            }
        }
        sums.iter_mut().for_each(|sum| *sum /= rows as f64);
        sums
    }

    fn weighted_means(&self, weights: &[u32]) -> Vec<f64> {
        let mut sums = vec![(0.0, 0.0); self.series];
        for (row, &weight) in self.values.chunks_exact(self.series.max(1)).zip(weights) {
            let weight = f64::from(weight);
            for (sum, value) in sums
                .iter_mut()
                .zip(row)
                .filter(|(_, value)| !value.is_nan())
            {
                *sum = (sum.0 + weight * value, sum.1 + weight);
            }
        }
        sums.into_iter().map(|(sum, weight)| sum / weight).collect()
    }
}

/// The 2.5th and the 97.5th percentile; everything for no values.
pub fn percentiles(values: &mut [f64]) -> Interval {
    if values.is_empty() {
        return Interval {
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        };
    }
    let last = values.len() - 1;
    let mut at = |share: f64| {
        let rank = (share * last as f64).round() as usize;
        *values.select_nth_unstable_by(rank, f64::total_cmp).1
    };
    Interval {
        low: at(0.025),
        high: at(0.975),
    }
}
