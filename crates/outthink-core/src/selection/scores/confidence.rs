//! How sure a policy was of its tokens, from what stores keep of them.

use crate::TokenStats;

/// The mean confidence of each window of so many tokens, one after the other; of all where there are no more. A token's confidence is minus
/// the entropy that it was drawn at, in nats, or where that is unknown its log-probability, of which that is the mean.
///
/// None where nothing is known of the tokens, or there are none.
pub(crate) fn windows(stats: &TokenStats, window: usize) -> Option<Vec<f64>> {
    let (values, sign) = match stats.entropies.is_empty() {
        true => (&stats.logprobs, 1.0),
        false => (&stats.entropies, -1.0),
    };
    let window = window.clamp(1, values.len().max(1));
    // Thousandths are whole numbers: their sums are exact, wherever a window begins.
    let whole = |value: &f32| (f64::from(*value) * 1000.0).round();
    let mut sum: f64 = values.iter().take(window).map(whole).sum();
    let mean = |sum: f64| sign * sum / 1000.0 / window as f64;
    let mut means = vec![mean(sum)];
    for (first, next) in values.iter().zip(values.iter().skip(window)) {
        sum += whole(next) - whole(first);
        means.push(mean(sum));
    }
    (!values.is_empty()).then_some(means)
}

/// A mean confidence as a weight in (0, 1]: e to its power, the geometric mean of the probabilities of its tokens.
pub(super) fn weight(confidence: f64) -> f64 {
    confidence.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_windows_slide_by_one_token_and_entropies_come_first() {
        let stats = TokenStats::of(3, vec![-9.0; 3], vec![1.0, 2.0, 4.0]);
        assert_eq!(windows(&stats, 2), Some(vec![-1.5, -3.0]));
        assert_eq!(windows(&stats, 8).map(|all| all.len()), Some(1));
        let logprobs = TokenStats::of(2, vec![-1.0, -3.0], vec![]);
        assert_eq!(windows(&logprobs, 2), Some(vec![-2.0]));
        assert_eq!(windows(&TokenStats::default(), 2), None);
    }
}
