//! What fewer samples would have given, exactly: estimates over all subsets of a pool.
//!
//! A pool of `M` samples answers every `k ≤ M`: the accuracy of a rule at `k` is its average over the `C(M, k)` subsets,
//! the unbiased estimate of least variance that the pool allows.

use crate::estimate::binomial::Factorials;

/// The chance that `k` of `samples` hold at least one of the `right` ones: `1 - C(M-c, k) / C(M, k)` (Chen et al. 2021,
/// "Evaluating large language models trained on code").
pub fn pass_at(samples: usize, right: usize, k: usize, factorials: &Factorials) -> f64 {
    1.0 - factorials.none_of(samples as u64, right as u64, k.min(samples) as u64)
}

/// The chance that the best-scored of `k` samples is right. A sample without an answer or a score (`None`) takes no part.
///
/// The samples of one score are the best if none above is drawn and one of them is. `None` where samples of one score
/// differ in being right: then the votes decide, see [`chances`](crate::chances).
pub fn best_at(scored: &[Option<(f64, bool)>], k: usize, factorials: &Factorials) -> Option<f64> {
    let all = scored.len() as u64;
    let k = (k as u64).min(all);
    let mut order: Vec<(f64, bool)> = scored.iter().flatten().copied().collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut chance = 0.0;
    let mut above = 0;
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let right = equal[0].1;
        if equal.iter().any(|(_, own)| *own != right) {
            return None;
        }
        let through = above + equal.len() as u64;
        if right {
            chance += factorials.none_of(all, above, k) - factorials.none_of(all, through, k);
        }
        above = through;
    }
    Some(chance)
}

/// The chance that the commonest answer of `k` samples is right; of answers that are equally common each wins as often,
/// as the first-drawn one does. `counts` has the number of samples of each answer and whether it is right, `silent` is
/// how many samples have none.
///
/// Exact: for every answer and every number of votes with which it may win, the number of ways in which no other has
/// more. `None` where that would take more than `work` steps.
pub fn majority_at(
    counts: &[(usize, bool)],
    silent: usize,
    k: usize,
    work: usize,
    factorials: &Factorials,
) -> Option<f64> {
    let right: Vec<usize> = (0..counts.len()).filter(|&class| counts[class].1).collect();
    if right.is_empty() {
        return Some(0.0);
    }
    if right.len() == counts.len() {
        let voices: usize = counts.iter().map(|(count, _)| count).sum();
        return Some(1.0 - factorials.none_of((voices + silent) as u64, voices as u64, k as u64));
    }
    let steps = |class: usize| -> usize {
        let with = |votes: usize| -> usize {
            let ties = k / votes + 1;
            let others = counts
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != class);
            others
                .map(|(_, (count, _))| ties * k * (*count).min(votes))
                .sum()
        };
        (1..=counts[class].0.min(k)).map(with).sum()
    };
    if right.iter().map(|&class| steps(class)).sum::<usize>() > work {
        return None;
    }
    let all: usize = counts.iter().map(|(count, _)| count).sum::<usize>() + silent;
    let total = factorials.choose(all as u64, k as u64);
    let choose = |n: usize, k: usize| factorials.choose(n as u64, k as u64).exp();
    let mut chance = 0.0;
    for class in right {
        for votes in 1..=counts[class].0.min(k) {
            let rest = k - votes;
            // ways[t][s]: the other answers have s samples together, t of them as many as the winner.
            let most_ties = rest / votes;
            let mut ways = vec![vec![0.0; rest + 1]; most_ties + 1];
            ways[0][0] = 1.0;
            for (_, &(count, _)) in counts
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != class)
            {
                let mut next = vec![vec![0.0; rest + 1]; most_ties + 1];
                for (ties, row) in ways.iter().enumerate() {
                    for (taken, &before) in row.iter().enumerate() {
                        if before == 0.0 {
                            continue;
                        }
                        for more in 0..=count.min(votes).min(rest - taken) {
                            let tie = ties + usize::from(more == votes);
                            if tie <= most_ties {
                                next[tie][taken + more] += before * choose(count, more);
                            }
                        }
                    }
                }
                ways = next;
            }
            let mut others = 0.0;
            for (ties, row) in ways.iter().enumerate() {
                for (taken, &way) in row.iter().enumerate() {
                    others += way * choose(silent, rest - taken) / (ties + 1) as f64;
                }
            }
            if others > 0.0 {
                let own = factorials.choose(counts[class].0 as u64, votes as u64);
                chance += (own + others.ln() - total).exp();
            }
        }
    }
    Some(chance)
}
