//! One total budget over many problems, by what the draws of each have shown so far.
//!
//! *Bandit elimination* (arXiv 2506.12721): in each round every problem that is still open draws on to its next look. One that
//! is decided, or at the end of its looks, is out; when the total runs short, the least certain vote comes first, or where
//! rewards decide, the best reward: the nearest to being solved.
//!
//! *Blend-ASC* (arXiv 2511.12309): in each round only those draw on of whom it helps most, by a blend of two ranks, that by the Beta
//! posterior of the leading answer and that by the prior-posterior ratio (PPR-1v1). Ours goes from the first to the second as
//! the total is spent.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::stopping::VoteState;

/// Who draws on first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The least certain vote.
    LeastCertain,
    /// The least certain by a blend of ranks, a quarter of the open problems a round.
    Blend,
    /// The answer of the best reward.
    BestReward,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LeastCertain, Self::Blend, Self::BestReward];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeastCertain => "least-certain",
            Self::Blend => "blend",
            Self::BestReward => "best-reward",
        }
    }

    /// Those that go with a rule to stop by.
    pub fn of(by_reward: bool) -> &'static [Self] {
        match by_reward {
            true => &[Self::BestReward],
            false => &[Self::LeastCertain, Self::Blend],
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Order {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|order| order.name() == name)
            .ok_or_else(|| format!("unknown order `{name}` (one of {known})"))
    }
}

/// How far a problem is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Samples.
    pub drawn: usize,
    /// What they cost.
    pub spent: f64,
    /// How sure they are.
    pub certainty: f64,
    /// How little a tie is to be believed.
    pub against_a_tie: f64,
    /// The reward of the answer.
    pub reward: Option<f64>,
}

impl Progress {
    /// After so many draws that cost so much.
    pub fn new(drawn: usize, spent: f64, state: &VoteState) -> Self {
        Self {
            drawn,
            spent,
            certainty: state.ballot.certainty(),
            against_a_tie: state.ballot.against_a_tie(),
            reward: state.reward,
        }
    }

    /// What drawing on will cost, if a draw costs what it did.
    fn price(&self, look: usize) -> f64 {
        let more = look.saturating_sub(self.drawn) as f64;
        self.spent / self.drawn.max(1) as f64 * more
    }
}

/// Who draws on in a round: places among `open`, first in order, as far as what is `left` of the `total` goes. Empty when
/// nobody can pay any more. Everyone gets a first look, whose price is not known.
pub fn round(
    open: &[&Progress],
    looks: &[usize],
    order: Order,
    left: f64,
    total: f64,
) -> Vec<usize> {
    let next = |own: &Progress| looks.iter().copied().find(|&look| look > own.drawn);
    // Who cannot pay any more is out; a cheaper one may still go on.
    let price = |place: usize| {
        let own = open[place];
        next(own)
            .map(|look| own.price(look))
            .filter(|price| own.drawn == 0 || *price <= left)
    };
    let mut places: Vec<usize> = (0..open.len())
        .filter(|&place| price(place).is_some())
        .collect();
    let by = |key: &dyn Fn(usize) -> f64, a: usize, b: usize| key(a).total_cmp(&key(b));
    let certainty = |place: usize| open[place].certainty;
    match order {
        Order::LeastCertain => places.sort_by(|&a, &b| by(&certainty, a, b)),
        Order::BestReward => {
            let key = |place: usize| -open[place].reward.unwrap_or(0.0);
            places.sort_by(|&a, &b| by(&key, a, b));
        }
        Order::Blend => {
            let ratio = |place: usize| open[place].against_a_tie;
            let (first, second) = (ranks(&places, &certainty), ranks(&places, &ratio));
            let spent = (1.0 - left / total).clamp(0.0, 1.0);
            let blended: Vec<f64> = first
                .iter()
                .zip(&second)
                .map(|(first, second)| (1.0 - spent) * first + spent * second)
                .collect();
            let mut order: Vec<usize> = (0..places.len()).collect();
            order.sort_by(|&a, &b| blended[a].total_cmp(&blended[b]));
            places = order.into_iter().map(|place| places[place]).collect();
            // Everyone is looked at once.
            let seen = places.iter().all(|&place| open[place].drawn > 0);
            if seen {
                places.truncate(places.len().div_ceil(4));
            }
        }
    }
    let mut left = left;
    places.retain(|&place| {
        let price = price(place).unwrap_or_default();
        let can = open[place].drawn == 0 || price <= left;
        if can {
            left -= price;
        }
        can
    });
    places
}

/// The rank of each place by a key, ascending; equals share the mean of theirs.
fn ranks(places: &[usize], key: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|&a, &b| key(places[a]).total_cmp(&key(places[b])));
    let mut ranks = vec![0.0; places.len()];
    let same =
        |a: &usize, b: &usize| key(places[*a]).total_cmp(&key(places[*b])) == Ordering::Equal;
    let mut from = 0;
    for run in order.chunk_by(same) {
        let mean = from as f64 + (run.len() - 1) as f64 / 2.0;
        for &place in run {
            ranks[place] = mean;
        }
        from += run.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four draws each of these votes.
    fn progress(votes: &[usize]) -> Progress {
        let mut state = VoteState::default();
        votes.iter().for_each(|&class| state.ballot.add(class));
        Progress::new(votes.len(), votes.len() as f64, &state)
    }

    #[test]
    fn the_least_certain_draw_on_as_far_as_the_total_goes() {
        let open = [
            progress(&[0, 0, 0, 0]),
            progress(&[0, 0, 1, 1]),
            progress(&[0, 0, 0, 1]),
        ];
        let open: Vec<&Progress> = open.iter().collect();
        let looks = [4, 8];
        for (left, wanted) in [
            (100.0, vec![1, 2, 0]),
            (9.0, vec![1, 2]),
            (4.0, vec![1]),
            (3.0, vec![]),
        ] {
            let drawn = round(&open, &looks, Order::LeastCertain, left, 100.0);
            assert_eq!(drawn, wanted, "{left}");
        }
        assert_eq!(round(&open, &looks, Order::Blend, 100.0, 100.0), [1]);
        let mut dear = open.clone();
        let far = Progress {
            drawn: 4,
            spent: 40.0,
            ..Progress::default()
        };
        dear.insert(0, &far);
        let drawn = round(&dear, &looks, Order::Blend, 10.0, 100.0);
        assert_eq!(
            drawn,
            [2],
            "the least certain cannot pay, so the next draws on"
        );
        assert!(round(&open, &[4], Order::LeastCertain, 100.0, 100.0).is_empty());
    }

    #[test]
    fn equals_share_their_rank() {
        let keys = [0.5, 0.9, 0.5, 0.1];
        assert_eq!(
            ranks(&[0, 1, 2, 3], &|place| keys[place]),
            [1.5, 3.0, 1.5, 0.0]
        );
    }
}
