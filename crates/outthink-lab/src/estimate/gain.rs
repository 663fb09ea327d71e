//! What compute-optimal scaling gains, as the paper's Table 5 defines it.

/// How many times less budget reaches the same accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Efficiency {
    /// This many times.
    Times(f64),
    /// More than that: the curve is above already at its smallest budget.
    MoreThan(f64),
    /// The curve never gets there.
    Never,
}

/// `(optimal - cot) / cot`.
pub fn performance_gain(optimal: f64, cot: f64) -> f64 {
    (optimal - cot) / cot
}

/// The budget at the highest point of the majority curve over the budget at which the optimal curve reaches that
/// accuracy, interpolated linearly between its neighbours. Curves are `(budget, accuracy)`, budgets ascending.
pub fn efficiency_gain(majority: &[(f64, f64)], optimal: &[(f64, f64)]) -> Efficiency {
    let mut peak: Option<(f64, f64)> = None;
    for &(budget, accuracy) in majority {
        if peak.is_none_or(|(_, best)| accuracy > best) {
            peak = Some((budget, accuracy));
        }
    }
    let (Some((budget, accuracy)), Some(&(smallest, first))) = (peak, optimal.first()) else {
        return Efficiency::Never;
    };
    if first >= accuracy {
        return Efficiency::MoreThan(budget / smallest);
    }
    for pair in optimal.windows(2) {
        let ((below, low), (above, high)) = (pair[0], pair[1]);
        if high >= accuracy {
            let at = below + (above - below) * (accuracy - low) / (high - low);
            return Efficiency::Times(budget / at);
        }
    }
    Efficiency::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_are_those_of_the_papers_table() {
        // Table 5: CoT and compute-optimal of Llama-3.2-1B and of Qwen2.5-7B.
        assert!((performance_gain(66.2, 26.0) - 1.546).abs() < 1e-3);
        assert!((performance_gain(91.0, 76.8) - 0.185).abs() < 1e-3);
    }

    #[test]
    fn the_budget_between_two_points_is_interpolated() {
        let majority = [(4.0, 0.3), (16.0, 0.4), (64.0, 0.5)];
        let optimal = [(4.0, 0.4), (16.0, 0.6)];
        assert_eq!(efficiency_gain(&majority, &optimal), Efficiency::Times(6.4));
        assert_eq!(
            efficiency_gain(&majority, &[(4.0, 0.5)]),
            Efficiency::MoreThan(16.0)
        );
        assert_eq!(
            efficiency_gain(&majority, &[(4.0, 0.1), (16.0, 0.2)]),
            Efficiency::Never
        );
    }
}
