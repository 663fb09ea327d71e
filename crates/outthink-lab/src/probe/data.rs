//! What a probe is fitted on: states by step, each once, with the share of right completions through it.

use std::collections::HashMap;
use std::sync::Arc;

use outthink_core::identity::hash64;
use outthink_core::{ProbeLayout, Step, Stop};

/// Why there is nothing to fit a probe on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Rows of another shape than the layout, or not one for each step.
    #[error("a solution of {steps} steps has {rows} rows of states, and a row has {width} numbers")]
    Misshaped {
        /// Steps of the solution.
        steps: usize,
        /// Rows that were handed over.
        rows: usize,
        /// Numbers a row must have.
        width: usize,
    },
    /// Too few problems whose samples are not all right or all wrong.
    #[error(
        "{mixed} of {problems} problems have right and wrong samples, and a probe is fitted on {needed} at least: store more problems, or harder ones, with several samples each"
    )]
    TooFew {
        /// Problems with both.
        mixed: usize,
        /// All problems.
        problems: usize,
        /// How many there must be.
        needed: usize,
    },
    /// Less than two folds, or more than problems.
    #[error(
        "there must be at least 2 folds, and at most as many as problems ({problems}); not {folds}"
    )]
    Folds {
        /// How many were asked for.
        folds: usize,
        /// Problems that there are.
        problems: usize,
    },
}

/// A stored solution.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSample {
    /// The number of its problem in the study.
    pub problem: usize,
    /// Which run of the problem; samples of one run are voted among. None for a search's, whose samples are no independent draws.
    pub run: Option<usize>,
    /// Its steps, with the policy's tokens.
    pub steps: Vec<Arc<Step>>,
    /// Why it ended.
    pub stop: Stop,
    /// How many equal draws it stands for.
    pub draws: usize,
    /// The class of its answer among those of its run.
    pub class: Option<usize>,
    /// Is it right?
    pub right: bool,
    /// Mean log-probability of its tokens.
    pub likelihood: Option<f64>,
}

impl ProbeSample {
    /// Has it an end that can be judged? What was cut off has none.
    pub fn is_complete(&self) -> bool {
        self.stop == Stop::Answer
    }

    /// The steps that are read: of a solution that was cut off, all but the last.
    pub fn read_steps(&self) -> &[Arc<Step>] {
        match self.steps.split_last() {
            Some((_, before)) if !self.is_complete() => before,
            _ => &self.steps,
        }
    }
}

/// A state that is read once, however many solutions go through it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct StateNode {
    pub(super) problem: usize,
    /// Right completions through it, and all.
    pub(super) right: f64,
    pub(super) total: f64,
}

impl StateNode {
    /// The share of right completions.
    pub(super) fn share(&self) -> f64 {
        self.right / self.total
    }
}

/// A solution as it is fitted on and ranked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// The number of its problem among those that there are here.
    pub(super) problem: usize,
    pub(super) run: Option<usize>,
    pub(super) class: Option<usize>,
    pub(super) right: bool,
    pub(super) complete: bool,
    pub(super) draws: usize,
    pub(super) likelihood: Option<f64>,
    /// Its states, step by step.
    pub(super) states: Vec<usize>,
}

/// States and solutions of one policy.
#[derive(Clone, Debug, Default)]
pub struct ProbeData {
    pub(super) layout: ProbeLayout,
    /// `[states, width]`.
    pub(super) rows: Vec<f32>,
    pub(super) states: Vec<StateNode>,
    pub(super) paths: Vec<Path>,
    problems: HashMap<usize, usize>,
    known: HashMap<i64, usize>,
}

impl ProbeData {
    /// Nothing yet, in this layout.
    pub fn new(layout: ProbeLayout) -> Self {
        Self {
            layout,
            ..Self::default()
        }
    }

    /// Takes a solution in, with one row of numbers for each of [`ProbeSample::read_steps`].
    ///
    /// # Errors
    ///
    /// Rows of another shape.
    pub fn add(&mut self, sample: &ProbeSample, rows: &[Vec<f32>]) -> Result<(), ProbeError> {
        let (steps, width) = (sample.read_steps(), self.layout.width());
        if rows.len() != steps.len() || rows.iter().any(|row| row.len() != width) {
            return Err(ProbeError::Misshaped {
                steps: steps.len(),
                rows: rows.len(),
                width,
            });
        }
        let next = self.problems.len();
        let problem = *self.problems.entry(sample.problem).or_insert(next);
        let mut prefix: Vec<u8> = problem.to_le_bytes().to_vec();
        let mut states = Vec::with_capacity(rows.len());
        let draws = sample.draws.max(1) as f64;
        for (step, row) in steps.iter().zip(rows) {
            match step.tokens.is_empty() {
                true => prefix.extend(step.text.bytes()),
                false => prefix.extend(step.tokens.iter().flat_map(|token| token.to_le_bytes())),
            }
            let next = self.states.len();
            let state = *self.known.entry(hash64(&[&prefix])).or_insert(next);
            if state == next {
                self.rows.extend(row);
                self.states.push(StateNode {
                    problem,
                    right: 0.0,
                    total: 0.0,
                });
            }
            self.states[state].total += draws;
            self.states[state].right += if sample.right { draws } else { 0.0 };
            states.push(state);
        }
        self.paths.push(Path {
            problem,
            run: sample.run,
            class: sample.class,
            right: sample.right,
            complete: sample.is_complete() && !states.is_empty(),
            draws: sample.draws.max(1),
            likelihood: sample.likelihood,
            states,
        });
        Ok(())
    }

    /// How many problems there are.
    pub fn problems(&self) -> usize {
        self.problems.len()
    }

    /// How many different states were read.
    pub fn states(&self) -> usize {
        self.states.len()
    }

    /// How many solutions there are.
    pub fn samples(&self) -> usize {
        self.paths.len()
    }

    pub(super) fn row(&self, state: usize) -> &[f32] {
        let width = self.layout.width();
        &self.rows[state * width..][..width]
    }

    /// How many problems have complete samples that are right and others that are wrong.
    pub(super) fn mixed(&self) -> usize {
        let mut seen = vec![[false; 2]; self.problems()];
        for path in self.paths.iter().filter(|path| path.complete) {
            seen[path.problem][usize::from(path.right)] = true;
        }
        seen.iter().filter(|own| **own == [true; 2]).count()
    }

    /// Makes each number have mean 0 and standard deviation 1 over all states, and tells the means and what the differences from them
    /// were multiplied with. A number that never varies becomes 0.
    pub(super) fn standardise(&mut self) -> (Vec<f32>, Vec<f32>) {
        let width = self.layout.width();
        let count = self.states.len().max(1) as f64;
        let (mut sums, mut squares) = (vec![0.0f64; width], vec![0.0f64; width]);
        for row in self.rows.chunks_exact(width.max(1)) {
            sums.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += f64::from(*x));
        }
        let mean: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
        for row in self.rows.chunks_exact(width.max(1)) {
            for ((square, x), mean) in squares.iter_mut().zip(row).zip(&mean) {
                *square += (f64::from(*x) - mean).powi(2);
            }
        }
        let scale = squares.iter().zip(&mean).map(|(square, mean)| {
            let deviation = (square / count).sqrt();
            // What is left of rounding is no variation.
            match deviation > 1e-6 * (1.0 + mean.abs()) {
                true => (1.0 / deviation) as f32,
                false => 0.0,
            }
        });
        let scale: Vec<f32> = scale.collect();
        let mean: Vec<f32> = mean.into_iter().map(|mean| mean as f32).collect();
        for row in self.rows.chunks_exact_mut(width.max(1)) {
            for ((x, mean), scale) in row.iter_mut().zip(&mean).zip(&scale) {
                *x = (*x - mean) * scale;
            }
        }
        (mean, scale)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_once_and_its_label_is_the_share_of_right_completions_through_it() {
        let mut data = ProbeData::new(ProbeLayout {
            hidden: 1,
            statistics: Vec::new(),
        });
        let add = |data: &mut ProbeData, problem, tokens: &[u32], right, stop| {
            let step = |token: &u32| {
                Arc::new(Step {
                    tokens: vec![*token],
                    ..Step::written("step")
                })
            };
            let sample = ProbeSample {
                problem,
                run: Some(0),
                steps: tokens.iter().map(step).collect(),
                stop,
                draws: 2,
                class: None,
                right,
                likelihood: None,
            };
            let rows = vec![vec![1.0]; sample.read_steps().len()];
            data.add(&sample, &rows).unwrap();
        };
        add(&mut data, 8, &[1, 2], true, Stop::Answer);
        add(&mut data, 8, &[1, 3], false, Stop::Answer);
        // Cut off in its last step: a wrong completion of the steps before it.
        add(&mut data, 8, &[1, 2, 4], false, Stop::Length);
        // The same tokens, another problem.
        add(&mut data, 3, &[1, 2], false, Stop::Answer);
        let labels: Vec<(f64, f64)> = data
            .states
            .iter()
            .map(|state| (state.right, state.total))
            .collect();
        assert_eq!(
            labels,
            [(2.0, 6.0), (2.0, 4.0), (0.0, 2.0), (0.0, 2.0), (0.0, 2.0)]
        );
        assert_eq!((data.problems(), data.mixed()), (2, 1));
    }
}
