//! When a vote is decided.
//!
//! *Beta* (Adaptive-Consistency, arXiv 2305.11860): with `a` votes for the leading answer and `b` for the next, the
//! posterior of the leader's share among the two is Beta(a + 1, b + 1); stop when it is above one half with the wanted
//! probability. It is looked at again and again, so the probability is not that of being wrong once.
//!
//! *Certified*: an e-value that may be looked at as often as one likes. For the leader, the r-th distinct answer to appear,
//! `E = 2^(a+b) · ∫ 2 p^(a-1) (1-p)^b dp` over p from ½ to 1 (its first vote, which made it known, is left out) is a
//! supermartingale that starts at most at 1 if the rival is at least as likely; by Ville's inequality it ever exceeds
//! `r (r + 1) / δ` with probability at most `δ / (r (r + 1))`, and these add up to at most δ over all answers. So the
//! leader is the policy's commonest answer with confidence 1 - δ, whenever one stops. It says nothing of being right.
//!
//! *Rewarded* (arXiv 2506.12721): stop when a verifier gives the answer that is taken the wanted reward.

use std::fmt;
use std::str::FromStr;

/// A rule to stop by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stopping {
    /// The posterior probability that the leader beats the next.
    Beta(f64),
    /// The risk δ of stopping at an answer that is not the commonest.
    Certified(f64),
    /// The reward of the best solution with the answer that is taken, by the selection's scoring.
    Rewarded(f64),
}

/// What is known after some draws.
#[derive(Clone, Debug, Default)]
pub struct VoteState {
    /// The votes.
    pub ballot: Ballot,
    /// The reward of the best solution with the answer that is taken; none without a verifier or an answer.
    pub reward: Option<f64>,
}

/// The first look at a vote, and the size of a probe: draws.
pub const PROBE: usize = 4;

impl VoteState {
    /// Where only the reward counts.
    pub fn rewarded(reward: Option<f64>) -> Self {
        Self {
            reward,
            ..Self::default()
        }
    }
}

impl Stopping {
    /// Is it decided?
    pub fn decided(self, state: &VoteState) -> bool {
        let leaders = state.ballot.leaders();
        match self {
            Self::Beta(confidence) => leaders
                .is_some_and(|(_, first, second)| beta_above_half(first, second) >= confidence),
            Self::Certified(risk) => leaders.is_some_and(|(leader, first, second)| {
                let rank = (leader + 1) as f64;
                evidence(first - 1, second) >= (rank * (rank + 1.0) / risk).ln()
            }),
            Self::Rewarded(wanted) => state.reward.is_some_and(|reward| reward >= wanted),
        }
    }

    /// Does it go by rewards, not by votes?
    pub fn needs_rewards(self) -> bool {
        matches!(self, Self::Rewarded(_))
    }

    /// When to look again: after a quarter more draws, at least four, at most all.
    pub fn next_look(drawn: usize, most: usize) -> usize {
        (drawn + PROBE.max(drawn / 4)).min(most)
    }

    /// All numbers of draws after which it looks, up to `most`.
    pub fn looks(most: usize) -> Vec<usize> {
        let next = |&drawn: &usize| (drawn < most).then(|| Self::next_look(drawn, most));
        std::iter::successors(Some(PROBE.min(most)), next).collect()
    }
}

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beta(confidence) => write!(f, "beta {confidence}"),
            Self::Certified(risk) => write!(f, "certified {risk}"),
            Self::Rewarded(wanted) => write!(f, "rewarded {wanted}"),
        }
    }
}

impl FromStr for Stopping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once(' ')
            .and_then(|(kind, value)| Some((kind, value.parse::<f64>().ok()?)))
            .filter(|(_, value)| *value > 0.0 && *value < 1.0);
        match parsed {
            Some(("beta", confidence)) => Ok(Self::Beta(confidence)),
            Some(("certified", risk)) => Ok(Self::Certified(risk)),
            Some(("rewarded", wanted)) => Ok(Self::Rewarded(wanted)),
            _ => Err(format!(
                "unknown rule to stop by `{text}` (`beta CONFIDENCE`, `certified RISK` or `rewarded REWARD`, between 0 and 1)"
            )),
        }
    }
}

/// Votes by answer; answers are numbered by first appearance.
#[derive(Clone, Debug, Default)]
pub struct Ballot {
    votes: Vec<(usize, u64)>,
}

impl Ballot {
    /// Counts a vote for an answer class.
    pub fn add(&mut self, class: usize) {
        match self.votes.iter_mut().find(|(own, _)| *own == class) {
            Some((_, count)) => *count += 1,
            None => self.votes.push((class, 1)),
        }
    }

    /// The leading answer by its place of first appearance, its votes and those of the next; none without votes.
    pub fn leaders(&self) -> Option<(usize, u64, u64)> {
        let mut leader = 0;
        let mut second = 0;
        for (place, &(_, count)) in self.votes.iter().enumerate().skip(1) {
            if count > self.votes[leader].1 {
                second = self.votes[leader].1;
                leader = place;
            } else {
                second = second.max(count);
            }
        }
        Some((leader, self.votes.get(leader)?.1, second))
    }

    /// The probability that the leader is the commonest of the two leading answers; one half without votes.
    pub fn certainty(&self) -> f64 {
        self.leaders()
            .map_or(0.5, |(_, first, second)| beta_above_half(first, second))
    }

    /// The prior-posterior ratio of "both are as common" (PPR-1v1): the logarithm of the prior's density at one half over the
    /// posterior's. It is the larger the less a tie is to be believed; 0 without votes.
    pub fn against_a_tie(&self) -> f64 {
        self.leaders().map_or(0.0, |(_, first, second)| {
            let throws = (first + second) as f64;
            throws * std::f64::consts::LN_2 + log_beta(first, second)
        })
    }
}

/// `P(X > ½)` for X of Beta(a + 1, b + 1): that of at most `a` heads in `a + b + 1` throws of a fair coin.
pub(crate) fn beta_above_half(a: u64, b: u64) -> f64 {
    let throws = a + b + 1;
    let (mut term, mut sum) = (-(throws as f64) * std::f64::consts::LN_2, 0.0);
    for heads in 0..=a {
        sum += f64::exp(term);
        term += ((throws - heads) as f64).ln() - ((heads + 1) as f64).ln();
    }
    sum.min(1.0)
}

/// The logarithm of the e-value: `2^(a+b+1) · B(a+1, b+1) · P(X > ½)`.
fn evidence(a: u64, b: u64) -> f64 {
    let throws = (a + b + 1) as f64;
    throws * std::f64::consts::LN_2 + log_beta(a, b) + beta_above_half(a, b).ln()
}

/// The logarithm of `B(a+1, b+1)`, which is `1 / ((a+b+1) · C(a+b, a))`.
fn log_beta(a: u64, b: u64) -> f64 {
    let mut sum = -((a + b + 1) as f64).ln();
    for k in 1..=b {
        sum += (k as f64).ln() - ((a + k) as f64).ln();
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The midpoint rule on ∫ p^a (1-p)^b from `low` to 1.
    fn integral(a: u64, b: u64, low: f64) -> f64 {
        let steps = 200_000;
        let width = (1.0 - low) / f64::from(steps);
        let at = |k: i32| low + (f64::from(k) + 0.5) * width;
        (0..steps)
            .map(|k| at(k).powi(a as i32) * (1.0 - at(k)).powi(b as i32) * width)
            .sum()
    }

    #[test]
    fn the_posterior_and_the_e_value_are_their_integrals() {
        for (a, b) in [(0, 0), (3, 0), (4, 1), (2, 5), (20, 11)] {
            let above = integral(a, b, 0.5);
            let posterior = above / integral(a, b, 0.0);
            assert!((beta_above_half(a, b) - posterior).abs() < 1e-6, "{a} {b}");
            let value = 2f64.powi((a + b + 1) as i32) * above;
            assert!((evidence(a, b).exp() / value - 1.0).abs() < 1e-6, "{a} {b}");
            let mut ballot = Ballot::default();
            (0..a).for_each(|_| ballot.add(0));
            (0..b).for_each(|_| ballot.add(1));
            let ratio = integral(a, b, 0.0) * 2f64.powi((a + b) as i32);
            let told = if a + b == 0 { 1.0 } else { ratio };
            assert!((ballot.against_a_tie().exp() / told - 1.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_certified_stop_at_the_wrong_answer_is_as_rare_as_it_says() {
        // Two answers, equally common to a hair: whichever is named is wrong half of the time without a certificate.
        let mut state = 7u64;
        let mut coin = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % 2
        };
        let rule = |stopping: Stopping, coin: &mut dyn FnMut() -> u64| {
            let stopped = (0..1000).filter(|_| {
                let mut state = VoteState::default();
                (0..256).any(|_| {
                    state.ballot.add(coin() as usize);
                    stopping.decided(&state)
                })
            });
            stopped.count()
        };
        let certified = rule(Stopping::Certified(0.1), &mut coin);
        assert!(certified <= 100, "{certified}");
        let beta = rule(Stopping::Beta(0.9), &mut coin);
        assert!(beta > 300, "looking often fools the posterior: {beta}");
    }

    #[test]
    fn a_vote_is_looked_at_up_to_all_draws() {
        assert_eq!(Stopping::looks(16), [4, 8, 12, 16]);
        assert_eq!(Stopping::looks(2), [2]);
        assert_eq!(Stopping::looks(64).last(), Some(&64));
        assert!("beta 1.5".parse::<Stopping>().is_err());
        assert_eq!(
            Stopping::Certified(0.05).to_string().parse(),
            Ok(Stopping::Certified(0.05))
        );
    }
}
