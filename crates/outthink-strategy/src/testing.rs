//! What tests of strategies work with: fitted files, and models that count.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{BoxFuture, FutureExt};
use outthink_core::{
    Continuation, Extension, Judgement, ModelCost, ModelError, ModelInfo, Policy, Prefix, Reply,
    Step, Stop, Usage, Verifier,
};

use crate::{CostModel, StrategyFile, Unit};

pub(crate) const GOOD: &str = "good";
pub(crate) const BIASED: &str = "biased";

fn model(name: &str) -> ModelInfo {
    ModelInfo {
        name: name.to_owned(),
        identity: serde_json::json!({ "model": name, "profile": "plain" }),
        cost: Some(ModelCost {
            parameters: 1000,
            layers: 1,
            attention_width: 8,
            active: None,
        }),
        training_tokens: None,
        price: None,
        oracle: false,
    }
}

/// The policy of the fitted files.
pub(crate) fn policy() -> ModelInfo {
    model("policy")
}

/// Their verifiers.
pub(crate) fn verifiers() -> Vec<ModelInfo> {
    vec![model(GOOD), model(BIASED)]
}

/// Prices in samples.
pub(crate) fn samples() -> CostModel {
    CostModel::new(Unit::Samples, &policy(), &verifiers()).expect("samples have no price")
}

/// A strategy fitted for 4 to 64 samples, with verifiers or without. `outthink-lab` makes these files in its tests.
pub(crate) fn strategy(verified: bool) -> StrategyFile {
    let text = match verified {
        true => include_str!("../tests/fitted/rewarded.toml"),
        false => include_str!("../tests/fitted/voted.toml"),
    };
    StrategyFile::parse(text).expect("a strategy")
}

/// Answers 0, or for `split` draws whatever the seed says; counts its draws, and what it is asked to score.
pub(crate) struct Mock {
    pub(crate) split: bool,
    pub(crate) drawn: AtomicUsize,
    pub(crate) scored: AtomicUsize,
}

impl Policy for Mock {
    fn extend(&self, requests: Vec<Extension>) -> BoxFuture<'_, Result<Vec<Reply>, ModelError>> {
        let reply = move |request: Extension| {
            let draw = |seed: &u64| {
                self.drawn.fetch_add(1, Ordering::Relaxed);
                let answer = if self.split { seed % 3 } else { 0 };
                let text = format!("by way {seed} \\boxed{{{answer}}}");
                Continuation {
                    steps: vec![Step {
                        tokens: text.bytes().map(u32::from).collect(),
                        text,
                        logprob: -5.0,
                        ..Step::default()
                    }],
                    stop: Stop::Answer,
                }
            };
            (request.seeds.iter().map(draw).collect(), Usage::default())
        };
        async move { Ok(requests.into_iter().map(reply).collect()) }.boxed()
    }
}

impl Verifier for Mock {
    fn score(&self, prefixes: Vec<Prefix>) -> BoxFuture<'_, Result<Vec<Judgement>, ModelError>> {
        self.scored.fetch_add(prefixes.len(), Ordering::Relaxed);
        let judged = prefixes.into_iter().map(|prefix| Judgement {
            rewards: vec![0.9; prefix.steps.len()],
            usage: Usage::default(),
        });
        let judged = judged.collect();
        async move { Ok(judged) }.boxed()
    }
}
