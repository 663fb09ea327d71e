//! Binomial coefficients by logarithms, for drawing without replacement.

/// Logarithms of factorials.
#[derive(Clone, Debug)]
pub struct Factorials(Vec<f64>);

impl Factorials {
    /// Up to `n!`.
    pub fn to(n: u64) -> Self {
        let mut logs = Vec::with_capacity(n as usize + 1);
        let mut sum = 0.0f64;
        logs.push(0.0);
        for k in 1..=n {
            sum += (k as f64).ln();
            logs.push(sum);
        }
        Self(logs)
    }

    /// The logarithm of `C(n, k)`; minus infinity where there is no such choice.
    pub fn choose(&self, n: u64, k: u64) -> f64 {
        if k > n {
            return f64::NEG_INFINITY;
        }
        let log = |n: u64| self.0.get(n as usize).copied().unwrap_or(f64::NAN);
        log(n) - log(k) - log(n - k)
    }

    /// The probability that `drawn` of `all` hold none of `marked` ones.
    pub fn none_of(&self, all: u64, marked: u64, drawn: u64) -> f64 {
        (self.choose(all - marked.min(all), drawn) - self.choose(all, drawn)).exp()
    }
}
