//! How hard a problem is for a policy.

/// Samples from which difficulty is predicted.
pub const FIRST: usize = 16;

/// The bands of arXiv 2502.06703 §3: easy at 50 % and more of Pass@1, hard below 10 %.
pub const BANDS: [&str; 3] = ["easy", "medium", "hard"];

/// The difficulty of each problem for one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Difficulty {
    /// Pass@1 of each problem over the pool: needs the right answer, so an oracle's.
    pub pass: Vec<Option<f64>>,
    /// Share of the commonest answer among the first [`FIRST`] samples: known without the right answer.
    pub agreement: Vec<Option<f64>>,
}

impl Difficulty {
    /// From sums over runs and their numbers.
    pub(crate) fn new(pass: Vec<(f64, usize)>, agreement: Vec<(f64, usize)>) -> Self {
        let mean = |(sum, count): (f64, usize)| (count > 0).then(|| sum / count as f64);
        Self {
            pass: pass.into_iter().map(mean).collect(),
            agreement: agreement.into_iter().map(mean).collect(),
        }
    }

    /// The problems of each of [`BANDS`], by Pass@1 (oracle). A problem without samples is in none.
    pub fn bands(&self) -> [Vec<usize>; 3] {
        banded(&self.pass)
    }

    /// The same by agreement (predicted).
    pub fn predicted(&self) -> [Vec<usize>; 3] {
        banded(&self.agreement)
    }

    /// Fifths of the problems by Pass@1, easiest first (arXiv 2408.03314; oracle).
    pub fn quintiles(&self) -> [Vec<usize>; 5] {
        let mut known: Vec<(usize, f64)> = self
            .pass
            .iter()
            .enumerate()
            .filter_map(|(problem, pass)| pass.map(|pass| (problem, pass)))
            .collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut fifths: [Vec<usize>; 5] = Default::default();
        for (rank, (problem, _)) in known.iter().enumerate() {
            fifths[rank * 5 / known.len()].push(*problem);
        }
        fifths
    }
}

fn banded(values: &[Option<f64>]) -> [Vec<usize>; 3] {
    let mut bands: [Vec<usize>; 3] = Default::default();
    for (problem, value) in values.iter().enumerate() {
        match value {
            Some(value) if *value >= 0.5 => bands[0].push(problem),
            Some(value) if *value >= 0.1 => bands[1].push(problem),
            Some(_) => bands[2].push(problem),
            None => {}
        }
    }
    bands
}
