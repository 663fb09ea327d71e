//! Votes over scored answers: Majority-of-the-Bests against every subset, its two ends, what every vote owes, and what is refused.

#![allow(clippy::unwrap_used, missing_docs)]

use insta::assert_snapshot;
use outthink_core::selection::{ScoredAnswer, Signal, Signals};
use outthink_core::{Scoring, Selection, TokenStats, Voting};
use proptest::prelude::*;

fn vote(name: &str) -> Voting {
    match format!("last-{name}").parse() {
        Ok(Selection::Scored(_, voting)) => voting,
        other => panic!("{name}: {other:?}"),
    }
}

/// Few scores, so that ties happen; classes are numbered as they appear.
fn solutions(most: usize) -> impl Strategy<Value = Vec<ScoredAnswer>> {
    let one = (0usize..4, 0u8..5, 1usize..3);
    prop::collection::vec(one, 1..most).prop_map(|drawn| {
        let mut known = Vec::new();
        let own = |(answer, quarters, count)| {
            let class = known.iter().position(|own| *own == answer);
            let class = class.unwrap_or_else(|| {
                known.push(answer);
                known.len() - 1
            });
            let score = f64::from(quarters) / 4.0;
            ScoredAnswer {
                class,
                score,
                count,
            }
        };
        drawn.into_iter().map(own).collect()
    })
}

fn classes(solutions: &[ScoredAnswer]) -> usize {
    solutions.iter().map(|own| own.class + 1).max().unwrap_or(0)
}

/// The answer that is taken: ties go to the one with more samples, then to the first.
fn taken(weights: &[f64], solutions: &[ScoredAnswer]) -> usize {
    let count = |class| -> usize {
        let own = solutions.iter().filter(|own| own.class == class);
        own.map(|own| own.count).sum()
    };
    let mut best = 0;
    for class in 1..weights.len() {
        if (weights[class], count(class)) > (weights[best], count(best)) {
            best = class;
        }
    }
    best
}

/// How often each class wins best-of-m over all subsets, those of one score alike.
fn brute_force(solutions: &[ScoredAnswer], m: usize) -> Vec<f64> {
    let single = |own: &ScoredAnswer| std::iter::repeat_n(*own, own.count);
    let samples: Vec<ScoredAnswer> = solutions.iter().flat_map(single).collect();
    let mut wins = vec![0.0; classes(solutions)];
    let mut subsets = 0.0;
    for set in 0u32..1 << samples.len() {
        if set.count_ones() as usize != m {
            continue;
        }
        subsets += 1.0;
        let drawn: Vec<&ScoredAnswer> = samples
            .iter()
            .enumerate()
            .filter(|(place, _)| set >> place & 1 == 1)
            .map(|(_, own)| own)
            .collect();
        let best = drawn.iter().map(|own| own.score).fold(f64::MIN, f64::max);
        let tied: Vec<&&ScoredAnswer> = drawn.iter().filter(|own| own.score == best).collect();
        for own in &tied {
            wins[own.class] += 1.0 / tied.len() as f64;
        }
    }
    wins.iter().map(|own| own / subsets).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn majority_of_the_bests_is_the_share_of_all_subsets(solutions in solutions(7), m in 1usize..12) {
        let all: usize = solutions.iter().map(|own| own.count).sum();
        prop_assume!(m < all);
        let weights = vote(&format!("mob:m={m}")).weights(&solutions, classes(&solutions));
        let direct = brute_force(&solutions, m);
        for (own, direct) in weights.iter().zip(&direct) {
            prop_assert!((own - direct).abs() < 1e-11, "{weights:?} for {direct:?}");
        }
        let root = (1..).find(|root| root * root >= all).unwrap();
        if root < all {
            let direct = brute_force(&solutions, root);
            let usual = vote("mob").weights(&solutions, classes(&solutions));
            prop_assert!(usual.iter().zip(&direct).all(|(own, direct)| (own - direct).abs() < 1e-11));
        }
    }

    #[test]
    fn of_one_it_is_the_majority_and_of_all_best_of_n(solutions in solutions(12)) {
        let classes = classes(&solutions);
        let all: usize = solutions.iter().map(|own| own.count).sum();
        let mut counts = vec![0.0; classes];
        for own in &solutions {
            counts[own.class] += own.count as f64;
        }
        let one = vote("mob:m=1").weights(&solutions, classes);
        let majority = taken(&counts, &solutions);
        if all > 1 {
            prop_assert!(one.iter().zip(&counts).all(|(own, count)| (own * all as f64 - count).abs() < 1e-9));
        }
        prop_assert_eq!(taken(&one, &solutions), if all > 1 { majority } else { 0 });
        for m in [all, all + 1, usize::MAX] {
            let whole = vote(&format!("mob:m={m}")).weights(&solutions, classes);
            let best = Voting::MAX.weights(&solutions, classes);
            prop_assert_eq!(taken(&whole, &solutions), taken(&best, &solutions));
        }
    }

    #[test]
    fn their_ends_are_the_majority_and_the_mean(solutions in solutions(12)) {
        let classes = classes(&solutions);
        let mut counts = vec![0.0; classes];
        for own in &solutions {
            counts[own.class] += own.count as f64;
        }
        let all: f64 = counts.iter().sum();
        let equal = |name: &str, scale: f64| {
            let weights = vote(name).weights(&solutions, classes);
            let mut pairs = weights.iter().zip(&counts);
            pairs.all(|(own, count)| (own * scale - count).abs() < 1e-6)
        };
        prop_assert!(equal("borda:p=0", 1.0));
        prop_assert!(equal("softmax:temperature=1e12", all));
        let every = format!("top:m={all}");
        prop_assert!(equal(&every, 1.0));
        let kept = vote("filtered:top=1").weights(&solutions, classes);
        let sums = Voting::VOTE.weights(&solutions, classes);
        prop_assert!(kept.iter().zip(&sums).all(|(own, sum)| (own - sum).abs() < 1e-9));
        let mean = vote("pessimistic:alpha=0").weights(&solutions, classes);
        let means = sums.iter().zip(&counts).map(|(sum, count)| sum / count);
        prop_assert!(mean.iter().zip(means).all(|(own, mean)| (own - mean).abs() < 1e-9));
        // However small the share or the number that is kept, the best sample is.
        let best = solutions.iter().map(|own| own.score).fold(f64::MIN, f64::max);
        for name in ["filtered:top=1e-9", "top:m=1", "borda:p=9000", "softmax:temperature=1e-9"] {
            let weights = vote(name).weights(&solutions, classes);
            let heaviest = taken(&weights, &solutions);
            let has = |own: &ScoredAnswer| own.class == heaviest && own.score == best;
            // A weight may be a score of nothing.
            prop_assert!(best == 0.0 || solutions.iter().any(has), "{name}: {weights:?}");
        }
    }

    #[test]
    fn every_vote_gives_each_class_a_weight_whatever_it_is_given(
        drawn in prop::collection::vec((0usize..4, prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY)], 0usize..4), 0..9),
        classes in 4usize..6,
    ) {
        let own = |(class, score, count)| ScoredAnswer { class, score, count };
        let solutions: Vec<ScoredAnswer> = drawn.into_iter().map(own).collect();
        for voting in Voting::all().into_iter().flat_map(Voting::tried) {
            prop_assert_eq!(voting.weights(&solutions, classes).len(), classes);
        }
    }

    #[test]
    fn a_score_is_a_number_or_none_and_confidences_are_weights(
        values in prop::collection::vec((-20f32..=0.0, 0f32..12.0), 0..90),
        known: bool,
        length in prop::option::of(0usize..99),
    ) {
        let (logprobs, entropies): (Vec<f32>, Vec<f32>) = values.iter().copied().unzip();
        let entropies = if known { entropies } else { Vec::new() };
        let tokens = &TokenStats::of(values.len(), logprobs, entropies);
        let signals = Signals { rewards: &[], tokens, length };
        for scoring in Scoring::told() {
            let score = scoring.read(&signals);
            match scoring.signal() {
                Signal::Length => prop_assert_eq!(score.is_some(), length.is_some()),
                _ => prop_assert_eq!(score.is_some(), !values.is_empty()),
            }
            prop_assert!(scoring.signal() == Signal::Length || score.is_none_or(|own| (0.0..=1.0).contains(&own)));
        }
        let score = |name: &str| format!("{name}-vote").parse::<Selection>().map(|own| match own {
            Selection::Scored(scoring, _) => scoring.read(&signals),
            Selection::Majority => None,
        });
        // A window of everything is everything, and the least sure window is at most any.
        for name in ["group", "tail", "bottom"] {
            prop_assert_eq!(score(&format!("{name}:window=90")), score("certainty"));
        }
        let window = |name: &str| score(&format!("{name}:window=7")).unwrap();
        if let (Some(least), Some(tenth), Some(last)) = (window("group"), window("bottom"), window("tail")) {
            prop_assert!(least <= tenth + 1e-12 && least <= last);
        }
    }
}

#[test]
fn parameters_are_read_written_and_refused_as_those_of_methods() {
    let read = |name: &str| name.parse::<Selection>().map(|own| own.to_string());
    assert_eq!(read("LAST-MOB:m=4"), Ok("last-mob:m=4".into()));
    assert_eq!(
        read("avg-pessimistic:alpha=1"),
        Ok("mean-pessimistic:alpha=1.0".into())
    );
    assert_eq!(
        read("group:window=2048-filtered:top=0.1"),
        Ok("group-filtered".into())
    );
    assert_eq!(
        read("group:window=8-softmax:temperature=1e-3"),
        Ok("group:window=8-softmax:temperature=0.001".into())
    );
    assert_eq!("last-mob:m=4".parse::<Selection>(), "last-mob:m=4".parse());
    assert_ne!("last-mob:m=4".parse::<Selection>(), "last-mob:m=5".parse());
    let refused = |name: &str| name.parse::<Selection>().unwrap_err();
    assert_snapshot!(refused("last-mob:m=0"), @"mob cannot have these parameters: m is at least 1");
    assert_snapshot!(refused("last-mob:k=3"), @"mob cannot have these parameters: unknown field `k`, expected `m`");
    assert_snapshot!(refused("last-max:m=3"), @"max cannot have these parameters: max has no parameter `m`");
    assert_snapshot!(refused("last-mob:m"), @"`m` is no parameter (write NAME=VALUE)");
    assert_snapshot!(refused("tail:window=0-vote"), @"tail cannot have these parameters: a window has at least 1 token");
    assert_snapshot!(refused("tail-filtered:top=2"), @"filtered cannot have these parameters: top is a share above 0 and at most 1, not 2");
    for name in [
        "last-top:m=0",
        "last-softmax:temperature=0",
        "last-borda:p=-1",
        "last-pessimistic:alpha=-1",
    ] {
        refused(name);
    }
}
