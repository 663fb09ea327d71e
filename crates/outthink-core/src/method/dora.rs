//! DORA, direction-oriented resource allocation (arXiv 2506.15707): REBASE's shares, divided among steps that say the same.
//!
//! With budget `N`, temperature `T` and similarity temperature `α`:
//! 1. Draw `N` first steps.
//! 2. Over the live steps with rewards `s`: `q = softmax(s / T)`.
//! 3. Uniqueness: `u_i = D_ii`, where `D` is the softmax of `cos(e_i, e_j) / α` over each row, and `e_i` stands for the text of
//!    step `i`. A step that is like none has 1, each of two that are the same has 1/2.
//! 4. Draw `n_i = N · q_i u_i / Σ q u` next steps of each, rounded, and repeat from 2 until `N` paths have ended or none is live.
//!
//! The authors embed steps with a model (BGE-M3). No embedding and no hidden state reaches an allocator, so `e` counts the
//! hashed character trigrams of the newest step here. That finds steps that are written alike and misses those that say the
//! same in other words, so steps count as more different than the authors' would, and `α = 0.01` joins near copies only; how
//! well it does has not been measured against theirs.
//!
//! Equal samples are one node that stands in `q` and in the rows of `D` once for each: together they get what one would. Rounding
//! is by largest remainders, where the authors round each share and then fill or cut to `N`: here all of `N` is always spent.
//! An ended path does not shrink `N` (as in their code), and the first `N` samples that end are kept, for a weighted vote.
//!
//! Doubt: it is above REBASE, DVTS and beam search in its authors' own comparison (MATH-500, AIME 2024 and 2025), with their
//! embedding model and not with trigrams.

use std::hash::Hasher;

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::resampling::exponentials;
use super::{
    Allocator, AnyMethod, Branch, Grown, Method, Named, Parameters, Plan, Traits, counted,
};
use crate::parameters::above_zero;
use crate::{NodeId, Stop, Tree};

/// With the temperatures of the authors' code (WangXinglin/DORA).
const USUAL: Dora = Dora {
    temperature: 0.1,
    alpha: 0.01,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dora {
    temperature: f64,
    alpha: f64,
}

/// Direction-oriented resource allocation: `dora:temperature=0.1:alpha=0.01`.
pub const DORA: AnyMethod = AnyMethod::new(&Named {
    method: &USUAL,
    written: "dora",
});

impl Default for Dora {
    fn default() -> Self {
        USUAL
    }
}

impl Method for Dora {
    fn name(&self) -> &'static str {
        DORA.name()
    }

    fn title(&self) -> &'static str {
        "DORA"
    }

    fn traits(&self) -> Traits {
        Traits {
            rewards: true,
            stepwise: true,
            ..Traits::default()
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::of(self)
    }

    fn with(&self, parameters: &Parameters) -> Result<Box<dyn Method>, String> {
        let own: Self = parameters.read()?;
        above_zero("temperature", own.temperature)?;
        above_zero("alpha", own.alpha)?;
        Ok(Box::new(own))
    }

    fn describe(&self, plan: &Plan) -> String {
        match plan.budget() {
            1 => "1 path".to_owned(),
            budget => format!("{budget} paths, balanced by reward and uniqueness at each step"),
        }
    }

    fn start(&self, plan: &Plan, _: u64) -> Box<dyn Allocator> {
        Box::new(Directions {
            budget: plan.budget(),
            temperature: self.temperature,
            alpha: self.alpha,
            ended: 0,
            done: Vec::new(),
        })
    }
}

struct Directions {
    budget: usize,
    temperature: f64,
    alpha: f64,
    /// Samples that have ended with an answer.
    ended: usize,
    done: Vec<NodeId>,
}

impl Allocator for Directions {
    fn first(&mut self) -> Vec<Branch> {
        vec![Branch {
            node: Tree::ROOT,
            draws: self.budget,
            part: 0,
        }]
    }

    fn next(&mut self, tree: &Tree, grown: &[Grown]) -> Vec<Branch> {
        let mut live = Vec::new();
        for (node, samples) in counted(grown) {
            match tree.nodes()[node].finished {
                None => live.push((node, samples)),
                Some((Stop::Answer, _)) if self.ended < self.budget => {
                    self.ended += samples;
                    if !self.done.contains(&node) {
                        self.done.push(node);
                    }
                }
                Some(_) => {}
            }
        }
        if self.ended >= self.budget || live.is_empty() {
            return Vec::new();
        }
        let weights = self.weights(tree, &live);
        let draws = apportioned(&weights, self.budget);
        live.into_iter()
            .zip(draws)
            .filter(|&(_, draws)| draws > 0)
            .map(|((node, _), draws)| Branch {
                node,
                draws,
                part: 0,
            })
            .collect()
    }

    fn kept(&self) -> Vec<NodeId> {
        self.done.clone()
    }
}

impl Directions {
    /// `q u` of each node with so many samples.
    fn weights(&self, tree: &Tree, live: &[(NodeId, usize)]) -> Vec<f64> {
        let reward = |&(node, _): &(NodeId, usize)| {
            let known = tree.nodes()[node].reward.filter(|reward| !reward.is_nan());
            known.unwrap_or(0.0).clamp(0.0, 1.0)
        };
        let rewards: Vec<f64> = live.iter().map(reward).collect();
        let quality = exponentials(&rewards, self.temperature);
        let text = |&(node, _): &(NodeId, usize)| {
            let step = tree.nodes()[node].step.as_ref();
            Trigrams::of(step.map_or("", |step| &step.text))
        };
        let texts: Vec<Trigrams> = live.iter().map(text).collect();
        let alike = |a: usize, b: usize| ((texts[a].cosine(&texts[b]) - 1.0) / self.alpha).exp();
        let each = live.iter().zip(quality).enumerate();
        each.map(|(place, (&(_, samples), quality))| {
            let row = live.iter().enumerate();
            let row = row.map(|(other, &(_, samples))| match other == place {
                true => samples as f64,
                false => samples as f64 * alike(place, other),
            });
            let row: f64 = row.sum();
            samples as f64 * quality / row
        })
        .collect()
    }
}

/// A whole number for each weight, in proportion and in all the total: shares rounded down, and what is left to the largest
/// remainders, first come first served (Hamilton's apportionment).
fn apportioned(weights: &[f64], total: usize) -> Vec<usize> {
    let sum: f64 = weights.iter().sum();
    let share = |weight: &f64| weight / sum * total as f64;
    let mut own: Vec<usize> = weights
        .iter()
        .map(|weight| (share(weight) as usize).min(total))
        .collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    let remainder = |place: usize| share(&weights[place]).fract();
    order.sort_by(|&a, &b| remainder(b).total_cmp(&remainder(a)));
    let left = total.saturating_sub(own.iter().sum());
    for place in order.into_iter().cycle().take(left) {
        own[place] += 1;
    }
    own
}

/// How often each three characters follow each other in a text: a sparse vector by their hashes, in order.
struct Trigrams {
    counts: Vec<(u64, f64)>,
    norm: f64,
}

impl Trigrams {
    fn of(text: &str) -> Self {
        // A blank on both sides: a text of one character has a trigram too, and beginnings and ends count.
        let padded = format!(" {} ", text.trim().to_lowercase());
        let characters: Vec<char> = padded.chars().collect();
        let hash = |three: &[char]| {
            let mut hasher = SipHasher13::new();
            for &character in three {
                hasher.write_u32(character.into());
            }
            hasher.finish()
        };
        let mut hashes: Vec<u64> = characters.windows(3).map(hash).collect();
        hashes.sort_unstable();
        let same = hashes.chunk_by(|a, b| a == b);
        let counts: Vec<(u64, f64)> = same.map(|same| (same[0], same.len() as f64)).collect();
        let squares: f64 = counts.iter().map(|(_, count)| count * count).sum();
        Self {
            counts,
            norm: squares.sqrt(),
        }
    }

    /// 1 for the same text, 0 for texts that share nothing.
    fn cosine(&self, other: &Self) -> f64 {
        let (mut own, mut others) = (
            self.counts.iter().peekable(),
            other.counts.iter().peekable(),
        );
        let mut product = 0.0;
        while let (Some(&&(hash, count)), Some(&&(other_hash, other_count))) =
            (own.peek(), others.peek())
        {
            if hash == other_hash {
                product += count * other_count;
            }
            if hash <= other_hash {
                own.next();
            }
            if other_hash <= hash {
                others.next();
            }
        }
        match self.norm * other.norm {
            0.0 => 0.0,
            norms => (product / norms).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_as_alike_as_their_trigrams() {
        let cosine = |a: &str, b: &str| Trigrams::of(a).cosine(&Trigrams::of(b));
        assert_eq!(cosine("3 + 4 = 7", "3 + 4 = 7"), 1.0);
        assert_eq!(cosine("Add them.", " add them. "), 1.0);
        assert_eq!(cosine("abc", "xyz"), 0.0);
        assert_eq!(cosine("", ""), 0.0);
        // ` ab`, `ab ` and ` ab`, `abc`, `bc `: one of two and of three.
        assert!((cosine("ab", "abc") - 1.0 / 6f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn apportionment_by_hand() {
        // Shares of 1.25, 1.25 and 2.5: what is left goes to the largest remainder.
        assert_eq!(apportioned(&[1.0, 1.0, 2.0], 5), [1, 1, 3]);
        assert_eq!(apportioned(&[1.0, 1.0], 3), [2, 1]);
        assert_eq!(apportioned(&[0.0, 1.0], 1), [0, 1]);
    }

    proptest! {
        #[test]
        fn everything_is_dealt_and_nothing_a_whole_sample_off(
            weights in prop::collection::vec(1e-9..1.0f64, 1..20),
            total in 1usize..50,
        ) {
            let own = apportioned(&weights, total);
            let sum: f64 = weights.iter().sum();
            prop_assert_eq!(own.iter().sum::<usize>(), total);
            for (own, weight) in own.into_iter().zip(weights) {
                prop_assert!((own as f64 - weight / sum * total as f64).abs() < 1.0 + 1e-9);
            }
        }
    }
}
