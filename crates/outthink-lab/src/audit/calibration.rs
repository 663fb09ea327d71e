//! Does a reward of 0.8 mean right in 80 of 100? And a monotone map after which it does.

use outthink_core::Isotonic;
use serde::Serialize;

use super::Audit;
use super::resample::{Measured, Sums};

/// Equally wide bins of rewards.
const BINS: usize = 10;

/// Steps of similar reward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// How many.
    pub steps: usize,
    /// Their mean reward.
    pub reward: f64,
    /// Share of them that are right.
    pub right: f64,
}

/// How far rewards are from the share of right steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error over ten bins.
    pub ece: Measured,
    /// The same under the isotonic map, fitted on the other half of the problems.
    pub ece_isotonic: Option<Measured>,
    /// Bins that hold steps, by reward.
    pub reliability: Vec<Reliability>,
    /// The map.
    pub isotonic: Isotonic,
}

fn bin(reward: f64) -> usize {
    ((reward * BINS as f64) as usize).min(BINS - 1)
}

fn error(sums: &[f64]) -> f64 {
    let count: f64 = sums.chunks_exact(3).map(|bin| bin[0]).sum();
    let gaps: f64 = sums
        .chunks_exact(3)
        .map(|bin| (bin[1] - bin[2]).abs())
        .sum();
    gaps / count
}

impl Audit {
    /// Steps, rewards and right steps by bin.
    fn binned<'a>(
        &self,
        kept: impl Iterator<Item = &'a super::Kept>,
        map: impl Fn(f64) -> f64,
    ) -> Sums {
        self.sums(kept, 3 * BINS, |scored, sums| {
            for (step, &reward) in scored.rewards.iter().enumerate().take(scored.labelled()) {
                let reward = map(reward);
                let place = 3 * bin(reward);
                sums[place] += 1.0;
                sums[place + 1] += reward;
                sums[place + 2] += f64::from(u8::from(scored.right(step)));
            }
        })
    }

    pub(super) fn calibrate(&self) -> Option<Calibration> {
        let points = self.choosing().flat_map(|kept| {
            let scored = &kept.scored;
            (0..scored.labelled()).map(|step| {
                (
                    scored.rewards[step],
                    f64::from(u8::from(scored.right(step))),
                )
            })
        });
        let isotonic = Isotonic::fit(points);
        let sums = self.binned(self.reporting(), |reward| reward);
        let after = self.binned(self.reporting(), |reward| isotonic.apply(reward));
        let reliability = sums
            .total()
            .chunks_exact(3)
            .filter(|bin| bin[0] > 0.0)
            .map(|bin| Reliability {
                steps: bin[0] as usize,
                reward: bin[1] / bin[0],
                right: bin[2] / bin[0],
            })
            .collect();
        Some(Calibration {
            ece: sums.measure(error)?,
            ece_isotonic: after.measure(error),
            reliability,
            isotonic,
        })
    }
}
