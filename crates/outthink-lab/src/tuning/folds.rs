//! Problems dealt to folds; the runs of a problem stay together.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The fold of each problem, from 0 to `folds - 1`, as even as it goes.
pub(crate) fn folds(problems: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..problems).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut dealt = vec![0; problems];
    for (place, problem) in order.into_iter().enumerate() {
        dealt[problem] = place % folds.max(1);
    }
    dealt
}
