//! A small head on a policy's own hidden states: from the state at a step's end to a reward (STEP, arXiv 2601.09093; ReProbe,
//! 2511.06209). Where the states are from, and what the head was fitted on, is not known here.

use serde::{Deserialize, Serialize};

use crate::{Isotonic, TokenStats};

/// What is read of the tokens of a solution so far, beside the state. In nats, a mean over tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Log-probability of the step's tokens.
    StepLikelihood,
    /// Log-probability of all tokens up to the step's end.
    PathLikelihood,
    /// Entropy at the step's tokens.
    StepEntropy,
    /// Entropy at all tokens up to the step's end.
    PathEntropy,
}

impl Statistic {
    /// What every policy tells that tells anything of its tokens.
    pub const LIKELIHOODS: [Self; 2] = [Self::StepLikelihood, Self::PathLikelihood];

    /// What one tells that knows the whole distribution.
    pub const ENTROPIES: [Self; 2] = [Self::StepEntropy, Self::PathEntropy];

    /// Is it read off entropies? Else off log-probabilities.
    pub fn is_entropy(self) -> bool {
        Self::ENTROPIES.contains(&self)
    }

    /// Its value at the end of each step, from what is known of the tokens of each; none where they have no token.
    pub fn of(self, steps: &[TokenStats]) -> Vec<Option<f32>> {
        let values = |step: &TokenStats| match self.is_entropy() {
            true => sum(&step.entropies),
            false => sum(&step.logprobs),
        };
        let whole = matches!(self, Self::PathLikelihood | Self::PathEntropy);
        let mut so_far = (0.0, 0);
        let mean = |step: &TokenStats| {
            let own = values(step);
            so_far = match whole {
                true => (so_far.0 + own.0, so_far.1 + own.1),
                false => own,
            };
            (so_far.1 > 0).then(|| (so_far.0 / so_far.1 as f64) as f32)
        };
        steps.iter().map(mean).collect()
    }
}

fn sum(values: &[f32]) -> (f64, usize) {
    (values.iter().copied().map(f64::from).sum(), values.len())
}

/// What a probe reads at a step's end, in this order: the state, then the statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeLayout {
    /// Numbers of a hidden state.
    pub hidden: usize,
    /// What follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statistics: Vec<Statistic>,
}

impl ProbeLayout {
    /// How many numbers there are.
    pub fn width(&self) -> usize {
        self.hidden + self.statistics.len()
    }
}

/// The layers of a head: one number from `width` numbers, directly or by one layer of units with a ReLU.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeHead {
    /// Weights of the units, `[units, width]` by rows, and their biases; both empty for a linear head.
    pub inner: (Vec<f32>, Vec<f32>),
    /// Weights of the units, or of the numbers themselves.
    pub outer: Vec<f32>,
    /// What is added.
    pub bias: f32,
}

impl ProbeHead {
    /// The log-odds that it gives for standardised numbers.
    pub fn logit(&self, row: &[f32]) -> f32 {
        if self.inner.1.is_empty() {
            return self.bias + dot(&self.outer, row);
        }
        let parts = self.units(row).zip(&self.outer);
        self.bias + parts.map(|(x, weight)| x.max(0.0) * weight).sum::<f32>()
    }

    /// What each unit of the inner layer says of standardised numbers, before it is cut off at zero.
    pub fn units<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        let (weights, biases) = &self.inner;
        let units = weights.chunks_exact(row.len().max(1)).zip(biases);
        units.map(|(unit, bias)| dot(unit, row) + bias)
    }

    /// How many numbers it is made of, which is also how many multiplications one step costs, about.
    pub fn parameters(&self) -> u64 {
        (self.inner.0.len() + self.inner.1.len() + self.outer.len() + 1) as u64
    }
}

/// The sum of products, in eight sums that a processor can hold side by side.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (eights, rest) = (a.chunks_exact(8), a.chunks_exact(8).remainder());
    let tail = b.chunks_exact(8).remainder();
    for (a, b) in eights.zip(b.chunks_exact(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = rest.iter().zip(tail).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// A fitted probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// What it reads.
    pub layout: ProbeLayout,
    /// The mean of each number where it was fitted.
    pub mean: Vec<f32>,
    /// What the difference from the mean is multiplied with: one over the standard deviation, or 0 for what never varied.
    pub scale: Vec<f32>,
    /// Its layers.
    pub head: ProbeHead,
    /// From what the head says to the share of right completions.
    pub map: Isotonic,
}

impl Probe {
    /// The reward, in [0, 1], of a step at whose end these numbers are read: one for each of [`ProbeLayout::width`].
    ///
    /// ```
    /// use outthink_core::{Probe, ProbeHead, ProbeLayout};
    ///
    /// let probe = Probe {
    ///     layout: ProbeLayout { hidden: 2, statistics: Vec::new() },
    ///     mean: vec![1.0, 0.0],
    ///     scale: vec![1.0, 1.0],
    ///     head: ProbeHead { outer: vec![2.0, -1.0], ..ProbeHead::default() },
    ///     ..Probe::default()
    /// };
    /// assert_eq!(probe.reward(&[1.0, 0.0]), 0.5);
    /// assert!(probe.reward(&[2.0, 0.0]) > 0.8);
    /// ```
    pub fn reward(&self, numbers: &[f32]) -> f64 {
        let from_mean = numbers.iter().zip(&self.mean).zip(&self.scale);
        let row: Vec<f32> = from_mean
            .map(|((x, mean), scale)| (x - mean) * scale)
            .collect();
        self.map.apply(logistic(f64::from(self.head.logit(&row))))
    }

    /// Says what is wrong with one from elsewhere.
    ///
    /// # Errors
    ///
    /// Layers of other shapes than the layout, numbers that are none, or a map that does not map [0, 1] into itself.
    pub fn check(&self) -> Result<(), String> {
        let width = self.layout.width();
        let units = self.head.inner.1.len();
        let outer = if units == 0 { width } else { units };
        let shapes = [
            ("mean", self.mean.len(), width),
            ("scale", self.scale.len(), width),
            ("inner.weight", self.head.inner.0.len(), units * width),
            ("outer.weight", self.head.outer.len(), outer),
        ];
        if let Some((name, got, wanted)) = shapes.iter().find(|(_, got, wanted)| got != wanted) {
            return Err(format!(
                "its {name} has {got} numbers, and {wanted} are read"
            ));
        }
        let head = [&self.head.inner.0, &self.head.inner.1, &self.head.outer];
        let numbers = [&self.mean, &self.scale].into_iter().chain(head).flatten();
        if !numbers.chain([&self.head.bias]).all(|x| x.is_finite()) {
            return Err("one of its numbers is not finite".into());
        }
        match self.map.knots.is_empty() {
            true => Ok(()),
            false => self.map.check(),
        }
    }
}

/// From log-odds to a probability.
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_means_over_the_step_and_over_the_path() {
        let step = |logprobs: &[f32]| TokenStats {
            logprobs: logprobs.to_vec(),
            entropies: Vec::new(),
        };
        let steps = [step(&[-1.0, -3.0]), step(&[]), step(&[-5.0])];
        assert_eq!(
            Statistic::StepLikelihood.of(&steps),
            [Some(-2.0), None, Some(-5.0)]
        );
        assert_eq!(
            Statistic::PathLikelihood.of(&steps),
            [Some(-2.0), Some(-2.0), Some(-3.0)]
        );
        assert_eq!(Statistic::PathEntropy.of(&steps), [None, None, None]);
    }

    #[test]
    fn units_are_cut_off_at_zero_and_a_misshapen_probe_is_refused() {
        let mut probe = Probe {
            layout: ProbeLayout {
                hidden: 9,
                statistics: vec![Statistic::PathLikelihood],
            },
            mean: vec![0.0; 10],
            scale: vec![1.0; 10],
            head: ProbeHead {
                inner: ([vec![1.0; 10], vec![-1.0; 10]].concat(), vec![0.5, 0.0]),
                outer: vec![2.0, 3.0],
                bias: -1.0,
            },
            map: Isotonic::default(),
        };
        assert_eq!(probe.head.logit(&[1.0; 10]), 2.0 * 10.5 - 1.0);
        assert_eq!(probe.head.logit(&[-1.0; 10]), 3.0 * 10.0 - 1.0);
        assert_eq!(probe.check(), Ok(()));
        probe.head.outer.pop();
        let refusal = probe.check().expect_err("a weight is missing");
        assert_eq!(refusal, "its outer.weight has 1 numbers, and 2 are read");
    }
}
