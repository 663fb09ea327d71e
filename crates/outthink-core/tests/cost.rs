//! What a search is said to have cost.

#![allow(clippy::unwrap_used, missing_docs)]

mod scripted;

use std::sync::Mutex;

use futures::future::{BoxFuture, FutureExt};
use outthink_core::method::{COT, VALUE_GUIDED_SEARCH};
use outthink_core::{
    AnyMethod, Extension, Judgement, ModelCost, ModelError, Policy, Prefix, Reply, Spending, Usage,
    Verifier,
};
use proptest::prelude::*;
use scripted::{LIMITS, Scorer, Script, plan, run};

/// Says of each reply that it cost something else, and remembers what.
struct Priced<M>(M, Mutex<Vec<Usage>>);

impl<M> Priced<M> {
    fn new(model: M) -> Self {
        Self(model, Mutex::default())
    }

    fn next(&self) -> Usage {
        let mut bills = self.1.lock().unwrap();
        let n = bills.len() as u64 + 1;
        bills.push(Usage {
            requests: n,
            prompt: n * n,
            cached: 3 * n,
            generated: 5 * n + 1,
            computed: 7 * n,
            attended: 11 * n * n,
            estimated: 13 * n,
        });
        bills[bills.len() - 1]
    }

    fn total(&self) -> Usage {
        self.1.lock().unwrap().iter().copied().sum()
    }
}

impl Policy for Priced<Script> {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        async move {
            let mut replies = self.0.extend(requests).await?;
            replies
                .iter_mut()
                .for_each(|(_, usage)| *usage = self.next());
            Ok(replies)
        }
        .boxed()
    }
}

impl Verifier for Priced<Scorer> {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        async move {
            let mut judgements = self.0.score(prefixes).await?;
            judgements
                .iter_mut()
                .for_each(|judgement| judgement.usage = self.next());
            Ok(judgements)
        }
        .boxed()
    }
}

#[test]
fn what_every_reply_cost_is_in_the_trees_usage_exactly_once() {
    for method in AnyMethod::all() {
        let policy = Priced::new(Script::cycling([
            ("", "a/=1. b/=2. b/=2. ab"),
            ("a/", "=1. c/"),
            ("b/", "d/ ab"),
            ("ab", "/=3."),
            ("ab/", "=3."),
            ("a/c/", "=4."),
            ("b/d/", "=5."),
            ("b/ab", "=6."),
        ]));
        let verifier = Priced::new(Scorer::constant(0.5));
        let budget = if method == COT { 1 } else { 8 };
        let tree = run(&plan(method, budget, 2), LIMITS, &policy, Some(&verifier)).unwrap();
        assert_eq!(tree.policy, policy.total(), "{method}");
        assert_eq!(tree.verifier, verifier.total(), "{method}");
        assert_eq!(
            method.needs_verifier(),
            tree.verifier.requests > 1,
            "{method}"
        );
        // A usual block holds all of such a solution; a prompt of the method is asked after the solutions.
        let few = if method.traits().prompts { 1 } else { 2 };
        assert_eq!(
            method.is_search() && method != VALUE_GUIDED_SEARCH,
            policy.0.requests().len() > few,
            "{method}"
        );
    }
}

fn usage() -> impl Strategy<Value = Usage> {
    prop::array::uniform7(0u64..1 << 40).prop_map(from_fields)
}

fn from_fields(
    [
        requests,
        prompt,
        cached,
        generated,
        computed,
        attended,
        estimated,
    ]: [u64; 7],
) -> Usage {
    Usage {
        requests,
        prompt,
        cached,
        generated,
        computed,
        attended,
        estimated,
    }
}

fn fields(usage: Usage) -> [u64; 7] {
    let Usage {
        requests,
        prompt,
        cached,
        generated,
        computed,
        attended,
        estimated,
    } = usage;
    [
        requests, prompt, cached, generated, computed, attended, estimated,
    ]
}

proptest! {
    #[test]
    fn usages_add_field_by_field_in_any_order(usages in prop::collection::vec(usage(), 0..6)) {
        let direct = from_fields(std::array::from_fn(|field| {
            usages.iter().map(|&usage| fields(usage)[field]).sum()
        }));
        prop_assert_eq!(usages.iter().copied().sum::<Usage>(), direct);
        prop_assert_eq!(usages.iter().rev().copied().sum::<Usage>(), direct);
        let mut total = Usage::default();
        for &usage in &usages {
            total += usage;
        }
        prop_assert_eq!(total, direct);
    }

    #[test]
    fn full_flops_count_two_a_parameter_and_attention_layer_by_layer(
        parameters in 0u64..1000,
        layers in 0u64..4,
        attention_width in 0u64..8,
        prompt in 0u64..20,
        cached in 0u64..20,
        generated in 1u64..20,
    ) {
        let cached = cached.min(prompt);
        let (mut flops, mut attended) = (0, 0);
        for token in cached..prompt + generated {
            flops += 2 * parameters;
            for _ in 0..=token {
                attended += 1;
                // A product for the score and one for the value, each a multiplication and an addition.
                flops += layers * attention_width * (2 + 2);
            }
        }
        let usage = Usage {
            requests: 1,
            prompt,
            cached,
            generated,
            computed: prompt + generated - cached,
            attended,
            estimated: 0,
        };
        let cost = ModelCost { parameters, layers, attention_width, active: None };
        prop_assert_eq!(cost.full_flops(usage), flops as f64);
        prop_assert_eq!(cost.paper_flops(usage), (2 * parameters * generated) as f64);
        // A mixture of experts is charged for what a token uses, however much there is.
        let mixture = ModelCost { parameters: parameters + 1_000_000, active: Some(parameters), ..cost };
        prop_assert_eq!(mixture.full_flops(usage), flops as f64);
        prop_assert_eq!(mixture.paper_flops(usage), (2 * parameters * generated) as f64);
    }
}

#[test]
fn paper_flops_give_the_papers_table() {
    // arXiv 2502.06703, Table 4: parameters, tokens drawn for the 500 problems of MATH-500, inference FLOPs.
    for (parameters, generated, flops) in [
        (3_000_000_000, 51_200_000, 3.07e17),
        (405_000_000_000, 525_000, 4.25e17),
        (7_000_000_000, 58_200_000, 8.15e17),
        (671_000_000_000, 3_000_000, 4.03e18),
    ] {
        let cost = ModelCost {
            parameters,
            layers: 32,
            attention_width: 4096,
            active: None,
        };
        // The paper counts neither prompts nor what was computed for them.
        let usage = Usage {
            generated,
            prompt: 1 << 30,
            computed: 1 << 30,
            attended: 1 << 40,
            ..Usage::default()
        };
        assert!((cost.paper_flops(usage) / flops - 1.0).abs() < 0.005);
    }
}

#[test]
fn a_search_costs_what_its_policy_and_every_verifier_computed_and_is_unknown_if_one_of_them_is() {
    let usage = |generated, computed| Usage {
        generated,
        computed,
        ..Usage::default()
    };
    let (policy, verifier) = (ModelCost::of_size(30), ModelCost::of_size(7));
    let mixture = ModelCost {
        active: Some(3),
        ..policy
    };
    let (drawn, read) = (usage(10, 100), usage(0, 1000));
    let spent = |policy, verifiers: &[Option<ModelCost>]| {
        let verifiers = verifiers.iter().map(|shape| (*shape, read));
        let Spending {
            flops_paper,
            flops_full,
            ..
        } = Spending::of((policy, drawn), verifiers);
        (flops_paper, flops_full)
    };
    let two = [Some(verifier), Some(verifier)];
    assert_eq!(spent(Some(policy), &[]), (Some(600.0), Some(6000.0)));
    assert_eq!(spent(Some(policy), &two), (Some(600.0), Some(34_000.0)));
    assert_eq!(spent(Some(mixture), &two), (Some(60.0), Some(28_600.0)));
    let checked = [Some(ModelCost::FREE), Some(verifier)];
    assert_eq!(spent(Some(policy), &checked), (Some(600.0), Some(20_000.0)));
    assert_eq!(
        spent(Some(policy), &[Some(verifier), None]),
        (Some(600.0), None)
    );
    assert_eq!(spent(None, &two), (None, None));
    let spending = Spending::of((None, drawn), [(None, read), (None, read)]);
    assert_eq!((spending.policy, spending.verifier), (drawn, read + read));
}
