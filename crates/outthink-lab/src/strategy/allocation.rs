//! One total budget over many problems: bandit elimination on votes (arXiv 2506.12721; 2511.12309 ranks alike).
//!
//! 1. Every problem gets a probe.
//! 2. In each round every undecided problem draws on to its next look, the least certain first, while the budget lasts.
//! 3. A problem whose vote is decided, or whose pool is at its end, draws no more.
//!
//! Where the pools are, this is replayed from them; the draws are the same that a live run would make.

use std::cmp::Ordering;

use super::evidence::Evidence;
use super::stopping::{Ballot, PROBE, Stopping};
use super::tariff::Tariff;
use crate::binomial::Factorials;

/// How many samples each row gets of a total budget in the tariff's unit.
///
/// The cost of a problem's draws is that of its own pool; majority voting, so nothing is read by a verifier.
pub fn allocate(
    evidence: &Evidence,
    tariff: &Tariff,
    rows: &[usize],
    stopping: Stopping,
    most: usize,
    total: f64,
) -> Vec<usize> {
    let factorials = Factorials::to(most as u64);
    let pool = |row: usize| &evidence.rows[rows[row]].pool;
    let cost = |row: usize, n: usize| tariff.drawing(&pool(row).cost(None, n, &factorials));
    let mut drawn = vec![0; rows.len()];
    let mut ballots = vec![Ballot::default(); rows.len()];
    let mut open: Vec<usize> = (0..rows.len()).collect();
    let mut left = total;
    while !open.is_empty() {
        let certainty: Vec<f64> = ballots.iter().map(Ballot::certainty).collect();
        let least = |a: &usize, b: &usize| {
            let by = certainty[*a].total_cmp(&certainty[*b]);
            if by == Ordering::Equal { a.cmp(b) } else { by }
        };
        open.sort_by(least);
        let mut still = Vec::new();
        for &row in &open {
            let limit = most.min(pool(row).plain.len());
            let next = match drawn[row] {
                0 => PROBE.min(limit),
                drawn => Stopping::next_look(drawn, limit),
            };
            let price = cost(row, next) - cost(row, drawn[row]);
            // Who cannot pay any more is out; a cheaper one may still go on.
            if price > left || next == drawn[row] {
                continue;
            }
            left -= price;
            for sample in &pool(row).plain[drawn[row]..next] {
                if let Some(class) = sample.class {
                    ballots[row].add(class);
                }
            }
            drawn[row] = next;
            if !stopping.decided(&ballots[row]) && next < limit {
                still.push(row);
            }
        }
        open = still;
    }
    drawn
}

/// Is the majority of each row's first samples right, and what do they cost?
pub fn allocated(
    evidence: &Evidence,
    tariff: &Tariff,
    rows: &[usize],
    drawn: &[usize],
) -> (Vec<f64>, Vec<f64>) {
    let most = drawn.iter().copied().max().unwrap_or_default();
    let factorials = Factorials::to(most as u64);
    let one = |(&row, &n): (&usize, &usize)| {
        let pool = &evidence.rows[row].pool;
        let cost = tariff.drawing(&pool.cost(None, n, &factorials));
        (f64::from(u8::from(pool.majority_right(n))), cost)
    };
    rows.iter().zip(drawn).map(one).unzip()
}

#[cfg(test)]
mod tests {
    use super::super::synthetic;
    use super::*;

    #[test]
    fn the_undecided_get_what_the_decided_save_and_the_total_holds() {
        let evidence = synthetic::evidence(40, 1);
        let tariff = synthetic::samples(&evidence);
        let rows: Vec<usize> = (0..evidence.rows.len()).collect();
        let total = 16.0 * rows.len() as f64;
        let drawn = allocate(&evidence, &tariff, &rows, Stopping::Beta(0.95), 64, total);
        assert!(drawn.iter().sum::<usize>() as f64 <= total);
        assert!(drawn.iter().all(|&n| n >= PROBE));
        let mean = |hard: bool| {
            let own = rows
                .iter()
                .filter(|&&row| (evidence.rows[row].pass < 0.7) == hard);
            let drawn: Vec<usize> = own.map(|&row| drawn[row]).collect();
            drawn.iter().sum::<usize>() as f64 / drawn.len().max(1) as f64
        };
        assert!(
            mean(true) > 1.5 * mean(false),
            "{} {}",
            mean(true),
            mean(false)
        );
    }
}
