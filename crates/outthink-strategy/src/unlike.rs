//! Is a problem like those that a strategy was fitted on? Of another one it knows nothing, however sure its numbers are.

use serde::{Deserialize, Serialize};

use crate::features::{NAMES, OF_ANY, ProbeFeatures, WITHOUT_REWARDS, features};
use crate::linear::Scale;
use crate::numbers::rounded;

/// How far beyond the shortest and the longest problem another one may be, by its length.
const LENGTH: f64 = 0.1;

/// How far beyond all that was seen of a feature, by its span.
const SPAN: f64 = 0.05;

/// What is known of a problem's solutions.
pub enum Shown {
    /// The first samples.
    First(Vec<ProbeFeatures>),
    /// No more than what a search came to.
    Found(Vec<ProbeFeatures>),
}

/// What the problems of a fit are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The shortest and the longest, in characters.
    lengths: [usize; 2],
    /// The least of each feature of the first samples that needs no rewards.
    lowest: Vec<f64>,
    /// And the most.
    highest: Vec<f64>,
}

impl Seen {
    /// What problems of these texts are like, by the features of their first samples that need no rewards; none without any.
    pub fn among<'t>(
        texts: impl Iterator<Item = &'t str>,
        rows: impl Iterator<Item = Vec<f64>>,
    ) -> Option<Self> {
        let lengths = texts
            .map(|text| text.chars().count())
            .map(|length| [length, length])
            .reduce(|[a, b], [c, d]| [a.min(c), b.max(d)])?;
        let (mut lowest, mut highest) = (
            vec![f64::INFINITY; WITHOUT_REWARDS],
            vec![f64::NEG_INFINITY; WITHOUT_REWARDS],
        );
        for row in rows {
            for (place, value) in row.into_iter().enumerate() {
                lowest[place] = lowest[place].min(rounded(value));
                highest[place] = highest[place].max(rounded(value));
            }
        }
        let seen = Self {
            lengths,
            lowest,
            highest,
        };
        seen.is_sound().then_some(seen)
    }

    /// Is it something that can have been seen?
    pub(crate) fn is_sound(&self) -> bool {
        let ends = self.lowest.iter().zip(&self.highest);
        self.lengths[0] <= self.lengths[1]
            && self.lowest.len() == WITHOUT_REWARDS
            && self.highest.len() == WITHOUT_REWARDS
            && ends
                .into_iter()
                .all(|(low, high)| low.is_finite() && high.is_finite() && low <= high)
    }

    /// Why a problem is not like them: by its length, or by its solutions.
    pub(crate) fn unlike(&self, problem: &str, shown: &Shown) -> Option<String> {
        let [shortest, longest] = self.lengths;
        let length = problem.chars().count();
        let told = |how: &str, most: &str, limit: usize| {
            format!(
                "with {length} characters it is {how} than the {most} problem that the strategy was fitted on ({limit})"
            )
        };
        if (length as f64) < (1.0 - LENGTH) * shortest as f64 {
            return Some(told("shorter", "shortest", shortest));
        }
        if length as f64 > (1.0 + LENGTH) * longest as f64 {
            return Some(told("longer", "longest", longest));
        }
        let (glimpses, places) = match shown {
            Shown::First(first) => (first, (0..WITHOUT_REWARDS).collect::<Vec<_>>()),
            Shown::Found(found) => (found, OF_ANY.to_vec()),
        };
        if glimpses.is_empty() {
            return None;
        }
        let row = features(glimpses, false);
        let strange = |&place: &usize| {
            let (low, high) = (self.lowest[place], self.highest[place]);
            let margin = SPAN * (high - low) + 1e-6;
            row[place] < low - margin || row[place] > high + margin
        };
        let place = places.into_iter().find(strange)?;
        Some(strangeness(&row, place, shown))
    }
}

/// The same for a file that does not say what was seen: by a feature that lies farther from the mean than is ever looked at.
pub(crate) fn outlier(scale: &Scale, row: &[f64]) -> Option<String> {
    let place = scale.outlier(row)?;
    Some(strangeness(row, place, &Shown::First(Vec::new())))
}

fn strangeness(row: &[f64], place: usize, shown: &Shown) -> String {
    let what = match shown {
        Shown::First(_) => "first samples",
        Shown::Found(_) => "solutions",
    };
    format!(
        "its {what} are unlike those of any problem that the strategy was fitted on ({}: {:.2})",
        NAMES[place], row[place]
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn first(tokens: usize) -> Vec<ProbeFeatures> {
        let glimpse = ProbeFeatures {
            class: Some(0),
            tokens,
            logprob: -0.5 * tokens as f64,
            rewards: Vec::new(),
        };
        vec![glimpse; 4]
    }

    #[test]
    fn what_is_beyond_all_that_was_seen_is_unlike_it() {
        let texts = ["ten chars.", "twenty characters..."].into_iter();
        let rows = [20, 30, 50].map(|tokens| features(&first(tokens), false));
        let seen = Seen::among(texts, rows.into_iter()).unwrap();
        for (length, like) in [(1, false), (8, false), (9, true), (22, true), (23, false)] {
            assert_eq!(
                seen.unlike(&"x".repeat(length), &Shown::First(Vec::new()))
                    .is_none(),
                like,
                "{length}"
            );
        }
        for (tokens, like) in [
            (2, false),
            (18, false),
            (20, true),
            (40, true),
            (51, true),
            (80, false),
        ] {
            for shown in [Shown::First(first(tokens)), Shown::Found(first(tokens))] {
                let told = seen.unlike("ten chars.", &shown);
                assert_eq!(told.is_none(), like, "{tokens}: {told:?}");
            }
        }
    }

    #[test]
    fn what_a_search_came_to_is_not_asked_how_far_it_agrees() {
        let rows = [20, 50].map(|tokens| features(&first(tokens), false));
        let seen = Seen::among(["ten chars."].into_iter(), rows.into_iter()).unwrap();
        let mut split = first(30);
        split[0].class = Some(1);
        let one = split[..1].to_vec();
        assert!(
            seen.unlike("ten chars.", &Shown::First(split.clone()))
                .is_some()
        );
        for found in [split, one] {
            assert_eq!(seen.unlike("ten chars.", &Shown::Found(found)), None);
        }
    }

    #[test]
    fn nothing_that_was_seen_is_no_range() {
        assert_eq!(Seen::among(["text"].into_iter(), std::iter::empty()), None);
        assert_eq!(Seen::among(std::iter::empty(), std::iter::empty()), None);
    }
}
