//! First-error accuracy as ProcessBench defines it (arXiv 2412.06559, section 3).

use serde::Serialize;

use super::resample::Measured;
use super::{Audit, Scored};

/// Judgement of steps at a threshold: the first step with a reward below it is called the first error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// Chosen for F1 on one half of the problems; the rest is measured on the other half.
    pub threshold: f64,
    /// Share of the erroneous solutions whose first error is named exactly.
    pub erroneous: Measured,
    /// Share of the right solutions that are called right.
    pub correct: Measured,
    /// Harmonic mean of the two.
    pub f1: Measured,
}

/// The step that a threshold calls the first error.
pub(super) fn first_below(rewards: &[f64], threshold: f64) -> Option<usize> {
    rewards.iter().position(|&reward| reward < threshold)
}

fn harmonic(a: f64, b: f64) -> f64 {
    match a + b > 0.0 {
        true => 2.0 * a * b / (a + b),
        // not 0/0: a judge that is always wrong has an F1, and it is 0
        false => a + b,
    }
}

/// The threshold of the highest F1: the middle of the widest best stretch between rewards, none without both kinds of
/// solutions.
pub(super) fn best_threshold<'a>(solutions: impl Iterator<Item = &'a Scored>) -> Option<f64> {
    // A right verdict holds for thresholds in (low, high].
    let (mut stretches, mut counts) = (Vec::new(), [0usize; 2]);
    for scored in solutions {
        let kind = usize::from(scored.first_error.is_none());
        counts[kind] += 1;
        let before = scored.labelled() - usize::from(scored.first_error.is_some());
        let high = scored
            .rewards
            .iter()
            .take(before)
            .copied()
            .fold(f64::INFINITY, f64::min);
        let low = match scored.first_error {
            Some(error) => scored.rewards.get(error).copied().unwrap_or(f64::INFINITY),
            None => f64::NEG_INFINITY,
        };
        if low < high {
            stretches.push((low, high, kind));
        }
    }
    if counts.contains(&0) {
        return None;
    }
    let mut events: Vec<(f64, usize, i64)> = Vec::with_capacity(2 * stretches.len());
    for (low, high, kind) in stretches {
        events.push((low, kind, 1));
        events.push((high, kind, -1));
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut hits = [0i64; 2];
    let (mut best, mut found) = ((-1.0, 0.0), 0.5);
    let mut at = 0;
    while at < events.len() {
        let here = events[at].0;
        while at < events.len() && events[at].0 == here {
            hits[events[at].1] += events[at].2;
            at += 1;
        }
        // thresholds lie in [0, 1]; one above every reward calls everything wrong
        let (from, to) = (
            here.max(0.0),
            events.get(at).map_or(1.0, |next| next.0.min(1.0)),
        );
        let share = |kind: usize| hits[kind] as f64 / counts[kind] as f64;
        let candidate = (harmonic(share(0), share(1)), to - from);
        if candidate > best && to >= from {
            (best, found) = (candidate, f64::midpoint(from, to));
        }
    }
    Some(found)
}

/// The judgement of one kind of error, or of one part of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedKind {
    /// Which.
    pub kind: String,
    /// Solutions of it that report.
    pub solutions: usize,
    /// Of them with an error.
    pub errors: usize,
    /// Share of the erroneous solutions whose first error is named exactly.
    pub erroneous: Option<Measured>,
    /// Share of the right solutions that are called right.
    pub correct: Option<Measured>,
    /// Harmonic mean of the two; none where there is one kind of solution only.
    pub f1: Option<Measured>,
    /// Share of the first wrong steps that are below the threshold, whatever is said of the steps before them.
    pub caught: Option<Measured>,
    /// Share of the right steps that are below it.
    pub criticised: Option<Measured>,
}

impl Audit {
    pub(super) fn judge(&self) -> Option<Judged> {
        let threshold = match self.threshold {
            Some(threshold) => threshold,
            None => best_threshold(self.choosing().map(|kept| &kept.scored))?,
        };
        let (erroneous, correct, f1) = self.judged(threshold, &|_| true);
        Some(Judged {
            threshold,
            erroneous: erroneous?,
            correct: correct?,
            f1: f1?,
        })
    }

    /// Accuracy on erroneous and on right solutions, and their harmonic mean, of those that are wanted.
    fn judged(
        &self,
        threshold: f64,
        wanted: &dyn Fn(&Scored) -> bool,
    ) -> (Option<Measured>, Option<Measured>, Option<Measured>) {
        let of_kind = |erroneous: bool| {
            self.sums(self.reporting(), 2, |scored, sums| {
                if scored.first_error.is_some() == erroneous && wanted(scored) {
                    let hit = first_below(&scored.rewards, threshold) == scored.first_error;
                    sums[0] += f64::from(u8::from(hit));
                    sums[1] += 1.0;
                }
            })
            .ratio()
        };
        let (erroneous, correct) = (of_kind(true), of_kind(false));
        let sums = self.sums(self.reporting(), 4, |scored, sums| {
            if wanted(scored) {
                let hit = first_below(&scored.rewards, threshold) == scored.first_error;
                let kind = 2 * usize::from(scored.first_error.is_none());
                sums[kind] += f64::from(u8::from(hit));
                sums[kind + 1] += 1.0;
            }
        });
        let mut f1 = sums.measure(|sums| harmonic(sums[0] / sums[1], sums[2] / sums[3]));
        if let (Some(f1), Some(erroneous), Some(correct)) = (&mut f1, &erroneous, &correct)
            && f1.interval.low == f1.interval.high
        {
            // no draw moves it: what the two shares leave open
            f1.interval.low = harmonic(erroneous.interval.low, correct.interval.low);
            f1.interval.high = harmonic(erroneous.interval.high, correct.interval.high);
        }
        (erroneous, correct, f1)
    }

    /// The judgement of each kind, where there are several.
    pub(super) fn kinds(&self, threshold: f64) -> Vec<JudgedKind> {
        let mut kinds: Vec<&str> = self
            .kept
            .iter()
            .filter_map(|kept| kept.scored.kind.as_deref())
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.len() < 2 {
            return Vec::new();
        }
        let one = |kind: &str| {
            let wanted = |scored: &Scored| scored.kind.as_deref() == Some(kind);
            let (erroneous, correct, f1) = self.judged(threshold, &wanted);
            let own = || self.reporting().filter(|kept| wanted(&kept.scored));
            let steps = |right: bool| {
                self.sums(self.reporting(), 2, |scored, sums| {
                    if !wanted(scored) {
                        return;
                    }
                    for (step, &reward) in scored.rewards.iter().enumerate().take(scored.labelled())
                    {
                        if scored.right(step) == right {
                            sums[0] += f64::from(u8::from(reward < threshold));
                            sums[1] += 1.0;
                        }
                    }
                })
                .ratio()
            };
            JudgedKind {
                kind: kind.to_owned(),
                solutions: own().count(),
                errors: own()
                    .filter(|kept| kept.scored.first_error.is_some())
                    .count(),
                erroneous,
                correct,
                f1,
                caught: steps(false),
                criticised: steps(true),
            }
        };
        kinds.into_iter().map(one).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn scored(rewards: &[f64], first_error: Option<usize>) -> Scored {
        Scored {
            problem: String::new(),
            steps: Vec::new(),
            first_error,
            rewards: rewards.to_vec(),
            lengths: vec![1; rewards.len()],
            unit: None,
            kind: None,
        }
    }

    #[test]
    fn the_threshold_parts_right_from_wrong_where_rewards_do() {
        let solutions = [
            scored(&[0.9, 0.8], None),
            scored(&[0.9, 0.7, 0.2], Some(2)),
            scored(&[0.3, 0.9], Some(0)),
        ];
        // right verdicts on all three for thresholds in (0.3, 0.7]
        assert_eq!(best_threshold(solutions.iter()), Some(0.5));
    }

    #[test]
    fn one_kind_of_solution_has_no_threshold() {
        assert_eq!(best_threshold([scored(&[0.9], None)].iter()), None);
    }

    #[test]
    fn the_threshold_is_as_good_as_any_of_a_fine_grid() {
        let solutions: Vec<Scored> = (0..60u32)
            .map(|seed| {
                let reward =
                    |step: u32| f64::from((seed * 37 + step * 61 + seed * step) % 101) / 100.0;
                let rewards: Vec<f64> = (0..4).map(reward).collect();
                scored(&rewards, (seed % 3 > 0).then_some((seed % 4) as usize))
            })
            .collect();
        let f1 = |threshold: f64| {
            let share = |erroneous: bool| {
                let of: Vec<bool> = solutions
                    .iter()
                    .filter(|scored| scored.first_error.is_some() == erroneous)
                    .map(|scored| first_below(&scored.rewards, threshold) == scored.first_error)
                    .collect();
                of.iter().filter(|hit| **hit).count() as f64 / of.len() as f64
            };
            harmonic(share(true), share(false))
        };
        let found = f1(best_threshold(solutions.iter()).unwrap());
        let best = (0..=2000)
            .map(|step| f1(f64::from(step) / 2000.0))
            .fold(0.0, f64::max);
        assert_eq!(found, best);
    }
}
