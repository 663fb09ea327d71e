//! DeepConf online: who becomes unsure is given up, and nobody else.

mod scripted;

use futures::future::{BoxFuture, FutureExt};
use insta::assert_snapshot;
use outthink_core::method::{DEEP_CONF, MAJORITY, Plan};
use outthink_core::{AnyMethod, Extension, ModelError, Policy, Reply, TokenStats, Tree};
use proptest::prelude::*;
use scripted::{LIMITS, Script, path_of, plan, run};

/// Tells how sure it was: a `u` was drawn at an entropy of 4 nats, everything else at none.
struct Told(Script);

impl Policy for Told {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let mut replies = self.0.extend(requests).await?;
            let drawn = replies.iter_mut().flat_map(|(drawn, _)| drawn);
            for step in drawn.flat_map(|draw| &mut draw.steps) {
                let unsure = |&token: &u32| if token == u32::from('u') { 4.0 } else { 0.0 };
                let entropies = step.tokens.iter().map(unsure).collect();
                step.stats = TokenStats::of(step.tokens.len(), Vec::new(), entropies);
            }
            Ok(replies)
        }
        .boxed()
    }
}

/// A solution whose length and whose unsure places depend on the seed.
fn says(seed: u64) -> String {
    let letter = |place: u64| {
        if (seed >> (place % 40)) & 7 == 0 {
            'u'
        } else {
            'a'
        }
    };
    let text: String = (0..4 + seed % 20).map(letter).collect();
    format!("{text}/={}.", seed % 3)
}

fn script() -> Script {
    Script::new(|draw| says(draw.seed)[draw.path.len()..].to_owned())
}

/// The mean of the least sure window, by definition.
fn sure(text: &str, window: usize) -> f64 {
    let values: Vec<f64> = text
        .chars()
        .map(|c| if c == 'u' { -4.0 } else { 0.0 })
        .collect();
    let window = window.min(values.len());
    let means = values
        .windows(window)
        .map(|own| own.iter().sum::<f64>() / window as f64);
    means.fold(f64::INFINITY, f64::min)
}

proptest! {
    #[test]
    fn it_keeps_those_of_the_same_samples_that_are_as_sure_as_the_threshold(
        n in 1usize..24,
        warm_up in 1usize..12,
        window in 1usize..12,
        tokens in 1usize..16,
        top in 1u32..=10,
    ) {
        let all = run(&plan(MAJORITY, n, 1), LIMITS, &Told(script()), None).expect("a search");
        let samples: Vec<String> = all.nodes()[Tree::ROOT].led_to.iter().map(|&end| path_of(&all.steps(end))).collect();
        let mut warm: Vec<f64> = samples.iter().take(warm_up).map(|own| sure(own, window)).collect();
        warm.sort_by(|a, b| b.total_cmp(a));
        let share = (warm.len() as f64 * f64::from(top) / 10.0).round().max(1.0) as usize;
        let least = warm[share - 1];
        let mut known = std::collections::HashSet::new();
        let kept = samples.iter().filter(|own| sure(own, window) >= least && known.insert(own.as_str()));
        let kept: Vec<&str> = kept.map(String::as_str).collect();
        let method = format!("deep-conf:warm_up={warm_up}:window={window}:tokens={tokens}:top={}", f64::from(top) / 10.0);
        let method: AnyMethod = method.parse().expect("a method");
        let tree = run(&plan(method, n, 1), LIMITS, &Told(script()), None).expect("a search");
        let solutions: Vec<String> = tree.solutions().iter().map(|own| path_of(&own.steps)).collect();
        prop_assert_eq!(solutions, kept);
        // What was given up was not drawn on.
        let drawn: usize = tree.nodes()[Tree::ROOT].led_to.iter().map(|&end| path_of(&tree.steps(end)).len()).sum();
        prop_assert_eq!(tree.policy.generated, drawn as u64);
        prop_assert!(tree.policy.generated <= all.policy.generated);
    }
}

#[test]
fn a_sample_ends_in_the_piece_in_which_it_becomes_unsure() {
    let script = Script::new(|draw| {
        let text = match draw.index() {
            0 => "aaaaaaaaaaaaaaaa/=1.",
            _ => "aauuuuaaaaaaaaaaaaaa/=2.",
        };
        text[draw.path.len()..].to_owned()
    });
    let method: AnyMethod = "deep-conf:warm_up=1:window=4:tokens=8"
        .parse()
        .expect("a method");
    let tree = run(&plan(method, 3, 1), LIMITS, &Told(script), None).expect("a search");
    assert_eq!(tree.policy.generated, 20 + 2 * 8);
    assert_eq!(tree.solutions().len(), 1);
}

#[test]
fn a_policy_that_tells_nothing_of_its_tokens_gives_nothing_up() {
    let tree = run(&plan(DEEP_CONF, 20, 1), LIMITS, &script(), None).expect("a search");
    let all = run(&plan(MAJORITY, 20, 1), LIMITS, &script(), None).expect("a search");
    assert_eq!(tree.policy.generated, all.policy.generated);
    assert_eq!(tree.solutions().len(), all.solutions().len());
}

#[test]
fn its_parameters_are_checked() {
    let method = |name: &str| name.parse::<AnyMethod>();
    assert_eq!(method("deepconf:top=0.1"), Ok(DEEP_CONF));
    let no = |name: &str| method(name).expect_err("no method");
    assert_snapshot!(no("deep-conf:top=0"), @"deep-conf cannot have these parameters: `top` is above 0 and at most 1, not 0");
    assert_snapshot!(no("deep-conf:warm-up=0"), @"deep-conf cannot have these parameters: `warm_up`, `window` and `tokens` are at least 1");
    assert_snapshot!(Plan::of(DEEP_CONF, 64).expect("a plan"), @"64 solutions, the first 16 whole");
    assert_snapshot!(Plan::of(DEEP_CONF, 8).expect("a plan"), @"8 solutions");
}
