//! One Lagrange multiplier for a budget: each problem takes what is best at one price of compute (arXiv 2604.14853).

/// The candidate with the largest `chance - multiplier · cost`; the cheaper one of equals, then the first.
pub fn best(chances: &[f64], costs: &[f64], multiplier: f64) -> usize {
    let mut best = 0;
    for next in 1..chances.len() {
        let worth = |k: usize| chances[k] - multiplier * costs[k];
        let (own, other) = (worth(next), worth(best));
        if own > other || (own == other && costs[next] < costs[best]) {
            best = next;
        }
    }
    best
}

/// The smallest multiplier (to twelve digits) at which what the rows choose by `chances` and expected `costs` costs at
/// most `budget` a row by `real` costs; none if even the cheapest costs more.
pub fn multiplier(
    chances: &[Vec<f64>],
    costs: &[Vec<f64>],
    real: &[Vec<f64>],
    budget: f64,
) -> Option<f64> {
    let spent = |multiplier: f64| {
        let rows = chances.iter().zip(costs).zip(real);
        let total: f64 = rows
            .map(|((chances, costs), real)| real[best(chances, costs, multiplier)])
            .sum();
        total / chances.len().max(1) as f64
    };
    let fits = |multiplier: f64| spent(multiplier) <= budget * (1.0 + 1e-9);
    if fits(0.0) {
        return Some(0.0);
    }
    let largest = costs.iter().flatten().copied().fold(0.0, f64::max);
    let mut high = 1.0 / largest.max(f64::MIN_POSITIVE);
    let mut low = 0.0;
    let mut tries = 0;
    while !fits(high) {
        (low, high) = (high, high * 4.0);
        tries += 1;
        if tries > 100 {
            return None;
        }
    }
    while high - low > 1e-12 * high {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Rows = Vec<Vec<f64>>;

    /// The best total chance among all assignments that cost no more.
    fn brute_force(chances: &Rows, costs: &Rows, allowed: f64) -> f64 {
        let choices = chances[0].len();
        let all = choices.pow(chances.len() as u32);
        let mut best = f64::NEG_INFINITY;
        for mut number in 0..all {
            let (mut chance, mut cost) = (0.0, 0.0);
            for row in 0..chances.len() {
                let choice = number % choices;
                number /= choices;
                chance += chances[row][choice];
                cost += costs[row][choice];
            }
            if cost <= allowed + 1e-9 {
                best = best.max(chance);
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_assignment_that_costs_no_more_is_better(
            cells in prop::collection::vec((0.0..1.0f64, 0.1..10.0f64), 12),
            budget in 0.1..10.0f64,
        ) {
            let chances: Rows = cells.chunks(3).map(|row| row.iter().map(|c| c.0).collect()).collect();
            let costs: Rows = cells.chunks(3).map(|row| row.iter().map(|c| c.1).collect()).collect();
            let cheapest: f64 = costs.iter().map(|row| row.iter().copied().fold(f64::MAX, f64::min)).sum();
            let Some(multiplier) = multiplier(&chances, &costs, &costs, budget) else {
                prop_assert!(cheapest > budget * 4.0);
                return Ok(());
            };
            let (mut chance, mut cost) = (0.0, 0.0);
            for (chances, costs) in chances.iter().zip(&costs) {
                let choice = best(chances, costs, multiplier);
                chance += chances[choice];
                cost += costs[choice];
            }
            prop_assert!(cost <= budget * 4.0 * (1.0 + 1e-6));
            // What it spends, it spends best; and no smaller price would have stayed within the budget.
            prop_assert!(chance >= brute_force(&chances, &costs, cost) - 1e-9);
        }
    }

    #[test]
    fn without_a_budget_worth_the_name_there_is_none() {
        assert_eq!(
            multiplier(&[vec![0.5]], &[vec![2.0]], &[vec![2.0]], 1.0),
            None
        );
        assert_eq!(
            multiplier(&[vec![0.5, 0.9]], &[vec![2.0, 3.0]], &[vec![2.0, 3.0]], 9.0),
            Some(0.0)
        );
    }
}
