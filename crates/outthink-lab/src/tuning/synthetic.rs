//! Evidence made up for tests: two verifiers, one good and one that likes wrong answers, and problems easy or hard.

use std::collections::BTreeMap;

use outthink_core::method::{BEST_OF_N, MAJORITY};
use outthink_core::{ModelCost, ModelInfo, Scoring, Selection, Voting};
use outthink_strategy::{Candidate, CostModel, PROBE, ProbeFeatures, Stopping, StrategyFile, Unit};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::evidence::{Evidence, Row};
use super::replay::Pool;
use crate::estimate::binomial::Factorials;
use crate::estimate::spent::{Spent, Work};
use crate::estimate::votes::GradedSample;

pub(super) const GOOD: &str = "good";
pub(super) const BIASED: &str = "biased";
const SIZE: usize = 64;

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

fn spent(policy: bool) -> Spent {
    let work = Work {
        generated: 10 * SIZE as u64,
        shared: vec![(1, 10 * SIZE as u64, 100)],
    };
    let (policy, verifier) = match policy {
        true => (work, Work::default()),
        false => (Work::default(), work),
    };
    Spent {
        draws: SIZE as u64,
        policy,
        verifier,
    }
}

/// Half of the problems are easy (90 % of samples right), half hard (45 %, of many answers that agree on nothing else).
pub(super) fn evidence(problems: usize, seed: u64) -> Evidence {
    let vote = Selection::Scored(Scoring::LAST, Voting::VOTE);
    let mut candidates = Vec::new();
    for budget in [4, 16, 64] {
        let majority = Candidate {
            method: MAJORITY,
            budget,
            width: None,
            selection: Selection::Majority,
            verifier: None,
            stopping: None,
            rungs: Vec::new(),
        };
        candidates.push(majority.clone());
        if budget > PROBE {
            candidates.push(Candidate {
                stopping: Some(Stopping::Beta(0.95)),
                ..majority.clone()
            });
        }
        for name in [GOOD, BIASED] {
            let scored = Candidate {
                method: BEST_OF_N,
                selection: vote,
                verifier: Some(name.to_owned()),
                ..majority.clone()
            };
            candidates.push(scored.clone());
            if budget > PROBE {
                candidates.push(Candidate {
                    stopping: Some(Stopping::Rewarded(0.5)),
                    ..scored
                });
            }
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = (0..problems).map(|problem| row(problem, &candidates, &mut rng));
    Evidence {
        policy: model("policy"),
        verifiers: vec![model(GOOD), model(BIASED)],
        rows: rows.collect(),
        candidates,
        problems,
        runs: 1,
        missing: 0,
    }
}

fn row(problem: usize, candidates: &[Candidate], rng: &mut ChaCha8Rng) -> Row {
    let share = if problem.is_multiple_of(2) { 0.9 } else { 0.45 };
    let plain: Vec<GradedSample> = (0..SIZE)
        .map(|_| {
            let right = rng.random_bool(share);
            let class = if right { 0 } else { rng.random_range(1..5) };
            GradedSample {
                class: Some(class),
                right,
                ..GradedSample::default()
            }
        })
        .collect();
    let scored = |good: bool| {
        let score = |vote: &GradedSample| if vote.right == good { 0.9 } else { 0.05 };
        let votes = plain.iter().map(|vote| GradedSample {
            scores: Some([score(vote); 4].into()),
            ..vote.clone()
        });
        (votes.collect::<Vec<GradedSample>>(), spent(false), 1.0)
    };
    let scored = BTreeMap::from([
        (GOOD.to_owned(), scored(true)),
        (BIASED.to_owned(), scored(false)),
    ]);
    let glimpse = |reader: Option<&str>| {
        let votes = reader.map_or(&plain, |name| &scored[name].0);
        let glimpses = votes[..PROBE].iter().map(|vote| ProbeFeatures {
            class: vote.class,
            tokens: 10,
            logprob: -5.0,
            rewards: vote
                .scores
                .as_ref()
                .map_or(Vec::new(), |scores| vec![scores[0]]),
        });
        glimpses.collect::<Vec<ProbeFeatures>>()
    };
    let glimpses = vec![glimpse(None), glimpse(Some(GOOD)), glimpse(Some(BIASED))];
    let pool = Pool {
        plain,
        spent: spent(true),
        seconds: 1.0,
        scored,
        seed: problem as u64,
    };
    let factorials = Factorials::to(SIZE as u64);
    let probe_costs = [None, Some(GOOD), Some(BIASED)]
        .map(|reader| pool.cost(reader, PROBE, &factorials))
        .to_vec();
    let all: Vec<&Candidate> = candidates.iter().collect();
    let replayed = pool.replay(&all);
    Row {
        problem,
        run: 0,
        chances: replayed.iter().map(|own| own.chance).collect(),
        costs: replayed.iter().map(|own| own.cost).collect(),
        ends: replayed.iter().map(|own| own.end).collect(),
        probe_costs,
        glimpses,
        pass: share,
        pool,
    }
}

/// Prices in samples.
pub(super) fn samples(evidence: &Evidence) -> CostModel {
    CostModel::new(Unit::Samples, &evidence.policy, &evidence.verifiers)
        .expect("samples have no price")
}

/// A study of these models, as far as a strategy needs one.
pub(super) fn study(evidence: &Evidence) -> crate::study::Study {
    let recipe: crate::study::recipe::Recipe = toml::from_str(
        "name = \"made-up\"\ndataset = \"none\"\nmethods = [\"majority\"]\nbudgets = [4]\npolicies = [\"policy\"]\nverifiers = [\"good\", \"biased\"]",
    )
    .expect("a recipe");
    crate::study::Study {
        name: recipe.name.clone(),
        dataset: recipe.dataset.clone(),
        problems: Vec::new(),
        policies: vec![evidence.policy.clone()],
        verifiers: evidence.verifiers.clone(),
        strategies: Vec::new(),
        source: None,
        cells: Vec::new(),
        budgets: vec![4, 16, 64],
        seeds: vec![0],
        recipe,
    }
}

/// A strategy fitted on it for 4 to 64 samples, with verifiers or without.
pub(super) fn strategy(evidence: &Evidence, verified: bool) -> StrategyFile {
    let cost_model = samples(evidence);
    let open = |c: &usize| verified || evidence.candidates[*c].verifier.is_none();
    let all = (0..evidence.candidates.len()).filter(open).collect();
    let tuning = super::Tuning::new(evidence, &cost_model, all, 5, 0);
    let mut tuned = tuning.fit(&[4.0, 8.0, 16.0, 64.0]);
    tuning.share(&mut tuned);
    super::strategy_file(&study(evidence), evidence, &cost_model, &tuned).expect("a strategy")
}
