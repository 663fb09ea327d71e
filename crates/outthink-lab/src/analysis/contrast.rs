//! Differences between entries, paired by problem and run.

use super::Analysis;
use crate::audit::Measured;
use crate::estimate::bootstrap::{BOOTSTRAP, Values, percentiles};
use crate::estimate::interval::Interval;

/// Entries by their place, each with the weight that its accuracy has in a sum: `[(a, 1.0), (b, -1.0)]` is a difference.
pub(crate) type Contrast = Vec<(usize, f64)>;

impl Analysis {
    /// The mean difference of two entries over the runs that both have, with its paired bootstrap interval.
    pub fn difference(&self, a: usize, b: usize) -> (f64, Interval) {
        match self.differences(&[(a, b)]).first() {
            Some(Measured { value, interval }) => (*value, *interval),
            None => (f64::NAN, percentiles(&mut [])),
        }
    }

    /// The same for many pairs, all resampled with the same problems.
    pub fn differences(&self, pairs: &[(usize, usize)]) -> Vec<Measured> {
        let contrasts = pairs.iter().map(|&(a, b)| vec![(a, 1.0), (b, -1.0)]);
        self.contrasts(&contrasts.collect::<Vec<_>>())
    }

    /// The means of weighted sums over the runs that all of their entries have, resampled with the same problems.
    pub(crate) fn contrasts(&self, contrasts: &[Contrast]) -> Vec<Measured> {
        let (problems, runs) = (self.study.problems.len(), self.study.seeds.len());
        let mut values = Values::new(problems, runs, contrasts.len());
        for problem in 0..problems {
            for run in 0..runs {
                for (series, contrast) in contrasts.iter().enumerate() {
                    let weighed = |&(place, weight): &(usize, f64)| {
                        weight * self.values.get(problem, run, place)
                    };
                    values.set(problem, run, series, contrast.iter().map(weighed).sum());
                }
            }
        }
        let drawn = values.resampled(BOOTSTRAP, 0);
        let measured = |series: usize| {
            let means = drawn.iter().map(|means| means[series]);
            let mut means: Vec<f64> = means.filter(|mean| !mean.is_nan()).collect();
            Measured {
                value: values.mean(series),
                interval: percentiles(&mut means),
            }
        };
        (0..contrasts.len()).map(measured).collect()
    }
}
